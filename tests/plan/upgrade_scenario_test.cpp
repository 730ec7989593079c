// The upgrade machine, told as stories: upgrade_scenarios/*.txt. The master that decides is generation 1
// unless `own N` says otherwise.
#include <functional>
#include <map>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "model/codec.h"
#include "plan/upgrade.h"
#include "scenario_file.h"
#include "telling.h"

namespace baton::plan::test {
namespace {

using model::Upgrade;

std::uint32_t number(const std::string& text) {
    return static_cast<std::uint32_t>(std::stoul(text));
}

std::string rest(const Command& command, std::size_t from) {
    std::string text;
    for (std::size_t i = from; i < command.words.size(); ++i) text += (i > from ? " " : "") + command.words[i];
    return text;
}

std::vector<std::uint32_t> numbers(const std::string& list) {
    std::vector<std::uint32_t> result;
    for (const std::string& part : split(list, ',')) result.push_back(number(part));
    return result;
}

class UpgradeStory {
  public:
    std::string run(const Command& command) {
        const auto known = commands().find(command.words[0]);
        if (known == commands().end()) return "error: unknown command " + command.words[0] + "\n";
        std::string told;
        if (const auto event = known->second(*this, command)) {
            for (const UpgradeAction& action : step(upgrade_, own_, *event, now_)) told += tell(action);
        }
        // The note is what a replacement starts from.
        const auto copy = model::decode<Upgrade>(model::encode(upgrade_));
        if (!copy || *copy != upgrade_) return "error: the note differs\n";
        return told + tell(upgrade_, now_);
    }

  private:
    using Handler = std::function<std::optional<UpgradeEvent>(UpgradeStory&, const Command&)>;

    static const std::map<std::string, Handler>& commands() {
        static const std::map<std::string, Handler> table{
            {"own", [](UpgradeStory& s, const Command& c) -> std::optional<UpgradeEvent> {
                 s.own_ = number(c.words.at(1));
                 return std::nullopt;
             }},
            {"upgrade", [](UpgradeStory&, const Command& c) {
                 const bool automatic = option(c.words, "soak", "") != "";
                 return UpgradeAsked{c.words.at(1), automatic, *parse_duration(option(c.words, "soak", "0s")), *parse_duration(option(c.words, "ready", "30s"))};
             }},
            {"started", [](UpgradeStory&, const Command& c) { return CandidateStarted{number(c.words.at(1)), ""}; }},
            {"not-started", [](UpgradeStory&, const Command& c) { return CandidateStarted{0, rest(c, 1)}; }},
            {"ready", [](UpgradeStory&, const Command& c) { return CandidateReady{number(c.words.at(1))}; }},
            {"gone", [](UpgradeStory&, const Command& c) { return CandidateGone{number(c.words.at(1)), rest(c, 2)}; }},
            {"probed", [](UpgradeStory&, const Command& c) { return CandidateProbed{c.words.at(2) == "good" ? "" : rest(c, 2), number(c.words.at(1))}; }},
            {"winch", [](UpgradeStory&, const Command&) { return DrainAsked{}; }},
            {"hup", [](UpgradeStory&, const Command&) { return ReturnAsked{}; }},
            {"quit", [](UpgradeStory&, const Command&) { return CommitAsked{}; }},
            {"tick", [](UpgradeStory& s, const Command& c) {
                 s.now_ += *parse_duration(c.words.at(1));
                 return UpgradeTick{};
             }},
            {"resume", [](UpgradeStory&, const Command& c) {
                 return UpgradeResumed{numbers(option(c.words, "others", "")), numbers(option(c.words, "ready", "")), number(option(c.words, "owner", "1"))};
             }},
        };
        return table;
    }

    Upgrade upgrade_;
    std::uint32_t own_ = 1;
    Millis now_ = 0;
};

class UpgradeScenario : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(UpgradeScenario, ReadsAsWritten) {
    UpgradeStory story;
    EXPECT_EQ(run_scenario(GetParam(), [&](const Command& command) { return story.run(command); }), "");
}

INSTANTIATE_TEST_SUITE_P(Plan, UpgradeScenario, testing::ValuesIn(scenario_files("upgrade_scenarios")),
                         [](const auto& file) { return test_name(file.param); });

TEST(OvertookCommit, OnlyAQuitJustAfterTheReturn) {
    Upgrade upgrade;
    EXPECT_FALSE(overtook_commit(upgrade, 500)) << "there was no upgrade";
    step(upgrade, 1, UpgradeAsked{"/usr/sbin/batond", false, 0, 30'000}, 10'000);
    step(upgrade, 1, CandidateStarted{2, ""}, 10'001);
    EXPECT_FALSE(overtook_commit(upgrade, 10'100)) << "it is on";
    step(upgrade, 1, CandidateGone{2, "killed by signal 9"}, 10'200);
    EXPECT_TRUE(overtook_commit(upgrade, 10'200));
    EXPECT_TRUE(overtook_commit(upgrade, 10'200 + limits::late_quit - 1));
    EXPECT_FALSE(overtook_commit(upgrade, 10'200 + limits::late_quit));
}

}  // namespace
}  // namespace baton::plan::test
