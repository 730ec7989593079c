#include "run.h"

#include <charconv>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/json.hpp>
#include <fmt/core.h>

namespace baton::load {
namespace asio = boost::asio;
namespace json = boost::json;

namespace {

struct ModeName {
    Mode mode;
    const char* name;
};
constexpr std::array mode_names{ModeName{Mode::get, "get"}, ModeName{Mode::post, "post"},
                                ModeName{Mode::new_get, "new"}, ModeName{Mode::new_post, "new-post"},
                                ModeName{Mode::tcp, "tcp"}};

std::string name_of(const Group& group) {
    return fmt::format("{} {}", name_of(group.mode), group.target.text);
}

}  // namespace

const char* name_of(Mode mode) {
    for (const ModeName& known : mode_names)
        if (known.mode == mode) return known.name;
    return "?";
}

Result<Target> parse_target(const std::string& text) {
    if (text.starts_with("unix:")) {
        std::string path = text.substr(5);
        if (path.empty() || path.size() > 107) return failed("'" + text + "' is not a target: bad path");
        if (path.front() == '@') path.front() = '\0';
        return Target{text, "localhost", asio::local::stream_protocol::endpoint(path)};
    }
    const std::size_t colon = text.rfind(':');
    std::uint16_t port = 0;
    boost::system::error_code ec;
    if (colon != std::string::npos) std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
    std::string host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const asio::ip::address address = asio::ip::make_address(host, ec);
    if (ec || port == 0) return failed("'" + text + "' is not a target; write ADDRESS:PORT or unix:/path");
    return Target{text, text, asio::ip::tcp::endpoint(address, port)};
}

Result<Part> parse_part(const std::string& text, std::size_t connections) {
    const std::size_t colon = text.find(':');
    Part part{.connections = connections};
    if (colon != std::string::npos) {
        const auto [end, ec] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), part.connections);
        if (ec != std::errc{} || end != text.data() + text.size() || part.connections == 0)
            return failed("'" + text + "': the number of connections is missing");
    }
    for (const ModeName& known : mode_names) {
        if (text.substr(0, colon) != known.name) continue;
        part.mode = known.mode;
        return part;
    }
    return failed("'" + text + "' is not a mode; there are get, post, new, new-post and tcp");
}

Run::Run(Settings settings) : settings_(std::move(settings)), begin_(Clock::now()), pulse_(begin_) {
    for (const Target& target : settings_.targets)
        for (const Part& part : settings_.parts) groups_.push_back({target, part.mode, part.connections, Tally(begin_)});
}

std::size_t Run::clients() const {
    std::size_t count = 0;
    for (const Group& group : groups_) count += group.connections;
    return count;
}

bool Run::take_request() {
    if (stopping_ || (settings_.requests != 0 && taken_ >= settings_.requests)) return false;
    ++taken_;
    return true;
}

void Run::succeeded(Group& group, Clock::duration latency, const std::string& version, const std::string& instance) {
    const Clock::time_point now = Clock::now();
    group.tally.succeeded(now, latency, version, instance);
    pulse_.saw_success(now);
}

void Run::failed(Group& group, Failure failure, std::string text) {
    group.tally.failed(failure);
    if (samples_.size() < samples_kept) samples_.push_back({wall_now(), name_of(group), failure, std::move(text)});
}

Tally Run::total() const {
    Tally total = pulse_;
    for (const Group& group : groups_) total.merge_counts(group.tally);
    return total;
}

std::string Run::report_json() const {
    const Clock::time_point now = Clock::now();
    json::object report = total().to_json(now);
    report["seconds"] = std::chrono::duration<double>(now - begin_).count();
    json::array groups;
    for (const Group& group : groups_) {
        json::object one = group.tally.to_json(now);
        one["target"] = group.target.text;
        one["mode"] = name_of(group.mode);
        groups.push_back(std::move(one));
    }
    report["groups"] = std::move(groups);
    json::array samples;
    for (const Sample& sample : samples_)
        samples.push_back({{"at", format_wall(sample.wall)}, {"group", sample.group},
                           {"kind", name_of(sample.failure)}, {"text", sample.text}});
    report["samples"] = std::move(samples);
    return json::serialize(report);
}

std::string Run::report_text() const {
    const Clock::time_point now = Clock::now();
    const auto row = [now](const std::string& name, const Tally& tally) {
        std::string versions;
        for (const auto& [version, count] : tally.versions()) versions += fmt::format(" {}:{}", version, count);
        const auto gap = std::chrono::duration_cast<std::chrono::milliseconds>(tally.longest_gap(now)).count();
        return fmt::format("{:<32} {:>9} {:>9} {:>7} {:>8.2f} {:>8.2f} {:>8.2f} {:>7}  {}\n", name, tally.requests(),
                           tally.ok(), tally.failures(), static_cast<double>(tally.latency().percentile(0.5)) / 1000,
                           static_cast<double>(tally.latency().percentile(0.99)) / 1000,
                           static_cast<double>(tally.latency().max()) / 1000, gap, versions);
    };
    std::string text = fmt::format("{:<32} {:>9} {:>9} {:>7} {:>8} {:>8} {:>8} {:>7}   {}\n", "load", "requests", "ok",
                                   "failed", "p50 ms", "p99 ms", "max ms", "gap ms", "answers by version");
    for (const Group& group : groups_) text += row(name_of(group), group.tally);
    const Tally all = total();
    if (groups_.size() > 1) text += row("all", all);
    for (std::size_t kind = 0; kind < failure_kinds; ++kind)
        if (all.by_kind()[kind] > 0)
            text += fmt::format("  {}: {}\n", name_of(static_cast<Failure>(kind)), all.by_kind()[kind]);
    for (std::size_t index = 0; index < std::min<std::size_t>(samples_.size(), 5); ++index)
        text += fmt::format("  {} {}: {}\n", format_wall(samples_[index].wall), samples_[index].group, samples_[index].text);
    text += fmt::format("{} requests, {} failed\n", all.requests(), all.failures());
    return text;
}

std::string Run::ticker() const {
    const Tally all = total();
    std::string versions;
    for (const auto& [version, count] : all.versions()) versions += fmt::format("  version {}: {}", version, count);
    return fmt::format("{:>6.1f} s  {} requests  {} failed{}", std::chrono::duration<double>(Clock::now() - begin_).count(),
                       all.requests(), all.failures(), versions);
}

}  // namespace baton::load
