/* Shards that come and go: their tasks are read before anything is done for them, and are out
 * of memory once another may do it.
 *
 * A task that is forgotten may be held still by writes, reads and questions under way. It is
 * settling for ever: whoever comes back with it decides nothing and writes nothing any more. */
#include "base/clock.h"
#include "control_private.h"

#include <stdlib.h>

enum { PAGE = 1000, PAGE_ARENA_MAX = 256 << 20, AGAIN_US = 200000 };

/* -- leaving ------------------------------------------------------------------------- */
static void hush(struct control *control, struct control_task *task)
{
    control_dequeue(control, task);
    aion_heap_remove(&control->deadlines, &task->deadline);
    control_write_start_now(task);
}

void control_handover_hush(struct control *control, uint64_t set)
{
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        if ((set & control_shard_bit(i)) == 0)
            continue;
        aion_list_each_safe (link, &control->shards.tasks[i]) {
            struct control_task *task = aion_container(link, struct control_task, of_shard);
            if (task->direct != NULL)
                control_direct_hush(task);
            else
                hush(control, task);
        }
    }
}

/* What it has reserved stays so in the books, and is whose control the task will be. */
static void forget(struct control *control, struct control_task *task)
{
    control_task_ref(task);
    if (task->direct != NULL)
        control_direct_lost(task);
    aion_list_remove(&task->of_shard);
    control_dequeue(control, task);
    aion_heap_remove(&control->deadlines, &task->deadline);
    control_attempt_leave(task);
    control_money_forget(&task->charge);
    control->pending_bytes -= task->log.pending_bytes;
    control_count_state(task->state, -1);
    control_ops_left(control, task);
    control_writes_forget(task);
    task->forgotten = task->settling = true;
    control_cache_remove(&control->tasks, task);
    control_waits_tell(task);
    control_watchers_move(task);
    control_task_unref(task);
}

void control_handover_drop(struct control_task *task)
{
    forget(task->control, task);
}

void control_handover_forget(struct control *control, uint64_t set)
{
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        struct aion_link *link;
        if ((set & control_shard_bit(i)) == 0)
            continue;
        while ((link = aion_list_first(&control->shards.tasks[i])) != NULL)
            forget(control, aion_container(link, struct control_task, of_shard));
    }
    if (set != 0)
        control_hosts_pause(control);
}

/* -- coming -------------------------------------------------------------------------- */
struct control_loading {
    struct store_load load;
    struct control *control;
    struct aion_arena arena;
    struct mesh_timer again;
    uint64_t epochs[STORE_SHARDS]; /* under which the shards were gained */
};

/* It is ours still, under the epoch under which it is being read. */
static bool is_loading(const struct control_loading *loading, unsigned shard)
{
    const struct control_book *book = &loading->control->shards.book;
    uint64_t bit = control_shard_bit(shard);
    return (loading->load.shards & book->loading & bit) != 0 &&
           book->epochs[shard] == loading->epochs[shard];
}

static void read_page(struct control_loading *loading);

static void open_shards(struct control_loading *loading)
{
    struct control *control = loading->control;
    struct control_shards *shards = &control->shards;
    uint64_t set = 0;
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        set |= is_loading(loading, i) ? control_shard_bit(i) : 0;
    shards->loading = NULL;
    shards->book.loading &= ~set;
    free(loading);
    control_begin_loaded(control);
    control_hosts_claim(control, set);
    control_events_take(control, set);
    control_cluster_nudge(control); /* whoever holds calls for them */
    control_cluster_moved(control);
    control_route_unrouted(control);
    control_dispatch(control);
    control_handover_load(control); /* what was gained meanwhile */
}

static void read_again(struct mesh_timer *timer)
{
    read_page(aion_container(timer, struct control_loading, again));
}

static void page_read(struct store_op *op, const struct aion_err *err)
{
    struct control_loading *loading = aion_container(op, struct control_loading, load.op);
    struct control *control = loading->control;
    struct store_load *load = &loading->load;
    for (size_t i = 0; err == NULL && i < load->count; i++)
        if (is_loading(loading, store_seq_shard(load->tasks[i].seq)))
            control_take_loaded(control, &load->tasks[i]);
    aion_arena_done(&loading->arena);
    if (err != NULL) {
        mesh_timer_set(control->loop, &loading->again, mesh_loop_now(control->loop) + AGAIN_US);
    } else if (load->more) {
        load->after = load->next;
        read_page(loading);
    } else {
        open_shards(loading);
    }
}

static void read_page(struct control_loading *loading)
{
    struct control *control = loading->control;
    aion_arena_init(&loading->arena, PAGE_ARENA_MAX, NULL, 0);
    loading->load.op = (struct store_op){.done = page_read, .arena = &loading->arena};
    if (store_load(control->store, &loading->load, NULL))
        return;
    aion_arena_done(&loading->arena);
    mesh_timer_set(control->loop, &loading->again, mesh_loop_now(control->loop) + AGAIN_US);
}

void control_handover_load(struct control *control)
{
    struct control_shards *shards = &control->shards;
    if (shards->gained == 0 || shards->loading != NULL || control->loading)
        return;
    struct control_loading *loading = calloc(1, sizeof(*loading));
    if (loading == NULL)
        abort();
    loading->control = control;
    loading->again.fire = read_again;
    loading->load.shards = shards->gained;
    loading->load.limit = PAGE;
    memcpy(loading->epochs, shards->book.epochs, sizeof(loading->epochs));
    shards->gained = 0;
    shards->loading = loading;
    read_page(loading);
}

void control_handover_done(struct control *control)
{
    if (control->shards.loading != NULL)
        mesh_timer_cancel(control->loop, &control->shards.loading->again);
    free(control->shards.loading);
    control->shards.loading = NULL;
}
