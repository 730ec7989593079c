/* A balancer in plain C, with nothing but baton/strategy.h: one at random, by weight.
 *
 * It does by hand what the C++ layer does for a strategy: it keeps its own copy of what it needs of the
 * endpoints, leaves out who may not be picked, and uses backups only when nobody else is left. */
#include <stdlib.h>

#include "baton/strategy.h"

typedef struct endpoint {
    uint32_t weight; /* 0 when it is down */
    uint32_t backup;
} endpoint;

typedef struct state {
    const baton_live* live; /* the host's; it changes between calls */
    uint64_t random;
    uint32_t count;
    endpoint endpoints[];
} state;

/* There are no options, so one balancer is like another; but it is not NULL. */
static int balancer;

static void* create(const baton_settings* settings, baton_text* error) {
    (void)settings;
    (void)error;
    return &balancer;
}

static void destroy(void* object) { (void)object; }

static void* build(void* object, const baton_pool* pool, const void* previous, baton_text* error) {
    state* built = malloc(sizeof(state) + pool->count * sizeof(endpoint));
    (void)object;
    (void)previous; /* nothing is gathered that could be carried over */
    if (built == NULL) {
        baton_text_add(error, "no memory for the endpoints");
        return NULL;
    }
    built->live = pool->live;
    built->random = pool->seed;
    built->count = pool->count;
    for (uint32_t i = 0; i < pool->count; ++i) {
        /* The host's endpoints may be larger than ours: it was compiled later. */
        const baton_endpoint* from =
            (const baton_endpoint*)(const void*)((const char*)pool->endpoints + (size_t)i * pool->endpoint_size);
        built->endpoints[i].weight = (from->flags & BATON_ENDPOINT_DOWN) != 0 ? 0 : from->weight;
        built->endpoints[i].backup = (from->flags & BATON_ENDPOINT_BACKUP) != 0;
    }
    return built;
}

static void release(void* built) { free(built); }

/* Its weight for this request, in thousandths; 0: it may not be picked. */
static uint64_t weight_of(const state* own, const baton_request* request, uint32_t backup, uint32_t i) {
    if (own->endpoints[i].backup != backup || own->live->usable[i] == 0) return 0;
    if (request->tried != NULL && (request->tried[i / 64] >> (i % 64) & 1) != 0) return 0;
    return (uint64_t)own->endpoints[i].weight * own->live->share[i];
}

static uint32_t pick(void* built, const baton_request* request) {
    state* own = built;
    for (uint32_t backup = 0; backup <= 1; ++backup) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < own->count; ++i) sum += weight_of(own, request, backup, i);
        if (sum == 0) continue;
        own->random += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t point = baton_mix(own->random) % sum;
        for (uint32_t i = 0; i < own->count; ++i) {
            const uint64_t weight = weight_of(own, request, backup, i);
            if (point < weight) return i;
            point -= weight;
        }
    }
    return BATON_NONE;
}

static const baton_balancer table = {sizeof(baton_balancer), 0, create, destroy, build, release, pick, NULL};

static const baton_factory factories[] = {
    {BATON_KIND_BALANCER, "weighted_random", "one at random, by weight", NULL, &table, 0, sizeof(baton_option)}};

const baton_strategy_descriptor baton_strategy = {BATON_STRATEGY_HEAD,
                                                  "weighted_random",
                                                  "1.0",
                                                  "an example: a balancer in plain C",
                                                  BATON_STRATEGY_BUILD,
                                                  factories,
                                                  1,
                                                  sizeof(baton_factory)};
