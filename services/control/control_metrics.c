/* What control counts. Families are few and their labels fixed, so series are looked up once.
 */
#include "base/metric.h"
#include "control_private.h"

static const struct aion_metric_family families[COUNTS] = {
    [COUNT_ACCEPTED] = {.name = "aion_control_tasks_accepted",
                        .help = "tasks acknowledged",
                        .kind = AION_COUNTER},
    [COUNT_DUPLICATE] = {.name = "aion_control_tasks_repeated",
                         .help = "submissions answered with the first task of their key",
                         .kind = AION_COUNTER},
    [COUNT_REFUSED] = {.name = "aion_control_tasks_refused",
                       .help = "submissions refused",
                       .kind = AION_COUNTER},
    [COUNT_STALE] =
        {.name = "aion_control_stale_words",
         .help =
             "results, chunks and attempts refused because their token is not the running one",
         .kind = AION_COUNTER},
    [COUNT_RETRY] = {.name = "aion_control_attempts_retried",
                     .help = "attempts that failed and were followed by another",
                     .kind = AION_COUNTER},
    [COUNT_HOST_LOST] = {.name = "aion_control_attempts_lost",
                         .help = "attempts whose host went away",
                         .kind = AION_COUNTER},
    [COUNT_WRITE_RETRY] = {.name = "aion_control_writes_repeated",
                           .help = "writes that the store did not take at once",
                           .kind = AION_COUNTER},
    [COUNT_FORWARDED] = {.name = "aion_control_calls_forwarded",
                         .help = "calls handed on to the control that owns their task",
                         .kind = AION_COUNTER},
    [COUNT_FENCED] = {.name = "aion_control_writes_fenced",
                      .help = "writes refused by the store because their shard had another "
                              "owner by then: they had no effect",
                      .kind = AION_COUNTER},
};
static const struct aion_metric_family state_family = {.name = "aion_control_tasks",
                                                       .help = "unfinished tasks by state",
                                                       .kind = AION_GAUGE,
                                                       .labels = {"state"}};
static const struct aion_metric_family queue_family = {.name = "aion_control_queue_tasks",
                                                       .help = "queued tasks by class",
                                                       .kind = AION_GAUGE,
                                                       .labels = {"class"}};
static const struct aion_metric_family queue_bytes_family = {.name = "aion_control_queue_bytes",
                                                             .help = "memory of queued tasks",
                                                             .unit = "bytes",
                                                             .kind = AION_GAUGE};
static const struct aion_metric_family ended_family = {.name = "aion_control_tasks_ended",
                                                       .help = "tasks that ended, by state",
                                                       .kind = AION_COUNTER,
                                                       .labels = {"state"}};
static const struct aion_metric_family latency_family = {
    .name = "aion_control_task_duration_seconds",
    .help = "acceptance to end",
    .unit = "seconds",
    .kind = AION_HISTOGRAM,
    .scale = 1e-6};
static const struct aion_metric_family wait_family = {
    .name = "aion_control_queue_wait_seconds",
    .help = "queued to given to a host, over all attempts",
    .unit = "seconds",
    .kind = AION_HISTOGRAM,
    .scale = 1e-6};
static const struct aion_metric_family store_family = {
    .name = "aion_store_up",
    .help = "the last commit went through; 0: the store is down",
    .kind = AION_GAUGE,
    .labels = {"driver"}};
static const struct aion_metric_family commit_family = {.name = "aion_store_commit_seconds",
                                                        .help =
                                                            "one group commit, with its fsync",
                                                        .unit = "seconds",
                                                        .kind = AION_HISTOGRAM,
                                                        .labels = {"store"},
                                                        .scale = 1e-6};
static const struct aion_metric_family batch_family = {.name = "aion_store_commit_operations",
                                                       .help = "operations in one group commit",
                                                       .kind = AION_HISTOGRAM,
                                                       .labels = {"store"}};

static const struct aion_metric_family tenant_family = {
    .name = "aion_control_tenant_tasks",
    .help = "tasks of a tenant: waiting for a host, or running",
    .kind = AION_GAUGE,
    .labels = {"tenant", "state"}};
static const struct aion_metric_family pool_family = {
    .name = "aion_control_pool_tasks",
    .help = "tasks of a pool: waiting for a host, or running",
    .kind = AION_GAUGE,
    .labels = {"pool", "state"}};
static const struct aion_metric_family slots_family = {
    .name = "aion_control_host_slots",
    .help = "slots of a host: offered, allowed by its run times, or taken",
    .kind = AION_GAUGE,
    .labels = {"host_id", "slots"}};
static const struct aion_metric_family shed_family = {
    .name = "aion_control_tasks_shed",
    .help = "submissions refused because their class was shed",
    .kind = AION_COUNTER,
    .labels = {"class"}};

static const char *const class_names[SCHED_CLASSES] = {"critical", "high", "normal", "low",
                                                       "batch"};

