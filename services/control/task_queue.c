#include "task_queue.h"

#include <assert.h>
#include <stdlib.h>

void control_queue_init(struct control_queue *queue, size_t count_max, size_t bytes_max)
{
    *queue = (struct control_queue){.count_max = count_max, .bytes_max = bytes_max};
    aion_map_init(&queue->by_name, QUEUE_LANES_MAX);
    aion_list_init(&queue->lanes);
}

void control_queue_done(struct control_queue *queue)
{
    aion_list_each_safe (link, &queue->lanes) {
        struct control_lane *lane = aion_container(link, struct control_lane, link);
        free(lane->name);
        free(lane);
    }
    aion_list_init(&queue->lanes);
    aion_map_done(&queue->by_name);
}

bool control_queue_reserve(struct control_queue *queue, size_t bytes, struct aion_err *err)
{
    size_t count = queue->count + queue->reserved, held = queue->bytes + queue->reserved_bytes;
    if (count < queue->count_max &&
        bytes <= queue->bytes_max - (held < queue->bytes_max ? held : queue->bytes_max)) {
        queue->reserved++;
        queue->reserved_bytes += bytes;
        return true;
    }
    if (count >= queue->count_max)
        aion_err_set(err, __func__, AION_EXHAUSTED, "the queue is full: %zu tasks wait", count);
    else
        aion_err_set(err, __func__, AION_EXHAUSTED,
                     "the queue is full: %zu tasks of %zu bytes wait", count, held);
    aion_err_reason(err, "QUEUE_FULL");
    if (err != NULL) {
        err->retriable = true;
        err->retry_after_ms = 1000;
    }
    return false;
}

void control_queue_unreserve(struct control_queue *queue, size_t bytes)
{
    assert(queue->reserved > 0 && queue->reserved_bytes >= bytes);
    queue->reserved--;
    queue->reserved_bytes -= bytes;
}

/* Lanes live as long as the queue: there are as many as modules that ever had a task. Beyond
 * QUEUE_LANES_MAX (a policy that makes names up) tasks share the last lane's place in a lane of
 * their own that the map does not know. */
static struct control_lane *lane_of(struct control_queue *queue, aion_str name)
{
    struct control_lane *lane = aion_map_get(&queue->by_name, name);
    if (lane != NULL)
        return lane;
    lane = calloc(1, sizeof(*lane));
    if (lane == NULL || (lane->name = strndup(name.data, name.size)) == NULL)
        abort(); /* an acknowledged task that cannot be queued is lost: start anew from the
                    store */
    for (size_t i = 0; i < QUEUE_CLASSES; i++)
        aion_list_init(&lane->items[i]);
    aion_list_add_last(&queue->lanes, &lane->link);
    (void)aion_map_put(&queue->by_name, aion_str_of(lane->name), lane);
    return lane;
}

void control_queue_add(struct control_queue *queue, aion_str lane,
                       struct control_queue_item *item, unsigned class, size_t bytes)
{
    assert(item->lane == NULL);
    item->class = class < QUEUE_CLASSES ? class : QUEUE_CLASSES - 1;
    item->bytes = bytes;
    item->order = queue->next_order++;
    item->lane = lane_of(queue, lane);
    aion_list_add_last(&item->lane->items[item->class], &item->link);
    queue->count++;
    queue->bytes += bytes;
    queue->class_count[item->class]++;
}

void control_queue_remove(struct control_queue *queue, struct control_queue_item *item)
{
    if (item->lane == NULL)
        return;
    aion_list_remove(&item->link);
    item->lane = NULL;
    queue->count--;
    queue->bytes -= item->bytes;
    queue->class_count[item->class]--;
}

static struct control_queue_item *lane_first(struct control_lane *lane)
{
    for (size_t i = 0; i < QUEUE_CLASSES; i++) {
        struct aion_link *link = aion_list_first(&lane->items[i]);
        if (link != NULL)
            return aion_container(link, struct control_queue_item, link);
    }
    return NULL;
}

static bool is_before(const struct control_queue_item *a, const struct control_queue_item *b)
{
    return b == NULL || a->class < b->class || (a->class == b->class && a->order < b->order);
}

struct control_queue_item *control_queue_first(struct control_queue *queue,
                                               bool (*serves)(void *user, aion_str lane),
                                               void *user)
{
    struct control_queue_item *best = NULL;
    aion_list_each (link, &queue->lanes) {
        struct control_lane *lane = aion_container(link, struct control_lane, link);
        struct control_queue_item *item = lane_first(lane);
        if (item != NULL && is_before(item, best) && serves(user, aion_str_of(lane->name)))
            best = item;
    }
    return best;
}
