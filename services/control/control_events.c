/* Events to the outside, as control runs them: two relays (the outbox, the audit) and the spool
 * of metrics on one sink. Without brokers there is no relay: the outbox is the log, and readers
 * get it by the service Events. */
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/rand.h"
#include "control_private.h"
#include "events/encode.h"
#include "events/relay.h"
#include "events/spool.h"

#include <stdlib.h>

enum {
    TASK_WINDOW = 8192,
    AUDIT_WINDOW = 1024,
    METRICS_WINDOW = 256,
    GAUGE_US = 1000000,
    DRAIN_US = 1000000,
    INSTANCE_BITS = 8, /* of a metrics record's sequence: what tells controls apart */
};

#define CURSOR "kafka"

/* One relay with its timer. */
struct relaying {
    struct control_events *events;
    struct events_relay *relay;
    struct mesh_timer timer;
    const char *what;   /* "tasks", "audit": for the log */
    int64_t trouble_us; /* when trouble was logged last */
    bool drained;
};
enum { RELAY_TASKS, RELAY_AUDIT, RELAYS };

struct control_events {
    struct control *control;
    struct events_source *tasks, *audit;
    struct events_sink *sink; /* NULL: no Kafka */
    struct relaying relays[RELAYS];
    struct events_spool *spool;
    struct events_encoder encoder; /* of metrics */
    uint64_t metrics_sequence, instance;
    bool up, told_up; /* a broker answers */
    struct mesh_timer gauge, drain;
    uint64_t audited; /* lanes of the audit that are relayed here */
    bool ending;
    void (*drained)(struct control *control);
    union {
        struct store_cursor_put registers; /* with Kafka */
        struct store_cursor_read held;     /* for one that is not configured any more */
    } place;
    struct aion_arena place_arena;
    struct aion_link waiting; /* calls of ReadEvents */
};

/* -- metrics ------------------------------------------------------------------------ */
enum figure {
    LAG_ROWS,
    LAG_SECONDS,
    UNDER_WAY,
    FAILING,
    SINK_UP,
    SENT,
    FAILURES,
    MALFORMED,
    METRICS_DROPPED,
    FIGURES,
};
static const struct aion_metric_family families[FIGURES] = {
    [LAG_ROWS] = {.name = "aion_events_relay_lag_rows",
                  .help = "events written and not yet acknowledged by Kafka",
                  .kind = AION_GAUGE},
    [LAG_SECONDS] = {.name = "aion_events_relay_lag_seconds",
                     .help = "age of the oldest event on its way to Kafka",
                     .unit = "seconds",
                     .kind = AION_GAUGE},
    [UNDER_WAY] = {.name = "aion_events_relay_under_way",
                   .help = "records handed to the producer and not acknowledged",
                   .kind = AION_GAUGE},
    [FAILING] = {.name = "aion_events_relay_failing",
                 .help = "1: Kafka refuses a record, those behind it wait",
                 .kind = AION_GAUGE},
    [SINK_UP] = {.name = "aion_events_sink_up",
                 .help = "1: a broker answers",
                 .kind = AION_GAUGE},
    [SENT] = {.name = "aion_events_relay_records",
              .help = "records acknowledged by Kafka",
              .kind = AION_COUNTER},
    [FAILURES] = {.name = "aion_events_relay_failures",
                  .help = "times that the relay began anew",
                  .kind = AION_COUNTER},
    [MALFORMED] = {.name = "aion_events_malformed",
                   .help = "events that could not be told whole",
                   .kind = AION_COUNTER},
    [METRICS_DROPPED] = {.name = "aion_events_metrics_dropped",
                         .help = "records of aion.metrics.runtime that were dropped",
                         .kind = AION_COUNTER},
};
static struct aion_metric *series[FIGURES];

static void count_to(enum figure figure, uint64_t total)
{
    int64_t before = aion_metric_value(series[figure]);
    if ((int64_t)total > before)
        aion_metric_add(series[figure], (int64_t)total - before);
}

struct sums {
    struct events_relay_stats all;
    bool failing;
};

