#include "base/snapshot.h"

#include <stddef.h>

void aion_snapshot_init(struct aion_snapshot *slot)
{
    pthread_mutex_init(&slot->lock, NULL);
    slot->current = NULL;
    atomic_init(&slot->generation, 0);
}

void aion_snapshot_done(struct aion_snapshot *slot)
{
    aion_snap_unref(slot->current);
    slot->current = NULL;
    pthread_mutex_destroy(&slot->lock);
}

void aion_snapshot_publish(struct aion_snapshot *slot, struct aion_snap **snap)
{
    pthread_mutex_lock(&slot->lock);
    struct aion_snap *old = slot->current;
    slot->current = *snap;
    atomic_fetch_add_explicit(&slot->generation, 1, memory_order_release);
    pthread_mutex_unlock(&slot->lock);
    *snap = NULL;
    aion_snap_unref(old);
}

struct aion_snap *aion_snapshot_get(struct aion_snapshot *slot)
{
    pthread_mutex_lock(&slot->lock);
    struct aion_snap *snap = slot->current;
    if (snap != NULL)
        aion_snap_ref(snap);
    pthread_mutex_unlock(&slot->lock);
    return snap;
}

void aion_snap_ref(struct aion_snap *snap)
{
    atomic_fetch_add_explicit(&snap->refs, 1, memory_order_relaxed);
}

void aion_snap_unref(struct aion_snap *snap)
{
    if (snap != NULL && atomic_fetch_sub_explicit(&snap->refs, 1, memory_order_acq_rel) == 1)
        snap->free(snap);
}

void aion_snapshot_refresh(struct aion_snapshot *slot, struct aion_snap **cached,
                           uint64_t *seen)
{
    uint64_t newest = atomic_load_explicit(&slot->generation, memory_order_acquire);
    if (newest == *seen)
        return;
    aion_snap_unref(*cached);
    *cached = aion_snapshot_get(slot);
    *seen = newest; /* a publish in between is seen by the next call */
}
