// The plugin ABI is a published format: what a struct looked like yesterday it looks like today. It may grow at
// its end, with a new minor version.
#include <cstddef>
#include <string>

#include <baton/strategy.h>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "golden.h"

namespace baton {
namespace {

#define FIELD(type, field) text += fmt::format("  {:>4} {:>3}  {}\n", offsetof(type, field), sizeof(type::field), #field)
#define TYPE(type) text += fmt::format("{} {}\n", #type, sizeof(type))

std::string inputs() {
    std::string text;
    TYPE(baton_text); FIELD(baton_text, data); FIELD(baton_text, capacity); FIELD(baton_text, size);
    TYPE(baton_option); FIELD(baton_option, name); FIELD(baton_option, default_value); FIELD(baton_option, choices);
    FIELD(baton_option, description); FIELD(baton_option, minimum); FIELD(baton_option, maximum); FIELD(baton_option, type);
    TYPE(baton_option_value); FIELD(baton_option_value, name); FIELD(baton_option_value, text); FIELD(baton_option_value, integer);
    FIELD(baton_option_value, number); FIELD(baton_option_value, type); FIELD(baton_option_value, given);
    TYPE(baton_host); FIELD(baton_host, size); FIELD(baton_host, major); FIELD(baton_host, minor); FIELD(baton_host, context);
    FIELD(baton_host, log);
    TYPE(baton_settings); FIELD(baton_settings, size); FIELD(baton_settings, option_count); FIELD(baton_settings, option_size);
    FIELD(baton_settings, options); FIELD(baton_settings, host);
    TYPE(baton_address); FIELD(baton_address, bytes); FIELD(baton_address, size); FIELD(baton_address, family); FIELD(baton_address, port);
    TYPE(baton_endpoint); FIELD(baton_endpoint, id); FIELD(baton_endpoint, name); FIELD(baton_endpoint, name_size);
    FIELD(baton_endpoint, weight); FIELD(baton_endpoint, flags); FIELD(baton_endpoint, priority); FIELD(baton_endpoint, max_fails);
    FIELD(baton_endpoint, address);
    TYPE(baton_live); FIELD(baton_live, size); FIELD(baton_live, count); FIELD(baton_live, revision); FIELD(baton_live, usable);
    FIELD(baton_live, share); FIELD(baton_live, active);
    TYPE(baton_pool); FIELD(baton_pool, size); FIELD(baton_pool, count); FIELD(baton_pool, endpoint_size); FIELD(baton_pool, worker);
    FIELD(baton_pool, endpoints); FIELD(baton_pool, live); FIELD(baton_pool, now_us); FIELD(baton_pool, seed);
    TYPE(baton_request); FIELD(baton_request, size); FIELD(baton_request, attempt); FIELD(baton_request, now_us);
    FIELD(baton_request, key_hash); FIELD(baton_request, key); FIELD(baton_request, key_size); FIELD(baton_request, tried);
    FIELD(baton_request, client);
    TYPE(baton_outcome); FIELD(baton_outcome, size); FIELD(baton_outcome, index); FIELD(baton_outcome, kind);
    FIELD(baton_outcome, connect_us); FIELD(baton_outcome, response_us); FIELD(baton_outcome, now_us);
    return text;
}

std::string decisions() {
    std::string text;
    TYPE(baton_node); FIELD(baton_node, id); FIELD(baton_node, name); FIELD(baton_node, labels); FIELD(baton_node, label_count);
    FIELD(baton_node, flags); FIELD(baton_node, instances); FIELD(baton_node, service_instances); FIELD(baton_node, cpu_milli);
    FIELD(baton_node, cpu_milli_free); FIELD(baton_node, memory_bytes); FIELD(baton_node, memory_bytes_free);
    TYPE(baton_placement_view); FIELD(baton_placement_view, wanted); FIELD(baton_placement_view, nodes);
    FIELD(baton_placement_view, service); FIELD(baton_placement_view, constraints); FIELD(baton_placement_view, constraint_count);
    FIELD(baton_placement_view, cpu_milli); FIELD(baton_placement_view, memory_bytes); FIELD(baton_placement_view, now_us);
    FIELD(baton_placement_view, seed);
    TYPE(baton_placement); TYPE(baton_placement_decision); FIELD(baton_placement_decision, count);
    FIELD(baton_placement_decision, placements); FIELD(baton_placement_decision, reasons);
    TYPE(baton_member); FIELD(baton_member, id); FIELD(baton_member, name); FIELD(baton_member, node); FIELD(baton_member, role);
    FIELD(baton_member, flags); FIELD(baton_member, priority); FIELD(baton_member, failures); FIELD(baton_member, since_us);
    FIELD(baton_member, position);
    TYPE(baton_failover_view); FIELD(baton_failover_view, wanted_active); FIELD(baton_failover_view, members);
    FIELD(baton_failover_view, service); FIELD(baton_failover_view, now_us); FIELD(baton_failover_view, seed);
    TYPE(baton_failover_step); TYPE(baton_failover_decision); FIELD(baton_failover_decision, count);
    FIELD(baton_failover_decision, steps); FIELD(baton_failover_decision, reasons); FIELD(baton_failover_decision, ask_again_us);
    return text;
}

std::string tables() {
    std::string text;
    TYPE(baton_balancer); FIELD(baton_balancer, size); FIELD(baton_balancer, uses); FIELD(baton_balancer, create);
    FIELD(baton_balancer, destroy); FIELD(baton_balancer, build); FIELD(baton_balancer, release); FIELD(baton_balancer, pick);
    FIELD(baton_balancer, result);
    TYPE(baton_scheduler); FIELD(baton_scheduler, create); FIELD(baton_scheduler, destroy); FIELD(baton_scheduler, place);
    TYPE(baton_failover); FIELD(baton_failover, create); FIELD(baton_failover, destroy); FIELD(baton_failover, decide);
    TYPE(baton_factory); FIELD(baton_factory, kind); FIELD(baton_factory, name); FIELD(baton_factory, description);
    FIELD(baton_factory, options); FIELD(baton_factory, table); FIELD(baton_factory, option_count); FIELD(baton_factory, option_size);
    TYPE(baton_strategy_descriptor); FIELD(baton_strategy_descriptor, magic); FIELD(baton_strategy_descriptor, size);
    FIELD(baton_strategy_descriptor, major); FIELD(baton_strategy_descriptor, minor); FIELD(baton_strategy_descriptor, sizes);
    FIELD(baton_strategy_descriptor, name); FIELD(baton_strategy_descriptor, version); FIELD(baton_strategy_descriptor, description);
    FIELD(baton_strategy_descriptor, build); FIELD(baton_strategy_descriptor, factories);
    FIELD(baton_strategy_descriptor, factory_count); FIELD(baton_strategy_descriptor, factory_size);
    return text;
}

TEST(Abi, IsWhatItWas) {
    const std::string text = fmt::format("plugin ABI {}.{}: structs and their sizes; fields with offset and size\n", BATON_STRATEGY_MAJOR,
                                         BATON_STRATEGY_MINOR) + inputs() + decisions() + tables();
    EXPECT_EQ(test::differs_from_golden_text("strategy_abi.txt", text), "");
}

// The hash of keys is part of it: a key has to find its endpoint again in another version.
TEST(Abi, KeysAreHashedAsTheyWere) {
    EXPECT_EQ(baton_hash("", 0), 0xefd01f60ba992926U);
    EXPECT_EQ(baton_hash("192.0.2.1", 9), 0x8fc433616f773343U);
}

}  // namespace
}  // namespace baton
