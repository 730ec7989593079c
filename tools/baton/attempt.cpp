#include "attempt.h"

#include <optional>

#include "model/codec.h"

namespace baton::cli {

Outcome attempt(const Client& client, const std::string& target, const std::string& body,
                Progress& progress) {
    std::string rest;
    std::optional<Verdict> verdict;
    const auto take = [&](std::string_view piece) {
        rest += piece;
        std::size_t begin = 0;
        for (std::size_t end = 0; (end = rest.find('\n', begin)) != std::string::npos; begin = end + 1) {
            const auto step =
                model::decode<model::ProgressView>(std::string_view(rest).substr(begin, end - begin));
            if (!step) continue;
            if (step->done) verdict = *step;
            if (!step->done) progress.step(*step);
        }
        rest.erase(0, begin);
    };
    Call call;
    call.method = "POST";
    call.target = target;
    call.body = body;
    call.accept = "application/x-ndjson";
    const auto reply = client.stream(std::move(call), take);
    if (verdict) return *verdict;
    // What has an errno failed before anything was sent.
    if (!reply && reply.error().code() != 0) return Unreachable{reply.error()};
    if (reply && reply->status != 200) return Refused{reply->status, complaint_of(*reply)};
    return Broken{};
}

}  // namespace baton::cli
