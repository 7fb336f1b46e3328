/* Attempts: their beginning, their output, their result, and what becomes of them when their
 * host goes away.
 *
 * Every word of a host names an attempt by its token (task, attempt, epoch). Only the running
 * attempt's is heard; all others are stale: counted, answered, and without effect. */
#include "auth/digest.h"
#include "base/clock.h"
#include "control_private.h"

#include <stdio.h>
#include <stdlib.h>

/* -- beginning and leaving ---------------------------------------------------------- */
static void start_done(struct control_write *write)
{
    if (write->as.start.begin.token.attempt == write->task->attempt)
        write->task->starting = false;
}

/* Goes with the end of the attempt when that comes soon. */
static void write_start(struct control *control, struct control_task *task, int64_t at_us)
{
    const struct control_offer *offer =
        control_host_offer(task->host, task->pool, task->module);
    struct control_write *write = control_write_new(control, task, STORE_START, start_done);
    task->starting = true;
    aion_str_copy(write->host, sizeof(write->host), aion_str_of(task->host_id));
    aion_str_copy(write->module, sizeof(write->module), aion_str_of(task->module));
    aion_str_copy(write->module_digest, sizeof(write->module_digest),
                  offer != NULL ? aion_str_of(offer->digest) : AION_STR(""));
    write->as.start = (struct store_start){
        .write.op.lazy = true,
        .begin = {.token = {task->epoch, task->attempt},
                  .at_us = at_us,
                  .host = aion_str_of(write->host),
                  .module = aion_str_of(write->module),
                  .module_digest = aion_str_of(write->module_digest)},
    };
    control_write_linger(write);
}

static void join(struct control *control, struct control_task *task, struct control_host *host)
{
    aion_list_remove(&task->on_host);
    aion_list_add_last(&host->attempts, &task->on_host);
    task->host = host;
    if (!control_sched_runs(&task->queued)) {
        struct control_sched_place place = control_task_place(task);
        control_sched_adopt(&control->sched, &task->queued, &place, &host->sched,
                            mesh_loop_now(control->loop));
    }
    control_due_at(control, task,
                   mesh_loop_now(control->loop) + task->timeout_us +
                       control->conf->attempt_grace);
    control_ops_started(control, task);
}

void control_attempt_begin(struct control *control, struct control_task *task,
                           struct control_host *host, int64_t at_us)
{
    control_move_at(control, task, TASK_START, at_us);
    control_task_set_error(task, &control_error_none);
    task->started_us = mesh_loop_now(control->loop);
    task->reported = false;
    aion_str_copy(task->host_id, sizeof(task->host_id), aion_str_of(host->host_id));
    size_t pending = task->log.pending_bytes;
    control_log_restart(&task->log, task->attempt);
    control->pending_bytes += task->log.pending_bytes - pending;
    auth_sha256_free(task->sha);
    task->sha = NULL;
    join(control, task, host);
    write_start(control, task, at_us);
    control_attempt_write_chunks(control,
                                 task); /* the word to readers to forget the attempt before */
}

static void free_slot(struct control_task *task, bool good)
{
    control_sched_end(&task->control->sched, &task->queued, mesh_loop_now(task->control->loop),
                      good);
}

void control_attempt_leave(struct control_task *task)
{
    free_slot(task, false);
    aion_list_remove(&task->on_host);
    task->host = NULL;
}

/* -- hosts that go and come --------------------------------------------------------- */
/* Until it is lost, it counts among what its tenant may run at once. */
void control_attempt_orphan(struct control *control, struct control_task *task,
                            int64_t grace_us)
{
    struct control_sched_place place = control_task_place(task);
    if (task->settling || task->state != TASK_RUNNING) {
        control_attempt_leave(task); /* its end is on its way to the disk */
        return;
    }
    control_sched_orphan(&control->sched, &task->queued, &place);
    aion_list_remove(&task->on_host);
    task->host = NULL;
    aion_list_add_last(&control->orphans, &task->on_host);
    if (task->direct != NULL)
        grace_us = 0; /* its call need not wait for what may not come */
    control_due_at(control, task, mesh_loop_now(control->loop) + grace_us);
}

