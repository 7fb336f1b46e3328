/* Attempts: executed by the pool, told to control, kept until control has settled them. */
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/uuid.h"
#include "host_private.h"
#include "sdk/frame.h"

#include <stdlib.h>

/* -- finding and freeing -------------------------------------------------- */

static struct host_attempt *find(struct host *host, const Aion__V1__AttemptToken *token)
{
    aion_list_each (link, &host->attempts) {
        struct host_attempt *attempt = aion_container(link, struct host_attempt, link);
        if (token != NULL && attempt->attempt == token->attempt &&
            attempt->epoch == token->epoch && strcmp(attempt->task_id, token->task_id) == 0)
            return attempt;
    }
    return NULL;
}

static void free_attempt(struct host_attempt *attempt)
{
    while (attempt->chunks != NULL) {
        struct host_kept *kept = attempt->chunks;
        attempt->chunks = kept->next;
        free(kept);
    }
    free(attempt->result);
    auth_sha256_free(attempt->digest);
    aion_list_remove(&attempt->link);
    aion_list_remove(&attempt->mates);
    free(attempt);
}

static void own(struct host_attempt *attempt, struct host_link *link)
{
    if (attempt->owner != NULL && attempt->seated)
        attempt->owner->running--;
    attempt->owner = link;
    if (link != NULL && attempt->seated)
        link->running++;
}

static void sit(struct host_attempt *attempt, bool seated)
{
    unsigned *own_count = attempt->owner != NULL ? &attempt->owner->running : NULL;
    if (attempt->seated == seated)
        return;
    attempt->seated = seated;
    if (seated)
        attempt->host->running++;
    else
        attempt->host->running--;
    if (own_count != NULL)
        *own_count = seated ? *own_count + 1 : *own_count - 1;
}

/* What came in one command takes one slot until the last of it has ended. */
static void stand_up(struct host_attempt *attempt)
{
    struct aion_link *mate = aion_list_first(&attempt->mates);
    if (attempt->seated && mate != NULL)
        sit(aion_container(mate, struct host_attempt, mates), true);
    aion_list_remove(&attempt->mates);
    sit(attempt, false);
}

static void tell(const struct host_attempt *attempt, const struct host_kept *kept)
{
    if (attempt->owner != NULL)
        host_link_send_packed(attempt->owner, aion_str_n(kept->wire, kept->size));
}

static void fill_token(const struct host_attempt *attempt, Aion__V1__AttemptToken *token)
{
    aion__v1__attempt_token__init(token);
    token->task_id = (char *)(uintptr_t)attempt->task_id;
    token->attempt = attempt->attempt;
    token->epoch = attempt->epoch;
}

/* -- telling control ------------------------------------------------------ */

static struct host_kept *keep(const Aion__V1__HostMessage *message, uint64_t sequence)
{
    size_t size = protobuf_c_message_get_packed_size(&message->base);
    struct host_kept *kept = malloc(sizeof(*kept) + size);
    if (kept == NULL)
        abort(); /* bounded by slots and HOST_CHUNKS_MAX */
    kept->next = NULL;
    kept->sequence = sequence;
    kept->size = protobuf_c_message_pack(&message->base, kept->wire);
    return kept;
}

/* The oldest go first when an attempt keeps too much: a new attach then finds a gap, and
 * control tries anew. */
static const struct host_kept *keep_chunk(struct host_attempt *attempt,
                                          const Aion__V1__HostMessage *message)
{
    struct host_kept *kept = keep(message, message->chunk->sequence);
    *attempt->chunks_last = kept;
    attempt->chunks_last = &kept->next;
    attempt->chunk_bytes += kept->size;
    while (attempt->chunk_bytes > HOST_CHUNKS_MAX && attempt->chunks != kept) {
        struct host_kept *oldest = attempt->chunks;
        attempt->chunks = oldest->next;
        attempt->chunk_bytes -= oldest->size;
        free(oldest);
    }
    return kept;
}

static void on_chunk(struct host_job *job, const Aion__V1__HostMessage__Chunk *chunk)
{
    struct host_attempt *attempt = (struct host_attempt *)job;
    Aion__V1__AttemptToken token;
    Aion__V1__HostMessage__Chunk told = *chunk;
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    bool text = chunk->payload_case == AION__V1__HOST_MESSAGE__CHUNK__PAYLOAD_TEXT;
    fill_token(attempt, &token);
    told.token = &token;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_CHUNK;
    message.chunk = &told;
    if (attempt->digest == NULL)
        attempt->digest = auth_sha256_new();
    auth_sha256_add(attempt->digest, text ? aion_str_of(chunk->text)
                                          : aion_str_n(chunk->data.data, chunk->data.len));
    tell(attempt, keep_chunk(attempt, &message));
}

