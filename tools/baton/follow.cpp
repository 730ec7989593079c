#include "follow.h"

#include <cstdint>
#include <cstdio>
#include <functional>
#include <set>
#include <utility>

#include <fmt/core.h>

#include "base/limits.h"
#include "event_stream.h"
#include "interrupt.h"
#include "model/codec.h"
#include "model/views.h"
#include "patience.h"
#include "say.h"

namespace baton::cli {
namespace {

// Asks with `next_call` and gives every event to `take`, again and again while `follow`.
int run_stream(const Client& client, bool follow, const std::function<Call()>& next_call,
               const std::function<void(const ServerEvent&)>& take) {
    if (follow) on_interrupt("", 0);
    bool connected = false;
    Patience patience;
    for (;;) {
        EventStream stream;
        const auto reply = client.stream(next_call(), [&](std::string_view piece) {
            for (const auto& event : stream.feed(piece)) take(event);
            std::fflush(stdout);
        });
        // 503: a supervisor that is about to end; its successor will answer.
        const bool answered = reply && reply->status != 503;
        if (answered && reply->status != 200) return complain(complaint_of(*reply));
        if (!follow && answered && reply->whole) return succeeded;
        if (!follow || (!answered && !connected)) {
            if (!reply) return complain(reply.error().message());
            return answered ? complain("the connection broke") : complain(complaint_of(*reply));
        }
        if (answered) patience.renew();
        connected = true;
        if (!patience.try_again()) return reply ? complain(complaint_of(*reply)) : complain(reply.error().message());
    }
}

void tell_gap(const ServerEvent& event) {
    std::fflush(stdout);
    fmt::print(stderr, "baton: some are missing here: {}\n", harmless(event.data));
}

// Which log lines were shown. A successor keeps lines by numbers of its own, so after a break those at
// the beginning are compared by what they say, until the first one that is new.
class Shown {
  public:
    void reconnected() { comparing_ = !time_.empty(); }
    bool fresh(const model::LogLineView& line) {
        if (comparing_ &&
            (line.time < time_ || (line.time == time_ && texts_.contains({line.instance, line.text})))) {
            return false;
        }
        comparing_ = false;
        if (line.time != time_) texts_.clear();
        time_ = line.time;
        texts_.emplace(line.instance, line.text);
        return true;
    }

  private:
    bool comparing_ = false;
    std::string time_;
    std::set<std::pair<std::string, std::string>> texts_;  // of the lines of that time
};

// The event seen last.
struct Seen {
    std::uint64_t number = 0;
    std::string time;
    bool comparing = false;  // by time, as numbers mean something else now

    bool fresh(const model::EventView& event) {
        if (comparing && event.time <= time) return false;
        comparing = false;
        number = event.number;
        time = event.time;
        return true;
    }
};

// Whether this master knows that event by that number; true where nobody tells.
bool known(const Client& client, const Seen& seen) {
    EventStream stream;
    bool same = false;
    Call call;
    call.target = fmt::format("/v1/events?follow=false&after={}", seen.number - 1);
    const auto reply = client.stream(std::move(call), [&](std::string_view piece) {
        for (const auto& event : stream.feed(piece)) {
            const auto view = model::decode<model::EventView>(event.data);
            same = same || (view && view->number == seen.number && view->time == seen.time);
        }
    });
    return same || !reply || reply->status != 200 || !reply->whole;
}

}  // namespace

int print_logs(const Client& client, const Terminal& terminal, bool json, const Logs& logs) {
    std::string target = "/v1/logs";
    if (logs.subject) {
        target = path_of({"logs", logs.subject->service});
        if (logs.subject->ordinal) target += fmt::format("/{}", *logs.subject->ordinal);
    }
    Shown shown;
    std::uint64_t lines = logs.lines;
    const auto next_call = [&] {
        Call call;
        call.target = fmt::format("{}?lines={}&follow={}", target, lines, logs.follow);
        lines = limits::subscriber_backlog;  // after a break: as many as may have come meanwhile
        shown.reconnected();
        return call;
    };
    const auto take = [&](const ServerEvent& event) {
        if (event.name == "gap") return tell_gap(event);
        const auto line = model::decode<model::LogLineView>(event.data);
        if (!line || !shown.fresh(*line)) return;
        if (json) {
            fmt::print("{}\n", event.data);
        } else {
            fmt::print("{} {} {}\n", terminal.paint(Colour::faint, line->time),
                       terminal.paint(Colour::strong, harmless(line->instance)), harmless(line->text));
        }
    };
    return run_stream(client, logs.follow, next_call, take);
}

int print_events(const Client& client, const Terminal& terminal, bool json, const Events& events) {
    Seen seen;
    const auto next_call = [&] {
        Call call;
        call.target = events.follow ? "/v1/events" : "/v1/events?follow=false";
        if (seen.number == 0) return call;
        // A master that does not know the history counts in its own way: then all it has is looked through.
        seen.comparing = !known(client, seen);
        if (!seen.comparing) call.last_event_id = std::to_string(seen.number);
        return call;
    };
    const auto take = [&](const ServerEvent& event) {
        if (event.name == "gap") return tell_gap(event);
        const auto view = model::decode<model::EventView>(event.data);
        if (!view || !seen.fresh(*view)) return;
        if (json) {
            fmt::print("{}\n", event.data);
        } else {
            fmt::print("{}  {:<20}  {:<12}  {}\n", terminal.paint(Colour::faint, view->time),
                       harmless(view->kind), harmless(view->subject), harmless(view->text));
        }
    };
    return run_stream(client, events.follow, next_call, take);
}

}  // namespace baton::cli
