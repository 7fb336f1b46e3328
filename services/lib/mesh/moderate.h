/* Whether to wait a moment before the next look at the sockets, so that it finds more at once.
 *
 * A look costs system calls, whatever it finds: a wait for events, a read and a write for each
 * socket. A loop that is faster than its callers takes their calls in small rows, and spends a
 * quarter of its CPU on looks. Waiting a little makes the rows longer; but callers that each
 * wait for an answer before the next call are slowed by it. So it is tried, as network cards
 * try it with their interrupts: while many calls come, the rate of completions is measured
 * without waiting, then with. Where it falls by that, and not because all of the machine is
 * slower, waiting ends, and the next trial comes later each time. See adr/0018. */
#ifndef MESH_MODERATE_H
#define MESH_MODERATE_H

#include <stdint.h>

enum {
    MESH_MODERATE_WAIT_US = 100,
    MESH_MODERATE_EPOCH_US = 20000,
    MESH_MODERATE_RATE_MIN = 60, /* completions a ms below which nothing is tried */
    MESH_MODERATE_WAITING = 50,  /* epochs before it is measured anew what it is without */
    MESH_MODERATE_HOLDING = 8,   /* epochs from the first trial that failed to the next */
    MESH_MODERATE_HOLDING_MAX = 256,
    MESH_MODERATE_PAUSE_US = 500000, /* with few completions, after which all is forgotten */
    MESH_MODERATE_STRIKES = 2, /* slow epochs, each beside one without waiting, end a trial */
};

/* All zero is how it begins. Rates are completions a ms. */
struct mesh_moderation {
    enum { MESH_MEASURES, MESH_WAITS, MESH_HOLDS } phase;
    int64_t epoch_us; /* when this one began */
    uint64_t done;    /* completions in it */
    uint64_t base;    /* the rate of the last epoch without waiting */
    uint64_t waited;  /* of one with it that was slow, just before; 0: it was not */
    unsigned left;    /* epochs of this phase */
    unsigned strikes;
    unsigned holding; /* epochs of the next MESH_HOLDS */
    int64_t quiet_us; /* few completions came since */
};

/* `done` completions were handled since the last call, and a look is due now. The answer is how
 * long to wait first, in µs: 0 or MESH_MODERATE_WAIT_US. */
int64_t mesh_moderate(struct mesh_moderation *moderation, int64_t now_us, unsigned done);

#endif
