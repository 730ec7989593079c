#include "front.h"

namespace baton::gateway {

Front::Front() {
    entrance_.listener = entrance_.name = "web";
    entrance_.protocol = model::Protocol::http;
}

void Front::begin(std::map<std::string, sys::UniqueFd> descriptors) {
    gateway_ = &start();
    descriptors["web"] = front_.copy();
    follow(std::move(descriptors));
}

void Front::follow(std::map<std::string, sys::UniqueFd> descriptors) {
    table_.revision++;
    table_.entrances = {entrance_};
    table_.routes = routes_;
    gateway_->gateway->follow(table_, std::move(descriptors));
}

std::unique_ptr<Wire> Front::accepted() {
    std::unique_ptr<Wire> wire;
    EXPECT_TRUE(until([&] { return (wire = instance_.accept()) != nullptr; }));
    return wire;
}

}  // namespace baton::gateway
