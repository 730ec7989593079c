/* What the steering program and the supervisor agree on: the keys and values of its maps. Read by both
 * compilers. A change of anything here is a new layout: raise `layout` in steering.cpp, so that a master
 * never adopts maps it would misread. */
#pragma once

#include <linux/types.h>

#define STEER_SOCKETS 16384
#define STEER_PLACES 1024
#define STEER_GROUPS 4096
#define STEER_PROBES 4096

/* Addresses are in network order as the kernel gives them, IPv4 in the first word; ports in host order. */
struct steer_group_key {
    __u32 address[4];
    __u16 port;
    __u8 family;
    __u8 protocol;
};

enum steer_mode { STEER_ROUND_ROBIN = 0, STEER_CLIENT_HASH = 1, STEER_FLOW_HASH = 2 };

/* One reuseport group. It is replaced whole by an update, so the program never sees half a table. */
struct steer_group {
    __u64 cursor; /* of round robin; the next pick is places[cursor % count] */
    __u32 mode;
    __u32 closed; /* nobody new; connections that migrate are still taken */
    __u32 count;
    __u32 reserved;
    __u16 places[STEER_PLACES];
};

struct steer_probe_key {
    __u32 address[4];
    __u16 port;
    __u16 family;
};
