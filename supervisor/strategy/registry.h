// The plugin files of the configured directories, each with what its check found, for who decides which of them
// are used. Nothing of their code is loaded here.
//
// A file is known by its bytes: one that has not changed is not checked again. Where two files have a strategy
// of the same kind and name, the first is used: of the first directory, in the order of the files' names.
// One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/plugin.h"
#include "strategy/check.h"
#include "strategy/image.h"

namespace baton::strategy {

class Registry {
  public:
    // Reads what is there. Returns those that are new or have changed: each is to be checked, and its outcome
    // told by settle(). Until then the file is not used; others are.
    std::vector<Image> look(const std::vector<std::string>& directories);
    void settle(model::PluginReport report, Image image);
    // Both at once; waits for every check.
    void refresh(const std::vector<std::string>& directories);

    // Sorted as they are looked for; with what cannot be read, and what is wrong.
    std::vector<model::PluginReport> reports() const;
    // A copy of the image whose plugin gives this strategy. An error says why there is none.
    Result<Image> find(std::string_view kind, std::string_view name) const;
    // A copy of one that may be used.
    Result<Image> image(std::uint64_t fingerprint) const;
    // Every strategy that is used, by kind and name, with the fingerprint of its plugin.
    std::map<std::pair<std::string, std::string>, std::uint64_t> strategies() const;

    // It crashed or hung: it is not used, whatever its check says, until its file changes.
    void quarantine(std::uint64_t fingerprint, std::string why);

  private:
    struct Entry {
        model::PluginReport report;
        Image image;
        bool settled = false;
    };
    struct File {
        std::string path;
        std::uint64_t fingerprint = 0;  // 0: it could not be read
        std::vector<std::string> problems;
    };
    bool usable(const Entry& entry) const;

    std::vector<File> files_;
    std::map<std::uint64_t, Entry> entries_;  // by fingerprint
    std::map<std::uint64_t, std::string> quarantined_;
};

// Where the plugins are that came with this program: beside it in a build, in the library folder when it is
// installed. `program`: its path.
std::string shipped_plugins(const std::string& program);

}  // namespace baton::strategy