void control_attempt_lost(struct control *control, struct control_task *task)
{
    struct control_error error = {.code = AION_UNAVAILABLE, .reason = "HOST_LOST"};
    snprintf(error.message, sizeof(error.message), "host %s went away with it", task->host_id);
    control_count(COUNT_HOST_LOST);
    aion_list_remove(&task->on_host);
    control_outcome_unknown(control, task, &error);
}

static struct control_task *find_task(struct control *control,
                                      const Aion__V1__AttemptToken *token)
{
    struct aion_uuid id;
    if (token == NULL || !aion_uuid_parse(aion_str_of(token->task_id), &id))
        return NULL;
    return control_cache_find(&control->tasks, &id);
}

/* Whoever has its shard hears of it: the host tells whoever claims it last. What we say of it
 * now would be said in somebody else's name. A direct task is known to us alone. */
static bool is_elsewhere(struct control *control, const Aion__V1__AttemptToken *token)
{
    struct aion_uuid id;
    if (token == NULL || !aion_uuid_parse(aion_str_of(token->task_id), &id) ||
        control_shard_opened(control, control_shard_of(&id)))
        return false;
    const struct control_task *task = control_cache_peek(&control->tasks, &id);
    return task == NULL || task->direct == NULL;
}

static bool is_running(const struct control_task *task, const Aion__V1__AttemptToken *token)
{
    return task != NULL && task->state == TASK_RUNNING && task->attempt == token->attempt &&
           task->epoch == token->epoch;
}

/* A start that a crash kept from the disk: the task is still queued, and its next attempt runs
 * already. */
static bool is_unwritten_start(const struct control *control, const struct control_task *task,
                               const Aion__V1__AttemptToken *token)
{
    return task != NULL && task->state == TASK_QUEUED && !task->settling &&
           token->attempt == task->attempt + 1 && token->epoch >= task->epoch &&
           token->epoch < control_shard_epoch(control, task->seq);
}

static void resume_done(struct control_write *write)
{
    (void)write; /* a line in the task's history, nothing more */
}

static void write_resume(struct control *control, struct control_task *task)
{
    struct control_write *write = control_write_new(control, task, STORE_MARK, resume_done);
    aion_str_copy(write->host, sizeof(write->host), aion_str_of(task->host_id));
    write->as.mark = (struct store_mark){
        .write.op.lazy = true,
        .number = ++task->marks,
        .kind = STORE_MARK_RESUMED,
        .attempt = task->attempt,
        .at_us = aion_clock_utc_us(),
        .note = aion_str_of(write->host),
    };
    control_write_submit(write);
}

static void resume(struct control_host *host, const Aion__V1__AttemptToken *token)
{
    struct control *control = host->control;
    struct control_task *task = find_task(control, token);
    if (token == NULL || is_elsewhere(control, token))
        return;
    if (task != NULL && task->direct != NULL && task->host == NULL) {
        control_count(COUNT_STALE); /* given up when its host went */
        control_host_cancel_token(host, token);
    } else if (is_running(task, token) && task->host == NULL && task->settling) {
        task->host = host; /* to be told that it is settled */
        aion_list_add_last(&host->attempts, &task->on_host);
    } else if (is_running(task, token) && task->host == NULL) {
        join(control, task, host);
        write_resume(control, task);
        if (task->cancelling)
            control_host_cancel(task, control_task_cancel_reason(task));
    } else if (is_unwritten_start(control, task, token)) {
        control_sched_remove(&control->sched, &task->queued);
        task->epoch = token->epoch;
        task->attempt = token->attempt;
        control_attempt_begin(control, task, host, aion_clock_utc_us());
    } else if (control_is_doubted(task, token)) {
        return; /* it works on: its result ends the doubt */
    } else if (task == NULL || !is_running(task, token) || task->host != host) {
        control_count(COUNT_STALE);
        control_host_cancel_token(host, token);
    }
}

