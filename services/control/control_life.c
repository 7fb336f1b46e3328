/* Beginning and end: what is read before the first call, and what must be on disk before the
 * last. */
#include "base/clock.h"
#include "base/rand.h"
#include "control_hear.h"
#include "control_private.h"

#include <stdlib.h>

enum {
    LOAD_PAGE = 1000,
    LOAD_ARENA_MAX = 256 << 20, /* as in control_handover.c */
    TASKS_MAX = 64 << 20,       /* of the map alone; the queue's bounds come first */
    SPARES_MAX = 1024,          /* of what a task needs for a moment: 3.5 MiB in all */
    SCRATCH_MAX = 16 << 20,     /* holds the largest request with what control adds */
};

static void configure_sched(struct control *control)
{
    const struct control_conf *conf = control->conf;
    struct control_sched_conf sched = {
        .tasks_max = (size_t)conf->queue_tasks_max,
        .bytes_max = (size_t)conf->queue_bytes_max,
        .tenant_tasks_max = (size_t)conf->tenant_tasks_max,
        .tenant_bytes_max = (size_t)conf->tenant_bytes_max,
        .ageing_step_us = conf->ageing_step,
        .wait_max_us = {conf->wait_critical, conf->wait_high, conf->wait_normal, conf->wait_low,
                        conf->wait_batch},
        .adaptive = conf->adaptive_slots,
        .weights = conf->tenant_weights,
        .limits = conf->task_limits,
    };
    struct aion_err err;
    if (!control_sched_configure(&control->sched, &sched, &err))
        abort(); /* control_conf_check has read the same texts */
}

static void start_sched(struct control *control)
{
    uint64_t seed;
    aion_rand_secret(&seed, sizeof(seed));
    control_sched_init(&control->sched, seed);
    configure_sched(control);
}

void control_init(struct control *control, struct mesh_loop *loop, struct store *store,
                  const struct control_conf *conf)
{
    *control =
        (struct control){.loop = loop, .store = store, .own_conf = *conf, .loading = true};
    control->conf = &control->own_conf;
    control_cache_init(&control->tasks, TASKS_MAX, (size_t)conf->cache_tasks_max,
                       (size_t)conf->cache_bytes_max);
    start_sched(control);
    aion_list_init(&control->unrouted);
    aion_list_init(&control->loaded);
    aion_list_init(&control->attached);
    aion_list_init(&control->hosts);
    aion_list_init(&control->orphans);
    aion_list_init(&control->writes);
    aion_list_init(&control->lingering);
    aion_list_init(&control->unclear);
    aion_list_init(&control->money_waits);
    aion_list_init(&control->holds);
    aion_list_init(&control->replays);
    aion_list_init(&control->letters);
    aion_list_init(&control->audit.waiting);
    control->audit.control = control;
    control_money_init(&control->money, conf->replica);
    control_shards_init(control);
    control_cluster_init(control);
    aion_list_init(&control->submits);
    aion_list_init(&control->hearings);
    aion_list_init(&control->watches);
    aion_buf_init(&control->scratch, SCRATCH_MAX);
    control->spare_writes = AION_SPARES(sizeof(struct control_write), SPARES_MAX);
    control->spare_submissions = AION_SPARES(control_submission_size(), SPARES_MAX);
    control_timers_init(control);
    control_metrics_init(control);
    control_events_init(control);
    control_tails_init(&control->tails);
    control_directs_init(&control->directs);
    control_arrivals_init(control);
    control_plan_set(control, &control_plan_default);
    aion_list_init(&control->drained_hosts);
    control_ops_init(control);
}

