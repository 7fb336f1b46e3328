/* View 1: how the mesh is, in one look. */
#include "view.h"
#include "figures.h"
#include "tables.h"

enum {
    SUMMARY,
    LATENCY,
    QUEUE,
    OUTCOMES,
    REFUSALS,
    ROUTES,
    HOSTS,
    DEPENDENCIES,
    TENANTS,
    ATTENTION,
    ACTIONS,
    PANES,
};

static const struct tui_pane panes[PANES] = {
    [SUMMARY] = {.kind = TUI_FIGURE, .bare = true, .figure = tui_figure_summary},
    [LATENCY] = {.kind = TUI_FIGURE,
                 .title = "latency",
                 .subtitle = tui_figure_span,
                 .figure = tui_figure_latency},
    [QUEUE] = {.kind = TUI_FIGURE,
               .title = "tasks that wait",
               .subtitle = tui_figure_span,
               .figure = tui_figure_queue},
    [OUTCOMES] = {.kind = TUI_FIGURE,
                  .title = "tasks/s",
                  .subtitle = tui_figure_span,
                  .figure = tui_figure_outcomes},
    [REFUSALS] = {.kind = TUI_FIGURE,
                  .title = "refused, failed/s",
                  .subtitle = tui_figure_span,
                  .figure = tui_figure_refusals},
    [ROUTES] = {.kind = TUI_LIST, .table = &tui_routes, .leads_to = "router"},
    [HOSTS] = {.kind = TUI_LIST, .table = &tui_hosts, .leads_to = "modules"},
    [DEPENDENCIES] = {.kind = TUI_LIST, .table = &tui_dependencies, .leads_to = "mesh"},
    [TENANTS] = {.kind = TUI_LIST,
                 .table = &tui_tenants,
                 .leads_to = "tasks",
                 .leads_by = "tenant"},
    [ATTENTION] = {.kind = TUI_LIST, .table = &tui_attention, .leads_to = "incidents"},
    [ACTIONS] = {.kind = TUI_LIST, .table = &tui_audit, .leads_to = "audit"},
};

/* One pane below the other; graphs when there are rows for them. */
static void place_narrow(struct tui_rect rect, struct tui_rect *out)
{
    out[SUMMARY] = tui_rect_top(&rect, 1);
    if (rect.rows >= 20) {
        struct tui_rect graphs = tui_rect_top(&rect, rect.rows >= 32 ? 8 : 5);
        out[LATENCY] = tui_rect_left(&graphs, graphs.cols / 2);
        tui_rect_left(&graphs, 1);
        out[QUEUE] = graphs;
        struct tui_rect rates = tui_rect_top(&rect, rect.rows >= 26 ? 5 : 3);
        out[OUTCOMES] = tui_rect_left(&rates, rates.cols / 2);
        tui_rect_left(&rates, 1);
        out[REFUSALS] = rates;
    }
    out[ACTIONS] = tui_rect_bottom(&rect, rect.rows >= 13 ? 3 : 0);
    out[ATTENTION] = tui_rect_bottom(&rect, rect.rows >= 10 ? 4 : 0);
    if (rect.rows >= 18)
        out[HOSTS] = tui_rect_bottom(&rect, rect.rows / 3);
    out[ROUTES] = rect;
}

/* Hosts, dependencies and tenants side by side below the routes. */
static void place_wide(struct tui_rect rect, struct tui_rect *out)
{
    out[SUMMARY] = tui_rect_top(&rect, 1);
    struct tui_rect graphs = tui_rect_top(&rect, rect.rows >= 34 ? rect.rows / 4 : 6);
    out[LATENCY] = tui_rect_left(&graphs, graphs.cols / 2);
    tui_rect_left(&graphs, 1);
    out[QUEUE] = graphs;
    struct tui_rect rates = tui_rect_top(&rect, rect.rows >= 24 ? 5 : 3);
    out[OUTCOMES] = tui_rect_left(&rates, rates.cols / 2);
    tui_rect_left(&rates, 1);
    out[REFUSALS] = rates;
    out[ACTIONS] = tui_rect_bottom(&rect, rect.rows >= 18 ? 4 : 3);
    out[ATTENTION] = tui_rect_bottom(&rect, rect.rows >= 18 ? 5 : 4);
    struct tui_rect lower = tui_rect_bottom(&rect, rect.rows >= 14 ? rect.rows * 2 / 5 : 0);
    out[TENANTS] = tui_rect_right(&lower, lower.cols / 4);
    tui_rect_right(&lower, 1);
    out[DEPENDENCIES] = tui_rect_right(&lower, lower.cols / 3);
    tui_rect_right(&lower, 1);
    out[HOSTS] = lower;
    out[ROUTES] = rect;
}

static void place(struct tui_rect rect, bool detail, struct tui_rect *out)
{
    (void)detail;
    if (rect.cols >= 120 && rect.rows >= 24)
        place_wide(rect, out);
    else
        place_narrow(rect, out);
}

const struct tui_view tui_view_overview = {
    .name = "overview",
    .title = "Overview",
    .sentence = "the whole mesh in one look: latency, queues, routes, hosts",
    .panes = panes,
    .pane_count = PANES,
    .first = ROUTES,
    .place = place,
    .help = "Latency is from acceptance to end. In the heat map a row is a class of latency, a "
            "column a stretch of time; the denser the sign, the more tasks.\n"
            "Enter on a route, host or tenant leads to the view that knows more.\n"
            "ATTENTION lists what is not as it should be right now.",
};
