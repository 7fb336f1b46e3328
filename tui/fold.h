/* Frames of the stream into pictures. Pure; a frame that makes no sense changes as little as
 * possible: unknown kinds and ids are passed over. */
#ifndef TUI_FOLD_H
#define TUI_FOLD_H

#include "series.h"

#include "aion/v1/ops.schema.h"

/* Ids of one stream: who is meant by a number. */
struct tui_ids {
    struct tui_entity **by_id;
    size_t room;
};
void tui_ids_done(struct tui_ids *ids);
/* Those it means are held: see tui_entities_sweep_begin. */
void tui_ids_mark(const struct tui_ids *ids, const struct tui_entities *entities);

/* `seen_us` is the time that new entities are remembered by. `series` (may be NULL) gets what
 * the `most` rows say. */
void tui_fold_frame(struct tui_ids *ids, struct tui_entities *entities,
                    const Aion__V1__OpsFrame *frame, int64_t seen_us,
                    struct tui_picture *picture, struct tui_series *series);

#endif