/* Timers of tasks die with the loop; lists are emptied as the tasks are. */
void control_done(struct control *control)
{
    control_shards_done(control);
    control_waits_end(control);
    control_hearings_end(control);
    control_hosts_forget(control);
    control_watches_forget(control);
    control_cluster_done(control);
    control_writes_abandon(control);
    control_orders_abandon(control);
    control_events_done(control);
    control_handover_done(control);
    mesh_timer_cancel(control->loop, &control->tick);
    mesh_timer_cancel(control->loop, &control->dispatching);
    mesh_timer_cancel(control->loop, &control->gauge_timer);
    mesh_timer_cancel(control->loop, &control->linger);
    control_arrivals_done(control);
    control_budgets_done(control);
    control_audit_done(control);
    control_holds_done(control);
    control_replays_done(control);
    control_polls_done(control);
    size_t cursor = 0;
    struct control_task *task;
    while ((task = aion_map_next(&control->tasks.by_id, &cursor)) != NULL) {
        control_sched_unreserve(&control->sched, &task->ticket);
        control_sched_remove(&control->sched, &task->queued);
        control_sched_end(&control->sched, &task->queued, 0, false);
        aion_list_remove(&task->unrouted);
        aion_list_remove(&task->on_host);
        aion_list_remove(&task->of_shard);
    }
    aion_heap_done(&control->deadlines);
    aion_heap_done(&control->dues);
    control_cache_done(&control->tasks);
    control_sched_done(&control->sched);
    aion_buf_done(&control->scratch);
    aion_spares_done(&control->spare_writes);
    aion_spares_done(&control->spare_submissions);
    control_drained_done(control);
    control_ops_done(control);
}

void control_reload(struct control *control, const struct control_conf *conf)
{
    control->own_conf = *conf;
    configure_sched(control);
    control->tasks.finished_max = (size_t)conf->cache_tasks_max;
    control->tasks.finished_bytes_max = (size_t)conf->cache_bytes_max;
    control_dispatch(control);
}

void control_plan_set(struct control *control, const struct store_plan *plan)
{
    control->plan = *plan;
    aion_str_copy(control->plan_by, sizeof(control->plan_by), plan->changed_by);
    control->plan.changed_by = aion_str_of(control->plan_by);
}

/* -- loading ------------------------------------------------------------------------ */
static bool load_plan(struct control *control, struct aion_err *err)
{
    struct aion_arena arena;
    aion_arena_init(&arena, 65536, NULL, 0);
    struct store_plan_read read = {.op.arena = &arena};
    bool good = store_plan_read_wait(control->store, &read, err);
    if (good && read.plan.revision > 0)
        control_plan_set(control, &read.plan);
    aion_arena_done(&arena);
    return good;
}

void control_take_loaded(struct control *control, const struct store_task *stored)
{
    struct control_task *task = control_task_load(control, stored);
    control_task_recharge(control, task);
    task->due_utc_us = stored->due_us;
    if (!control_cache_add(&control->tasks, task))
        abort(); /* more unfinished tasks than memory: they must not be forgotten */
    control_count_state(task->state, 1);
    control_ops_entered(control, task);
    control_shard_add(control, task);
    aion_list_add_last(&control->loaded, &task->unrouted);
    control_task_unref(task);
}

/* A page of tasks; the next one is read while this one is taken. */
struct page {
    struct store_load load;
    struct store_waiter *waiter;
    struct aion_arena arena;
};

static bool ask_page(struct control *control, struct page *page, uint64_t after,
                     struct aion_err *err)
{
    aion_arena_init(&page->arena, LOAD_ARENA_MAX, NULL, 0);
    page->load = (struct store_load){.op.arena = &page->arena,
                                     .shards = STORE_ALL_SHARDS,
                                     .after = after,
                                     .limit = LOAD_PAGE};
    page->waiter = store_ask(control->store, &page->load.op, STORE_LOAD, err);
    if (page->waiter == NULL)
        aion_arena_done(&page->arena);
    return page->waiter != NULL;
}

static void take_page(struct control *control, struct page *page)
{
    for (size_t i = 0; i < page->load.count; i++)
        control_take_loaded(control, &page->load.tasks[i]);
    aion_arena_done(&page->arena);
}

