/* What an event costs on its way out: rows made on the fly → relay → encoder → Kafka's
 * producer, in CPU of the process with librdkafka's threads, and beside it the encoder alone.
 *   tests/servers/kafka.sh with -- build/release/tests/bench/events/bench_events [ROWS]
 * Makes the topics where they are missing. */
#include "../../lib/kafka_env.h"

#include "events/encode.h"
#include "events/relay.h"

#include "aion/v1/router.pb-c.h"
#include "base/clock.h"
#include "base/jobs.h"
#include "cpu.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SECOND_US = 1000000, DONE_EVERY = 2 };

struct bench {
    struct events_source source;
    struct aion_exec exec;
    struct aion_jobs jobs;
    int fd;
    struct events_relay *relay;
    int64_t armed;
    uint64_t rows, marks;
    aion_str decision;
    struct events_read *read; /* one waits at a time */
    struct events_cursor *cursors[2];
};

static void post(struct aion_exec *exec, struct aion_job *job)
{
    struct bench *bench = aion_container(exec, struct bench, exec);
    if (aion_jobs_add(&bench->jobs, job))
        eventfd_write(bench->fd, 1);
}

/* -- rows: a task's admission, then its end, over all shards ------------------------ */
static struct events_row row_of(const struct bench *bench, uint64_t sequence)
{
    bool end = sequence % DONE_EVERY == 1;
    struct events_row row = {.lane = (uint32_t)(sequence / DONE_EVERY % EVENTS_LANES),
                             .sequence = sequence + 1,
                             .at_us = aion_clock_utc_us(),
                             .of.task = {.tenant = AION_STR("default"),
                                         .intent = AION_STR("summarize_text"),
                                         .kinds = end ? 8 | 64 : 1 | 2 | 4,
                                         .state = end ? 7 : 2,
                                         .attempt = end,
                                         .started_us = end ? aion_clock_utc_us() : 0,
                                         .host = AION_STR("host-1"),
                                         .decision = end ? (aion_str){0} : bench->decision}};
    uint64_t task = sequence / DONE_EVERY;
    memcpy(row.of.task.id.bytes, &task, sizeof(task));
    return row;
}

static bool source_read(struct events_source *source, struct events_read *read,
                        struct aion_err *err)
{
    (void)err;
    aion_container(source, struct bench, source)->read = read;
    return true;
}

static bool source_cursor(struct events_source *source, struct events_cursor *cursor,
                          struct aion_err *err)
{
    struct bench *bench = aion_container(source, struct bench, source);
    bench->cursors[bench->cursors[0] != NULL] = cursor;
    return bench->cursors[1] != cursor || aion_fail(err, AION_EXHAUSTED, "one too many");
}

static void give_rows(struct bench *bench, struct events_read *read)
{
    struct events_row *rows = aion_arena_array(read->arena, read->limit, sizeof(*rows));
    uint64_t after = read->after[0];
    for (size_t i = 1; i < EVENTS_LANES; i++)
        after = read->after[i] > after ? read->after[i] : after; /* ordered: all are there */
    for (; rows != NULL && read->count < read->limit && after < bench->rows; after++)
        rows[read->count++] = row_of(bench, after);
    read->rows = rows;
    read->more = after < bench->rows;
    read->done(read, NULL);
}

static void complete(struct bench *bench)
{
    struct events_read *read = bench->read;
    struct events_cursor *cursor = bench->cursors[0];
    bench->read = NULL;
    bench->cursors[0] = bench->cursors[1];
    bench->cursors[1] = NULL;
    if (read != NULL)
        give_rows(bench, read);
    if (cursor == NULL)
        return;
    bench->marks++;
    cursor->done(cursor, NULL);
}

/* -- running ------------------------------------------------------------------------ */
static int64_t now_of(void *user)
{
    (void)user;
    return aion_clock_mono_us();
}
static void arm(void *user, int64_t at_us)
{
    ((struct bench *)user)->armed = at_us;
}
static void failed(void *user, enum events_relay_state state, const struct aion_err *err)
{
    (void)user;
    if (state != EVENTS_RELAY_FAILED)
        return;
    fprintf(stderr, "%s (%s)\n", err->text, err->detail);
    exit(1);
}

