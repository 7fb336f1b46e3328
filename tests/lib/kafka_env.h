/* The broker that tests/servers/kafka.sh has started for a test or a benchmark. */
#ifndef TESTS_KAFKA_ENV_H
#define TESTS_KAFKA_ENV_H

#include "events/kafka/kafka.h"

#include <stdlib.h>

static inline struct events_kafka_conf kafka_env(void)
{
    return (struct events_kafka_conf){.brokers = getenv("AION_TEST_KAFKA_BROKERS"),
                                      .ca = "",
                                      .cert = "",
                                      .key = "",
                                      .user = "",
                                      .password = "",
                                      .mechanism = ""};
}

/* Makes AION's topics, or changes them to this retention. */
static inline bool kafka_env_topics(int64_t retention_ms, int64_t timeout_us,
                                    struct aion_err *err)
{
    const struct events_kafka_conf conf = kafka_env();
    struct events_topic_seen seen[EVENTS_TOPICS];
    struct events_topic_change changes[EVENTS_CHANGES_MAX];
    struct events_kafka_admin *admin = events_kafka_admin_open(&conf, err);
    bool good = admin != NULL && events_kafka_topics(admin, timeout_us, seen, err);
    size_t count = good ? events_topics_plan(seen, retention_ms, -1, changes) : 0;
    for (size_t i = 0; i < count && good; i++)
        good = events_kafka_change(admin, &changes[i], timeout_us, err);
    events_kafka_admin_close(admin);
    return good;
}

#endif
