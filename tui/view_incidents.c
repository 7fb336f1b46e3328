/* View 5: a place for incidents, and what can be said without them. */
#include "tables.h"
#include "view.h"

enum { NOTE, ATTENTION, EVENTS, PANES };

static void note_lines(const struct tui_scene *scene, struct tui_lines *out)
{
    (void)scene;
    tui_line_text(out, TUI_WARN, 0,
                  AION_STR("Nothing watches for incidents yet: detectors, runbooks and their "
                           "actions come with a later release. Nobody is paged."));
    tui_line_text(out, TUI_PLAIN, 0,
                  AION_STR("Below is what is not as it should be at this instant, by its own "
                           "word or beyond a limit; for how long is not known."));
}

static uint64_t note_stamp(const struct tui_scene *scene)
{
    (void)scene;
    return 1;
}

static const struct tui_pane panes[PANES] = {
    [NOTE] = {.kind = TUI_PAGE, .title = "incidents", .lines = note_lines, .stamp = note_stamp},
    [ATTENTION] = {.kind = TUI_LIST, .table = &tui_attention},
    [EVENTS] = {.kind = TUI_LIST, .table = &tui_happenings},
};

static void place(struct tui_rect rect, bool detail, struct tui_rect *out)
{
    (void)detail;
    out[NOTE] = tui_rect_top(&rect, rect.cols >= 120 ? 3 : 5);
    out[EVENTS] = tui_rect_bottom(&rect, rect.rows / 3);
    out[ATTENTION] = rect;
}

const struct tui_view tui_view_incidents = {
    .name = "incidents",
    .title = "Incidents",
    .sentence = "says that detectors come later, and what is not as it should be",
    .panes = panes,
    .pane_count = PANES,
    .first = ATTENTION,
    .place = place,
    .help = "Detectors, runbooks and actions for incidents come with a later release.\n"
            "ATTENTION: states that are not ok and numbers beyond their limit, now.",
};
