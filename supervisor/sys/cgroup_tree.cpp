#include "sys/cgroup_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <memory>

#include <fmt/core.h>

#include "base/limits.h"
#include "sys/descriptor.h"

namespace baton::sys {
namespace {

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const auto end = std::min(text.find_first_of(separators), text.size());
        if (end > 0) parts.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

// mountinfo writes a blank in a path as "\040".
std::string unescape(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        int code = 0;
        const char* const digits = text.data() + i + 1;
        if (text[i] == '\\' && i + 3 < text.size() &&
            std::from_chars(digits, digits + 3, code, 8).ptr == digits + 3) {
            plain += static_cast<char>(code);
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

struct Mount {
    std::string root;  // what of the hierarchy is mounted
    std::string point;
};

// The v2 mounts of a mountinfo; see proc(5).
std::vector<Mount> cgroup2_mounts(std::string_view mounts) {
    std::vector<Mount> list;
    for (const std::string_view line : split(mounts, "\n")) {
        const auto dash = line.find(" - ");
        const auto fields = split(line, " ");
        if (dash == std::string_view::npos || fields.size() < 5) continue;
        if (line.substr(dash + 3).starts_with("cgroup2 "))
            list.push_back({unescape(fields[3]), unescape(fields[4])});
    }
    return list;
}

struct DirectoryCloser {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

std::vector<std::string> directories_in(const std::string& path) {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, DirectoryCloser> directory(::opendir(path.c_str()));
    if (!directory) return names;
    while (const dirent* entry = ::readdir(directory.get())) {
        const std::string_view name = entry->d_name;
        if (entry->d_type == DT_DIR && name != "." && name != "..") names.emplace_back(name);
    }
    return names;
}

std::string keeper_prefix() {
    struct stat about {};
    if (::stat("/proc/self/ns/pid", &about) != 0) about.st_ino = 0;
    return fmt::format("baton-{}-", about.st_ino);
}

Result<std::string> read_text(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return Error::system("open " + path, errno);
    auto text = read_all(file, limits::cgroup_file_bytes);
    if (!text) return text.error().context(path);
    return text;
}

}  // namespace

Result<std::vector<std::string>> read_words(const std::string& path) {
    const auto text = read_text(path);
    if (!text) return text.error();
    std::vector<std::string> words;
    for (const std::string_view word : split(*text, " \n")) words.emplace_back(word);
    return words;
}

Result<void> write_word(const std::string& path, std::string_view text) {
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file.valid()) return Error::system("open " + path, errno);
    ssize_t written = -1;
    do {
        written = ::write(file.get(), text.data(), text.size());
    } while (written < 0 && errno == EINTR);
    if (written < 0) return Error::system(fmt::format("write {} to {}", text, path), errno);
    return {};
}

bool file_exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

Result<OwnCgroup> find_own_cgroup(std::string_view mounts, std::string_view membership) {
    OwnCgroup own;
    std::optional<std::string> path;
    for (const std::string_view line : split(membership, "\n")) {
        if (line.starts_with("0::/")) {
            path = line.substr(3);
        } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
            const std::string_view controllers =
                line.substr(colon + 1, line.find(':', colon + 1) - colon - 1);
            if (!controllers.empty() && !controllers.starts_with("name=")) own.hybrid = true;
        }
    }
    const auto candidates = cgroup2_mounts(mounts);
    if (!path || candidates.empty()) return failed("no cgroup v2 file system is mounted");
    own.namespace_root = *path == "/";
    // Later mounts hide earlier ones.
    for (auto mount = candidates.rbegin(); mount != candidates.rend(); ++mount) {
        std::string_view below = *path;
        if (mount->root != "/") {
            if (!below.starts_with(mount->root)) continue;
            below.remove_prefix(mount->root.size());
            if (!below.empty() && below.front() != '/') continue;
        }
        own.directory = mount->point;
        if (below != "/") own.directory += below;
        return own;
    }
    return failed(fmt::format("no mounted cgroup v2 file system shows the own group {}", *path));
}

bool is_delegated(const std::string& directory) {
    for (const char* const name : {"user.delegate", "trusted.delegate"}) {
        char value = '\0';
        if (::getxattr(directory.c_str(), name, &value, 1) == 1 && value == '1') return true;
    }
    return false;
}

bool descends_from(pid_t pid, pid_t ancestor) {
    // Bounded: pids that are reused while one looks could lead round in a circle.
    for (int steps = 0; steps < 64 && pid > 0; ++steps) {
        if (pid == ancestor) return true;
        const auto stat = read_text(fmt::format("/proc/{}/stat", pid));
        // "PID (NAME) STATE PARENT ...", and the name may have any character.
        const auto name_end = stat ? stat->rfind(')') : std::string::npos;
        if (name_end == std::string::npos || name_end + 4 > stat->size()) return false;
        pid = 0;
        std::from_chars(stat->data() + name_end + 4, stat->data() + stat->size(), pid);
    }
    return false;
}

std::string keeper_directory(pid_t keeper) {
    return fmt::format("{}{}", keeper_prefix(), keeper);
}

void remove_of_dead_keepers(const std::string& parent) {
    const std::string prefix = keeper_prefix();
    for (const std::string& name : directories_in(parent)) {
        if (!name.starts_with(prefix)) continue;
        pid_t pid = 0;
        const char* const end = name.data() + name.size();
        const auto [read_to, ec] = std::from_chars(name.data() + prefix.size(), end, pid);
        if (ec != std::errc{} || read_to != end || pid <= 0) continue;
        if (::kill(pid, 0) == 0 || errno != ESRCH) continue;
        static_cast<void>(remove_tree(parent + "/" + name));
    }
}

Result<bool> make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0755) == 0) return true;
    if (errno != EEXIST) return Error::system("create " + path, errno);
    return false;
}

Result<void> remove_tree(const std::string& path) {
    for (const std::string& name : directories_in(path)) {
        if (auto removed = remove_tree(path + "/" + name); !removed) return removed;
    }
    if (::rmdir(path.c_str()) != 0 && errno != ENOENT)
        return Error::system("remove " + path, errno);
    return {};
}

}  // namespace baton::sys
