/* rpc Watch: who reads what, from when, how often. */
#include "base/clock.h"
#include "control_private.h"
#include "program/program.h"

#include <stdlib.h>

enum { READERS_MAX = 1024, REPLAYS_MAX = 32, RATE_MAX = 10 };

/* -- what a request may be ---------------------------------------------------------- */
static bool bad(struct aion_err *err, const char *field, const char *text)
{
    aion_err_set(err, __func__, AION_INVALID, "%s", text);
    aion_err_field(err, "%s", field);
    return false;
}

bool control_ops_kinds(const Aion__V1__OpsKind *kinds, size_t count, uint32_t *ret_kinds,
                       struct aion_err *err)
{
    *ret_kinds = count == 0 ? (uint32_t)OPS_ALL_KINDS : 0;
    for (size_t i = 0; i < count; i++) {
        if ((int)kinds[i] <= OPS_NONE || (int)kinds[i] >= OPS_KINDS)
            return bad(err, "kinds", "kinds: there is no such kind");
        *ret_kinds |= (uint32_t)1 << kinds[i];
    }
    return true;
}

static bool sees_all(const struct mesh_call *call)
{
    return mesh_principal(call)->role >= MESH_ROLE_MANAGER;
}

void control_ops_own_tenant(const struct mesh_call *call, char *out, size_t size)
{
    aion_str tenant = sees_all(call) ? (aion_str){0} : mesh_principal(call)->tenant;
    if (!sees_all(call) && tenant.size == 0)
        tenant = AION_STR("default"); /* nobody's: it sees no other's */
    aion_str_copy(out, size, tenant);
}

static bool check_request(const Aion__V1__OpsWatchRequest *request, struct aion_err *err)
{
    if (request->rate_hz > RATE_MAX)
        return bad(err, "rate_hz", "rate_hz is more than 10");
    if (request->span_ms != 0 && request->span_ms != 1000 && request->span_ms != 10000)
        return bad(err, "span_ms", "span_ms is neither 1000 nor 10000");
    if (request->from_us < 0 || request->until_us < 0 ||
        (request->until_us > 0 && request->until_us < request->from_us))
        return bad(err, "until_us", "from_us and until_us are no span of time");
    return true;
}

static bool copy_text(char out[OPS_EVENT_TEXT_MAX + 1], const char *text, const char *field,
                      struct aion_err *err)
{
    return aion_str_copy(out, OPS_EVENT_TEXT_MAX + 1, aion_str_of(text)) ||
           bad(err, field, "a filter's text has more than 96 bytes");
}

static bool add_bit(uint32_t *bits, int bit, int count, const char *field, struct aion_err *err)
{
    if (bit < 0 || bit >= count)
        return bad(err, field, "a filter names what does not exist");
    *bits |= (uint32_t)1 << bit;
    return true;
}

static bool check_tenant(const struct mesh_call *call, struct ops_event_filter *filter,
                         struct aion_err *err)
{
    char own[OPS_EVENT_TEXT_MAX + 1];
    control_ops_own_tenant(call, own, sizeof(own));
    if (own[0] == '\0')
        return true;
    if (filter->all)
        return aion_fail(err, AION_DENIED, "events.all is for managers and admins");
    if (filter->tenant[0] != '\0' && strcmp(filter->tenant, own) != 0)
        return aion_fail(err, AION_DENIED, "users see the events of their own tenant");
    memcpy(filter->tenant, own, sizeof(own));
    return true;
}

static bool make_filter(const struct mesh_call *call, const Aion__V1__OpsEventFilter *from,
                        struct ops_event_filter *filter, struct aion_err *err)
{
    *filter = (struct ops_event_filter){.all = from->all};
    uint32_t asked = from->per_second_max;
    bool may = asked > 0 && (asked < OPS_EVENTS_RATE || sees_all(call));
    filter->per_second_max = may ? asked : (uint32_t)OPS_EVENTS_RATE;
    for (size_t i = 0; i < from->n_states; i++)
        if (!add_bit(&filter->states, (int)from->states[i], OPS_EVENT_STATES, "events.states",
                     err))
            return false;
    for (size_t i = 0; i < from->n_kinds; i++)
        if (!add_bit(&filter->kinds, (int)from->kinds[i], OPS_EVENT_KINDS, "events.kinds", err))
            return false;
    return copy_text(filter->tenant, from->tenant, "events.tenant", err) &&
           copy_text(filter->intent, from->intent, "events.intent", err) &&
           copy_text(filter->route, from->route, "events.route", err) &&
           copy_text(filter->host, from->host, "events.host", err) &&
           copy_text(filter->text, from->text, "events.text", err) &&
           check_tenant(call, filter, err);
}

