/* Tables over what happened: tasks, decisions, audit, hosts and policies. In the past only what
 * had happened by then. */
#include "asks.h"
#include "tables.h"

#include <inttypes.h>

enum { TASKS_MAX = 500, RECORDS_SHOWN_MAX = 1000 };

/* Columns of records, by tag. */
enum {
    AT,
    SEQUENCE,
    WHAT,
    TASK,
    TENANT,
    INTENT,
    STATE,
    ATTEMPT,
    ROUTE,
    HOST,
    ACTOR,
    REASON,
    NOTE,
    LATENCY,
    COST,
    AGE,
    SHORT_ID,
};

/* Events of the live picture may be newer than its frame. */
static int64_t until(const struct tui_scene *scene)
{
    return tui_model_is_live(scene->model) ? INT64_MAX : scene->picture->at_us;
}

static aion_str key_of(const struct tui_scene *scene, const struct tui_record *record)
{
    return aion_str_of(aion_arena_printf(scene->arena, "%" PRIu64, record->ordinal));
}

static size_t records_of(const struct tui_scene *scene, unsigned kinds, struct tui_item *out,
                         size_t max)
{
    const struct tui_record **found =
        aion_arena_alloc(scene->arena, RECORDS_SHOWN_MAX * sizeof(*found));
    max = max < RECORDS_SHOWN_MAX ? max : RECORDS_SHOWN_MAX;
    size_t count = found != NULL
                       ? tui_records_of(&scene->model->records, kinds, until(scene), found, max)
                       : 0;
    for (size_t i = 0; i < count; i++)
        out[i] = (struct tui_item){key_of(scene, found[i]), found[i]};
    return count;
}

/* "0191f3c2-7d1e-7a44-9b1f-0c55d2e1907a": the time in front, chance behind. */
static aion_str short_id(const struct tui_scene *scene, aion_str id)
{
    if (id.size < 16)
        return id;
    return aion_str_of(
        aion_arena_printf(scene->arena, "%.8s..%.*s", id.data, 4, id.data + id.size - 4));
}

static void record_value(const struct tui_scene *scene, const struct tui_item *item,
                         const struct tui_column *column, struct tui_value *out)
{
    const struct tui_record *record = item->object;
    const aion_str texts[] = {
        [WHAT] = record->what,     [TASK] = record->task_id,  [TENANT] = record->tenant,
        [INTENT] = record->intent, [ROUTE] = record->route,   [HOST] = record->host,
        [ACTOR] = record->actor,   [REASON] = record->reason, [NOTE] = record->note,
        [SHORT_ID] = {NULL, 0},
    };
    switch (column->tag) {
    case AT:
        out->number = record->at_us;
        break;
    case SEQUENCE:
        out->number = (int64_t)record->sequence;
        break;
    case ATTEMPT:
        out->number = record->attempt;
        break;
    case LATENCY:
        out->number = record->latency_us > 0 ? record->latency_us : TUI_UNKNOWN;
        break;
    case COST:
        out->number = record->cost_nano_usd;
        break;
    case SHORT_ID:
        out->text = short_id(scene, record->task_id);
        break;
    case STATE:
        out->text = aion_str_of(tui_task_word(record->state).word);
        out->role = tui_task_word(record->state).role;
        break;
    default:
        out->text = texts[column->tag];
        break;
    }
}

/* -- decisions ------------------------------------------------------------- */

static size_t decisions_items(const struct tui_scene *scene, struct tui_item *out, size_t max)
{
    size_t all = records_of(scene, 1u << TUI_DECISION, out, max), count = 0;
    /* in the router's view: those of the route under the cursor, "intent/route" */
    aion_str key = aion_str_of(scene->cursors != NULL ? scene->cursors[0] : "");
    aion_str intent = tui_key_part(key, TUI_BEFORE_SLASH);
    aion_str route = tui_key_part(key, TUI_BEHIND_SLASH);
    for (size_t i = 0; i < all; i++) {
        const struct tui_record *record = out[i].object;
        if (key.size == 0 ||
            (aion_str_eq(record->intent, intent) && aion_str_eq(record->route, route)))
            out[count++] = out[i];
    }
    return count;
}

