/* The four topics: one table for the relay, the doctor, `aion topics` and the embedded log. */
#include "events/events.h"

#include "aion/v1/events.schema.h"

/* Partitions bound how many consumers of a group work at once; raising them later moves keys,
 * so there are more than one needs today. */
static const struct events_topic_about topics[EVENTS_TOPICS] = {
    [EVENTS_DECISIONS] = {.name = "aion.router.decisions",
                          .key = "task_id",
                          .schema = "aion.v1.DecisionEvent/1",
                          .partitions = 12,
                          .message = &aion__v1__decision_event__schema},
    [EVENTS_LIFECYCLE] = {.name = "aion.tasks.lifecycle",
                          .key = "task_id",
                          .schema = "aion.v1.LifecycleEvent/1",
                          .partitions = 12,
                          .message = &aion__v1__lifecycle_event__schema},
    [EVENTS_METRICS] = {.name = "aion.metrics.runtime",
                        .key = "component",
                        .schema = "aion.v1.RuntimeMetrics/1",
                        .partitions = 3,
                        .message = &aion__v1__runtime_metrics__schema},
    [EVENTS_AUDIT] = {.name = "aion.audit.activity",
                      .key = "actor_id",
                      .schema = "aion.v1.AuditActivity/1",
                      .partitions = 3,
                      .message = &aion__v1__audit_activity__schema},
};

const struct events_topic_about *events_topic_about(enum events_topic topic)
{
    return &topics[topic];
}

bool events_topic_find(aion_str name, enum events_topic *ret_topic)
{
    for (size_t i = 0; i < EVENTS_TOPICS; i++) {
        if (aion_str_is(name, topics[i].name)) {
            *ret_topic = (enum events_topic)i;
            return true;
        }
    }
    return false;
}

bool events_retention_ms(aion_str environment, int64_t *ret_ms)
{
    static const struct {
        const char *environment;
        int64_t days;
    } kept[] = {{"dev", 7}, {"prod", 30}};
    for (size_t i = 0; i < aion_countof(kept); i++) {
        if (aion_str_is(environment, kept[i].environment)) {
            *ret_ms = kept[i].days * 24 * 3600 * 1000;
            return true;
        }
    }
    return false;
}