/* What the host did not name it does not have any more. */
static void lose_unnamed(struct control_host *host, uint64_t shards)
{
    struct control *control = host->control;
    aion_list_each_safe (link, &control->orphans) {
        struct control_task *task = aion_container(link, struct control_task, on_host);
        if (strcmp(task->host_id, host->host_id) != 0 ||
            (shards & control_shard_bit(store_seq_shard(task->seq))) == 0)
            continue;
        control_due_never(control, task);
        control_attempt_lost(control, task);
    }
}

void control_attempts_running(struct control_host *host,
                              const Aion__V1__HostMessage__Running *running)
{
    for (size_t i = 0; running != NULL && i < running->n_tokens; i++)
        resume(host, running->tokens[i]);
    lose_unnamed(host, running != NULL && running->shards != 0 ? running->shards : UINT64_MAX);
    host->ready = true;
    host->claiming = false;
    control_host_refresh(host);
    control_dispatch(host->control);
}

/* -- output ------------------------------------------------------------------------- */
static void chunks_done(struct control_write *write)
{
    struct control *control = write->control;
    struct control_task *task = write->task;
    control->pending_bytes -= task->log.pending_bytes;
    if (write->as.write.outcome == STORE_DONE)
        control_log_commit(&task->log, write->cursor);
    control->pending_bytes += task->log.pending_bytes;
    control_write_chunks_done(task);
    control_watchers_wake(task);
    control_hosts_pause(control);
    if (write->as.write.outcome == STORE_DONE)
        control_attempt_write_chunks(control, task);
}

/* A direct task's output is shown as it is, and stored with the end. */
static void show_chunks(struct control *control, struct control_task *task)
{
    control->pending_bytes -= task->log.pending_bytes;
    control_log_commit(&task->log, task->log.cursor);
    control_watchers_wake(task);
}

/* One write at a time and task: what comes meanwhile goes together with the next. Without a
 * reader it may wait for company, as a rule for the end of the task. */
void control_attempt_write_chunks(struct control *control, struct control_task *task)
{
    if (task->direct != NULL) {
        show_chunks(control, task);
        return;
    }
    if (task->chunks_writing || task->settling || task->log.pending == NULL)
        return;
    control_write_start_now(task);
    struct control_write *write = control_write_new(control, task, STORE_CHUNKS, chunks_done);
    task->chunks_writing = true;
    write->as.chunks = (struct store_chunks){
        .write.op.lazy = aion_list_empty(&task->watchers),
        .token = {task->epoch, task->attempt},
    };
    control_write_chunks(write, &write->as.chunks.chunks, &write->as.chunks.count);
    control_write_submit(write);
}

static void fail_attempt(struct control *control, struct control_task *task, bool retriable,
                         const char *reason, const char *message)
{
    struct control_error error = {.code = retriable ? AION_ABORTED : AION_EXHAUSTED};
    snprintf(error.reason, sizeof(error.reason), "%s", reason);
    snprintf(error.message, sizeof(error.message), "%s", message);
    control_host_cancel(task, message);
    if (retriable)
        control_retry(control, task, &error);
    else
        control_finish(control, task, TASK_FAIL, &error);
}

static aion_str payload_of(const Aion__V1__HostMessage__Chunk *chunk,
                           enum control_chunk_kind *ret_kind)
{
    *ret_kind = CHUNK_TEXT;
    if (chunk->payload_case == AION__V1__HOST_MESSAGE__CHUNK__PAYLOAD_TEXT)
        return aion_str_of(chunk->text);
    *ret_kind = CHUNK_DATA;
    if (chunk->payload_case == AION__V1__HOST_MESSAGE__CHUNK__PAYLOAD_DATA)
        return aion_str_n(chunk->data.data, chunk->data.len);
    return (aion_str){0};
}

