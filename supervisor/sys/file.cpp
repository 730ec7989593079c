#include "sys/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sys/descriptor.h"

namespace baton::sys {

Result<void> test_readable(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd.valid()) return Error::system("read " + path, errno);
    return {};
}

Result<void> test_appendable(const std::string& path) {
    struct stat about {};
    if (::stat(path.c_str(), &about) == 0) {
        if (S_ISDIR(about.st_mode)) return Error::system("write to " + path, EISDIR);
        if (::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) != 0) return Error::system("write to " + path, errno);
        return {};
    }
    if (errno != ENOENT) return Error::system("write to " + path, errno);
    // The nearest folder that is there.
    std::string folder = path;
    for (bool found = false; !found;) {
        const auto slash = folder.rfind('/');
        folder = slash == std::string::npos ? "." : folder.substr(0, std::max<std::size_t>(slash, 1));
        found = ::stat(folder.c_str(), &about) == 0;
        if (!found && (errno != ENOENT || folder.size() <= 1)) return Error::system("write to " + path + ": folder " + folder, errno);
    }
    if (!S_ISDIR(about.st_mode)) return Error::system("write to " + path + ": " + folder, ENOTDIR);
    if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0) return Error::system("write to " + path + ": folder " + folder, errno);
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
