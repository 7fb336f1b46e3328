/* View 3: the live tail of tasks, one task's life, its output as it comes. */
#include "tables.h"
#include "view.h"

#include "aion/v1/ops.schema.h"
#include "aion/v1/tasks.schema.h"
#include "base/clock.h"

#include <inttypes.h>

enum { COUNTS, TASKS, LIFE, OUTPUT, PANES };

#define FAR_US (12 * 3600 * INT64_C(1000000))

/* -- counts ---------------------------------------------------------------- */

static void counts(struct tui_canvas *canvas, struct tui_rect rect,
                   const struct tui_scene *scene)
{
    const unsigned first = AION__V1__OPS_MESH_COLUMN__OPS_MESH_QUEUED,
                   last = AION__V1__OPS_MESH_COLUMN__OPS_MESH_RETRY_WAIT;
    const struct tui_records *records = &scene->model->records;
    const struct tui_row *mesh = tui_picture_mesh(scene->picture);
    char text[TUI_FORMAT_SIZE];
    int x = 1;
    for (unsigned column = first; mesh != NULL && column <= last; column++) {
        const struct tui_measure *measure = &tui_kinds[TUI_MESH].measures[column];
        tui_format(text, TUI_COUNT, mesh->values[column]);
        x = tui_put(canvas, rect, 0, x, TUI_DIM, aion_str_of(measure->name));
        x = tui_putf(canvas, rect, 0, x + 1, TUI_PLAIN, "%s", text) + 2;
    }
    x = tui_put(canvas, rect, 0, x, TUI_DIM, AION_STR("heard of: ")) + 1;
    for (int state = TUI_TASK_FINAL; state < TUI_TASK_STATES; state++) {
        struct tui_word word = tui_task_word(state);
        uint64_t count = records->counts[TUI_TASK_EVENT][state];
        if (count == 0)
            continue;
        tui_format(text, TUI_COUNT, (int64_t)count);
        x = tui_putf(canvas, rect, 0, x, word.role, "%s %s", word.word, text) + 2;
    }
    if (records->sampled > 0) {
        tui_format(text, TUI_COUNT, (int64_t)records->sampled);
        tui_putf(canvas, rect, 0, x, TUI_WARN, "%s not shown one by one", text);
    }
}

/* -- one task -------------------------------------------------------------- */

static const char *about(const struct tui_scene *scene, enum tui_ask ask)
{
    (void)ask;
    return scene->cursors != NULL ? scene->cursors[TASKS] : "";
}

/* "12:04:31.250"; what is far from now has its date. */
static const char *clock_of(const struct tui_scene *scene,
                            const Google__Protobuf__Timestamp *stamp, char out[TUI_FORMAT_SIZE])
{
    int64_t at_us = tui_stamp_us(stamp);
    if (at_us <= 0)
        return "-";
    int64_t now = tui_model_now(scene->model, scene->now);
    if (at_us < now - FAR_US || at_us > now + FAR_US) {
        tui_format_date_time(out, at_us, scene->local_time);
        return out;
    }
    size_t size = tui_format_clock(out, at_us, scene->local_time);
    snprintf(out + size, TUI_FORMAT_SIZE - size, ".%03d", (int)(at_us / 1000 % 1000));
    return out;
}

static void head_lines(const struct tui_scene *scene, const Aion__V1__Task *task,
                       struct tui_lines *out)
{
    char at[TUI_FORMAT_SIZE], until[TUI_FORMAT_SIZE], took[TUI_FORMAT_SIZE],
        queued[TUI_FORMAT_SIZE];
    struct tui_word word = tui_task_word((int)task->state);
    tui_line_addf(out, word.role, 0, "%s  %s", word.word, task->task_id);
    tui_line_pair(out, "intent", "%s   tenant %s", task->intent, task->tenant);
    if (task->engine != NULL)
        tui_line_pair(out, "route", "%s   module %s   by %s: %s", task->engine->route,
                      task->engine->module, task->engine->chosen_by, task->engine->reason);
    tui_line_pair(out, "created", "%s   deadline %s", clock_of(scene, task->created_at, at),
                  clock_of(scene, task->deadline, until));
    if (task->usage != NULL && task->usage->latency_us > 0) {
        tui_format(took, TUI_US, task->usage->latency_us);
        tui_format(queued, TUI_US, task->usage->queue_us);
        tui_line_pair(out, "took",
                      "%s, of it waiting %s   tokens %" PRIu64 " in %" PRIu64 " out", took,
                      queued, task->usage->tokens_in, task->usage->tokens_out);
    }
    if (task->error != NULL && task->error->reason[0] != '\0')
        tui_line_addf(out, TUI_ALARM, 0, "%s: %s", task->error->reason, task->error->message);
    for (size_t i = 0; i < task->n_metadata; i++)
        tui_line_pair(out, i == 0 ? "metadata" : "", "%s = %s", task->metadata[i]->key,
                      task->metadata[i]->value);
}

