/* What the files of the driver share. */
#ifndef EVENTS_KAFKA_KAFKA_PRIVATE_H
#define EVENTS_KAFKA_KAFKA_PRIVATE_H

#include "events/kafka/kafka.h"
#include "events/kafka/librdkafka.h"

#include <pthread.h>

enum { KAFKA_TEXT_MAX = 256 };

/* What librdkafka says of its connections, from whatever thread: the most telling of the last
 * errors. */
struct kafka_watch {
    pthread_mutex_t lock;
    rd_kafka_resp_err_t code AION_GUARDED_BY(lock); /* NO_ERROR = nothing said */
    char text[KAFKA_TEXT_MAX] AION_GUARDED_BY(lock);
};
void kafka_watch_init(struct kafka_watch *watch);
void kafka_watch_done(struct kafka_watch *watch);
/* Is it about reaching a broker at all, or about one request? */
bool kafka_is_connection(rd_kafka_resp_err_t code);
/* The last word, and forgets it. */
rd_kafka_resp_err_t kafka_watch_take(struct kafka_watch *watch, char text[KAFKA_TEXT_MAX]);

/* A configuration with brokers, TLS and SASL set and errors going to the watch, whose owner
 * must keep it until the client is destroyed. INVALID names the option. */
rd_kafka_conf_t *kafka_conf_new(const struct events_kafka_conf *conf, const char *client,
                                struct kafka_watch *watch, struct aion_err *err);
/* Sets one property of our own choosing; a wrong one is a bug. */
void kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value);
/* rd_kafka_new; `conf` is consumed in any case. */
rd_kafka_t *kafka_new(rd_kafka_type_t type, rd_kafka_conf_t **conf, struct aion_err *err);

/* Our error for one of librdkafka's; `what` is what was tried ("producing to T"), text its
 * words or NULL. */
void kafka_error(struct aion_err *err, rd_kafka_resp_err_t code, const char *what,
                 const char *text);
/* The same after a time-out: what the watch has heard says more. */
void kafka_error_watched(struct aion_err *err, rd_kafka_resp_err_t code, const char *what,
                         const char *text, struct kafka_watch *watch);

/* -- admin.c -- */
struct kafka_new_topic {
    const char *name;
    uint32_t partitions;
    int32_t replicas; /* -1 = the brokers' default */
    int64_t retention_ms;
    bool log_append_time; /* records get the broker's time */
};
bool kafka_topic_create(struct events_kafka_admin *admin, const struct kafka_new_topic *topic,
                        int64_t timeout_us, struct aion_err *err) AION_MUST_CHECK;
bool kafka_topic_delete(struct events_kafka_admin *admin, const char *name, int64_t timeout_us,
                        struct aion_err *err) AION_MUST_CHECK;

/* The code alone; `error` is consumed, NULL is NO_ERROR. */
static inline rd_kafka_resp_err_t kafka_code_of(rd_kafka_error_t *error)
{
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    if (error != NULL)
        rd_kafka_error_destroy(error);
    return code;
}

static inline int kafka_ms(int64_t us)
{
    return us <= 0 ? 0 : (int)((us + 999) / 1000);
}

#endif
