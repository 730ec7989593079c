// The certificates and keys of a route table, as memory files that this master hands to its workers: they have no
// right to read the user's files. Each is read once for each content (the fingerprint of its configuration).
#pragma once

#include <map>
#include <string>

#include "base/log.h"
#include "model/route_table.h"
#include "sys/descriptor.h"

namespace baton::engine {

class Certificates {
  public:
    explicit Certificates(Log& log) : log_(log) {}

    // Reads what is new, and forgets what the table does not name. What cannot be read is said, and tried again with the
    // next table: the workers go on with what they have.
    void settle(const model::RouteTable& table);
    // By model::certificate_of or model::key_of. Null: it could not be read.
    const sys::UniqueFd* find(const std::string& name) const;

  private:
    Log& log_;
    std::map<std::string, sys::UniqueFd> files_;  // invalid: it could not be read
};

}  // namespace baton::engine
