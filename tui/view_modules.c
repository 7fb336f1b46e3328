/* View 4: hosts, and the modules that run on them. */
#include "tables.h"
#include "view.h"

#include <inttypes.h>

enum { HOSTS, MODULES, OFFERS, QUEUES, HOST, EVENTS, PANES };

static void host_lines(const struct tui_scene *scene, struct tui_lines *out)
{
    const Aion__V1__HostInfo *host = tui_host_of(scene->answers, scene->cursors[HOSTS]);
    if (host == NULL) {
        tui_line_add(out, TUI_DIM, 0, AION_STR("not attached now"));
        return;
    }
    tui_line_pair(out, "host", "%s   pool %s   version %s", host->host_id, host->pool,
                  host->version);
    tui_line_pair(out, "slots", "%u of %u busy", host->running, host->slots);
    if (host->attached_at != NULL)
        tui_line_pair(out, "attached", "%s",
                      tui_scene_moment(scene, tui_stamp_us(host->attached_at)));
    if (host->draining)
        tui_line_addf(out, TUI_WARN, 0, "DRAINING by %s: %s",
                      host->drained_by[0] != '\0' ? host->drained_by : "itself",
                      host->drain_reason);
    for (size_t i = 0; i < host->n_labels; i++)
        tui_line_pair(out, i == 0 ? "labels" : "", "%s = %s", host->labels[i]->key,
                      host->labels[i]->value);
}

static uint64_t host_stamp(const struct tui_scene *scene)
{
    const char *host = scene->cursors[HOSTS];
    return aion_siphash(7, scene->answers->list[TUI_ASK_HOSTS].version, host, strlen(host));
}

static const struct tui_pane panes[PANES] = {
    [HOSTS] = {.kind = TUI_LIST, .table = &tui_hosts},
    [MODULES] = {.kind = TUI_LIST, .table = &tui_modules},
    [OFFERS] = {.kind = TUI_LIST, .table = &tui_offers},
    [QUEUES] = {.kind = TUI_LIST, .table = &tui_queues},
    [HOST] = {.kind = TUI_PAGE, .title = "host", .lines = host_lines, .stamp = host_stamp},
    [EVENTS] = {.kind = TUI_LIST, .table = &tui_happenings},
};

static void place(struct tui_rect rect, bool detail, struct tui_rect *out)
{
    if (rect.cols >= 120) {
        struct tui_rect right = tui_rect_right(&rect, rect.cols * 2 / 5);
        tui_rect_right(&rect, 1);
        out[EVENTS] = tui_rect_bottom(&right, right.rows / 3);
        out[QUEUES] = tui_rect_bottom(&right, right.rows * 2 / 5);
        out[HOST] = right;
        out[OFFERS] = tui_rect_bottom(&rect, rect.rows / 5);
        out[MODULES] = tui_rect_bottom(&rect, rect.rows * 2 / 5);
    } else if (detail) {
        struct tui_rect below = tui_rect_bottom(&rect, rect.rows * 3 / 5);
        out[OFFERS] = tui_rect_bottom(&below, below.rows / 2);
        out[HOST] = below;
    } else {
        out[EVENTS] = tui_rect_bottom(&rect, rect.rows >= 18 ? 4 : 0);
        out[QUEUES] = tui_rect_bottom(&rect, rect.rows >= 14 ? rect.rows / 4 : 0);
        out[MODULES] = tui_rect_bottom(&rect, rect.rows / 2);
    }
    out[HOSTS] = rect;
}

const struct tui_view tui_view_modules = {
    .name = "modules",
    .title = "Modules",
    .sentence = "hosts, the modules on them, queues",
    .panes = panes,
    .pane_count = PANES,
    .first = HOSTS,
    .place = place,
    .present = "host, modules there",
    .wants = TUI_WANT_HOSTS,
    .help = "MODULES THERE are what the host under the cursor offers.\n"
            "BEAT is the time since a host's last word.\n"
            "Actions (a): drain a host, or take it back.",
};
