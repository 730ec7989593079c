/* Plugins in plain C whose descriptor is not as it must be: DEFECT says in which way. */
#include "baton/strategy.h"

#define DEFECT_magic 1
#define DEFECT_major 2
#define DEFECT_minor 3
#define DEFECT_layout 4
#define DEFECT_no_factory 5
#define DEFECT_no_symbol 6
#define DEFECT_function 7
#define DEFECT_no_pick 8
#define DEFECT_name 9
#define DEFECT_option 10
#define DEFECT_twice 11
#define DEFECT_kind 12
#define DEFECT_bounds 13
#define DEFECT_ID_(name) DEFECT_##name
#define DEFECT_ID(name) DEFECT_ID_(name)
#define IS(name) (DEFECT_ID(DEFECT) == DEFECT_##name)

static int object;
static void* create(const baton_settings* settings, baton_text* error) {
    (void)settings;
    (void)error;
    return &object;
}
static void destroy(void* balancer) { (void)balancer; }
static void* build(void* balancer, const baton_pool* pool, const void* previous, baton_text* error) {
    (void)pool;
    (void)previous;
    (void)error;
    return balancer;
}
static uint32_t pick(void* state, const baton_request* request) {
    (void)state;
    (void)request;
    return BATON_NONE;
}

static const baton_balancer table = {sizeof(baton_balancer), 0, create, destroy, build, destroy, IS(no_pick) ? 0 : pick, 0};
static const baton_option options[] = {
    {"speed", IS(option) ? "fast" : "1", 0, "an option", IS(bounds) ? 5 : 0, IS(bounds) ? 1 : 0, BATON_OPTION_INTEGER, 0}};
static const baton_factory factories[] = {
    {IS(kind) ? "baton.oracle/1" : BATON_KIND_BALANCER, IS(name) ? "No Name" : "plain", "one", options, &table, 1, sizeof(baton_option)},
    {BATON_KIND_BALANCER, "plain", "another", 0, &table, 0, sizeof(baton_option)}};

#if DEFECT_ID(DEFECT) == DEFECT_no_symbol
const void* something_else = factories;
#elif DEFECT_ID(DEFECT) == DEFECT_function
const void* something_else = factories;
__asm__(".globl baton_strategy\n.type baton_strategy,@function\nbaton_strategy:\n ret\n.size baton_strategy, 1\n");
#else
const baton_strategy_descriptor baton_strategy = {
    IS(magic) ? 1 : BATON_STRATEGY_MAGIC,
    sizeof(baton_strategy_descriptor),
    IS(major) ? 9 : BATON_STRATEGY_MAJOR,
    IS(minor) ? 7 : BATON_STRATEGY_MINOR,
    {sizeof(baton_settings), sizeof(baton_option_value), sizeof(baton_host), sizeof(baton_address), sizeof(baton_endpoint),
     sizeof(baton_live), sizeof(baton_pool), IS(layout) ? 60 : sizeof(baton_request), sizeof(baton_outcome), sizeof(baton_node),
     sizeof(baton_placement_view), sizeof(baton_placement_decision), sizeof(baton_member), sizeof(baton_failover_view),
     sizeof(baton_failover_decision), sizeof(baton_text)},
    "descriptor",
    "1.0",
    "has a defect",
    BATON_STRATEGY_BUILD,
    factories,
    IS(no_factory) ? 0 : IS(twice) ? 2 : 1,
    sizeof(baton_factory)};
#endif
