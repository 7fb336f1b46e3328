/* The service Events on a real mesh and the scripted store: what a reader is given, from where
 * on, when it is answered, and what is refused. */
#include "aion/v1/events.mesh.h"
#include "base/clock.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct bench bench;
static char lifecycle[] = "aion.tasks.lifecycle", decisions[] = "aion.router.decisions",
            audit[] = "aion.audit.activity", metrics[] = "aion.metrics.runtime";

static int setup(void **state)
{
    (void)state;
    bench_start(&bench);
    bench_attach(&bench, 0, 8, NULL, 0);
    bench.hosts[0].automatic = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_stop(&bench);
    return 0;
}

static const struct mesh_method *method(int index)
{
    return &aion_v1_events_type.methods[index];
}

static Aion__V1__ReadEventsRequest asking(char *topic)
{
    Aion__V1__ReadEventsRequest request = AION__V1__READ_EVENTS_REQUEST__INIT;
    request.topic = topic;
    return request;
}

static const Aion__V1__ReadEventsReply *ask(const Aion__V1__ReadEventsRequest *request)
{
    return (const Aion__V1__ReadEventsReply *)bench_call(
        &bench, method(AION_V1_EVENTS_READ_EVENTS), &request->base);
}

static void refuses(const Aion__V1__ReadEventsRequest *request, const char *part)
{
    assert_null(ask(request));
    assert_int_equal(bench.err.code, AION_INVALID);
    if (strstr(bench.err.text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, bench.err.text);
}

/* Tasks that have run to their end. */
static void run_tasks(size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_non_null(bench_submit(&bench, "x", NULL, 10));
}

static void a_reader_gets_every_event_by_pages_and_then_waits(void **state)
{
    Aion__V1__ReadEventsRequest request = asking(lifecycle);
    size_t records = 0, ends = 0, pages = 0;
    const Aion__V1__ReadEventsReply *reply;
    (void)state;
    run_tasks(10);
    request.limit = 3;
    do {
        reply = ask(&request);
        assert_non_null(reply);
        assert_in_range(reply->n_records, 0, 3);
        for (size_t i = 0; i < reply->n_records; i++) {
            assert_string_equal(reply->records[i]->schema, "aion.v1.LifecycleEvent/1");
            assert_non_null(strstr(reply->records[i]->value, reply->records[i]->key));
            ends += strstr(reply->records[i]->value, "TASK_STATE_SUCCEEDED") != NULL;
        }
        records += reply->n_records;
        request.after = reply->positions;
        request.n_after = reply->n_positions;
        pages++;
    } while (reply->more || reply->n_records > 0);
    assert_int_equal(ends, 10);
    assert_in_range(records, 20, 30); /* a start may go with its end */
    assert_true(pages > 5);
}

static void a_decision_is_told_on_its_own_topic(void **state)
{
    Aion__V1__ReadEventsRequest request = asking(decisions);
    const Aion__V1__ReadEventsReply *reply;
    (void)state;
    run_tasks(2);
    reply = ask(&request);
    assert_non_null(reply);
    assert_int_equal(reply->n_records, 2);
    assert_non_null(strstr(reply->records[0]->value, "\"decision\""));
}

static void from_the_end_only_what_comes_is_told_as_soon_as_it_is_there(void **state)
{
    Aion__V1__ReadEventsRequest request = asking(lifecycle);
    Google__Protobuf__Duration wait = GOOGLE__PROTOBUF__DURATION__INIT;
    const Aion__V1__ReadEventsReply *reply;
    (void)state;
    run_tasks(3);
    request.from = AION__V1__READ_EVENTS_REQUEST__FROM__FROM_END;
    reply = ask(&request);
    assert_int_equal(reply->n_records, 0);
    request.after = reply->positions;
    request.n_after = reply->n_positions;
    wait.nanos = 300000000;
    request.wait = &wait;
    int64_t began = aion_clock_mono_us();
    reply = ask(&request);
    assert_int_equal(reply->n_records, 0);
    assert_true(aion_clock_mono_us() - began >= 290000);
    run_tasks(1);
    wait.seconds = 8;
    began = aion_clock_mono_us();
    reply = ask(&request);
    assert_true(reply->n_records > 0);
    assert_true(aion_clock_mono_us() - began < 4000000);
}

static void a_group_goes_on_where_it_committed(void **state)
{
    static char group[] = "g";
    Aion__V1__ReadEventsRequest request = asking(lifecycle);
    Aion__V1__CommitEventsRequest commit = AION__V1__COMMIT_EVENTS_REQUEST__INIT;
    Aion__V1__ForgetReaderRequest forget = AION__V1__FORGET_READER_REQUEST__INIT;
    const Aion__V1__ReadEventsReply *reply;
    (void)state;
    run_tasks(2);
    request.group = group;
    reply = ask(&request);
    assert_true(reply->n_records >= 4);
    commit.topic = lifecycle;
    commit.group = group;
    commit.positions = reply->positions;
    commit.n_positions = reply->n_positions;
    assert_non_null(bench_call(&bench, method(AION_V1_EVENTS_COMMIT_EVENTS), &commit.base));
    assert_int_equal(ask(&request)->n_records, 0);
    run_tasks(1);
    assert_true(ask(&request)->n_records > 0);
    forget.reader_case = AION__V1__FORGET_READER_REQUEST__READER_GROUP;
    forget.group = group;
    assert_non_null(bench_call(&bench, method(AION_V1_EVENTS_FORGET_READER), &forget.base));
    assert_true(ask(&request)->n_records >= 6);
    assert_null(bench_call(&bench, method(AION_V1_EVENTS_FORGET_READER), &forget.base));
    assert_int_equal(bench.err.code, AION_NOT_FOUND);
}

static void a_second_of_a_component_is_told_and_kept_for_readers(void **state)
{
    static char component[] = "gateway", kind[] = "method", key[] = "gateway/AionTasks.Submit",
                name[] = "p95_us";
    Aion__V1__ReadEventsRequest request = asking(metrics);
    Aion__V1__RuntimeMetrics told = AION__V1__RUNTIME_METRICS__INIT;
    Aion__V1__RuntimeMetrics__Row row = AION__V1__RUNTIME_METRICS__ROW__INIT, *rows[1] = {&row};
    Aion__V1__RuntimeMetrics__Row__ValuesEntry
        value = AION__V1__RUNTIME_METRICS__ROW__VALUES_ENTRY__INIT,
        *values[1] = {&value};
    uint64_t last = 0;
    (void)state;
    told.component = component;
    told.rows = rows;
    told.n_rows = 1;
    row.kind = kind;
    row.key = key;
    row.values = values;
    row.n_values = 1;
    value.key = name;
    value.value = 800000;
    for (size_t i = 0; i < 3; i++)
        control_events_metrics(bench.control, &told);
    const Aion__V1__ReadEventsReply *reply = ask(&request);
    assert_non_null(reply);
    assert_int_equal(reply->n_records, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(reply->records[i]->key, "gateway");
        assert_non_null(strstr(reply->records[i]->value, "\"p95_us\":\"800000\""));
        assert_true(reply->records[i]->sequence > last);
        last = reply->records[i]->sequence;
    }
    request.after = reply->positions;
    request.n_after = reply->n_positions;
    assert_int_equal(ask(&request)->n_records, 0);
}

static struct store_audit line_of(const char *writer, uint64_t number, const char *actor)
{
    static uint8_t hashes[2][32];
    memset(hashes[number & 1], (int)number, 32);
    return (struct store_audit){
        .writer = aion_str_of(writer),
        .number = number,
        .prev = number > 1 ? aion_str_n(hashes[(number - 1) & 1], 32) : (aion_str){0},
        .hash = aion_str_n(hashes[number & 1], 32),
        .at_us = 1700000000000000,
        .actor = aion_str_of(actor),
        .role = AION_STR("admin"),
        .action = AION_STR("Hosts.DrainHost"),
        .target = AION_STR("host/1"),
        .result = AION_STR("done"),
    };
}

static void put_lines(const char *writer, size_t count)
{
    for (uint64_t number = 1; number <= count; number++) {
        struct store_audit line = line_of(writer, number, "alice");
        struct store_audit_put put = {.op.audit = &line};
        assert_true(store_audit_put_wait(bench.store, &put, &bench.err));
    }
}

static void lines_of_the_audit_come_writer_by_writer(void **state)
{
    Aion__V1__ReadEventsRequest request = asking(audit);
    const Aion__V1__ReadEventsReply *reply;
    size_t records = 0;
    (void)state;
    put_lines("control-a", 5);
    put_lines("control-b", 4);
    request.limit = 2;
    do {
        reply = ask(&request);
        assert_non_null(reply);
        records += reply->n_records;
        for (size_t i = 0; i < reply->n_records; i++)
            assert_string_equal(reply->records[i]->key, "alice");
        request.after = reply->positions;
        request.n_after = reply->n_positions;
        assert_int_equal(reply->n_positions, 2);
    } while (reply->more);
    assert_int_equal(records, 9);
}

static void what_is_wrong_is_named(void **state)
{
    static char nothing[] = "aion.x", capital[] = "G", group[] = "g", source[] = "64";
    Aion__V1__EventPosition position = AION__V1__EVENT_POSITION__INIT, *list[1] = {&position};
    Google__Protobuf__Duration wait = GOOGLE__PROTOBUF__DURATION__INIT;
    Aion__V1__ReadEventsRequest request = asking(nothing);
    (void)state;
    refuses(&request, "aion.tasks.lifecycle");
    request.topic = lifecycle;
    request.limit = 1001;
    refuses(&request, "limit");
    request.limit = 0;
    request.group = capital;
    refuses(&request, "[a-z0-9._-]");
    request.group = group;
    request.topic = metrics;
    refuses(&request, "positions");
    request = asking(lifecycle);
    position.source = source;
    request.after = list;
    request.n_after = 1;
    refuses(&request, "no source \"64\"");
    request = asking(lifecycle);
    request.wait = &wait;
    wait.seconds = 31;
    refuses(&request, "wait");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_reader_gets_every_event_by_pages_and_then_waits),
        TEST(a_decision_is_told_on_its_own_topic),
        TEST(from_the_end_only_what_comes_is_told_as_soon_as_it_is_there),
        TEST(a_group_goes_on_where_it_committed),
        TEST(a_second_of_a_component_is_told_and_kept_for_readers),
        TEST(lines_of_the_audit_come_writer_by_writer),
        TEST(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests_name("control events", tests, NULL, NULL);
}
