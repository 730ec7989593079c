// C++20 above baton/handoff.h: the connections that a service with delivery = "handoff" is given.
//
//     auto clients = baton::service::Connections::inherit();
//     baton::service::notify("READY=1");
//     while (clients.wait()) {
//         while (auto client = clients.next()) serve(std::move(*client));
//     }
//
// `clients.fd()` is for programs with a loop of their own: poll it for reading, and call next() until it has nothing.
// A Connection is a socket by itself; when it goes, Baton hears that the connection has ended. It must go when the
// connection does: a strategy counts it, and a drain waits for it.
//
// Threads: Connections belongs to one thread. A Connection may go in any thread, and after the Connections.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "baton/handoff.h"

namespace baton::service {

// One message to the supervisor, as sd_notify(3): "READY=1", "STATUS=...", "WATCHDOG=1". False: nobody listens.
inline bool notify(std::string_view state) {
    const char* name = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    if (name == nullptr || *name == '\0' || std::strlen(name) >= sizeof(address.sun_path)) return false;
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, name);
    if (*name == '@') address.sun_path[0] = '\0';
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return false;
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(name));
    const ssize_t sent = ::sendto(socket, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), length);
    ::close(socket);
    return sent >= 0;
}

namespace detail {

// A worker's connection to one of the sockets, and what is not reported there yet.
struct Line {
    int fd = -1;
    std::uint64_t id = 0;
    std::size_t listener = 0;
    bool leaving = false;       // its worker ends soon
    std::uint64_t counted = 0;  // connections that its worker counts, or will when it has read the report
    baton_handoff_report report{sizeof(baton_handoff_report), 0, 0, 0};
    std::array<char, 256> order{};  // the beginning of one
    std::size_t had = 0;
    std::size_t skip = 0;       // of a longer one
};

struct Listener {
    int fd = -1;
    std::string name;
    std::uint64_t orphans = 0;  // connections that no worker counts
    bool paused = false;        // there are no descriptors to accept with
};

// What connections and their source share. Guarded by `mutex`.
struct State {
    std::mutex mutex;
    int epoll = -1;
    int timer = -1;         // when ends are reported that nothing else has taken along
    bool timed = false;
    std::vector<Listener> listeners;
    std::vector<Line> lines;
    std::uint64_t next_id = 1;

    ~State() { shut(); }
    // Connections that are open go on, and nobody counts them.
    void shut() {
        const std::lock_guard lock(mutex);
        for (const Line& line : lines) ::close(line.fd);
        lines.clear();
        for (Listener& listener : listeners) {
            if (listener.fd >= 0) ::close(std::exchange(listener.fd, -1));
            listener.paused = false;
        }
        for (int* fd : {&epoll, &timer}) {
            if (*fd >= 0) ::close(std::exchange(*fd, -1));
        }
    }

    static constexpr std::uint64_t listener_bit = 1ULL << 63U;
    static constexpr std::uint64_t timer_token = 0;
    // An end is told with the next report, with so many others, or after so long: by itself it is worth no message.
    static constexpr std::uint32_t ends_at_once = 64;
    static constexpr long ends_wait_ns = 10'000'000;

    void watch(int fd, std::uint64_t token) const {
        epoll_event event{EPOLLIN, {}};
        event.data.u64 = token;
        if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }
    Line* find(std::uint64_t id) {
        const auto found = std::find_if(lines.begin(), lines.end(), [&](const Line& line) { return line.id == id; });
        return found == lines.end() ? nullptr : &*found;
    }

    // What counts nowhere, or with a worker that ends, counts on a line that stays.
    void settle() {
        for (Line& heir : lines) {
            if (heir.leaving) continue;
            own(heir, listeners[heir.listener].orphans);
            for (Line& line : lines) {
                if (!line.leaving || line.listener != heir.listener) continue;
                line.report.ended += static_cast<std::uint32_t>(line.counted);
                own(heir, line.counted);
            }
        }
        // First who owns them now, then who did.
        for (Line& line : lines) {
            if (!line.leaving) flush(line);
        }
        for (Line& line : lines) {
            if (line.leaving) flush(line);
        }
    }
    static void own(Line& heir, std::uint64_t& from) {
        heir.report.owned += static_cast<std::uint32_t>(from);
        heir.counted += std::exchange(from, 0);
    }
    // What finds no room goes with the next one.
    static void flush(Line& line) {
        if (line.report.taken == 0 && line.report.ended == 0 && line.report.owned == 0) return;
        if (::send(line.fd, &line.report, sizeof(line.report), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EAGAIN) return;
        line.report = {sizeof(line.report), 0, 0, 0};
    }

    void wake_soon() {
        if (timed || timer < 0) return;
        const itimerspec once{{0, 0}, {0, ends_wait_ns}};
        timed = ::timerfd_settime(timer, 0, &once, nullptr) == 0;
    }
    void on_time() {
        std::uint64_t count = 0;
        static_cast<void>(::read(timer, &count, sizeof(count)));
        timed = false;
        for (std::size_t i = 0; i < listeners.size(); ++i) {
            if (std::exchange(listeners[i].paused, false)) watch(listeners[i].fd, i | listener_bit);
        }
    }

    // A connection of this line has ended. Those of one listener are alike, so any line that counts some will do.
    void ended(std::uint64_t id, std::size_t listener) {
        const std::lock_guard lock(mutex);
        Line* line = find(id);
        if (line == nullptr || line->counted == 0) {
            const auto other = std::find_if(lines.begin(), lines.end(), [&](const Line& one) { return one.listener == listener && one.counted > 0; });
            line = other == lines.end() ? nullptr : &*other;
        }
        if (line == nullptr) {
            if (listeners[listener].orphans > 0) --listeners[listener].orphans;
        } else {
            --line->counted;
            if (++line->report.ended >= ends_at_once) flush(*line);
            else wake_soon();
        }
        if (std::exchange(listeners[listener].paused, false)) watch(listeners[listener].fd, listener | listener_bit);
    }
};

}  // namespace detail

// A client's connection: a non-blocking stream socket. Closed when this goes.
class Connection {
  public:
    Connection(Connection&& other) noexcept
        : state_(std::exchange(other.state_, nullptr)), fd_(std::exchange(other.fd_, -1)), line_(other.line_), listener_(other.listener_) {}
    Connection& operator=(Connection&& other) noexcept {
        if (this == &other) return *this;
        close();
        state_ = std::exchange(other.state_, nullptr);
        fd_ = std::exchange(other.fd_, -1);
        line_ = other.line_;
        listener_ = other.listener_;
        return *this;
    }
    ~Connection() { close(); }

