#include "task_log.h"

#include <stdlib.h>

void control_log_load(struct control_log *log, uint64_t cursor, uint64_t acked,
                      uint64_t sequence)
{
    *log = (struct control_log){.cursor = cursor,
                                .committed = cursor,
                                .dropped = cursor,
                                .acked = acked,
                                .sequence = sequence,
                                .attempt_from = cursor > 0 ? 1 : 0};
}

void control_log_done(struct control_log *log)
{
    while (log->first != NULL) {
        struct control_chunk *chunk = log->first;
        log->first = chunk->next;
        free(chunk);
    }
    log->last = log->pending = NULL;
    log->bytes = log->pending_bytes = 0;
}

static struct control_chunk *chunk_new(aion_str content_type, aion_str payload)
{
    struct control_chunk *chunk = calloc(1, sizeof(*chunk) + content_type.size + payload.size);
    if (chunk == NULL)
        abort(); /* output that cannot be kept would leave a hole */
    char *bytes = (char *)(chunk + 1);
    if (content_type.size > 0)
        memcpy(bytes, content_type.data, content_type.size);
    if (payload.size > 0)
        memcpy(bytes + content_type.size, payload.data, payload.size);
    chunk->content_type = aion_str_n(bytes, content_type.size);
    chunk->payload = aion_str_n(bytes + content_type.size, payload.size);
    return chunk;
}

/* Memory of a chunk: many small ones cost more than their payload. */
static size_t cost_of(const struct control_chunk *chunk)
{
    return sizeof(*chunk) + chunk->content_type.size + chunk->payload.size;
}

static struct control_chunk *add(struct control_log *log, struct control_chunk *chunk)
{
    chunk->cursor = ++log->cursor;
    if (log->last != NULL)
        log->last->next = chunk;
    else
        log->first = chunk;
    log->last = chunk;
    if (log->pending == NULL)
        log->pending = chunk;
    log->bytes += cost_of(chunk);
    log->pending_bytes += cost_of(chunk);
    return chunk;
}

struct control_chunk *control_log_append(struct control_log *log, uint32_t attempt,
                                         uint64_t sequence, enum control_chunk_kind kind,
                                         aion_str content_type, aion_str payload)
{
    struct control_chunk *chunk = add(log, chunk_new(content_type, payload));
    chunk->attempt = attempt;
    chunk->sequence = log->sequence = sequence;
    chunk->kind = kind;
    if (log->attempt_from == 0)
        log->attempt_from = chunk->cursor;
    return chunk;
}

struct control_chunk *control_log_restart(struct control_log *log, uint32_t attempt)
{
    log->sequence = 0;
    if (log->attempt_from == 0)
        return NULL;
    struct control_chunk *chunk = add(log, chunk_new((aion_str){0}, (aion_str){0}));
    chunk->attempt = attempt;
    chunk->kind = CHUNK_RESTART;
    chunk->discard_from = log->attempt_from;
    log->attempt_from = 0;
    return chunk;
}

static void drop_first(struct control_log *log)
{
    struct control_chunk *chunk = log->first;
    log->first = chunk->next;
    if (log->first == NULL)
        log->last = NULL;
    log->bytes -= cost_of(chunk);
    log->dropped = chunk->cursor;
    free(chunk);
}

static void trim(struct control_log *log)
{
    while (!log->keeps && log->first != log->pending &&
           log->bytes - log->pending_bytes > LOG_TAIL_BYTES)
        drop_first(log);
}

void control_log_commit(struct control_log *log, uint64_t cursor)
{
    while (log->pending != NULL && log->pending->cursor <= cursor) {
        log->committed = log->pending->cursor;
        log->pending_bytes -= cost_of(log->pending);
        log->pending = log->pending->next;
    }
    trim(log);
}

void control_log_ack(struct control_log *log, uint64_t cursor)
{
    if (cursor > log->acked)
        log->acked = cursor;
    while (!log->keeps && log->first != log->pending && log->first->cursor <= log->acked)
        drop_first(log);
}

const struct control_chunk *control_log_after(const struct control_log *log, uint64_t cursor,
                                              bool *ret_stored)
{
    uint64_t from = cursor > log->acked ? cursor : log->acked;
    *ret_stored = from < log->dropped;
    if (*ret_stored)
        return NULL;
    for (const struct control_chunk *chunk = log->first; chunk != log->pending;
         chunk = chunk->next)
        if (chunk->cursor > cursor)
            return chunk;
    return NULL;
}
