// Every file in good/ is accepted and survives print and load; every file in bad/ causes exactly the
// problems that its lines are marked with.
#include <gtest/gtest.h>

#include "config/load.h"
#include "marked.h"

namespace baton::config {
namespace {

namespace fs = std::filesystem;

std::string test_name(const testing::TestParamInfo<fs::path>& info) {
    std::string name = info.param.stem().string();
    for (char& c : name) {
        if (c == '-' || c == '.') c = '_';
    }
    return name;
}

class BadFile : public testing::TestWithParam<fs::path> {};

// A folder is a configuration of several files, beginning with baton.toml.
struct Judged {
    std::vector<Problem> expected;
    Loaded loaded;
};

Judged judge_folder(const fs::path& folder) {
    Judged judged;
    const std::string begin = folder.string() + "/";
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
        if (entry.path().extension() == ".toml" && entry.path() != folder / "baton.toml")
            files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    files.insert(files.begin(), folder / "baton.toml");
    for (const fs::path& file : files) {
        const auto marks = marked_problems(read_text(file), fs::relative(file, folder).string());
        judged.expected.insert(judged.expected.end(), marks.begin(), marks.end());
    }
    judged.loaded = load(begin + "baton.toml", "");
    const auto strip = [&](std::string& text) {
        for (auto at = text.find(begin); at != std::string::npos; at = text.find(begin))
            text.erase(at, begin.size());
    };
    for (Problem& problem : judged.loaded.problems) {
        strip(problem.file);
        strip(problem.message);
    }
    return judged;
}

Judged judge_file(const fs::path& file) {
    const std::string text = read_text(file);
    return Judged{marked_problems(text, "conf.toml"), load_text(text, "conf.toml", "/srv")};
}

TEST_P(BadFile, ReportsEveryProblemAtItsLine) {
    const Judged judged = fs::is_directory(GetParam()) ? judge_folder(GetParam()) : judge_file(GetParam());
    ASSERT_FALSE(judged.expected.empty()) << "no marks in " << GetParam();
    EXPECT_FALSE(judged.loaded.configuration.has_value());
    EXPECT_EQ(listing(judged.expected), listing(judged.loaded.problems));
}
INSTANTIATE_TEST_SUITE_P(Config, BadFile, testing::ValuesIn(cases("bad")), test_name);

class GoodFile : public testing::TestWithParam<fs::path> {};

TEST_P(GoodFile, IsAcceptedAndSurvivesPrinting) {
    const Loaded loaded = load(GetParam().string(), "/srv");
    ASSERT_TRUE(loaded.configuration.has_value()) << listing(loaded.problems);
    const std::string text = print(*loaded.configuration);
    const Loaded again = load_text(text, loaded.configuration->file, "/srv");
    ASSERT_TRUE(again.configuration.has_value()) << listing(again.problems) << text;
    EXPECT_EQ(*loaded.configuration, *again.configuration) << text;
    EXPECT_EQ(text, print(*again.configuration));
}
INSTANTIATE_TEST_SUITE_P(Config, GoodFile, testing::ValuesIn(cases("good")), test_name);

std::vector<fs::path> shipped() {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(BATON_SOURCE_DIR "/conf")) {
        if (entry.path().extension() == ".toml") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

class ShippedFile : public testing::TestWithParam<fs::path> {};

TEST_P(ShippedFile, IsAccepted) {
    const Loaded loaded = load(GetParam().string(), "");
    EXPECT_TRUE(loaded.configuration.has_value()) << listing(loaded.problems);
    EXPECT_TRUE(loaded.notices.empty()) << loaded.notices.front();
}
INSTANTIATE_TEST_SUITE_P(Config, ShippedFile, testing::ValuesIn(shipped()), test_name);

}  // namespace
}  // namespace baton::config
