/* The ABI between Baton and a strategy plugin: balancers, schedulers and failover strategies. C99 and C++.
 *
 * A plugin is a shared object that exports one symbol, the object `baton_strategy`. It leads to factories, each
 * by its kind and name; a factory leads to a table of functions. C++ has baton/strategy.hpp above this; a plain
 * C plugin uses this file alone. docs/writing-a-strategy.md begins at the beginning.
 *
 * Threads and lifetimes. Each function below carries one of these marks:
 *   [control]  called by one thread at a time for one object; may take memory and, in reason, time. Calls on
 *              different objects may be at the same time.
 *   [state]    called by the thread that built the state, and by no other; never at the same time as another
 *              [state] call of that state. It is the data plane: no memory is taken or freed, no lock, no
 *              system call, nothing that waits.
 *   [any]      may be called by any thread at any time.
 * What a pointer argument leads to is valid for the call and no longer, unless its comment says more. What a
 * plugin returns stays valid until the call that its comment names. No exception crosses, no memory is freed by
 * the other side, and nobody but the host knows the time: it comes as `now_us`, microseconds of a clock that
 * only grows and starts anywhere. Same inputs, same outputs: take no time, no random numbers and no
 * environment from elsewhere, so that a decision can be replayed.
 *
 * A plugin has no threads of its own and no thread_local object with a destructor: either would keep its code
 * in the process after it was unloaded.
 *
 * Growth. A table or struct only ever grows at its end. Each that travels begins with its size, as the side
 * that fills it was compiled; what lies beyond the size is not there. Structs in arrays have their distance
 * (`..._size`) beside the array. The host refuses a plugin of another BATON_STRATEGY_MAJOR, and of a greater
 * BATON_STRATEGY_MINOR than its own.
 */
