/* Whatever is not as it should be now: rows of any kind whose state says so, or one of whose
 * numbers is beyond its limit. Not incidents: nobody watched for how long. */
#include "tables.h"

enum { KIND, NAME, WHAT, VALUE };

struct remark {
    const struct tui_row *row;
    int column; /* of its kind */
};

static bool is_bad(enum tui_role role)
{
    return role == TUI_WARN || role == TUI_ALARM;
}

/* The worst of a row: its state, else the first alarming number, else a warning one. -1: fine.
 */
static int worst_of(const struct tui_row *row, int64_t at_us)
{
    const struct tui_kind_type *kind = &tui_kinds[row->entity->kind];
    int worst = -1;
    if (kind->state >= 0 &&
        is_bad(tui_role_of(&kind->measures[kind->state], row->values[kind->state], at_us)))
        return kind->state;
    for (size_t i = 0; i < kind->count; i++) {
        enum tui_role role = tui_role_of(&kind->measures[i], row->values[i], at_us);
        if (role == TUI_ALARM)
            return (int)i;
        if (role == TUI_WARN && worst < 0)
            worst = (int)i;
    }
    return worst;
}

static size_t add_kind(const struct tui_scene *scene, enum tui_kind kind, struct tui_item *out,
                       size_t max)
{
    size_t there = scene->picture->counts[kind], count = 0;
    struct tui_item *items = aion_arena_alloc(scene->arena, there * sizeof(*items));
    size_t all = items != NULL ? tui_entity_items(scene, kind, items, there) : 0;
    for (size_t i = 0; i < all && count < max; i++) {
        int column = worst_of(items[i].object, scene->picture->at_us);
        struct remark *remark =
            column >= 0 ? aion_arena_alloc(scene->arena, sizeof(*remark)) : NULL;
        if (remark == NULL)
            continue;
        *remark = (struct remark){items[i].object, column};
        out[count++] = (struct tui_item){
            aion_str_of(aion_arena_printf(scene->arena, "%s %.*s", tui_kinds[kind].name,
                                          AION_STR_ARG(items[i].key))),
            remark};
    }
    return count;
}

static size_t attention_items(const struct tui_scene *scene, struct tui_item *out, size_t max)
{
    size_t count = 0;
    for (unsigned kind = TUI_ROUTE; kind < TUI_KINDS; kind++)
        if (scene->picture->counts[kind] > 0)
            count += add_kind(scene, (enum tui_kind)kind, out + count, max - count);
    return count;
}

static void attention_value(const struct tui_scene *scene, const struct tui_item *item,
                            const struct tui_column *column, struct tui_value *out)
{
    const struct remark *remark = item->object;
    const struct tui_kind_type *kind = &tui_kinds[remark->row->entity->kind];
    const struct tui_measure *measure = &kind->measures[remark->column];
    int64_t value = remark->row->values[remark->column];
    char text[TUI_FORMAT_SIZE];
    out->role =
        column->tag >= WHAT ? tui_role_of(measure, value, scene->picture->at_us) : TUI_PLAIN;
    if (column->tag == KIND)
        out->text = aion_str_of(kind->name);
    else if (column->tag == NAME)
        out->text = remark->row->entity->key;
    else if (column->tag == WHAT)
        out->text = aion_str_of(measure->name);
    else if (measure->unit == TUI_STATE)
        out->text = aion_str_of(tui_word_of(measure, value).word);
    else
        out->text = aion_arena_str(scene->arena,
                                   aion_str_n(text, tui_format(text, measure->unit, value)));
}

// clang-format off
static const struct tui_column attention_columns[] = {
    {"kind", "KIND", TUI_TEXT, 11, 0, .tag = KIND},
    {"name", "NAME", TUI_TEXT, 24, 0, .grows = true, .tag = NAME},
    {"what", "WHAT", TUI_TEXT, 10, 0, .tag = WHAT},
    {"value", "VALUE", TUI_STATE, 12, 0, .tag = VALUE},
};
const struct tui_table tui_attention = {
    .name = "attention", .title = "ATTENTION", .columns = attention_columns,
    .count = aion_countof(attention_columns), .empty = "nothing: all states are ok, no number is beyond its limit",
    .items = attention_items, .value = attention_value,
};
// clang-format on
