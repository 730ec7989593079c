/* Chooses the socket of a reuseport group for a new connection, a datagram, or a connection whose
 * listening socket is being closed. One program and one set of maps serve every listener; the group is
 * found by the address it is bound to.
 *
 * No client is refused while a socket of its group lives, except where the group is closed: what the table
 * cannot serve is left to the kernel's own hash. A probe is the opposite: it reaches the socket it is meant
 * for or nothing, since an answer from another instance would be a lie. */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stddef.h>

#include "steer_layout.h"

#define AF_INET 2
#define AF_INET6 10
/* Looks for a living socket so often before the kernel's hash is asked; the verifier walks every one. */
#define STEER_TRIES 64

struct {
    __uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
    __uint(max_entries, STEER_SOCKETS);
    __type(key, __u32);
    __type(value, __u64); /* eight bytes, so that a look-up tells the socket's cookie */
} sockets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, STEER_GROUPS);
    __type(key, struct steer_group_key);
    __type(value, struct steer_group);
} groups SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, STEER_PROBES);
    __type(key, struct steer_probe_key);
    __type(value, __u32);
} probes SEC(".maps");

/* Who asks: from the connection that migrates, which may come without a packet, else from the packet. */
static __always_inline void read_client(struct sk_reuseport_md* ctx, __u32 family,
                                        struct steer_probe_key* client) {
    struct bpf_sock* moving = ctx->migrating_sk;
    __u16 port = 0;

    client->family = (__u16)family;
    if (moving) {
        if (family == AF_INET) {
            client->address[0] = moving->dst_ip4;
        } else {
            client->address[0] = moving->dst_ip6[0];
            client->address[1] = moving->dst_ip6[1];
            client->address[2] = moving->dst_ip6[2];
            client->address[3] = moving->dst_ip6[3];
        }
        client->port = bpf_ntohs(moving->dst_port);
        return;
    }
    if (family == AF_INET)
        bpf_skb_load_bytes_relative(ctx, offsetof(struct iphdr, saddr), client->address, 4,
                                    BPF_HDR_START_NET);
    else
        bpf_skb_load_bytes_relative(ctx, offsetof(struct ipv6hdr, saddr), client->address, 16,
                                    BPF_HDR_START_NET);
    /* The source port is the first field of both transport headers. */
    bpf_skb_load_bytes(ctx, 0, &port, sizeof(port));
    client->port = bpf_ntohs(port);
}

static __always_inline void read_group(struct sk_reuseport_md* ctx, struct steer_group_key* key) {
    struct bpf_sock* sk = ctx->sk;
    struct bpf_sock* moving = ctx->migrating_sk;
    __u32 port;

    key->family = (__u8)sk->family;
    key->protocol = (__u8)sk->protocol;
    if (sk->family == AF_INET) {
        key->address[0] = sk->src_ip4;
    } else {
        key->address[0] = sk->src_ip6[0];
        key->address[1] = sk->src_ip6[1];
        key->address[2] = sk->src_ip6[2];
        key->address[3] = sk->src_ip6[3];
    }
    /* A listening socket that was closed with handshakes under way has given its port back already; the
     * handshake still knows it. The barrier keeps the compiler from merging the two loads, whose pointers
     * differ in type to the verifier. */
    port = sk->src_port;
    barrier_var(port);
    if (moving) port = moving->src_port;
    key->port = (__u16)port;
}

static __always_inline __u32 mix(__u32 hash, __u32 word) {
    hash = (hash ^ word) * 0x9e3779b1u;
    return hash ^ (hash >> 15);
}

/* Murmur's finisher over the address: neighbours in one subnet must not land together. */
static __always_inline __u32 client_hash(const struct steer_probe_key* client) {
    __u32 hash = mix(mix(mix(mix(0x2545f491u, client->address[0]), client->address[1]), client->address[2]),
                     client->address[3]);

    hash *= 0x85ebca6bu;
    hash ^= hash >> 13;
    hash *= 0xc2b2ae35u;
    return hash ^ (hash >> 16);
}

static __always_inline __u32 first_choice(struct sk_reuseport_md* ctx, struct steer_group* group, __u32 count,
                                          const struct steer_probe_key* client) {
    if (group->mode == STEER_CLIENT_HASH) return (__u32)(((__u64)client_hash(client) * count) >> 32);
    if (group->mode == STEER_FLOW_HASH) return (__u32)(((__u64)ctx->hash * count) >> 32);
    return (__u32)(__sync_fetch_and_add(&group->cursor, 1) % count);
}

SEC("sk_reuseport/migrate")
int steer(struct sk_reuseport_md* ctx) {
    struct steer_probe_key client = {};
    struct steer_group_key key = {};
    struct steer_group* group;
    __u32* probed;
    __u32 count, first, stride, i;

    read_group(ctx, &key);
    read_client(ctx, key.family, &client);

    probed = bpf_map_lookup_elem(&probes, &client);
    if (probed) {
        __u32 place = *probed;

        return bpf_sk_select_reuseport(ctx, &sockets, &place, 0) == 0 ? SK_PASS : SK_DROP;
    }

    group = bpf_map_lookup_elem(&groups, &key);
    if (!group) return SK_PASS;
    if (group->closed && !ctx->migrating_sk) return SK_DROP;
    count = group->count;
    if (count == 0 || count > STEER_PLACES) return SK_PASS;

    first = first_choice(ctx, group, count, &client);
    /* Past the places whose socket is gone: in the table's own order where it is short, else in strides
     * that span it. */
    stride = count / STEER_TRIES + 1;
    for (i = 0; i < STEER_TRIES; i++) {
        __u32 place = group->places[((first + i * stride) % count) & (STEER_PLACES - 1)];

        if (bpf_sk_select_reuseport(ctx, &sockets, &place, 0) == 0) return SK_PASS;
    }
    return SK_PASS;
}

char steer_license[] SEC("license") = "MIT";
