// The files that workers write a line to for each request: this process opens them, as a worker may write where
// only its descriptors lead.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/log.h"
#include "model/route_table.h"
#include "sys/descriptor.h"

namespace baton::engine {

class AccessLogs {
  public:
    explicit AccessLogs(Log& log) : log_(log) {}

    // Opens what the table names and is not open; closes the others. What cannot be opened is said once, and
    // tried again at reopen().
    void settle(const model::RouteTable& table);
    // All anew, after they were renamed by logrotate. Where that fails the old file stays, and this returns why.
    std::vector<std::string> reopen();
    // Null: it could not be opened.
    const sys::UniqueFd* find(const std::string& path) const;

  private:
    static Result<sys::UniqueFd> open(const std::string& path);

    Log& log_;
    std::map<std::string, sys::UniqueFd> files_;  // by path; invalid: it could not be opened
};

}  // namespace baton::engine
