/* rpc DrainHost: an admin takes a host out of service, or back into it.
 *
 * The wish is a row of the store, beside the holds: it stays until an admin takes it back,
 * whichever hosts and controls come and go meanwhile, and is known to every control within a
 * second. What runs there finishes; a host that drains by itself (it is stopping) stays so
 * whatever an admin says. */
#include "base/clock.h"
#include "control_private.h"

#include <stdio.h>
#include <stdlib.h>

enum { DRAINED_MAX = 1024, REASON_MAX = 256, ROW_ID_MAX = 80 };

#define ROW_PREFIX "host:"

struct control_drained {
    struct aion_link link; /* in control->drained_hosts */
    char host_id[64];
    char by[129], reason[REASON_MAX + 1];
    int64_t at_us;  /* UTC */
    uint64_t round; /* of polls: a list that was asked for in a later one has it */
};

static struct control_drained *find_drained(const struct control *control, const char *host_id)
{
    aion_list_each (link, (struct aion_link *)(uintptr_t)&control->drained_hosts) {
        struct control_drained *drained = aion_container(link, struct control_drained, link);
        if (strcmp(drained->host_id, host_id) == 0)
            return drained;
    }
    return NULL;
}

const struct control_drained *control_drained_find(const struct control *control,
                                                   const char *host_id)
{
    return find_drained(control, host_id);
}

void control_drained_done(struct control *control)
{
    while (!aion_list_empty(&control->drained_hosts)) {
        struct control_drained *drained =
            aion_container(control->drained_hosts.next, struct control_drained, link);
        aion_list_remove(&drained->link);
        free(drained);
    }
}

void control_drained_tell(const struct control *control, Aion__V1__HostInfo *info,
                          struct aion_arena *arena)
{
    const struct control_drained *drained = control_drained_find(control, info->host_id);
    if (drained == NULL)
        return;
    info->drain_reason = aion_arena_text(arena, aion_str_of(drained->reason));
    info->drained_by = aion_arena_text(arena, aion_str_of(drained->by));
    info->drained_at = control_timestamp(arena, drained->at_us);
}

/* -- what follows from it ----------------------------------------------------------- */
static void apply(struct control_host *host)
{
    const struct control_drained *drained = control_drained_find(host->control, host->host_id);
    bool before = host->draining;
    host->draining = host->drains_itself || drained != NULL;
    control_host_refresh(host);
    if (host->draining == before)
        return;
    if (drained != NULL)
        control_ops_host_changed(host, "draining", aion_str_of(drained->by),
                                 aion_str_of(drained->reason));
    else if (host->draining)
        control_ops_host_changed(host, "draining", (aion_str){0}, AION_STR("by its own wish"));
    else
        control_ops_host_changed(host, "undrained", (aion_str){0}, (aion_str){0});
}

void control_host_drain(struct control_host *host, bool by_itself)
{
    host->drains_itself = by_itself;
    apply(host);
}

static struct control_host *find_host(struct control *control, const char *host_id)
{
    aion_list_each (link, &control->hosts) {
        struct control_host *host = aion_container(link, struct control_host, link);
        if (strcmp(host->host_id, host_id) == 0)
            return host;
    }
    return NULL;
}

/* -- the call ----------------------------------------------------------------------- */
static bool bad(struct aion_err *err, enum aion_code code, const char *field, const char *text)
{
    aion_err_set(err, __func__, code, "%s", text);
    aion_err_field(err, "%s", field);
    return false;
}

static bool not_found(const char *host_id, struct aion_err *err)
{
    aion_err_set(err, __func__, AION_NOT_FOUND,
                 "no host '%.128s' is attached: ListHosts names those that are", host_id);
    aion_err_reason(err, "HOST_NOT_FOUND");
    aion_err_field(err, "host_id");
    return false;
}

static bool check(struct control *control, const Aion__V1__DrainHostRequest *request,
                  struct aion_err *err)
{
    size_t reason = strlen(request->reason);
    bool drained = control_drained_find(control, request->host_id) != NULL;
    if (reason < 1 || reason > REASON_MAX)
        return bad(err, AION_INVALID, "reason", "reason has 1 to 256 bytes: say why");
    if (find_host(control, request->host_id) == NULL && !drained)
        return not_found(request->host_id, err);
    if (!request->undrain && !drained &&
        aion_list_count(&control->drained_hosts) >= DRAINED_MAX)
        return bad(err, AION_EXHAUSTED, "host_id", "1024 hosts are drained already");
    return true;
}

/* A new reason replaces the old one. */
static void keep(struct control *control, const char *host_id, const struct store_hold *row)
{
    struct control_drained *drained = find_drained(control, host_id);
    if (drained == NULL) {
        drained = calloc(1, sizeof(*drained));
        if (drained == NULL)
            abort();
        aion_str_copy(drained->host_id, sizeof(drained->host_id), aion_str_of(host_id));
        aion_list_add_last(&control->drained_hosts, &drained->link);
    }
    aion_str_copy(drained->by, sizeof(drained->by), row->changed_by);
    aion_str_copy(drained->reason, sizeof(drained->reason), row->reason);
    drained->at_us = row->at_us;
    drained->round = control->polls.round;
}

static void forget(struct control_drained *drained)
{
    aion_list_remove(&drained->link);
    free(drained);
}