/* The digest can only be made when all of the attempt's output went through this process. */
static void add_to_digest(struct control_task *task, uint64_t sequence, aion_str payload)
{
    if (sequence == 1 && task->sha == NULL)
        task->sha = auth_sha256_new();
    if (task->sha != NULL)
        auth_sha256_add(task->sha, payload);
}

/* Text is cut between code points. */
static size_t piece_of(enum control_chunk_kind kind, aion_str rest)
{
    size_t size = rest.size < CHUNK_BYTES_MAX ? rest.size : CHUNK_BYTES_MAX;
    while (kind == CHUNK_TEXT && size < rest.size && ((unsigned char)rest.data[size] >> 6) == 2)
        size--;
    return size;
}

/* A reader holds whole chunks: a module's large one becomes several, so that what a slow reader
 * costs is bounded. They are stored together: after a crash all of them are there or none. */
static void append(struct control_task *task, const Aion__V1__HostMessage__Chunk *chunk,
                   enum control_chunk_kind kind, aion_str payload)
{
    do {
        size_t size = piece_of(kind, payload);
        control_log_append(&task->log, task->attempt, chunk->sequence, kind,
                           aion_str_of(chunk->content_type), aion_str_n(payload.data, size));
        payload = aion_str_n(payload.data + size, payload.size - size);
    } while (payload.size > 0);
}

void control_attempt_chunk(struct control_host *host, const Aion__V1__HostMessage__Chunk *chunk)
{
    struct control *control = host->control;
    struct control_task *task = find_task(control, chunk->token);
    enum control_chunk_kind kind;
    if (is_elsewhere(control, chunk->token))
        return;
    if (!is_running(task, chunk->token) || task->host != host || task->settling) {
        control_count(COUNT_STALE);
        return;
    }
    if (chunk->sequence <= task->log.sequence)
        return; /* sent again after it attached again */
    if (chunk->sequence != task->log.sequence + 1) {
        fail_attempt(control, task, true, "STREAM_GAP",
                     "a part of its output was lost on the way");
        return;
    }
    aion_str payload = payload_of(chunk, &kind);
    if (task->log.cursor == 0 || chunk->sequence == 1)
        task->output_bytes = 0;
    task->output_bytes += (int64_t)payload.size;
    if (task->output_bytes > control->conf->stream_bytes_max) {
        fail_attempt(control, task, false, "OUTPUT_TOO_LARGE",
                     "its output is larger than stream_bytes_max");
        return;
    }
    if (task->direct != NULL && task->output_bytes > DIRECT_OUTPUT_MAX) {
        fail_attempt(control, task, false, "OUTPUT_TOO_LARGE",
                     "its output is larger than the 1 MiB of the direct lane");
        return;
    }
    size_t pending = task->log.pending_bytes;
    add_to_digest(task, chunk->sequence, payload);
    append(task, chunk, kind, payload);
    control->pending_bytes += task->log.pending_bytes - pending;
    control_attempt_write_chunks(control, task);
    control_hosts_pause(control);
}

/* -- results ------------------------------------------------------------------------ */
static bool digest_agrees(struct control_task *task,
                          const Aion__V1__HostMessage__Result *result)
{
    uint8_t digest[AUTH_SHA256_SIZE];
    if (task->sha == NULL || result->digest.len != sizeof(digest))
        return true;
    auth_sha256_end(task->sha, digest);
    auth_sha256_free(task->sha);
    task->sha = NULL;
    return memcmp(digest, result->digest.data, sizeof(digest)) == 0;
}

static void take_usage(struct control_task *task, const Aion__V1__Usage *usage)
{
    if (usage == NULL)
        return;
    task->usage.run_us += usage->run_us > 0 ? usage->run_us : 0;
    task->usage.tokens_in += usage->tokens_in;
    task->usage.tokens_out += usage->tokens_out;
    task->usage.cost_nano_usd += usage->cost_nano_usd > 0 ? usage->cost_nano_usd : 0;
}