/* -- hello -------------------------------------------------------------------------- */
static void say_hello(struct control_ops_reader *reader)
{
    struct control *control = reader->control;
    const struct mesh_principal *principal = mesh_principal(reader->call);
    Aion__V1__OpsWatchReply reply = AION__V1__OPS_WATCH_REPLY__INIT;
    Aion__V1__OpsHello hello = AION__V1__OPS_HELLO__INIT;
    struct aion_arena *arena = mesh_arena(reader->call);
    char *roles[] = {(char *)(uintptr_t)mesh_role_name(principal->role)};
    char *subject = aion_arena_text(arena, principal->subject);
    char *tenant = aion_arena_text(arena, principal->tenant);
    hello.control = (char *)(uintptr_t)AION_VERSION;
    if (control->program != NULL)
        hello.instance = control->program->instance;
    hello.environment = (char *)(uintptr_t)control->conf->environment;
    if (subject != NULL && tenant != NULL) {
        hello.subject = subject;
        hello.tenant = tenant;
    }
    hello.roles = roles;
    hello.n_roles = 1;
    hello.oldest_us = control_past_oldest_us(control->ops->past);
    hello.read_only = principal->role < MESH_ROLE_MANAGER;
    reply.server_us = aion_clock_utc_us();
    reply.body_case = AION__V1__OPS_WATCH_REPLY__BODY_HELLO;
    reply.hello = &hello;
    aion_v1_ops_watch_send(reader->call, &reply);
}

/* -- the call ----------------------------------------------------------------------- */
static struct control_ops_reader *reader_new(struct mesh_call *call,
                                             const Aion__V1__OpsWatchRequest *request)
{
    struct control *control = mesh_service(call);
    struct control_ops_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        return NULL;
    reader->control = control;
    reader->call = call;
    reader->rate_hz = request->rate_hz > 0 ? request->rate_hz : 1;
    reader->until_us = request->until_us;
    reader->joined = request->joined;
    aion_list_init(&reader->in_view);
    aion_list_init(&reader->in_tail);
    aion_list_add_last(&control->ops->readers, &reader->link);
    control->ops->reader_count++;
    mesh_set_user(call, reader);
    return reader;
}

static void reader_free(struct control_ops_reader *reader)
{
    mesh_set_user(reader->call, NULL);
    if (reader->replay != NULL)
        control_ops_replay_end(reader);
    control_ops_leave_view(reader);
    control_ops_leave_tail(reader);
    aion_list_remove(&reader->link);
    reader->control->ops->reader_count--;
    free(reader);
}

static bool check_room(const struct control_ops *ops, bool past, struct aion_err *err)
{
    if (ops->ended)
        return aion_fail(err, AION_UNAVAILABLE, "control is stopping");
    if (ops->reader_count >= READERS_MAX)
        return aion_fail(err, AION_EXHAUSTED, "%zu consoles watch already", ops->reader_count);
    if (past && ops->replay_count >= REPLAYS_MAX)
        return aion_fail(err, AION_EXHAUSTED, "%zu consoles read the past already; try again",
                         ops->replay_count);
    return true;
}

void control_ops_watch(struct mesh_call *call, const Aion__V1__OpsWatchRequest *request)
{
    struct control *control = mesh_service(call);
    struct ops_event_filter filter;
    struct aion_err err;
    uint32_t kinds;
    if (!check_request(request, &err) ||
        !check_room(control->ops, request->from_us > 0, &err) ||
        !control_ops_kinds(request->kinds, request->n_kinds, &kinds, &err) ||
        (request->events != NULL && !make_filter(call, request->events, &filter, &err))) {
        mesh_fail_with(call, &err);
        return;
    }
    struct control_ops_reader *reader = reader_new(call, request);
    if (reader == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    reader->kinds = kinds;
    control_ops_own_tenant(call, reader->tenant, sizeof(reader->tenant));
    say_hello(reader);
    if (request->events != NULL && !control_ops_tail_join(reader, &filter, &err))
        mesh_fail_with(call, &err);
    else if (request->from_us > 0)
        control_ops_replay_begin(reader, request->from_us, request->span_ms);
    else
        control_ops_join(reader);
}

void control_ops_watch_writable(struct mesh_call *call)
{
    struct control_ops_reader *reader = mesh_user(call);
    if (reader == NULL)
        return;
    reader->full = false;
    if (reader->replay != NULL)
        control_ops_replay_writable(reader);
    else
        control_ops_tail_writable(reader);
}

void control_ops_watch_done(struct mesh_call *call, bool cancelled)
{
    (void)cancelled;
    if (mesh_user(call) != NULL)
        reader_free(mesh_user(call));
}

void control_ops_readers_end(struct control *control)
{
    while (!aion_list_empty(&control->ops->readers)) {
        struct control_ops_reader *reader =
            aion_container(control->ops->readers.next, struct control_ops_reader, link);
        struct mesh_call *call = reader->call;
        reader_free(reader);
        mesh_fail(call, AION_UNAVAILABLE, "control is stopping");
    }
}