static void run(struct bench *bench)
{
    while (events_relay_stats(bench->relay).rows < bench->rows) {
        struct pollfd wait = {.fd = bench->fd, .events = POLLIN};
        eventfd_t count;
        bool busy = bench->read != NULL || bench->cursors[0] != NULL;
        if (poll(&wait, 1, busy ? 0 : 1) > 0)
            eventfd_read(bench->fd, &count);
        aion_jobs_run(&bench->jobs);
        complete(bench);
        if (bench->armed <= aion_clock_mono_us())
            events_relay_run(bench->relay);
    }
}

/* -- figures ------------------------------------------------------------------------ */
static void encoder_alone(const struct bench *bench, uint64_t rows)
{
    struct events_encoder encoder;
    size_t count, records = 0, bytes = 0;
    events_encoder_init(&encoder);
    double before = bench_cpu_of("self");
    for (uint64_t i = 0; i < rows; i++) {
        struct events_row row = row_of(bench, i);
        if (!events_encode(&encoder, EVENTS_STREAM_TASKS, &row, &count, NULL))
            abort();
        records += count;
        for (size_t j = 0; j < count; j++)
            bytes += encoder.records[j].value.size;
    }
    double cpu = bench_cpu_of("self") - before;
    printf("encoder: %.2f us of CPU a record, %zu bytes a record\n",
           cpu * 1e6 / (double)records, bytes / records);
    events_encoder_done(&encoder);
}

static void whole_way(struct bench *bench)
{
    struct aion_err err;
    const struct events_kafka_sink_conf sink_conf = {.kafka = kafka_env(),
                                                     .exec = &bench->exec,
                                                     .client = "aion-bench",
                                                     .records_max = 16384};
    struct events_sink *sink = events_kafka_sink_open(&sink_conf, &err);
    if (sink == NULL || !kafka_env_topics(3600000, 10 * SECOND_US, &err)) {
        fprintf(stderr, "%s (%s)\n", err.text, err.detail);
        exit(1);
    }
    const struct events_relay_conf conf = {.source = &bench->source,
                                           .sink = sink,
                                           .cursor = "bench",
                                           .now = now_of,
                                           .arm = arm,
                                           .changed = failed,
                                           .user = bench};
    bench->relay = events_relay_new(&conf);
    double before = bench_cpu_of("self");
    int64_t began = aion_clock_mono_us();
    events_relay_take(bench->relay, UINT64_MAX);
    run(bench);
    double cpu = bench_cpu_of("self") - before;
    double seconds = (double)(aion_clock_mono_us() - began) * 1e-6;
    struct events_relay_stats stats = events_relay_stats(bench->relay);
    printf("relay:   %.2f us of CPU a record with librdkafka, %.0f records/s, %llu cursors\n",
           cpu * 1e6 / (double)stats.records, (double)stats.records / seconds,
           (unsigned long long)bench->marks);
    sink->ops->stop(sink);
    aion_jobs_run(&bench->jobs);
    events_relay_free(bench->relay);
    sink->ops->free(sink);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    static char route[] = "local-summary", by[] = "rule",
                reason[] = "10-default.yaml:7 local-summary";
    static char id[] = "0190b0a8-5c00-7000-8000-00000000002a";
    uint8_t wire[512];
    Aion__V1__Engine engine = AION__V1__ENGINE__INIT;
    Aion__V1__Decision decision = AION__V1__DECISION__INIT;
    engine.route = route;
    engine.chosen_by = by;
    engine.reason = reason;
    decision.decision_id = id;
    decision.engine = &engine;
    decision.attempts_max = 3;
    bench.decision = aion_str_n(wire, protobuf_c_message_pack(&decision.base, wire));
    bench.rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    bench.source = (struct events_source){.stream = EVENTS_STREAM_TASKS,
                                          .ordered = true,
                                          .read = source_read,
                                          .cursor_read = source_cursor,
                                          .cursor_put = source_cursor};
    bench.exec.post = post;
    bench.fd = eventfd(0, EFD_NONBLOCK);
    encoder_alone(&bench, bench.rows);
    if (getenv("AION_TEST_KAFKA_BROKERS") != NULL)
        whole_way(&bench);
    close(bench.fd);
    return 0;
}
