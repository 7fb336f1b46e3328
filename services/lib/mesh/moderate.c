#include "mesh/moderate.h"

#include <stdbool.h>

/* A twentieth less. */
static bool slower(uint64_t rate, uint64_t than)
{
    return rate * 20 < than * 19;
}

static void hold(struct mesh_moderation *moderation)
{
    unsigned epochs = moderation->holding > 0 ? moderation->holding : MESH_MODERATE_HOLDING;
    moderation->phase = MESH_HOLDS;
    moderation->left = epochs;
    moderation->strikes = 0;
    moderation->holding =
        epochs < MESH_MODERATE_HOLDING_MAX ? epochs * 2 : MESH_MODERATE_HOLDING_MAX;
}

/* An epoch without waiting. After one with it that was slow: is it the waiting, or is all of
 * the machine slower now? */
static void measure(struct mesh_moderation *moderation, uint64_t rate)
{
    if (rate < MESH_MODERATE_RATE_MIN) {
        moderation->waited = 0; /* nothing beside it to compare it with */
        return;
    }
    bool strike = moderation->waited > 0 && slower(moderation->waited, rate);
    moderation->strikes = strike ? moderation->strikes + 1 : 0;
    if (moderation->strikes == MESH_MODERATE_STRIKES) {
        hold(moderation);
        return;
    }
    moderation->base = rate;
    moderation->phase = MESH_WAITS;
    moderation->left = MESH_MODERATE_WAITING;
}

static void measure_next(struct mesh_moderation *moderation, uint64_t waited)
{
    moderation->phase = MESH_MEASURES;
    moderation->waited = waited;
}

static void judge(struct mesh_moderation *moderation, uint64_t rate)
{
    if (slower(rate, moderation->base)) {
        measure_next(moderation, rate);
        return;
    }
    moderation->strikes = 0;
    if (--moderation->left > 0)
        return;
    measure_next(moderation, 0);
    moderation->holding = 0;
}

static void end_epoch(struct mesh_moderation *moderation, int64_t elapsed_us)
{
    uint64_t rate = moderation->done * 1000 / (uint64_t)elapsed_us;
    bool few = rate < MESH_MODERATE_RATE_MIN;
    moderation->quiet_us = few ? moderation->quiet_us + elapsed_us : 0;
    if (moderation->quiet_us >= MESH_MODERATE_PAUSE_US)
        *moderation = (struct mesh_moderation){.done = 0};
    switch (moderation->phase) {
    case MESH_MEASURES:
        measure(moderation, rate);
        break;
    case MESH_WAITS:
        judge(moderation, rate);
        break;
    case MESH_HOLDS:
        if (--moderation->left == 0)
            measure_next(moderation, 0);
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
