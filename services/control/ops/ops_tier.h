/* One span of the history: its open block and journal, its segments. See ops_history.h. */
#ifndef OPS_TIER_H
#define OPS_TIER_H

#include "base/list.h"
#include "ops_history.h"
#include "ops_record.h"

enum { OPS_SEGMENT_BLOCKS = 6, OPS_PATH_MAX = 512 };

struct ops_piece { /* a block in a segment */
    int64_t first_us, last_us;
    size_t offset; /* of its record */
    size_t bytes;  /* with the head */
};

struct ops_segment {
    struct aion_link link;
    char path[OPS_PATH_MAX];
    bool growing; /* of this process: takes further blocks */
    size_t bytes;
    struct ops_piece pieces[OPS_SEGMENT_BLOCKS];
    size_t piece_count;
};

struct ops_tier {
    const char *dir, *name; /* "1s" */
    int64_t window_us;
    struct ops_block open;
    int journal; /* -1 = none */
    size_t journal_bytes;
    struct aion_link segments; /* oldest first */
    size_t segment_bytes;      /* of all of them */
    unsigned torn;
    struct ops_block read;              /* the block that was read last ... */
    const struct ops_piece *read_piece; /* ... and whose it is; NULL = none */
};

/* "" = nothing on disk. */
bool ops_tier_open(struct ops_tier *tier, const char *dir, const char *name, uint32_t span_ms,
                   int64_t window_us, struct aion_err *err);
void ops_tier_close(struct ops_tier *tier);
bool ops_tier_append(struct ops_tier *tier, enum ops_append brings, aion_str wire,
                     unsigned *ret_lost, struct aion_err *err);
/* The time of the first frame that ends at or after at_us, INT64_MAX = none. */
int64_t ops_tier_next_us(const struct ops_tier *tier, int64_t at_us);
int64_t ops_tier_oldest_us(const struct ops_tier *tier); /* INT64_MAX = none */
/* That frame. */
bool ops_tier_find(struct ops_tier *tier, int64_t at_us, struct ops_place *ret_place,
                   struct aion_err *err);
/* Deletes its oldest segment. False: there is none, or it is growing. */
bool ops_tier_drop_oldest(struct ops_tier *tier);
/* Deletes what is older than the window. */
void ops_tier_prune(struct ops_tier *tier, int64_t now_us);

#endif
