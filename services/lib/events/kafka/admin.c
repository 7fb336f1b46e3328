/* The topics' administration. Blocking: for the command line. */
#include "events/kafka/kafka_private.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { SERVE_MS = 50 };

struct events_kafka_admin {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    struct kafka_watch watch;
};

struct events_kafka_admin *events_kafka_admin_open(const struct events_kafka_conf *conf,
                                                   struct aion_err *err)
{
    struct events_kafka_admin *admin = calloc(1, sizeof(*admin));
    if (admin == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    kafka_watch_init(&admin->watch);
    rd_kafka_conf_t *to = kafka_conf_new(conf, "aion-admin", &admin->watch, err);
    if (to != NULL)
        admin->rk = kafka_new(RD_KAFKA_PRODUCER, &to, err);
    if (admin->rk == NULL) {
        events_kafka_admin_close(admin);
        return NULL;
    }
    admin->queue = rd_kafka_queue_new(admin->rk);
    return admin;
}

void events_kafka_admin_close(struct events_kafka_admin *admin)
{
    if (admin == NULL)
        return;
    if (admin->queue != NULL)
        rd_kafka_queue_destroy(admin->queue);
    if (admin->rk != NULL)
        rd_kafka_destroy(admin->rk);
    kafka_watch_done(&admin->watch);
    free(admin);
}

/* -- the cluster -------------------------------------------------------------------- */
/* Asks in slices, so that errors of connections are heard meanwhile; one that no time will mend
 * ends the waiting. */
static const rd_kafka_metadata_t *ask(struct events_kafka_admin *admin, rd_kafka_topic_t *topic,
                                      const char *what, int64_t timeout_us,
                                      struct aion_err *err)
{
    int64_t until = aion_clock_mono_us() + timeout_us;
    const rd_kafka_metadata_t *metadata;
    for (;;) {
        rd_kafka_resp_err_t code = rd_kafka_metadata(admin->rk, 0, topic, &metadata, 500);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return metadata;
        rd_kafka_poll(admin->rk, SERVE_MS);
        pthread_mutex_lock(&admin->watch.lock);
        bool refused = admin->watch.code == RD_KAFKA_RESP_ERR__AUTHENTICATION;
        pthread_mutex_unlock(&admin->watch.lock);
        if (refused || aion_clock_mono_us() >= until) {
            kafka_error_watched(err, code, what, NULL, &admin->watch);
            return NULL;
        }
    }
}

bool events_kafka_cluster(struct events_kafka_admin *admin, int64_t timeout_us,
                          struct events_kafka_cluster *ret_cluster, struct aion_err *err)
{
    const rd_kafka_metadata_t *metadata = ask(admin, NULL, "Kafka", timeout_us, err);
    if (metadata == NULL)
        return false;
    *ret_cluster = (struct events_kafka_cluster){.broker_count = (size_t)metadata->broker_cnt};
    for (int i = 0; i < metadata->broker_cnt && i < EVENTS_KAFKA_BROKERS_SHOWN; i++) {
        struct events_kafka_broker *broker = &ret_cluster->brokers[i];
        broker->id = metadata->brokers[i].id;
        snprintf(broker->address, sizeof(broker->address), "%.100s:%d",
                 metadata->brokers[i].host, metadata->brokers[i].port);
    }
    rd_kafka_metadata_destroy(metadata);
    char *id = rd_kafka_clusterid(admin->rk, kafka_ms(timeout_us));
    snprintf(ret_cluster->id, sizeof(ret_cluster->id), "%s", id != NULL ? id : "");
    if (id != NULL)
        rd_kafka_mem_free(admin->rk, id);
    ret_cluster->controller = rd_kafka_controllerid(admin->rk, kafka_ms(timeout_us));
    return true;
}

/* -- operations --------------------------------------------------------------------- */
static rd_kafka_AdminOptions_t *options(struct events_kafka_admin *admin,
                                        rd_kafka_admin_op_t operation, int64_t timeout_us)
{
    char why[KAFKA_TEXT_MAX];
    rd_kafka_AdminOptions_t *made = rd_kafka_AdminOptions_new(admin->rk, operation);
    rd_kafka_AdminOptions_set_request_timeout(made, kafka_ms(timeout_us), why, sizeof(why));
    if (operation == RD_KAFKA_ADMIN_OP_CREATETOPICS ||
        operation == RD_KAFKA_ADMIN_OP_CREATEPARTITIONS)
        rd_kafka_AdminOptions_set_operation_timeout(made, kafka_ms(timeout_us), why,
                                                    sizeof(why));
    return made;
}

/* Waits for the answer of an operation; NULL: err. */
static rd_kafka_event_t *wait_for(struct events_kafka_admin *admin, const char *what,
                                  struct aion_err *err)
{
    rd_kafka_event_t *event; /* comes at the latest with the request's own timeout */
    while ((event = rd_kafka_queue_poll(admin->queue, SERVE_MS)) == NULL)
        rd_kafka_poll(admin->rk, 0);
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return event;
    kafka_error_watched(err, code, what, rd_kafka_event_error_string(event), &admin->watch);
    rd_kafka_event_destroy(event);
    return NULL;
}

/* The outcome for the one topic asked for. */
static bool topic_result(const rd_kafka_topic_result_t **results, size_t count,
                         const char *what, struct aion_err *err)
{
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        kafka_error(err, code, what, rd_kafka_topic_result_error_string(results[i]));
        return false;
    }
    return true;
}

