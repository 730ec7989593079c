// Where `batond -s` looks for the pid file: it must be found in what is otherwise broken, however it is written.
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "config/pid_file.h"

namespace baton::config {
namespace {

namespace fs = std::filesystem;

class PidFile : public testing::TestWithParam<std::pair<const char*, const char*>> {
  protected:
    PidFile() {
        std::string name = (fs::temp_directory_path() / "baton-pid-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
    }
    ~PidFile() override { fs::remove_all(folder_); }

    std::string named_in(const std::string& text) const {
        const std::string file = folder_ / "baton.toml";
        std::ofstream(file) << text;
        return pid_file_of(file, "/srv");
    }

    fs::path folder_;
};

TEST_P(PidFile, IsFoundInAnyFile) {
    const auto& [text, expected] = GetParam();
    EXPECT_EQ(named_in(text), expected) << "whole";
    EXPECT_EQ(named_in(std::string(text) + "\n[service.web]\nno_such_key = 1\n"), expected) << "with an error";
    EXPECT_EQ(named_in(std::string(text) + "\n[service.web\n"), expected) << "which is no TOML";
}

INSTANTIATE_TEST_SUITE_P(Ways, PidFile,
                         testing::Values(std::pair{"[supervisor]\npid_file = \"x/a.pid\"", "/srv/x/a.pid"},
                                         std::pair{"[ supervisor ]\nworkers = 1\n'pid_file' = 'x/a.pid'", "/srv/x/a.pid"},
                                         std::pair{"supervisor.pid_file = \"/a.pid\"", "/a.pid"},
                                         std::pair{"supervisor.\"pid_file\" = \"/a.pid\"", "/a.pid"},
                                         std::pair{"supervisor = { \"pid_file\" = \"/a.pid\" }", "/a.pid"},
                                         std::pair{"supervisor = {workers = 1, pid_file = '/a.pid'}", "/a.pid"},
                                         std::pair{"[service.db]\ncommand = [\"x\"]\nenvironment = { pid_file = \"/b.pid\" }", "/srv/run/baton.pid"},
                                         std::pair{"[service.db]\ncommand = [\"x\"]\n[service.db.environment]\npid_file = \"/b.pid\"", "/srv/run/baton.pid"}));

}  // namespace
}  // namespace baton::config