static struct sums sum_relays(const struct control_events *events)
{
    struct sums sums = {.failing = false};
    for (size_t i = 0; i < RELAYS; i++) {
        struct events_relay_stats stats = events_relay_stats(events->relays[i].relay);
        sums.all.records += stats.records;
        sums.all.failures += stats.failures;
        sums.all.malformed += stats.malformed;
        sums.all.under_way += stats.under_way;
        sums.all.lag += stats.lag;
        sums.failing |= stats.state == EVENTS_RELAY_FAILED;
        if (stats.oldest_us != 0 &&
            (sums.all.oldest_us == 0 || stats.oldest_us < sums.all.oldest_us))
            sums.all.oldest_us = stats.oldest_us;
    }
    return sums;
}

/* Until the sink has said a word nobody knows. */
static void tell_kafka(const struct control_events *events, const struct sums *sums)
{
    int64_t state = AION__V1__OPS_DEPENDENCY_STATE__OPS_DEPENDENCY_STATE_OK;
    if (!events->told_up)
        return;
    if (sums->failing)
        state = AION__V1__OPS_DEPENDENCY_STATE__OPS_DEPENDENCY_STATE_DEGRADED;
    if (!events->up)
        state = AION__V1__OPS_DEPENDENCY_STATE__OPS_DEPENDENCY_STATE_DOWN;
    aion_metric_set(aion_metric(&control_dependency_state, "kafka"), state);
    aion_metric_set(aion_metric(&control_dependency_lag, "kafka"), (int64_t)sums->all.lag);
}

static void set_gauges(struct control_events *events)
{
    struct sums sums = sum_relays(events);
    int64_t age_us = sums.all.oldest_us > 0 ? aion_clock_utc_us() - sums.all.oldest_us : 0;
    aion_metric_set(series[LAG_ROWS], (int64_t)sums.all.lag);
    aion_metric_set(series[LAG_SECONDS], age_us > 0 ? age_us / 1000000 : 0);
    aion_metric_set(series[UNDER_WAY], (int64_t)sums.all.under_way);
    aion_metric_set(series[FAILING], sums.failing);
    aion_metric_set(series[SINK_UP], events->up);
    tell_kafka(events, &sums);
    count_to(SENT, sums.all.records);
    count_to(FAILURES, sums.all.failures);
    count_to(MALFORMED, sums.all.malformed);
    count_to(METRICS_DROPPED, events_spool_stats(events->spool).dropped);
}

static void share_audit(struct control_events *events);

static void gauge(struct mesh_timer *timer)
{
    struct control_events *events = aion_container(timer, struct control_events, gauge);
    set_gauges(events);
    share_audit(events);
    events_spool_send(events->spool);
    mesh_timer_set(events->control->loop, timer,
                   mesh_loop_now(events->control->loop) + GAUGE_US);
}

/* -- what the relays say ------------------------------------------------------------ */
static int64_t relay_now(void *user)
{
    return mesh_loop_now(((struct relaying *)user)->events->control->loop);
}

static void relay_arm(void *user, int64_t at_us)
{
    struct relaying *relaying = user;
    mesh_timer_set(relaying->events->control->loop, &relaying->timer, at_us);
}

static void relay_fire(struct mesh_timer *timer)
{
    events_relay_run(aion_container(timer, struct relaying, timer)->relay);
}

static void relay_changed(void *user, enum events_relay_state state, const struct aion_err *err)
{
    const struct relaying *relaying = user;
    if (relaying->events->ending)
        return; /* what is given up at the end is sent by the next process */
    if (state == EVENTS_RELAY_FAILED)
        aion_log(AION_LOG_ERROR, "events are held: Kafka refuses one",
                 LOG_TEXT("stream", relaying->what), LOG_TEXT("error", err->text),
                 LOG_TEXT("detail", err->detail));
    else if (state == EVENTS_RELAY_RUNNING)
        aion_log(AION_LOG_INFO, "events go to Kafka again", LOG_TEXT("stream", relaying->what));
}

