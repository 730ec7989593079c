#include "run/capture.h"

#include <array>
#include <cerrno>
#include <optional>

#include "base/limits.h"
#include "run/lines.h"
#include "run/readiness.h"

namespace baton::run {

// A call under way keeps it alive, as a callback may destroy the Capture.
struct Capture::State : std::enable_shared_from_this<State> {
    State(std::function<void(std::string_view)> line, std::function<void()> end)
        : on_line(std::move(line)), on_end(std::move(end)), lines(limits::captured_line_bytes) {}

    // Reads up to `most` bytes. False when no more will come.
    bool read(std::size_t most) {
        const auto self = shared_from_this();
        reading = true;
        std::array<char, limits::captured_turn_bytes> buffer;
        bool open = true;
        for (std::size_t done = 0; open && !destroyed && done < most;) {
            const auto got = sys::read_some(readiness->descriptor(), buffer);
            if (!got && got.error().code() == EAGAIN) break;
            // A pipe has no errors of its own: whatever fails, nothing will come.
            open = got && *got > 0;
            if (!open) break;
            done += *got;
            lines.add(std::string_view(buffer.data(), *got));
            give_lines();
        }
        if (!open) end();
        reading = false;
        return open && !destroyed;
    }

    void give_lines() {
        while (!destroyed) {
            const auto line = lines.next();
            if (!line) return;
            on_line(*line);
        }
    }

    void give_rest() {
        const auto line = destroyed ? std::nullopt : lines.rest();
        if (line) on_line(*line);
    }

    void end() {
        give_rest();
        if (destroyed || ended) return;
        ended = true;
        readiness->stop();
        on_end();
    }

    std::function<void(std::string_view)> on_line;
    std::function<void()> on_end;
    Lines lines;
    std::optional<Readiness> readiness;
    bool reading = false;
    bool ended = false;
    bool destroyed = false;
};

Capture::Capture(boost::asio::io_context& context, sys::UniqueFd pipe,
                 std::function<void(std::string_view line)> on_line, std::function<void()> on_end)
    : state_(std::make_shared<State>(std::move(on_line), std::move(on_end))) {
    // The state owns the readiness, which is destroyed with the Capture: the pointer outlives the
    // turns.
    State* const state = state_.get();
    state_->readiness.emplace(context, std::move(pipe),
                              [state] { return state->read(limits::captured_turn_bytes); });
}

Capture::~Capture() {
    state_->destroyed = true;
    state_->readiness->stop();
}

void Capture::drain_now() {
    const auto state = state_;
    if (state->reading || state->ended) return;
    if (state->read(limits::captured_drain_bytes)) state->give_rest();
}

void Capture::flush() {
    const auto state = state_;
    if (!state->reading) state->give_rest();
}

}  // namespace baton::run
