/* The other controls that have the store open: channels to them, calls that are handed on to
 * whoever owns a task's shard, output that is read there, and the small tables of the store
 * that another control may have changed. Included by control_private.h. */
#ifndef CONTROL_CLUSTER_H
#define CONTROL_CLUSTER_H

#include "control_private.h"
#include "shard_book.h"

enum { CLUSTER_GUESTS_MAX = 8, CLUSTER_ADDRESS_MAX = 128 };

struct control_cluster {
    char self[CLUSTER_ADDRESS_MAX]; /* where others reach us */
    struct aion_link peers;         /* channels, by address */
    /* Controls that have come and own nothing yet, as far as we know. */
    char guests[CLUSTER_GUESTS_MAX][CLUSTER_ADDRESS_MAX];
    unsigned guest;         /* the next place */
    struct aion_link parks; /* what waits for a shard */
    struct aion_link flights;
};

/* -- others (control_cluster.c) ------------------------------------------------------ */
void control_cluster_init(struct control *control);
void control_cluster_done(struct control *control); /* after the loop ended */
/* Channels end, so that nothing comes over them any more: before the store closes. */
void control_cluster_leave(struct control *control);
/* The owners are others than before: hosts are told. */
void control_cluster_changed(struct control *control);
/* Shards are elsewhere than before: what is under way to their former owners, and what waits
 * for them, looks again. */
void control_cluster_moved(struct control *control);
/* Tells the others to ask for their lease now. */
void control_cluster_nudge(struct control *control);
/* Retention has deleted tasks: none is answered from memory, here and there. */
void control_cluster_swept(struct control *control);
/* To a control; NULL: at our end, or when the address is none. */
struct mesh_channel *control_cluster_channel(struct control *control, const char *address);
/* To the owner of the shard; NULL: it is ours, nobody's, or not known. */
struct mesh_channel *control_cluster_owner(struct control *control, unsigned shard);

/* Something that waits until shards are elsewhere, or a little. */
struct control_park {
    struct aion_link link;
    struct mesh_timer timer;
    struct control *control;
    unsigned times; /* that it waited: the longer, the more rarely it looks */
    void (*wake)(struct control_park *park);
};
void control_park(struct control *control, struct control_park *park);
void control_park_leave(struct control_park *park); /* one that does not wait: nothing */
/* Shards came, or have other owners. */
void control_unpark(struct control *control);

/* A call that is under way to the owner of a shard. A dead owner's connection breaks; one that
 * is paused or cut off would be waited for: when the shard has another owner, it is cancelled.
 */
struct control_flight {
    struct aion_link link; /* init it before the first control_flight_end */
    struct mesh_rpc *rpc;
    unsigned shard;
    char owner[BOOK_ID_MAX];
};
void control_flight_begin(struct control *control, struct control_flight *flight,
                          struct mesh_rpc *rpc, unsigned shard);
void control_flight_end(struct control_flight *flight);

/* -- calls (control_forward.c) ------------------------------------------------------- */
/* Is the call's task another control's? Then it is handed on, and answered as the owner
 * answers: true. A shard that is just moving is waited for; if it comes to us meanwhile, the
 * handler is called again. False: handle it here. repeatable: asked twice it has the effect of
 * once. */
bool control_elsewhere(struct mesh_call *call, unsigned shard, const ProtobufCMessage *request,
                       bool repeatable);
/* The same when it is known that it cannot be handled here. */
void control_hand_on(struct mesh_call *call, unsigned shard, const ProtobufCMessage *request,
                     bool repeatable);
/* The call was handed on to us by another control, and must not be again. */
bool control_was_forwarded(const struct mesh_call *call);

/* A part of a call that goes its own way. */
struct control_forward {
    struct mesh_call *call; /* held until `done` or `here` returns */
    const struct mesh_method *method;
    const ProtobufCMessage *request; /* lives as long */
    unsigned shard;
    bool repeatable;
    /* One of both, once, perhaps before control_forward returns. */
    void (*done)(struct control_forward *forward, const struct mesh_result *result);
    void (*here)(struct control_forward *forward);

    /* -- private ------------------------------------------------------------------- */
    struct control *control;
    struct control_park park;
    struct control_flight flight;
    const struct mesh_rpc *rpc; /* within done */
};
void control_forward(struct control *control, struct control_forward *forward);
#define CONTROL_FORWARDED "aion-forwarded"

/* -- every control (control_round.c) ------------------------------------------------- */
/* The call, asked of all other controls in turn; of none when it came from one of them. */
struct control_round {
    struct mesh_call *call; /* held until `done` has returned */
    const ProtobufCMessage *request;
    /* What the next one is asked may be changed in it, and `enough` be set. */
    void (*heard)(struct control_round *round, const struct mesh_result *result);
    void (*done)(struct control_round *round); /* once, perhaps before control_round returns */
    bool enough;

    /* -- private ------------------------------------------------------------------- */
    unsigned count, next;
    char addresses[BOOK_OTHERS_MAX][CLUSTER_ADDRESS_MAX];
};
void control_round(struct control_round *round);

/* -- small tables (control_poll.c) --------------------------------------------------- */
/* Where others may have the store open, plan, budgets and holds are read once a second. */
struct control_polls {
    struct mesh_timer timer;
    bool reading;
    uint64_t round; /* of reading holds, the newest that was begun */
    struct aion_arena arena;
    union {
        struct store_op op;
        struct store_plan_read plan;
        struct store_budget_list budgets;
        struct store_hold_list holds;
    } as;
};
void control_budgets_take(struct control *control, const struct store_budget_list *list);
void control_polls_begin(struct control *control);
void control_polls_done(struct control *control); /* after store_close */

#endif
