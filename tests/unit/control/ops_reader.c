/* See ops_reader.h. */
#include "ops_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void take_frame(struct ops_reader *reader, const Aion__V1__OpsFrame *frame)
{
    ops_model_apply(&reader->model, frame);
    reader->frames++;
    reader->whole += frame->full;
    reader->gap = reader->gap || frame->gap;
    if (frame->span_ms != 1000 || reader->second_count == OPS_READER_SECONDS_MAX)
        return;
    reader->seconds[reader->second_count].at_us = frame->at_us;
    reader->seconds[reader->second_count++].hash = ops_model_hash(&reader->model);
}

static void take_events(struct ops_reader *reader, const Aion__V1__OpsEvents *events)
{
    for (size_t i = 0; i < events->n_counts; i++)
        reader->counted += events->counts[i]->count;
    reader->sampled += events->sampled;
    reader->events += events->n_events;
    for (size_t i = 0; i < events->n_events; i++) {
        size_t size = strlen(reader->what);
        snprintf(reader->what + size, sizeof(reader->what) - size, "%s ",
                 events->events[i]->what);
    }
}

static void on_message(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct ops_reader *reader = mesh_rpc_user(rpc);
    const Aion__V1__OpsWatchReply *reply = aion_v1_ops_watch_read(message);
    reader->dropped = reply->dropped > reader->dropped ? reply->dropped : reader->dropped;
    assert_true(reply->server_us > 0);
    if (reply->beside != NULL) {
        assert_int_equal(reply->body_case, AION__V1__OPS_WATCH_REPLY__BODY_FRAME);
        take_events(reader, reply->beside);
        reader->beside++;
    }
    if (reply->body_case == AION__V1__OPS_WATCH_REPLY__BODY_FRAME) {
        take_frame(reader, reply->frame);
    } else if (reply->body_case == AION__V1__OPS_WATCH_REPLY__BODY_EVENTS) {
        take_events(reader, reply->events);
    } else {
        reader->hello = true;
        reader->read_only = reply->hello->read_only;
        aion_str_copy(reader->subject, sizeof(reader->subject),
                      aion_str_of(reply->hello->subject));
    }
}

static void on_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct ops_reader *reader = mesh_rpc_user(rpc);
    reader->rpc = NULL;
    reader->err = result->err != NULL ? *result->err : (struct aion_err){.code = AION_OK};
}

static const struct mesh_stream_ops watch_ops = {.message = on_message, .closed = on_closed};

void ops_reader_init(struct ops_reader *reader)
{
    memset(reader, 0, sizeof(*reader));
    ops_model_init(&reader->model);
}

void ops_reader_done(struct ops_reader *reader)
{
    ops_model_done(&reader->model);
}

void ops_reader_open(struct ops_reader *reader, struct mesh_channel *channel,
                     const Aion__V1__OpsWatchRequest *request,
                     const struct mesh_principal *principal)
{
    struct mesh_rpc_opts opts = {.wait_for_ready = true, .principal = principal};
    reader->rpc = aion_v1_ops_watch_open(channel, request, &opts, &watch_ops, reader);
}

int64_t ops_reader_cell(const struct ops_reader *reader, enum ops_kind kind, const char *key,
                        unsigned column)
{
    const struct ops_model_entity *entity = ops_model_find(&reader->model, (int)kind, key);
    return entity != NULL ? entity->cells[column] : INT64_MIN;
}
