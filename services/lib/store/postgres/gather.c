/* Two rules. Where operations come side by side, those of the last batch bring the next ones:
 * waiting about as long as a commit takes lets them all come along. Where they come now and
 * then, a longer wait is tried now and then, and kept up as long as others do come meanwhile;
 * so whoever is alone, each waiting for his last one, waits for nobody. */
#include "store/postgres/gather.h"

enum {
    TOGETHER = 2,
    TOGETHER_MAX_US = 1000,
    COMPANY_US = 2000, /* of the 5 ms that a submission may take beyond its fsyncs */
    ENOUGH = 64,
    ONE = 256,
    WORTH = ONE / 2,
    SHARE = 8,      /* a try counts an eighth of what is known */
    GAIN_MAX = 8,   /* more does not make it worth more */
    TRY_EVERY = 32, /* batches */
};

static bool is_worth_it(struct pg_gather *gather)
{
    if (gather->gain >= WORTH)
        return true;
    if (++gather->untried < TRY_EVERY)
        return false;
    gather->untried = 0;
    return true;
}

int64_t pg_gather_due_us(struct pg_gather *gather, size_t count, int64_t now_us)
{
    if (count >= ENOUGH)
        return now_us;
    if (gather->waits)
        return gather->limit_us;
    if (now_us < gather->ready_us)
        return gather->ready_us;
    if (!is_worth_it(gather))
        return now_us;
    gather->waits = true;
    gather->alone = count;
    gather->limit_us = now_us + COMPANY_US;
    return gather->limit_us;
}

void pg_gather_left(struct pg_gather *gather, size_t count)
{
    if (!gather->waits)
        return;
    size_t came = count > gather->alone ? count - gather->alone : 0;
    unsigned gain = (unsigned)(came < GAIN_MAX ? came : GAIN_MAX) * ONE;
    gather->gain = gather->gain - gather->gain / SHARE + gain / SHARE;
    gather->waits = false;
}

void pg_gather_committed(struct pg_gather *gather, size_t count, int64_t took_us,
                         int64_t now_us)
{
    gather->ready_us = now_us;
    if (count >= TOGETHER)
        gather->ready_us += took_us < TOGETHER_MAX_US ? took_us : TOGETHER_MAX_US;
}
