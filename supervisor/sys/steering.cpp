#include "sys/steering.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>

#include "base/limits.h"
#include "sys/bpf/steer_layout.h"
#include "sys/sockaddr.h"

#include <steer.skel.h>

namespace baton::sys {
namespace {

static_assert(STEER_SOCKETS == limits::steering_sockets);
static_assert(STEER_PLACES == limits::steering_places);
static_assert(STEER_GROUPS == limits::steering_groups);
static_assert(STEER_PROBES == limits::steering_probes);
static_assert(limits::steering_sockets <= UINT16_MAX + 1U, "a table's entries have sixteen bits");

// The version of steer_layout.h is part of the names.
#define STEER_LAYOUT "steer.v1/"
constexpr const char* program_name = STEER_LAYOUT "program";
constexpr const char* sockets_name = STEER_LAYOUT "sockets";
constexpr const char* groups_name = STEER_LAYOUT "groups";
constexpr const char* probes_name = STEER_LAYOUT "probes";
#undef STEER_LAYOUT

// The kernel allocates a group's table without waiting and may find nothing at hand just then.
constexpr int update_attempts = 8;

constexpr std::size_t verifier_log_bytes = 64 * 1024;
constexpr std::size_t verifier_log_shown = 1024;

struct SkeletonDeleter {
    void operator()(steer_bpf* skeleton) const { steer_bpf__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<steer_bpf, SkeletonDeleter>;

bool has_capability(unsigned capability) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
    if (::syscall(SYS_capget, &header, data.data()) != 0) return false;
    return ((data[capability / 32].effective >> (capability % 32)) & 1U) != 0;
}

Error load_failed(int code, std::string_view log) {
    const std::string what = "load the steering program";
    if (code == EPERM && !has_capability(CAP_BPF) && !has_capability(CAP_SYS_ADMIN)) {
        return Error(what + ": the capability CAP_BPF is missing", code);
    }
    if (code == ENOSYS) return Error(what + ": this kernel is built without eBPF", code);
    Error error = Error::system(what, code);
    // The verifier says what it stumbled on in its last lines.
    if (log.size() > verifier_log_shown) log.remove_prefix(log.size() - verifier_log_shown);
    if (!log.empty()) error = Error(error.message() + "; the kernel's verifier: " + std::string(log), code);
    if (code == EINVAL) error = Error(error.message() + " (kernel 5.14 is the oldest that can)", code);
    return error;
}

Result<UniqueFd> own_copy(int raw, const char* name) {
    UniqueFd copy(::fcntl(raw, F_DUPFD_CLOEXEC, 3));
    if (!copy.valid()) return Error::system(std::string("keep ") + name, errno);
    return copy;
}

struct MapShape {
    std::uint32_t type;
    std::uint32_t key_bytes;
    std::uint32_t value_bytes;
    std::uint32_t entries;
};

bool has_shape(const UniqueFd& map, const MapShape& shape) {
    bpf_map_info info{};
    std::uint32_t length = sizeof info;
    return bpf_obj_get_info_by_fd(map.get(), &info, &length) == 0 && info.type == shape.type &&
           info.key_size == shape.key_bytes && info.value_size == shape.value_bytes &&
           info.max_entries == shape.entries;
}

bool is_program(const UniqueFd& program) {
    bpf_prog_info info{};
    std::uint32_t length = sizeof info;
    return bpf_obj_get_info_by_fd(program.get(), &info, &length) == 0 &&
           info.type == BPF_PROG_TYPE_SK_REUSEPORT;
}

// The address as the program sees it: network order, IPv4 in the first word.
Result<std::array<std::uint32_t, 4>> address_words(const model::Address& address) {
    std::array<std::uint32_t, 4> words{};
    const auto raw = to_socket_address(address);
    if (!raw) return raw.error();
    if (raw->family() == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, &raw->storage, sizeof in);
        words[0] = in.sin_addr.s_addr;
    } else {
        sockaddr_in6 in{};
        std::memcpy(&in, &raw->storage, sizeof in);
        std::memcpy(words.data(), &in.sin6_addr, sizeof in.sin6_addr);
    }
    return words;
}

int family_of(const model::Address& address) {
    return address.family == model::Family::inet4 ? AF_INET : AF_INET6;
}

Error not_steered(const model::Address& address) {
    return failed("steer " + model::to_string(address) + ": only tcp and udp sockets can be steered");
}

Result<steer_group_key> group_key(const model::ListenerSpec& listener) {
    if (!model::can_steer(listener)) return not_steered(listener.address);
    const auto words = address_words(listener.address);
    if (!words) return words.error();
    steer_group_key key{};
    std::copy(words->begin(), words->end(), std::begin(key.address));
    key.port = listener.address.port;
    key.family = static_cast<__u8>(family_of(listener.address));
    key.protocol = listener.protocol == model::Protocol::udp ? IPPROTO_UDP : IPPROTO_TCP;
    return key;
}

Result<steer_probe_key> probe_key(const model::Address& source) {
    if (model::is_unix(source)) return not_steered(source);
    const auto words = address_words(source);
    if (!words) return words.error();
    steer_probe_key key{};
    std::copy(words->begin(), words->end(), std::begin(key.address));
    key.port = source.port;
    key.family = static_cast<__u16>(family_of(source));
    return key;
}

__u32 kernel_mode(Mode mode) {
    switch (mode) {
        case Mode::round_robin: return STEER_ROUND_ROBIN;
        case Mode::client_hash: return STEER_CLIENT_HASH;
        case Mode::flow_hash: return STEER_FLOW_HASH;
    }
    return STEER_ROUND_ROBIN;
}

// The group as it is; of a group that was never published, an empty one.
Result<steer_group> read_group(const UniqueFd& groups, const steer_group_key& key, const std::string& what) {
    steer_group group{};
    if (bpf_map_lookup_elem(groups.get(), &key, &group) != 0 && errno != ENOENT)
        return Error::system(what, errno);
    return group;
}

Result<void> write_group(const UniqueFd& groups, const steer_group_key& key, const steer_group& group,
                         const std::string& what) {
    for (int attempt = 1;; ++attempt) {
        if (bpf_map_update_elem(groups.get(), &key, &group, BPF_ANY) == 0) return {};
        if (errno == E2BIG) return failed(what + ": the table of groups is full");
        if (errno != ENOMEM || attempt == update_attempts) return Error::system(what, errno);
    }
}

Result<void> remove_key(const UniqueFd& map, const void* key, const std::string& what) {
    if (bpf_map_delete_elem(map.get(), key) != 0 && errno != ENOENT) return Error::system(what, errno);
    return {};
}

// Whether the kernel already has this very socket at the place.
bool holds(const UniqueFd& sockets, std::uint32_t place, const UniqueFd& socket) {
    std::uint64_t there = 0;
    std::uint64_t cookie = 0;
    socklen_t length = sizeof cookie;
    return bpf_map_lookup_elem(sockets.get(), &place, &there) == 0 &&
           ::getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0 && there == cookie;
}

std::string at_place(const char* what, std::uint32_t place) {
    return std::string(what) + " steering place " + std::to_string(place);
}

}  // namespace

Result<Steering> Steering::load() {
    // libbpf would speak to standard error; what it has to say comes back in the Error.
    libbpf_set_print(nullptr);
    const Skeleton skeleton(steer_bpf__open());
    if (!skeleton) return load_failed(errno, {});
    std::string log(verifier_log_bytes, '\0');
    bpf_program__set_log_buf(skeleton->progs.steer, log.data(), log.size());
    const int status = steer_bpf__load(skeleton.get());
    if (status != 0) return load_failed(-status, log.c_str());

    Steering steering;
    const auto keep = [](UniqueFd& into, int raw, const char* name) -> std::optional<Error> {
        auto copy = own_copy(raw, name);
        if (!copy) return copy.error();
        into = std::move(*copy);
        return std::nullopt;
    };
    if (auto error = keep(steering.program_, bpf_program__fd(skeleton->progs.steer), program_name))
        return *error;
    if (auto error = keep(steering.sockets_, bpf_map__fd(skeleton->maps.sockets), sockets_name))
        return *error;
    if (auto error = keep(steering.groups_, bpf_map__fd(skeleton->maps.groups), groups_name)) return *error;
    if (auto error = keep(steering.probes_, bpf_map__fd(skeleton->maps.probes), probes_name)) return *error;
    return steering;
}

Result<Steering> Steering::adopt(std::map<std::string, UniqueFd>&& held) {
    const std::map<std::string, UniqueFd> given = std::move(held);
    Steering steering;
    const std::array<std::pair<const char*, UniqueFd*>, 4> wanted{{{program_name, &steering.program_},
                                                                   {sockets_name, &steering.sockets_},
                                                                   {groups_name, &steering.groups_},
                                                                   {probes_name, &steering.probes_}}};
    for (const auto& [name, into] : wanted) {
        const auto found = given.find(name);
        if (found == given.end())
            return failed(std::string("adopt the steering program: ") + name + " is missing");
        auto copy = own_copy(found->second.get(), name);
        if (!copy) return copy.error();
        *into = std::move(*copy);
    }
    const MapShape sockets{BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, sizeof(__u32), sizeof(__u64), STEER_SOCKETS};
    const MapShape groups{BPF_MAP_TYPE_HASH, sizeof(steer_group_key), sizeof(steer_group), STEER_GROUPS};
    const MapShape probes{BPF_MAP_TYPE_HASH, sizeof(steer_probe_key), sizeof(__u32), STEER_PROBES};
    if (!is_program(steering.program_) || !has_shape(steering.sockets_, sockets) ||
        !has_shape(steering.groups_, groups) || !has_shape(steering.probes_, probes)) {
        return failed("adopt the steering program: what is held is of another layout");
    }
    return steering;
}

std::vector<Steering::Named> Steering::descriptors() const {
    return {
        {program_name, program_}, {sockets_name, sockets_}, {groups_name, groups_}, {probes_name, probes_}};
}

Result<void> Steering::attach(const UniqueFd& socket) {
    const int program = program_.get();
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof program) != 0) {
        return Error::system("attach the steering program to a group", errno);
    }
    return {};
}

