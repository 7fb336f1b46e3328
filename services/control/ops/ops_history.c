#include "ops_history.h"

#include "base/clock.h"
#include "base/file.h"
#include "ops_tier.h"

#include <stdlib.h>

#define SECOND_US ((int64_t)1000000)

struct ops_history {
    char dir[OPS_PATH_MAX];
    int64_t bytes_max;
    struct ops_tier tiers[OPS_TIERS];
};

static const struct {
    const char *name;
    uint32_t span_ms;
    int64_t window_us;
} about[OPS_TIERS] = {
    [OPS_TIER_SECOND] = {"1s", 1000, 2 * 3600 * SECOND_US},
    [OPS_TIER_TEN] = {"10s", 10000, 24 * 3600 * SECOND_US},
};

struct ops_history *ops_history_open(const char *dir, int64_t bytes_max, struct aion_err *err)
{
    struct ops_history *history = calloc(1, sizeof(*history));
    if (history == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    bool good = aion_str_copy(history->dir, sizeof(history->dir), aion_str_of(dir)) ||
                aion_fail(err, AION_INVALID, "frames_dir is longer than %d bytes",
                          (int)OPS_PATH_MAX - 1);
    good = good && (dir[0] == '\0' || aion_file_mkdirs(dir, 0700, err));
    history->bytes_max = bytes_max;
    for (size_t i = 0; i < OPS_TIERS; i++)
        good = ops_tier_open(&history->tiers[i], good ? history->dir : "", about[i].name,
                             about[i].span_ms, about[i].window_us, err) &&
               good;
    if (good)
        return history;
    ops_history_close(history);
    return NULL;
}

void ops_history_close(struct ops_history *history)
{
    if (history == NULL)
        return;
    for (size_t i = 0; i < OPS_TIERS; i++)
        ops_tier_close(&history->tiers[i]);
    free(history);
}

unsigned ops_history_open_frames(const struct ops_history *history, enum ops_tier_name tier)
{
    return history->tiers[tier].open.frames;
}

unsigned ops_history_torn(const struct ops_history *history)
{
    unsigned torn = 0;
    for (size_t i = 0; i < OPS_TIERS; i++)
        torn += history->tiers[i].torn;
    return torn;
}

int64_t ops_history_bytes(const struct ops_history *history)
{
    size_t bytes = 0;
    for (size_t i = 0; i < OPS_TIERS; i++)
        bytes += history->tiers[i].segment_bytes + history->tiers[i].journal_bytes;
    return (int64_t)bytes;
}

int64_t ops_history_memory(const struct ops_history *history)
{
    size_t bytes = 0;
    for (size_t i = 0; i < OPS_TIERS; i++)
        bytes +=
            ops_block_bytes(&history->tiers[i].open) + ops_block_bytes(&history->tiers[i].read);
    return (int64_t)bytes;
}

int64_t ops_history_oldest_us(const struct ops_history *history)
{
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < OPS_TIERS; i++) {
        int64_t us = ops_tier_oldest_us(&history->tiers[i]);
        oldest = us < oldest ? us : oldest;
    }
    return oldest < INT64_MAX ? oldest : 0;
}

/* -- bounds ------------------------------------------------------------------------- */
/* Of the tier that is fuller for its share of the bytes: seconds may have a third, tens the
 * rest. */
static bool drop_one(struct ops_history *history)
{
    struct ops_tier *second = &history->tiers[OPS_TIER_SECOND],
                    *ten = &history->tiers[OPS_TIER_TEN];
    bool second_first = 2 * second->segment_bytes > ten->segment_bytes;
    return ops_tier_drop_oldest(second_first ? second : ten) ||
           ops_tier_drop_oldest(second_first ? ten : second);
}

static void keep_bounds(struct ops_history *history, int64_t now_us)
{
    for (size_t i = 0; i < OPS_TIERS; i++)
        ops_tier_prune(&history->tiers[i], now_us);
    while (ops_history_bytes(history) > history->bytes_max && drop_one(history))
        ;
}

bool ops_history_append(struct ops_history *history, enum ops_tier_name tier,
                        enum ops_append brings, aion_str wire, unsigned *ret_lost,
                        struct aion_err *err)
{
    struct ops_tier *to = &history->tiers[tier];
    *ret_lost = 0;
    bool good = ops_tier_append(to, brings, wire, ret_lost, err);
    if (brings == OPS_APPEND_BLOCK && to->open.frames > 0)
        keep_bounds(history, to->open.at_us[to->open.frames - 1]);
    return good;
}

/* -- finding ------------------------------------------------------------------------ */
static bool out_of_range(int64_t at_us, int64_t oldest_us, struct aion_err *err)
{
    char oldest[AION_RFC3339_SIZE];
    aion_clock_rfc3339(oldest, oldest_us / SECOND_US, 0);
    bool old = at_us < oldest_us;
    if (old)
        aion_err_set(err, __func__, AION_RANGE,
                     "nothing is kept of that time; the oldest second is %s", oldest);
    else
        aion_err_set(err, __func__, AION_RANGE, "that second has not ended yet");
    aion_err_reason(err, old ? "FRAME_TOO_OLD" : "FRAME_TOO_NEW");
    return false;
}

/* Of the two tiers the one whose frame comes first; seconds when both come at once. */
static enum ops_tier_name finest(const struct ops_history *history, int64_t at_us)
{
    int64_t second = ops_tier_next_us(&history->tiers[OPS_TIER_SECOND], at_us),
            ten = ops_tier_next_us(&history->tiers[OPS_TIER_TEN], at_us);
    return second - at_us < SECOND_US || second <= ten ? OPS_TIER_SECOND : OPS_TIER_TEN;
}

/* A reader of tens goes on with seconds as soon as there are some. */
static void end_where_seconds_begin(const struct ops_history *history, struct ops_place *place)
{
    const struct ops_tier *second = &history->tiers[OPS_TIER_SECOND];
    unsigned end = place->index + 1;
    while (end < place->end) {
        int64_t before_us = place->block->at_us[end - 1];
        if (ops_tier_next_us(second, before_us + 1) <= before_us + SECOND_US)
            break;
        end++;
    }
    place->end = end;
}

bool ops_history_find(struct ops_history *history, int64_t at_us, uint32_t span_ms,
                      struct ops_place *ret_place, struct aion_err *err)
{
    enum ops_tier_name tier = span_ms == 1000    ? OPS_TIER_SECOND
                              : span_ms == 10000 ? OPS_TIER_TEN
                                                 : finest(history, at_us);
    struct ops_tier *from = &history->tiers[tier];
    int64_t oldest_us = ops_tier_oldest_us(from);
    if (oldest_us == INT64_MAX)
        return aion_fail(err, AION_NOT_FOUND, "no frames are kept yet");
    if (at_us <= oldest_us - (int64_t)from->open.span_ms * 1000 ||
        ops_tier_next_us(from, at_us) == INT64_MAX)
        return out_of_range(at_us, oldest_us, err);
    if (!ops_tier_find(from, at_us, ret_place, err))
        return false;
    if (tier == OPS_TIER_TEN && span_ms == 0)
        end_where_seconds_begin(history, ret_place);
    return true;
}
