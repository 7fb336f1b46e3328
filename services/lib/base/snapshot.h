/* Publishing a whole new value to many readers: a counted, immutable object behind one pointer.
 */
#ifndef BASE_SNAPSHOT_H
#define BASE_SNAPSHOT_H

#include "base/compiler.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct aion_snap { /* first member of the published object */
    atomic_uint refs;
    void (*free)(struct aion_snap *snap);
};

struct aion_snapshot {
    pthread_mutex_t lock;
    struct aion_snap *current AION_GUARDED_BY(lock);
    atomic_uint_least64_t generation; /* raised by every publish */
};

void aion_snapshot_init(struct aion_snapshot *slot);
void aion_snapshot_done(struct aion_snapshot *slot); /* drops the slot's own reference */
/* Consumes *snap (refs 1, free set) and makes it current. */
void aion_snapshot_publish(struct aion_snapshot *slot, struct aion_snap **snap);
/* The current value with a reference, or NULL. */
struct aion_snap *aion_snapshot_get(struct aion_snapshot *slot);
void aion_snap_ref(struct aion_snap *snap);
void aion_snap_unref(struct aion_snap *snap); /* NULL fine; the last one frees */
/* Brings *cached up to date. The lock is taken only when a newer value exists, so a thread that
 * keeps its own cached pointer pays one atomic load per use. *seen is the generation of
 * *cached, 0 at first. */
void aion_snapshot_refresh(struct aion_snapshot *slot, struct aion_snap **cached,
                           uint64_t *seen);

#endif
