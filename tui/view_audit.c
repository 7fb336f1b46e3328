/* View 7: who changed what, as far as this console has heard. */
#include "tables.h"
#include "view.h"

#include <inttypes.h>

enum { AUDIT, RECORD, PANES };

static const struct tui_record *chosen(const struct tui_scene *scene)
{
    const struct tui_record *record;
    char key[24];
    for (size_t i = 0; (record = tui_records_at(&scene->model->records, i)) != NULL; i++) {
        snprintf(key, sizeof(key), "%" PRIu64, record->sequence);
        if (record->kind == TUI_AUDIT && strcmp(key, scene->cursors[AUDIT]) == 0)
            return record;
    }
    return NULL;
}

static void put(struct tui_lines *out, const char *name, aion_str text)
{
    if (text.size > 0)
        tui_line_pair(out, name, "%.*s", AION_STR_ARG(text));
}

static void record_lines(const struct tui_scene *scene, struct tui_lines *out)
{
    const struct tui_record *record = chosen(scene);
    char at[TUI_FORMAT_SIZE];
    if (record != NULL) {
        tui_format_date_time(at, record->at_us);
        tui_line_pair(out, "when", "%sZ", at);
        put(out, "who", record->actor);
        put(out, "action", record->what);
        put(out, "target", record->note);
        put(out, "tenant", record->tenant);
        put(out, "task", record->task_id);
        put(out, "host", record->host);
        tui_line_addf(out, record->reason.size > 0 ? TUI_ALARM : TUI_GOOD, 0, "%-12s %.*s",
                      "result",
                      AION_STR_ARG(record->reason.size > 0 ? record->reason : AION_STR("ok")));
    }
    tui_line_text(out, TUI_DIM, 0,
                  AION_STR("This is what was heard since this console listens; the kept, "
                           "hash-chained log comes with a later release."));
}

static uint64_t record_stamp(const struct tui_scene *scene)
{
    const char *key = scene->cursors[AUDIT];
    return aion_siphash(8, scene->model->records.count == 0, key, strlen(key));
}

static const struct tui_pane panes[PANES] = {
    [AUDIT] = {.kind = TUI_LIST, .table = &tui_audit},
    [RECORD] = {.kind = TUI_PAGE,
                .title = "record",
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
    .help = "Changes and refusals as control tells them, newest first.\n"
            "The kept, hash-chained log comes with a later release.",
};
