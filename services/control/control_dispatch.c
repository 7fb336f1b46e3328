/* Giving queued tasks to hosts: pushed the moment a task is queued or a slot is free, never
 * polled. */
#include "base/clock.h"
#include "control_private.h"
#include "mesh/trace.h"

#include <stdio.h>
#include <stdlib.h>

/* -- executing ---------------------------------------------------------------------- */
static size_t put_varint(char out[10], uint64_t value)
{
    size_t size = 0;
    for (; value > 0x7f; value >>= 7)
        out[size++] = (char)(value | 0x80);
    out[size++] = (char)value;
    return size;
}

static void add_varint(struct aion_buf *out, uint64_t value)
{
    char text[10];
    aion_buf_add(out, text, put_varint(text, value));
}

static void fill_execute(const struct control_task *task,
                         Aion__V1__HostCommand__Execute *execute, Aion__V1__AttemptToken *token,
                         char id[AION_UUID_TEXT], char module[64],
                         char parent[MESH_TRACEPARENT_SIZE])
{
    struct mesh_trace trace;
    memcpy(id, task->id_text, AION_UUID_TEXT);
    memcpy(module, task->module, sizeof(task->module));
    mesh_trace_begin(&trace, (aion_str){0});
    mesh_trace_header(&trace, parent);
    token->task_id = id;
    token->attempt = task->attempt;
    token->epoch = task->epoch;
    execute->token = token;
    execute->module = module;
    execute->timeout_us = task->timeout_us;
    execute->traceparent = parent;
}

/* An Execute as field `field` of what is around it: control's part, then the client's as
 * stored. Fields of a message may come in any order and from several places, so the body is
 * copied as it is, never unpacked. */
static void add_execute(struct aion_buf *out, const struct control_task *task, uint32_t field)
{
    Aion__V1__HostCommand__Execute execute = AION__V1__HOST_COMMAND__EXECUTE__INIT;
    Aion__V1__AttemptToken token = AION__V1__ATTEMPT_TOKEN__INIT;
    char id[AION_UUID_TEXT], module[64], parent[MESH_TRACEPARENT_SIZE];
    fill_execute(task, &execute, &token, id, module, parent);
    size_t head = protobuf_c_message_get_packed_size(&execute.base);
    add_varint(out, field << 3 | 2);
    add_varint(out, head + task->body.size);
    char *room = aion_buf_reserve(out, head);
    if (room != NULL) {
        protobuf_c_message_pack(&execute.base, (uint8_t *)room);
        out->size += head;
    }
    aion_buf_str(out, control_bytes_view(&task->body));
}

static void send_wire(struct control_host *host, aion_str wire)
{
    if (host->control->scratch.overflow)
        abort(); /* the scratch holds every request that is let in, and every batch */
    if (mesh_send_packed(host->call, wire) == MESH_FULL) {
        host->blocked = true;
        control_host_refresh(host);
    }
}

/* HostCommand {execute}. */
static void execute(struct control *control, struct control_task *task)
{
    aion_buf_reset(&control->scratch);
    add_execute(&control->scratch, task, AION__V1__HOST_COMMAND__KIND_EXECUTE);
    send_wire(task->host, aion_buf_view(&control->scratch));
}

/* HostCommand {batch {executes}}: its size comes first, so room is left for it in front. */
static void execute_batch(struct control *control, struct control_task *const *tasks,
                          size_t count)
{
    char head[20] = {0};
    struct aion_buf *out = &control->scratch;
    aion_buf_reset(out);
    aion_buf_add(out, head, sizeof(head));
    for (size_t i = 0; i < count; i++)
        add_execute(out, tasks[i], 1);
    size_t size = put_varint(head, AION__V1__HOST_COMMAND__KIND_BATCH << 3 | 2);
    size += put_varint(head + size, out->size - sizeof(head));
    if (!out->overflow)
        memcpy(out->data + sizeof(head) - size, head, size);
    send_wire(tasks[0]->host,
              aion_str_n(out->data + sizeof(head) - size, out->size - sizeof(head) + size));
}