bool kafka_topic_create(struct events_kafka_admin *admin, const struct kafka_new_topic *topic,
                        int64_t timeout_us, struct aion_err *err)
{
    char why[KAFKA_TEXT_MAX], retention[24];
    size_t count = 0;
    rd_kafka_NewTopic_t *made = rd_kafka_NewTopic_new(topic->name, (int)topic->partitions,
                                                      topic->replicas, why, sizeof(why));
    if (made == NULL)
        return aion_fail(err, AION_INVALID, "%s: %s", topic->name, why);
    snprintf(retention, sizeof(retention), "%lld", (long long)topic->retention_ms);
    rd_kafka_NewTopic_set_config(made, "retention.ms", retention);
    rd_kafka_NewTopic_set_config(made, "cleanup.policy", "delete");
    if (topic->log_append_time)
        rd_kafka_NewTopic_set_config(made, "message.timestamp.type", "LogAppendTime");
    rd_kafka_AdminOptions_t *how = options(admin, RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout_us);
    rd_kafka_CreateTopics(admin->rk, &made, 1, how, admin->queue);
    rd_kafka_AdminOptions_destroy(how);
    rd_kafka_NewTopic_destroy(made);
    rd_kafka_event_t *event = wait_for(admin, topic->name, err);
    if (event == NULL)
        return false;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    bool good = topic_result(results, count, topic->name, err);
    rd_kafka_event_destroy(event);
    return good;
}

bool kafka_topic_delete(struct events_kafka_admin *admin, const char *name, int64_t timeout_us,
                        struct aion_err *err)
{
    size_t count = 0;
    rd_kafka_DeleteTopic_t *gone = rd_kafka_DeleteTopic_new(name);
    rd_kafka_AdminOptions_t *how = options(admin, RD_KAFKA_ADMIN_OP_DELETETOPICS, timeout_us);
    rd_kafka_DeleteTopics(admin->rk, &gone, 1, how, admin->queue);
    rd_kafka_AdminOptions_destroy(how);
    rd_kafka_DeleteTopic_destroy(gone);
    rd_kafka_event_t *event = wait_for(admin, name, err);
    if (event == NULL)
        return false;
    const rd_kafka_topic_result_t **results =
        rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
    bool good = topic_result(results, count, name, err);
    rd_kafka_event_destroy(event);
    return good;
}

