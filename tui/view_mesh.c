/* View 8: the programs of the mesh, what they call, how long it takes, what they stand on. */
#include "tables.h"
#include "view.h"

enum { EDGES, METHODS, PROCESSES, CERTIFICATES, DEPENDENCIES, PANES };

static const struct tui_pane panes[PANES] = {
    [EDGES] = {.kind = TUI_LIST, .table = &tui_edges},
    [METHODS] = {.kind = TUI_LIST, .table = &tui_methods},
    [PROCESSES] = {.kind = TUI_LIST, .table = &tui_processes},
    [CERTIFICATES] = {.kind = TUI_LIST, .table = &tui_certificates},
    [DEPENDENCIES] = {.kind = TUI_LIST, .table = &tui_dependencies},
};

static void place(struct tui_rect rect, bool detail, struct tui_rect *out)
{
    (void)detail;
    if (rect.cols >= 120) {
        struct tui_rect right = tui_rect_right(&rect, rect.cols * 2 / 5);
        tui_rect_right(&rect, 1);
        out[DEPENDENCIES] = tui_rect_bottom(&right, right.rows / 4);
        out[CERTIFICATES] = tui_rect_bottom(&right, right.rows / 2);
        out[PROCESSES] = right;
        out[METHODS] = tui_rect_bottom(&rect, rect.rows / 2);
    } else {
        out[CERTIFICATES] = tui_rect_bottom(&rect, rect.rows >= 16 ? rect.rows / 5 : 0);
        out[PROCESSES] = tui_rect_bottom(&rect, rect.rows / 3);
        out[METHODS] = tui_rect_bottom(&rect, rect.rows / 3);
    }
    out[EDGES] = rect;
}

const struct tui_view tui_view_mesh = {
    .name = "mesh",
    .title = "Mesh",
    .sentence = "edges with latency and ejections, methods, processes, certificates",
    .panes = panes,
    .pane_count = PANES,
    .first = EDGES,
    .place = place,
    .help = "An edge is one program's connection to another at one address. EJECTED: it failed "
            "too often and is left out for a while; BREAKER: too many calls are under way.\n"
            "LOOP is the longest handler of the last second, in CPU time; 0: none took 0.5 ms.",
};
