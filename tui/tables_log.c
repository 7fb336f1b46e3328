/* The kept log of who changed what, as control lists it. What this console has merely heard of
 * it is another table (tables_event.c). */
#include "tables.h"

#include "asks.h"

#include "aion/v1/ops.schema.h"

#include <inttypes.h>

enum { AT, WHO, ROLE, ACTION, TARGET, TENANT, RESULT, REASON, DETAIL, LINE, HASH };

const Aion__V1__AuditLine *tui_log_line(const struct tui_scene *scene, const char *key)
{
    const Aion__V1__ListAuditReply *reply =
        (const Aion__V1__ListAuditReply *)tui_answer(scene->answers, TUI_ASK_AUDIT);
    for (size_t i = 0; reply != NULL && i < reply->n_lines; i++)
        if (strcmp(tui_log_key(scene, reply->lines[i]), key) == 0)
            return reply->lines[i];
    return NULL;
}

const char *tui_log_key(const struct tui_scene *scene, const Aion__V1__AuditLine *line)
{
    const char *key =
        aion_arena_printf(scene->arena, "%.60s:%" PRIu64, line->writer, line->number);
    return key != NULL ? key : "";
}

static size_t log_items(const struct tui_scene *scene, struct tui_item *out, size_t max)
{
    const Aion__V1__ListAuditReply *reply =
        (const Aion__V1__ListAuditReply *)tui_answer(scene->answers, TUI_ASK_AUDIT);
    size_t count = 0;
    for (size_t i = 0; reply != NULL && i < reply->n_lines && count < max; i++) {
        const Aion__V1__AuditLine *line = reply->lines[i];
        if (tui_model_is_live(scene->model) || line->at == NULL ||
            tui_stamp_us(line->at) <= scene->picture->at_us)
            out[count++] = (struct tui_item){aion_str_of(tui_log_key(scene, line)), line};
    }
    return count;
}

static void log_value(const struct tui_scene *scene, const struct tui_item *item,
                      const struct tui_column *column, struct tui_value *out)
{
    const Aion__V1__AuditLine *line = item->object;
    const char *const texts[] = {
        [AT] = "",
        [WHO] = line->actor,
        [ROLE] = line->role,
        [ACTION] = line->action,
        [TARGET] = line->target,
        [TENANT] = line->tenant,
        [RESULT] = line->result,
        [REASON] = line->reason,
        [DETAIL] = line->detail,
        [HASH] = line->hash,
    };
    if (column->tag == LINE) {
        out->text = item->key;
    } else if (column->tag == AT) {
        out->text = line->at != NULL ? tui_scene_date_time(scene, tui_stamp_us(line->at))
                                     : AION_STR("-");
    } else {
        out->text = aion_str_of(texts[column->tag]);
    }
    if (column->tag == RESULT)
        out->role = strcmp(line->result, "done") == 0 ? TUI_GOOD : TUI_ALARM;
}

// clang-format off
static const struct tui_column log_columns[] = {
    {"time", "TIME", TUI_TEXT, 19, 0, .tag = AT},
    {"who", "WHO", TUI_TEXT, 12, 0, .tag = WHO},
    {"action", "ACTION", TUI_TEXT, 20, 0, .tag = ACTION},
    {"target", "TARGET", TUI_TEXT, 16, 0, .grows = true, .tag = TARGET},
    {"result", "RESULT", TUI_STATE, 17, 0, .tag = RESULT},
    {"detail", "DETAIL", TUI_TEXT, 14, 2, .tag = DETAIL},
    {"reason", "REASON", TUI_TEXT, 16, 1, .tag = REASON},
    {"tenant", "TENANT", TUI_TEXT, 10, 3, .tag = TENANT},
    {"role", "ROLE", TUI_TEXT, 8, 4, .tag = ROLE},
    {"line", "LINE", TUI_TEXT, 12, 5, .tag = LINE},
    {"hash", "HASH", TUI_TEXT, 18, 0, .hidden = true, .tag = HASH},
};
const struct tui_table tui_log = {
    .name = "audit_log", .title = "AUDIT", .columns = log_columns,
    .count = aion_countof(log_columns), .newest_first = true,
    .empty = "no line: not asked yet, or control says why not on the right",
    .items = log_items, .value = log_value,
};
// clang-format on
