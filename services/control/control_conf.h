/* Options of `aion control`. */
#ifndef CONTROL_CONF_H
#define CONTROL_CONF_H

#include "base/conf.h"
#include "events/kafka/kafka.h"

/* name, kind, default, min, max, reload, variable, help */
// clang-format off
/* may hold a password */
#define CONTROL_SECRETS(X) \
    X(store_url,          TEXT,     "",          0,         0,             false, "AION_STORE_URL", "where tasks are kept: sqlite:/path/aion.db or postgres://USER@HOST/DATABASE")
#define CONTROL_OPTIONS(X) \
    X(store_window,       DURATION, "1h",        1000000,   2678400000000, false, NULL,             "of a store that is made now: tasks are deleted by spans of this length") \
    X(replica,            TEXT,     "control",   0,         0,             false, NULL,             "name of this control among those that share a store") \
    X(hold,               BOOL,     "false",     0,         0,             false, NULL,             "take and keep tasks, start none until they are released") \
    X(advertise,          TEXT,     "",          0,         0,             false, NULL,             "address where other controls and hosts reach this one, host:port; empty = where it listens") \
    X(shard_lease,        DURATION, "10s",       300000,    600000000,     false, NULL,             "how long it owns its shards without renewing; another has them at the latest twice as long after its end") \
    X(router,             TEXT,     "",          0,         0,             false, NULL,             "address of the router: host:port") \
    X(queue_tasks_max,    INT,      "100000",    1,         10000000,      true,  NULL,             "tasks that may wait; beyond: RESOURCE_EXHAUSTED") \
    X(queue_bytes_max,    BYTES,    "256MiB",    1048576,   1099511627776, true,  NULL,             "bytes of requests that may wait") \
    X(tenant_tasks_max,   INT,      "0",         0,         10000000,      true,  NULL,             "tasks of one tenant that may wait; 0 = four fifths of queue_tasks_max") \
    X(tenant_bytes_max,   BYTES,    "0",         0,         1099511627776, true,  NULL,             "bytes of one tenant that may wait; 0 = four fifths of queue_bytes_max") \
    X(tenant_weights,     TEXT,     "",          0,         0,             true,  NULL,             "parts of the work: acme=3,beta=2; 1 for all others") \
    X(task_limits,        TEXT,     "",          0,         0,             true,  NULL,             "tasks that run at once, TENANT/INTENT/MODULE=N, as acme/*/noop=8; first fit counts") \
    X(ageing_step,        DURATION, "30s",       0,         86400000000,   true,  NULL,             "a waiting task becomes one priority more urgent each time; 0 = never") \
    X(wait_critical,      DURATION, "0s",        0,         86400000000,   true,  NULL,             "longest predicted wait of a critical task that is taken; 0 = any") \
    X(wait_high,          DURATION, "0s",        0,         86400000000,   true,  NULL,             "the same of priority high") \
    X(wait_normal,        DURATION, "0s",        0,         86400000000,   true,  NULL,             "the same of priority normal") \
    X(wait_low,           DURATION, "0s",        0,         86400000000,   true,  NULL,             "the same of priority low") \
    X(wait_batch,         DURATION, "0s",        0,         86400000000,   true,  NULL,             "the same of priority batch") \
    X(adaptive_slots,     BOOL,     "true",      0,         0,             true,  NULL,             "a host whose tasks take longer than they did gets fewer at once") \
    X(cache_tasks_max,    INT,      "5000",      0,         10000000,      true,  NULL,             "finished tasks kept in memory") \
    X(cache_bytes_max,    BYTES,    "32MiB",     0,         1099511627776, true,  NULL,             "bytes of finished tasks kept in memory") \
    X(decide_timeout,     DURATION, "1s",        1000,      60000000,      true,  NULL,             "wait for a decision before the task is taken undecided") \
    X(host_lease,         DURATION, "10s",       100000,    600000000,     true,  NULL,             "silence after which a host is taken for lost") \
    X(host_grace,         DURATION, "2s",        0,         600000000,     true,  NULL,             "time for a host to come back with its attempts") \
    X(start_grace,        DURATION, "3s",        0,         600000000,     true,  NULL,             "the same after a start of control") \
    X(attempt_grace,      DURATION, "5s",        0,         600000000,     true,  NULL,             "time beyond an attempt's own for its host to report") \
    X(cancel_grace,       DURATION, "5s",        0,         600000000,     true,  NULL,             "time for a module to stop when cancelled") \
    X(retry_first,        DURATION, "100ms",     1000,      600000000,     true,  NULL,             "wait before the second attempt; doubled each time") \
    X(retry_longest,      DURATION, "30s",       1000,      86400000000,   true,  NULL,             "longest wait between attempts") \
    X(stream_bytes_max,   BYTES,    "64MiB",     1024,      1099511627776, true,  NULL,             "output of one attempt; beyond: the task fails") \
    X(frames_dir,         TEXT,     "",          0,         0,             false, NULL,             "folder for telemetry's frames of the last 24 h; empty: the newest minutes are kept in memory") \
    X(frames_bytes_max,   BYTES,    "150MiB",    1048576,   1099511627776, false, NULL,             "bytes of frames on disk; beyond, the oldest go") \
    X(environment,        TEXT,     "dev",       0,         0,             false, "AION_ENV",       "what this mesh is, shown by consoles: dev, prod")
// clang-format on

struct control_conf {
#define CONTROL_MEMBER_TEXT     const char *
#define CONTROL_MEMBER_INT      int64_t
#define CONTROL_MEMBER_BYTES    int64_t
#define CONTROL_MEMBER_DURATION int64_t
#define CONTROL_MEMBER_BOOL     bool
#define CONTROL_MEMBER(name, kind, fallback, min, max, reload, env, help) \
    CONTROL_MEMBER_##kind name;
    CONTROL_SECRETS(CONTROL_MEMBER)
    CONTROL_OPTIONS(CONTROL_MEMBER)
#undef CONTROL_MEMBER
    struct events_kafka_conf kafka; /* options kafka_NAME */
};

extern const struct aion_opt control_options[];
extern const size_t control_option_count;
/* What one option cannot say alone. */
bool control_conf_check(const void *conf, struct aion_err *err);

#endif
