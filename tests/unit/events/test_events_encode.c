/* Rows to records: the bytes that consumers have come to know. A value here changes only with
 * the schema's version. */
#include "events/encode.h"

#include "aion/v1/common.pb-c.h"
#include "aion/v1/router.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TASK    "0190b0a8-5c00-7000-8000-00000000002a"
#define AT_US   1732355999123456
#define AT_TEXT "2024-11-23T09:59:59.123456Z"

static int setup(void **state)
{
    static struct events_encoder encoder;
    events_encoder_init(&encoder);
    *state = &encoder;
    return 0;
}

static int teardown(void **state)
{
    events_encoder_done(*state);
    return 0;
}

static struct events_row row_of(uint32_t kinds, uint32_t state)
{
    struct events_row row = {.lane = 42,
                             .sequence = 7,
                             .at_us = AT_US,
                             .of.task = {.tenant = AION_STR("acme"),
                                         .intent = AION_STR("summarize_text"),
                                         .kinds = kinds,
                                         .state = state}};
    assert_true(aion_uuid_parse(AION_STR(TASK), &row.of.task.id));
    return row;
}

static void check(const struct events_record *record, enum events_topic topic, const char *key,
                  const char *value)
{
    char got[4096];
    assert_int_equal(record->topic, topic);
    assert_true(aion_str_is(record->key, key));
    assert_int_equal(record->sequence, 7);
    assert_true(record->at_us == AT_US);
    snprintf(got, sizeof(got), "%.*s", AION_STR_ARG(record->value));
    assert_string_equal(got, value);
}

/* Packs into bytes; the row's payload points there. */
static aion_str pack(const ProtobufCMessage *message, uint8_t *bytes, size_t size)
{
    assert_true(protobuf_c_message_get_packed_size(message) <= size);
    return aion_str_n(bytes, protobuf_c_message_pack(message, bytes));
}

static void an_accepted_and_routed_task_gives_its_decision_and_its_lifecycle(void **state)
{
    struct events_encoder *encoder = *state;
    Aion__V1__PolicyRevision revision = AION__V1__POLICY_REVISION__INIT;
    Aion__V1__Engine engine = AION__V1__ENGINE__INIT;
    Aion__V1__Decision decision = AION__V1__DECISION__INIT;
    uint8_t bytes[512];
    struct events_row row = row_of(1 | 2 | 4, 2);
    size_t count;
    static char route[] = "local-summary", by[] = "rule", id[] = "d-1";
    revision.ordinal = 3;
    engine.route = route;
    engine.chosen_by = by;
    engine.policy_revision = &revision;
    decision.decision_id = id;
    decision.engine = &engine;
    decision.attempts_max = 3;
    row.of.task.decision = pack(&decision.base, bytes, sizeof(bytes));
    assert_true(events_encode(encoder, EVENTS_STREAM_TASKS, &row, &count, NULL));
    assert_int_equal(count, 2);
    check(&encoder->records[0], EVENTS_DECISIONS, TASK,
          "{\"taskId\":\"" TASK "\",\"sequence\":\"7\",\"shard\":42,\"at\":\"" AT_TEXT
          "\",\"tenant\":\"acme\",\"intent\":\"summarize_text\",\"decision\":{\"decisionId\":"
          "\"d-1\",\"engine\":{\"route\":\"local-summary\",\"chosenBy\":\"rule\","
          "\"policyRevision\":{\"ordinal\":\"3\"}},\"attemptsMax\":3}}");
    check(&encoder->records[1], EVENTS_LIFECYCLE, TASK,
          "{\"taskId\":\"" TASK "\",\"sequence\":\"7\",\"shard\":42,\"at\":\"" AT_TEXT
          "\",\"tenant\":\"acme\",\"intent\":\"summarize_text\",\"kinds\":[\"accepted\","
          "\"routed\",\"queued\"],\"state\":\"TASK_STATE_QUEUED\"}");
}

