#include "sys/file.h"

#include <fcntl.h>

#include <cerrno>

#include "sys/descriptor.h"

namespace baton::sys {

Result<void> test_readable(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd.valid()) return Error::system("read " + path, errno);
    return {};
}

Result<UniqueFd> open_for_appending(const std::string& path) {
    UniqueFd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640));
    if (!file.valid()) return Error::system("open " + path, errno);
    return file;
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd.valid()) return Error::system("read " + path, errno);
    auto bytes = read_all(fd, limit);
    if (!bytes) return bytes.error().context(path);
    return bytes;
}

}  // namespace baton::sys
