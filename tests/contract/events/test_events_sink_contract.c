/* What every sink must do, said once and run against each: script, and kafka where a broker is
 * given (AION_TEST_KAFKA_BROKERS; tests/servers/kafka.sh with -- ...). Method: records are sent
 * through the interface, and read back as a consumer would; nothing in a test knows which
 * driver runs. */
#include "../../lib/kafka_env.h"

#include "events/script/script.h"

#include "base/clock.h"
#include "base/jobs.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_US = 30000000, ROWS_MAX = 4096 };

/* -- a thread's loop ---------------------------------------------------------------- */
struct loop {
    struct aion_exec exec;
    struct aion_jobs jobs;
    int fd;
};

static void post(struct aion_exec *exec, struct aion_job *job)
{
    struct loop *loop = aion_container(exec, struct loop, exec);
    if (aion_jobs_add(&loop->jobs, job))
        eventfd_write(loop->fd, 1);
}

static void run_jobs(struct loop *loop, int timeout_ms)
{
    struct pollfd wait = {.fd = loop->fd, .events = POLLIN};
    eventfd_t count;
    if (poll(&wait, 1, timeout_ms) > 0)
        eventfd_read(loop->fd, &count);
    aion_jobs_run(&loop->jobs);
}

/* -- drivers ------------------------------------------------------------------------ */
struct got {
    char key[64];
    uint64_t sequence;
    char value[64];
};

struct bench {
    struct loop loop;
    struct events_sink *sink;
    struct events_script_sink *script;
    struct events_kafka_conf kafka;
    struct got got[ROWS_MAX];
    size_t got_count;
};

struct driver {
    const char *name;
    void (*open)(struct bench *bench);
    void (*go_on)(struct bench *bench); /* lets the sink answer */
    void (*read)(struct bench *bench, enum events_topic topic, const char *prefix);
};
static const struct driver *driver;

static void add_got(struct bench *bench, aion_str key, uint64_t sequence, aion_str value,
                    const char *prefix)
{
    if (!aion_str_starts(key, aion_str_of(prefix)))
        return;
    assert_true(bench->got_count < ROWS_MAX);
    struct got *got = &bench->got[bench->got_count++];
    aion_str_copy(got->key, sizeof(got->key), key);
    got->sequence = sequence;
    aion_str_copy(got->value, sizeof(got->value), value);
}

static void script_open(struct bench *bench)
{
    bench->script = events_script_sink_new(1000);
    bench->sink = events_script_sink(bench->script);
}

static void script_go_on(struct bench *bench)
{
    events_script_reset_done(bench->script);
    events_script_acknowledge(bench->script, 100);
}

static void script_read(struct bench *bench, enum events_topic topic, const char *prefix)
{
    for (size_t i = 0; i < events_script_kept(bench->script); i++) {
        const struct events_script_record *record = events_script_at(bench->script, i);
        if (record->topic == topic)
            add_got(bench, aion_str_of(record->key), record->sequence,
                    aion_str_of(record->value), prefix);
    }
}

static void kafka_open(struct bench *bench)
{
    struct aion_err err;
    bench->kafka = kafka_env();
    const struct events_kafka_sink_conf conf = {.kafka = bench->kafka,
                                                .exec = &bench->loop.exec,
                                                .client = "aion-test",
                                                .records_max = 1000};
    bench->sink = events_kafka_sink_open(&conf, &err);
    if (bench->sink == NULL)
        fail_msg("%s (%s)", err.text, err.detail);
}

static void kafka_go_on(struct bench *bench)
{
    run_jobs(&bench->loop, 20);
}

