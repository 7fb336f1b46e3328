/* The sink: one idempotent producer, one thread of ours that serves its reports.
 *
 * Who may touch the producer: the I/O thread sends while `open`; our thread polls. A reset
 * (I/O thread) closes it: from then on it is our thread's alone, which purges, destroys and
 * makes a new one, and hands it back by a job. So no lock guards the pointer.
 *
 * Order: with enable.gapless.guarantee a record that fails for good fails those behind it in
 * its partition, too, and the producer with them; the relay then resets and sends again. */
#include "events/kafka/kafka_private.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    POLL_MS = 100,
    PURGE_POLL_MS = 10,
    RETRY_MS = 1000,   /* between attempts to make a producer, which fail for lack of memory */
    LOOK_US = 1000000, /* while no broker answers: is one back? */
    LOOK_FOR_MS = 500,
    CONF_ARENA_MAX = 65536,
};

struct kafka_sink {
    struct events_sink sink;
    struct events_kafka_sink_conf conf;
    struct aion_arena arena; /* what conf points into */
    struct kafka_watch watch;
    rd_kafka_t *rk;
    rd_kafka_topic_t *topics[EVENTS_TOPICS];
    bool open; /* I/O thread */
    pthread_t thread;
    atomic_bool stopping, resetting;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* stopping, while there is no producer to poll */
    struct events_post *done_first AION_GUARDED_BY(lock); /* answered, not told yet */
    struct events_post **done_last AION_GUARDED_BY(lock);
    bool posted AION_GUARDED_BY(lock);
    bool reopened AION_GUARDED_BY(lock);
    bool health_told AION_GUARDED_BY(lock), health_changed AION_GUARDED_BY(lock);
    bool up AION_GUARDED_BY(lock);
    struct aion_err down_err AION_GUARDED_BY(lock);
    struct aion_job job;

    /* our thread's */
    struct events_post *answered; /* newest first */
    bool delivered;               /* one was, since the last look */
    int64_t look_at_us;
};

/* -- to the I/O thread -------------------------------------------------------------- */
/* True: the caller posts, outside the lock. */
static bool must_post_locked(struct kafka_sink *self)
{
    if (self->posted)
        return false;
    return self->posted = true;
}

static void set_health(struct kafka_sink *self, const struct aion_err *err)
{
    bool up = err == NULL, post = false;
    pthread_mutex_lock(&self->lock);
    if (!self->health_told || self->up != up) {
        self->health_told = self->health_changed = true;
        self->up = up;
        if (err != NULL)
            self->down_err = *err;
        post = must_post_locked(self);
    }
    pthread_mutex_unlock(&self->lock);
    if (post)
        aion_exec_post(self->conf.exec, &self->job);
}

/* Hands over what one poll has brought. */
static void hand_over(struct kafka_sink *self)
{
    struct events_post *chain = NULL;
    while (self->answered != NULL) { /* oldest first again */
        struct events_post *post = self->answered;
        self->answered = post->next;
        post->next = chain;
        chain = post;
    }
    if (chain == NULL)
        return;
    pthread_mutex_lock(&self->lock);
    *self->done_last = chain;
    while (chain->next != NULL)
        chain = chain->next;
    self->done_last = &chain->next;
    bool post = must_post_locked(self);
    pthread_mutex_unlock(&self->lock);
    if (post)
        aion_exec_post(self->conf.exec, &self->job);
}

static void tell_reopened(struct kafka_sink *self)
{
    pthread_mutex_lock(&self->lock);
    self->reopened = true;
    bool post = must_post_locked(self);
    pthread_mutex_unlock(&self->lock);
    if (post)
        aion_exec_post(self->conf.exec, &self->job);
}

static void run_done(struct events_post *post)
{
    struct aion_err err;
    rd_kafka_resp_err_t code = (rd_kafka_resp_err_t)post->code;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        kafka_error(&err, code, events_topic_about(post->record.topic)->name, NULL);
    post->done(post, code != RD_KAFKA_RESP_ERR_NO_ERROR ? &err : NULL);
}

