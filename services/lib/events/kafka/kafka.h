/* The Kafka driver: a sink for the relay, the topics' administration, and a reader. The folder
 * alone knows librdkafka, whose own threads do the talking. */
#ifndef EVENTS_KAFKA_KAFKA_H
#define EVENTS_KAFKA_KAFKA_H

#include "base/conf.h"
#include "base/exec.h"
#include "events/events.h"

/* -- options ------------------------------------------------------------------------ */
/* The same for every program and command that talks to Kafka, under the same variables:
 * X(name, kind, default, secret, variable, help). */
// clang-format off
#define EVENTS_KAFKA_OPTIONS(X) \
    X(brokers,   TEXT, "",      false, "AION_KAFKA_BROKERS",   "Kafka: host:port,host:port to begin with; none = no Kafka") \
    X(tls,       BOOL, "false", false, "AION_KAFKA_TLS",       "talk TLS to the brokers") \
    X(ca,        TEXT, "",      false, "AION_KAFKA_CA",        "certificates that sign the brokers', PEM; none = the system's") \
    X(cert,      TEXT, "",      false, "AION_KAFKA_CERT",      "client certificate chain, PEM") \
    X(key,       TEXT, "",      false, "AION_KAFKA_KEY",       "its private key, PEM") \
    X(user,      TEXT, "",      false, "AION_KAFKA_USER",      "user for SASL; none = no SASL") \
    X(password,  TEXT, "",      true,  "AION_KAFKA_PASSWORD",  "password of the user") \
    X(mechanism, TEXT, "PLAIN", false, "AION_KAFKA_MECHANISM", "of SASL: PLAIN (with TLS only), SCRAM-SHA-512 or SCRAM-SHA-256")
// clang-format on

struct events_kafka_conf {
#define EVENTS_KAFKA_MEMBER_TEXT const char *
#define EVENTS_KAFKA_MEMBER_BOOL bool
#define EVENTS_KAFKA_MEMBER(name, kind, fallback, secret, env, help) \
    EVENTS_KAFKA_MEMBER_##kind name;
    EVENTS_KAFKA_OPTIONS(EVENTS_KAFKA_MEMBER)
#undef EVENTS_KAFKA_MEMBER
};

/* What one option cannot say alone. Without brokers everything is fine. */
bool events_kafka_conf_check(const struct events_kafka_conf *conf,
                             struct aion_err *err) AION_MUST_CHECK;
const char *events_kafka_library(void); /* "librdkafka 2.0.2" */

/* -- sink --------------------------------------------------------------------------- */
/* Idempotent producer, acks=all, no gap ever: a record that fails for good fails all behind it
 * in its partition. Records wait in it for as long as the brokers are away. */
struct events_kafka_sink_conf {
    struct events_kafka_conf kafka; /* copied */
    struct aion_exec *exec;         /* where done and health run */
    const char *client;             /* "aion-control" */
    uint32_t records_max;           /* waiting or under way; beyond: EXHAUSTED */
    /* err NULL: a broker answers; else why none does. On changes, and once at the start. */
    void (*health)(void *user, const struct aion_err *err);
    void *user;
};
/* Does not wait for a connection. INVALID: an option (the text names it). */
struct events_sink *events_kafka_sink_open(const struct events_kafka_sink_conf *conf,
                                           struct aion_err *err);

/* -- administration; all of it blocks, at most timeout_us --------------------------- */
struct events_kafka_admin;
struct events_kafka_admin *events_kafka_admin_open(const struct events_kafka_conf *conf,
                                                   struct aion_err *err);
void events_kafka_admin_close(struct events_kafka_admin *admin); /* NULL fine */

enum { EVENTS_KAFKA_BROKERS_SHOWN = 16 };
struct events_kafka_cluster {
    char id[64];
    int32_t controller;
    size_t broker_count;
    struct events_kafka_broker {
        int32_t id;
        char address[128];
    } brokers[EVENTS_KAFKA_BROKERS_SHOWN];
};
/* Errors here and below:
 *
 *  - UNAVAILABLE: no broker answers, or TLS fails.
 *  - UNAUTHENTICATED: the user or its password is refused.
 *  - DENIED: the user may not do this.
 *  - others: what the broker says of the operation itself. */
