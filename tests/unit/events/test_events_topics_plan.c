/* From what a cluster has to what is wanted. */
#include "events/kafka/kafka.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define WEEK_MS (7LL * 86400000)

static void wanted(struct events_topic_seen seen[EVENTS_TOPICS])
{
    for (size_t i = 0; i < EVENTS_TOPICS; i++)
        seen[i] = (struct events_topic_seen){
            .exists = true,
            .partitions = events_topic_about((enum events_topic)i)->partitions,
            .replicas = 1,
            .retention_ms = WEEK_MS};
}

static void nothing_is_changed_where_all_is_as_wanted(void **state)
{
    struct events_topic_seen seen[EVENTS_TOPICS];
    struct events_topic_change changes[EVENTS_CHANGES_MAX];
    (void)state;
    wanted(seen);
    assert_int_equal(events_topics_plan(seen, WEEK_MS, -1, changes), 0);
}

static void a_missing_topic_is_made_with_its_partitions_retention_and_replicas(void **state)
{
    struct events_topic_seen seen[EVENTS_TOPICS];
    struct events_topic_change changes[EVENTS_CHANGES_MAX];
    (void)state;
    wanted(seen);
    seen[EVENTS_METRICS].exists = false;
    assert_int_equal(events_topics_plan(seen, WEEK_MS, 3, changes), 1);
    assert_int_equal(changes[0].change, EVENTS_TOPIC_CREATE);
    assert_int_equal(changes[0].topic, EVENTS_METRICS);
    assert_int_equal(changes[0].to, events_topic_about(EVENTS_METRICS)->partitions);
    assert_true(changes[0].retention_ms == WEEK_MS);
    assert_int_equal(changes[0].replicas, 3);
}

static void partitions_are_raised_never_lowered_and_retention_is_set_either_way(void **state)
{
    struct events_topic_seen seen[EVENTS_TOPICS];
    struct events_topic_change changes[EVENTS_CHANGES_MAX];
    (void)state;
    wanted(seen);
    seen[EVENTS_DECISIONS].partitions = 100;
    seen[EVENTS_LIFECYCLE].partitions = 1;
    seen[EVENTS_LIFECYCLE].retention_ms = -1;
    seen[EVENTS_AUDIT].retention_ms = 2 * WEEK_MS;
    assert_int_equal(events_topics_plan(seen, WEEK_MS, -1, changes), 3);
    assert_int_equal(changes[0].change, EVENTS_TOPIC_WIDEN);
    assert_int_equal(changes[0].topic, EVENTS_LIFECYCLE);
    assert_int_equal(changes[0].from, 1);
    assert_int_equal(changes[0].to, 12);
    assert_int_equal(changes[1].change, EVENTS_TOPIC_RETAIN);
    assert_int_equal(changes[1].from, -1);
    assert_true(changes[1].to == WEEK_MS);
    assert_int_equal(changes[2].topic, EVENTS_AUDIT);
}

/* -- options ------------------------------------------------------------------------ */
static struct events_kafka_conf conf_of(const char *brokers)
{
    return (struct events_kafka_conf){.brokers = brokers,
                                      .ca = "",
                                      .cert = "",
                                      .key = "",
                                      .user = "",
                                      .password = "",
                                      .mechanism = "PLAIN"};
}

static void check_refused(const struct events_kafka_conf *conf, const char *part)
{
    struct aion_err err;
    assert_false(events_kafka_conf_check(conf, &err));
    assert_int_equal(err.code, AION_INVALID);
    if (strstr(err.text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, err.text);
}

static void brokers_have_a_name_and_a_port(void **state)
{
    static const char *const good[] = {"", "a:1", "127.0.0.1:9092,b:65535", "[::1]:9092",
                                       "a:1, b:2"};
    static const char *const bad[] = {"a",   "a:",   ":1", "a:0",    "a:65536",
                                      "a:x", "a:1,", ",",  "a:1;b:2"};
    (void)state;
    for (size_t i = 0; i < aion_countof(good); i++) {
        struct events_kafka_conf conf = conf_of(good[i]);
        assert_true(events_kafka_conf_check(&conf, NULL));
    }
    for (size_t i = 0; i < aion_countof(bad); i++) {
        struct events_kafka_conf conf = conf_of(bad[i]);
        check_refused(&conf, "AION_KAFKA_BROKERS");
    }
}

static void a_password_never_goes_in_clear_text_and_halves_are_named(void **state)
{
    struct events_kafka_conf conf = conf_of("a:1");
    (void)state;
    conf.password = "secret";
    check_refused(&conf, "AION_KAFKA_USER");
    conf.user = "u";
    check_refused(&conf, "AION_KAFKA_TLS");
    conf.mechanism = "GSSAPI";
    check_refused(&conf, "GSSAPI");
    conf.mechanism = "SCRAM-SHA-512";
    assert_true(events_kafka_conf_check(&conf, NULL));
    conf.password = "";
    check_refused(&conf, "AION_KAFKA_PASSWORD");
    conf = conf_of("a:1");
    conf.ca = "/dev/null";
    check_refused(&conf, "AION_KAFKA_TLS");
    conf.tls = true;
    assert_true(events_kafka_conf_check(&conf, NULL));
    conf.cert = "/dev/null";
    check_refused(&conf, "AION_KAFKA_KEY");
    conf.key = "/nowhere/key";
    check_refused(&conf, "/nowhere/key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_changed_where_all_is_as_wanted),
        cmocka_unit_test(a_missing_topic_is_made_with_its_partitions_retention_and_replicas),
        cmocka_unit_test(partitions_are_raised_never_lowered_and_retention_is_set_either_way),
        cmocka_unit_test(brokers_have_a_name_and_a_port),
        cmocka_unit_test(a_password_never_goes_in_clear_text_and_halves_are_named),
    };
    return cmocka_run_group_tests_name("events topics plan", tests, NULL, NULL);
}
