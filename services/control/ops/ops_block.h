/* A block: up to 64 frames of one span side by side, column by column. In memory it grows frame
 * by frame; on disk it is a few bits a cell. Pure.
 *
 * A block stands alone: it names its entities itself. Ids of frames made from it are places in
 * the block, so every block begins with a full frame for its readers. */
#ifndef OPS_BLOCK_H
#define OPS_BLOCK_H

#include "base/err.h"
#include "ops_column.h"
#include "ops_frame.h"

enum { OPS_PLANES = 3, OPS_BLOCK_ENTITIES_MAX = 16384 };

/* Values of one entity, column by column: of column c in frame i values[p][c * frames + i] with
 * OPS_BLOCK_FRAMES places a column; only those of frames that have it are set. Planes: the
 * value, and of frames of 10 s how far below it the least and above it the most was. */
struct ops_block_entity {
    enum ops_kind kind;
    uint32_t id; /* in the frames it was made from; 0 = not known any more */
    aion_str key;
    struct ops_label *labels;
    size_t label_count;
    uint64_t present; /* a bit for each frame that has it */
    int64_t *values[OPS_PLANES];
};

struct ops_block {
    struct aion_arena arena; /* of all it holds */
    void *room;              /* its first piece, kept by ops_block_reuse */
    uint32_t span_ms;        /* 1000 or 10000 */
    unsigned planes;         /* 1 or 3 */
    unsigned frames;
    int64_t at_us[OPS_BLOCK_FRAMES];
    uint64_t gaps; /* a bit for each frame with control away before it */
    struct ops_block_entity *entities;
    size_t entity_count, entity_room;
    uint32_t *by_id; /* an index of entities: place + 1, by id modulo its size */
    size_t by_id_size;
    size_t nameless; /* entities whose id is not known since ops_block_rename */
};

void ops_block_init(struct ops_block *block, uint32_t span_ms);
void ops_block_done(struct ops_block *block);
void ops_block_reset(struct ops_block *block); /* no frames; the span stays */
/* The same for who reads one block after another: as much memory as it took stays with it. A
 * block of 200 hosts and routes is 17 MB: new pages for it cost a third of its reading. */
void ops_block_reuse(struct ops_block *block);
/* Adds a frame made by ops_frame_second or _ten. INVALID: no such frame, or an entity that was
 * never named; EXHAUSTED: full, or out of memory. The block is as before then. */
bool ops_block_add(struct ops_block *block, const Aion__V1__OpsFrame *frame,
                   struct aion_err *err) AION_MUST_CHECK;
/* Frames from now on have ids of their own (control began anew): entities are found again by
 * name as the next frame names them. */
void ops_block_rename(struct ops_block *block);

size_t ops_block_bytes(const struct ops_block *block); /* of memory */
void ops_block_write(const struct ops_block *block, struct aion_buf *out);
/* Into a block that is reset. INVALID: no block. */
bool ops_block_read(struct ops_block *block, aion_str bytes,
                    struct aion_err *err) AION_MUST_CHECK;

/* Frame number `index` for a reader: whole, or what differs from the frame before it. NULL:
 * the arena is full. */
Aion__V1__OpsFrame *ops_block_frame(const struct ops_block *block, unsigned index, bool full,
                                    const struct ops_view *view,
                                    struct aion_arena *arena) AION_MUST_CHECK;

static inline int64_t ops_block_value(const struct ops_block_entity *entity, unsigned plane,
                                      unsigned column, unsigned index)
{
    return entity->values[plane][column * OPS_BLOCK_FRAMES + index];
}

#endif
