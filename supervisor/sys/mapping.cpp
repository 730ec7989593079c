#include "sys/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

namespace baton::sys {
namespace {

void unmap(std::span<std::byte> bytes) {
    if (!bytes.empty()) ::munmap(bytes.data(), bytes.size());
}

}  // namespace

Mapping& Mapping::operator=(Mapping&& other) noexcept {
    if (this == &other) return *this;
    unmap(bytes_);
    bytes_ = std::exchange(other.bytes_, {});
    return *this;
}

Mapping::~Mapping() {
    unmap(bytes_);
}

Result<Mapping> Mapping::map(const UniqueFd& file) {
    const int seals = ::fcntl(file.get(), F_GET_SEALS);
    if (seals < 0) return Error::system("map a file that is no memory file", errno);
    if ((seals & F_SEAL_SHRINK) == 0) return failed("map a memory file: its size is not sealed");
    struct stat about {};
    if (::fstat(file.get(), &about) != 0)
        return Error::system("map a memory file: ask for its size", errno);
    if (about.st_size <= 0) return failed("map a memory file: it is empty");
    const auto size = static_cast<std::size_t>(about.st_size);
    void* const start = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (start == MAP_FAILED) return Error::system("map a memory file", errno);
    return Mapping(std::span(static_cast<std::byte*>(start), size));
}

Result<void> seal_size(const UniqueFd& file) {
    if (::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
        return Error::system("seal the size of a memory file", errno);
    }
    return {};
}

}  // namespace baton::sys