    int fd() const { return fd_; }
    // The name of the listener that it came by, as in the configuration.
    const std::string& listener() const { return state_->listeners[listener_].name; }
    // The descriptor is the caller's, who closes it before this object goes: for loops that own their sockets.
    int release() { return std::exchange(fd_, -1); }
    void close() noexcept {
        if (!state_) return;
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
        try {
            std::exchange(state_, nullptr)->ended(line_, listener_);
        } catch (const std::exception&) {  // its end is not told, and a drain waits until its time is over
        }
    }

  private:
    friend class Connections;
    Connection(std::shared_ptr<detail::State> state, int fd, std::uint64_t line, std::size_t listener)
        : state_(std::move(state)), fd_(fd), line_(line), listener_(listener) {}

    std::shared_ptr<detail::State> state_;
    int fd_ = -1;
    std::uint64_t line_ = 0;
    std::size_t listener_ = 0;
};

class Connections {
  public:
    // By the sockets that this process was given (LISTEN_FDS). Throws std::runtime_error where there are none, as
    // with another delivery; std::system_error.
    static Connections inherit() {
        const auto number = [](const char* name) {
            const char* text = std::getenv(name);
            return text == nullptr ? 0L : std::strtol(text, nullptr, 10);
        };
        const long count = number("LISTEN_FDS");
        if (number("LISTEN_PID") != ::getpid() || count <= 0) {
            throw std::runtime_error("no sockets were handed to this process (LISTEN_FDS); it has to be started by Baton, with delivery = \"handoff\"");
        }
        const char* names = std::getenv("LISTEN_FDNAMES");
        std::string left = names == nullptr ? "" : names;
        std::vector<std::pair<int, std::string>> sockets;
        for (int fd = 3; fd < 3 + count; ++fd) {
            const auto colon = std::min(left.find(':'), left.size());
            sockets.emplace_back(fd, left.substr(0, colon));
            left.erase(0, std::min(colon + 1, left.size()));
        }
        return Connections(std::move(sockets));
    }

    // By these listening unix sockets, each with its listener's name; they are this object's from here on.
    explicit Connections(std::vector<std::pair<int, std::string>> sockets) : state_(std::make_shared<detail::State>()) {
        for (auto& [fd, name] : sockets) state_->listeners.push_back({fd, std::move(name)});
        state_->epoll = ::epoll_create1(EPOLL_CLOEXEC);
        if (state_->epoll < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
        state_->timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (state_->timer < 0) throw std::system_error(errno, std::generic_category(), "timerfd_create");
        state_->watch(state_->timer, detail::State::timer_token);
        for (std::size_t i = 0; i < state_->listeners.size(); ++i) {
            const int fd = state_->listeners[i].fd;
            int domain = 0;
            socklen_t length = sizeof(domain);
            if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 || domain != AF_UNIX) {
                throw std::runtime_error("descriptor " + std::to_string(fd) + " is no socket that connections are handed to; the service needs delivery = \"handoff\"");
            }
            ::fcntl(fd, F_SETFD, FD_CLOEXEC);
            ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
            state_->watch(fd, i | detail::State::listener_bit);
        }
    }

    Connections(Connections&&) noexcept = default;
    Connections& operator=(Connections&&) = delete;
    // Clients that were not fetched by next() are closed; no others will come.
    ~Connections() {
        arrived_.clear();
        if (state_) state_->shut();
    }

