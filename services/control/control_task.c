/* Tasks: their state, their timers, where they wait, and how they are found. */
#include "base/clock.h"
#include "codec/message.h"
#include "control_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { ASLEEP_TICK_US = 100000 };

_Static_assert((int)TASK_DEAD == (int)STORE_DEAD && (int)TASK_HELD == (int)STORE_HELD &&
                   (int)TASK_DEAD == (int)AION__V1__TASK_STATE__TASK_STATE_DEAD,
               "states have the same numbers in memory, in the store and on the wire");

void control_move_at(struct control *control, struct control_task *task,
                     enum control_event event, int64_t at_us)
{
    enum control_state next = control_state_next(task->state, event);
    assert(next != TASK_NONE);
    control_count_state(task->state, -1);
    control_count_state(next, 1);
    task->state = next;
    task->updated_us = at_us;
    control_ops_moved(control, task, event);
    control_gauge_queue(control);
}

void control_move(struct control *control, struct control_task *task, enum control_event event)
{
    control_move_at(control, task, event, aion_clock_utc_us());
}

/* -- timers ------------------------------------------------------------------------- */
static void set_tick(struct control *control)
{
    const struct aion_heap_node *deadline = aion_heap_first(&control->deadlines);
    const struct aion_heap_node *due = aion_heap_first(&control->dues);
    if (deadline == NULL && due == NULL) {
        mesh_timer_cancel(control->loop, &control->tick);
        return;
    }
    int64_t at_us = deadline != NULL ? deadline->key : due->key;
    if (due != NULL && due->key < at_us)
        at_us = due->key;
    mesh_timer_set(control->loop, &control->tick, at_us);
}

void control_due_at(struct control *control, struct control_task *task, int64_t at_us)
{
    aion_heap_set(&control->dues, &task->due, at_us);
    if (aion_heap_first(&control->dues) == &task->due)
        set_tick(control);
}

/* The tick may come for nothing then: cheaper than setting it for every task that ends in time.
 */
void control_due_never(struct control *control, struct control_task *task)
{
    aion_heap_remove(&control->dues, &task->due);
}

/* The deadline is a moment of UTC; the distance to it is measured once, so that a clock that is
 * set later moves nothing. */
void control_deadline_set(struct control *control, struct control_task *task)
{
    int64_t in_us = task->deadline_us - aion_clock_utc_us();
    aion_heap_set(&control->deadlines, &task->deadline,
                  mesh_loop_now(control->loop) + (in_us > 0 ? in_us : 0));
    if (aion_heap_first(&control->deadlines) == &task->deadline)
        set_tick(control);
}

/* A control that sleeps decides nothing: another may have the tasks. */
static void tick(struct mesh_timer *timer)
{
    struct control *control = aion_container(timer, struct control, tick);
    int64_t now_us = mesh_loop_now(control->loop);
    struct aion_heap_node *node;
    if (!control_shards_awake(control)) {
        mesh_timer_set(control->loop, timer, now_us + ASLEEP_TICK_US);
        return;
    }
    while ((node = aion_heap_first(&control->deadlines)) != NULL && node->key <= now_us) {
        aion_heap_remove(&control->deadlines, node);
        control_expire(control, aion_container(node, struct control_task, deadline));
    }
    while ((node = aion_heap_first(&control->dues)) != NULL && node->key <= now_us) {
        aion_heap_remove(&control->dues, node);
        control_due(control, aion_container(node, struct control_task, due));
    }
    set_tick(control);
}

void control_timers_init(struct control *control)
{
    aion_heap_init(&control->deadlines);
    aion_heap_init(&control->dues);
    control->tick.fire = tick;
}

/* -- waiting ------------------------------------------------------------------------ */
/* Of the modules that the router named, the first that a host has; the first of all while none
 * has one. */
