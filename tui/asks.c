#include "asks.h"

#include "copy.h"

#include "aion/v1/modules.mesh.h"
#include "aion/v1/ops.mesh.h"
#include "aion/v1/retention.mesh.h"
#include "aion/v1/router.mesh.h"
#include "aion/v1/tasks.mesh.h"
#include "codec/schema.h"

#include <stdlib.h>

enum { ANSWER_MAX = 8 * 1024 * 1024 };

/* Which method answers a question, and who serves it. */
static const struct {
    enum tui_peer peer;
    const struct mesh_service_type *service;
    int method;
} methods[TUI_ASKS] = {
    [TUI_ASK_WATCH] = {TUI_CONTROL, &aion_v1_ops_type, AION_V1_OPS_WATCH},
    [TUI_ASK_AT] = {TUI_CONTROL, &aion_v1_ops_type, AION_V1_OPS_GET_AT},
    [TUI_ASK_WINDOW] = {TUI_CONTROL, &aion_v1_ops_type, AION_V1_OPS_WATCH},
    [TUI_ASK_TASKS] = {TUI_CONTROL, &aion_v1_aion_tasks_type, AION_V1_AION_TASKS_LIST_TASKS},
    [TUI_ASK_TASK] = {TUI_CONTROL, &aion_v1_aion_tasks_type, AION_V1_AION_TASKS_GET_TASK},
    [TUI_ASK_OUTPUT] = {TUI_CONTROL, &aion_v1_aion_tasks_type, AION_V1_AION_TASKS_STREAM},
    [TUI_ASK_POLICY] = {TUI_ROUTER, &aion_v1_router_type, AION_V1_ROUTER_GET_POLICY},
    [TUI_ASK_OTHER_POLICY] = {TUI_ROUTER, &aion_v1_router_type, AION_V1_ROUTER_GET_POLICY},
    [TUI_ASK_DISK_POLICY] = {TUI_ROUTER, &aion_v1_router_type, AION_V1_ROUTER_GET_POLICY},
    [TUI_ASK_REVISIONS] = {TUI_ROUTER, &aion_v1_router_type,
                           AION_V1_ROUTER_LIST_POLICY_REVISIONS},
    [TUI_ASK_VALIDATE] = {TUI_ROUTER, &aion_v1_router_type, AION_V1_ROUTER_VALIDATE_POLICY},
    [TUI_ASK_HOSTS] = {TUI_CONTROL, &aion_v1_hosts_type, AION_V1_HOSTS_LIST_HOSTS},
    [TUI_ASK_PLAN] = {TUI_RETENTION, &aion_v1_retention_type, AION_V1_RETENTION_GET_PLAN},
    [TUI_ASK_AUDIT] = {TUI_CONTROL, &aion_v1_ops_type, AION_V1_OPS_LIST_AUDIT},
    [TUI_ASK_VERIFY] = {TUI_CONTROL, &aion_v1_ops_type, AION_V1_OPS_VERIFY_AUDIT},
    [TUI_ASK_SWEEP] = {TUI_RETENTION, &aion_v1_retention_type, AION_V1_RETENTION_SWEEP},
};

void tui_answers_init(struct tui_answers *answers, const struct tui_port *port)
{
    *answers = (struct tui_answers){.port = port};
    for (size_t i = 0; i < TUI_ASKS; i++)
        aion_arena_init(&answers->list[i].arena, ANSWER_MAX, NULL, 0);
}

void tui_answers_done(struct tui_answers *answers)
{
    for (size_t i = 0; i < TUI_ASKS; i++)
        aion_arena_done(&answers->list[i].arena);
    free(answers->output.text);
    answers->output.text = NULL;
}

static void forget(struct tui_answer *answer)
{
    answer->message = NULL;
    answer->err = (struct aion_err){.code = AION_OK};
    answer->version++;
    aion_arena_reset(&answer->arena);
}

static void begin(struct tui_answers *answers, enum tui_ask ask, enum tui_peer peer,
                  const struct mesh_method *method, const ProtobufCMessage *request,
                  const char *about, struct tui_time now)
{
    struct tui_answer *answer = &answers->list[ask];
    if (answer->pending)
        answers->port->cancel(answers->port->user, answer->id);
    if (strcmp(answer->about, about) != 0)
        forget(answer);
    aion_str_copy(answer->about, sizeof(answer->about), aion_str_of(about));
    answer->id = ++answers->last_id;
    answer->method = method;
    answer->pending = true;
    answer->at_us = now.mono_us;
    answers->port->call(answers->port->user, answer->id, peer, method, request);
}

