/* Tasks that wait for a host: five classes, first in first out, in lanes of what can run them.
 * Pure; I/O thread.
 *
 * A lane is a pool and a module, so that a task whose host is missing never stands in the way
 * of others. Every task counts against the bounds from admission on: reserved first, which may
 * be refused; added later, which may not. */
#ifndef CONTROL_TASK_QUEUE_H
#define CONTROL_TASK_QUEUE_H

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"

enum { QUEUE_CLASSES = 5, QUEUE_LANES_MAX = 1024 };

struct control_lane {
    struct aion_link link; /* in the queue's lanes */
    struct aion_link items[QUEUE_CLASSES];
    char *name; /* "cpu/summarize_text" */
};

struct control_queue_item {
    struct aion_link link;
    struct control_lane *lane; /* NULL = not queued */
    unsigned class;            /* 0 = most urgent */
    uint64_t order;            /* of being added, over all lanes */
    size_t bytes;
};

struct control_queue {
    struct aion_map by_name;
    struct aion_link lanes;
    uint64_t next_order;
    size_t count, bytes;             /* queued */
    size_t reserved, reserved_bytes; /* admitted, not queued yet */
    size_t count_max, bytes_max;
    size_t class_count[QUEUE_CLASSES];
};

void control_queue_init(struct control_queue *queue, size_t count_max, size_t bytes_max);
/* Items are the caller's; they must be out. */
void control_queue_done(struct control_queue *queue);
/* EXHAUSTED reason QUEUE_FULL: the text says which bound. */
bool control_queue_reserve(struct control_queue *queue, size_t bytes,
                           struct aion_err *err) AION_MUST_CHECK;
void control_queue_unreserve(struct control_queue *queue, size_t bytes);
/* Behind all others of its class; never refused: what was acknowledged must run. */
void control_queue_add(struct control_queue *queue, aion_str lane,
                       struct control_queue_item *item, unsigned class, size_t bytes);
void control_queue_remove(struct control_queue *queue,
                          struct control_queue_item *item); /* absent: nothing */
/* The most urgent, then oldest item of the lanes that `serves` says yes to; it stays in. NULL =
 * none. */
struct control_queue_item *control_queue_first(struct control_queue *queue,
                                               bool (*serves)(void *user, aion_str lane),
                                               void *user);

#endif
