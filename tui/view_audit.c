/* View 7: who changed what and what was refused, as control keeps it in chains of hashes. */
#include "tables.h"
#include "view.h"

#include "aion/v1/ops.schema.h"

#include <inttypes.h>
#include <stdlib.h>

enum { AUDIT, RECORD, PANES };

static void put(struct tui_lines *out, const char *name, const char *text)
{
    if (text[0] != '\0')
        tui_line_pair(out, name, "%s", text);
}

static void put_line(const struct tui_scene *scene, struct tui_lines *out,
                     const Aion__V1__AuditLine *line)
{
    bool done = strcmp(line->result, "done") == 0;
    if (line->at != NULL)
        tui_line_pair(out, "when", "%s", tui_scene_moment(scene, tui_stamp_us(line->at)));
    put(out, "who", line->actor);
    put(out, "role", line->role);
    put(out, "tenant", line->tenant);
    put(out, "action", line->action);
    put(out, "target", line->target);
    tui_line_addf(out, done ? TUI_GOOD : TUI_ALARM, 0, "%-12s %s", "result", line->result);
    put(out, "reason", line->reason);
    put(out, "detail", line->detail);
    tui_line_pair(out, "line", "%" PRIu64 " of %s", line->number, line->writer);
    put(out, "hash", line->hash);
    put(out, "before it", line->previous);
}

static void put_refusal(struct tui_lines *out, const struct tui_answer *answer)
{
    if (answer->err.code == AION_OK)
        return;
    tui_line_text(out, TUI_WARN, 0, AION_STR("control says:"));
    tui_line_text(out, TUI_WARN, 1, aion_str_of(answer->err.text));
}

/* What control found when it computed all hashes anew. */
static void put_proof(struct tui_lines *out, const struct tui_answer *answer)
{
    const Aion__V1__VerifyAuditReply *proof =
        (const Aion__V1__VerifyAuditReply *)answer->message;
    put_refusal(out, answer);
    if (answer->pending)
        tui_line_text(out, TUI_DIM, 0, AION_STR("control computes the hashes anew ..."));
    for (size_t i = 0; proof != NULL && i < proof->n_chains; i++) {
        const Aion__V1__VerifyAuditReply__Chain *chain = proof->chains[i];
        if (chain->first_bad == 0)
            tui_line_addf(out, TUI_GOOD, 0, "%s holds: %" PRIu64 " lines", chain->writer,
                          chain->lines);
        else
            tui_line_addf(out, TUI_ALARM, 0, "%s BROKEN at line %" PRIu64, chain->writer,
                          chain->first_bad);
        if (chain->first_bad != 0)
            tui_line_text(out, TUI_ALARM, 1, aion_str_of(chain->fault));
    }
}

static void record_lines(const struct tui_scene *scene, struct tui_lines *out)
{
    const struct tui_answer *answer = &scene->answers->list[TUI_ASK_AUDIT];
    const Aion__V1__AuditLine *line = tui_log_line(scene, scene->cursors[AUDIT]);
    put_refusal(out, answer);
    put_proof(out, &scene->answers->list[TUI_ASK_VERIFY]);
    if (line != NULL)
        put_line(scene, out, line);
    if (scene->answers->list[TUI_ASK_VERIFY].id == 0)
        tui_line_text(out, TUI_DIM, 0,
                      AION_STR("a, then v: whether anybody has rewritten the log"));
}

static uint64_t record_stamp(const struct tui_scene *scene)
{
    const char *key = scene->cursors[AUDIT];
    const struct tui_answer *proof = &scene->answers->list[TUI_ASK_VERIFY];
    return aion_siphash(scene->answers->list[TUI_ASK_AUDIT].version,
                        proof->version * 2 + proof->pending, key, strlen(key));
}

/* Whether what is listed reaches back to that instant, from a later one. */
static bool reaches(const struct tui_answer *answer, int64_t at_us)
{
    const Aion__V1__ListAuditReply *reply = (const Aion__V1__ListAuditReply *)answer->message;
    bool later = strcmp(answer->about, TUI_LOG_NOW) == 0 ||
                 strtoll(answer->about, NULL, 10) >= at_us / 1000000;
    if (reply == NULL || !later)
        return false;
    return reply->next_page_token[0] == '\0' ||
           (reply->n_lines > 0 && reply->lines[reply->n_lines - 1]->at != NULL &&
            tui_stamp_us(reply->lines[reply->n_lines - 1]->at) <= at_us);
}

/* The newest page serves the past, too, as far as it reaches. */
static const char *about(const struct tui_scene *scene, enum tui_ask ask)
{
    const struct tui_answer *answer = &scene->answers->list[ask];
    if (tui_model_is_live(scene->model))
        return TUI_LOG_NOW;
    if (reaches(answer, scene->picture->at_us))
        return answer->about;
    return aion_arena_printf(scene->arena, "%" PRId64, scene->picture->at_us / 1000000);
}

static const struct tui_pane panes[PANES] = {
    [AUDIT] = {.kind = TUI_LIST, .table = &tui_log},
    [RECORD] = {.kind = TUI_PAGE,
                .title = "line",
                .lines = record_lines,
                .stamp = record_stamp},
};

static void place(struct tui_rect rect, bool detail, struct tui_rect *out)
{
    (void)detail;
    if (rect.cols >= 120) {
        out[RECORD] = tui_rect_right(&rect, rect.cols / 3);
        tui_rect_right(&rect, 1);
    } else {
        out[RECORD] = tui_rect_bottom(&rect, rect.rows / 2);
    }
    out[AUDIT] = rect;
}

const struct tui_view tui_view_audit = {
    .name = "audit",
    .title = "Audit",
    .sentence = "who changed what, and what was refused",
    .panes = panes,
    .pane_count = PANES,
    .first = AUDIT,
    .place = place,
    .about = about,
    .wants = TUI_WANT_AUDIT,
    .help = "The newest lines of the log that control keeps, up to the instant that is shown.\n"
            "Every line is chained by its hash to the one before it of its writer; a, then v\n"
            "has all hashes computed anew.",
};