static void take_result(struct control_task *task, const Aion__V1__TaskResult *result)
{
    size_t size = protobuf_c_message_get_packed_size(&result->base);
    control_bytes_free(&task->result);
    task->result.data = malloc(size > 0 ? size : 1);
    if (task->result.data == NULL)
        abort();
    task->result.size = protobuf_c_message_pack(&result->base, (uint8_t *)task->result.data);
}

/* The host's words for a module that ended before it had answered. */
static bool died_at_work(const struct control_error *error)
{
    return strcmp(error->reason, "MODULE_CRASHED") == 0 ||
           strcmp(error->reason, "MODULE_TIMEOUT") == 0;
}

static void failed(struct control *control, struct control_task *task,
                   const Aion__V1__HostMessage__Result *result)
{
    struct control_error error;
    control_error_set(&error, result->error->code, aion_str_of(result->error->reason),
                      aion_str_of(result->error->message));
    if (error.code == 0)
        error.code = AION_UNKNOWN;
    if (task->cancelling) {
        snprintf(error.message, sizeof(error.message), "%.255s",
                 control_task_cancel_reason(task));
        control_finish(control, task, TASK_CANCEL, &error);
    } else if (result->retriable && died_at_work(&error)) {
        control_outcome_unknown(control, task, &error);
    } else if (result->retriable) {
        control_retry(control, task, &error);
    } else {
        control_finish(control, task, TASK_FAIL, &error);
    }
}

/* The host came back with what it had: the doubt is over, unless it is the doubt itself once
 * more. */
static void late_result(struct control_host *host, struct control_task *task,
                        const Aion__V1__HostMessage__Result *result)
{
    struct control *control = host->control;
    struct control_error error = {.code = 0};
    if (task->settling)
        return;
    if (result->error != NULL)
        control_error_set(&error, result->error->code, aion_str_of(result->error->reason),
                          aion_str_of(result->error->message));
    if (died_at_work(&error)) {
        control_host_settled(host, task, NULL, true);
        return;
    }
    if (task->host == NULL) {
        task->host = host; /* to be told that it is settled */
        aion_list_add_last(&host->attempts, &task->on_host);
    }
    task->reported = true;
    take_usage(task, result->usage);
    if (result->error != NULL && result->retriable) {
        control_host_settled(host, task, NULL, true);
        control_attempt_leave(task);
        control_doubt_requeue(control, task);
    } else if (result->error != NULL) {
        failed(control, task, result);
    } else if (result->result != NULL) {
        take_result(task, result->result);
        control_finish(control, task, TASK_SUCCEED, NULL);
    }
}

void control_attempt_result(struct control_host *host,
                            const Aion__V1__HostMessage__Result *result)
{
    struct control *control = host->control;
    struct control_task *task = find_task(control, result->token);
    if (result->token == NULL || is_elsewhere(control, result->token))
        return;
    if (control_is_doubted(task, result->token)) {
        late_result(host, task, result);
        return;
    }
    if (!is_running(task, result->token) || task->host != host) {
        control_count(COUNT_STALE);
        control_host_settled(host, NULL, result->token, false);
        return;
    }
    if (task->settling)
        return; /* its end is on the way to the disk: `settled` follows, and says whose */
    free_slot(task, result->error == NULL);
    control_due_never(control, task);
    take_usage(task, result->usage);
    control_ops_attempt(control, task, result);
    task->reported = true;
    if (result->error != NULL) {
        failed(control, task, result);
    } else if (result->result == NULL || !digest_agrees(task, result)) {
        task->reported = false;
        fail_attempt(control, task, true, "RESULT_CORRUPT",
                     "its result or output came damaged");
    } else {
        take_result(task, result->result);
        task->stream_digest_known = result->digest.len == 32;
        if (task->stream_digest_known)
            memcpy(task->stream_digest, result->digest.data, 32);
        control_finish(control, task, TASK_SUCCEED, NULL);
    }
    control_dispatch(control);
}