    // Readable when next() may have something, or draining() has changed.
    int fd() const { return state_->epoll; }
    // Until there is something, at most so long (-1: without an end). False: there was nothing, or a signal came.
    bool wait(int timeout_ms = -1) const {
        if (!arrived_.empty()) return true;
        pollfd entry{fd(), POLLIN, 0};
        return ::poll(&entry, 1, timeout_ms) > 0;
    }
    // The next connection; none: not now. Never waits.
    std::optional<Connection> next() {
        if (arrived_.empty()) look();
        if (arrived_.empty()) return std::nullopt;
        std::optional<Connection> one(std::move(arrived_.front()));
        arrived_.pop_front();
        return one;
    }
    // No more connections come, as this instance is to be stopped or to be left alone: who speaks a protocol that
    // can say so tells its clients to go elsewhere. It may be false again later.
    bool draining() const { return draining_; }

  private:
    void look() {
        std::array<epoll_event, 64> events{};
        const int count = ::epoll_wait(state_->epoll, events.data(), static_cast<int>(events.size()), 0);
        const std::lock_guard lock(state_->mutex);
        for (int i = 0; i < count; ++i) {
            const std::uint64_t token = events.at(static_cast<std::size_t>(i)).data.u64;
            if (token == detail::State::timer_token) state_->on_time();
            else if ((token & detail::State::listener_bit) != 0) accept_lines(token & ~detail::State::listener_bit);
            else if (detail::Line* line = state_->find(token); line != nullptr && !read(*line)) end(*line);
        }
        if (count > 0) state_->settle();
    }

    void accept_lines(std::size_t listener) {
        for (;;) {
            const int fd = ::accept4(state_->listeners[listener].fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
                // Again when a connection has ended, or soon.
                ::epoll_ctl(state_->epoll, EPOLL_CTL_DEL, state_->listeners[listener].fd, nullptr);
                state_->listeners[listener].paused = true;
                state_->wake_soon();
            }
            if (fd < 0) return;
            detail::Line line;
            line.fd = fd;
            line.id = state_->next_id++;
            line.listener = listener;
            state_->lines.push_back(line);
            state_->watch(fd, line.id);
        }
    }

    // False: the line is over.
    bool read(detail::Line& line) {
        for (int messages = 0; messages < 64; ++messages) {
            iovec part{line.order.data() + line.had, sizeof(baton_handoff_order) - line.had};
            if (line.skip > 0) part = {line.order.data(), std::min(line.skip, line.order.size())};
            alignas(cmsghdr) std::array<char, CMSG_SPACE(BATON_HANDOFF_BATCH * sizeof(int))> control{};
            msghdr header{};
            header.msg_iov = &part;
            header.msg_iovlen = 1;
            header.msg_control = control.data();
            header.msg_controllen = control.size();
            const ssize_t got = ::recvmsg(line.fd, &header, MSG_CMSG_CLOEXEC);
            if (got < 0) return errno == EAGAIN || errno == EINTR;
            if (got == 0) return false;
            const std::size_t taken = take(line, header);
            // No descriptors were left for the rest of them. They are not lost: the worker has them still, and takes
            // them back when the line ends.
            if ((header.msg_flags & MSG_CTRUNC) != 0) {
                line.report.taken += static_cast<std::uint32_t>(taken);
                detail::State::flush(line);
                return false;
            }
            line.report.taken += static_cast<std::uint32_t>(taken);
            if (line.skip > 0) {
                line.skip -= static_cast<std::size_t>(got);
                continue;
            }
            line.had += static_cast<std::size_t>(got);
            if (line.had < sizeof(baton_handoff_order)) continue;
            baton_handoff_order order{};
            std::memcpy(&order, line.order.data(), sizeof(order));
            if (order.size < sizeof(order)) return false;
            line.had = 0;
            line.skip = order.size - sizeof(order);
            if (order.kind == BATON_HANDOFF_DRAIN) draining_ = true;
            if (order.kind == BATON_HANDOFF_RESUME) draining_ = false;
            if (order.kind == BATON_HANDOFF_LEAVE) line.leaving = true;
            // More of them would have come with it.
            if (order.kind == BATON_HANDOFF_CONNECTIONS && order.count < BATON_HANDOFF_BATCH && line.skip == 0) return true;
        }
        return true;
    }

    std::size_t take(detail::Line& line, msghdr& header) {
        std::size_t taken = 0;
        for (cmsghdr* rights = CMSG_FIRSTHDR(&header); rights != nullptr; rights = CMSG_NXTHDR(&header, rights)) {
            if (rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS) continue;
            const std::size_t count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (std::size_t i = 0; i < count; ++i) {
                int fd = -1;
                std::memcpy(&fd, CMSG_DATA(rights) + i * sizeof(int), sizeof(int));
                arrived_.push_back(Connection(state_, fd, line.id, line.listener));
                ++line.counted;
                ++taken;
            }
        }
        return taken;
    }

    void end(detail::Line& line) {
        ::close(line.fd);
        state_->listeners[line.listener].orphans += line.counted;
        std::erase_if(state_->lines, [&](const detail::Line& one) { return one.id == line.id; });
    }

    std::shared_ptr<detail::State> state_;
    std::deque<Connection> arrived_;
    bool draining_ = false;
};

}  // namespace baton::service