/* The result is the attempt's last word: the slot is free, the result waits for Settled. */
static void conclude(struct host_attempt *attempt, Aion__V1__HostMessage__Result *result)
{
    struct host *host = attempt->host;
    Aion__V1__AttemptToken token;
    Aion__V1__Usage usage = AION__V1__USAGE__INIT;
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    uint8_t digest[AUTH_SHA256_SIZE];
    fill_token(attempt, &token);
    result->token = &token;
    if (result->usage == NULL)
        result->usage = &usage;
    result->usage->run_us = mesh_loop_now(host->program->loop) - attempt->began_us;
    if (attempt->digest != NULL) {
        auth_sha256_end(attempt->digest, digest);
        result->digest = (ProtobufCBinaryData){sizeof(digest), digest};
    }
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_RESULT;
    message.result = result;
    aion_failpoint("host/after_run_before_report");
    attempt->result = keep(&message, 0);
    attempt->running = false;
    stand_up(attempt);
    tell(attempt, attempt->result);
    host_share_changed(host);
}

static void on_result(struct host_job *job, const Aion__V1__HostMessage__Result *result)
{
    Aion__V1__HostMessage__Result told = *result;
    conclude((struct host_attempt *)job, &told);
}

static void on_failed(struct host_job *job, enum aion_code code, const char *reason,
                      bool retriable, const char *text)
{
    Aion__V1__HostMessage__Result told = AION__V1__HOST_MESSAGE__RESULT__INIT;
    Aion__V1__TaskError error = AION__V1__TASK_ERROR__INIT;
    error.code = (int32_t)code;
    error.reason = (char *)(uintptr_t)reason;
    error.message = (char *)(uintptr_t)text;
    told.error = &error;
    told.retriable = retriable;
    conclude((struct host_attempt *)job, &told);
}

/* -- commands ------------------------------------------------------------- */

/* The low six bits of the id. */
static unsigned shard_of(const char *task_id)
{
    struct aion_uuid id;
    return aion_uuid_parse(aion_str_of(task_id), &id) ? id.bytes[15] & 0x3f : 0;
}

static struct host_attempt *new_attempt(struct host_link *link,
                                        const Aion__V1__AttemptToken *token)
{
    struct host *host = link->host;
    struct host_attempt *attempt = calloc(1, sizeof(*attempt));
    if (attempt == NULL)
        abort(); /* bounded by the slots that control knows */
    attempt->host = host;
    attempt->job.chunk = on_chunk;
    attempt->job.result = on_result;
    attempt->job.failed = on_failed;
    attempt->chunks_last = &attempt->chunks;
    attempt->attempt = token->attempt;
    attempt->epoch = token->epoch;
    attempt->running = true;
    attempt->began_us = mesh_loop_now(host->program->loop);
    aion_str_copy(attempt->task_id, sizeof(attempt->task_id), aion_str_of(token->task_id));
    attempt->shard = shard_of(attempt->task_id);
    aion_list_init(&attempt->mates);
    aion_list_add_last(&host->attempts, &attempt->link);
    own(attempt, link);
    host_share_changed(host);
    return attempt;
}

static char *pack_execute(const Aion__V1__HostCommand__Execute *execute, size_t *ret_size)
{
    *ret_size = protobuf_c_message_get_packed_size(&execute->base);
    char *packed = malloc(*ret_size + 1);
    if (packed == NULL)
        abort();
    protobuf_c_message_pack(&execute->base, (uint8_t *)packed);
    return packed;
}

/* Another control has claimed the shard since, or the first one never did: a control that lost
 * it and does not know yet must not decide about its tasks. Whoever has it sees to them. */
static bool is_claimed_by(const struct host_link *link, unsigned shard)
{
    return (link->shards >> shard & 1) != 0;
}

/* What one process is to run together. */
struct together {
    const struct host_manifest *manifest;
    struct host_job *jobs[HOST_BATCH_MAX];
    char *executes[HOST_BATCH_MAX];
    size_t sizes[HOST_BATCH_MAX];
    size_t count, bytes;
    int64_t timeout_us; /* the longest of them */
};

static void run_together(struct host *host, struct together *together)
{
    if (together->count > 0)
        host_pool_run(host->pool,
                      host_batch_new(together->manifest, together->jobs, together->executes,
                                     together->sizes, together->count),
                      together->timeout_us);
    *together = (struct together){.count = 0};
}

/* Another module, or more than the module takes or a frame holds: the next batch begins. */
static void add_to(struct host *host, struct together *together, struct host_job *job,
                   const struct host_manifest *manifest,
                   const Aion__V1__HostCommand__Execute *execute)
{
    size_t size;
    char *packed = pack_execute(execute, &size);
    if (together->count > 0 &&
        (together->manifest != manifest || together->count == manifest->batch_max ||
         together->bytes + size > MODULE_FRAME_MAX / 2))
        run_together(host, together);
    size_t place = together->count++;
    together->manifest = manifest;
    together->jobs[place] = job;
    together->executes[place] = packed;
    together->sizes[place] = size;
    together->bytes += size;
    if (execute->timeout_us > together->timeout_us)
        together->timeout_us = execute->timeout_us;
}

