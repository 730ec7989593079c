// What the API says when it cannot do what it was asked: RFC 9457 problem details.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/views.h"

namespace baton::admin {

// The phrase of an HTTP status, "Not Found".
std::string_view reason_of(int status);

model::ProblemView problem(int status, std::string detail, std::vector<std::string> errors = {});

}  // namespace baton::admin
