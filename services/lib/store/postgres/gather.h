/* When a batch leaves: at once, or a moment later in company. A commit costs the database about
 * as much with one operation as with ten. Pure: time comes in. */
#ifndef STORE_POSTGRES_GATHER_H
#define STORE_POSTGRES_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pg_gather {
    int64_t ready_us; /* not before: so that those come along whom the last commit let go */
    bool waits;       /* for company that may come */
    int64_t limit_us; /* so long */
    size_t alone;     /* operations when that began */
    unsigned gain;    /* how many came of late, 256ths */
    unsigned untried; /* batches since waiting was last tried */
};

/* The moment in which what waits (`count` > 0) leaves; not later than `now_us`: now. */
int64_t pg_gather_due_us(struct pg_gather *gather, size_t count, int64_t now_us);
/* It left, `count` in one batch. */
void pg_gather_left(struct pg_gather *gather, size_t count);
/* It was committed. */
void pg_gather_committed(struct pg_gather *gather, size_t count, int64_t took_us,
                         int64_t now_us);

#endif
