#include "order.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "attempt.h"
#include "interrupt.h"
#include "patience.h"
#include "progress.h"
#include "recovery.h"
#include "say.h"

namespace baton::cli {

namespace json = boost::json;

namespace {

// It asks for a state, so asking twice is asking once: where the connection breaks, or the master is replaced, before
// the verdict, it is sent again.
struct Request {
    std::string name;  // "scale web to 3"
    std::string target;
    json::object body;
};

constexpr int another_master = 503;

int conclude(const Verdict& verdict, const std::string& name, bool json_output, Progress& progress, const char* word = "done") {
    if (verdict.succeeded) {
        progress.success(verdict, fmt::format("{}: {}", name, word));
        return succeeded;
    }
    progress.pause();
    if (json_output) progress.step(verdict);
    const std::string phase = verdict.phase.empty() ? "" : " in phase " + verdict.phase;
    return complain(Complaint{fmt::format("{} failed{}: {}", name, phase, verdict.text), verdict.details});
}

int conclude(const Refused& refused, const std::string& name, Progress& progress) {
    progress.pause();
    const Complaint& complaint = refused.complaint;
    return complain(Complaint{fmt::format("{} failed: {}", name, complaint.message), complaint.details});
}

int unknown(const std::string& name, Progress& progress) {
    progress.pause();
    return complain(
        fmt::format("the connection broke before the supervisor said whether '{}' succeeded; "
                    "see baton status and baton events",
                    name));
}

// Sends the command until a master that is in charge has taken it up.
Outcome begin(const Client& client, const std::string& target, const std::string& body, Progress& progress,
              Patience& patience) {
    for (;;) {
        Outcome outcome = attempt(client, target, body, progress);
        const auto* refused = std::get_if<Refused>(&outcome);
        // Refused so, nothing was done: whoever is in charge is asked.
        const bool elsewhere = refused != nullptr && refused->status == another_master;
        // And once there was somebody, there will be again.
        const bool between = patience.tried() && std::holds_alternative<Unreachable>(outcome);
        if (!elsewhere && !between) return outcome;
        if (elsewhere) progress.step({"waiting", refused->complaint.message});
        if (!patience.try_again()) return outcome;
    }
}

int carry_out(const Client& client, const Terminal& terminal, bool json_output, const Request& request) {
    on_interrupt("\nbaton: interrupted; the supervisor goes on with it\n", 130);
    Progress progress(terminal, json_output);
    Patience patience;
    const std::string body = json::serialize(request.body);
    for (;;) {
        const Outcome outcome = begin(client, request.target, body, progress, patience);
        const auto* verdict = std::get_if<Verdict>(&outcome);
        const bool replaced = verdict != nullptr && !verdict->succeeded && verdict->status == another_master;
        if (verdict != nullptr && !replaced) return conclude(*verdict, request.name, json_output, progress);
        if (const auto* refused = std::get_if<Refused>(&outcome))
            return conclude(*refused, request.name, progress);
        if (const auto* unreachable = std::get_if<Unreachable>(&outcome)) {
            progress.pause();
            return complain(unreachable->error.message());
        }
        if (!patience.try_again()) return unknown(request.name, progress);
    }
}

std::string path_of_subject(const Subject& subject, std::string_view verb) {
    if (!subject.ordinal) return path_of({"services", subject.service, verb});
    return path_of({"instances", subject.service, std::to_string(*subject.ordinal), verb});
}

}  // namespace

int Order::operator()(const Power& power) const {
    if (power.verb == "restart") return restart(power.subject);
    return carry_out(client_, terminal_, json_, {power.verb + " " + power.subject.name(), path_of_subject(power.subject, power.verb), {}});
}

// A second one would restart what the first one has restarted: it is asked for once, and where another generation takes
// over meanwhile, looked at.
int Order::restart(const Subject& subject) const {
    on_interrupt("\nbaton: interrupted; the supervisor goes on with it\n", 130);
    const std::string name = "restart " + subject.name();
    Progress progress(terminal_, json_);
    Patience patience;
    const auto before = starts_of(client_, subject.name());
    if (!before) {
        progress.pause();
        return complain(before.error().message());
    }
    const Outcome outcome = begin(client_, path_of_subject(subject, "restart"), "{}", progress, patience);
    if (const auto* refused = std::get_if<Refused>(&outcome)) return conclude(*refused, name, progress);
    if (const auto* unreachable = std::get_if<Unreachable>(&outcome)) {
        progress.pause();
        return complain(unreachable->error.message());
    }
    const auto* verdict = std::get_if<Verdict>(&outcome);
    const bool replaced = verdict != nullptr && !verdict->succeeded && verdict->status == another_master;
    if (verdict != nullptr && !replaced) return conclude(*verdict, name, json_, progress);
    if (verdict == nullptr && !starts_of(client_, subject.name())) return unknown(name, progress);
    const auto later = verdict_of_restart(client_, subject.name(), *before, progress);
    if (later) return conclude(*later, name, json_, progress);
    progress.pause();
    return complain(fmt::format("{} failed: {}", name, later.error().message()));
}

int Order::operator()(const Scale& scale) const {
    const Request request{fmt::format("scale {} to {}", scale.service, scale.replicas),
                          path_of({"services", scale.service, "scale"}),
                          {{"replicas", scale.replicas}}};
    return carry_out(client_, terminal_, json_, request);
}

int Order::operator()(const Weight& weight) const {
    const Request request{fmt::format("weight of {} to {}", weight.subject.name(), weight.weight),
                          path_of_subject(weight.subject, "weight"),
                          {{"weight", weight.weight}}};
    return carry_out(client_, terminal_, json_, request);
}

int Order::operator()(const Admin& admin) const {
    return carry_out(client_, terminal_, json_, Request{admin.verb + " " + admin.subject.name(), path_of_subject(admin.subject, admin.verb), {}});
}

int Order::operator()(const Reload& reload) const {
    return carry_out(client_, terminal_, json_, Request{"reload", "/v1/reload", {{"wait", reload.wait}}});
}

int Order::operator()(const PluginReload&) const {
    return carry_out(client_, terminal_, json_, Request{"plugin reload", "/v1/plugins/reload", {}});
}

int Order::operator()(const PluginCheck& check) const {
    return carry_out(client_, terminal_, json_, Request{"plugin check " + check.file, "/v1/plugins/check", {{"file", check.file}}});
}

int Order::operator()(const Reopen&) const {
    return carry_out(client_, terminal_, json_, Request{"reopen the logs", "/v1/reopen", {}});
}

int Order::operator()(const Upgrade& upgrade) const {
    on_interrupt("\nbaton: interrupted; the upgrade goes on (baton get generation, baton events)\n", 130);
    // What happens from here on is told by later events, whoever tells them.
    const auto before = present(client_);
    if (!before) return complain(before.error().message());
    json::object body{{"wait", upgrade.wait}};
    if (!upgrade.binary.empty()) body["binary"] = upgrade.binary;
    if (!upgrade.soak.empty()) body["soak"] = upgrade.soak;
    Progress progress(terminal_, json_);
    Patience patience;
    const Outcome outcome = begin(client_, "/v1/upgrade", json::serialize(body), progress, patience);
    if (const auto* said = std::get_if<Verdict>(&outcome)) {
        Verdict verdict = *said;
        // The old master said so as its last words; whoever goes on from here finds it gone.
        if (verdict.succeeded && upgrade.wait) {
            await_settled(client_);
            const std::string left = workers_left(client_);
            if (!left.empty()) verdict.text += (verdict.text.empty() ? "done; " : "; ") + left;
        }
        return conclude(verdict, "upgrade", json_, progress, upgrade.wait ? "done" : "begun");
    }
    if (const auto* refused = std::get_if<Refused>(&outcome)) return conclude(*refused, "upgrade", progress);
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
    const auto keeper = keeper_of(client_);
    if (!keeper) return complain(keeper.error().message());
    Patience patience;
    const json::object body{{"graceful", !shutdown.fast}};
    const Outcome outcome = begin(client_, "/v1/shutdown", json::serialize(body), progress, patience);
    const auto* verdict = std::get_if<Verdict>(&outcome);
    if (verdict != nullptr && !verdict->succeeded) return conclude(*verdict, "shutdown", json_, progress);
    if (const auto* refused = std::get_if<Refused>(&outcome)) return conclude(*refused, "shutdown", progress);
    if (const auto* unreachable = std::get_if<Unreachable>(&outcome))
        return complain(unreachable->error.message());
    // A supervisor that ends may well end before it has said so; it is true when it is gone.
    if (auto gone = await_end(client_, *keeper, progress); !gone) {
        progress.pause();
        return complain(gone.error().message());
    }
    Verdict ended;
    ended.text = "the supervisor has ended";
    ended.percent = 100;
    ended.done = ended.succeeded = true;
    progress.success(ended, ended.text);
    return succeeded;
}

}  // namespace baton::cli