// clang-format off
static const struct tui_column decisions_columns[] = {
    {"time", "TIME", TUI_TIME, 9, 0, .tag = AT},
    {"task", "TASK", TUI_TEXT, 14, 2, .shown = true, .tag = SHORT_ID},
    {"intent", "INTENT", TUI_TEXT, 16, 3, .tag = INTENT},
    {"route", "CHOSE", TUI_TEXT, 12, 0, .tag = ROUTE},
    {"by", "BY", TUI_TEXT, 10, 0, .tag = WHAT},
    {"tenant", "TENANT", TUI_TEXT, 10, 3, .tag = TENANT},
    {"reason", "RULE", TUI_TEXT, 20, 0, .grows = true, .tag = REASON},
    {"note", "NOTE", TUI_TEXT, 16, 4, .tag = NOTE},
    {"task_id", "TASK", TUI_TEXT, 36, 0, .hidden = true, .tag = TASK},
};
const struct tui_table tui_decisions = {
    .name = "decisions", .title = "DECISIONS", .columns = decisions_columns,
    .count = aion_countof(decisions_columns), .newest_first = true,
    .empty = "no decision since this console listens",
    .items = decisions_items, .value = record_value,
};

/* -- audit ----------------------------------------------------------------- */

static const struct tui_column audit_columns[] = {
    {"time", "TIME", TUI_TIME, 9, 0, .tag = AT},
    {"sequence", "#", TUI_COUNT, 8, 4, .hidden = true, .tag = SEQUENCE},
    {"who", "WHO", TUI_TEXT, 14, 0, .tag = ACTOR},
    {"action", "ACTION", TUI_TEXT, 22, 0, .tag = WHAT},
    {"target", "TARGET", TUI_TEXT, 20, 0, .grows = true, .tag = NOTE},
    {"tenant", "TENANT", TUI_TEXT, 10, 3, .tag = TENANT},
    {"result", "RESULT", TUI_TEXT, 18, 0, .tag = REASON},
};
// clang-format on

static size_t audit_items(const struct tui_scene *scene, struct tui_item *out, size_t max)
{
    return records_of(scene, 1u << TUI_AUDIT, out, max);
}

/* Nothing against it: ok. A refusal is a word of its own colour. */
static void audit_value(const struct tui_scene *scene, const struct tui_item *item,
                        const struct tui_column *column, struct tui_value *out)
{
    record_value(scene, item, column, out);
    if (column->tag != REASON)
        return;
    out->role = out->text.size > 0 ? TUI_ALARM : TUI_GOOD;
    if (out->text.size == 0)
        out->text = AION_STR("ok");
}

// clang-format off
const struct tui_table tui_audit = {
    .name = "audit", .title = "AUDIT", .columns = audit_columns,
    .count = aion_countof(audit_columns), .newest_first = true,
    .empty = "nobody changed anything since this console listens",
    .items = audit_items, .value = audit_value,
};

/* -- hosts and policies ---------------------------------------------------- */

static const struct tui_column happenings_columns[] = {
    {"time", "TIME", TUI_TIME, 9, 0, .tag = AT},
    {"what", "WHAT", TUI_TEXT, 12, 0, .tag = WHAT},
    {"host", "HOST", TUI_TEXT, 12, 1, .tag = HOST},
    {"who", "WHO", TUI_TEXT, 12, 2, .tag = ACTOR},
    {"note", "NOTE", TUI_TEXT, 20, 0, .grows = true, .tag = NOTE},
};
// clang-format on

static size_t happenings_items(const struct tui_scene *scene, struct tui_item *out, size_t max)
{
    return records_of(scene, 1u << TUI_HOST_EVENT | 1u << TUI_POLICY_EVENT, out, max);
}

// clang-format off
const struct tui_table tui_happenings = {
    .name = "happenings", .title = "EVENTS", .columns = happenings_columns,
    .count = aion_countof(happenings_columns), .newest_first = true,
    .empty = "no host came or went and no policy changed since this console listens",
    .items = happenings_items, .value = record_value,
};

/* -- events of tasks, one by one -------------------------------------------- */

// clang-format off
static const struct tui_column task_events_columns[] = {
    {"time", "TIME", TUI_TIME, 9, 0, .tag = AT},
    {"task", "TASK", TUI_TEXT, 14, 0, .shown = true, .tag = SHORT_ID},
    {"id", "TASK", TUI_TEXT, 36, 0, .hidden = true, .tag = TASK},
    {"tenant", "TENANT", TUI_TEXT, 10, 2, .tag = TENANT},
    {"intent", "INTENT", TUI_TEXT, 14, 0, .tag = INTENT},
    {"what", "WHAT", TUI_TEXT, 10, 0, .tag = WHAT},
    {"state", "STATE", TUI_STATE, 9, 0, .tag = STATE},
    {"attempt", "TRY", TUI_COUNT, 3, 2, .tag = ATTEMPT},
    {"route", "ROUTE", TUI_TEXT, 10, 1, .tag = ROUTE},
    {"host", "HOST", TUI_TEXT, 12, 1, .tag = HOST},
    {"latency", "TOOK", TUI_US, 7, 1, .tag = LATENCY},
    {"note", "NOTE", TUI_TEXT, 16, 3, .grows = true, .tag = NOTE},
};
// clang-format on

