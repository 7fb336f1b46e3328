/* rpc DrainHost: an admin takes a host out of service, or back into it.
 *
 * The wish is control's, not the stream's: it holds while the host goes and comes back, until
 * an admin takes it back or control ends. What runs there finishes; a host that drains by
 * itself (it is stopping) stays so whatever an admin says. */
#include "base/clock.h"
#include "control_private.h"

#include <stdlib.h>

enum { DRAINED_MAX = 1024, REASON_MAX = 256 };

struct control_drained {
    struct aion_link link; /* in control->drained_hosts */
    char host_id[64];
    char by[129], reason[REASON_MAX + 1];
    int64_t at_us; /* UTC */
};

const struct control_drained *control_drained_find(const struct control *control,
                                                   const char *host_id)
{
    aion_list_each (link, (struct aion_link *)(uintptr_t)&control->drained_hosts) {
        struct control_drained *drained = aion_container(link, struct control_drained, link);
        if (strcmp(drained->host_id, host_id) == 0)
            return drained;
    }
    return NULL;
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

static size_t count_drained(const struct control *control)
{
    size_t count = 0;
    aion_list_each (link, (struct aion_link *)(uintptr_t)&control->drained_hosts)
        count++;
    return count;
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
    if (!request->undrain && !drained && count_drained(control) >= DRAINED_MAX)
        return bad(err, AION_EXHAUSTED, "host_id", "1024 hosts are drained already");
    return true;
}

/* A new reason replaces the old one. */
static bool drain(struct control *control, const Aion__V1__DrainHostRequest *request,
                  aion_str by)
{
    struct control_drained *drained =
        (struct control_drained *)(uintptr_t)control_drained_find(control, request->host_id);
    if (drained == NULL) {
        drained = calloc(1, sizeof(*drained));
        if (drained == NULL)
            return false;
        aion_str_copy(drained->host_id, sizeof(drained->host_id),
                      aion_str_of(request->host_id));
        aion_list_add_last(&control->drained_hosts, &drained->link);
    }
    aion_str_copy(drained->by, sizeof(drained->by), by);
    aion_str_copy(drained->reason, sizeof(drained->reason), aion_str_of(request->reason));
    drained->at_us = aion_clock_utc_us();
    return true;
}

static void undrain(struct control *control, const char *host_id)
{
    struct control_drained *drained =
        (struct control_drained *)(uintptr_t)control_drained_find(control, host_id);
    if (drained == NULL)
        return;
    aion_list_remove(&drained->link);
    free(drained);
}

static void reply(struct mesh_call *call, const struct control_host *host, const char *host_id)
{
    Aion__V1__DrainHostReply answer = AION__V1__DRAIN_HOST_REPLY__INIT;
    Aion__V1__HostInfo absent = AION__V1__HOST_INFO__INIT;
    struct aion_arena arena;
    aion_arena_init(&arena, 4 << 20, NULL, 0);
    absent.host_id = (char *)(uintptr_t)host_id;
    answer.host = host != NULL ? control_host_info(host, &arena) : &absent;
    aion_v1_hosts_drain_host_reply(call, &answer);
    aion_arena_done(&arena);
}

static void tell(struct mesh_call *call, const Aion__V1__DrainHostRequest *request)
{
    struct control_deed deed = control_deed_of(call);
    char target[160];
    snprintf(target, sizeof(target), "host/%.128s", request->host_id);
    deed.target = aion_str_of(target);
    deed.detail = request->undrain ? AION_STR("undrained") : AION_STR("drained");
    deed.reason = aion_str_of(request->reason);
    control_audit_note(mesh_service(call), &deed, "done");
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
    if (request->undrain) {
        undrain(control, request->host_id);
    } else if (!drain(control, request, mesh_principal(call)->subject)) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    struct control_host *host = find_host(control, request->host_id);
    tell(call, request);
    if (host != NULL)
        apply(host);
    reply(call, host, request->host_id);
    control_dispatch(control);
}
