// Collects everything that is wrong with a configuration, so that all of it is told at once.
#pragma once

#include <string>
#include <vector>

#include "config/load.h"
#include "config/node.h"

namespace baton::config {

class Report {
  public:
    // The number that places in this file carry.
    std::uint32_t add_file(std::string name);

    void problem(Place place, std::string message);
    void notice(std::string message);

    bool clean() const { return problems_.empty(); }
    // "FILE:LINE", to refer to another place from a message.
    std::string where(Place place) const;

    std::vector<Problem> sorted_problems() const;
    const std::vector<std::string>& notices() const { return notices_; }

  private:
    struct Found {
        Place place;
        std::string message;
    };
    std::vector<std::string> files_;
    std::vector<Found> problems_;
    std::vector<std::string> notices_;
};

}  // namespace baton::config
