// What a reload would change: two configurations compared, for the log, for the answer to the one who
// asked, and for refusals.
#pragma once

#include <string>
#include <vector>

#include "model/configuration.h"

namespace baton::config {

// One thing that both configurations have, and the keys in which they differ.
struct Change {
    std::string name;  // of a service; the identity of a listener
    std::vector<std::string> keys;
};

struct Changes {
    std::vector<std::string> added;
    std::vector<std::string> removed;
    std::vector<Change> changed;
    bool empty() const { return added.empty() && removed.empty() && changed.empty(); }
};

struct Difference {
    Changes listeners;  // by model::identity: one that moved is a removed and an added one
    Changes services;   // by name
    // Keys of [supervisor], [plugins] and [admin]. The first apply with the reload; the second keep their old values
    // until Baton is restarted.
    std::vector<std::string> applied;
    std::vector<std::string> postponed;

    bool empty() const;
    // One sentence for each difference, for people.
    std::vector<std::string> describe() const;
};

Difference difference(const model::Configuration& old, const model::Configuration& fresh);

}  // namespace baton::config