static void an_end_carries_its_usage_attempt_and_note(void **state)
{
    struct events_encoder *encoder = *state;
    Aion__V1__Usage usage = AION__V1__USAGE__INIT;
    uint8_t bytes[64];
    struct events_row row = row_of(64, 7);
    size_t count;
    usage.run_us = 1500;
    usage.cost_nano_usd = 12;
    row.of.task.usage = pack(&usage.base, bytes, sizeof(bytes));
    row.of.task.attempt = 2;
    row.of.task.note = AION_STR("na\xc3\xafve \"end\"");
    assert_true(events_encode(encoder, EVENTS_STREAM_TASKS, &row, &count, NULL));
    assert_int_equal(count, 1);
    check(&encoder->records[0], EVENTS_LIFECYCLE, TASK,
          "{\"taskId\":\"" TASK "\",\"sequence\":\"7\",\"shard\":42,\"at\":\"" AT_TEXT
          "\",\"tenant\":\"acme\",\"intent\":\"summarize_text\",\"kinds\":[\"succeeded\"],"
          "\"state\":\"TASK_STATE_SUCCEEDED\",\"attempt\":2,\"note\":\"na\xc3\xafve "
          "\\\"end\\\"\",\"usage\":{\"runUs\":\"1500\",\"costNanoUsd\":\"12\"}}");
}

static void a_start_that_is_told_with_its_end_says_when_and_where(void **state)
{
    struct events_encoder *encoder = *state;
    struct events_row row = row_of(8 | 64, 7);
    size_t count;
    row.of.task.attempt = 1;
    row.of.task.started_us = AT_US - 1123456;
    row.of.task.host = AION_STR("host-1");
    assert_true(events_encode(encoder, EVENTS_STREAM_TASKS, &row, &count, NULL));
    assert_int_equal(count, 1);
    check(&encoder->records[0], EVENTS_LIFECYCLE, TASK,
          "{\"taskId\":\"" TASK "\",\"sequence\":\"7\",\"shard\":42,\"at\":\"" AT_TEXT
          "\",\"tenant\":\"acme\",\"intent\":\"summarize_text\",\"kinds\":[\"started\","
          "\"succeeded\"],\"state\":\"TASK_STATE_SUCCEEDED\",\"attempt\":1,\"startedAt\":"
          "\"2024-11-23T09:59:58Z\",\"host\":\"host-1\"}");
}

static void a_line_of_the_audit_is_keyed_by_its_actor(void **state)
{
    struct events_encoder *encoder = *state;
    struct events_row row = {.sequence = 3,
                             .at_us = AT_US,
                             .of.audit = {.writer = AION_STR("control-1"),
                                          .number = 3,
                                          .actor = AION_STR("alice"),
                                          .role = AION_STR("admin"),
                                          .action = AION_STR("Budgets.SetBudget"),
                                          .target = AION_STR("tenant/acme"),
                                          .result = AION_STR("done"),
                                          .hash = AION_STR("\x01\x02\x03")}};
    char wanted[512];
    size_t count;
    assert_true(events_encode(encoder, EVENTS_STREAM_AUDIT, &row, &count, NULL));
    assert_int_equal(count, 1);
    const struct events_record *record = &encoder->records[0];
    assert_int_equal(record->topic, EVENTS_AUDIT);
    assert_true(aion_str_is(record->key, "alice"));
    assert_true(record->sequence == events_audit_sequence(AION_STR("control-1"), 3));
    snprintf(wanted, sizeof(wanted),
             "{\"actorId\":\"alice\",\"sequence\":\"%llu\",\"at\":\"" AT_TEXT
             "\",\"writer\":\"control-1\",\"number\":\"3\",\"role\":\"admin\",\"action\":"
             "\"Budgets.SetBudget\",\"target\":\"tenant/acme\",\"result\":\"done\",\"hash\":"
             "\"AQID\"}",
             (unsigned long long)record->sequence);
    assert_true(aion_str_is(record->value, wanted));
}

static void sequences_of_audit_grow_within_a_writer_and_differ_between_writers(void **state)
{
    aion_str a = AION_STR("control-1"), b = AION_STR("control-2");
    (void)state;
    for (uint64_t number = 1; number < 1000; number++) {
        assert_true(events_audit_sequence(a, number) < events_audit_sequence(a, number + 1));
        assert_true(events_audit_sequence(a, number) != events_audit_sequence(b, number));
        assert_true(events_audit_sequence(a, number) <= INT64_MAX);
    }
}

