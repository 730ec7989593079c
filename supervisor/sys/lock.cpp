#include "sys/lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include <fmt/core.h>

namespace baton::sys {
namespace {

// The pid in it; 0: there is none.
pid_t written_in(const UniqueFd& file) {
    std::array<char, 16> text{};
    const ssize_t got = ::pread(file.get(), text.data(), text.size(), 0);
    pid_t pid = 0;
    if (got > 0) std::from_chars(text.data(), text.data() + got, pid);
    return pid;
}

}  // namespace

Result<UniqueFd> lock_file(const std::string& path, pid_t holder) {
    UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW, 0644));
    if (!file.valid()) return Error::system("open " + path, errno);
    // Of the open file, not of a process: copies in other processes hold it too.
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(file.get(), F_OFD_SETLK, &whole) != 0) {
        if (errno != EAGAIN && errno != EACCES) return Error::system("lock " + path, errno);
        const pid_t other = written_in(file);
        return Error(other > 0 ? fmt::format("lock {}: process {} has it", path, other) : fmt::format("lock {}: another process has it", path), EWOULDBLOCK);
    }
    // On a full disk the lock is as good; only its holder is not told.
    const std::string text = fmt::format("{}\n", holder);
    if (::ftruncate(file.get(), 0) != 0) return file;
    [[maybe_unused]] const ssize_t told = ::pwrite(file.get(), text.data(), text.size(), 0);
    return file;
}

}  // namespace baton::sys