bool events_kafka_cluster(struct events_kafka_admin *admin, int64_t timeout_us,
                          struct events_kafka_cluster *ret_cluster,
                          struct aion_err *err) AION_MUST_CHECK;
/* What is there of a topic. */
struct events_topic_seen {
    bool exists;
    uint32_t partitions, replicas; /* replicas: of the first partition */
    uint32_t leaderless;           /* partitions without a leader */
    int64_t retention_ms;          /* -1 = for ever */
};
bool events_kafka_topics(struct events_kafka_admin *admin, int64_t timeout_us,
                         struct events_topic_seen ret_seen[EVENTS_TOPICS],
                         struct aion_err *err) AION_MUST_CHECK;

/* One step from what is there to what is wanted; see events_topics_plan. */
enum events_change { EVENTS_TOPIC_CREATE, EVENTS_TOPIC_WIDEN, EVENTS_TOPIC_RETAIN };
struct events_topic_change {
    enum events_change change;
    enum events_topic topic;
    int64_t from, to; /* partitions or milliseconds; create: to = partitions */
    int64_t retention_ms;
    int32_t replicas; /* create: -1 = the brokers' default */
};
enum { EVENTS_CHANGES_MAX = 2 * EVENTS_TOPICS };
/* Pure. Topics with more partitions than wanted are left alone: they cannot shrink. */
size_t events_topics_plan(const struct events_topic_seen seen[EVENTS_TOPICS],
                          int64_t retention_ms, int32_t replicas,
                          struct events_topic_change ret_changes[EVENTS_CHANGES_MAX]);
bool events_kafka_change(struct events_kafka_admin *admin,
                         const struct events_topic_change *change, int64_t timeout_us,
                         struct aion_err *err) AION_MUST_CHECK;

/* A record's whole way on a scratch topic: create, produce, consume, delete. */
struct events_kafka_probe {
    char topic[64];
    int64_t create_us, produce_us, consume_us;
    int64_t clock_us; /* the broker's clock minus ours, within produce_us */
};
/* ABORTED: a record came back that was not the one sent. */
bool events_kafka_probe(const struct events_kafka_conf *conf, int64_t timeout_us,
                        struct events_kafka_probe *ret_probe,
                        struct aion_err *err) AION_MUST_CHECK;

/* -- reader; blocks ----------------------------------------------------------------- */
struct events_kafka_reader;
struct events_kafka_reader_conf {
    struct events_kafka_conf kafka;
    const char *topic;
    const char *group; /* "" = none: every partition, from `from` on, nothing is committed */
    /* "beginning", "end", or "partition:offset,..." as events_kafka_position gives it; with a
     * group only where it has no place yet, and not a position. */
    const char *from;
};
struct events_kafka_record {
    aion_str key, value; /* until the next call */
    uint64_t sequence;   /* 0: no header says */
    char schema[64];
    int32_t partition;
    int64_t offset;
    int64_t at_us;
};
struct events_kafka_reader *events_kafka_reader_open(
    const struct events_kafka_reader_conf *conf, int64_t timeout_us, struct aion_err *err);
void events_kafka_reader_close(struct events_kafka_reader *reader); /* NULL fine; commits */
enum events_read_outcome {
    EVENTS_READ_RECORD,
    EVENTS_READ_END,     /* of every partition, for now */
    EVENTS_READ_NOTHING, /* within the time */
    EVENTS_READ_FAILED,
};
/* The record before this one counts as handled, for the group's place. */
enum events_read_outcome events_kafka_reader_next(struct events_kafka_reader *reader,
                                                  int64_t timeout_us,
                                                  struct events_kafka_record *ret_record,
                                                  struct aion_err *err);
/* Where it stands: "0:12,1:7". */
void events_kafka_position(const struct events_kafka_reader *reader, struct aion_buf *out);

#endif
