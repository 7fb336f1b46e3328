/* One dead letter, replayed as a new task: read, ordered, marked; by the owner of its shard,
 * which is asked when it is another control. The order's key names the letter, so that a replay
 * that a crash cut off, asked for again, makes no task twice; a letter that was replayed has a
 * mark that says as what. I/O thread; included by control_private.h. */
#ifndef CONTROL_LETTER_H
#define CONTROL_LETTER_H

#include "control_order.h"

struct control_letter {
    struct control *control;
    struct aion_uuid id;
    aion_str tenant;       /* whose it must be; empty: anybody's */
    const char *preferred; /* another route; empty: none. Both live until `over` */
    /* May it be replayed? NULL: yes. */
    bool (*fits)(struct control_letter *letter, const struct store_task *dead);
    /* Once; err NULL: as `as`. */
    void (*over)(struct control_letter *letter, const struct aion_err *err);
    struct aion_uuid as;

    /* -- private ------------------------------------------------------------------- */
    struct store_task_read read;
    struct aion_arena arena;
    struct control_order order;
    Aion__V1__TaskRequest request;
    char key[64], id_text[AION_UUID_TEXT], as_text[AION_UUID_TEXT];
    struct store_mark mark;
    struct store_outbox event;
    struct aion_err err;
    bool refused;
    unsigned tries;         /* while its shard moves */
    struct aion_link waits; /* in control->letters: to try again */
    struct mesh_timer again;
};

/* False: the store is too busy to begin; `over` does not run. */
bool control_letter_replay(struct control_letter *letter) AION_MUST_CHECK;
void control_letters_done(struct control *control); /* those that wait are over */

#endif