static void attempt_lines(const struct tui_scene *scene, const Aion__V1__Task *task,
                          struct tui_lines *out)
{
    char begin[TUI_FORMAT_SIZE], end[TUI_FORMAT_SIZE];
    for (size_t i = 0; i < task->n_attempts; i++) {
        const Aion__V1__Attempt *attempt = task->attempts[i];
        tui_line_addf(out, attempt->error != NULL ? TUI_WARN : TUI_PLAIN, 0,
                      "attempt %u on %s: %s, %s to %s%s%s", attempt->attempt, attempt->host_id,
                      attempt->module, clock_of(scene, attempt->started_at, begin),
                      attempt->ended_at != NULL ? clock_of(scene, attempt->ended_at, end)
                                                : "now",
                      attempt->error != NULL ? "  " : "",
                      attempt->error != NULL ? attempt->error->reason : "");
    }
}

static void life_lines(const struct tui_scene *scene, struct tui_lines *out)
{
    const struct tui_answer *answer = &scene->answers->list[TUI_ASK_TASK];
    const Aion__V1__Task *task = (const Aion__V1__Task *)answer->message;
    char at[TUI_FORMAT_SIZE];
    if (task == NULL) {
        if (answer->err.code != AION_OK)
            tui_line_addf(out, TUI_WARN, 0, "control says: %s", answer->err.text);
        else
            tui_line_add(out, TUI_DIM, 0, AION_STR("enter on a task shows its life here"));
        return;
    }
    head_lines(scene, task, out);
    attempt_lines(scene, task, out);
    for (size_t i = 0; i < task->n_events; i++) {
        const Aion__V1__TaskEvent *event = task->events[i];
        tui_line_addf(out, tui_task_word((int)event->state).role, 0, "%s %-10s %s",
                      clock_of(scene, event->at, at), event->kind, event->note);
    }
}

static uint64_t life_stamp(const struct tui_scene *scene)
{
    return scene->answers->list[TUI_ASK_TASK].version;
}

/* -- output ---------------------------------------------------------------- */

static const char *output_subtitle(const struct tui_scene *scene)
{
    const struct tui_output *output = &scene->answers->output;
    return aion_arena_printf(scene->arena, "%" PRIu64 " chunks, attempt %u%s", output->received,
                             output->attempt, output->ended ? ", ended" : "");
}

static void output_lines(const struct tui_scene *scene, struct tui_lines *out)
{
    const struct tui_output *output = &scene->answers->output;
    const struct tui_answer *answer = &scene->answers->list[TUI_ASK_OUTPUT];
    if (answer->err.code != AION_OK)
        tui_line_addf(out, TUI_WARN, 0, "control says: %s", answer->err.text);
    if (output->cut)
        tui_line_add(out, TUI_DIM, 0, AION_STR("... (what came before is not kept here)"));
    if (output->size > 0)
        tui_line_text(out, TUI_PLAIN, 0, aion_str_n(output->text, output->size));
    if (!output->ended)
        return;
    struct tui_word word = tui_task_word(output->state);
    tui_line_addf(out, word.role, 0, "-- %s %s%s", word.word, output->digest, output->reason);
}

static uint64_t output_stamp(const struct tui_scene *scene)
{
    const struct tui_output *output = &scene->answers->output;
    return output->received * 2654435761u + output->ended +
           scene->answers->list[TUI_ASK_OUTPUT].version * 1000003;
}

/* -- the view -------------------------------------------------------------- */

static const struct tui_pane panes[PANES] = {
    [COUNTS] = {.kind = TUI_FIGURE, .bare = true, .figure = counts},
    [TASKS] = {.kind = TUI_LIST, .table = &tui_tasks},
    [LIFE] = {.kind = TUI_PAGE, .title = "life", .lines = life_lines, .stamp = life_stamp},
    [OUTPUT] = {.kind = TUI_PAGE,
                .title = "output",
                .subtitle = output_subtitle,
                .lines = output_lines,
                .stamp = output_stamp,
                .follows = true},
};

static void place(struct tui_rect rect, bool detail, struct tui_rect *out)
{
    out[COUNTS] = tui_rect_top(&rect, 1);
    if (detail && rect.cols >= 120) {
        struct tui_rect right = tui_rect_right(&rect, rect.cols / 2);
        tui_rect_right(&rect, 1);
        out[LIFE] = tui_rect_top(&right, right.rows / 2);
        out[OUTPUT] = right;
    } else if (detail) {
        struct tui_rect below = tui_rect_bottom(&rect, rect.rows * 2 / 3);
        out[OUTPUT] = tui_rect_bottom(&below, below.rows / 2);
        out[LIFE] = below;
    }
    out[TASKS] = rect;
}

const struct tui_view tui_view_tasks = {
    .name = "tasks",
    .title = "Tasks",
    .sentence = "tasks as they come and end; one task's life and output",
    .panes = panes,
    .pane_count = PANES,
    .first = TASKS,
    .place = place,
    .about = about,
    .present = "life, output",
    .wants = TUI_WANT_TASKS,
    .wants_detail = TUI_WANT_TASK | TUI_WANT_OUTPUT,
    .help = "The newest is on top and the list follows; moving the cursor holds the rows, f "
            "follows again.\n"
            "A filter by the whole name of a tenant:, intent:, route: or host: also narrows "
            "what control sends.\n"
            "Beyond 200 a second control sends a sample; the counts stay exact.\n"
            "Life and output of other tenants' tasks are for admins. Actions (a): cancel.",
};
