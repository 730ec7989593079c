#include "sys/cgroup.h"

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>

#include <fmt/core.h>

#include "base/limits.h"
#include "sys/cgroup_tree.h"

namespace baton::sys {
namespace {

constexpr std::string_view leaf_name = "baton-supervisor";
// Before every group's name, so that none can be that of a control file or of the leaf.
constexpr std::string_view group_prefix = "i.";
constexpr std::uint64_t cpu_period_us = 100'000;
constexpr double cpu_quota_least_us = 1'000;  // the kernel's least

std::string parent_of(const std::string& directory) {
    return directory.substr(0, directory.rfind('/'));
}

Result<std::string> read_proc(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return Error::system("open " + path, errno);
    return read_all(file, limits::cgroup_file_bytes);
}

pid_t parse_pid(const std::string& word) {
    pid_t pid = 0;  // what the kernel shows for a process of another pid namespace
    std::from_chars(word.data(), word.data() + word.size(), pid);
    return pid;
}

// A process in `cgroup` that is none of the keeper's; 0 for one that cannot be seen from here.
Result<std::optional<pid_t>> find_stranger(const std::string& cgroup, pid_t keeper) {
    const auto words = read_words(cgroup + "/cgroup.procs");
    if (!words) return words.error();
    for (const std::string& word : *words) {
        const pid_t pid = parse_pid(word);
        // One that has ended since is nobody.
        if (pid != 0 && !file_exists(fmt::format("/proc/{}", pid))) continue;
        if (!descends_from(pid, keeper)) return std::optional<pid_t>(pid);
    }
    return std::optional<pid_t>();
}

// Everybody moves from one group to another. Twice more, as a process may fork meanwhile.
Result<void> move_all(const std::string& from, const std::string& to) {
    for (int round = 0; round < 3; ++round) {
        const auto words = read_words(from + "/cgroup.procs");
        if (!words) return words.error();
        if (words->empty()) return {};
        for (const std::string& word : *words) {
            auto moved = write_word(to + "/cgroup.procs", word);
            if (!moved && moved.error().code() != ESRCH) return moved;
        }
    }
    return {};
}

}  // namespace

CgroupSurroundings CgroupSurroundings::here() {
    CgroupSurroundings surroundings;
    // A parent outside of this pid namespace shows as 0; then all that is ours descends from us.
    surroundings.keeper = ::getppid() > 0 ? ::getppid() : ::getpid();
    surroundings.systemd = file_exists("/run/systemd/system");
    return surroundings;
}

Cgroups Cgroups::probe() {
    return probe(CgroupSurroundings::here());
}

Cgroups Cgroups::probe(const CgroupSurroundings& surroundings) {
    Cgroups groups;
    const auto mounts = read_proc(surroundings.mounts);
    const auto membership = read_proc(surroundings.membership);
    if (!mounts || !membership) {
        groups.why_not_ = (mounts ? membership : mounts).error().message();
        return groups;
    }
    const auto own = find_own_cgroup(*mounts, *membership);
    if (!own) {
        groups.why_not_ = own.error().message();
        return groups;
    }
    const std::string& cgroup = own->directory;
    const bool in_leaf = cgroup.ends_with(fmt::format("/{}", leaf_name));
    // Only the root of the whole hierarchy has no type.
    const bool is_root = !file_exists(cgroup + "/cgroup.type");
    Result<void> settled;
    if (!file_exists(cgroup + "/cgroup.procs")) {
        settled = failed(cgroup + " is no cgroup");
    } else if (in_leaf) {
        groups.base_ = parent_of(cgroup);
        groups.enable(surroundings.controllers);
    } else if (own->hybrid || is_root) {
        settled = groups.settle_beside(surroundings, cgroup);
    } else if (surroundings.systemd && !own->namespace_root && !is_delegated(cgroup)) {
        settled = failed(cgroup +
                         " belongs to systemd; Delegate=yes in the unit would give it to batond");
    } else {
        settled = groups.settle_in_own(surroundings, cgroup);
    }
    if (!settled) {
        groups.base_.clear();
        groups.why_not_ = settled.error().message();
    }
    return groups;
}

Result<void> Cgroups::settle_in_own(const CgroupSurroundings& surroundings,
                                    const std::string& cgroup) {
    const auto stranger = find_stranger(cgroup, surroundings.keeper);
    if (!stranger) return stranger.error();
    if (*stranger) {
        const std::string who =
            **stranger == 0 ? "of another pid namespace" : fmt::format("{}", **stranger);
        return failed(fmt::format("{} is shared with others (process {})", cgroup, who));
    }
    const std::string leaf = fmt::format("{}/{}", cgroup, leaf_name);
    if (auto made = make_directory(leaf); !made) return made.error();
    if (auto moved = move_all(cgroup, leaf); !moved) return moved;
    base_ = cgroup;
    enable(surroundings.controllers);
    return {};
}

Result<void> Cgroups::settle_beside(const CgroupSurroundings& surroundings,
                                    const std::string& cgroup) {
    remove_of_dead_keepers(cgroup);
    base_ = cgroup + "/" + keeper_directory(surroundings.keeper);
    if (auto made = make_directory(base_); !made) return made.error();
    made_base_ = true;
    if (!file_exists(base_ + "/cgroup.procs")) return failed(base_ + " is no cgroup");
    enable(surroundings.controllers);
    if (controllers_.empty()) why_not_ = fmt::format("cgroup v2 has no controllers in {}", cgroup);
    return {};
}

void Cgroups::enable(const std::vector<std::string>& controllers) {
    for (const std::string& controller : controllers) {
        const auto enabled = write_word(base_ + "/cgroup.subtree_control", "+" + controller);
        if (enabled) {
            controllers_.insert(controller);
        } else if (why_not_.empty()) {
            why_not_ = enabled.error().message();
        }
    }
}

std::string Cgroups::status() const {
    if (base_.empty()) return "none: " + why_not_;
    if (!why_not_.empty()) return "v2 without limits: " + why_not_;
    return "v2";
}

std::string Cgroups::path_of(const std::string& name) const {
    if (base_.empty()) return {};
    std::string plain = name;
    std::replace(plain.begin(), plain.end(), '/', '.');
    return fmt::format("{}/{}{}", base_, group_prefix, plain);
}

Result<void> Cgroups::check_limits(bool memory, bool cpu) const {
    if (base_.empty()) return failed("no cgroups: " + why_not_);
    if (memory && !controllers_.contains("memory"))
        return failed("no limit of memory: " + why_not_);
    if (cpu && !controllers_.contains("cpu")) return failed("no limit of cpu: " + why_not_);
    return {};
}

Result<void> Cgroups::limit(const std::string& path, const char* controller,
                            const std::string& file, const std::string& value) const {
    // A group that is used again may have the limit of its past.
    if (!controllers_.contains(controller)) return {};
    return write_word(path + "/" + file, value);
}

Result<Cgroups::Place> Cgroups::make(const std::string& name, std::uint64_t memory_bytes,
                                     double cpu) {
    const auto context = [&](const Error& error) { return error.context("cgroup of " + name); };
    if (auto possible = check_limits(memory_bytes > 0, cpu > 0); !possible)
        return context(possible.error());
    remove_remembered();
    const std::string path = path_of(name);
    to_remove_.erase(path);
    const auto fresh = make_directory(path);
    if (!fresh) return context(fresh.error());
    if (!*fresh) {
        const auto present = read_words(path + "/cgroup.procs");
        if (!present) return context(present.error());
        if (!present->empty())
            return failed(fmt::format("cgroup of {}: {} has processes already", name, path));
    }

    const std::string memory = memory_bytes == 0 ? "max" : std::to_string(memory_bytes);
    const double quota =
        std::max(cpu_quota_least_us, std::floor(cpu * static_cast<double>(cpu_period_us)));
    const std::string share = cpu <= 0 ? "max" : fmt::format("{:.0f}", quota);
    // A new one has none.
    Result<void> limited;
    if (!*fresh || memory_bytes > 0) limited = limit(path, "memory", "memory.max", memory);
    if (limited && (!*fresh || cpu > 0))
        limited = limit(path, "cpu", "cpu.max", fmt::format("{} {}", share, cpu_period_us));
    if (!limited) {
        static_cast<void>(remove(path));
        return context(limited.error());
    }
    Place place{UniqueFd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)), path};
    if (!place.directory.valid()) return context(Error::system("open " + path, errno));
    return place;
}

bool Cgroups::is_ours(const std::string& path) const {
    const std::string prefix = fmt::format("{}/{}", base_, group_prefix);
    return !base_.empty() && path.starts_with(prefix) &&
           path.find('/', prefix.size()) == std::string::npos;
}

Result<void> Cgroups::kill(const std::string& path) const {
    if (!is_ours(path)) return failed("kill " + path + ": it is no group of ours");
    return write_word(path + "/cgroup.kill", "1");
}

Result<void> Cgroups::remove(const std::string& path) {
    if (!is_ours(path)) return failed("remove " + path + ": it is no group of ours");
    remove_remembered();
    auto removed = remove_tree(path);
    if (!removed && to_remove_.size() < limits::cgroups_remembered) to_remove_.insert(path);
    if (removed) to_remove_.erase(path);
    return removed;
}

void Cgroups::remove_remembered() {
    std::erase_if(to_remove_,
                  [](const std::string& path) { return static_cast<bool>(remove_tree(path)); });
}

void Cgroups::dissolve() {
    if (base_.empty()) return;
    remove_remembered();
    if (made_base_) static_cast<void>(remove_tree(base_));
}

}  // namespace baton::sys