#ifndef BATON_STRATEGY_H
#define BATON_STRATEGY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
#define BATON_CAST(type, value) static_cast<type>(value)
extern "C" {
#else
#define BATON_CAST(type, value) ((type)(value))
#endif

#define BATON_STRATEGY_MAGIC UINT64_C(0x3179677274534262) /* "bBStrgy1" in memory */
#define BATON_STRATEGY_MAJOR 1
#define BATON_STRATEGY_MINOR 0

/* Limits, both sides'. The host never passes more, and refuses more from a plugin. */
#define BATON_MAX_ENDPOINTS 4096 /* of one pool; also members and nodes of one view */
#define BATON_MAX_WEIGHT 1000    /* of one endpoint */
#define BATON_MAX_FACTORIES 32   /* of one plugin */
#define BATON_MAX_OPTIONS 32     /* of one factory */
#define BATON_MAX_NAME 64        /* bytes of a plugin's, factory's or option's name: a-z 0-9 _ */
#define BATON_MAX_TEXT 1024      /* bytes of any other text in a descriptor */

/* What pick() returns when nobody can be picked. */
#define BATON_NONE UINT32_MAX
/* An unknown duration. */
#define BATON_UNKNOWN UINT32_MAX

/* --- texts, options, the host -------------------------------------------------------------------------- */

/* Room for a text, which the host provides. Cut when it is full; it needs no zero at its end. */
typedef struct baton_text {
    char* data;
    uint32_t capacity;
    uint32_t size; /* written so far */
} baton_text;

/* Appends. [any], by whoever has the text. */
static inline void baton_text_add(baton_text* text, const char* words) {
    const size_t length = strlen(words);
    const size_t room = text->capacity - text->size;
    const size_t taken = length < room ? length : room;
    if (taken > 0) memcpy(text->data + text->size, words, taken);
    text->size += BATON_CAST(uint32_t, taken);
}

enum baton_option_type {
    BATON_OPTION_BOOL = 1,
    BATON_OPTION_INTEGER = 2,
    BATON_OPTION_NUMBER = 3,
    BATON_OPTION_DURATION = 4, /* the user writes 500ms, 5s, 10m, 1h; the plugin gets microseconds */
    BATON_OPTION_TEXT = 5,
    BATON_OPTION_CHOICE = 6 /* one of `choices` */
};

/* One option that a factory knows. The host reads the user's configuration by it, and refuses what does not
 * fit with the file and line, so that a plugin sees sound values only. */
typedef struct baton_option {
    const char* name;
    const char* default_value; /* as a user would write it: "1.25", "ring", "10s", "false" */
    const char* choices;       /* "ring|maglev|rendezvous"; NULL for other types */
    const char* description;   /* one sentence */
    double minimum;            /* of integers, numbers and durations (then in microseconds); */
    double maximum;            /* both 0: any. At most 9e15 */
    uint32_t type;             /* enum baton_option_type */
    uint32_t reserved;
} baton_option;

/* The value of one option: the user's or the default. They come complete and in the order of the schema. */
typedef struct baton_option_value {
    const char* name;
    const char* text; /* text and choice; else NULL */
    int64_t integer;  /* bool (0, 1), integer, duration (microseconds) */
    double number;
    uint32_t type;
    uint32_t given; /* 1: by the user */
} baton_option_value;

enum baton_log_level { BATON_LOG_DEBUG = 1, BATON_LOG_INFO = 2, BATON_LOG_WARNING = 3, BATON_LOG_ERROR = 4 };

/* What the host does for a plugin. Valid until the destroy() of the object it was given to. */
typedef struct baton_host {
    uint32_t size;
    uint16_t major;
    uint16_t minor;
    void* context; /* the first argument of each function */
    /* Writes a line to Baton's log. Never waits; lines may be dropped when there are too many. Not to be called
     * from pick() and result(). [any] */
    void (*log)(void* context, uint32_t level, const char* text, size_t text_size);
} baton_host;

typedef struct baton_settings {
    uint32_t size;
    uint32_t option_count;
    uint32_t option_size; /* from one value to the next */
    uint32_t reserved;
    const baton_option_value* options; /* valid for the call */
    const baton_host* host;            /* valid until destroy() */
} baton_settings;

/* --- balancers: kind "baton.balancer/1" ---------------------------------------------------------------- */

enum baton_family { BATON_FAMILY_NONE = 0, BATON_FAMILY_INET4 = 4, BATON_FAMILY_INET6 = 6, BATON_FAMILY_UNIX = 1 };

typedef struct baton_address {
    const uint8_t* bytes; /* 4 or 16 in network order; a unix socket's path; NULL when there are none */
    uint32_t size;
    uint16_t family; /* enum baton_family */
    uint16_t port;
} baton_address;

enum baton_endpoint_flags {
    BATON_ENDPOINT_BACKUP = 1, /* takes connections only while no other can */
    BATON_ENDPOINT_DOWN = 2    /* never picked; it keeps its place in a hash */
};

/* What may be picked: one instance, or one external server. */
typedef struct baton_endpoint {
    uint64_t id;          /* this very instance: another number after it was restarted */
    const char* name;     /* its seat, "web/1" or "192.0.2.1:80": the same after a restart; ends with a zero */
    uint32_t name_size;
    uint32_t weight;      /* 0: never picked */
    uint32_t flags;       /* enum baton_endpoint_flags */
    uint32_t priority;    /* 0 is the first to be used by strategies that have an order */
    uint32_t max_fails;   /* failures after which the host stops using it for a while; 0: never */
    uint32_t reserved;
    baton_address address;
} baton_endpoint;

/* What changes between one pick and the next. Arrays of `count` entries, by endpoint index; the host writes
 * them in place, between calls, on the state's own thread: no atomics are needed, and nothing has to be told
 * of connections that begin and end. */
typedef struct baton_live {
    uint32_t size;
    uint32_t count;
    uint64_t revision;      /* another number whenever `usable` or `share` has changed in any entry */
    const uint8_t* usable;  /* 1: may be picked. 0: failed, draining, in maintenance, ... */
    const uint32_t* share;  /* thousandths of its weight to be used now, 1 to 1000; less while it starts slowly */
    const uint32_t* active; /* connections (or requests) that this worker has with it now */
} baton_live;

typedef struct baton_pool {
    uint32_t size;
    uint32_t count;
    uint32_t endpoint_size;          /* from one endpoint to the next */
    uint32_t worker;                 /* number of this worker, from 0: let each begin elsewhere */
    const baton_endpoint* endpoints; /* with all they lead to, valid for the call */
    const baton_live* live;          /* valid until the state is released */
    uint64_t now_us;
    uint64_t seed;                   /* for random numbers; another for each state */
} baton_pool;

typedef struct baton_request {
    uint32_t size;
    uint32_t attempt;      /* 0, then 1, 2, ... when endpoints that were picked did not work */
    uint64_t now_us;
    uint64_t key_hash;     /* baton_hash() of the key; without a key a random number. See BATON_USES_KEY */
    const uint8_t* key;    /* what the user balances by; NULL: this request has none */
    uint32_t key_size;
    uint32_t reserved;
    const uint64_t* tried; /* a bit for each endpoint that was picked in vain; NULL: none was */
    baton_address client;  /* see BATON_USES_CLIENT */
} baton_request;

enum baton_outcome_kind {
    BATON_OK = 1,            /* it answered */
    BATON_CONNECT_FAILED = 2, /* no connection could be made */
    BATON_FAILED = 3         /* it broke off, timed out, or answered with what the user counts as a failure */
};

typedef struct baton_outcome {
    uint32_t size;
    uint32_t index;       /* of the present state */
    uint32_t kind;        /* enum baton_outcome_kind */
    uint32_t connect_us;  /* how long connecting took; BATON_UNKNOWN: an open connection was used */
    uint32_t response_us; /* from the pick to the first byte of the answer; BATON_UNKNOWN where there is none */
    uint32_t reserved;
    uint64_t now_us;
} baton_outcome;

/* What the host has to prepare for pick(). */
enum baton_uses { BATON_USES_KEY = 1, BATON_USES_CLIENT = 2 };

/* An object of create() holds the options. A state is what one worker picks by, in one pool of endpoints. */
typedef struct baton_balancer {
    uint32_t size;
    uint32_t uses; /* enum baton_uses */

    /* A balancer with these options. NULL when they cannot be used together; the reason goes to `error`.
     * Valid until destroy(). Several may exist. [control] */
    void* (*create)(const baton_settings* settings, baton_text* error);
    /* No state of it exists any more. [control] */
    void (*destroy)(void* balancer);

    /* The state for a pool: at the start, and whenever an endpoint comes, goes, or is given another weight.
     * `previous` is the state this one follows in the same worker, or NULL: what endpoints that stay have
     * gathered (turns, measured times) is carried over by their ids. It is not changed: it goes on being used
     * when NULL is returned. Otherwise it is released next. Thread: the one that will use the state; the
     * balancer itself may be in use by others, and is not changed. May take memory. */
    void* (*build)(void* balancer, const baton_pool* pool, const void* previous, baton_text* error);
    /* The thread that built it. */
    void (*release)(void* state);

    /* Who gets this request: an index below the pool's count, or BATON_NONE. The endpoint is usable, not down,
     * of a weight above 0 and not `tried`; anything else is counted as a fault of the plugin, and another endpoint is
     * taken. A backup only when no other is left: that is looked at when a plugin is checked. [state] */
    uint32_t (*pick)(void* state, const baton_request* request);
    /* What became of a pick: once for each, unless its endpoint has left the pool. NULL: not wanted. [state] */
    void (*result)(void* state, const baton_outcome* outcome);
} baton_balancer;

/* --- schedulers: kind "baton.scheduler/1" -------------------------------------------------------------- */

typedef struct baton_label {
    const char* name;
    const char* value;
} baton_label;

enum baton_node_flags {
    BATON_NODE_READY = 1,    /* it is there and takes instances */
    BATON_NODE_CORDONED = 2  /* an operator wants nothing new on it */
};

typedef struct baton_node {
    uint64_t id;
    const char* name;
    const baton_label* labels;
    uint32_t label_count;
    uint32_t flags;              /* enum baton_node_flags */
    uint32_t instances;          /* on it now, of all services */
    uint32_t service_instances;  /* of the service that is to be placed */
    uint32_t cpu_milli;          /* thousandths of a core it has, */
    uint32_t cpu_milli_free;     /* and that are not promised to anybody */
    uint64_t memory_bytes;
    uint64_t memory_bytes_free;
} baton_node;

typedef struct baton_placement_view {
    uint32_t size;
    uint32_t node_count;
    uint32_t node_size; /* from one node to the next */
    uint32_t wanted;    /* so many instances are to be placed */
    const baton_node* nodes;
    const char* service;
    const baton_label* constraints; /* the user's; a node must carry each of them */
    uint32_t constraint_count;
    uint32_t cpu_milli;             /* what one instance needs; 0: not said */
    uint64_t memory_bytes;
    uint64_t now_us;
    uint64_t seed;
} baton_placement_view;

typedef struct baton_placement {
    uint32_t node;        /* index; BATON_NONE: there is no place for it */
    uint32_t reason_from; /* a piece of the decision's `reasons` */
    uint32_t reason_size;
    uint32_t reserved;
} baton_placement;

/* Room for the answer, which the host provides: `wanted` placements, to be filled from the first. */
typedef struct baton_placement_decision {
    uint32_t size;
    uint32_t capacity;
    uint32_t count; /* set by the plugin */
    uint32_t reserved;
    baton_placement* placements;
    baton_text reasons;
} baton_placement_decision;

typedef struct baton_scheduler {
    uint32_t size;
    uint32_t reserved;
    /* As in baton_balancer. [control] */
    void* (*create)(const baton_settings* settings, baton_text* error);
    void (*destroy)(void* scheduler);
    /* Where instances go: a function of the view, with a reason for each. [control] */
    void (*place)(void* scheduler, const baton_placement_view* view, baton_placement_decision* decision);
} baton_scheduler;

/* --- failover strategies: kind "baton.failover/1" ------------------------------------------------------ */

enum baton_role { BATON_ROLE_NONE = 0, BATON_ROLE_STANDBY = 1, BATON_ROLE_ACTIVE = 2 };

enum baton_member_flags {
    BATON_MEMBER_RUNNING = 1,   /* its process is there */
    BATON_MEMBER_READY = 2,     /* it passes its readiness probe */
    BATON_MEMBER_REACHABLE = 4, /* its node answers; if not, nobody knows what it does */
    BATON_MEMBER_HELD = 8       /* an operator wants nothing done to it */
};

typedef struct baton_member {
    uint64_t id;
    const char* name;
    const char* node;
    uint32_t role;     /* enum baton_role */
    uint32_t flags;    /* enum baton_member_flags */
    uint32_t priority; /* 0 is preferred */
    uint32_t failures; /* in a row */
    uint64_t since_us; /* when its role or readiness last changed */
    uint64_t position; /* how far its data goes, where the service tells; more is newer */
} baton_member;

typedef struct baton_failover_view {
    uint32_t size;
    uint32_t member_count;
    uint32_t member_size;   /* from one member to the next */
    uint32_t wanted_active; /* so many shall have the active role */
    const baton_member* members;
    const char* service;
    uint64_t now_us;
    uint64_t seed;
} baton_failover_view;

enum baton_failover_kind {
    BATON_PROMOTE = 1, /* it gets the active role */
    BATON_DEMOTE = 2,  /* it gets the standby role */
    BATON_RESTART = 3,
    BATON_FENCE = 4    /* it is made certain that it does nothing any more, before the next step is taken */
};

typedef struct baton_failover_step {
    uint32_t kind;   /* enum baton_failover_kind */
    uint32_t member; /* index */
    uint32_t reason_from;
    uint32_t reason_size;
} baton_failover_step;

/* Room for the answer, which the host provides. Steps are taken in their order, each after the one before. */
typedef struct baton_failover_decision {
    uint32_t size;
    uint32_t capacity;
    uint32_t count; /* set by the plugin; 0: all is as it should be */
    uint32_t reserved;
    baton_failover_step* steps;
    baton_text reasons;   /* also without a step: why nothing is done */
    uint64_t ask_again_us; /* set by the plugin: not later than this time; 0: when something changes */
} baton_failover_decision;

typedef struct baton_failover {
    uint32_t size;
    uint32_t reserved;
    /* As in baton_balancer. [control] */
    void* (*create)(const baton_settings* settings, baton_text* error);
    void (*destroy)(void* failover);
    /* What is to be done: a function of the view, with a reason for each step. [control] */
    void (*decide)(void* failover, const baton_failover_view* view, baton_failover_decision* decision);
} baton_failover;

/* --- the descriptor ------------------------------------------------------------------------------------ */

#define BATON_KIND_BALANCER "baton.balancer/1"
#define BATON_KIND_SCHEDULER "baton.scheduler/1"
#define BATON_KIND_FAILOVER "baton.failover/1"

typedef struct baton_factory {
    const char* kind;
    const char* name;           /* as it is written in the configuration: strategy = "round_robin" */
    const char* description;    /* one sentence */
    const baton_option* options;
    const void* table;          /* a const baton_balancer, baton_scheduler or baton_failover, by kind */
    uint32_t option_count;
    uint32_t option_size;       /* sizeof(baton_option) */
} baton_factory;

/* Sizes as the plugin was compiled: where they differ from the host's for this minor version, it was compiled
 * with flags that change layouts, and is refused instead of misread. */
typedef struct baton_sizes {
    uint16_t settings, option_value, host, address, endpoint, live, pool, request;
    uint16_t outcome, node, placement_view, placement_decision, member, failover_view, failover_decision, text;
} baton_sizes;

typedef struct baton_strategy_descriptor {
    uint64_t magic;
    uint32_t size;
    uint16_t major;
    uint16_t minor;
    baton_sizes sizes;
    const char* name;        /* of the plugin */
    const char* version;     /* the author's */
    const char* description; /* one sentence */
    const char* build;       /* compiler; for people */
    const baton_factory* factories;
    uint32_t factory_count;
    uint32_t factory_size;   /* sizeof(baton_factory) */
} baton_strategy_descriptor;

/* The beginning of the descriptor's initialiser. */
#define BATON_STRATEGY_HEAD                                                                                     \
    BATON_STRATEGY_MAGIC, sizeof(baton_strategy_descriptor), BATON_STRATEGY_MAJOR,                              \
        BATON_STRATEGY_MINOR, {                                                                                 \
        sizeof(baton_settings), sizeof(baton_option_value), sizeof(baton_host), sizeof(baton_address),          \
            sizeof(baton_endpoint), sizeof(baton_live), sizeof(baton_pool), sizeof(baton_request),              \
            sizeof(baton_outcome), sizeof(baton_node), sizeof(baton_placement_view),                            \
            sizeof(baton_placement_decision), sizeof(baton_member), sizeof(baton_failover_view),                \
            sizeof(baton_failover_decision), sizeof(baton_text)                                                 \
    }

#ifdef __VERSION__
#define BATON_STRATEGY_BUILD __VERSION__
#else
#define BATON_STRATEGY_BUILD "unknown compiler"
#endif

#if defined(__GNUC__)
#define BATON_STRATEGY_EXPORT __attribute__((visibility("default")))
#else
#define BATON_STRATEGY_EXPORT
#endif

/* The host's own built-in strategy has its descriptor under another name; a plugin leaves this alone. */
#ifndef BATON_STRATEGY_SYMBOL
#define BATON_STRATEGY_SYMBOL baton_strategy
#endif

/* The one symbol of a plugin:
 *   const baton_strategy_descriptor baton_strategy = { BATON_STRATEGY_HEAD, "name", "1.0", ... }; */
extern BATON_STRATEGY_EXPORT const baton_strategy_descriptor BATON_STRATEGY_SYMBOL;

/* --- the hash of keys ---------------------------------------------------------------------------------- */

/* Spreads 64 bits over 64 bits (the finaliser of MurmurHash3, Austin Appleby, public domain). [any] */
static inline uint64_t baton_mix(uint64_t x) {
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

/* How the host hashes keys: FNV-1a of 64 bits (Fowler, Noll, Vo), then baton_mix. It will stay so, so that a
 * key finds its endpoint again in another worker, version or host. [any] */
static inline uint64_t baton_hash(const void* bytes, size_t size) {
    const uint8_t* at = BATON_CAST(const uint8_t*, bytes);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; ++i) hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return baton_mix(hash);
}

#ifdef __cplusplus
}
#endif
#endif
