/* Frames on disk: 1 s frames of 2 h and 10 s frames of 24 h, in bounded space. Blocking; one
 * thread at a time.
 *
 * Each span is a tier: a journal takes every frame as it comes, and sixty of them become a
 * block at the end of a segment; segments are deleted whole, when their time is over or the
 * bytes are. A crash leaves the journal, at worst with a torn end. What cannot be written (disk
 * full) is still in the block in memory, and lost only when that block cannot be written
 * either. */
#ifndef OPS_HISTORY_H
#define OPS_HISTORY_H

#include "ops_block.h"

enum ops_tier_name { OPS_TIER_SECOND, OPS_TIER_TEN, OPS_TIERS };
enum { OPS_FRAMES_A_BLOCK = 60 };

/* What a frame that is appended brings. */
enum ops_append {
    OPS_APPEND_ROWS,  /* names of what is new */
    OPS_APPEND_NAMES, /* all names, and ids of its own from here on */
    OPS_APPEND_BLOCK, /* all names: a new block begins with it */
};

struct ops_history;

/* dir is made when it is not there; "" keeps the open blocks in memory alone. DENIED,
 * UNAVAILABLE: the text names the folder. A file that cannot be read is left out. */
struct ops_history *ops_history_open(const char *dir, int64_t bytes_max, struct aion_err *err);
void ops_history_close(struct ops_history *history); /* NULL fine */

/* Frames in the open block of a tier: what the next OPS_APPEND_BLOCK is counted from. */
unsigned ops_history_open_frames(const struct ops_history *history, enum ops_tier_name tier);
/* Files that ended in a torn record when they were opened. */
unsigned ops_history_torn(const struct ops_history *history);
int64_t ops_history_bytes(const struct ops_history *history);  /* on disk */
int64_t ops_history_memory(const struct ops_history *history); /* its blocks that are not */
/* End of the oldest frame of any tier, 0 = there is none. */
int64_t ops_history_oldest_us(const struct ops_history *history);

/* `wire` is a packed OpsFrame. EXHAUSTED, UNAVAILABLE: it is not on disk (perhaps in memory):
 * the next one must bring all names. INVALID: it is no such frame. *ret_lost: frames that are
 * gone for good because their block could not be written. */
bool ops_history_append(struct ops_history *history, enum ops_tier_name tier,
                        enum ops_append brings, aion_str wire, unsigned *ret_lost,
                        struct aion_err *err) AION_MUST_CHECK;

/* Where a frame is; the block is borrowed until the next call. */
struct ops_place {
    const struct ops_block *block;
    unsigned index;
    unsigned end; /* frames of the block that a reader may take from `index` on */
};
/* The first frame that ends at or after at_us: of 1000 or 10000 ms, 0 = the finest that is
 * there. NOT_FOUND: there is none yet; OUT_OF_RANGE reason FRAME_TOO_OLD (the text says the
 * oldest second) or FRAME_TOO_NEW; UNAVAILABLE: its block cannot be read. */
bool ops_history_find(struct ops_history *history, int64_t at_us, uint32_t span_ms,
                      struct ops_place *ret_place, struct aion_err *err) AION_MUST_CHECK;

#endif
