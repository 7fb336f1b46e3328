/* From what is there to what is wanted: pure. */
#include "events/kafka/kafka.h"

size_t events_topics_plan(const struct events_topic_seen seen[EVENTS_TOPICS],
                          int64_t retention_ms, int32_t replicas,
                          struct events_topic_change ret_changes[EVENTS_CHANGES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < EVENTS_TOPICS; i++) {
        enum events_topic topic = (enum events_topic)i;
        uint32_t wanted = events_topic_about(topic)->partitions;
        struct events_topic_change change = {
            .topic = topic, .to = wanted, .retention_ms = retention_ms, .replicas = replicas};
        if (!seen[i].exists) {
            ret_changes[count++] = change;
            continue;
        }
        if (seen[i].partitions < wanted) {
            change.change = EVENTS_TOPIC_WIDEN;
            change.from = seen[i].partitions;
            ret_changes[count++] = change;
        }
        if (seen[i].retention_ms != retention_ms) {
            change.change = EVENTS_TOPIC_RETAIN;
            change.from = seen[i].retention_ms;
            change.to = retention_ms;
            ret_changes[count++] = change;
        }
    }
    return count;
}