static void run_job(struct aion_job *job)
{
    struct kafka_sink *self = aion_container(job, struct kafka_sink, job);
    pthread_mutex_lock(&self->lock);
    struct events_post *post = self->done_first;
    struct aion_err down = self->down_err;
    bool up = self->up, health = self->health_changed;
    self->open |= self->reopened;
    self->done_first = NULL;
    self->done_last = &self->done_first;
    self->posted = self->reopened = self->health_changed = false;
    pthread_mutex_unlock(&self->lock);
    if (health && self->conf.health != NULL)
        self->conf.health(self->conf.user, up ? NULL : &down);
    while (post != NULL) {
        struct events_post *next = post->next;
        run_done(post); /* may be gone now */
        post = next;
    }
}

/* -- the producer ------------------------------------------------------------------- */
/* Delivery report, on our thread within a poll. */
static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_watch *watch = opaque;
    struct kafka_sink *self = aion_container(watch, struct kafka_sink, watch);
    struct events_post *post = message->_private;
    (void)rk;
    aion_tsan_acquire(post);
    post->code = message->err;
    post->next = self->answered;
    self->answered = post;
    self->delivered |= message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void set_producer(rd_kafka_conf_t *conf, uint32_t records_max)
{
    char number[16];
    snprintf(number, sizeof(number), "%u", records_max);
    kafka_set(conf, "enable.idempotence", "true"); /* acks=all, 5 in flight, order kept */
    kafka_set(conf, "enable.gapless.guarantee", "true");
    kafka_set(conf, "message.timeout.ms", "0"); /* brokers away: for as long as it takes */
    kafka_set(conf, "queue.buffering.max.messages", number);
    kafka_set(conf, "queue.buffering.max.kbytes",
              "1048576"); /* the relay's bound comes first */
    kafka_set(conf, "linger.ms", "5");
    kafka_set(conf, "compression.codec", "lz4");
    kafka_set(conf, "partitioner", "murmur2_random"); /* as Java's clients do it */
    kafka_set(conf, "topic.metadata.propagation.max.ms", "5000");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
}

static bool make_producer(struct kafka_sink *self, struct aion_err *err)
{
    rd_kafka_conf_t *conf =
        kafka_conf_new(&self->conf.kafka, self->conf.client, &self->watch, err);
    if (conf == NULL)
        return false;
    set_producer(conf, self->conf.records_max);
    self->rk = kafka_new(RD_KAFKA_PRODUCER, &conf, err);
    if (self->rk == NULL)
        return false;
    for (size_t i = 0; i < EVENTS_TOPICS; i++)
        self->topics[i] =
            rd_kafka_topic_new(self->rk, events_topic_about((enum events_topic)i)->name, NULL);
    return true;
}

/* Everything under way comes back first. */
static void destroy_producer(struct kafka_sink *self)
{
    if (self->rk == NULL)
        return;
    rd_kafka_purge(self->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    while (rd_kafka_outq_len(self->rk) > 0)
        rd_kafka_poll(self->rk, PURGE_POLL_MS);
    hand_over(self);
    for (size_t i = 0; i < EVENTS_TOPICS; i++)
        rd_kafka_topic_destroy(self->topics[i]);
    rd_kafka_destroy(self->rk);
    self->rk = NULL;
}

/* -- our thread --------------------------------------------------------------------- */
static void pause_thread(struct kafka_sink *self)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += RETRY_MS / 1000;
    pthread_mutex_lock(&self->lock);
    if (!atomic_load(&self->stopping))
        pthread_cond_timedwait(&self->wake, &self->lock, &until);
    pthread_mutex_unlock(&self->lock);
}

