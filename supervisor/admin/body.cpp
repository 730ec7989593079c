#include "admin/body.h"

#include <set>

#include <fmt/core.h>
#include <boost/json.hpp>

namespace baton::admin {

namespace json = boost::json;

struct Body::Members {
    json::object object;
    std::set<std::string, std::less<>> asked;
    bool broken = false;  // no object at all: that is the one mistake to tell

    const json::value* find(std::string_view name) {
        asked.emplace(name);
        return object.if_contains(name);
    }
};

Body::Body(std::string_view text) : members_(std::make_unique<Members>()) {
    if (text.empty()) return;
    boost::system::error_code ec;
    json::value document = json::parse(text, ec);
    members_->broken = ec || !document.is_object();
    if (ec) {
        mistake("the body is not JSON: " + ec.message());
    } else if (members_->broken) {
        mistake("the body is not a JSON object");
    } else {
        members_->object = std::move(document.get_object());
    }
}

Body::~Body() = default;

bool Body::boolean(std::string_view name, bool fallback) {
    const json::value* value = members_->find(name);
    if (value == nullptr) return fallback;
    if (!value->is_bool()) {
        mistake(fmt::format("'{}' must be true or false", name));
        return fallback;
    }
    return value->get_bool();
}

std::optional<std::string> Body::text(std::string_view name) {
    const json::value* value = members_->find(name);
    if (value == nullptr) return {};
    if (!value->is_string()) {
        mistake(fmt::format("'{}' must be a string", name));
        return {};
    }
    return std::string(value->get_string());
}

std::uint32_t Body::number(std::string_view name, std::uint32_t low, std::uint32_t high) {
    const json::value* value = members_->find(name);
    boost::system::error_code ec;
    const auto number = value == nullptr ? 0 : value->to_number<std::uint32_t>(ec);
    if (value == nullptr || ec || number < low || number > high) {
        mistake(fmt::format("'{}' must be a whole number from {} to {}", name, low, high));
        return low;
    }
    return number;
}

std::vector<std::string> Body::mistakes() const {
    if (members_->broken) return {mistakes_.front()};
    auto all = mistakes_;
    for (const auto& member : members_->object) {
        const std::string_view name(member.key().data(), member.key().size());
        if (!members_->asked.contains(name)) all.push_back(fmt::format("'{}' is unknown here", name));
    }
    return all;
}

}  // namespace baton::admin
