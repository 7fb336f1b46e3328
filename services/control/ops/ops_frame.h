/* Frames of the table for readers and for the history, as messages in an arena. Pure. */
#ifndef OPS_FRAME_H
#define OPS_FRAME_H

#include "aion/v1/ops.pb-c.h"
#include "base/arena.h"
#include "ops_table.h"

/* What a reader sees. */
struct ops_view {
    uint32_t kinds;  /* bits */
    aion_str tenant; /* size > 0: rows of this tenant alone */
};
bool ops_view_shows(const struct ops_view *view, enum ops_kind kind, aion_str key);

/* What changed after the stamp `since`; 0: everything, as a full frame. at_us, span_ms and gap
 * are the caller's. NULL: the arena is full. */
Aion__V1__OpsFrame *ops_frame_build(const struct ops_table *table, const struct ops_view *view,
                                    uint32_t since, struct aion_arena *arena) AION_MUST_CHECK;
/* For the history: all rows whole; names of what was named after `since` (0: of all). */
Aion__V1__OpsFrame *ops_frame_second(const struct ops_table *table, uint32_t since,
                                     struct aion_arena *arena) AION_MUST_CHECK;
/* The same for the ten seconds that end now, with least and most where they differ. */
Aion__V1__OpsFrame *ops_frame_ten(const struct ops_table *table, uint32_t since,
                                  struct aion_arena *arena) AION_MUST_CHECK;

/* Parts of a frame, for whoever builds one from something else. A row holds `count` values,
 * those of `changed` (0: of all columns); NULL: the arena is full. */
Aion__V1__OpsEntity *ops_frame_entity(uint32_t id, enum ops_kind kind, aion_str key,
                                      const struct ops_label *labels, size_t label_count,
                                      struct aion_arena *arena);
Aion__V1__OpsRow *ops_frame_row(uint32_t id, uint64_t changed, const int64_t *values,
                                size_t count, struct aion_arena *arena);

#endif
