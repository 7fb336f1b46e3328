/* The module's side of the pipe: one task in, chunks and one result out. */
#include "codec/message.h"
#include "sdk/frame.h"
#include "sdk/module.h"

#include "aion/v1/modules.schema.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

enum { ARENA_LIMIT = 256 * 1024 * 1024 };

struct module_job {
    struct aion_arena arena;
    struct aion_buf out; /* one packed HostMessage */
    uint64_t sequence;   /* of the last chunk */
    bool answered;
};

/* The pipe is all that links the module to the mesh: when it breaks there is nobody to work
 * for. */
static void send_message(struct module_job *job, const Aion__V1__HostMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(&message->base);
    aion_buf_reset(&job->out);
    char *packed = aion_buf_reserve(&job->out, size);
    struct aion_err err;
    if (packed == NULL || size > MODULE_FRAME_MAX)
        _exit(3);
    protobuf_c_message_pack(&message->base, (uint8_t *)packed);
    if (!module_frame_write(STDOUT_FILENO, aion_str_n(packed, size), &err))
        _exit(0);
}

struct aion_arena *module_arena(struct module_job *job)
{
    return &job->arena;
}

void module_chunk_text(struct module_job *job, aion_str text)
{
    assert(!job->answered);
    Aion__V1__HostMessage__Chunk chunk = AION__V1__HOST_MESSAGE__CHUNK__INIT;
    chunk.sequence = ++job->sequence;
    chunk.payload_case = AION__V1__HOST_MESSAGE__CHUNK__PAYLOAD_TEXT;
    chunk.text = aion_arena_text(&job->arena, text);
    if (chunk.text == NULL)
        _exit(3);
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_CHUNK;
    message.chunk = &chunk;
    send_message(job, &message);
}

static void send_result(struct module_job *job, Aion__V1__HostMessage__Result *result)
{
    assert(!job->answered);
    job->answered = true;
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_RESULT;
    message.result = result;
    send_message(job, &message);
}

void module_result_text(struct module_job *job, aion_str text, const char *content_type)
{
    Aion__V1__TaskResult body = AION__V1__TASK_RESULT__INIT;
    body.body_case = AION__V1__TASK_RESULT__BODY_TEXT;
    body.text = aion_arena_text(&job->arena, text);
    body.content_type = aion_arena_text(&job->arena, aion_str_of(content_type));
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
    error.reason = aion_arena_text(&job->arena, aion_str_of(reason));
    error.message = aion_arena_text(&job->arena, aion_str_of(text));
    if (error.reason == NULL || error.message == NULL)
        _exit(3);
    Aion__V1__HostMessage__Result result = AION__V1__HOST_MESSAGE__RESULT__INIT;
    result.error = &error;
    result.retriable = retriable;
    send_result(job, &result);
}

static bool run_one(struct module_job *job, aion_str frame, module_handler *handler,
                    struct aion_err *err)
{
    const struct codec_scan_limits limits = {.bytes_max = MODULE_FRAME_MAX};
    ProtobufCMessage *message =
        codec_unpack(&aion__v1__host_command__schema, frame, &limits, &job->arena, err);
    if (message == NULL)
        return false;
    const Aion__V1__HostCommand *command = (const Aion__V1__HostCommand *)message;
    if (command->kind_case != AION__V1__HOST_COMMAND__KIND_EXECUTE)
        return aion_fail(err, AION_INVALID, "a module takes Execute commands only");
    job->sequence = 0;
    job->answered = false;
    handler(job, command->execute);
    if (!job->answered)
        module_fail(job, AION_INTERNAL, "MODULE_NO_ANSWER", false, "the module gave no result");
    return true;
}

int module_serve(module_handler *handler)
{
    struct module_job job = {0};
    struct aion_buf frame;
    struct aion_err err;
    aion_buf_init(&frame, MODULE_FRAME_MAX);
    aion_buf_init(&job.out, MODULE_FRAME_MAX);
    aion_arena_init(&job.arena, ARENA_LIMIT, NULL, 0);
    bool good;
    while ((good = module_frame_read(STDIN_FILENO, &frame, &err))) {
        good = run_one(&job, aion_buf_view(&frame), handler, &err);
        aion_arena_reset(&job.arena);
        if (!good)
            break;
    }
    aion_arena_done(&job.arena);
    aion_buf_done(&job.out);
    aion_buf_done(&frame);
    if (err.code == AION_OK)
        return 0;
    fprintf(stderr, "module: %s\n", err.text);
    return 1;
}
