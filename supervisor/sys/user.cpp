#include "sys/user.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

#include "base/limits.h"

namespace baton::sys {
namespace {

// A uid where `text` is one. UINT32_MAX means "unchanged" to the kernel and is nobody's.
std::optional<uid_t> parse_uid(const std::string& text) {
    uid_t uid = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), uid);
    if (ec != std::errc{} || end != text.data() + text.size() || uid == UINT32_MAX)
        return std::nullopt;
    return uid;
}

Result<std::vector<std::uint32_t>> groups_of(const std::string& name, gid_t own) {
    std::vector<gid_t> groups(64);
    while (true) {
        int count = static_cast<int>(groups.size());
        if (::getgrouplist(name.c_str(), own, groups.data(), &count) >= 0) {
            return std::vector<std::uint32_t>(groups.begin(), groups.begin() + count);
        }
        if (groups.size() >= limits::user_groups)
            return failed("user " + name + ": is in too many groups");
        groups.resize(std::min(limits::user_groups,
                               std::max(groups.size() * 2, static_cast<std::size_t>(count))));
    }
}

}  // namespace

std::uint32_t own_uid() {
    return ::geteuid();
}

Result<User> find_user(const std::string& name_or_uid) {
    const auto uid = parse_uid(name_or_uid);
    std::vector<char> buffer(1024);
    passwd entry{};
    passwd* found = nullptr;
    int code = ERANGE;
    while (true) {
        // A name in digits is a name first, as for chown.
        code = ::getpwnam_r(name_or_uid.c_str(), &entry, buffer.data(), buffer.size(), &found);
        if (code != ERANGE && found == nullptr && uid) {
            code = ::getpwuid_r(*uid, &entry, buffer.data(), buffer.size(), &found);
        }
        if (code != ERANGE || buffer.size() >= limits::user_entry_bytes) break;
        buffer.resize(buffer.size() * 2);
    }
    if (found == nullptr) {
        // Name services report "no such entry" with several codes; see getpwnam(3).
        const bool unknown =
            code == 0 || code == ENOENT || code == ESRCH || code == EBADF || code == EPERM;
        if (unknown) return failed("user " + name_or_uid + ": no such user");
        return Error::system("look up user " + name_or_uid, code);
    }
    auto groups = groups_of(entry.pw_name, entry.pw_gid);
    if (!groups) return groups.error();
    return User{entry.pw_uid, entry.pw_gid,  std::move(*groups),
                entry.pw_dir, entry.pw_name, entry.pw_shell};
}

}  // namespace baton::sys