/* A store that is full says so a hundred times a second; once a minute will do. */
static void relay_trouble(void *user, const struct aion_err *err)
{
    struct relaying *relaying = user;
    int64_t now = mesh_loop_now(relaying->events->control->loop);
    if (relaying->trouble_us != 0 && now - relaying->trouble_us < 60000000)
        return;
    relaying->trouble_us = now;
    aion_log(AION_LOG_WARN, "trouble with events", LOG_TEXT("stream", relaying->what),
             LOG_TEXT("error", err->text), LOG_TEXT("detail", err->detail));
}

static void sink_health(void *user, const struct aion_err *err)
{
    struct control_events *events = user;
    events->up = err == NULL;
    if (err != NULL)
        aion_log(AION_LOG_WARN, "Kafka is away: events wait in the outbox",
                 LOG_TEXT("error", err->text), LOG_TEXT("detail", err->detail));
    else if (events->told_up)
        aion_log_line(AION_LOG_INFO, "Kafka is back", 0, NULL);
    events->told_up = true;
}

/* -- life --------------------------------------------------------------------------- */
void control_events_init(struct control *control)
{
    struct control_events *events = calloc(1, sizeof(*events));
    const struct events_spool_conf spool = {.sink = NULL};
    if (events == NULL)
        abort();
    control->events = events;
    events->control = control;
    events->tasks = control_events_tasks_new(control);
    events->audit = control_events_audit_new(control);
    events->spool = events_spool_new(&spool);
    events_encoder_init(&events->encoder);
    aion_rand_secret(&events->instance, sizeof(events->instance));
    aion_list_init(&events->waiting);
    aion_arena_init(&events->place_arena, 65536, NULL, 0);
}

static void open_relay(struct control_events *events, int which, struct events_source *source,
                       uint32_t window, const char *what)
{
    struct relaying *relaying = &events->relays[which];
    struct events_relay_conf conf = {.source = source,
                                     .sink = events->sink,
                                     .cursor = CURSOR,
                                     .now = relay_now,
                                     .arm = relay_arm,
                                     .changed = relay_changed,
                                     .trouble = relay_trouble,
                                     .user = relaying,
                                     .window_records = window};
    *relaying = (struct relaying){.events = events, .what = what, .timer.fire = relay_fire};
    aion_rand_secret(&conf.seed, sizeof(conf.seed));
    relaying->relay = events_relay_new(&conf);
}

bool control_events_open(struct control *control, struct aion_err *err)
{
    struct control_events *events = control->events;
    const struct events_kafka_sink_conf conf = {.kafka = control->conf->kafka,
                                                .exec = mesh_loop_exec(control->loop),
                                                .client = "aion-control",
                                                .records_max =
                                                    TASK_WINDOW + AUDIT_WINDOW + METRICS_WINDOW,
                                                .health = sink_health,
                                                .user = events};
    if (conf.kafka.brokers[0] == '\0')
        return true;
    events->sink = events_kafka_sink_open(&conf, err);
    if (events->sink == NULL)
        return false;
    for (size_t i = 0; i < FIGURES; i++)
        series[i] = aion_metric(&families[i]);
    const struct events_spool_conf spool = {.sink = events->sink,
                                            .under_way_max = METRICS_WINDOW};
    events_spool_free(events->spool);
    events->spool = events_spool_new(&spool);
    events->up = true; /* until it is known better, which takes a moment */
    open_relay(events, RELAY_TASKS, events->tasks, TASK_WINDOW, "tasks");
    open_relay(events, RELAY_AUDIT, events->audit, AUDIT_WINDOW, "audit");
    return true;
}

/* The outbox keeps what Kafka has not had, for ever if nobody mends it. */
static void held_read(struct store_op *op, const struct aion_err *err)
{
    struct control_events *events = aion_container(op, struct control_events, place.held.op);
    if (err == NULL && events->place.held.found)
        aion_log_line(AION_LOG_WARN,
                      "events are kept for Kafka, which is not configured: set "
                      "AION_KAFKA_BROKERS, or let them go by aion events forget --kafka",
                      0, NULL);
}