static void choose_module(struct control *control, struct control_task *task)
{
    struct aion_arena arena;
    char first[4096];
    aion_arena_init(&arena, 65536, first, sizeof(first));
    const Aion__V1__Decision *decision = (const Aion__V1__Decision *)codec_unpack(
        &aion__v1__decision__schema, control_bytes_view(&task->decision), NULL, &arena, NULL);
    size_t count = decision != NULL ? decision->n_fallbacks : 0;
    for (size_t i = 0; i <= count; i++) {
        const char *module = i == 0 ? task->module : decision->fallbacks[i - 1];
        aion_list_each (link, &control->hosts) {
            const struct control_host *host = aion_container(link, struct control_host, link);
            if (control_host_offer(host, task->pool, module) == NULL)
                continue;
            if (module != task->module)
                aion_str_copy(task->module, sizeof(task->module), aion_str_of(module));
            aion_arena_done(&arena);
            return;
        }
    }
    aion_arena_done(&arena);
}

static bool any_host_has(const struct control *control, const struct control_task *task)
{
    aion_list_each (link, &control->hosts) {
        const struct control_host *host = aion_container(link, struct control_host, link);
        if (control_host_offer(host, task->pool, task->module) != NULL)
            return true;
    }
    return false;
}

void control_enqueue(struct control *control, struct control_task *task)
{
    if (control_hold_take(control, task))
        return; /* its place in the bounds it keeps */
    control_sched_unreserve(&control->sched, &task->ticket);
    if (!control_shard_opened(control, store_seq_shard(task->seq)))
        return; /* its next owner does it */
    if (!aion_list_empty(&control->hosts) && !any_host_has(control, task))
        choose_module(control, task);
    task->queued_us = mesh_loop_now(control->loop);
    struct control_sched_place place = control_task_place(task);
    control_sched_add(&control->sched, &task->queued, &place, task->priority - 1,
                      control_task_bytes(task), task->queued_us);
    control_dispatch(control);
    control_gauge_queue(control);
}

void control_dequeue(struct control *control, struct control_task *task)
{
    control_sched_unreserve(&control->sched, &task->ticket);
    control_sched_remove(&control->sched, &task->queued);
    control_hold_forget(task);
    aion_list_remove(&task->unrouted);
    control_due_never(control, task);
}

/* -- forms -------------------------------------------------------------------------- */
bool control_decision_labels(const Aion__V1__Decision *decision, char out[TASK_LABELS_MAX])
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < decision->n_labels; i++) {
        int size = snprintf(out + used, TASK_LABELS_MAX - used, "%s%s", i > 0 ? "," : "",
                            decision->labels[i]);
        if (size < 0 || (size_t)size >= TASK_LABELS_MAX - used)
            return false;
        used += (size_t)size;
    }
    return true;
}

static bool set_labels(struct control_task *task, const Aion__V1__Decision *decision)
{
    char labels[TASK_LABELS_MAX];
    if (!control_decision_labels(decision, labels))
        return false;
    free(task->labels);
    task->labels = labels[0] != '\0' ? strdup(labels) : NULL;
    if (labels[0] != '\0' && task->labels == NULL)
        abort();
    return true;
}

bool control_task_decide(struct control_task *task, aion_str decision)
{
    struct aion_arena arena;
    char first[4096];
    aion_arena_init(&arena, 65536, first, sizeof(first));
    const Aion__V1__Decision *message = (const Aion__V1__Decision *)codec_unpack(
        &aion__v1__decision__schema, decision, NULL, &arena, NULL);
    bool good = message != NULL && message->engine != NULL &&
                aion_str_copy(task->module, sizeof(task->module),
                              aion_str_of(message->engine->module)) &&
                aion_str_copy(task->pool, sizeof(task->pool), aion_str_of(message->pool)) &&
                set_labels(task, message);
    if (good) {
        task->attempts_max = message->attempts_max > 0 ? message->attempts_max : 1;
        task->repeat_unsafe = message->repeat_unsafe;
        task->timeout_us = message->timeout_us > 0 ? message->timeout_us : 60000000;
        control_ops_decided(task, message);
    }
    aion_arena_done(&arena);
    return good;
}

