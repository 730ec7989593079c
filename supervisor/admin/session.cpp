#include "admin/session.h"

#include <fmt/core.h>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "admin/command.h"
#include "admin/connection.h"
#include "admin/problem.h"
#include "admin/routes.h"
#include "admin/stream.h"
#include "base/limits.h"
#include "model/codec.h"

namespace baton::admin {

namespace asio = boost::asio;
using asio::experimental::awaitable_operators::operator||;

namespace {

struct Session {
    Session(std::shared_ptr<Core> shared, std::shared_ptr<Door> entered_by, sys::UniqueFd fd, sys::Peer who)
        : core(std::move(shared)),
          door(std::move(entered_by)),
          connection(core->context, std::move(fd), core->settings.request_timeout),
          peer(who) {}

    std::shared_ptr<Core> core;
    std::shared_ptr<Door> door;
    Connection connection;
    sys::Peer peer;
};

// A place among the streams, given back when the stream ends in whatever way.
class StreamPlace {
  public:
    explicit StreamPlace(Core& core) : core_(core) { ++core_.streams; }
    ~StreamPlace() { --core_.streams; }
    StreamPlace(const StreamPlace&) = delete;
    StreamPlace& operator=(const StreamPlace&) = delete;

  private:
    Core& core_;
};

Answer answer_of(const model::ProblemView& view, std::string allow = {}) {
    Answer answer;
    answer.status = view.status;
    answer.type = "application/problem+json";
    answer.body = model::encode(view);
    answer.allow = std::move(allow);
    return answer;
}

Answer answer_of(std::string json) {
    Answer answer;
    answer.body = std::move(json);
    return answer;
}

bool wants_steps(const Request& request) {
    return request.accept.find("application/x-ndjson") != std::string::npos;
}

asio::awaitable<void> pass(Core* core, Millis time) {
    asio::steady_timer timer(core->context, std::chrono::milliseconds(time));
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

// --- each kind of reply; false: the connection is of no more use ---

asio::awaitable<bool> carry_out(Session* session, Request request, Document document) {
    return session->connection.write(request.manner, answer_of(std::move(document.json)));
}

asio::awaitable<bool> carry_out(Session* session, Request request, Refusal refusal) {
    return session->connection.write(request.manner, answer_of(refusal.problem, std::move(refusal.allow)));
}

asio::awaitable<bool> carry_out(Session* session, Request request, CheckHealth check) {
    auto checking = session->core->console.health(check.as_owner);
    auto over = pass(session->core.get(), session->core->settings.request_timeout);
    auto either = std::move(checking) || std::move(over);
    auto came = co_await std::move(either);
    Answer answer = answer_of(std::string(R"({"status":"ok"})"));
    if (came.index() == 1) {
        answer = answer_of(problem(503, "the check of this generation's health did not end in time"));
    } else if (auto reasons = std::get<0>(std::move(came)); !reasons.empty()) {
        std::string detail = "this generation cannot serve: " + reasons.front();
        answer = answer_of(problem(503, std::move(detail), std::move(reasons)));
    }
    co_return co_await session->connection.write(request.manner, std::move(answer));
}

// Whether nobody can follow now; then a refusal was sent.
std::optional<Answer> refuse_stream(const Core& core) {
    if (core.closing) return answer_of(problem(503, "this supervisor is about to end"));
    if (core.streams < core.settings.streams) return {};
    return answer_of(problem(503, fmt::format("{} clients follow events or logs already", core.streams)));
}

asio::awaitable<bool> carry_out(Session* session, Request request, FollowEvents events) {
    if (auto refused = refuse_stream(*session->core)) {
        co_return co_await session->connection.write(request.manner, std::move(*refused));
    }
    const StreamPlace place(*session->core);
    if (request.manner.head)
        co_return co_await session->connection.begin(request.manner, "text/event-stream");
    auto subscription = session->core->console.follow_events(events.after);
    Following following;
    following.follow = events.follow;
    if (!events.follow) following.most = limits::events_kept;
    following.consecutive = true;
    if (events.after != 0) following.last = events.after;
    co_return co_await send_stream<model::EventView>(session->core, session->door, &session->connection,
                                                     request.manner, std::move(subscription), following);
}

bool instance_exists(const engine::Console& console, const FollowLogs& logs) {
    const std::string name = fmt::format("{}/{}", logs.service, *logs.ordinal);
    for (const auto& instance : console.instances()) {
        if (instance.name == name) return true;
    }
    return false;
}

// Lines of an instance that is gone can still be read; one that never was is a mistake.
asio::awaitable<bool> never_was(Core* core, FollowLogs logs) {
    if (!logs.ordinal || instance_exists(core->console, logs)) co_return false;
    auto subscription = core->console.follow_logs(logs.service, logs.ordinal, 1);
    const auto line = co_await subscription->next(0);
    co_return !line.has_value();
}

asio::awaitable<bool> carry_out(Session* session, Request request, FollowLogs logs) {
    if (auto refused = refuse_stream(*session->core)) {
        co_return co_await session->connection.write(request.manner, std::move(*refused));
    }
    if (co_await never_was(session->core.get(), logs)) {
        auto view = problem(404, fmt::format("there is no instance '{}/{}'", logs.service, *logs.ordinal));
        co_return co_await session->connection.write(request.manner, answer_of(view));
    }
    const StreamPlace place(*session->core);
    if (request.manner.head)
        co_return co_await session->connection.begin(request.manner, "text/event-stream");
    auto subscription = session->core->console.follow_logs(logs.service, logs.ordinal, logs.lines);
    Following following;
    following.follow = logs.follow;
    if (!logs.follow) following.most = logs.lines;
    following.consecutive = logs.service.empty();  // one service has some of the numbers
    co_return co_await send_stream<model::LogLineView>(session->core, session->door, &session->connection,
                                                       request.manner, std::move(subscription), following);
}

// The run's next step; empty: the client went away before there was one.
asio::awaitable<std::optional<model::ProgressView>> next_step(Session* session, CommandRun* run) {
    for (;;) {
        const auto seen = run->count();
        if (auto step = run->take()) co_return step;
        auto changed = run->changed(seen);
        auto gone = session->connection.hung_up();
        auto either = std::move(changed) || std::move(gone);
        const auto came = co_await std::move(either);
        if (came.index() == 1) co_return std::nullopt;
    }
}

Answer answer_of(const model::ProgressView& verdict, const CommandRun& run) {
    if (const auto& failure = run.failure()) {
        return answer_of(problem(failure->status, failure->message, failure->details));
    }
    return answer_of(model::encode(verdict));
}

asio::awaitable<bool> send_steps(Session* session, Request request, CommandRun* run) {
    auto step = co_await next_step(session, run);
    if (!step) co_return false;
    // Nothing was done: that can still be said by the status.
    if (step->done && !step->succeeded) {
        co_return co_await session->connection.write(request.manner, answer_of(*step, *run));
    }
    if (!co_await session->connection.begin(request.manner, "application/x-ndjson")) co_return false;
    for (;;) {
        if (!co_await session->connection.piece(model::encode(*step) + "\n")) co_return false;
        if (step->done) break;
        step = co_await next_step(session, run);
        if (!step) co_return false;
    }
    co_return co_await session->connection.end();
}

asio::awaitable<bool> send_verdict(Session* session, Request request, CommandRun* run) {
    std::optional<model::ProgressView> step;
    do {
        step = co_await next_step(session, run);
        if (!step) co_return false;
    } while (!step->done);
    co_return co_await session->connection.write(request.manner, answer_of(*step, *run));
}

asio::awaitable<bool> carry_out(Session* session, Request request, RunCommand run) {
    const auto core = session->core;
    if (!may_command(session->peer.uid)) {
        auto view = problem(403, fmt::format("user {} may look, but not command; root and user {} may", session->peer.uid, ::geteuid()));
        co_return co_await session->connection.write(request.manner, answer_of(view));
    }
    if (core->commands.size() >= core->settings.commands || core->closing) {
        auto view = problem(
            503, core->closing ? "this supervisor is about to end" : "too many commands are under way");
        co_return co_await session->connection.write(request.manner, answer_of(view));
    }
    core->log.write(LogLevel::info, "admin",
                    fmt::format("{}, asked for by uid {} (pid {})", describe(run.command), session->peer.uid,
                                session->peer.pid));
    const auto started = CommandRun::start(core, std::move(run.command));
    const bool steps = wants_steps(request);
    auto sending = steps ? send_steps(session, std::move(request), started.get())
                         : send_verdict(session, std::move(request), started.get());
    const bool sent = co_await std::move(sending);
    started->abandon();
    co_return sent;
}

// Waits for the first byte of a request; false: none will come. Who has connected is heard once, even if
// the door is shut meanwhile; who was answered then turns elsewhere.
asio::awaitable<bool> await_request(Session* session, bool first) {
    if (first) co_return co_await session->connection.readable();
    auto readable = session->connection.readable();
    auto shut = session->door->shut_down();
    auto either = std::move(readable) || std::move(shut);
    const auto came = co_await std::move(either);
    if (came.index() == 1) co_return session->connection.pending();
    co_return std::get<0>(came);
}

asio::awaitable<bool> answer_one(Session* session) {
    auto arrived = co_await session->connection.read();
    if (std::holds_alternative<Hangup>(arrived)) co_return false;
    if (const auto* refused = std::get_if<model::ProblemView>(&arrived)) {
        const bool sent = co_await session->connection.write(Manner{}, answer_of(*refused));
        if (sent) co_await session->connection.linger();
        co_return false;
    }
    Request request = std::get<Request>(std::move(arrived));
    if (session->core->closing) request.manner.keep_alive = false;
    const bool keep_alive = request.manner.keep_alive && request.manner.chunks;
    Reply reply = route(request, session->core->console);
    auto answering = std::visit(
        [&](auto& kind) { return carry_out(session, std::move(request), std::move(kind)); }, reply);
    const bool sent = co_await std::move(answering);
    if (!sent) co_return false;
    co_return keep_alive;
}

}  // namespace

asio::awaitable<void> serve(std::shared_ptr<Core> core, std::shared_ptr<Door> door, sys::UniqueFd fd,
                            sys::Peer peer) {
    Session session(std::move(core), std::move(door), std::move(fd), peer);
    bool first = true;
    while (co_await await_request(&session, first)) {
        if (!co_await answer_one(&session)) break;
        first = false;
    }
}

}  // namespace baton::admin