static bool widen(struct events_kafka_admin *admin, const char *name, uint32_t partitions,
                  int64_t timeout_us, struct aion_err *err)
{
    char why[KAFKA_TEXT_MAX];
    size_t count = 0;
    rd_kafka_NewPartitions_t *more =
        rd_kafka_NewPartitions_new(name, partitions, why, sizeof(why));
    if (more == NULL)
        return aion_fail(err, AION_INVALID, "%s: %s", name, why);
    rd_kafka_AdminOptions_t *how =
        options(admin, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, timeout_us);
    rd_kafka_CreatePartitions(admin->rk, &more, 1, how, admin->queue);
    rd_kafka_AdminOptions_destroy(how);
    rd_kafka_NewPartitions_destroy(more);
    rd_kafka_event_t *event = wait_for(admin, name, err);
    if (event == NULL)
        return false;
    const rd_kafka_topic_result_t **results = rd_kafka_CreatePartitions_result_topics(
        rd_kafka_event_CreatePartitions_result(event), &count);
    bool good = topic_result(results, count, name, err);
    rd_kafka_event_destroy(event);
    return good;
}

/* -- configurations ----------------------------------------------------------------- */
/* The answer for one topic; the event holds it. NULL: err. */
static const rd_kafka_ConfigResource_t *describe(struct events_kafka_admin *admin,
                                                 const char *name, int64_t timeout_us,
                                                 rd_kafka_event_t **ret_event,
                                                 struct aion_err *err)
{
    size_t count = 0;
    rd_kafka_ConfigResource_t *asked =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
    rd_kafka_AdminOptions_t *how =
        options(admin, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout_us);
    rd_kafka_DescribeConfigs(admin->rk, &asked, 1, how, admin->queue);
    rd_kafka_AdminOptions_destroy(how);
    rd_kafka_ConfigResource_destroy(asked);
    *ret_event = wait_for(admin, name, err);
    if (*ret_event == NULL)
        return NULL;
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(*ret_event), &count);
    rd_kafka_resp_err_t code =
        count == 1 ? rd_kafka_ConfigResource_error(resources[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return resources[0];
    kafka_error(err, code, name,
                count == 1 ? rd_kafka_ConfigResource_error_string(resources[0]) : NULL);
    rd_kafka_event_destroy(*ret_event);
    *ret_event = NULL;
    return NULL;
}

static bool read_retention(struct events_kafka_admin *admin, const char *name,
                           int64_t timeout_us, int64_t *ret_ms, struct aion_err *err)
{
    rd_kafka_event_t *event;
    size_t count = 0;
    const rd_kafka_ConfigResource_t *found = describe(admin, name, timeout_us, &event, err);
    if (found == NULL)
        return false;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(found, &count);
    bool good = false;
    for (size_t i = 0; i < count && !good; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "retention.ms") == 0)
            good = aion_str_i64(aion_str_of(rd_kafka_ConfigEntry_value(entries[i])), ret_ms);
    rd_kafka_event_destroy(event);
    return good ||
           aion_fail(err, AION_UNKNOWN, "%s: the broker does not tell retention.ms", name);
}

/* The protocol's AlterConfigs replaces all of a topic's settings, so the others that
 * somebody has made are sent along. */
static bool keep_settings(struct events_kafka_admin *admin, const char *name,
                          rd_kafka_ConfigResource_t *to, int64_t timeout_us,
                          struct aion_err *err)
{
    rd_kafka_event_t *event;
    size_t count = 0;
    const rd_kafka_ConfigResource_t *found = describe(admin, name, timeout_us, &event, err);
    if (found == NULL)
        return false;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(found, &count);
    for (size_t i = 0; i < count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        const char *setting = rd_kafka_ConfigEntry_name(entries[i]);
        bool made = rd_kafka_ConfigEntry_source(entries[i]) ==
                    RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG;
        if (made && value != NULL && strcmp(setting, "retention.ms") != 0)
            rd_kafka_ConfigResource_set_config(to, setting, value);
    }
    rd_kafka_event_destroy(event);
    return true;
}

