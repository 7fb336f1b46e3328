/* The module's side of the pipe: tasks in, chunks and one result each out. */
#include "codec/message.h"
#include "sdk/frame.h"
#include "sdk/module.h"

#include "aion/v1/modules.schema.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ARENA_LIMIT = 256 * 1024 * 1024,
    BATCH_MAX = 64,
    HELD_MAX = 48 * 1024, /* beyond, what is held leaves: a pipe takes 64 KiB at once */
};

struct server;

struct module_job {
    struct server *server;
    uint32_t place;
    uint64_t sequence; /* of the last chunk */
    bool answered;
};

struct server {
    module_handler *handler; /* or */
    module_batch_handler *batch_handler;
    struct aion_arena arena;
    struct aion_buf out; /* frames of packed HostMessages */
    bool holds;          /* they leave when the handler has returned */
    struct module_job jobs[BATCH_MAX];
};

/* The pipe is all that links the module to the mesh: when it breaks there is nobody to work
 * for. */
static void flush(struct server *server)
{
    struct aion_err err;
    if (server->out.size > 0 &&
        !module_frames_write(STDOUT_FILENO, aion_buf_view(&server->out), &err))
        _exit(0);
    aion_buf_reset(&server->out);
}

static void send_message(struct server *server, const Aion__V1__HostMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(&message->base);
    char *room = aion_buf_reserve(&server->out, MODULE_FRAME_HEAD + size);
    if (room == NULL || size > MODULE_FRAME_MAX)
        _exit(3);
    module_frame_head((uint8_t *)room, size);
    protobuf_c_message_pack(&message->base, (uint8_t *)room + MODULE_FRAME_HEAD);
    server->out.size += MODULE_FRAME_HEAD + size;
    if (!server->holds || server->out.size > HELD_MAX)
        flush(server);
}

void module_hold(struct module_job *job)
{
    job->server->holds = true;
}

struct aion_arena *module_arena(struct module_job *job)
{
    return &job->server->arena;
}

void module_chunk_text(struct module_job *job, aion_str text)
{
    assert(!job->answered);
    Aion__V1__HostMessage__Chunk chunk = AION__V1__HOST_MESSAGE__CHUNK__INIT;
    chunk.sequence = ++job->sequence;
    chunk.place = job->place;
    chunk.payload_case = AION__V1__HOST_MESSAGE__CHUNK__PAYLOAD_TEXT;
    chunk.text = aion_arena_text(&job->server->arena, text);
    if (chunk.text == NULL)
        _exit(3);
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_CHUNK;
    message.chunk = &chunk;
    send_message(job->server, &message);
}

static void send_result(struct module_job *job, Aion__V1__HostMessage__Result *result)
{
    assert(!job->answered);
    job->answered = true;
    result->place = job->place;
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_RESULT;
    message.result = result;
    send_message(job->server, &message);
}

void module_result_text(struct module_job *job, aion_str text, const char *content_type)
{
    Aion__V1__TaskResult body = AION__V1__TASK_RESULT__INIT;
    body.body_case = AION__V1__TASK_RESULT__BODY_TEXT;
    body.text = aion_arena_text(&job->server->arena, text);
    body.content_type = aion_arena_text(&job->server->arena, aion_str_of(content_type));
    if (body.text == NULL || body.content_type == NULL)
        _exit(3);
    Aion__V1__HostMessage__Result result = AION__V1__HOST_MESSAGE__RESULT__INIT;
    result.result = &body;
    send_result(job, &result);
}

void module_fail(struct module_job *job, enum aion_code code, const char *reason,
                 bool retriable, const char *text)
{
    Aion__V1__TaskError error = AION__V1__TASK_ERROR__INIT;
    error.code = (int32_t)code;
    error.reason = aion_arena_text(&job->server->arena, aion_str_of(reason));
    error.message = aion_arena_text(&job->server->arena, aion_str_of(text));
    if (error.reason == NULL || error.message == NULL)
        _exit(3);
    Aion__V1__HostMessage__Result result = AION__V1__HOST_MESSAGE__RESULT__INIT;
    result.error = &error;
    result.retriable = retriable;
    send_result(job, &result);
}

static void run(struct server *server, Aion__V1__HostCommand__Execute *const *tasks,
                size_t count)
{
    struct module_job *jobs[BATCH_MAX] = {NULL};
    for (size_t i = 0; i < count; i++) {
        jobs[i] = &server->jobs[i];
        *jobs[i] = (struct module_job){.server = server, .place = (uint32_t)i};
    }
    if (server->batch_handler != NULL)
        server->batch_handler(jobs, tasks, count);
    for (size_t i = 0; i < count; i++) {
        if (server->handler != NULL)
            server->handler(jobs[i], tasks[i]);
        if (!jobs[i]->answered)
            module_fail(jobs[i], AION_INTERNAL, "MODULE_NO_ANSWER", false,
                        "the module gave no result");
    }
    server->holds = false;
    flush(server);
}

static bool run_frame(struct server *server, aion_str frame, struct aion_err *err)
{
    const struct codec_scan_limits limits = {.bytes_max = MODULE_FRAME_MAX};
    ProtobufCMessage *message =
        codec_unpack(&aion__v1__host_command__schema, frame, &limits, &server->arena, err);
    if (message == NULL)
        return false;
    const Aion__V1__HostCommand *command = (const Aion__V1__HostCommand *)message;
    Aion__V1__HostCommand__Execute *execute = command->execute;
    if (command->kind_case == AION__V1__HOST_COMMAND__KIND_EXECUTE)
        run(server, &execute, 1);
    else if (command->kind_case == AION__V1__HOST_COMMAND__KIND_BATCH &&
             command->batch->n_executes <= BATCH_MAX)
        run(server, command->batch->executes, command->batch->n_executes);
    else
        return aion_fail(err, AION_INVALID, "a module takes Execute and Batch commands only");
    return true;
}

static int serve(struct server *server)
{
    struct module_reader reader;
    aion_str frame;
    struct aion_err err;
    module_reader_init(&reader, STDIN_FILENO);
    aion_buf_init(&server->out, HELD_MAX + MODULE_FRAME_HEAD + MODULE_FRAME_MAX);
    aion_arena_init(&server->arena, ARENA_LIMIT, NULL, 0);
    bool good;
    while ((good = module_frame_read(&reader, &frame, &err))) {
        good = run_frame(server, frame, &err);
        aion_arena_reset(&server->arena);
        if (!good)
            break;
    }
    aion_arena_done(&server->arena);
    aion_buf_done(&server->out);
    module_reader_done(&reader);
    if (err.code == AION_OK)
        return 0;
    fprintf(stderr, "module: %s\n", err.text);
    return 1;
}

int module_serve(module_handler *handler)
{
    struct server server = {.handler = handler};
    return serve(&server);
}

int module_serve_batches(module_batch_handler *handler)
{
    struct server server = {.batch_handler = handler};
    return serve(&server);
}