static void look_for_held(struct control_events *events)
{
    events->place.held = (struct store_cursor_read){
        .op = {.done = held_read, .arena = &events->place_arena}, .name = AION_STR(CURSOR)};
    /* a store that is too busy to tell is asked by the next start */
    bool asked = store_cursor_read(events->control->store, &events->place.held, NULL);
    (void)asked;
}

static void registered(struct store_op *op, const struct aion_err *err)
{
    (void)op, (void)err; /* the first mark does it otherwise */
}

/* From now on the outbox is held for Kafka, though it may be away from the first moment on. */
static void register_relay(struct control_events *events)
{
    events->place.registers =
        (struct store_cursor_put){.op.done = registered, .name = AION_STR(CURSOR)};
    bool asked = store_cursor_put(events->control->store, &events->place.registers, NULL);
    (void)asked;
}

void control_events_begin(struct control *control)
{
    struct control_events *events = control->events;
    if (events->sink == NULL) {
        look_for_held(events);
        return;
    }
    register_relay(events);
    control_events_take(control, control_book_open(&control->shards.book));
    events->gauge.fire = gauge;
    gauge(&events->gauge);
}

/* -- shards that come and go --------------------------------------------------------- */
/* Whoever owns a shard relays its rows, from the cursor that its owners share. What a former
 * owner has on its way meanwhile comes twice, and never out of order: both began at or before
 * the first row that was not acknowledged. */
void control_events_take(struct control *control, uint64_t set)
{
    struct control_events *events = control->events;
    if (events->sink != NULL && set != 0)
        events_relay_take(events->relays[RELAY_TASKS].relay, set);
}

/* At our end what is under way is waited for and marked, whosever the shards are by then. */
void control_events_leave(struct control *control, uint64_t set)
{
    struct control_events *events = control->events;
    if (events->sink != NULL && set != 0 && !control->draining)
        events_relay_leave(events->relays[RELAY_TASKS].relay, set);
}

/* A writer of the audit stands for a shard, and is relayed by that one's owner: by one control
 * at a time, and after the writer's own end, too. Writers are met as time goes on. */
static void share_audit(struct control_events *events)
{
    struct events_relay *relay = events->relays[RELAY_AUDIT].relay;
    uint64_t ours = 0;
    const char *writer;
    for (uint32_t lane = 0; lane < EVENTS_LANES; lane++) {
        writer = control_events_audit_writer(events->audit, lane);
        unsigned shard = control_shard_of_key(AION_STR("audit"), aion_str_of(writer));
        if (writer[0] != '\0' && control_shard_opened(events->control, shard))
            ours |= UINT64_C(1) << lane;
    }
    if (!events->control->draining && ours != events->audited) {
        events_relay_leave(relay, events->audited & ~ours);
        events_relay_take(relay, ours);
        events->audited = ours;
    }
    control_events_audit_look(events->audit);
}

/* -- hooks -------------------------------------------------------------------------- */
void control_events_wrote(struct control *control, const struct store_write *write)
{
    struct control_events *events = control->events;
    if (write->event == NULL || write->outcome != STORE_DONE)
        return;
    if (events->sink != NULL)
        events_relay_wake(events->relays[RELAY_TASKS].relay, store_seq_shard(write->seq),
                          write->event->sequence);
    control_tails_told(control, write->event, store_seq_shard(write->seq));
    control_events_calls_wake(control);
}

static Google__Protobuf__Timestamp stamp(int64_t utc_us)
{
    Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    at.seconds = utc_us / 1000000;
    at.nanos = (int32_t)(utc_us % 1000000) * 1000;
    return at;
}

/* The time in microseconds, made unique, and a random number of this process below: records of
 * two controls about one component never have the same name, nor those of two lives of one. */
static uint64_t next_sequence(struct control_events *events, int64_t utc_us)
{
    uint64_t instance = events->instance & ((UINT64_C(1) << INSTANCE_BITS) - 1);
    uint64_t sequence = ((uint64_t)utc_us << INSTANCE_BITS) | instance;
    if (sequence <= events->metrics_sequence)
        sequence = events->metrics_sequence + (UINT64_C(1) << INSTANCE_BITS);
    return events->metrics_sequence = sequence;
}

