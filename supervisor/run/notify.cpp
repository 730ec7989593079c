#include "run/notify.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/limits.h"
#include "run/readiness.h"
#include "run/utf8.h"
#include "sys/user.h"

namespace baton::run {
namespace {

// More cannot wait: the kernel lets ten datagrams queue (net.unix.max_dgram_qlen) unless it was
// raised.
constexpr std::size_t drained_datagrams = 4'096;

// Rounded up: who asks for a little more time gets it.
std::optional<Millis> parse_microseconds(std::string_view text) {
    std::uint64_t count = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    const std::uint64_t millis = count / 1000 + (count % 1000 == 0 ? 0 : 1);
    return static_cast<Millis>(std::min<std::uint64_t>(millis, limits::start_timeout_extended));
}

void parse_assignment(std::string_view line, model::Notified& said) {
    const auto sign = line.find('=');
    if (sign == std::string_view::npos) return;
    const std::string_view name = line.substr(0, sign);
    const std::string_view value = line.substr(sign + 1);
    if (name == "READY") said.ready = said.ready || value == "1";
    if (name == "STOPPING") said.stopping = said.stopping || value == "1";
    if (name == "STATUS")
        said.status = std::string(cut_utf8(plain_line(value), limits::status_text_bytes));
    if (name == "WATCHDOG" && value == "1") said.watchdog = true;
    if (name == "WATCHDOG" && value == "trigger") said.hung = true;
    if (name == "EXTEND_TIMEOUT_USEC")
        said.extend = parse_microseconds(value).value_or(said.extend);
}

bool says_something(const model::Notified& said) {
    return said.ready || said.stopping || said.watchdog || said.hung || said.status ||
           said.extend > 0;
}

}  // namespace

model::Notified parse_notify(std::string_view datagram) {
    model::Notified said;
    while (!datagram.empty()) {
        const auto end = std::min(datagram.find('\n'), datagram.size());
        parse_assignment(datagram.substr(0, end), said);
        datagram.remove_prefix(std::min(end + 1, datagram.size()));
    }
    return said;
}

// A call under way keeps it alive, as the callback may destroy the NotifySocket.
struct NotifySocket::State : std::enable_shared_from_this<State> {
    State(std::function<void(model::Notified)> notified, std::function<bool(const sys::Sender&)> speaker)
        : on_notified(std::move(notified)), may_speak(std::move(speaker)) {}

    bool counts(const std::optional<sys::Sender>& sender) const {
        return sender && (sender->uid == 0 || sender->uid == sys::own_uid() || may_speak(*sender));
    }

    bool read(std::size_t most) {
        const auto self = shared_from_this();
        reading = true;
        for (std::size_t done = 0; !destroyed && done < most; ++done) {
            auto datagram = sys::receive_datagram(readiness->descriptor(), limits::notify_bytes);
            // A failure (no memory) leaves the datagram in the queue for the next turn.
            if (!datagram || !*datagram) break;
            if ((*datagram)->cut || !counts((*datagram)->sender)) continue;
            model::Notified said = parse_notify((*datagram)->bytes);
            if (says_something(said)) on_notified(std::move(said));
        }
        reading = false;
        return !destroyed;
    }

    std::function<void(model::Notified)> on_notified;
    std::function<bool(const sys::Sender&)> may_speak;
    std::optional<Readiness> readiness;
    bool reading = false;
    bool destroyed = false;
};

Result<sys::UniqueFd> NotifySocket::create(const std::string& path, std::optional<std::uint32_t> only) {
    return sys::open_datagram_socket(path, only);
}

NotifySocket::NotifySocket(boost::asio::io_context& context, sys::UniqueFd socket,
                           std::function<void(model::Notified)> on_notified,
                           std::function<bool(const sys::Sender&)> may_speak)
    : state_(std::make_shared<State>(std::move(on_notified), std::move(may_speak))) {
    State* const state = state_.get();
    state_->readiness.emplace(context, std::move(socket),
                              [state] { return state->read(limits::notify_turn_datagrams); });
}

NotifySocket::~NotifySocket() {
    state_->destroyed = true;
    state_->readiness->stop();
}

void NotifySocket::drain_now() {
    const auto state = state_;
    if (!state->reading) state->read(drained_datagrams);
}

}  // namespace baton::run