static struct {
    struct aion_metric *counts[COUNTS], *states[TASK_STATES], *ended[TASK_STATES];
    struct aion_metric *classes[SCHED_CLASSES], *shed[SCHED_CLASSES], *queue_bytes, *latency,
        *wait, *commit, *batch, *store;
} series;

/* On the store's writer thread. */
static void record_commit(void *user, int64_t commit_us, size_t operations)
{
    (void)user;
    aion_metric_record(series.commit, commit_us);
    aion_metric_record(series.batch, (int64_t)operations);
}

static void gauge_store(const struct control *control)
{
    aion_metric_set(series.store, store_healthy(control->store));
}

void control_metrics_init(struct control *control)
{
    for (size_t i = 0; i < COUNTS; i++)
        series.counts[i] = aion_metric(&families[i]);
    for (size_t i = TASK_ACCEPTED; i < TASK_STATES; i++) {
        bool final = control_state_final((enum control_state)i);
        struct aion_metric **at = final ? &series.ended[i] : &series.states[i];
        *at = aion_metric(final ? &ended_family : &state_family,
                          control_state_name((enum control_state)i));
    }
    for (size_t i = 0; i < SCHED_CLASSES; i++) {
        series.classes[i] = aion_metric(&queue_family, class_names[i]);
        series.shed[i] = aion_metric(&shed_family, class_names[i]);
    }
    series.queue_bytes = aion_metric(&queue_bytes_family);
    series.latency = aion_metric(&latency_family);
    series.wait = aion_metric(&wait_family);
    series.commit = aion_metric(&commit_family, store_info(control->store).driver);
    series.batch = aion_metric(&batch_family, store_info(control->store).driver);
    series.store = aion_metric(&store_family, store_info(control->store).driver);
    store_on_commit(control->store, record_commit, NULL);
    gauge_store(control);
}

void control_count(enum control_count count)
{
    aion_metric_add(series.counts[count], 1);
}

void control_count_shed(unsigned class)
{
    aion_metric_add(series.shed[class], 1);
}

int64_t control_counted(enum control_count count)
{
    return aion_metric_value(series.counts[count]);
}

void control_count_state(enum control_state state, int delta)
{
    if (series.states[state] != NULL)
        aion_metric_add(series.states[state], delta);
    else if (series.ended[state] != NULL && delta > 0)
        aion_metric_add(series.ended[state], delta);
}

void control_gauge_queue(const struct control *control)
{
    for (size_t i = 0; i < SCHED_CLASSES; i++)
        aion_metric_set(series.classes[i], (int64_t)control->sched.asked_count[i]);
    aion_metric_set(series.queue_bytes, (int64_t)control->sched.bytes);
}

/* By what it has become more or less: beyond the bound of a family, tenants share a series. */
static void tell(const struct aion_metric_family *family, const char *name, const char *what,
                 size_t now, size_t *told)
{
    aion_metric_add(aion_metric(family, name, what), (int64_t)now - (int64_t)*told);
    *told = now;
}

static void gauge_tenant(void *user, const struct control_sched_load *load)
{
    char name[SCHED_NAME_MAX + 1];
    (void)user;
    aion_str_copy(name, sizeof(name), load->name);
    tell(&tenant_family, name, "waiting", load->waiting, &load->told->waiting);
    tell(&tenant_family, name, "running", load->running, &load->told->running);
}

static void gauge_pool(void *user, const struct control_sched_load *load)
{
    char name[SCHED_NAME_MAX + 1];
    (void)user;
    aion_str_copy(name, sizeof(name), load->name);
    tell(&pool_family, name, "waiting", load->waiting, &load->told->waiting);
    tell(&pool_family, name, "running", load->running, &load->told->running);
}

void control_gauge_host(const struct control_host *host)
{
    const struct control_sched_host *sched = &host->sched;
    bool here = !host->ended;
    aion_metric_set(aion_metric(&slots_family, host->host_id, "offered"),
                    here ? sched->slots : 0);
    aion_metric_set(aion_metric(&slots_family, host->host_id, "allowed"),
                    here ? control_sched_host_limit(sched) : 0);
    aion_metric_set(aion_metric(&slots_family, host->host_id, "taken"),
                    here ? sched->running : 0);
}

static void gauge_all(struct mesh_timer *timer)
{
    enum { GAUGE_US = 1000000 };
    struct control *control = aion_container(timer, struct control, gauge_timer);
    gauge_store(control);
    control_sched_tenants_changed(&control->sched, gauge_tenant, NULL);
    control_sched_pools(&control->sched, gauge_pool, NULL);
    aion_list_each (link, &control->hosts)
        control_gauge_host(aion_container(link, struct control_host, link));
    mesh_timer_set(control->loop, timer, mesh_loop_now(control->loop) + GAUGE_US);
}

void control_gauges_start(struct control *control)
{
    control->gauge_timer.fire = gauge_all;
    gauge_all(&control->gauge_timer);
}

void control_record_task(const struct control_task *task)
{
    aion_metric_record(series.latency, task->updated_us - task->created_us);
    aion_metric_record(series.wait, task->usage.queue_us);
}