static void begin_anew(struct kafka_sink *self)
{
    struct aion_err err;
    destroy_producer(self);
    while (!atomic_load(&self->stopping)) {
        if (make_producer(self, &err)) {
            atomic_store(&self->resetting, false);
            tell_reopened(self);
            return;
        }
        set_health(self, &err);
        pause_thread(self);
    }
}

/* A delivery says that a broker answers; else, while none does, ask. */
static void look_at_health(struct kafka_sink *self)
{
    const rd_kafka_metadata_t *metadata;
    char text[KAFKA_TEXT_MAX];
    rd_kafka_resp_err_t code = kafka_watch_take(&self->watch, text);
    int64_t now = aion_clock_mono_us();
    if (self->delivered) {
        self->delivered = false;
        self->look_at_us = INT64_MAX;
        set_health(self, NULL);
    } else if (kafka_is_connection(code)) {
        struct aion_err err;
        kafka_error(&err, code, "Kafka", text);
        set_health(self, &err);
        if (self->look_at_us == INT64_MAX)
            self->look_at_us = now + LOOK_US;
    } else if (now >= self->look_at_us) {
        self->look_at_us = now + LOOK_US;
        if (rd_kafka_metadata(self->rk, 0, NULL, &metadata, LOOK_FOR_MS) == 0) {
            rd_kafka_metadata_destroy(metadata);
            self->look_at_us = INT64_MAX;
            set_health(self, NULL);
        }
    }
}

static void *serve(void *user)
{
    struct kafka_sink *self = user;
    while (!atomic_load(&self->stopping)) {
        if (atomic_load(&self->resetting)) {
            begin_anew(self);
            continue;
        }
        rd_kafka_poll(self->rk, POLL_MS);
        hand_over(self);
        look_at_health(self);
    }
    destroy_producer(self);
    return NULL;
}

/* -- the sink ----------------------------------------------------------------------- */
static bool refuse(rd_kafka_resp_err_t code, enum events_topic topic, struct aion_err *err)
{
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return aion_fail(err, AION_EXHAUSTED, "the producer's queue is full");
    kafka_error(err, code, events_topic_about(topic)->name, NULL);
    return false;
}

/* NULL: no memory. Made here, for a headers list that librdkafka makes by itself is freed twice
 * when it refuses the record for a topic that it does not know (2.0.2). */
static rd_kafka_headers_t *headers_of(const struct events_record *record)
{
    const char *schema = events_topic_about(record->topic)->schema;
    char sequence[24];
    rd_kafka_headers_t *headers = rd_kafka_headers_new(2);
    if (headers == NULL)
        return NULL;
    int size =
        snprintf(sequence, sizeof(sequence), "%llu", (unsigned long long)record->sequence);
    if (rd_kafka_header_add(headers, "aion-schema", -1, schema, -1) == 0 &&
        rd_kafka_header_add(headers, "aion-sequence", -1, sequence, size) == 0)
        return headers;
    rd_kafka_headers_destroy(headers);
    return NULL;
}

static bool kafka_send(struct events_sink *sink, struct events_post *post, struct aion_err *err)
{
    struct kafka_sink *self = aion_container(sink, struct kafka_sink, sink);
    const struct events_record *record = &post->record;
    if (!self->open)
        return aion_fail(err, AION_UNAVAILABLE, "Kafka's producer begins anew");
    rd_kafka_headers_t *headers = headers_of(record);
    if (headers == NULL)
        return aion_fail(err, AION_EXHAUSTED, "out of memory");
    aion_tsan_release(post); /* librdkafka's locks are invisible to TSan */
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = self->topics[record->topic]},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {(void *)(uintptr_t)record->key.data, record->key.size}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {(void *)(uintptr_t)record->value.data, record->value.size}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = record->at_us / 1000},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = post},
    };
    rd_kafka_resp_err_t code =
        kafka_code_of(rd_kafka_produceva(self->rk, parts, aion_countof(parts)));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    rd_kafka_headers_destroy(headers); /* taken with the record only */
    return refuse(code, record->topic, err);
}