void control_events_metrics(struct control *control, Aion__V1__RuntimeMetrics *metrics)
{
    struct control_events *events = control->events;
    int64_t now_us = aion_clock_utc_us();
    Google__Protobuf__Timestamp at = stamp(now_us);
    struct events_record record = {.topic = EVENTS_METRICS,
                                   .key = aion_str_of(metrics->component),
                                   .sequence = next_sequence(events, now_us),
                                   .at_us = now_us};
    metrics->sequence = record.sequence;
    if (metrics->at == NULL)
        metrics->at = &at;
    aion_buf_reset(&events->encoder.values);
    bool told =
        events_encode_message(EVENTS_METRICS, &metrics->base, &events->encoder.values, NULL);
    if (metrics->at == &at)
        metrics->at = NULL;
    if (!told)
        return; /* too large: rows are bounded, so this is a bug's, seen by its absence */
    record.value = aion_buf_view(&events->encoder.values);
    events_spool_put(events->spool, &record);
    control_events_calls_wake(control);
}

/* -- the end ------------------------------------------------------------------------ */
static void drain_over(struct control_events *events)
{
    void (*drained)(struct control * control) = events->drained;
    if (drained == NULL)
        return;
    events->drained = NULL;
    mesh_timer_cancel(events->control->loop, &events->drain);
    drained(events->control);
}

static void drain_late(struct mesh_timer *timer)
{
    drain_over(aion_container(timer, struct control_events, drain));
}

static void relay_drained(void *user)
{
    struct relaying *relaying = user;
    struct control_events *events = relaying->events;
    relaying->drained = true;
    if (events->relays[RELAY_TASKS].drained && events->relays[RELAY_AUDIT].drained)
        drain_over(events);
}

void control_events_drain(struct control *control, void (*done)(struct control *control))
{
    struct control_events *events = control->events;
    control_events_calls_end(control);
    mesh_timer_cancel(control->loop, &events->gauge);
    if (events->sink == NULL) {
        done(control);
        return;
    }
    events->ending = true;
    events->drained = done;
    events->drain.fire = drain_late;
    mesh_timer_set(control->loop, &events->drain, mesh_loop_now(control->loop) + DRAIN_US);
    for (size_t i = 0; i < RELAYS; i++)
        events_relay_drain(events->relays[i].relay, relay_drained);
}

void control_events_stop(struct control *control)
{
    struct control_events *events = control->events;
    if (events == NULL || events->sink == NULL)
        return;
    events->sink->ops->stop(events->sink);
    mesh_loop_settle(control->loop); /* its last reports */
}

void control_events_done(struct control *control)
{
    struct control_events *events = control->events;
    control_events_calls_end(control);
    mesh_timer_cancel(control->loop, &events->gauge);
    mesh_timer_cancel(control->loop, &events->drain);
    for (size_t i = 0; i < RELAYS && events->sink != NULL; i++) {
        mesh_timer_cancel(control->loop, &events->relays[i].timer);
        events_relay_free(events->relays[i].relay);
    }
    events_spool_free(events->spool);
    if (events->sink != NULL)
        events->sink->ops->free(events->sink);
    events_encoder_done(&events->encoder);
    aion_arena_done(&events->place_arena);
    control_events_source_free(events->tasks);
    control_events_source_free(events->audit);
    free(events);
    control->events = NULL;
}

/* -- for the calls ------------------------------------------------------------------ */
struct events_source *control_events_source(const struct control *control,
                                            enum events_topic topic)
{
    switch (topic) {
    case EVENTS_DECISIONS:
    case EVENTS_LIFECYCLE:
        return control->events->tasks;
    case EVENTS_AUDIT:
        return control->events->audit;
    case EVENTS_METRICS:
    case EVENTS_TOPICS:
        break;
    }
    return NULL;
}

struct events_spool *control_events_spool(const struct control *control)
{
    return control->events->spool;
}

bool control_events_relayed(const struct control *control)
{
    return control->events->sink != NULL;
}

struct aion_link *control_events_waiting(const struct control *control)
{
    return &control->events->waiting;
}
