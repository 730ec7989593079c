#include "sys/descriptor.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace baton::sys {

void UniqueFd::reset() {
    // Never retried: after EINTR the descriptor is closed on Linux, and its number may be another's.
    if (raw_ >= 0) ::close(raw_);
    raw_ = -1;
}

Result<UniqueFd> duplicate(const UniqueFd& fd) {
    UniqueFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
    if (!copy.valid()) return Error::system("duplicate a descriptor", errno);
    return copy;
}

UniqueFd move_up(UniqueFd fd, int least) {
    if (!fd.valid() || fd.get() >= least) return fd;
    UniqueFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, least));
    return copy.valid() ? std::move(copy) : std::move(fd);
}

Result<UniqueFd> memory(const char* name, std::size_t size) {
    UniqueFd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd.valid()) return Error::system(std::string("create memory file ") + name, errno);
    if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
        return Error::system(std::string("size memory file ") + name, errno);
    }
    return fd;
}

Result<UniqueFd> sealed_memory(const char* name, std::string_view bytes) {
    UniqueFd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd.valid()) return Error::system(std::string("create memory file ") + name, errno);
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t written = ::write(fd.get(), bytes.data() + done, bytes.size() - done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return Error::system(std::string("write memory file ") + name, errno);
        done += static_cast<std::size_t>(written);
    }
    if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
        return Error::system(std::string("seal memory file ") + name, errno);
    }
    return fd;
}

Result<std::string> read_all(const UniqueFd& fd, std::size_t limit) {
    std::string bytes;
    std::array<char, 64 * 1024> buffer;
    for (;;) {
        const ssize_t got = ::pread(fd.get(), buffer.data(), buffer.size(), static_cast<off_t>(bytes.size()));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return Error::system("read a file", errno);
        if (got == 0) return bytes;
        bytes.append(buffer.data(), static_cast<std::size_t>(got));
        if (bytes.size() > limit) return failed("read a file: it is larger than " + std::to_string(limit) + " bytes");
    }
}

Result<std::size_t> read_some(const UniqueFd& fd, std::span<char> buffer) {
    ssize_t got = -1;
    do {
        got = ::read(fd.get(), buffer.data(), buffer.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0) return Error::system("read", errno);
    return static_cast<std::size_t>(got);
}

int append(const UniqueFd& file, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t put = ::write(file.get(), bytes.data(), bytes.size());
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return put < 0 ? errno : ENOSPC;
        bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return 0;
}

Result<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error::system("create a pipe", errno);
    Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
    if (::fcntl(pipe.read_end.get(), F_SETFL, O_NONBLOCK) != 0) return Error::system("set a pipe non-blocking", errno);
    return pipe;
}

}  // namespace baton::sys
