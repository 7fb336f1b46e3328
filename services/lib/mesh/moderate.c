#include "mesh/moderate.h"

#include <stdbool.h>

static void measure(struct mesh_moderation *moderation, uint64_t rate)
{
    if (rate < MESH_MODERATE_RATE_MIN)
        return;
    moderation->base = rate;
    moderation->phase = MESH_WAITS;
    moderation->left = MESH_MODERATE_WAITING;
    moderation->slow = 0;
}

static void hold(struct mesh_moderation *moderation)
{
    unsigned epochs = moderation->holding > 0 ? moderation->holding : MESH_MODERATE_HOLDING;
    moderation->phase = MESH_HOLDS;
    moderation->left = epochs;
    moderation->holding =
        epochs < MESH_MODERATE_HOLDING_MAX ? epochs * 2 : MESH_MODERATE_HOLDING_MAX;
}

/* Other callers may come after a pause: what was found out of the last ones is forgotten. */
static void forget(struct mesh_moderation *moderation)
{
    moderation->phase = MESH_MEASURES;
    moderation->holding = 0;
}

/* One slow epoch may be another program's doing; more than one in a row are ours. */
static void judge(struct mesh_moderation *moderation, uint64_t rate)
{
    bool slower = rate * 20 < moderation->base * 19;
    moderation->slow = slower ? moderation->slow + 1 : 0;
    if (moderation->slow == MESH_MODERATE_SLOW) {
        hold(moderation);
    } else if (--moderation->left == 0) {
        forget(moderation);
    }
}

static void end_epoch(struct mesh_moderation *moderation, int64_t elapsed_us)
{
    uint64_t rate = moderation->done * 1000 / (uint64_t)elapsed_us;
    moderation->quiet_us =
        rate < MESH_MODERATE_RATE_MIN ? moderation->quiet_us + elapsed_us : 0;
    if (moderation->quiet_us >= MESH_MODERATE_PAUSE_US)
        forget(moderation);
    switch (moderation->phase) {
    case MESH_MEASURES:
        measure(moderation, rate);
        break;
    case MESH_WAITS:
        judge(moderation, rate);
        break;
    case MESH_HOLDS:
        if (--moderation->left == 0)
            moderation->phase = MESH_MEASURES;
        break;
    }
}

int64_t mesh_moderate(struct mesh_moderation *moderation, int64_t now_us, unsigned done)
{
    int64_t elapsed_us = now_us - moderation->epoch_us;
    moderation->done += done;
    if (elapsed_us >= MESH_MODERATE_EPOCH_US) {
        end_epoch(moderation, elapsed_us);
        moderation->epoch_us = now_us;
        moderation->done = 0;
    }
    return moderation->phase == MESH_WAITS ? MESH_MODERATE_WAIT_US : 0;
}
