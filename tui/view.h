/* Views: one file and one const entry each. A view is panes and a place for each; drawing,
 * keys, scrolling, filters, help and export are the same for all (app). Views read the scene
 * and draw cells: no ncurses, no calls. */
#ifndef TUI_VIEW_H
#define TUI_VIEW_H

#include "asks.h"
#include "list.h"
#include "pages.h"

enum { TUI_PANES_MAX = 14 };

/* By digit - 1. */
enum tui_view_place {
    TUI_OVERVIEW_VIEW,
    TUI_ROUTER_VIEW,
    TUI_TASKS_VIEW,
    TUI_MODULES_VIEW,
    TUI_INCIDENTS_VIEW,
    TUI_RETENTION_VIEW,
    TUI_AUDIT_VIEW,
    TUI_MESH_VIEW,
    TUI_VIEWS,
};

enum tui_pane_kind {
    TUI_FIGURE, /* drawn freely, takes no keys */
    TUI_LIST,
    TUI_PAGE,
};

struct tui_pane {
    enum tui_pane_kind kind;
    const char *title;
    const char *(*subtitle)(const struct tui_scene *scene); /* right of it; NULL = none */
    const struct tui_table *table;                          /* TUI_LIST */
    void (*figure)(struct tui_canvas *canvas, struct tui_rect rect,
                   const struct tui_scene *scene);
    /* TUI_PAGE. They are made anew only when the stamp changes, or the width. */
    void (*lines)(const struct tui_scene *scene, struct tui_lines *out);
    uint64_t (*stamp)(const struct tui_scene *scene);
    bool bare;    /* no rule above it */
    bool follows; /* a page that begins at its end */
    /* Where enter leads: a view's name. There the row of the same key is chosen, or, with
     * leads_by, the filter becomes "LEADS_BY:KEY", or the value of leads_column instead of the
     * key. NULL: the detail of this view opens. */
    const char *leads_to, *leads_by, *leads_column;
};

/* What a view wants to have asked while it is open. */
enum tui_want {
    TUI_WANT_TASKS = 1 << TUI_ASK_TASKS,
    TUI_WANT_TASK = 1 << TUI_ASK_TASK,
    TUI_WANT_OUTPUT = 1 << TUI_ASK_OUTPUT,
    TUI_WANT_POLICY = 1 << TUI_ASK_POLICY,
    TUI_WANT_OTHER_POLICY = 1 << TUI_ASK_OTHER_POLICY,
    TUI_WANT_REVISIONS = 1 << TUI_ASK_REVISIONS,
    TUI_WANT_HOSTS = 1 << TUI_ASK_HOSTS,
    TUI_WANT_PLAN = 1 << TUI_ASK_PLAN,
    TUI_WANT_AUDIT = 1 << TUI_ASK_AUDIT,
};

struct tui_view {
    const char *name, *title; /* "router", "Router" */
    const char *sentence;     /* for the palette and the help */
    const struct tui_pane *panes;
    size_t pane_count;
    size_t first; /* the pane that has the keys at first */
    /* Where each pane goes; rows 0 = hidden. `detail`: enter was pressed on a row. */
    void (*place)(struct tui_rect rect, bool detail, struct tui_rect *out);
    /* What a question is to be about, in the arena; "" = nothing: it is not asked. NULL for
     * views whose questions are about nothing in particular. */
    const char *(*about)(const struct tui_scene *scene, enum tui_ask ask);
    unsigned wants;        /* always */
    unsigned wants_detail; /* when a detail is open */
    /* What is asked and is of now while the rest of the view is of the past; the footer says it
     * then. Of a detail when wants_detail is set. NULL: nothing is. */
    const char *present;
    const char *help; /* what can be seen here, lines of a few sentences */
};

extern const struct tui_view tui_view_overview, tui_view_router, tui_view_tasks,
    tui_view_modules, tui_view_incidents, tui_view_retention, tui_view_audit, tui_view_mesh;
extern const struct tui_view *const tui_views[TUI_VIEWS];
/* By name or unambiguous beginning of it; -1: none. */
int tui_view_index(aion_str name);
/* A table of any view by its name, for `aion get`; NULL: none. */
const struct tui_table *tui_table_named(aion_str name);
/* All tables, each once; NULL behind the last. */
const struct tui_table *tui_table_nth(size_t index);

#endif
