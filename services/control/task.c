#include "task.h"

#include "auth/digest.h"
#include "control_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { CANCEL_REASON_MAX = 256 };

_Static_assert(sizeof(struct control_task) <= 1216,
               "a million queued tasks are in memory: what few of them need is kept apart");

const struct control_error control_error_none = {.code = 0};

void control_bytes_set(struct control_bytes *bytes, aion_str value)
{
    control_bytes_free(bytes);
    if (value.size == 0)
        return;
    bytes->data = malloc(value.size);
    if (bytes->data == NULL)
        abort();
    memcpy(bytes->data, value.data, value.size);
    bytes->size = value.size;
}

void control_bytes_free(struct control_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct control_bytes){0};
}

struct control_task *control_task_new(const struct aion_uuid *id, aion_str tenant,
                                      aion_str intent)
{
    struct control_task *task = calloc(1, sizeof(*task) + tenant.size + intent.size);
    if (task == NULL)
        abort();
    char *text = (char *)(task + 1);
    memcpy(text, tenant.data, tenant.size);
    memcpy(text + tenant.size, intent.data, intent.size);
    task->refs = 1;
    task->id = *id;
    task->error = &control_error_none;
    aion_uuid_text(id, task->id_text);
    task->tenant = aion_str_n(text, tenant.size);
    task->intent = aion_str_n(text + tenant.size, intent.size);
    aion_list_init(&task->on_host);
    control_sched_item_init(&task->queued);
    aion_list_init(&task->watchers);
    aion_list_init(&task->waiters);
    aion_list_init(&task->unrouted);
    aion_list_init(&task->held);
    aion_list_init(&task->of_shard);
    aion_list_init(&task->used);
    ops_task_init(&task->ops);
    return task;
}

struct control_task *control_task_ref(struct control_task *task)
{
    task->refs++;
    return task;
}

void control_task_unref(struct control_task *task)
{
    if (task == NULL || --task->refs > 0)
        return;
    assert(aion_list_empty(&task->waiters) && aion_list_empty(&task->watchers));
    control_direct_free(task->direct);
    free(task->labels);
    control_bytes_free(&task->meta);
    control_bytes_free(&task->body);
    control_bytes_free(&task->decision);
    control_bytes_free(&task->result);
    control_bytes_free(&task->key_id);
    control_log_done(&task->log);
    auth_sha256_free(task->sha);
    control_task_set_error(task, &control_error_none);
    free(task->cancel_reason);
    free(task);
}

size_t control_task_bytes(const struct control_task *task)
{
    return sizeof(*task) + task->meta.size + task->body.size + task->decision.size +
           task->result.size + task->log.bytes;
}

struct control_sched_place control_task_place(const struct control_task *task)
{
    return (struct control_sched_place){.tenant = task->tenant,
                                        .pool = aion_str_of(task->pool),
                                        .module = aion_str_of(task->module),
                                        .intent = task->intent,
                                        .alone = task->attempt > 0,
                                        .labels = aion_str_of(task->labels)};
}

/* Most tasks never have one: it is kept apart, that a queued task is small. */
void control_task_set_error(struct control_task *task, const struct control_error *error)
{
    if (task->error != &control_error_none)
        free((void *)(uintptr_t)task->error);
    task->error = &control_error_none;
    if (error->code == 0)
        return;
    struct control_error *own = malloc(sizeof(*own));
    if (own == NULL)
        abort();
    *own = *error;
    task->error = own;
}

void control_task_set_cancel_reason(struct control_task *task, const char *reason)
{
    free(task->cancel_reason);
    task->cancel_reason = strndup(reason, CANCEL_REASON_MAX);
    if (task->cancel_reason == NULL)
        abort();
}

const char *control_task_cancel_reason(const struct control_task *task)
{
    return task->cancel_reason != NULL ? task->cancel_reason : "";
}

void control_error_set(struct control_error *error, int32_t code, aion_str reason,
                       aion_str message)
{
    error->code = code;
    aion_str_copy(error->reason, sizeof(error->reason), reason);
    aion_str_copy(error->message, sizeof(error->message), message);
}

/* -- cache -------------------------------------------------------------------------- */
static aion_str key_of(const struct control_task *task)
{
    return aion_str_n(task->id.bytes, sizeof(task->id.bytes));
}

void control_cache_init(struct control_cache *cache, size_t tasks_max, size_t finished_max,
                        size_t finished_bytes_max)
{
    *cache = (struct control_cache){.finished_max = finished_max,
                                    .finished_bytes_max = finished_bytes_max};
    aion_map_init(&cache->by_id, tasks_max);
    aion_list_init(&cache->used);
}

void control_cache_done(struct control_cache *cache)
{
    size_t cursor = 0;
    struct control_task *task;
    while ((task = aion_map_next(&cache->by_id, &cursor)) != NULL) {
        aion_list_remove(&task->used);
        control_task_unref(task); /* keys are not read any more */
    }
    aion_map_done(&cache->by_id);
}

bool control_cache_add(struct control_cache *cache, struct control_task *task)
{
    if (!aion_map_put(&cache->by_id, key_of(task), task))
        return false;
    control_task_ref(task);
    return true;
}

static void use(struct control_cache *cache, struct control_task *task)
{
    aion_list_remove(&task->used);
    aion_list_add_last(&cache->used, &task->used);
}

struct control_task *control_cache_find(struct control_cache *cache, const struct aion_uuid *id)
{
    struct control_task *task =
        aion_map_get(&cache->by_id, aion_str_n(id->bytes, sizeof(id->bytes)));
    if (task != NULL && !aion_list_empty(&task->used))
        use(cache, task);
    return task;
}

const struct control_task *control_cache_peek(const struct control_cache *cache,
                                              const struct aion_uuid *id)
{
    return aion_map_get(&cache->by_id, aion_str_n(id->bytes, sizeof(id->bytes)));
}

static void drop(struct control_cache *cache, struct control_task *task)
{
    aion_map_remove(&cache->by_id, key_of(task));
    aion_list_remove(&task->used);
    cache->finished--;
    cache->finished_bytes -= task->cached_bytes;
    control_task_unref(task);
}

void control_cache_remove(struct control_cache *cache, struct control_task *task)
{
    if (!aion_list_empty(&task->used)) {
        drop(cache, task);
        return;
    }
    if (aion_map_remove(&cache->by_id, key_of(task)) != NULL)
        control_task_unref(task);
}

void control_cache_drop_finished(struct control_cache *cache)
{
    while (!aion_list_empty(&cache->used))
        drop(cache, aion_container(cache->used.next, struct control_task, used));
}

/* What it is counted with is remembered in the task, as its log may shrink meanwhile. One that
 * is dropped while readers follow it lives on by their references. */
void control_cache_finished(struct control_cache *cache, struct control_task *task)
{
    task->cached_bytes = control_task_bytes(task);
    use(cache, task);
    cache->finished++;
    cache->finished_bytes += task->cached_bytes;
    while (!aion_list_empty(&cache->used) &&
           (cache->finished > cache->finished_max ||
            cache->finished_bytes > cache->finished_bytes_max))
        drop(cache, aion_container(cache->used.next, struct control_task, used));
}
