/* The Kafka driver against a real broker, where the contract of sinks does not reach: what a
 * refused record does to those behind it, a topic that is deleted under way, a broker that goes
 * and comes, topics and their settings, positions and groups of readers.
 * Run by tests/servers/kafka.sh with -- ...; the broker is killed and started through it. */
#include "../../lib/kafka_env.h"

#include "events/dedup.h"
#include "events/relay.h"
#include "events/script/script.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/jobs.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_US = 60000000, ARGUMENTS_MAX = 16 };

/* -- the broker ---------------------------------------------------------------------- */
/* kafka.sh VERB DIR WORDS... */
static void script(const char *verb, const char *const *words)
{
    char *argv[ARGUMENTS_MAX] = {getenv("AION_TEST_KAFKA"), (char *)(uintptr_t)verb,
                                 getenv("AION_TEST_KAFKA_DIR")};
    int status;
    for (size_t i = 0; words != NULL && words[i] != NULL; i++)
        argv[3 + i] = (char *)(uintptr_t)words[i];
    pid_t pid = fork();
    if (pid == 0) {
        if (freopen("/dev/null", "w", stdout) == NULL)
            _exit(126);
        execv(argv[0], argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void apply_topics(int64_t retention_ms)
{
    const struct events_kafka_conf conf = kafka_env();
    struct events_topic_seen seen[EVENTS_TOPICS];
    struct events_topic_change changes[EVENTS_CHANGES_MAX];
    struct aion_err err;
    if (!kafka_env_topics(retention_ms, WAIT_US, &err))
        fail_msg("%s (%s)", err.text, err.detail);
    /* what was just made is there when it is listed */
    struct events_kafka_admin *admin = events_kafka_admin_open(&conf, &err);
    assert_non_null(admin);
    int64_t until = aion_clock_mono_us() + WAIT_US;
    do {
        assert_true(aion_clock_mono_us() < until);
        assert_true(events_kafka_topics(admin, WAIT_US, seen, &err));
    } while (events_topics_plan(seen, retention_ms, -1, changes) > 0);
    events_kafka_admin_close(admin);
}

static void tool(const char *const *words)
{
    script("tool", words);
}

/* -- the bench ------------------------------------------------------------------------ */
struct bench {
    struct aion_exec exec;
    struct aion_jobs jobs;
    int fd;
    struct events_sink *sink;
    struct events_script_source *source;
    struct events_relay *relay;
    int64_t armed;
    size_t up, down, failed, recovered;
    struct aion_err last;
    uint64_t sequence;
};

static void post(struct aion_exec *exec, struct aion_job *job)
{
    struct bench *bench = aion_container(exec, struct bench, exec);
    if (aion_jobs_add(&bench->jobs, job))
        eventfd_write(bench->fd, 1);
}

static void health(void *user, const struct aion_err *err)
{
    struct bench *bench = user;
    bench->up += err == NULL;
    bench->down += err != NULL;
    if (err != NULL)
        bench->last = *err;
}

static int64_t now_of(void *user)
{
    (void)user;
    return aion_clock_mono_us();
}
static void arm(void *user, int64_t at_us)
{
    ((struct bench *)user)->armed = at_us;
}
static void changed(void *user, enum events_relay_state state, const struct aion_err *err)
{
    struct bench *bench = user;
    bench->failed += state == EVENTS_RELAY_FAILED;
    bench->recovered += state == EVENTS_RELAY_RUNNING;
    if (err != NULL)
        bench->last = *err;
}

static void open_relay(struct bench *bench)
{
    const struct events_relay_conf conf = {.source = events_script_source(bench->source),
                                           .sink = bench->sink,
                                           .cursor = "kafka",
                                           .now = now_of,
                                           .arm = arm,
                                           .changed = changed,
                                           .user = bench,
                                           .window_records = 1024};
    bench->relay = events_relay_new(&conf);
    events_relay_take(bench->relay, UINT64_MAX);
}

/* One round of the loop. */
static void go_on(struct bench *bench)
{
    struct pollfd wait = {.fd = bench->fd, .events = POLLIN};
    eventfd_t count;
    if (poll(&wait, 1, 5) > 0)
        eventfd_read(bench->fd, &count);
    aion_jobs_run(&bench->jobs);
    while (events_script_complete(bench->source) > 0)
        continue;
    if (bench->armed != 0 && bench->armed <= aion_clock_mono_us())
        events_relay_run(bench->relay);
}

static void add_row(struct bench *bench, uint32_t lane, size_t note_size)
{
    char *note = calloc(1, note_size + 1);
    memset(note, 'n', note_size);
    struct events_row row = {.lane = lane,
                             .sequence = ++bench->sequence,
                             .at_us = aion_clock_utc_us(),
                             .of.task = {.tenant = AION_STR("t"),
                                         .intent = AION_STR("noop"),
                                         .note = {note, note_size},
                                         .kinds = 8,
                                         .state = 3}};
    row.of.task.id.bytes[0] = (uint8_t)(bench->sequence % 5);
    row.of.task.id.bytes[15] = (uint8_t)lane;
    events_script_add(bench->source, &row);
    events_relay_wake(bench->relay, lane, row.sequence);
    free(note);
}

#define wait_until(bench, condition)                     \
    do {                                                 \
        int64_t until_ = aion_clock_mono_us() + WAIT_US; \
        while (!(condition)) {                           \
            assert_true(aion_clock_mono_us() < until_);  \
            go_on(bench);                                \
        }                                                \
    } while (0)
#define lag(bench)  events_relay_stats((bench)->relay).lag
#define done(bench) (lag(bench) == 0 && !events_relay_stats((bench)->relay).catching_up)

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct aion_err err;
    bench->exec.post = post;
    bench->fd = eventfd(0, EFD_NONBLOCK);
    const struct events_kafka_sink_conf conf = {.kafka = kafka_env(),
                                                .exec = &bench->exec,
                                                .client = "aion-test",
                                                .records_max = 4096,
                                                .health = health,
                                                .user = bench};
    apply_topics(3600000);
    bench->sink = events_kafka_sink_open(&conf, &err);
    assert_non_null(bench->sink);
    bench->source = events_script_source_new();
    bench->sequence = (uint64_t)aion_clock_utc_us(); /* a name is used once */
    open_relay(bench);
    wait_until(bench, done(bench));
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    bench->sink->ops->stop(bench->sink);
    aion_jobs_run(&bench->jobs);
    while (events_script_complete(bench->source) > 0)
        continue;
    events_relay_free(bench->relay);
    bench->sink->ops->free(bench->sink);
    events_script_source_free(bench->source);
    close(bench->fd);
    free(bench);
    return 0;
}

struct found {
    size_t records, repeats;
};

/* Records of the lifecycle with sequence > after: each key in order without its repeats. */
static struct found read_all(uint64_t after)
{
    const struct events_kafka_reader_conf conf = {.kafka = kafka_env(),
                                                  .topic = "aion.tasks.lifecycle",
                                                  .group = "",
                                                  .from = "beginning"};
    struct events_kafka_record record;
    struct aion_err err;
    struct found found = {0};
    struct events_dedup *dedup = events_dedup_new(0);
    uint64_t last[5][EVENTS_LANES] = {{0}};
    enum events_read_outcome outcome;
    struct events_kafka_reader *reader = events_kafka_reader_open(&conf, WAIT_US, &err);
    assert_non_null(reader);
    while ((outcome = events_kafka_reader_next(reader, WAIT_US, &record, &err)) !=
           EVENTS_READ_END) {
        struct aion_uuid id;
        assert_int_not_equal(outcome, EVENTS_READ_FAILED);
        if (outcome != EVENTS_READ_RECORD || record.sequence <= after)
            continue;
        assert_true(aion_uuid_parse(record.key, &id));
        if (!events_dedup_first(dedup, record.key, record.sequence))
            continue;
        uint64_t *newest = &last[id.bytes[0]][id.bytes[15]];
        assert_true(record.sequence > *newest);
        *newest = record.sequence;
        found.records++;
    }
    found.repeats = events_dedup_dropped(dedup);
    events_dedup_free(dedup);
    events_kafka_reader_close(reader);
    return found;
}

/* -- faults ------------------------------------------------------------------------- */
static void a_broker_that_is_killed_under_load_costs_nothing(void **state)
{
    struct bench *bench = *state;
    uint64_t before = bench->sequence;
    for (uint32_t i = 0; i < 500; i++)
        add_row(bench, i % 64, 10);
    wait_until(bench, done(bench));
    wait_until(bench, bench->up == 1);
    for (uint32_t i = 0; i < 500; i++)
        add_row(bench, i % 64, 10);
    script("kill", NULL);
    for (uint32_t i = 0; i < 2000; i++) {
        add_row(bench, i % 64, 10);
        if (i % 100 == 0)
            go_on(bench);
    }
    wait_until(bench, bench->down == 1);
    assert_int_equal(bench->last.code, AION_UNAVAILABLE);
    struct events_relay_stats stats = events_relay_stats(bench->relay);
    assert_in_range(stats.under_way, 500, 1024); /* the outbox holds the rest */
    assert_true(stats.lag >= 2000);
    assert_int_equal(stats.state, EVENTS_RELAY_RUNNING);
    script("start", NULL);
    wait_until(bench, done(bench));
    wait_until(bench, bench->up == 2);
    assert_int_equal(bench->failed, 0);
    assert_int_equal(read_all(before).records, 3000);
}

static void a_record_too_large_for_its_topic_holds_those_behind_it_until_that_is_mended(
    void **state)
{
    static const char *const smaller[] = {"configs",
                                          "--alter",
                                          "--entity-type",
                                          "topics",
                                          "--entity-name",
                                          "aion.tasks.lifecycle",
                                          "--add-config",
                                          "max.message.bytes=20000",
                                          NULL};
    static const char *const larger[] = {
        "configs",         "--alter",           "--entity-type",
        "topics",          "--entity-name",     "aion.tasks.lifecycle",
        "--delete-config", "max.message.bytes", NULL};
    struct bench *bench = *state;
    uint64_t before = bench->sequence;
    tool(smaller);
    for (uint32_t i = 0; i < 50; i++)
        add_row(bench, 7, 10);
    /* random enough not to be compressed away: several of them in one row */
    struct events_row row = {.lane = 7,
                             .sequence = ++bench->sequence,
                             .at_us = aion_clock_utc_us(),
                             .of.task = {.kinds = 8, .state = 3}};
    char *note = calloc(1, 100001);
    struct aion_buf hex;
    aion_buf_init(&hex, 100001);
    uint64_t seed = 1;
    while (hex.size < 100000)
        aion_buf_printf(
            &hex, "%016llx",
            (unsigned long long)(seed = seed * 6364136223846793005u + 1442695040888963407u));
    memcpy(note, hex.data, 100000);
    row.of.task.note = (aion_str){note, 100000};
    row.of.task.id.bytes[15] = 7;
    events_script_add(bench->source, &row);
    events_relay_wake(bench->relay, 7, row.sequence);
    for (uint32_t i = 0; i < 50; i++)
        add_row(bench, 7, 10);
    wait_until(bench, bench->failed >= 1);
    assert_non_null(strstr(bench->last.text, "max.message.bytes"));
    int64_t until = aion_clock_mono_us() + 2000000;
    while (aion_clock_mono_us() < until)
        go_on(bench);
    assert_true(lag(bench) >= 51);
    tool(larger);
    wait_until(bench, done(bench));
    assert_int_equal(bench->recovered, bench->failed);
    assert_int_equal(read_all(before).records, 101);
    aion_buf_done(&hex);
    free(note);
}

static void a_topic_deleted_under_way_is_named_and_nothing_is_lost_when_it_is_back(void **state)
{
    static const char *const gone[] = {"topics", "--delete", "--topic", "aion.tasks.lifecycle",
                                       NULL};
    struct bench *bench = *state;
    add_row(bench, 1, 10);
    wait_until(bench, done(bench));
    tool(gone);
    uint64_t before = bench->sequence;
    for (uint32_t i = 0; i < 300; i++)
        add_row(bench, i % 64, 10);
    wait_until(bench, bench->failed >= 1);
    assert_int_equal(bench->last.code, AION_NOT_FOUND);
    assert_non_null(strstr(bench->last.text, "aion.tasks.lifecycle"));
    assert_non_null(strstr(bench->last.text, "aion topics apply"));
    apply_topics(3600000);
    wait_until(bench, done(bench));
    assert_int_equal(read_all(before).records, 300);
}

static void settings_that_somebody_made_survive_a_change_of_retention(void **state)
{
    static const char *const mine[] = {
        "configs",      "--alter",           "--entity-type",
        "topics",       "--entity-name",     "aion.audit.activity",
        "--add-config", "segment.ms=777777", NULL};
    const struct events_kafka_conf conf = kafka_env();
    struct events_topic_seen seen[EVENTS_TOPICS];
    struct aion_err err;
    (void)state;
    tool(mine);
    apply_topics(7200000);
    struct events_kafka_admin *admin = events_kafka_admin_open(&conf, &err);
    assert_true(events_kafka_topics(admin, WAIT_US, seen, &err));
    for (size_t i = 0; i < EVENTS_TOPICS; i++)
        assert_true(seen[i].retention_ms == 7200000);
    events_kafka_admin_close(admin);
    /* Kafka's own tool still shows it: grep in a shell would hide a failing tool */
    char command[512], line[256];
    bool found = false;
    snprintf(command, sizeof(command),
             "%s tool %s configs --describe --entity-type topics --entity-name "
             "aion.audit.activity",
             getenv("AION_TEST_KAFKA"), getenv("AION_TEST_KAFKA_DIR"));
    FILE *shown = popen(command, "r");
    while (fgets(line, sizeof(line), shown) != NULL)
        found |= strstr(line, "segment.ms=777777") != NULL;
    assert_int_equal(pclose(shown), 0);
    assert_true(found);
}

/* -- readers ------------------------------------------------------------------------ */
static size_t read_some(const char *group, const char *from, size_t count,
                        struct aion_buf *position)
{
    const struct events_kafka_reader_conf conf = {
        .kafka = kafka_env(), .topic = "aion.tasks.lifecycle", .group = group, .from = from};
    struct events_kafka_record record;
    struct aion_err err;
    size_t read = 0;
    struct events_kafka_reader *reader = events_kafka_reader_open(&conf, WAIT_US, &err);
    if (reader == NULL)
        fail_msg("%s (%s)", err.text, err.detail);
    while (read < count) {
        enum events_read_outcome outcome =
            events_kafka_reader_next(reader, WAIT_US, &record, &err);
        assert_int_not_equal(outcome, EVENTS_READ_FAILED);
        if (outcome == EVENTS_READ_END)
            break;
        read += outcome == EVENTS_READ_RECORD;
    }
    if (position != NULL)
        events_kafka_position(reader, position);
    events_kafka_reader_close(reader);
    return read;
}

static void a_position_and_a_group_go_on_where_they_were(void **state)
{
    struct bench *bench = *state;
    char group[32];
    struct aion_buf position;
    aion_buf_init(&position, 4096);
    for (uint32_t i = 0; i < 100; i++)
        add_row(bench, i % 64, 10);
    wait_until(bench, done(bench));
    size_t all = read_some("", "beginning", SIZE_MAX, NULL);
    assert_int_equal(read_some("", "beginning", 40, &position), 40);
    assert_int_equal(read_some("", position.data, SIZE_MAX, NULL), all - 40);
    snprintf(group, sizeof(group), "g-%llu", (unsigned long long)bench->sequence);
    /* of a group the record that was given last is not handled yet: it comes again */
    assert_int_equal(read_some(group, "beginning", SIZE_MAX, NULL), all);
    for (uint32_t i = 0; i < 7; i++)
        add_row(bench, i, 10);
    wait_until(bench, done(bench));
    assert_int_equal(read_some(group, "beginning", SIZE_MAX, NULL), 7);
    aion_buf_done(&position);
}

static void a_reader_of_what_is_not_there_says_what_is_wrong(void **state)
{
    struct events_kafka_reader_conf conf = {
        .kafka = kafka_env(), .topic = "aion.no.such", .group = "", .from = "beginning"};
    struct aion_err err;
    (void)state;
    assert_null(events_kafka_reader_open(&conf, 5000000, &err));
    assert_int_equal(err.code, AION_NOT_FOUND);
    conf.topic = "aion.tasks.lifecycle";
    conf.from = "12";
    assert_null(events_kafka_reader_open(&conf, 5000000, &err));
    assert_int_equal(err.code, AION_INVALID);
    conf.from = "99:0";
    assert_null(events_kafka_reader_open(&conf, 5000000, &err));
    assert_non_null(strstr(err.text, "no partition 99"));
    conf.kafka.brokers = "127.0.0.1:1";
    assert_null(events_kafka_reader_open(&conf, 1000000, &err));
    assert_int_equal(err.code, AION_UNAVAILABLE);
}

static void a_probe_goes_the_whole_way_and_leaves_nothing(void **state)
{
    const struct events_kafka_conf conf = kafka_env();
    struct events_kafka_probe probe;
    struct aion_err err;
    (void)state;
    assert_true(events_kafka_probe(&conf, WAIT_US, &probe, &err));
    assert_true(probe.produce_us > 0 && probe.consume_us > 0);
    assert_true(llabs(probe.clock_us) < 5000000);
    const struct events_kafka_reader_conf reader = {
        .kafka = conf, .topic = probe.topic, .group = "", .from = "beginning"};
    assert_null(events_kafka_reader_open(&reader, WAIT_US, &err));
    assert_int_equal(err.code, AION_NOT_FOUND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_position_and_a_group_go_on_where_they_were),
        TEST(a_reader_of_what_is_not_there_says_what_is_wrong),
        TEST(a_record_too_large_for_its_topic_holds_those_behind_it_until_that_is_mended),
        TEST(a_topic_deleted_under_way_is_named_and_nothing_is_lost_when_it_is_back),
        TEST(a_broker_that_is_killed_under_load_costs_nothing),
        cmocka_unit_test(settings_that_somebody_made_survive_a_change_of_retention),
        cmocka_unit_test(a_probe_goes_the_whole_way_and_leaves_nothing),
    };
    if (getenv("AION_TEST_KAFKA_BROKERS") == NULL) {
        print_message("SKIP: no broker: run by tests/servers/kafka.sh with --\n");
        return 77;
    }
    return cmocka_run_group_tests_name("events kafka", tests, NULL, NULL);
}