void host_execute(struct host_link *link, Aion__V1__HostCommand__Execute *const *executes,
                  size_t count)
{
    struct host *host = link->host;
    struct together together = {.count = 0};
    struct host_attempt *mate = NULL;
    for (size_t i = 0; i < count; i++) {
        const Aion__V1__HostCommand__Execute *execute = executes[i];
        if (execute->token == NULL || find(host, execute->token) != NULL)
            continue; /* the same attempt again: its word is on its way */
        if (!is_claimed_by(link, shard_of(execute->token->task_id)))
            continue;
        struct host_attempt *attempt = new_attempt(link, execute->token);
        const struct host_manifest *manifest = host_pool_module(host->pool, execute->module);
        if (manifest == NULL)
            on_failed(&attempt->job, AION_UNAVAILABLE, "MODULE_NOT_HERE", true,
                      "this host has no such module");
        else if (host->draining)
            on_failed(&attempt->job, AION_UNAVAILABLE, "HOST_DRAINING", true,
                      "the host is draining");
        else
            add_to(host, &together, &attempt->job, manifest, execute);
        if (!attempt->running)
            continue;
        if (mate != NULL && mate->running)
            aion_list_add_last(&mate->mates, &attempt->mates);
        else
            sit(attempt, true);
        mate = attempt;
    }
    run_together(host, &together);
}

void host_cancel(struct host_link *link, const Aion__V1__HostCommand__Cancel *cancel)
{
    struct host_attempt *attempt = find(link->host, cancel->token);
    if (attempt != NULL && attempt->running && is_claimed_by(link, attempt->shard))
        host_pool_cancel(link->host->pool, &attempt->job, cancel->reason);
}

/* What is committed is so whoever says it; that an attempt is stale only its owner knows. */
void host_settled(struct host_link *link, const Aion__V1__HostCommand__Settled *settled)
{
    struct host *host = link->host;
    struct host_attempt *attempt = find(host, settled->token);
    if (attempt == NULL || attempt->running ||
        (!settled->accepted && !is_claimed_by(link, attempt->shard)))
        return;
    free_attempt(attempt);
    if (host->settled != NULL)
        host->settled(host);
}

/* -- who they belong to --------------------------------------------------- */

static bool is_of(const struct host_attempt *attempt, uint64_t shards)
{
    return (shards >> attempt->shard & 1) != 0;
}

static void send_running(struct host_link *link, uint64_t shards)
{
    enum { TOKENS_MAX = 1024 };
    static Aion__V1__AttemptToken tokens[TOKENS_MAX];
    static Aion__V1__AttemptToken *pointers[TOKENS_MAX];
    Aion__V1__HostMessage__Running running = AION__V1__HOST_MESSAGE__RUNNING__INIT;
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    size_t count = 0;
    aion_list_each (pos, &link->host->attempts) {
        struct host_attempt *attempt = aion_container(pos, struct host_attempt, link);
        if (count == TOKENS_MAX || !is_of(attempt, shards))
            continue;
        fill_token(attempt, &tokens[count]);
        pointers[count] = &tokens[count];
        count++;
    }
    running.tokens = pointers;
    running.n_tokens = count;
    running.shards = shards;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_RUNNING;
    message.running = &running;
    host_link_send(link, &message);
}

static void resend(struct host_link *link, const struct host_attempt *attempt)
{
    for (const struct host_kept *kept = attempt->chunks; kept != NULL; kept = kept->next)
        host_link_send_packed(link, aion_str_n(kept->wire, kept->size));
    if (attempt->result != NULL)
        host_link_send_packed(link, aion_str_n(attempt->result->wire, attempt->result->size));
}

/* Another control may still think that they are its own: what they have to say goes to whoever
 * claimed them last. */
void host_claimed(struct host_link *link, uint64_t shards)
{
    aion_list_each (pos, &link->host->links)
        aion_container(pos, struct host_link, link)->shards &= ~shards;
    link->shards |= shards;
    send_running(link, shards);
    aion_list_each (pos, &link->host->attempts) {
        struct host_attempt *attempt = aion_container(pos, struct host_attempt, link);
        if (!is_of(attempt, shards))
            continue;
        own(attempt, link);
        resend(link, attempt);
    }
    host_share_changed(link->host);
}

void host_attempts_orphan(struct host_link *link)
{
    aion_list_each (pos, &link->host->attempts) {
        struct host_attempt *attempt = aion_container(pos, struct host_attempt, link);
        if (attempt->owner == link)
            own(attempt, NULL);
    }
}

void host_free_attempts(struct host *host)
{
    aion_list_each_safe (link, &host->attempts)
        free_attempt(aion_container(link, struct host_attempt, link));
}
