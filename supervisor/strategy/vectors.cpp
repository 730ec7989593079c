#include "strategy/vectors.h"

#include <fmt/core.h>

namespace baton::strategy {
namespace {

std::vector<TrialEndpoint> weighted(const std::vector<std::uint32_t>& weights) {
    std::vector<TrialEndpoint> endpoints;
    for (const std::uint32_t weight : weights) endpoints.push_back({endpoints.size() + 1, weight});
    return endpoints;
}

// Endpoints as letters; '-' for nobody.
std::string picks(Bench& bench, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
        const std::uint32_t picked = bench.pick(static_cast<std::uint64_t>(i));
        text += picked == BATON_NONE ? '-' : picked < 26 ? static_cast<char>('a' + picked) : '?';
    }
    return text;
}

void expect(const Findings& findings, std::string_view what, const std::string& found, std::string_view wanted) {
    if (found != wanted) findings.problem(fmt::format("{}: it picks {}, the vector is {}", what, found, wanted));
}

void expect_turns(const Subject& subject, const Findings& findings, const std::vector<std::uint32_t>& weights, std::string_view wanted) {
    Bench bench(subject, weighted(weights));
    if (!bench.build(nullptr)) return;  // reported by who tries endpoints of all kinds
    std::string list;
    for (const std::uint32_t weight : weights) list += fmt::format("{}{}", list.empty() ? "" : ",", weight);
    expect(findings, "weights " + list, picks(bench, static_cast<int>(wanted.size())), wanted);
}

void round_robin(const Subject& subject, const Findings& findings) {
    expect_turns(subject, findings, {5, 1, 1}, "aabacaaaabacaa");
    expect_turns(subject, findings, {4, 2, 1}, "abacabaabacaba");
    expect_turns(subject, findings, {19, 1}, "aaaaaaaaaabaaaaaaaaa");

    Bench bench(subject, weighted({5, 1, 1}));
    if (!bench.build(nullptr)) return;
    picks(bench, 7);
    bench.result(0, BATON_CONNECT_FAILED);
    bench.set_usable(0, false);
    expect(findings, "weights 5,1,1, the first has failed", picks(bench, 6), "bcbcbc");
    bench.set_usable(0, true);
    expect(findings, "weights 5,1,1, the first recovers", picks(bench, 14), "bcaabaacaaabaa");
}

// nginx's hash of 192.168.2.x is 155, of 10.0.0.x 2565, of 127.0.0.x 4040.
void ip_hash(const Subject& subject, const Findings& findings) {
    Bench bench(subject, weighted({1, 2, 3, 4}));
    if (!bench.build(nullptr)) return;
    const auto of = [&](std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
        return static_cast<char>('a' + bench.pick_for({a, b, c, d}));
    };
    // Places in the sum of 10: 5, 5, 0.
    const std::string found{of(192, 168, 2, 1), of(192, 168, 2, 200), of(10, 0, 0, 7), of(127, 0, 0, 1)};
    expect(findings, "weights 1,2,3,4, clients 192.168.2.1, 192.168.2.200, 10.0.0.7, 127.0.0.1", found, "ccca");
}

void least_connections(const Subject& subject, const Findings& findings) {
    Bench bench(subject, weighted({1, 1, 2}));
    if (!bench.build(nullptr)) return;
    bench.active() = {4, 3, 8};
    expect(findings, "4, 3 and 8 connections, weights 1,1,2", picks(bench, 1), "b");
    bench.active() = {4, 5, 6};
    expect(findings, "4, 5 and 6 connections, weights 1,1,2", picks(bench, 1), "c");
}

void active_standby(const Subject& subject, const Findings& findings) {
    Bench bench(subject, {{1, 1, 0, 1, 1}, {2, 1, 0, 0, 1}, {3, 1, BATON_ENDPOINT_BACKUP, 0, 1}});
    if (!bench.build(nullptr)) return;
    std::string found = picks(bench, 2);
    bench.set_usable(1, false);
    found += picks(bench, 2);
    bench.set_usable(0, false);
    found += picks(bench, 2);
    bench.set_usable(0, true);
    bench.set_usable(1, true);
    found += picks(bench, 1);
    expect(findings, "priorities 1, 0 and a backup: all, without b, without a and b, all", found, "bbaaccb");
}

}  // namespace

void examine_vectors(std::string_view name, const Subject& subject, const Findings& findings) {
    findings.step("the vectors of its name");
    if (name == "round_robin") round_robin(subject, findings);
    if (name == "ip_hash") ip_hash(subject, findings);
    if (name == "least_connections") least_connections(subject, findings);
    if (name == "active_standby") active_standby(subject, findings);
}

}  // namespace baton::strategy
