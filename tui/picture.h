/* Entities and pictures: who is there, and what was known of everybody at one instant.
 *
 * An entity never changes once it has a slot: other labels make another entity. So a picture,
 * the history's deltas and the trends can all name it by its slot, live and hours later. Slots
 * are reused only when nobody names them any more (the sweep). */
#ifndef TUI_PICTURE_H
#define TUI_PICTURE_H

#include "kinds.h"

#include "base/map.h"

enum { TUI_LABELS_MAX = 16, TUI_ENTITIES_MAX = 8192, TUI_KEY_MAX = 200 };

struct tui_label {
    aion_str name, value;
};

struct tui_entity {
    enum tui_kind kind;
    uint32_t slot;
    int64_t seen_us; /* UTC: the last frame that had it */
    uint64_t marked; /* round of the sweep in which somebody still named it */
    aion_str key;
    aion_str id; /* kind, key and labels as bytes: what makes it this one */
    size_t label_count;
    struct tui_label labels[]; /* texts follow in the same piece of memory */
};

/* "" when there is none of that name. */
aion_str tui_entity_label(const struct tui_entity *entity, const char *name);

/* -- the register of entities ---------------------------------------------- */
struct tui_entities {
    struct aion_map by_id;
    struct tui_entity **slots;
    size_t slot_count; /* used so far, with holes */
    size_t room;
    uint64_t refused; /* did not fit */
    uint64_t round;   /* of the sweep */
};

void tui_entities_init(struct tui_entities *entities);
void tui_entities_done(struct tui_entities *entities);
/* The entity of this kind, key and labels, made if new; NULL: full. `now_us` = its seen_us. */
struct tui_entity *tui_entity_of(struct tui_entities *entities, enum tui_kind kind,
                                 aion_str key, const struct tui_label *labels,
                                 size_t label_count, int64_t now_us);
/* Forgetting, in three steps: begin; tui_picture_mark and tui_ids_mark by all who hold
 * entities; end, which frees what nobody holds and no frame since oldest_us had, and tells the
 * slots. */
void tui_entities_sweep_begin(struct tui_entities *entities);
void tui_entities_sweep_end(struct tui_entities *entities, int64_t oldest_us,
                            void (*gone)(void *user, uint32_t slot), void *user);

/* -- pictures -------------------------------------------------------------- */
struct tui_row {
    struct tui_entity *entity; /* borrowed from the register */
    int64_t values[];          /* as many as its kind has measures */
};

struct tui_picture {
    int64_t at_us;         /* UTC, 0 = empty */
    uint32_t span_ms;      /* of the newest frame in it */
    bool gap;              /* control was away right before */
    struct tui_row **rows; /* by slot; NULL = not there */
    size_t room;
    size_t counts[TUI_KINDS];
};

void tui_picture_init(struct tui_picture *picture);
void tui_picture_done(struct tui_picture *picture);
void tui_picture_clear(struct tui_picture *picture);
/* Its row, made if new with all values unknown; NULL: out of memory. */
struct tui_row *tui_picture_row(struct tui_picture *picture, struct tui_entity *entity);
/* Its row, or NULL. */
static inline struct tui_row *tui_picture_find(const struct tui_picture *picture, uint32_t slot)
{
    return slot < picture->room ? picture->rows[slot] : NULL;
}
void tui_picture_remove(struct tui_picture *picture, uint32_t slot);
bool tui_picture_copy(struct tui_picture *picture, const struct tui_picture *from);
/* All its entities were in a frame at that time. */
void tui_picture_seen(const struct tui_picture *picture, int64_t now_us);
/* All its entities are held: the sweep under way leaves them alone. */
void tui_picture_mark(const struct tui_picture *picture, const struct tui_entities *entities);
/* Rows of a kind in the order of their keys into `out`; returns how many, at most `max`. */
size_t tui_picture_list(const struct tui_picture *picture, enum tui_kind kind,
                        const struct tui_row **out, size_t max);
/* The row of this key, or NULL. */
const struct tui_row *tui_picture_key(const struct tui_picture *picture, enum tui_kind kind,
                                      aion_str key);
/* The one row of the mesh, or NULL. */
const struct tui_row *tui_picture_mesh(const struct tui_picture *picture);

#endif
