#include "order.h"

#include <chrono>
#include <thread>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "attempt.h"
#include "base/limits.h"
#include "base/time.h"
#include "interrupt.h"
#include "progress.h"
#include "recovery.h"
#include "say.h"

namespace baton::cli {

namespace json = boost::json;

namespace {

// What may be done where the connection breaks before the verdict.
enum class IfBroken {
    send_again,  // the command asks for a state, so asking twice is asking once
    give_up,
};

struct Request {
    std::string name;  // "scale web to 3"
    std::string target;
    json::object body;
};

int conclude(const Verdict& verdict, const std::string& name, bool json_output, Progress& progress) {
    if (verdict.succeeded) {
        progress.success(verdict, name + ": done");
        return succeeded;
    }
    progress.pause();
    if (json_output) progress.step(verdict);
    return complain(
        Complaint{fmt::format("{} failed{}: {}", name,
                              verdict.phase.empty() ? "" : " in phase " + verdict.phase, verdict.text),
                  verdict.details});
}

int refuse(const Refused& refused, const std::string& name, Progress& progress) {
    progress.pause();
    const Complaint& complaint = refused.complaint;
    return complain(Complaint{fmt::format("{} was refused: {}", name, complaint.message), complaint.details});
}

// Waits a little, unless it has been too long; then false.
bool try_later(Millis deadline) {
    if (monotonic_now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(limits::client_retry_interval));
    return true;
}

int carry_out(const Client& client, const Terminal& terminal, bool json_output, const Request& request,
              IfBroken if_broken) {
    on_interrupt("\nbaton: interrupted; the supervisor goes on with it\n", 130);
    Progress progress(terminal, json_output);
    const std::string body = json::serialize(request.body);
    Millis deadline = never;  // set when a connection broke
    for (;;) {
        const Outcome outcome = attempt(client, request.target, body, progress);
        if (const auto* verdict = std::get_if<Verdict>(&outcome)) {
            return conclude(*verdict, request.name, json_output, progress);
        }
        const auto* refused = std::get_if<Refused>(&outcome);
        // 503 after a break: the next master is not in charge yet.
        const bool not_yet = refused != nullptr && refused->status == 503 && deadline != never;
        if (refused != nullptr && !not_yet) return refuse(*refused, request.name, progress);
        const auto* unreachable = std::get_if<Unreachable>(&outcome);
        if (unreachable != nullptr && deadline == never) return complain(unreachable->error.message());
        if (deadline == never) deadline = monotonic_now() + limits::client_reconnect;
        if (if_broken == IfBroken::give_up || !try_later(deadline)) break;
    }
    progress.pause();
    return complain(
        fmt::format("the connection broke before the supervisor said whether '{}' succeeded; "
                    "see baton status and baton events",
                    request.name));
}

std::string path_of_subject(const Subject& subject, std::string_view verb) {
    if (!subject.ordinal) return path_of({"services", subject.service, verb});
    return path_of({"instances", subject.service, std::to_string(*subject.ordinal), verb});
}

}  // namespace

int Order::operator()(const Power& power) const {
    const Request request{
        power.verb + " " + power.subject.name(), path_of_subject(power.subject, power.verb), {}};
    // A second restart would restart what the first one has restarted.
    const auto if_broken = power.verb == "restart" ? IfBroken::give_up : IfBroken::send_again;
    return carry_out(client_, terminal_, json_, request, if_broken);
}

int Order::operator()(const Scale& scale) const {
    const Request request{fmt::format("scale {} to {}", scale.service, scale.replicas),
                          path_of({"services", scale.service, "scale"}),
                          {{"replicas", scale.replicas}}};
    return carry_out(client_, terminal_, json_, request, IfBroken::send_again);
}

int Order::operator()(const Weight& weight) const {
    const Request request{fmt::format("weight of {} to {}", weight.subject.name(), weight.weight),
                          path_of_subject(weight.subject, "weight"),
                          {{"weight", weight.weight}}};
    return carry_out(client_, terminal_, json_, request, IfBroken::send_again);
}

int Order::operator()(const Reload& reload) const {
    const Request request{"reload", "/v1/reload", {{"wait", reload.wait}}};
    return carry_out(client_, terminal_, json_, request, IfBroken::send_again);
}

int Order::operator()(const Reopen&) const {
    return carry_out(client_, terminal_, json_, Request{"reopen the logs", "/v1/reopen", {}},
                     IfBroken::send_again);
}

int Order::operator()(const Upgrade& upgrade) const {
    on_interrupt("\nbaton: interrupted; the upgrade goes on (baton get generation, baton events)\n", 130);
    // What happens from here on is told by events after this one, whoever tells them.
    const auto before = last_event(client_);
    if (!before) return complain(before.error().message());
    json::object body{{"wait", upgrade.wait}};
    if (!upgrade.binary.empty()) body["binary"] = upgrade.binary;
    if (!upgrade.soak.empty()) body["soak"] = upgrade.soak;
    Progress progress(terminal_, json_);
    const Outcome outcome = attempt(client_, "/v1/upgrade", json::serialize(body), progress);
    if (const auto* verdict = std::get_if<Verdict>(&outcome))
        return conclude(*verdict, "upgrade", json_, progress);
    if (const auto* refused = std::get_if<Refused>(&outcome)) return refuse(*refused, "upgrade", progress);
    if (const auto* unreachable = std::get_if<Unreachable>(&outcome))
        return complain(unreachable->error.message());
    const auto verdict = verdict_of_upgrade(client_, *before, progress);
    if (verdict) return conclude(*verdict, "upgrade", json_, progress);
    progress.pause();
    return complain(verdict.error().message());
}

int Order::operator()(const Shutdown& shutdown) const {
    on_interrupt("\nbaton: interrupted; the supervisor goes on with it\n", 130);
    Progress progress(terminal_, json_);
    json::object body{{"graceful", !shutdown.fast}};
    const Outcome outcome = attempt(client_, "/v1/shutdown", json::serialize(body), progress);
    const auto* verdict = std::get_if<Verdict>(&outcome);
    if (verdict != nullptr && !verdict->succeeded) return conclude(*verdict, "shutdown", json_, progress);
    if (const auto* refused = std::get_if<Refused>(&outcome)) return refuse(*refused, "shutdown", progress);
    if (const auto* unreachable = std::get_if<Unreachable>(&outcome))
        return complain(unreachable->error.message());
    // It is true when nobody answers any more; a supervisor that ends may well end before it has said so.
    const Millis deadline = monotonic_now() + limits::client_reconnect;
    while (client_.reach()) {
        if (try_later(deadline)) continue;
        progress.pause();
        return complain(
            fmt::format("the supervisor has not ended within {}", format_duration(limits::client_reconnect)));
    }
    Verdict ended = verdict == nullptr ? Verdict{} : *verdict;
    ended.text = "the supervisor has ended";
    ended.phase.clear();
    ended.percent = 100;
    ended.done = ended.succeeded = true;
    progress.success(ended, ended.text);
    return succeeded;
}

}  // namespace baton::cli
