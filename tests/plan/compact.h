// Services and listeners in one line each, so that a scenario shows what matters in it:
//
//     supervisor workers=2 drain=30s
//     listener plain 127.0.0.1:80 web
//     listener web 127.0.0.1:81 web http /api=api
//     service old endpoints=192.0.2.1:80*5,192.0.2.2:80+backup+down
//     service web replicas=2 version=1 readiness=notify depends=db surge=1 unavailable=0 limit=3
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/configuration.h"

namespace baton::plan::test {

Result<model::Configuration> parse_compact(const std::vector<std::string>& lines);
Result<model::ServiceSpec> parse_service(const std::vector<std::string>& words);

}  // namespace baton::plan::test