static bool retain(struct events_kafka_admin *admin, const char *name, int64_t retention_ms,
                   int64_t timeout_us, struct aion_err *err)
{
    char value[24];
    size_t count = 0;
    rd_kafka_ConfigResource_t *wanted =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
    if (!keep_settings(admin, name, wanted, timeout_us, err)) {
        rd_kafka_ConfigResource_destroy(wanted);
        return false;
    }
    snprintf(value, sizeof(value), "%lld", (long long)retention_ms);
    rd_kafka_ConfigResource_set_config(wanted, "retention.ms", value);
    rd_kafka_AdminOptions_t *how = options(admin, RD_KAFKA_ADMIN_OP_ALTERCONFIGS, timeout_us);
    rd_kafka_AlterConfigs(admin->rk, &wanted, 1, how, admin->queue);
    rd_kafka_AdminOptions_destroy(how);
    rd_kafka_ConfigResource_destroy(wanted);
    rd_kafka_event_t *event = wait_for(admin, name, err);
    if (event == NULL)
        return false;
    const rd_kafka_ConfigResource_t **resources = rd_kafka_AlterConfigs_result_resources(
        rd_kafka_event_AlterConfigs_result(event), &count);
    rd_kafka_resp_err_t code =
        count == 1 ? rd_kafka_ConfigResource_error(resources[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        kafka_error(err, code, name,
                    count == 1 ? rd_kafka_ConfigResource_error_string(resources[0]) : NULL);
    rd_kafka_event_destroy(event);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* -- topics ------------------------------------------------------------------------- */
static void read_partitions(const rd_kafka_metadata_topic_t *topic,
                            struct events_topic_seen *seen)
{
    seen->exists = true;
    seen->partitions = (uint32_t)topic->partition_cnt;
    for (int i = 0; i < topic->partition_cnt; i++) {
        if (i == 0)
            seen->replicas = (uint32_t)topic->partitions[i].replica_cnt;
        seen->leaderless += topic->partitions[i].leader < 0;
    }
}

static bool read_topic(struct events_kafka_admin *admin, const char *name, int64_t timeout_us,
                       struct events_topic_seen *seen, struct aion_err *err)
{
    *seen = (struct events_topic_seen){0};
    rd_kafka_topic_t *topic = rd_kafka_topic_new(admin->rk, name, NULL);
    const rd_kafka_metadata_t *metadata = ask(admin, topic, name, timeout_us, err);
    rd_kafka_topic_destroy(topic);
    if (metadata == NULL)
        return false;
    rd_kafka_resp_err_t code =
        metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN;
    bool missing = code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        read_partitions(&metadata->topics[0], seen);
    else if (!missing)
        kafka_error(err, code, name, NULL);
    rd_kafka_metadata_destroy(metadata);
    if (seen->exists)
        return read_retention(admin, name, timeout_us, &seen->retention_ms, err);
    return missing;
}

bool events_kafka_topics(struct events_kafka_admin *admin, int64_t timeout_us,
                         struct events_topic_seen ret_seen[EVENTS_TOPICS], struct aion_err *err)
{
    for (size_t i = 0; i < EVENTS_TOPICS; i++)
        if (!read_topic(admin, events_topic_about((enum events_topic)i)->name, timeout_us,
                        &ret_seen[i], err))
            return false;
    return true;
}

bool events_kafka_change(struct events_kafka_admin *admin,
                         const struct events_topic_change *change, int64_t timeout_us,
                         struct aion_err *err)
{
    const char *name = events_topic_about(change->topic)->name;
    const struct kafka_new_topic topic = {.name = name,
                                          .partitions = (uint32_t)change->to,
                                          .replicas = change->replicas,
                                          .retention_ms = change->retention_ms};
    switch (change->change) {
    case EVENTS_TOPIC_CREATE:
        return kafka_topic_create(admin, &topic, timeout_us, err);
    case EVENTS_TOPIC_WIDEN:
        return widen(admin, name, (uint32_t)change->to, timeout_us, err);
    case EVENTS_TOPIC_RETAIN:
        return retain(admin, name, change->to, timeout_us, err);
    }
    return aion_fail(err, AION_INTERNAL, "no such change");
}