void tui_ask(struct tui_answers *answers, enum tui_ask ask, const ProtobufCMessage *request,
             const char *about, struct tui_time now)
{
    begin(answers, ask, methods[ask].peer, &methods[ask].service->methods[methods[ask].method],
          request, about, now);
}

void tui_ask_action(struct tui_answers *answers, enum tui_peer peer,
                    const struct mesh_method *method, const ProtobufCMessage *request,
                    const char *about, struct tui_time now)
{
    forget(&answers->list[TUI_ASK_ACTION]);
    begin(answers, TUI_ASK_ACTION, peer, method, request, about, now);
}

void tui_ask_drop(struct tui_answers *answers, enum tui_ask ask)
{
    struct tui_answer *answer = &answers->list[ask];
    if (answer->pending)
        answers->port->cancel(answers->port->user, answer->id);
    answer->pending = false;
    answer->about[0] = '\0';
    forget(answer);
}

enum tui_ask tui_ask_of(const struct tui_answers *answers, uint64_t id)
{
    for (size_t i = 0; i < TUI_ASKS; i++)
        if (answers->list[i].pending && answers->list[i].id == id)
            return (enum tui_ask)i;
    return TUI_ASKS;
}

void tui_ask_answered(struct tui_answers *answers, enum tui_ask ask,
                      const ProtobufCMessage *message)
{
    struct tui_answer *answer = &answers->list[ask];
    forget(answer);
    if (answer->method->reply->descriptor == message->descriptor)
        answer->message = tui_message_copy(message, &answer->arena);
}

void tui_ask_ended(struct tui_answers *answers, enum tui_ask ask, const struct aion_err *err)
{
    struct tui_answer *answer = &answers->list[ask];
    answer->pending = false;
    answer->version++;
    if (err != NULL)
        answer->err = *err;
}

/* -- output ---------------------------------------------------------------- */

void tui_output_reset(struct tui_output *output)
{
    char *text = output->text;
    memset(output, 0, sizeof(*output));
    output->text = text;
}

/* What a new attempt takes back. */
static void discard(struct tui_output *output, uint64_t from)
{
    while (output->chunk_count > 0 && output->chunks[output->chunk_count - 1].cursor >= from)
        output->size = output->chunks[--output->chunk_count].at;
}

/* Half of it goes at once, so that this is rare. */
static void cut_oldest(struct tui_output *output)
{
    size_t drop = output->chunk_count / 2 + 1, at;
    if (drop >= output->chunk_count) {
        output->chunk_count = output->size = 0;
        output->cut = true;
        return;
    }
    at = output->chunks[drop].at;
    memmove(output->text, output->text + at, output->size - at);
    output->size -= at;
    output->chunk_count -= drop;
    memmove(output->chunks, output->chunks + drop,
            output->chunk_count * sizeof(output->chunks[0]));
    for (size_t i = 0; i < output->chunk_count; i++)
        output->chunks[i].at -= at;
    output->cut = true;
}

static void add_text(struct tui_output *output, uint64_t cursor, aion_str text)
{
    if (output->text == NULL)
        output->text = malloc(TUI_OUTPUT_MAX);
    if (output->text == NULL || text.size > TUI_OUTPUT_MAX)
        return;
    while (output->chunk_count == TUI_CHUNKS_MAX || output->size + text.size > TUI_OUTPUT_MAX)
        cut_oldest(output);
    output->chunks[output->chunk_count].cursor = cursor;
    output->chunks[output->chunk_count++].at = output->size;
    memcpy(output->text + output->size, text.data, text.size);
    output->size += text.size;
}

static void end(struct tui_output *output, const Aion__V1__StreamChunk__Final *final)
{
    output->ended = true;
    output->state = (int) final->state;
    aion_str_copy(output->digest, sizeof(output->digest), aion_str_of(final->digest));
    if (final->error != NULL)
        aion_str_copy(output->reason, sizeof(output->reason),
                      aion_str_of(final->error->message));
}

void tui_output_chunk(struct tui_output *output, const Aion__V1__StreamChunk *chunk)
{
    if (chunk->restart != NULL)
        discard(output, chunk->restart->discard_from);
    output->cut = output->cut || chunk->gap;
    output->cursor = chunk->cursor;
    output->attempt = chunk->attempt;
    output->received++;
    if (chunk->payload_case == AION__V1__STREAM_CHUNK__PAYLOAD_TEXT)
        add_text(output, chunk->cursor, aion_str_of(chunk->text));
    else if (chunk->payload_case == AION__V1__STREAM_CHUNK__PAYLOAD_DATA && chunk->data.len > 0)
        add_text(output, chunk->cursor, aion_str_n(chunk->data.data, chunk->data.len));
    if (chunk->final != NULL)
        end(output, chunk->final);
}