struct control_task *control_task_load(struct control *control, const struct store_task *stored)
{
    struct control_task *task = control_task_new(&stored->id, stored->tenant, stored->intent);
    task->control = control;
    task->state = (enum control_state)stored->state;
    task->priority = stored->priority;
    task->seq = stored->seq;
    task->marks = stored->marks;
    task->created_us = stored->created_us;
    task->updated_us = stored->updated_us;
    task->deadline_us = stored->deadline_us;
    task->epoch = stored->token.epoch;
    task->attempt = stored->token.attempt;
    aion_str_copy(task->host_id, sizeof(task->host_id), stored->host);
    control_bytes_set(&task->meta, stored->meta);
    control_bytes_set(&task->key_id, stored->key_id);
    control_bytes_set(&task->decision, stored->decision.bytes);
    control_bytes_set(&task->result, stored->result);
    if (stored->error.code != 0) {
        struct control_error error;
        control_error_set(&error, stored->error.code, stored->error.reason,
                          stored->error.message);
        control_task_set_error(task, &error);
    }
    task->usage = (struct control_usage){stored->usage.queue_us, stored->usage.run_us,
                                         stored->usage.tokens_in, stored->usage.tokens_out,
                                         stored->usage.cost_nano_usd};
    task->stream_digest_known = stored->stream_digest.size == sizeof(task->stream_digest);
    if (task->stream_digest_known)
        memcpy(task->stream_digest, stored->stream_digest.data, sizeof(task->stream_digest));
    control_log_load(&task->log, stored->cursor, stored->acked, stored->chunk_sequence);
    if (stored->decision.bytes.size > 0)
        control_task_decide(task, stored->decision.bytes);
    return task;
}

void control_task_view(const struct control_task *task, struct store_task *ret_view)
{
    *ret_view = (struct store_task){
        .id = task->id,
        .seq = task->seq,
        .tenant = task->tenant,
        .intent = task->intent,
        .state = (enum store_state)task->state,
        .priority = task->priority,
        .token = {task->epoch, task->attempt},
        .created_us = task->created_us,
        .updated_us = task->updated_us,
        .deadline_us = task->deadline_us,
        .cursor = task->log.committed,
        .error = {task->error->code, aion_str_of(task->error->reason),
                  aion_str_of(task->error->message)},
        .usage = {task->usage.queue_us, task->usage.run_us, task->usage.tokens_in,
                  task->usage.tokens_out, task->usage.cost_nano_usd},
        .meta = control_bytes_view(&task->meta),
        .decision.bytes = control_bytes_view(&task->decision),
        .result = control_state_final(task->state) ? control_bytes_view(&task->result)
                                                   : (aion_str){0},
    };
}

void control_task_recharge(struct control *control, struct control_task *task)
{
    struct aion_arena arena;
    char first[4096];
    if (control->money.budgets.count == 0 || task->decision.size == 0)
        return;
    aion_arena_init(&arena, 131072, first, sizeof(first));
    const Aion__V1__Decision *decision = (const Aion__V1__Decision *)codec_unpack(
        &aion__v1__decision__schema, control_bytes_view(&task->decision), NULL, &arena, NULL);
    if (decision != NULL &&
        !control_charge_parse(&control->money, aion_str_of(decision->charge), &task->charge))
        task->charge = (struct control_charge){.count = 0};
    aion_arena_done(&arena);
}

/* -- finding ------------------------------------------------------------------------ */
struct finding {
    struct store_task_read read;
    struct control *control;
    struct aion_arena arena;
    char *tenant;
    bool look;
    control_found_fn *found;
    void *user;
};

static void not_found(const struct aion_uuid *id, struct aion_err *err)
{
    char text[AION_UUID_TEXT];
    aion_uuid_text(id, text);
    aion_err_set(err, __func__, AION_NOT_FOUND, "there is no task %s", text);
    aion_err_reason(err, "TASK_NOT_FOUND");
}

static void arriving(const struct aion_uuid *id, struct aion_err *err)
{
    char text[AION_UUID_TEXT];
    aion_uuid_text(id, text);
    aion_err_set(err, __func__, AION_UNAVAILABLE,
                 "task %s is being accepted at this moment: try again", text);
    aion_err_reason(err, "TASK_ARRIVING");
    err->retry_after_ms = 10;
}

static void finding_free(struct finding *finding)
{
    aion_arena_done(&finding->arena);
    free(finding->tenant);
    free(finding);
}

