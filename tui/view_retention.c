/* View 6: how long things are kept, and what a sweep would delete. */
#include "tables.h"
#include "view.h"

#include "aion/v1/retention.schema.h"

#include <inttypes.h>

enum { PLAN, SWEEP, STORES, PANES };

static const char *plan_subtitle(const struct tui_scene *scene)
{
    const Aion__V1__RetentionPlan *plan =
        (const Aion__V1__RetentionPlan *)tui_answer(scene->answers, TUI_ASK_PLAN);
    if (plan == NULL)
        return "";
    return aion_arena_printf(scene->arena, "revision %" PRIu64 " by %s", plan->revision,
                             plan->changed_by[0] != '\0' ? plan->changed_by : "default");
}

static void put_cutoff(const struct tui_scene *scene, struct tui_lines *out, const char *what,
                       const Google__Protobuf__Timestamp *stamp)
{
    if (stamp != NULL)
        tui_line_pair(out, what, "what ended before %s",
                      tui_scene_moment(scene, tui_stamp_us(stamp)));
}

static void sweep_lines(const struct tui_scene *scene, struct tui_lines *out)
{
    const struct tui_answer *answer = &scene->answers->list[TUI_ASK_SWEEP];
    const Aion__V1__SweepProgress *sweep = (const Aion__V1__SweepProgress *)answer->message;
    if (answer->err.code != AION_OK)
        tui_line_addf(out, TUI_WARN, 0, "retention says: %s", answer->err.text);
    else if (sweep == NULL)
        tui_line_text(out, TUI_DIM, 0,
                      AION_STR("a, then \"preview sweep\": counts what is due now, deletes "
                               "nothing"));
    else {
        tui_line_addf(out, TUI_PLAIN, 0,
                      "due now: %" PRIu64 " tasks, %" PRIu64 " chunks, %" PRIu64
                      " keys%s; nothing was deleted",
                      sweep->tasks, sweep->chunks, sweep->keys, sweep->done ? "" : " so far");
        put_cutoff(scene, out, "succeeded", sweep->cutoff_succeeded);
        put_cutoff(scene, out, "failed", sweep->cutoff_failed);
    }
    tui_line_text(out, TUI_DIM, 0,
                  AION_STR("Backups, restores and drills come with a later release: there are "
                           "none to show."));
}

static uint64_t sweep_stamp(const struct tui_scene *scene)
{
    return scene->answers->list[TUI_ASK_SWEEP].version;
}

static const struct tui_pane panes[PANES] = {
    [PLAN] = {.kind = TUI_LIST, .table = &tui_plan},
    [SWEEP] = {.kind = TUI_PAGE,
               .title = "sweep, backups",
               .subtitle = plan_subtitle,
               .lines = sweep_lines,
               .stamp = sweep_stamp},
    [STORES] = {.kind = TUI_LIST, .table = &tui_dependencies},
};

static void place(struct tui_rect rect, bool detail, struct tui_rect *out)
{
    (void)detail;
    out[PLAN] = tui_rect_top(&rect, 6);
    out[STORES] = tui_rect_bottom(&rect, rect.rows / 2);
    out[SWEEP] = rect;
}

const struct tui_view tui_view_retention = {
    .name = "retention",
    .title = "Retention",
    .sentence = "how long tasks are kept, what a sweep would delete",
    .panes = panes,
    .pane_count = PANES,
    .first = PLAN,
    .place = place,
    .present = "plan, sweep",
    .wants = TUI_WANT_PLAN,
    .help = "The plan in force, the stores it works on, and a preview of a sweep (a).\n"
            "Backups come with a later release.",
};
