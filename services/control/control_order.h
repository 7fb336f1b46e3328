/* An order: a task that somebody asks for (a call, a part of a batch, a replay), on its way to
 * being one. Check, money, decide, reserve, commit, answer; control_order.c.
 *
 * The owner embeds it, sets the first part (what the texts point into lives until `free`) and
 * places it; done runs once, perhaps before control_order_place returns; free runs once after
 * it, when the order needs its memory no more: when it was unclear whether the commit happened,
 * that is later. I/O thread; included by control_private.h. */
#ifndef CONTROL_ORDER_H
#define CONTROL_ORDER_H

#include "control_private.h"

/* Borrowed until done returns. */
struct control_answer {
    struct control_task *task; /* taken, or known by this key or id already; NULL exactly when
                                  err is not */
    const struct aion_err *err;
    const char *first_id; /* IDEMPOTENCY_KEY_REUSED: of the task that the key stands for */
    int64_t wait_us;      /* the request's own */
};

struct control_order {
    struct control *control;
    const Aion__V1__TaskRequest *request;
    aion_str tenant, key_id;
    const char *replay_of;          /* the dead letter that it repeats, or NULL */
    const struct aion_uuid *beside; /* goes to this task's shard, or NULL: where it belongs */
    bool waits; /* a call that ends with the task: it may run in the direct lane */
    void (*done)(struct control_order *order, const struct control_answer *answer);
    void (*free)(struct control_order *order);

    /* -- private ------------------------------------------------------------------- */
    struct control_request checked;
    struct aion_uuid id;
    uint64_t seq;
    uint64_t epoch; /* under which its shard is ours; 0: none is chosen */
    unsigned moves; /* to another shard, because its first one was lost */
    char id_text[AION_UUID_TEXT];
    uint8_t digest[32];
    bool has_digest;
    struct control_bytes meta, body, decision;
    struct control_sched_ticket ticket;
    int64_t created_us;
    struct aion_err refusal; /* while the key is looked up */
    char route[128];         /* of the decision */
    bool direct;             /* it would run in the direct lane */
    char limit_id[65];       /* of the refusal: a budget */
    struct store_outbox event;
    struct control_charge charge;
    struct store_entry *entries; /* owned; NULL: it costs nothing */
    size_t entry_count;
    struct control_money_wait money; /* for a carve */
    Aion__V1__Decision *decided;     /* while money is waited for; in `arena` */
    struct aion_arena arena;
    unsigned rounds; /* of asking for money */
    bool answered;   /* done was called: whether it was taken was not clear */
    struct mesh_timer again;
    struct aion_link unclear; /* then */
    union {
        struct store_op op;
        struct store_accept accept;
        struct store_key_read key;
    } as;
};

void control_order_place(struct control_order *order);
void control_orders_abandon(struct control *control); /* unclear ones, at the end */

#endif