static size_t task_events_items(const struct tui_scene *scene, struct tui_item *out, size_t max)
{
    return records_of(scene, 1u << TUI_TASK_EVENT, out, max);
}

// clang-format off
const struct tui_table tui_task_events = {
    .name = "task_events", .title = "TASK EVENTS", .columns = task_events_columns,
    .count = aion_countof(task_events_columns), .newest_first = true,
    .empty = "no event since this console listens",
    .items = task_events_items, .value = record_value,
};
// clang-format on

bool tui_is_events_table(const struct tui_table *table)
{
    return table == &tui_decisions || table == &tui_audit || table == &tui_happenings ||
           table == &tui_task_events;
}

const struct tui_table *tui_events_table(enum tui_record_kind kind)
{
    static const struct tui_table *const tables[TUI_RECORD_KINDS] = {
        NULL, &tui_task_events, &tui_decisions, &tui_audit, &tui_happenings, &tui_happenings};
    return tables[kind];
}

/* -- tasks ----------------------------------------------------------------- */

static const struct tui_column tasks_columns[] = {
    {"task", "TASK", TUI_TEXT, 14, 0, .shown = true, .tag = SHORT_ID},
    {"tenant", "TENANT", TUI_TEXT, 10, 2, .tag = TENANT},
    {"intent", "INTENT", TUI_TEXT, 14, 0, .tag = INTENT},
    {"state", "STATE", TUI_STATE, 9, 0, .tag = STATE},
    {"attempt", "TRY", TUI_COUNT, 3, 2, .tag = ATTEMPT},
    {"age", "AGE", TUI_AGE, 6, 1, .tag = AGE},
    {"latency", "TOOK", TUI_US, 7, 1, .tag = LATENCY},
    {"route", "ROUTE", TUI_TEXT, 10, 1, .tag = ROUTE},
    {"host", "HOST", TUI_TEXT, 12, 3, .tag = HOST},
    {"note", "NOTE", TUI_TEXT, 16, 4, .grows = true, .tag = NOTE},
    {"updated", "CHANGED", TUI_TIME, 8, 5, .tag = AT},
    {"id", "TASK", TUI_TEXT, 36, 0, .hidden = true, .tag = TASK},
};
// clang-format on

static size_t tasks_items(const struct tui_scene *scene, struct tui_item *out, size_t max)
{
    const Aion__V1__ListTasksReply *listed =
        (const Aion__V1__ListTasksReply *)tui_answer(scene->answers, TUI_ASK_TASKS);
    max = max < TASKS_MAX ? max : TASKS_MAX;
    struct tui_task *tasks = aion_arena_array(scene->arena, max, sizeof(*tasks));
    if (tasks == NULL)
        return 0;
    size_t count = tui_tasks_fold(&scene->model->records, listed, until(scene), tasks, max);
    for (size_t i = 0; i < count; i++)
        out[i] = (struct tui_item){tasks[i].id, &tasks[i]};
    return count;
}

static void task_number(const struct tui_scene *scene, const struct tui_task *task, int tag,
                        struct tui_value *out)
{
    int64_t now = tui_model_is_live(scene->model) ? tui_model_now(scene->model, scene->now)
                                                  : scene->picture->at_us;
    if (tag == AT)
        out->number = task->at_us;
    else if (tag == ATTEMPT)
        out->number = task->attempt;
    else if (tag == LATENCY)
        out->number = task->latency_us > 0 ? task->latency_us : TUI_UNKNOWN;
    else if (task->first_us > 0)
        out->number = now > task->first_us ? (now - task->first_us) / 1000000 * 1000000 : 0;
}

static void tasks_value(const struct tui_scene *scene, const struct tui_item *item,
                        const struct tui_column *column, struct tui_value *out)
{
    const struct tui_task *task = item->object;
    const aion_str texts[] = {
        [TASK] = task->id,     [TENANT] = task->tenant, [INTENT] = task->intent,
        [ROUTE] = task->route, [HOST] = task->host,     [NOTE] = task->note,
    };
    if (column->tag == SHORT_ID) {
        out->text = short_id(scene, task->id);
    } else if (column->tag == STATE) {
        out->text = aion_str_of(tui_task_word(task->state).word);
        out->role = tui_task_word(task->state).role;
        out->number = task->state;
    } else if (column->unit == TUI_TEXT) {
        out->text = texts[column->tag];
    } else {
        task_number(scene, task, column->tag, out);
    }
}

// clang-format off
const struct tui_table tui_tasks = {
    .name = "tasks", .title = "TASKS", .columns = tasks_columns,
    .count = aion_countof(tasks_columns), .newest_first = true,
    .empty = "no task yet",
    .items = tasks_items, .value = tasks_value,
};
// clang-format on
