/* Which shards this control owns, by the store's word, and what it may do with each. Pure: the
 * answers of leases and the time come in, sets of shards (bit n = shard n) go out; what they
 * mean for tasks is control_shards.c's.
 *
 *                 gained             loaded          leave             hushed
 *   not ours ───────────► LOADING ──────────► OPEN ────────► LEAVING ─────────► QUIET
 *      ▲                     │                 │                │                 │ given back
 *      └─────────────────────┴─────── lost ────┴────────────────┴─────────────────┘
 *
 * OPEN: tasks are taken, given out and ended. LEAVING: nothing new, what is on its way to the
 * disk ends. QUIET: nothing is, the next lease gives it back. All of it only while the book is
 * awake: for two thirds of the lease since the last one was asked for. */
#ifndef CONTROL_SHARD_BOOK_H
#define CONTROL_SHARD_BOOK_H

#include "store/store.h"

enum { BOOK_OTHERS_MAX = STORE_SHARDS, BOOK_ID_MAX = 64, BOOK_ADDRESS_MAX = 128 };

/* Another control that owns shards. */
struct control_owner {
    char id[BOOK_ID_MAX], address[BOOK_ADDRESS_MAX];
};

struct control_book {
    uint64_t mine;                    /* all states but the first */
    uint64_t loading, leaving, quiet; /* of mine; quiet: of leaving */
    uint64_t given;                   /* of quiet: by the lease under way */
    uint64_t strange; /* the store gave them to us by a lease whose answer was lost */
    uint64_t fenced;  /* lost by a refused write, and no lease was asked for since */
    int64_t fenced_us;
    uint64_t epochs[STORE_SHARDS];
    unsigned replicas; /* controls alive, this one too */
    int64_t until_us;  /* CLOCK_BOOTTIME: awake until then */
    int64_t next_us;   /* how long the answer stays good at most: somebody's lease ends then */
    struct control_owner others[BOOK_OTHERS_MAX];
    unsigned other_count;
    uint8_t owners[STORE_SHARDS]; /* number in others + 1; 0: ours or nobody's */
};

/* What an answer brought. */
struct control_change {
    uint64_t gained, lost; /* a shard in both: others had it in between */
    uint64_t returned;     /* given back, as we wanted */
    bool others;           /* other owners than before, or at other addresses */
    bool moved;            /* a shard of others has another owner */
    bool clash;            /* another process runs under our name: this one must end */
};

/* What the next lease shall give back. */
uint64_t control_book_release(struct control_book *book);
/* Its answer. `forever`: nobody else can have the store open: always awake. asked_us:
 * CLOCK_BOOTTIME when it was asked for. */
struct control_change control_book_answer(struct control_book *book,
                                          const struct store_lease *lease, int64_t asked_us,
                                          bool forever);
/* A write under this epoch was refused. True: the shard was ours until now. */
bool control_book_fenced(struct control_book *book, unsigned shard, uint64_t epoch,
                         int64_t now_us);

static inline bool control_book_awake(const struct control_book *book, int64_t boot_us)
{
    return boot_us < book->until_us;
}
static inline uint64_t control_book_open(const struct control_book *book)
{
    return book->mine & ~book->loading & ~book->leaving;
}
/* Open shards beyond our fair share that shall leave now, of which no more than at_once leave
 * at a time; with `all`: every shard. */
uint64_t control_book_surplus(const struct control_book *book, unsigned at_once, bool all);
/* NULL: ours, nobody's, or not known. */
const struct control_owner *control_book_owner(const struct control_book *book, unsigned shard);

static inline uint64_t control_shard_bit(unsigned shard)
{
    return UINT64_C(1) << shard;
}

#endif