static void apply_to(struct control *control, const char *host_id)
{
    struct control_host *host = find_host(control, host_id);
    if (host != NULL)
        apply(host);
}

/* -- rows --------------------------------------------------------------------------- */
static bool host_of(const struct store_hold *row, char host_id[64])
{
    aion_str prefix = AION_STR(ROW_PREFIX);
    if (row->kind != STORE_HOLD_HOST || !aion_str_starts(row->id, prefix))
        return false;
    return aion_str_copy(host_id, 64,
                         aion_str_n(row->id.data + prefix.size, row->id.size - prefix.size));
}

static bool is_listed(const struct store_hold_list *list, const char *host_id)
{
    char listed[64];
    for (size_t i = 0; i < list->count; i++)
        if (host_of(&list->holds[i], listed) && strcmp(listed, host_id) == 0)
            return true;
    return false;
}

void control_drains_take(struct control *control, const struct store_hold_list *list)
{
    char host_id[64];
    for (size_t i = 0; i < list->count; i++) {
        const struct store_hold *row = &list->holds[i];
        if (!host_of(row, host_id))
            continue;
        const struct control_drained *known = control_drained_find(control, host_id);
        if (known != NULL &&
            (known->at_us == row->at_us || known->round >= control->polls.round))
            continue;
        keep(control, host_id, row);
        apply_to(control, host_id);
    }
    aion_list_each_safe (link, &control->drained_hosts) {
        struct control_drained *drained = aion_container(link, struct control_drained, link);
        if (drained->round >= control->polls.round || is_listed(list, drained->host_id))
            continue;
        aion_str_copy(host_id, sizeof(host_id), aion_str_of(drained->host_id));
        forget(drained);
        apply_to(control, host_id);
    }
}

/* A call whose row is being written. */
struct draining {
    struct control *control;
    struct mesh_call *call; /* held */
    char host_id[64], row_id[ROW_ID_MAX];
    union {
        struct store_op op;
        struct store_hold_put put;
        struct store_hold_drop drop;
    } as;
};

static void reply(struct draining *draining)
{
    Aion__V1__DrainHostReply answer = AION__V1__DRAIN_HOST_REPLY__INIT;
    Aion__V1__HostInfo absent = AION__V1__HOST_INFO__INIT;
    struct control_host *host = find_host(draining->control, draining->host_id);
    struct aion_arena arena;
    aion_arena_init(&arena, 4 << 20, NULL, 0);
    absent.host_id = draining->host_id;
    answer.host = host != NULL ? control_host_info(host, &arena) : &absent;
    aion_v1_hosts_drain_host_reply(draining->call, &answer);
    aion_arena_done(&arena);
}

static void draining_end(struct draining *draining, const struct aion_err *err)
{
    if (err != NULL) {
        mesh_fail_with(draining->call, err);
    } else {
        apply_to(draining->control, draining->host_id);
        reply(draining);
        control_dispatch(draining->control);
    }
    mesh_drop(draining->call);
    free(draining);
}

static void row_put(struct store_op *op, const struct aion_err *err)
{
    struct draining *draining = aion_container(op, struct draining, as.op);
    if (err == NULL)
        keep(draining->control, draining->host_id, &draining->as.put.hold);
    draining_end(draining, err);
}

static void row_dropped(struct store_op *op, const struct aion_err *err)
{
    struct draining *draining = aion_container(op, struct draining, as.op);
    struct control_drained *drained = find_drained(draining->control, draining->host_id);
    if (err == NULL && drained != NULL)
        forget(drained);
    draining_end(draining, err);
}

/* The texts are the call's: it is held. */
static void write_row(struct draining *draining, const Aion__V1__DrainHostRequest *request)
{
    struct aion_err err;
    snprintf(draining->row_id, sizeof(draining->row_id), ROW_PREFIX "%s", draining->host_id);
    aion_str id = aion_str_of(draining->row_id);
    if (request->undrain)
        draining->as.drop = (struct store_hold_drop){.op.done = row_dropped, .id = id};
    else
        draining->as.put = (struct store_hold_put){
            .op.done = row_put,
            .hold = {.id = id,
                     .kind = STORE_HOLD_HOST,
                     .at_us = aion_clock_utc_us(),
                     .changed_by = mesh_principal(draining->call)->subject,
                     .reason = aion_str_of(request->reason)}};
    struct control_deed deed = control_deed_of(draining->call);
    char target[160];
    snprintf(target, sizeof(target), "host/%.128s", draining->host_id);
    deed.target = aion_str_of(target);
    deed.reason = aion_str_of(request->reason);
    deed.detail = aion_str_of(request->undrain ? "undrained" : "drained");
    if (!control_audit_effect(draining->control, &deed, &draining->as.op,
                              request->undrain ? STORE_HOLD_DROP : STORE_HOLD_PUT, &err))
        draining_end(draining, &err);
}

void control_drain_host(struct mesh_call *call, const Aion__V1__DrainHostRequest *request)
{
    struct control *control = mesh_service(call);
    struct aion_err err;
    mesh_note(call, "host_id", aion_str_of(request->host_id));
    if (!check(control, request, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    struct draining *draining = calloc(1, sizeof(*draining));
    if (draining == NULL)
        abort();
    draining->control = control;
    draining->call = mesh_hold(call);
    aion_str_copy(draining->host_id, sizeof(draining->host_id), aion_str_of(request->host_id));
    write_row(draining, request);
}
