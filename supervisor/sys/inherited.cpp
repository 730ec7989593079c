#include "sys/inherited.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "sys/datagram.h"

namespace baton::sys {
namespace {

constexpr int first_descriptor = 3;  // SD_LISTEN_FDS_START

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

long number(const std::string& text) { return std::strtol(text.c_str(), nullptr, 10); }

}  // namespace

std::vector<Inherited> take_inherited() {
    const long count = number(variable("LISTEN_PID")) == ::getpid() ? number(variable("LISTEN_FDS")) : 0;
    std::istringstream names(variable("LISTEN_FDNAMES"));
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
    std::vector<Inherited> inherited;
    for (long i = 0; i < count; ++i) {
        std::string name;
        std::getline(names, name, ':');
        const int raw = first_descriptor + static_cast<int>(i);
        // A count that is not true would make this process take what is somebody else's here.
        if (::fcntl(raw, F_SETFD, FD_CLOEXEC) != 0) break;
        inherited.push_back({name, UniqueFd(raw)});
    }
    return inherited;
}

Watchdog::Watchdog() : socket_(variable("NOTIFY_SOCKET")) {
    const std::string pid = variable("WATCHDOG_PID");
    if (socket_.empty() || (!pid.empty() && number(pid) != ::getpid())) return;
    interval_ = number(variable("WATCHDOG_USEC")) / 1000 / 2;
    if (interval_ > 0) next_ = monotonic_now();
}

void Watchdog::beat(Millis now) {
    if (now < next_) return;
    // A manager whose queue is full has much to do; it is told again soon.
    const auto told = send_datagram(socket_, "WATCHDOG=1");
    next_ = now + (told ? interval_ : std::min<Millis>(interval_, 100));
}

}  // namespace baton::sys
