#include "engine/host_answers.h"

#include <fmt/core.h>

#include "base/gateway_limits.h"
#include "sys/client_ports.h"
#include "sys/entrance.h"
#include "sys/file.h"
#include "sys/user.h"

namespace baton::engine {
namespace {

Result<void> user(const std::string& name) {
    const auto found = sys::find_user(name);
    if (!found) return found.error();
    return {};
}

Result<void> entrance(const std::string& folder, const std::string& name) {
    const auto user = sys::find_user(name);
    if (!user) return {};  // that is told where the user is named
    return sys::test_entrance(folder, *user);
}

std::string ports() {
    const auto shared = sys::given_to_clients({limits::port_first, limits::port_last});
    if (!shared) return {};
    return fmt::format("the kernel gives the ports {} to {} to clients (net.ipv4.ip_local_port_range), and Baton gives them to programs: one that "
                       "finds its port taken is started again with another. To keep them apart: sysctl net.ipv4.ip_local_reserved_ports={}-{}",
                       shared->first, shared->last, limits::port_first, limits::port_last);
}

}  // namespace

void answer_for_host(config::HostChecks& host) {
    host.user = user;
    host.appendable = sys::test_appendable;
    host.entrance = entrance;
    host.ports = ports;
}

}  // namespace baton::engine