static void kafka_read(struct bench *bench, enum events_topic topic, const char *prefix)
{
    const struct events_kafka_reader_conf conf = {.kafka = bench->kafka,
                                                  .topic = events_topic_about(topic)->name,
                                                  .group = "",
                                                  .from = "beginning"};
    struct events_kafka_record record;
    struct aion_err err;
    enum events_read_outcome outcome;
    struct events_kafka_reader *reader = events_kafka_reader_open(&conf, WAIT_US, &err);
    assert_non_null(reader);
    while ((outcome = events_kafka_reader_next(reader, WAIT_US, &record, &err)) !=
           EVENTS_READ_END) {
        assert_int_not_equal(outcome, EVENTS_READ_FAILED);
        if (outcome == EVENTS_READ_RECORD) {
            assert_string_equal(record.schema, events_topic_about(topic)->schema);
            add_got(bench, record.key, record.sequence, record.value, prefix);
        }
    }
    events_kafka_reader_close(reader);
}

static const struct driver drivers[] = {
    {"script", script_open, script_go_on, script_read},
    {"kafka", kafka_open, kafka_go_on, kafka_read},
};

/* -- the bench ---------------------------------------------------------------------- */
static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bench->loop.exec.post = post;
    bench->loop.fd = eventfd(0, EFD_NONBLOCK);
    driver->open(bench);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    bench->sink->ops->stop(bench->sink);
    run_jobs(&bench->loop, 0);
    bench->sink->ops->free(bench->sink);
    close(bench->loop.fd);
    free(bench);
    return 0;
}

struct sent {
    struct events_post post;
    char key[64], value[64];
    size_t done, failed;
    size_t order; /* of its done */
};
static size_t next_order;

static void sent_done(struct events_post *post_, const struct aion_err *err)
{
    struct sent *sent = aion_container(post_, struct sent, post);
    sent->done++;
    sent->failed += err != NULL;
    sent->order = next_order++;
}

static void prepare(struct sent *sent, const char *prefix, unsigned key, uint64_t sequence)
{
    *sent = (struct sent){.post.done = sent_done};
    snprintf(sent->key, sizeof(sent->key), "%s-%u", prefix, key);
    snprintf(sent->value, sizeof(sent->value), "{\"sequence\":\"%llu\"}",
             (unsigned long long)sequence);
    sent->post.record = (struct events_record){.topic = EVENTS_LIFECYCLE,
                                               .key = aion_str_of(sent->key),
                                               .value = aion_str_of(sent->value),
                                               .sequence = sequence,
                                               .at_us = aion_clock_utc_us()};
}

static bool all_done(const struct sent *sent, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (sent[i].done == 0)
            return false;
    return true;
}

static void wait_done(struct bench *bench, const struct sent *sent, size_t count)
{
    int64_t until = aion_clock_mono_us() + WAIT_US;
    while (!all_done(sent, count)) {
        assert_true(aion_clock_mono_us() < until);
        driver->go_on(bench);
    }
}

/* -- what every sink does ----------------------------------------------------------- */
static void records_come_out_once_in_the_order_of_their_key_with_their_names(void **state)
{
    enum { COUNT = 600, KEYS = 7 };
    static struct sent sent[COUNT];
    struct bench *bench = *state;
    uint64_t last[KEYS] = {0};
    for (size_t i = 0; i < COUNT; i++) {
        prepare(&sent[i], "order", (unsigned)(i % KEYS), 100 + i);
        assert_true(events_send(bench->sink, &sent[i].post, NULL));
        assert_int_equal(sent[i].done, 0);
    }
    wait_done(bench, sent, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(sent[i].done, 1);
        assert_int_equal(sent[i].failed, 0);
    }
    driver->read(bench, EVENTS_LIFECYCLE, "order-");
    assert_int_equal(bench->got_count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        const struct got *got = &bench->got[i];
        unsigned key = (unsigned)(got->key[6] - '0');
        char value[64];
        assert_true(got->sequence > last[key]);
        assert_int_equal((got->sequence - 100) % KEYS, key);
        snprintf(value, sizeof(value), "{\"sequence\":\"%llu\"}",
                 (unsigned long long)got->sequence);
        assert_string_equal(got->value, value);
        last[key] = got->sequence;
    }
}

