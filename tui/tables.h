/* The tables of the views, each declared once and used wherever it is shown or exported. */
#ifndef TUI_TABLES_H
#define TUI_TABLES_H

#include "table.h"

#include "aion/v1/modules.schema.h"
#include "aion/v1/router.schema.h"

/* -- rows of telemetry (tables_entity.c) ----------------------------------- */
extern const struct tui_table tui_routes, tui_hosts, tui_modules, tui_queues, tui_tenants,
    tui_methods, tui_edges, tui_dependencies, tui_certificates, tui_processes, tui_mesh_table;
/* Whatever is not as it should be, of every kind (tables_attention.c). */
extern const struct tui_table tui_attention;
/* -- events (tables_event.c) ----------------------------------------------- */
extern const struct tui_table tui_decisions, tui_audit, tui_happenings, tui_task_events,
    tui_tasks;
/* Made of events alone: nothing is kept of what nobody listened to. */
bool tui_is_events_table(const struct tui_table *table);
/* The table that lists events of a kind; NULL: none. */
const struct tui_table *tui_events_table(enum tui_record_kind kind);
/* -- answers (tables_answer.c) --------------------------------------------- */
extern const struct tui_table tui_revisions, tui_plan, tui_offers;
/* All files of a policy one below the other, in the arena. */
aion_str tui_policy_text(const Aion__V1__Policy *policy, struct aion_arena *arena);
/* What control said of a host when it was asked last; NULL: nothing. */
const Aion__V1__HostInfo *tui_host_of(const struct tui_answers *answers, const char *host_id);
/* -- the kept log (tables_log.c) ------------------------------------------- */
#define TUI_LOG_NOW "now" /* TUI_ASK_AUDIT is about this, or about a UTC second of the past */
extern const struct tui_table tui_log;
/* "writer:number", in the arena. */
const char *tui_log_key(const struct tui_scene *scene, const Aion__V1__AuditLine *line);
/* The line of this key among those listed; NULL: none. */
const Aion__V1__AuditLine *tui_log_line(const struct tui_scene *scene, const char *key);

#endif
