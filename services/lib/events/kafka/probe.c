/* A record's whole way, on a topic of its own that is deleted afterwards. */
#include "events/kafka/kafka_private.h"

#include "base/clock.h"
#include "base/rand.h"

#include <stdio.h>

enum { SLICE_US = 100000, RETENTION_MS = 60000 };

/* The delivery of the one record. */
struct delivery {
    struct kafka_watch watch; /* the client's opaque */
    bool done;
    rd_kafka_resp_err_t code;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct delivery *delivery = aion_container(opaque, struct delivery, watch);
    (void)rk;
    delivery->done = true;
    delivery->code = message->err;
}

static bool wait_delivery(rd_kafka_t *rk, struct delivery *delivery, int64_t timeout_us)
{
    int64_t until = aion_clock_mono_us() + timeout_us;
    while (!delivery->done && aion_clock_mono_us() < until)
        rd_kafka_poll(rk, kafka_ms(SLICE_US));
    return delivery->done && delivery->code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool send_one(rd_kafka_t *rk, struct delivery *delivery, const char *topic,
                     aion_str value, int64_t timeout_us, struct aion_err *err)
{
    const rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)value.data, value.size}},
    };
    rd_kafka_resp_err_t code =
        kafka_code_of(rd_kafka_produceva(rk, parts, aion_countof(parts)));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && wait_delivery(rk, delivery, timeout_us))
        return true;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        code = delivery->done ? delivery->code : RD_KAFKA_RESP_ERR__TIMED_OUT;
    kafka_error_watched(err, code, topic, NULL, &delivery->watch);
    return false;
}

static bool produce(const struct events_kafka_conf *conf, const char *topic, aion_str value,
                    int64_t timeout_us, struct aion_err *err)
{
    struct delivery delivery = {.done = false};
    kafka_watch_init(&delivery.watch);
    rd_kafka_conf_t *to = kafka_conf_new(conf, "aion-doctor", &delivery.watch, err);
    rd_kafka_t *rk = NULL;
    if (to != NULL) {
        kafka_set(to, "enable.idempotence",
                  "true"); /* as the relay's: the same right is needed */
        rd_kafka_conf_set_dr_msg_cb(to, on_delivery);
        rk = kafka_new(RD_KAFKA_PRODUCER, &to, err);
    }
    bool good = rk != NULL && send_one(rk, &delivery, topic, value, timeout_us, err);
    if (rk != NULL) {
        rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_poll(rk, 0);
        rd_kafka_destroy(rk);
    }
    kafka_watch_done(&delivery.watch);
    return good;
}

static bool compare(struct events_kafka_reader *reader, const char *topic, aion_str value,
                    int64_t timeout_us, int64_t *ret_at_us, struct aion_err *err)
{
    int64_t until = aion_clock_mono_us() + timeout_us;
    struct events_kafka_record record;
    while (aion_clock_mono_us() < until) {
        enum events_read_outcome outcome =
            events_kafka_reader_next(reader, SLICE_US, &record, err);
        if (outcome == EVENTS_READ_FAILED)
            return false;
        if (outcome != EVENTS_READ_RECORD)
            continue;
        *ret_at_us = record.at_us;
        return aion_str_eq(record.value, value) ||
               aion_fail(err, AION_ABORTED, "%s: another record came back than was sent",
                         topic);
    }
    return aion_fail(err, AION_UNAVAILABLE, "%s: the record that was sent did not come back",
                     topic);
}

static bool consume(const struct events_kafka_conf *conf, const char *topic, aion_str value,
                    int64_t timeout_us, int64_t *ret_at_us, struct aion_err *err)
{
    const struct events_kafka_reader_conf how = {
        .kafka = *conf, .topic = topic, .group = "", .from = "beginning"};
    struct events_kafka_reader *reader = events_kafka_reader_open(&how, timeout_us, err);
    bool good = reader != NULL && compare(reader, topic, value, timeout_us, ret_at_us, err);
    events_kafka_reader_close(reader);
    return good;
}

static bool send_and_read(const struct events_kafka_conf *conf, int64_t timeout_us,
                          struct events_kafka_probe *probe, struct aion_err *err)
{
    char value[80];
    int64_t at_us = 0, began = aion_clock_mono_us(), sent_us = aion_clock_utc_us();
    snprintf(value, sizeof(value), "%s at %lld", probe->topic, (long long)sent_us);
    if (!produce(conf, probe->topic, aion_str_of(value), timeout_us, err))
        return false;
    probe->produce_us = aion_clock_mono_us() - began;
    began = aion_clock_mono_us();
    if (!consume(conf, probe->topic, aion_str_of(value), timeout_us, &at_us, err))
        return false;
    probe->consume_us = aion_clock_mono_us() - began;
    probe->clock_us = at_us - (sent_us + probe->produce_us / 2);
    return true;
}

bool events_kafka_probe(const struct events_kafka_conf *conf, int64_t timeout_us,
                        struct events_kafka_probe *ret_probe, struct aion_err *err)
{
    uint64_t number;
    int64_t began = aion_clock_mono_us();
    aion_rand_secret(&number, sizeof(number));
    *ret_probe = (struct events_kafka_probe){.create_us = 0};
    snprintf(ret_probe->topic, sizeof(ret_probe->topic), "aion.doctor.%016llx",
             (unsigned long long)number);
    const struct kafka_new_topic topic = {.name = ret_probe->topic,
                                          .partitions = 1,
                                          .replicas = -1,
                                          .retention_ms = RETENTION_MS,
                                          .log_append_time = true};
    struct events_kafka_admin *admin = events_kafka_admin_open(conf, err);
    if (admin == NULL)
        return false;
    bool good = kafka_topic_create(admin, &topic, timeout_us, err);
    if (good) {
        ret_probe->create_us = aion_clock_mono_us() - began;
        good = send_and_read(conf, timeout_us, ret_probe, err);
        /* a probe that failed leaves nothing behind either */
        good &= kafka_topic_delete(admin, ret_probe->topic, timeout_us, good ? err : NULL);
    }
    events_kafka_admin_close(admin);
    return good;
}
