/* How a service with delivery = "handoff" gets its connections: what a worker of Baton and an instance say to each
 * other. baton/service.hpp speaks it for C++; this header is for whoever wants to speak it themselves.
 *
 * The instance inherits listening unix stream sockets (LISTEN_FDS, from descriptor 3; LISTEN_FDNAMES: the names of
 * the listeners in the configuration). Each worker connects to each of them and stays: that is a line. On it go
 * messages of a fixed beginning, in the byte order of the host, and nothing else. A message starts with its own
 * size; whoever reads takes the fields it knows and skips the rest, as messages may grow at their end.
 *
 *   worker ──── baton_handoff_order, with descriptors ────▶ instance
 *          ◀─────────── baton_handoff_report ─────────────
 *
 * What the instance owes:
 *   taken  as soon as it has received connections, before it looks at them. Until then the worker keeps its own
 *          hold of them, and gives them to another instance if this one ends.
 *   ended  when it has closed them. The worker balances by what is open, and a drain waits for it.
 *   owned  connections of a line that has ended, or whose worker leaves, count nowhere: they are reported as owned
 *          on another line (as soon as there is one), and only then as ended where they came from.
 *
 * A line whose worker ends means nothing for connections: they are the instance's. Errors of sending a report are
 * of no interest: whoever would have read it has ended. */
#ifndef BATON_HANDOFF_H
#define BATON_HANDOFF_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum baton_handoff_kind {
    /* `count` connections come with this message, as descriptors (SCM_RIGHTS), non-blocking. Whom they are from,
     * getpeername(2) tells. */
    BATON_HANDOFF_CONNECTIONS = 1,
    /* No more connections will come: the instance is to be stopped, or to be left alone for a while. Clients are
     * told to go elsewhere where their protocol can say it. It has until the service's drain_timeout. */
    BATON_HANDOFF_DRAIN = 2,
    /* Connections may come (again). The first order of each line is this one or the one above. */
    BATON_HANDOFF_RESUME = 3,
    /* The worker ends soon: what counts on this line is to be owned on another one. */
    BATON_HANDOFF_LEAVE = 4
};

/* Descriptors of one message, at most. */
#define BATON_HANDOFF_BATCH 16
/* Connections of one line that were not reported as taken, at most: then the worker waits. */
#define BATON_HANDOFF_UNTAKEN 64

struct baton_handoff_order {
    uint32_t size; /* of this message: 16 */
    uint32_t kind; /* enum baton_handoff_kind; others are skipped */
    uint32_t count;
    uint32_t reserved;
};

struct baton_handoff_report {
    uint32_t size; /* of this message: 16 */
    uint32_t taken;
    uint32_t ended;
    uint32_t owned;
};

#ifdef __cplusplus
}
#endif
#endif