static void every_kind_has_its_name_and_unknown_ones_are_left_out(void **state)
{
    struct events_encoder *encoder = *state;
    struct events_row row = row_of(0x80000000u | ((1u << EVENTS_KINDS) - 1 - 2), 3);
    size_t count;
    assert_true(events_encode(encoder, EVENTS_STREAM_TASKS, &row, &count, NULL));
    assert_int_equal(count, 1);
    check(&encoder->records[0], EVENTS_LIFECYCLE, TASK,
          "{\"taskId\":\"" TASK "\",\"sequence\":\"7\",\"shard\":42,\"at\":\"" AT_TEXT
          "\",\"tenant\":\"acme\",\"intent\":\"summarize_text\",\"kinds\":[\"accepted\","
          "\"queued\",\"started\",\"retry\",\"resumed\",\"succeeded\",\"failed\",\"cancelled\","
          "\"expired\",\"dead\",\"doubt\",\"resolved\",\"held\",\"released\",\"replayed\"],"
          "\"state\":\"TASK_STATE_RUNNING\"}");
}

static void a_payload_that_does_not_unpack_costs_its_own_record_alone(void **state)
{
    struct events_encoder *encoder = *state;
    struct events_row row = row_of(2 | 4, 2);
    struct aion_err err;
    size_t count;
    row.of.task.decision = AION_STR("\xff\xff\xff");
    assert_false(events_encode(encoder, EVENTS_STREAM_TASKS, &row, &count, &err));
    assert_int_equal(err.code, AION_DATA_LOSS);
    assert_non_null(strstr(err.text, "row 7 of lane 42"));
    assert_int_equal(count, 1);
    assert_int_equal(encoder->records[0].topic, EVENTS_LIFECYCLE);
}

static void the_same_row_gives_the_same_bytes(void **state)
{
    struct events_encoder *encoder = *state;
    struct events_row row = row_of(8, 3);
    char first[1024];
    size_t count;
    row.of.task.note = AION_STR("host-1");
    assert_true(events_encode(encoder, EVENTS_STREAM_TASKS, &row, &count, NULL));
    snprintf(first, sizeof(first), "%.*s", AION_STR_ARG(encoder->records[0].value));
    for (int i = 0; i < 100; i++) {
        assert_true(events_encode(encoder, EVENTS_STREAM_TASKS, &row, &count, NULL));
        assert_true(aion_str_is(encoder->records[0].value, first));
    }
}

static void topics_are_found_by_name_and_kept_by_environment(void **state)
{
    enum events_topic topic;
    int64_t ms;
    (void)state;
    for (size_t i = 0; i < EVENTS_TOPICS; i++) {
        assert_true(events_topic_find(
            aion_str_of(events_topic_about((enum events_topic)i)->name), &topic));
        assert_int_equal(topic, i);
    }
    assert_false(events_topic_find(AION_STR("aion.tasks"), &topic));
    assert_true(events_retention_ms(AION_STR("dev"), &ms));
    assert_true(ms == 7LL * 86400000);
    assert_true(events_retention_ms(AION_STR("prod"), &ms));
    assert_true(ms == 30LL * 86400000);
    assert_false(events_retention_ms(AION_STR("stage"), &ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_accepted_and_routed_task_gives_its_decision_and_its_lifecycle),
        cmocka_unit_test(an_end_carries_its_usage_attempt_and_note),
        cmocka_unit_test(a_start_that_is_told_with_its_end_says_when_and_where),
        cmocka_unit_test(a_line_of_the_audit_is_keyed_by_its_actor),
        cmocka_unit_test(sequences_of_audit_grow_within_a_writer_and_differ_between_writers),
        cmocka_unit_test(every_kind_has_its_name_and_unknown_ones_are_left_out),
        cmocka_unit_test(a_payload_that_does_not_unpack_costs_its_own_record_alone),
        cmocka_unit_test(the_same_row_gives_the_same_bytes),
        cmocka_unit_test(topics_are_found_by_name_and_kept_by_environment),
    };
    return cmocka_run_group_tests_name("events encode", tests, setup, teardown);
}
