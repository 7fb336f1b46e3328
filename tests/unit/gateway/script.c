#include "script.h"

#include "codec/json.h"

#include <stdlib.h>

/* -- unary -------------------------------------------------------------------------------- */

static void run_done(struct aion_job *job)
{
    struct gw_upcall *call = aion_container(job, struct gw_upcall, job);
    call->done(call);
}

static void run_over(struct aion_job *job)
{
    struct gw_upcall *call = aion_container(job, struct gw_upcall, cancel_job);
    call->over(call);
}

static void answer(struct script *script, struct gw_upcall *call, const ProtobufCMessage *reply,
                   const struct aion_err *err)
{
    if (err != NULL)
        call->failed(call, err, script->details);
    else
        call->reply(call, reply);
    call->job.run = run_done;
    aion_exec_post(gw_loop_exec(script->loop), &call->job);
}

static void note_request(struct script *script, const struct codec_message *schema,
                         const ProtobufCMessage *request,
                         const struct mesh_principal *principal)
{
    struct aion_buf json;
    struct aion_err err;
    struct codec_json_write options = {0};
    aion_buf_init(&json, sizeof(script->request_json) - 1);
    if (!codec_json_print(schema, request, &options, &json, &err))
        abort();
    aion_str_copy(script->request_json, sizeof(script->request_json), aion_buf_view(&json));
    aion_buf_done(&json);
    aion_str_copy(script->tenant, sizeof(script->tenant), principal->tenant);
    aion_str_copy(script->key_id, sizeof(script->key_id), principal->key_id);
    script->role = principal->role;
}

static void unary(struct gw_upstream *upstream, struct gw_upcall *call)
{
    struct script *script = (struct script *)upstream;
    script->calls++;
    script->method = call->method;
    script->timeout_us = call->timeout_us;
    script->repeatable = call->repeatable;
    note_request(script, call->method->request, call->request, call->principal);
    script->open = call;
    if (script->reply != NULL || script->err != NULL)
        script_finish(script, script->reply, script->err);
}

void script_finish(struct script *script, const ProtobufCMessage *reply,
                   const struct aion_err *err)
{
    struct gw_upcall *call = script->open;
    script->open = NULL;
    answer(script, call, reply, err);
}

static void cancel(struct gw_upstream *upstream, struct gw_upcall *call)
{
    struct script *script = (struct script *)upstream;
    struct aion_err err;
    script->cancels++;
    if (script->open == call) {
        aion_err_set(&err, __func__, AION_CANCELLED, "cancelled");
        script_finish(script, NULL, &err);
    }
    call->cancel_job.run = run_over;
    aion_exec_post(gw_loop_exec(script->loop), &call->cancel_job);
}

/* -- streams ------------------------------------------------------------------------------ */

static void open_stream(struct gw_upstream *upstream, const struct gw_stream_spec *spec)
{
    struct script *script = (struct script *)upstream;
    if (script->stream_count == SCRIPT_STREAMS_MAX)
        abort();
    script->method = spec->method;
    note_request(script, spec->method->request, spec->request, spec->principal);
    script->streams[script->stream_count++] = (struct script_stream){
        .id = spec->id, .sink = spec->sink, .user = spec->user, .format = spec->format};
}

static struct script_stream *find(struct script *script, uint64_t id)
{
    for (size_t i = 0; i < script->stream_count; i++)
        if (script->streams[i].id == id)
            return &script->streams[i];
    abort();
}

static void credit(struct gw_upstream *upstream, uint64_t id, uint32_t bytes)
{
    find((struct script *)upstream, id)->credit += bytes;
}

static void close_stream(struct gw_upstream *upstream, uint64_t id)
{
    find((struct script *)upstream, id)->closed = true;
}

struct script_stream *script_newest(struct script *script)
{
    return &script->streams[script->stream_count - 1];
}

static void deliver(struct aion_job *job)
{
    struct gw_event *event = aion_container(job, struct gw_event, job);
    event->sink(event->user, event);
}

static struct gw_event *event_new(struct script *script, size_t size)
{
    const struct script_stream *stream = script_newest(script);
    struct gw_event *event = calloc(1, sizeof(*event) + size);
    event->job.run = deliver;
    event->sink = stream->sink;
    event->user = stream->user;
    event->stream_id = stream->id;
    event->size = size;
    return event;
}

void script_event(struct script *script, const char *bytes, uint64_t cursor, bool final)
{
    size_t size = strlen(bytes);
    struct gw_event *event = event_new(script, size);
    memcpy(event->bytes, bytes, size);
    event->cursor = cursor;
    event->final = final;
    event->credit = (uint32_t)size;
    aion_exec_post(gw_loop_exec(script->loop), &event->job);
}

void script_big_event(struct script *script, size_t size, uint32_t bytes)
{
    struct gw_event *event = event_new(script, size);
    memset(event->bytes, 'x', size);
    event->credit = bytes;
    aion_exec_post(gw_loop_exec(script->loop), &event->job);
}

void script_end(struct script *script, enum aion_code code, const char *reason,
                const char *text)
{
    struct gw_event *event = event_new(script, 0);
    event->closed = true;
    event->code = code;
    aion_str_copy(event->reason, sizeof(event->reason), aion_str_of(reason));
    aion_str_copy(event->text, sizeof(event->text), aion_str_of(text));
    aion_exec_post(gw_loop_exec(script->loop), &event->job);
}

void script_init(struct script *script, struct gw_loop *loop)
{
    *script = (struct script){.ops = {unary, cancel, open_stream, credit, close_stream},
                              .loop = loop};
}