static void a_full_queue_says_so_and_has_room_again_afterwards(void **state)
{
    enum { COUNT = 2000 };
    static struct sent sent[COUNT];
    struct bench *bench = *state;
    struct aion_err err;
    size_t taken = 0;
    for (; taken < COUNT; taken++) {
        prepare(&sent[taken], "full", 0, 1 + taken);
        if (!events_send(bench->sink, &sent[taken].post, &err))
            break;
    }
    assert_true(taken >= 900 && taken < COUNT);
    assert_int_equal(err.code, AION_EXHAUSTED);
    wait_done(bench, sent, taken);
    for (size_t i = taken; i < taken + 100; i++) {
        prepare(&sent[i], "full", 0, 1 + i);
        assert_true(events_send(bench->sink, &sent[i].post, &err));
    }
    wait_done(bench, sent, taken + 100);
    driver->read(bench, EVENTS_LIFECYCLE, "full-");
    assert_int_equal(bench->got_count, taken + 100);
}

static void a_reset_gives_everything_back_and_then_it_works_again(void **state)
{
    enum { COUNT = 500 };
    static struct sent sent[COUNT];
    struct bench *bench = *state;
    struct aion_err err;
    for (size_t i = 0; i < COUNT; i++) {
        prepare(&sent[i], "reset", (unsigned)(i % 3), 1 + i);
        assert_true(events_send(bench->sink, &sent[i].post, NULL));
    }
    bench->sink->ops->reset(bench->sink);
    struct sent refused;
    prepare(&refused, "reset", 0, 9999);
    assert_false(events_send(bench->sink, &refused.post, &err));
    assert_int_equal(err.code, AION_UNAVAILABLE);
    wait_done(bench, sent, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(sent[i].done, 1);
    /* all of it again: what came through before is there twice, nothing is missing */
    static struct sent again[COUNT];
    int64_t until = aion_clock_mono_us() + WAIT_US;
    for (size_t i = 0; i < COUNT; i++) {
        prepare(&again[i], "reset", (unsigned)(i % 3), 1 + i);
        while (!events_send(bench->sink, &again[i].post, &err)) {
            assert_int_equal(err.code, AION_UNAVAILABLE);
            assert_true(aion_clock_mono_us() < until);
            driver->go_on(bench);
        }
    }
    wait_done(bench, again, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(again[i].failed, 0);
    driver->read(bench, EVENTS_LIFECYCLE, "reset-");
    bool seen[COUNT + 1] = {false};
    for (size_t i = 0; i < bench->got_count; i++)
        seen[bench->got[i].sequence] = true;
    for (size_t i = 1; i <= COUNT; i++)
        assert_true(seen[i]);
    /* a record that came back without an error is there: its first time before the second run
     */
    size_t confirmed = 0;
    for (size_t i = 0; i < COUNT; i++)
        confirmed += sent[i].failed == 0;
    assert_true(bench->got_count >= COUNT + confirmed);
}

static void stopping_with_records_under_way_is_no_trouble(void **state)
{
    static struct sent sent[100];
    struct bench *bench = *state;
    for (size_t i = 0; i < aion_countof(sent); i++) {
        prepare(&sent[i], "stop", 0, 1 + i);
        assert_true(events_send(bench->sink, &sent[i].post, NULL));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(records_come_out_once_in_the_order_of_their_key_with_their_names),
        TEST(a_full_queue_says_so_and_has_room_again_afterwards),
        TEST(a_reset_gives_everything_back_and_then_it_works_again),
        TEST(stopping_with_records_under_way_is_no_trouble),
    };
    int failed = 0;
    for (size_t i = 0; i < aion_countof(drivers); i++) {
        driver = &drivers[i];
        if (strcmp(driver->name, "kafka") == 0) {
            if (getenv("AION_TEST_KAFKA_BROKERS") == NULL) {
                print_message("kafka: no broker (AION_TEST_KAFKA_BROKERS)\n");
                continue;
            }
            struct aion_err err;
            if (!kafka_env_topics(3600000, WAIT_US, &err)) {
                print_error("topics: %s (%s)\n", err.text, err.detail);
                return 1;
            }
        }
        failed += cmocka_run_group_tests_name(driver->name, tests, NULL, NULL);
    }
    return failed;
}
