#include "admin/problem.h"

#include <array>
#include <utility>

namespace baton::admin {

std::string_view reason_of(int status) {
    static constexpr std::array<std::pair<int, std::string_view>, 14> reasons{{
        {200, "OK"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Payload Too Large"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    }};
    for (const auto& [number, reason] : reasons) {
        if (number == status) return reason;
    }
    return "Failed";
}

model::ProblemView problem(int status, std::string detail, std::vector<std::string> errors) {
    model::ProblemView view;
    view.title = reason_of(status);
    view.status = status;
    view.detail = std::move(detail);
    view.errors = std::move(errors);
    return view;
}

}  // namespace baton::admin
