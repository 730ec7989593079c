#include "strategy/check.h"

#include <csignal>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/wait.h>

#include <fmt/core.h>

#include "base/strategy_limits.h"
#include "model/codec.h"
#include "strategy/balancer.h"
#include "strategy/conformance.h"
#include "strategy/plugin.h"
#include "sys/process.h"

namespace baton::strategy {
namespace {

// The copy speaks in lines: a letter, a blank, the text.
//   S  what is done next      P  a problem
//   F  what it says of itself, as a report in JSON      R  the same with what was measured; the last line of one
//                                                          that came to its end
void line(const sys::Trial::Say& say, char kind, std::string_view text) {
    std::string flat(text);
    for (char& sign : flat) {
        if (sign == '\n') sign = ' ';
    }
    say(fmt::format("{} {}\n", kind, flat));
}

// In the copy.
void try_out(const Image& image, const sys::Trial::Say& say) {
    const Findings findings{[&](std::string_view step) { line(say, 'S', step); },
                            [&](std::string_view problem) { line(say, 'P', problem); }};
    findings.step("loading it");
    auto own = duplicate(image);
    if (!own) return findings.problem(own.error().message());
    model::PluginReport report;
    bool gone = false;
    {
        const auto plugin = Plugin::load(std::move(*own), [&gone](const std::string&, bool left) { gone = left; });
        if (!plugin) {
            findings.problem(plugin.error().message());
        } else {
            report = describe((*plugin)->descriptor());
            line(say, 'F', model::encode(report));
            examine((*plugin)->descriptor(), findings, report);
            findings.step("unloading it");
        }
        if (!plugin) gone = true;
    }
    if (!gone) {
        findings.problem("it stays in the process after it was unloaded: it has threads, a thread_local object with a destructor, or a "
                         "library that does");
    }
    line(say, 'R', model::encode(report));
}

struct Said {
    std::string step;
    std::vector<std::string> problems;
    std::size_t more = 0;
    model::PluginReport report;
    bool complete = false;
};

Said read(std::string_view text) {
    Said said;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view one = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (one.size() < 2) continue;
        const std::string words(one.substr(2));
        if (one[0] == 'S') said.step = words;
        if (one[0] == 'P') said.problems.size() < limits::plugin_problems ? said.problems.push_back(words) : static_cast<void>(++said.more);
        if (one[0] != 'F' && one[0] != 'R') continue;
        auto report = model::decode<model::PluginReport>(words);
        if (!report) continue;
        said.report = std::move(*report);
        said.complete = one[0] == 'R';
    }
    return said;
}

std::string how_it_ended(const sys::Trial::End& end, const std::string& step) {
    if (end.timed_out) return fmt::format("it did not come back within {} ms: {}", limits::plugin_check, step);
    if (WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGXCPU) return fmt::format("it used too much processor time: {}", step);
    if (WIFSIGNALED(end.status)) return fmt::format("it crashed ({}): {}", sys::describe_status(end.status), step);
    return fmt::format("it ended the process ({}): {}", sys::describe_status(end.status), step);
}

constexpr sys::TrialLimits bounds{limits::plugin_check, limits::plugin_check_cpu_seconds, limits::plugin_check_memory_bytes,
                                  limits::plugin_check_output_bytes};

}  // namespace

Result<Check> Check::start(Image image) {
    auto trial = sys::Trial::start(bounds, image.memory, [&image](const sys::Trial::Say& say) { try_out(image, say); });
    if (!trial) return trial.error().context(image.file);
    return Check(std::move(image), std::move(*trial));
}

model::PluginReport Check::conclude(const sys::Trial::End& end) const {
    Said said = read(end.said);
    model::PluginReport report = std::move(said.report);
    report.file = image_.file;
    report.fingerprint = image_.fingerprint;
    report.problems = std::move(said.problems);
    if (said.more > 0) report.problems.push_back(fmt::format("and {} more", said.more));
    if (end.timed_out || end.status != 0 || !said.complete) report.problems.push_back(how_it_ended(end, said.step));
    if (image_.other_exports > 0) {
        report.notes.push_back(fmt::format("it exports {} symbols beside the descriptor; baton_strategy() of find_package(Baton) hides them",
                                           image_.other_exports));
    }
    return report;
}

model::PluginReport Check::finish() {
    return conclude(trial_.finish());
}

model::PluginReport Check::wait() {
    return conclude(trial_.wait());
}

Result<void> try_options(const Image& image, const std::string& strategy, const model::StrategyOptions& options) {
    const auto make = [&](const sys::Trial::Say& say) {
        line(say, 'S', "create()");
        auto own = duplicate(image);
        auto plugin = own ? Plugin::load(std::move(*own)) : Result<std::shared_ptr<const Plugin>>(own.error());
        if (!plugin) return line(say, 'P', plugin.error().message());
        if (auto made = make_balancer(*plugin, strategy, options, nullptr, {}); !made) line(say, 'P', made.error().message());
    };
    auto trial = sys::Trial::start(bounds, image.memory, make);
    if (!trial) return trial.error().context(image.file);
    const sys::Trial::End end = trial->wait();
    const Said said = read(end.said);
    if (!said.problems.empty()) return failed(said.problems.front());
    if (end.timed_out || end.status != 0) return failed(fmt::format("{} ({}): {}", strategy, image.file, how_it_ended(end, said.step)));
    return {};
}

Checked check(const std::string& file) {
    Checked checked;
    checked.report.file = file;
    auto image = read_image(file);
    if (!image) {
        checked.report.problems.push_back(image.error().message());
        return checked;
    }
    auto running = Check::start(std::move(*image));
    if (!running) {
        checked.report.problems.push_back(running.error().message());
        return checked;
    }
    checked.report = running->wait();
    if (checked.report.good()) checked.image = running->take_image();
    return checked;
}

}  // namespace baton::strategy
