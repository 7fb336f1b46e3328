/* View 2: routes, decisions, and the policy that makes them. */
#include "diff.h"
#include "tables.h"
#include "view.h"

#include <inttypes.h>
#include <stdlib.h>

enum { ROUTES, DECISIONS, REVISIONS, DIFF, TEXT, PANES };

static const Aion__V1__Policy *active(const struct tui_scene *scene)
{
    return (const Aion__V1__Policy *)tui_answer(scene->answers, TUI_ASK_POLICY);
}

static const Aion__V1__Policy *other(const struct tui_scene *scene)
{
    return (const Aion__V1__Policy *)tui_answer(scene->answers, TUI_ASK_OTHER_POLICY);
}

static uint64_t ordinal_of(const Aion__V1__Policy *policy)
{
    return policy != NULL && policy->revision != NULL ? policy->revision->ordinal : 0;
}

/* The revision that the active one is compared with: the one under the cursor, or, when that is
 * the active one itself, the one before it. */
static uint64_t compared(const struct tui_scene *scene)
{
    const Aion__V1__ListPolicyRevisionsReply *reply =
        (const Aion__V1__ListPolicyRevisionsReply *)tui_answer(scene->answers,
                                                               TUI_ASK_REVISIONS);
    uint64_t chosen =
        scene->cursors != NULL ? strtoull(scene->cursors[REVISIONS], NULL, 10) : 0;
    uint64_t now = ordinal_of(active(scene));
    if (chosen != 0 && chosen != now)
        return chosen;
    for (size_t i = 0; reply != NULL && i < reply->n_revisions; i++)
        if (ordinal_of(reply->revisions[i]) < now)
            return ordinal_of(reply->revisions[i]);
    return 0;
}

static const char *about(const struct tui_scene *scene, enum tui_ask ask)
{
    uint64_t ordinal = ask == TUI_ASK_OTHER_POLICY ? compared(scene) : 0;
    return ordinal == 0 ? "" : aion_arena_printf(scene->arena, "%" PRIu64, ordinal);
}

/* -- the text of a policy -------------------------------------------------- */

static uint64_t policy_stamp(const struct tui_scene *scene)
{
    return scene->answers->list[TUI_ASK_POLICY].version * 1000003 +
           scene->answers->list[TUI_ASK_OTHER_POLICY].version * 31 + compared(scene);
}

static void say_missing(const struct tui_scene *scene, enum tui_ask ask, struct tui_lines *out)
{
    const struct tui_answer *answer = &scene->answers->list[ask];
    if (answer->err.code != AION_OK)
        tui_line_addf(out, TUI_WARN, 0, "the router says: %s", answer->err.text);
    else
        tui_line_add(out, TUI_DIM, 0, AION_STR("asking the router ..."));
}

static void diff_lines(const struct tui_scene *scene, struct tui_lines *out)
{
    const Aion__V1__Policy *now = active(scene), *before = other(scene);
    if (now == NULL) {
        say_missing(scene, TUI_ASK_POLICY, out);
        return;
    }
    if (now->rejected != NULL)
        tui_line_addf(out, TUI_ALARM, 0, "the newest files were REFUSED: %s:%u:%u %s",
                      now->rejected->file, now->rejected->line, now->rejected->column,
                      now->rejected->message);
    if (compared(scene) == 0) {
        tui_line_add(out, TUI_DIM, 0, AION_STR("this is the first revision"));
        return;
    }
    if (before == NULL) {
        say_missing(scene, TUI_ASK_OTHER_POLICY, out);
        return;
    }
    tui_line_addf(out, TUI_DIM, 0, "revision %" PRIu64 " -> %" PRIu64 " (in force)",
                  ordinal_of(before), ordinal_of(now));
    tui_diff(tui_policy_text(before, out->arena), tui_policy_text(now, out->arena), out);
}

static void text_lines(const struct tui_scene *scene, struct tui_lines *out)
{
    uint64_t chosen =
        scene->cursors != NULL ? strtoull(scene->cursors[REVISIONS], NULL, 10) : 0;
    const Aion__V1__Policy *policy = active(scene);
    if (chosen != 0 && chosen != ordinal_of(policy) && ordinal_of(other(scene)) == chosen)
        policy = other(scene);
    if (policy == NULL) {
        say_missing(scene, TUI_ASK_POLICY, out);
        return;
    }
    tui_line_addf(out, TUI_DIM, 0, "revision %" PRIu64 ", %s, by %s: %s", ordinal_of(policy),
                  policy->revision != NULL ? policy->revision->digest : "",
                  policy->activated_by, policy->cause);
    for (size_t i = 0; i < policy->n_files; i++) {
        tui_line_addf(out, TUI_ACCENT, 0, "%s", policy->files[i]->path);
        tui_line_text(out, TUI_PLAIN, 2,
                      aion_arena_str(out->arena, aion_str_of(policy->files[i]->content)));
    }
}

/* -- the view -------------------------------------------------------------- */

static const struct tui_pane panes[PANES] = {
    [ROUTES] = {.kind = TUI_LIST, .table = &tui_routes},
    [DECISIONS] = {.kind = TUI_LIST,
                   .table = &tui_decisions,
                   .leads_to = "tasks",
                   .leads_by = "id",
                   .leads_column = "task_id"},
    [REVISIONS] = {.kind = TUI_LIST, .table = &tui_revisions},
    [DIFF] = {.kind = TUI_PAGE,
              .title = "difference to the policy in force",
              .lines = diff_lines,
              .stamp = policy_stamp},
    [TEXT] = {.kind = TUI_PAGE, .title = "policy", .lines = text_lines, .stamp = policy_stamp},
};

static void place(struct tui_rect rect, bool detail, struct tui_rect *out)
{
    if (rect.cols >= 120) {
        struct tui_rect right = tui_rect_right(&rect, rect.cols / 2 - 4);
        tui_rect_right(&rect, 1);
        out[DIFF] = tui_rect_top(&right, right.rows / 3);
        out[TEXT] = right;
    } else if (rect.rows >= 14) {
        struct tui_rect below =
            tui_rect_bottom(&rect, detail ? rect.rows * 2 / 3 : rect.rows / 3);
        out[detail ? TEXT : DIFF] = below;
    }
    out[REVISIONS] = tui_rect_bottom(&rect, rect.rows / 4 + 1);
    out[DECISIONS] = tui_rect_bottom(&rect, rect.rows * 2 / 5);
    out[ROUTES] = rect;
}

const struct tui_view tui_view_router = {
    .name = "router",
    .title = "Router",
    .sentence = "routes, why tasks went where, the policy and its revisions",
    .panes = panes,
    .pane_count = PANES,
    .first = ROUTES,
    .place = place,
    .about = about,
    .present = "policy, revisions",
    .wants = TUI_WANT_POLICY | TUI_WANT_OTHER_POLICY | TUI_WANT_REVISIONS,
    .help = "DECISIONS are those of the route under the cursor, sampled when there are many.\n"
            "The difference is between the revision under the cursor and the one in force; "
            "enter on a revision shows its text.\n"
            "Actions (a): reload the policy from the router's files.",
};