/* -- bodies of tasks that were loaded ----------------------------------------------- */
struct body_read {
    struct store_task_read read;
    struct control *control;
    struct control_task *task; /* one reference */
    uint32_t attempt;
    struct aion_arena arena;
};

static void body_free(struct body_read *body)
{
    aion_arena_done(&body->arena);
    control_task_unref(body->task);
    free(body);
}

/* The attempt is over if its body cannot be read: another will try. */
static void body_failed(struct control *control, struct control_task *task,
                        const struct aion_err *err)
{
    struct control_error error = {.code = AION_UNAVAILABLE, .reason = "STORE_DOWN"};
    snprintf(error.message, sizeof(error.message), "its request could not be read: %.200s",
             err->text);
    control_retry(control, task, &error);
}

static void body_done(struct store_op *op, const struct aion_err *err)
{
    struct body_read *body = aion_container(op, struct body_read, read.op);
    struct control_task *task = body->task;
    bool current = task->state == TASK_RUNNING && !task->settling &&
                   task->attempt == body->attempt && task->host != NULL;
    if (err == NULL && body->read.found && !task->body_known) {
        control_bytes_set(&task->body, body->read.task.body);
        task->body_known = true;
    }
    if (current && task->body_known)
        execute(body->control, task);
    else if (current && err != NULL)
        body_failed(body->control, task, err);
    body_free(body);
}

static void read_body(struct control *control, struct control_task *task)
{
    struct aion_err err;
    struct body_read *body = calloc(1, sizeof(*body));
    if (body == NULL)
        abort();
    body->control = control;
    body->task = control_task_ref(task);
    body->attempt = task->attempt;
    aion_arena_init(&body->arena, 16 << 20, NULL, 0);
    body->read = (struct store_task_read){.op = {.done = body_done, .arena = &body->arena},
                                          .id = task->id,
                                          .seq = task->seq,
                                          .with_body = true};
    if (store_task_read(control->store, &body->read, &err))
        return;
    body_failed(control, task, &err);
    body_free(body);
}

/* -- starting ----------------------------------------------------------------------- */
/* The loop's time stands still within a step, and most tasks are queued and given out in one.
 */
static void begin(struct control *control, struct control_task *task, struct control_host *host)
{
    task->usage.queue_us += aion_clock_mono_us() - task->queued_us;
    task->epoch = control_shard_epoch(control, task->seq);
    task->attempt++;
    control_attempt_begin(control, task, host, aion_clock_utc_us());
}

/* What is picked together goes in one command; a task whose request has to be read first
 * follows alone. */
static void start(struct control *control, const struct control_sched_pick *pick)
{
    struct control_host *host = aion_container(pick->host, struct control_host, sched);
    struct control_task *known[SCHED_BATCH_MAX];
    size_t count = 0;
    for (size_t i = 0; i < pick->count; i++) {
        struct control_task *task = aion_container(pick->items[i], struct control_task, queued);
        begin(control, task, host);
        if (task->body_known)
            known[count++] = task;
        else
            read_body(control, task);
    }
    if (count == 1)
        execute(control, known[0]);
    else if (count > 1)
        execute_batch(control, known, count);
}

static void dispatch(struct mesh_timer *timer)
{
    struct control *control = aion_container(timer, struct control, dispatching);
    struct control_sched_pick pick;
    int64_t wake_us;
    if (control->loading || control->draining || !control_shards_awake(control))
        return;
    while (control_sched_next(&control->sched, mesh_loop_now(control->loop), &pick, &wake_us))
        start(control, &pick);
    if (wake_us > 0)
        mesh_timer_set(control->loop, &control->dispatching, wake_us);
}

/* At the end of the loop's step, so that what one commit or one message of a host has queued
 * and freed is seen together. */
void control_dispatch(struct control *control)
{
    control->dispatching.fire = dispatch;
    mesh_timer_set(control->loop, &control->dispatching, mesh_loop_now(control->loop));
}