Result<void> Steering::set_socket(std::uint32_t place, const UniqueFd& socket) {
    if (holds(sockets_, place, socket)) return {};
    const auto value = static_cast<std::uint64_t>(socket.get());
    if (bpf_map_update_elem(sockets_.get(), &place, &value, BPF_ANY) != 0) {
        const int code = errno;
        const std::string what = at_place("set the socket of", place);
        if (code == EBUSY) return Error(what + ": the socket has another place", code);
        if (code == EINVAL) return Error(what + ": the socket does not listen, or is in no group", code);
        return Error::system(what, code);
    }
    return {};
}

Result<void> Steering::clear_socket(std::uint32_t place) {
    return remove_key(sockets_, &place, at_place("clear", place));
}

Result<void> Steering::publish(const model::ListenerSpec& listener, Mode mode,
                               std::span<const Weighted> members) {
    const std::string what = "publish the instances of " + model::identity(listener);
    const auto key = group_key(listener);
    if (!key) return key.error();
    std::size_t weighted = 0;
    for (const Weighted& member : members) {
        if (member.place >= STEER_SOCKETS)
            return failed(what + ": place " + std::to_string(member.place) + " is too high");
        if (member.weight != 0) ++weighted;
    }
    if (weighted > STEER_PLACES)
        return failed(what + ": more than " + std::to_string(STEER_PLACES) + " have a weight");

    // The cursor goes on, or every change would favour whoever comes first.
    auto group = read_group(groups_, *key, what);
    if (!group) return group.error();
    const auto table = build_table(mode, members);
    group->mode = kernel_mode(mode);
    group->closed = 0;
    group->count = static_cast<__u32>(table.size());
    std::memset(group->places, 0, sizeof group->places);
    for (std::size_t i = 0; i < table.size(); ++i) group->places[i] = static_cast<__u16>(table[i]);
    return write_group(groups_, *key, *group, what);
}

