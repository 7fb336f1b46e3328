#include "host_batch.h"

#include <assert.h>
#include <stdlib.h>

struct host_batch *host_batch_new(const struct host_manifest *manifest,
                                  struct host_job *const *jobs, char *const *executes,
                                  const size_t *sizes, size_t count)
{
    struct host_batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        abort();
    assert(count > 0 && count <= HOST_BATCH_MAX);
    batch->manifest = manifest;
    batch->count = batch->left = count;
    for (size_t i = 0; i < count; i++) {
        jobs[i]->batch = batch;
        jobs[i]->place = i;
        jobs[i]->execute = aion_str_n(executes[i], sizes[i]);
        jobs[i]->cancelled = false;
        batch->jobs[i] = jobs[i];
    }
    return batch;
}

void host_batch_free(struct host_batch *batch)
{
    assert(batch->left == 0);
    free(batch);
}

/* -- the command -------------------------------------------------------------------- */
static void add_varint(struct aion_buf *out, uint64_t value)
{
    while (value > 0x7f) {
        aion_buf_char(out, (char)(value | 0x80));
        value >>= 7;
    }
    aion_buf_char(out, (char)value);
}

static size_t varint_size(uint64_t value)
{
    size_t size = 1;
    while (value > 0x7f) {
        value >>= 7;
        size++;
    }
    return size;
}

static void free_execute(struct host_job *job)
{
    free((void *)(uintptr_t)job->execute.data);
    job->execute = (aion_str){0};
}

static void close_ranks(struct host_batch *batch)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->jobs[i] != NULL) {
            batch->jobs[count] = batch->jobs[i];
            batch->jobs[count]->place = count;
            count++;
        }
    batch->count = batch->unanswered = count;
}

/* HostCommand {execute} for one, else {batch: {executes}}; both from packed parts. */
void host_batch_frame(struct host_batch *batch, struct aion_buf *out)
{
    size_t size = 0;
    close_ranks(batch);
    for (size_t i = 0; i < batch->count; i++) {
        size_t execute = batch->jobs[i]->execute.size;
        size += 1 + varint_size(execute) + execute;
    }
    if (batch->count > 1) {
        aion_buf_char(out, AION__V1__HOST_COMMAND__KIND_BATCH << 3 | 2);
        add_varint(out, size);
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct host_job *job = batch->jobs[i];
        int field = batch->count > 1 ? 1 : AION__V1__HOST_COMMAND__KIND_EXECUTE;
        aion_buf_char(out, (char)(field << 3 | 2));
        add_varint(out, job->execute.size);
        aion_buf_str(out, job->execute);
        free_execute(job);
    }
    if (out->overflow)
        aion_buf_reset(out);
}

/* -- ends --------------------------------------------------------------------------- */
static void leave(struct host_job *job)
{
    struct host_batch *batch = job->batch;
    free_execute(job);
    batch->jobs[job->place] = NULL;
    batch->left--;
    job->batch = NULL;
}

void host_batch_fail(struct host_job *job, enum aion_code code, const char *reason,
                     bool retriable, const char *text)
{
    leave(job);
    job->failed(job, code, reason, retriable, text);
}

void host_batch_fail_all(struct host_batch *batch, enum aion_code code, const char *reason,
                         bool retriable, const char *text)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->jobs[i] != NULL)
            host_batch_fail(batch->jobs[i], code, reason, retriable, text);
}

bool host_batch_chunk(struct host_batch *batch, const Aion__V1__HostMessage__Chunk *chunk)
{
    if (chunk->place >= batch->count || batch->answered[chunk->place])
        return false;
    struct host_job *job = batch->jobs[chunk->place];
    if (job != NULL && !job->cancelled)
        job->chunk(job, chunk);
    return true;
}

bool host_batch_result(struct host_batch *batch, const Aion__V1__HostMessage__Result *result)
{
    if (result->place >= batch->count || batch->answered[result->place])
        return false;
    struct host_job *job = batch->jobs[result->place];
    batch->answered[result->place] = true;
    batch->unanswered--;
    if (job == NULL || job->cancelled)
        return true; /* nobody waits for it, or its process is being ended */
    leave(job);
    job->result(job, result);
    return true;
}
