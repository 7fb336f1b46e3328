/* The table of views, and the tables that can be named. */
#include "tables.h"
#include "view.h"

const struct tui_view *const tui_views[TUI_VIEWS] = {
    [TUI_OVERVIEW_VIEW] = &tui_view_overview,   [TUI_ROUTER_VIEW] = &tui_view_router,
    [TUI_TASKS_VIEW] = &tui_view_tasks,         [TUI_MODULES_VIEW] = &tui_view_modules,
    [TUI_INCIDENTS_VIEW] = &tui_view_incidents, [TUI_RETENTION_VIEW] = &tui_view_retention,
    [TUI_AUDIT_VIEW] = &tui_view_audit,         [TUI_MESH_VIEW] = &tui_view_mesh,
};

int tui_view_index(aion_str name)
{
    int found = -1;
    for (int i = 0; i < TUI_VIEWS; i++) {
        aion_str own = aion_str_of(tui_views[i]->name);
        if (aion_str_eq(own, name))
            return i;
        if (name.size > 0 && aion_str_starts(own, name))
            found = found < 0 ? i : TUI_VIEWS;
    }
    return found < TUI_VIEWS ? found : -1;
}

static const struct tui_table *const tables[] = {
    &tui_mesh_table, &tui_routes,       &tui_tasks,        &tui_hosts,     &tui_modules,
    &tui_offers,     &tui_queues,       &tui_tenants,      &tui_methods,   &tui_edges,
    &tui_processes,  &tui_dependencies, &tui_certificates, &tui_attention, &tui_task_events,
    &tui_decisions,  &tui_audit,        &tui_happenings,   &tui_revisions, &tui_plan,
    &tui_log,
};

const struct tui_table *tui_table_nth(size_t index)
{
    return index < aion_countof(tables) ? tables[index] : NULL;
}

const struct tui_table *tui_table_named(aion_str name)
{
    for (size_t i = 0; i < aion_countof(tables); i++)
        if (aion_str_is(name, tables[i]->name))
            return tables[i];
    return NULL;
}