static bool load_tasks(struct control *control, struct aion_err *err)
{
    struct page pages[2];
    if (!ask_page(control, &pages[0], 0, err))
        return false;
    for (size_t i = 0;; i++) {
        struct page *page = &pages[i % 2], *next = &pages[(i + 1) % 2];
        bool good = store_await(page->waiter, &page->load.op, err);
        bool more = good && page->load.more;
        if (!good || (more && !ask_page(control, next, page->load.next, err))) {
            aion_arena_done(&page->arena);
            return false;
        }
        take_page(control, page);
        if (!more)
            return true;
    }
}

/* Where others may have the store open, a start that takes longer than a lease would lose it:
 * the shards are read when the loop runs, as those that come later are. */
bool control_load(struct control *control, struct aion_err *err)
{
    if (!control_shards_open(control, err) || !load_plan(control, err) ||
        !control_budgets_load(control, err) || !control_audit_open(control, err) ||
        !control_holds_load(control, err) || !control_ops_open(control, err))
        return false;
    if (control->shards.shared)
        return true;
    if (!load_tasks(control, err))
        return false;
    control->shards.book.loading = control->shards.gained = 0;
    return true;
}

/* -- beginning ---------------------------------------------------------------------- */
/* Where a task that was loaded goes on. A running one waits a short grace for its host. */
static void begin_task(struct control *control, struct control_task *task)
{
    int64_t now_us = mesh_loop_now(control->loop),
            in_us = task->due_utc_us - aion_clock_utc_us();
    switch ((int)task->state) {
    case TASK_ACCEPTED:
        aion_list_add_last(&control->unrouted, &task->unrouted);
        break;
    case TASK_QUEUED:
        control_enqueue(control, task);
        break;
    case TASK_RUNNING:
        control_attempt_orphan(control, task, control->conf->start_grace);
        break;
    case TASK_RETRY_WAIT:
        control_due_at(control, task, now_us + (in_us > 0 ? in_us : 0));
        break;
    default:
        break; /* held and doubtful ones wait for somebody's word */
    }
    control_deadline_set(control, task);
}

void control_begin_loaded(struct control *control)
{
    struct aion_link *link;
    while ((link = aion_list_first(&control->loaded)) != NULL) {
        aion_list_remove(link);
        begin_task(control, aion_container(link, struct control_task, unrouted));
    }
}

void control_begin(struct control *control)
{
    control_begin_loaded(control);
    control->loading = false;
    control_shards_begin(control);
    control_handover_load(control);
    control_budgets_begin(control);
    control_events_begin(control);
    control_polls_begin(control);
    control_gauges_start(control);
    control_ops_begin(control);
    control_route_unrouted(control);
    control_dispatch(control);
}

/* -- draining ----------------------------------------------------------------------- */
/* Hosts keep what they run and bring it to the next control; clients have their cursors and
 * task ids. What is left is to put on disk what was heard, unless the store takes nothing any
 * more: then the next control hears it again. */
void control_drain(struct control *control, void (*done)(struct control *control))
{
    control->draining = true;
    control->drained = done;
    control_directs_end(control);
    control_arrivals_end(control);
    control_waits_end(control);
    control_watches_end(control);
    control_tails_end(control);
    control_hosts_end(control);
    control_writes_hurry(control);
    control_ops_end(control);
    control_shards_leave(control);
    control_unpark(control); /* what waits for a shard is told to go elsewhere */
    control_drain_step(control);
}

void control_drain_step(struct control *control)
{
    bool over = aion_list_empty(&control->writes) && control->shards.ended;
    /* a store that takes nothing any more has nothing to wait for */
    if (!control->draining || control->drained == NULL || !(over || control->store_ended))
        return;
    void (*done)(struct control * control) = control->drained;
    control->drained = NULL;
    control_events_drain(control, done);
}
