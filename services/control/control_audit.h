/* The audit log: a chain of lines, each with the hash of the one before it (store_audit.h).
 *
 * An effect's line is written in the effect's transaction: the operation waits here until the
 * line before it is on disk, gets its number and goes. Refusals, and effects that another write
 * has told already, are lines of their own. I/O thread; included by control_private.h. */
#ifndef CONTROL_AUDIT_H
#define CONTROL_AUDIT_H

#include "base/list.h"
#include "mesh/call.h"
#include "store/store.h"

struct control;

enum { AUDIT_WAITING_MAX = 4096, AUDIT_REFUSALS_MAX = 100 /* a second */ };

struct control_audit {
    struct control *control;
    uint64_t number;          /* of the newest line of this writer */
    uint8_t hash[32];         /* of it */
    bool has_hash;            /* there is one */
    bool unclear;             /* whether the last line is there is not known: read first */
    struct aion_link waiting; /* the first of them is under way when `busy` */
    size_t count;
    bool busy;
    int64_t second_us; /* of the refusals counted here */
    unsigned refusals; /* in it: beyond AUDIT_REFUSALS_MAX they are dropped, and counted */
};

/* What a line says beside who and when. Texts are copied. */
struct control_deed {
    const char *action; /* static: "Budgets.SetBudget" */
    aion_str actor, role, tenant;
    aion_str target, reason, detail;
};
/* Of a call: action, actor, role and tenant are its own. */
struct control_deed control_deed_of(const struct mesh_call *call);

/* Reads where the chain stands. Blocking, before the loop runs. */
bool control_audit_open(struct control *control, struct aion_err *err) AION_MUST_CHECK;
void control_audit_done(struct control *control);
/* Submits the operation with its line, in turn; its `done` runs as if it had been submitted
 * alone. EXHAUSTED: too many wait; nothing happens. */
bool control_audit_effect(struct control *control, const struct control_deed *deed,
                          struct store_op *op, enum store_kind kind,
                          struct aion_err *err) AION_MUST_CHECK;
/* A line of its own. `result`: "done", or the name of a refusal's code. */
void control_audit_note(struct control *control, const struct control_deed *deed,
                        const char *result);
/* mesh_server_on_failed: a call that was refused, or a part of one. Bounded in rate, so that
 * whoever is refused over and over does not keep effects from their lines. */
void control_audit_failed(void *control, struct mesh_call *call, const struct aion_err *err);
/* The hash of a line: over the hash before it, then every field with its size, in order. */
void control_audit_hash(const struct store_audit *line, uint8_t out[32]);

#endif