static void kafka_reset(struct events_sink *sink)
{
    struct kafka_sink *self = aion_container(sink, struct kafka_sink, sink);
    if (!self->open)
        return; /* under way */
    self->open = false;
    atomic_store(&self->resetting, true);
}

static void kafka_stop(struct events_sink *sink)
{
    struct kafka_sink *self = aion_container(sink, struct kafka_sink, sink);
    pthread_mutex_lock(&self->lock);
    atomic_store(&self->stopping, true);
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    self->open = false;
}

static void kafka_free(struct events_sink *sink)
{
    struct kafka_sink *self = aion_container(sink, struct kafka_sink, sink);
    kafka_watch_done(&self->watch);
    aion_arena_done(&self->arena);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

static const struct events_sink_ops kafka_ops = {.name = "kafka",
                                                 .send = kafka_send,
                                                 .reset = kafka_reset,
                                                 .stop = kafka_stop,
                                                 .free = kafka_free};

/* Options live until the next reload, a sink longer. */
static bool copy_conf(struct kafka_sink *self, const struct events_kafka_sink_conf *conf)
{
    struct events_kafka_conf *kafka = &self->conf.kafka;
    const char **const texts[] = {&kafka->brokers,   &kafka->ca,        &kafka->cert,
                                  &kafka->key,       &kafka->user,      &kafka->password,
                                  &kafka->mechanism, &self->conf.client};
    bool good = true;
    self->conf = *conf;
    aion_arena_init(&self->arena, CONF_ARENA_MAX, NULL, 0);
    for (size_t i = 0; i < aion_countof(texts); i++) {
        *texts[i] = aion_arena_text(&self->arena, aion_str_of(*texts[i]));
        good &= *texts[i] != NULL;
    }
    return good;
}

struct events_sink *events_kafka_sink_open(const struct events_kafka_sink_conf *conf,
                                           struct aion_err *err)
{
    struct kafka_sink *self = calloc(1, sizeof(*self));
    if (self == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    self->sink.ops = &kafka_ops;
    self->job.run = run_job;
    self->done_last = &self->done_first;
    self->look_at_us = aion_clock_mono_us();
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->wake, NULL);
    kafka_watch_init(&self->watch);
    if (!copy_conf(self, conf)) {
        kafka_free(&self->sink);
        return aion_fail_null(err, AION_INVALID, "Kafka's options are longer than %d bytes",
                              CONF_ARENA_MAX);
    }
    if (!make_producer(self, err)) {
        kafka_free(&self->sink);
        return NULL;
    }
    self->open = true;
    if (pthread_create(&self->thread, NULL, serve, self) != 0) {
        destroy_producer(self);
        kafka_free(&self->sink);
        return aion_fail_null(err, AION_UNAVAILABLE, "no thread for Kafka");
    }
    return &self->sink;
}

#if defined(AION_TSAN)
/* librdkafka makes its threads by C11's names, which TSan does not know: an unknown thread
 * crashes in the first function that TSan watches. These stand before libc's. */
#include <threads.h>

struct c11_start {
    thrd_start_t run;
    void *argument;
};

static void *c11_run(void *user)
{
    struct c11_start start = *(struct c11_start *)user;
    free(user);
    return (void *)(intptr_t)start.run(start.argument);
}

int thrd_create(thrd_t *thread, thrd_start_t run, void *argument)
{
    struct c11_start *start = malloc(sizeof(*start));
    if (start == NULL)
        return thrd_nomem;
    *start = (struct c11_start){run, argument};
    if (pthread_create(thread, NULL, c11_run, start) == 0)
        return thrd_success;
    free(start);
    return thrd_error;
}

int thrd_join(thrd_t thread, int *ret_result)
{
    void *result;
    if (pthread_join(thread, &result) != 0)
        return thrd_error;
    if (ret_result != NULL)
        *ret_result = (int)(intptr_t)result;
    return thrd_success;
}
#endif