Result<void> Steering::close_group(const model::ListenerSpec& listener) {
    const std::string what = "close the group of " + model::identity(listener);
    const auto key = group_key(listener);
    if (!key) return key.error();
    auto group = read_group(groups_, *key, what);
    if (!group) return group.error();
    group->closed = 1;
    return write_group(groups_, *key, *group, what);
}

Result<void> Steering::forget_group(const model::ListenerSpec& listener) {
    const auto key = group_key(listener);
    if (!key) return key.error();
    return remove_key(groups_, &*key, "forget the group of " + model::identity(listener));
}

Result<void> Steering::add_probe(const model::Address& source, std::uint32_t place) {
    const auto key = probe_key(source);
    if (!key) return key.error();
    if (bpf_map_update_elem(probes_.get(), &*key, &place, BPF_ANY) == 0) return {};
    if (errno == E2BIG)
        return failed("register a probe from " + model::to_string(source) + ": too many are under way");
    return Error::system("register a probe from " + model::to_string(source), errno);
}

Result<void> Steering::remove_probe(const model::Address& source) {
    const auto key = probe_key(source);
    if (!key) return key.error();
    return remove_key(probes_, &*key, "remove the probe from " + model::to_string(source));
}

Result<void> Steering::forget_probes() {
    steer_probe_key key{};
    // One after the other from the front: a bound, should another process add meanwhile.
    for (std::uint32_t i = 0; i < 2 * limits::steering_probes; ++i) {
        if (bpf_map_get_next_key(probes_.get(), nullptr, &key) != 0) break;
        const auto removed = remove_key(probes_, &key, "forget the probes of an earlier master");
        if (!removed) return removed.error();
    }
    return {};
}

}  // namespace baton::sys
