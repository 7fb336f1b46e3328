/* What happened, told to the outside: rows of the store's outbox become records of four topics.
 *
 *   source (rows, cursors) → encode (pure) → relay (state machine) → sink (Kafka, a test)
 *
 * The store's outbox is the log; a relay reads it behind a cursor, hands records to a sink, and
 * moves the cursor when the sink has acknowledged them. Delivery is at least once: what was
 * sent and not yet marked when a process died is sent again with the same (key, sequence).
 * Where there is no sink the outbox itself serves consumers (events/log.h).
 *
 * Everything here runs on one thread (the I/O thread) and never blocks, unless a header says
 * otherwise. Time is a parameter. */
#ifndef EVENTS_EVENTS_H
#define EVENTS_EVENTS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/uuid.h"
#include "codec/schema.h"

/* -- topics (topics.c) -------------------------------------------------------------- */
enum events_topic {
    EVENTS_DECISIONS,
    EVENTS_LIFECYCLE,
    EVENTS_METRICS,
    EVENTS_AUDIT,
    EVENTS_TOPICS,
};

struct events_topic_about {
    const char *name;    /* "aion.tasks.lifecycle" */
    const char *key;     /* what a record's key is: "task_id" */
    const char *schema;  /* header aion-schema */
    uint32_t partitions; /* wanted; more are left alone */
    const struct codec_message *message;
};
const struct events_topic_about *events_topic_about(enum events_topic topic);
bool events_topic_find(aion_str name, enum events_topic *ret_topic);
/* How long records are kept: 7 days in "dev", 30 in "prod". False: another environment. */
bool events_retention_ms(aion_str environment, int64_t *ret_ms);

/* -- rows: what the store holds ----------------------------------------------------- */
/* Rows have an order within a lane only: a shard's outbox, or one writer's audit log. Sequences
 * have holes, but no row becomes visible below one that was visible before. */
enum events_stream { EVENTS_STREAM_TASKS, EVENTS_STREAM_AUDIT };
enum { EVENTS_LANES = 64 };

/* Bits of a task row's kinds, in the order of their names. */
enum { EVENTS_KIND_ROUTED = 2, EVENTS_KINDS = 16 };
extern const char *const events_kind_names[EVENTS_KINDS]; /* "accepted", "routed", ... */

struct events_row {
    uint32_t lane;     /* tasks: the shard; audit: the source's number for the writer */
    uint64_t sequence; /* > 0, strictly increasing within the lane */
    int64_t at_us;     /* UTC */
    union {
        struct {
            struct aion_uuid id;
            aion_str tenant, intent, note;
            uint32_t kinds, state, attempt; /* state: a number of aion.v1.TaskState */
            int64_t started_us;             /* of a start; 0 = none */
            aion_str host;
            aion_str decision, usage; /* wire forms of aion.v1.Decision, .Usage; may be empty */
        } task;
        struct {
            aion_str writer, actor, role, action, target, result, reason;
            uint64_t number; /* in the writer's chain */
            aion_str hash;
        } audit;
    } of;
};

/* An operation on a source: the caller's until `done` ran, once, on the relay's thread, and
 * never before the function that began it has returned. */
struct events_read {
    uint64_t lanes;               /* set: bit 1 << lane */
    uint64_t after[EVENTS_LANES]; /* exclusive */
    uint32_t limit;               /* rows */
    struct aion_arena *arena;
    void (*done)(struct events_read *read, const struct aion_err *err);
    /* out: of each lane in order; live as long as the arena */
    const struct events_row *rows;
    size_t count;
    bool more; /* there may be further rows now */
};

/* A named place in the lanes. Putting never moves it back. */
struct events_cursor {
    aion_str name;                   /* "kafka" */
    uint64_t lanes;                  /* put: those to be moved */
    uint64_t sequence[EVENTS_LANES]; /* read: of all lanes, 0 = none yet */
    void (*done)(struct events_cursor *cursor, const struct aion_err *err);
};

/* First member of whatever gives rows. False: refused at once (*err), done does not run. */
struct events_source {
    enum events_stream stream;
    /* One writer has all lanes: rows come, and become visible, in the order of their sequences
     * over all lanes. Then what was read says how far lanes without rows have come, too. */
    bool ordered;
    bool (*read)(struct events_source *source, struct events_read *read, struct aion_err *err);
    bool (*cursor_read)(struct events_source *source, struct events_cursor *cursor,
                        struct aion_err *err);
    bool (*cursor_put)(struct events_source *source, struct events_cursor *cursor,
                       struct aion_err *err);
};

/* -- records ------------------------------------------------------------------------ */
enum { EVENTS_SCHEMA_VERSION = 1, EVENTS_PER_ROW = 2, EVENTS_VALUE_MAX = 512 * 1024 };

struct events_record {
    enum events_topic topic;
    aion_str key;
    aion_str value;    /* JSON */
    uint64_t sequence; /* with the key: names the record */
    int64_t at_us;
};

/* -- sinks -------------------------------------------------------------------------- */
/* A record under way; embedded in its owner. */
struct events_post {
    struct events_record record; /* strings are read during send only */
    /* err NULL: the sink has it for good. Otherwise nothing is known of it. */
    void (*done)(struct events_post *post, const struct aion_err *err);
    /* -- the sink's, from send to done -- */
    struct events_post *next;
    int code;
};

/* First member of each driver's sink. Records of one key are kept in the order of sending. */
struct events_sink {
    const struct events_sink_ops *ops;
};
struct events_sink_ops {
    const char *name;
    /* True: done runs once, after send has returned. False: nothing was taken.
     *
     *  - EXHAUSTED: its queue is full; there is room when others are done.
     *  - UNAVAILABLE: it begins anew; try again after a while.
     *  - INVALID: it will never take this record (too large): the text says what to change. */
    bool (*send)(struct events_sink *sink, struct events_post *post, struct aion_err *err);
    /* Gives up what is under way (done runs with an error for each) and begins anew. After an
     * error this must be called before more is sent, or the order of keys would break. */
    void (*reset)(struct events_sink *sink);
    /* Joins its threads; may block shortly. No done runs afterwards but from jobs posted
     * already: run these (mesh_loop_settle) before free. */
    void (*stop)(struct events_sink *sink);
    void (*free)(struct events_sink *sink);
};

static inline bool events_send(struct events_sink *sink, struct events_post *post,
                               struct aion_err *err)
{
    return sink->ops->send(sink, post, err);
}

#endif