/* What we hold of it is how it stands: it is final and kept still, or it is ours to decide. */
static struct control_task *cached(struct control *control, const struct aion_uuid *id)
{
    struct control_task *task = control_cache_find(&control->tasks, id);
    if (task == NULL || !control->shards.shared)
        return task;
    if (!control_state_final(task->state))
        return control_shard_acts(control, store_seq_shard(task->seq)) ? task : NULL;
    if (control_expires_us(control, (enum store_state)task->state, task->updated_us) >
        aion_clock_utc_us())
        return task;
    control_cache_remove(&control->tasks, task); /* another control may have swept it */
    return NULL;
}

static struct control_task *load_to_look(struct control *control,
                                         const struct store_task *stored)
{
    struct control_task *task = control_task_load(control, stored);
    task->forgotten = task->settling = true; /* as one whose shard has left */
    return task;
}

/* A task that ended between the look into the cache and the read is in both: the cache's is the
 * one. Unfinished tasks of ours are always in the cache, but for the moment between the commit
 * of an acceptance and its completion: it is there in a moment. Those of others are for looking
 * at, and are not kept. */
static struct control_task *keep(struct control *control, const struct store_task *stored,
                                 bool look, struct aion_err *err)
{
    struct control_task *task = cached(control, &stored->id);
    if (task != NULL)
        return control_task_ref(task);
    if (!store_state_final(stored->state)) {
        if (control_shard_acts(control, store_seq_shard(stored->seq)))
            arriving(&stored->id, err);
        else if (look)
            return load_to_look(control, stored);
        else
            control_shard_elsewhere(err);
        return NULL;
    }
    task = control_task_load(control, stored);
    if (control_cache_add(&control->tasks, task))
        control_cache_finished(&control->tasks, task);
    return task;
}

static struct control_task *take_found(struct finding *finding, struct aion_err *err)
{
    if (finding->read.found)
        return keep(finding->control, &finding->read.task, finding->look, err);
    not_found(&finding->read.id, err);
    return NULL;
}

static void finding_done(struct store_op *op, const struct aion_err *err)
{
    struct finding *finding = aion_container(op, struct finding, read.op);
    struct aion_err own;
    struct control_task *task = err == NULL ? take_found(finding, &own) : NULL;
    finding->found(finding->user, task, err != NULL ? err : task == NULL ? &own : NULL);
    control_task_unref(task);
    finding_free(finding);
}

static void find_stored(struct control *control, aion_str tenant, const struct aion_uuid *id,
                        bool look, control_found_fn *found, void *user)
{
    struct aion_err err;
    struct finding *finding = calloc(1, sizeof(*finding));
    if (finding == NULL)
        abort();
    aion_arena_init(&finding->arena, 16 << 20, NULL, 0);
    finding->tenant = strndup(tenant.size > 0 ? tenant.data : "", tenant.size);
    finding->control = control;
    finding->look = look;
    finding->found = found;
    finding->user = user;
    finding->read = (struct store_task_read){
        .op = {.done = finding_done, .arena = &finding->arena},
        .tenant = aion_str_of(finding->tenant),
        .id = *id,
    };
    if (store_task_read(control->store, &finding->read, &err))
        return;
    found(user, NULL, &err);
    finding_free(finding);
}

static void find(struct control *control, aion_str tenant, const struct aion_uuid *id,
                 bool look, control_found_fn *found, void *user)
{
    struct control_task *task = cached(control, id);
    if (task == NULL) {
        find_stored(control, tenant, id, look, found, user);
        return;
    }
    if (tenant.size == 0 || aion_str_eq(tenant, task->tenant)) {
        found(user, task, NULL);
        return;
    }
    struct aion_err err;
    not_found(id, &err);
    found(user, NULL, &err);
}

void control_find(struct control *control, aion_str tenant, const struct aion_uuid *id,
                  control_found_fn *found, void *user)
{
    find(control, tenant, id, false, found, user);
}

void control_look(struct control *control, aion_str tenant, const struct aion_uuid *id,
                  control_found_fn *found, void *user)
{
    find(control, tenant, id, true, found, user);
}
