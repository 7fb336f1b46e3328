/* The reader: one consumer, polled by its owner. */
#include "events/kafka/kafka_private.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { PARTITIONS_MAX = 4096, SLICE_MS = 100 };

struct events_kafka_reader {
    rd_kafka_t *rk;
    struct kafka_watch watch;
    char topic[128];
    bool grouped;
    rd_kafka_message_t *message; /* the last one given */
    /* per partition */
    int64_t next[PARTITIONS_MAX]; /* offset after the last one given, -1 = none yet */
    bool ended[PARTITIONS_MAX];
    int32_t partitions;
};

/* -- opening ------------------------------------------------------------------------ */
static rd_kafka_conf_t *consumer_conf(const struct events_kafka_reader_conf *conf,
                                      struct kafka_watch *watch, struct aion_err *err)
{
    rd_kafka_conf_t *to = kafka_conf_new(&conf->kafka, "aion-reader", watch, err);
    if (to == NULL)
        return NULL;
    bool grouped = conf->group[0] != '\0';
    kafka_set(to, "group.id", grouped ? conf->group : "aion-reader");
    kafka_set(to, "auto.offset.reset", strcmp(conf->from, "end") == 0 ? "latest" : "earliest");
    kafka_set(to, "enable.auto.commit", grouped ? "true" : "false");
    kafka_set(to, "auto.commit.interval.ms", "1000");
    kafka_set(to, "enable.auto.offset.store", "false"); /* what is handled, when it is */
    kafka_set(to, "enable.partition.eof", "true");
    kafka_set(to, "isolation.level", "read_committed");
    return to;
}

static bool count_partitions(struct events_kafka_reader *reader, int64_t timeout_us,
                             struct aion_err *err)
{
    const rd_kafka_metadata_t *metadata = NULL;
    int64_t until = aion_clock_mono_us() + timeout_us;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(reader->rk, reader->topic, NULL);
    rd_kafka_resp_err_t code;
    while ((code = rd_kafka_metadata(reader->rk, 0, topic, &metadata, SLICE_MS)) !=
               RD_KAFKA_RESP_ERR_NO_ERROR &&
           aion_clock_mono_us() < until)
        rd_kafka_poll(reader->rk, 0);
    rd_kafka_topic_destroy(topic);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_error_watched(err, code, "Kafka", NULL, &reader->watch);
        return false;
    }
    code = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN;
    reader->partitions = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(metadata);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_error(err, code, reader->topic, NULL);
        return false;
    }
    return reader->partitions <= PARTITIONS_MAX ||
           aion_fail(err, AION_EXHAUSTED, "%s has more than %d partitions", reader->topic,
                     PARTITIONS_MAX);
}

/* "0:12,1:7" into next[]. */
static bool parse_position(struct events_kafka_reader *reader, const char *text,
                           struct aion_err *err)
{
    aion_str rest = aion_str_of(text);
    while (rest.data != NULL) {
        aion_str one = aion_str_cut(&rest, ','), offset = one;
        aion_str partition = aion_str_cut(&offset, ':');
        uint64_t number;
        int64_t at;
        if (!aion_str_u64(partition, &number) || offset.data == NULL ||
            !aion_str_i64(offset, &at) || at < 0)
            return aion_fail(err, AION_INVALID,
                             "--from \"%.*s\" is neither beginning, end nor a position as "
                             "0:12,1:7",
                             AION_STR_ARG(one));
        if (number >= (uint64_t)reader->partitions)
            return aion_fail(err, AION_INVALID, "--from: %s has no partition %llu",
                             reader->topic, (unsigned long long)number);
        reader->next[number] = at;
    }
    return true;
}

static bool assign(struct events_kafka_reader *reader, const char *from, struct aion_err *err)
{
    bool end = strcmp(from, "end") == 0;
    if (!end && strcmp(from, "beginning") != 0 && !parse_position(reader, from, err))
        return false;
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(reader->partitions);
    for (int32_t i = 0; i < reader->partitions; i++) {
        int64_t at = end ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
        rd_kafka_topic_partition_list_add(list, reader->topic, i)->offset =
            reader->next[i] >= 0 ? reader->next[i] : at;
    }
    rd_kafka_resp_err_t code = rd_kafka_assign(reader->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    kafka_error(err, code, reader->topic, NULL);
    return false;
}

static bool subscribe(struct events_kafka_reader *reader, struct aion_err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, reader->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(reader->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    kafka_error(err, code, reader->topic, NULL);
    return false;
}

static bool start(struct events_kafka_reader *reader,
                  const struct events_kafka_reader_conf *conf, int64_t timeout_us,
                  struct aion_err *err)
{
    rd_kafka_conf_t *to = consumer_conf(conf, &reader->watch, err);
    if (to == NULL || (reader->rk = kafka_new(RD_KAFKA_CONSUMER, &to, err)) == NULL)
        return false;
    rd_kafka_poll_set_consumer(reader->rk);
    if (!count_partitions(reader, timeout_us, err))
        return false;
    return reader->grouped ? subscribe(reader, err) : assign(reader, conf->from, err);
}

struct events_kafka_reader *events_kafka_reader_open(
    const struct events_kafka_reader_conf *conf, int64_t timeout_us, struct aion_err *err)
{
    struct events_kafka_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    kafka_watch_init(&reader->watch);
    snprintf(reader->topic, sizeof(reader->topic), "%s", conf->topic);
    reader->grouped = conf->group[0] != '\0';
    for (size_t i = 0; i < PARTITIONS_MAX; i++)
        reader->next[i] = -1;
    if (start(reader, conf, timeout_us, err))
        return reader;
    events_kafka_reader_close(reader);
    return NULL;
}

/* -- reading ------------------------------------------------------------------------ */
/* The last record given counts as handled now. */
static void let_go(struct events_kafka_reader *reader)
{
    if (reader->message == NULL)
        return;
    if (reader->grouped)
        rd_kafka_offset_store(reader->message->rkt, reader->message->partition,
                              reader->message->offset);
    rd_kafka_message_destroy(reader->message);
    reader->message = NULL;
}

void events_kafka_reader_close(struct events_kafka_reader *reader)
{
    if (reader == NULL)
        return;
    let_go(reader);
    if (reader->rk != NULL) {
        rd_kafka_consumer_close(reader->rk);
        rd_kafka_destroy(reader->rk);
    }
    kafka_watch_done(&reader->watch);
    free(reader);
}

static aion_str header(const rd_kafka_headers_t *headers, const char *name)
{
    const void *value;
    size_t size;
    if (rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return (aion_str){0};
    return aion_str_n(value, size);
}

static void describe(const rd_kafka_message_t *message, struct events_kafka_record *record)
{
    rd_kafka_headers_t *headers;
    rd_kafka_timestamp_type_t type;
    int64_t ms = rd_kafka_message_timestamp(message, &type);
    *record = (struct events_kafka_record){
        .key = aion_str_n(message->key, message->key_len),
        .value = aion_str_n(message->payload, message->len),
        .partition = message->partition,
        .offset = message->offset,
        .at_us = ms > 0 ? ms * 1000 : 0,
    };
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    aion_str_copy(record->schema, sizeof(record->schema), header(headers, "aion-schema"));
    if (!aion_str_u64(header(headers, "aion-sequence"), &record->sequence))
        record->sequence = 0;
}

/* Have all partitions that are ours to read come to their end? */
static bool at_end(struct events_kafka_reader *reader)
{
    rd_kafka_topic_partition_list_t *list;
    if (rd_kafka_assignment(reader->rk, &list) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    bool end = list->cnt > 0;
    for (int i = 0; i < list->cnt; i++)
        end &= list->elems[i].partition < PARTITIONS_MAX &&
               reader->ended[list->elems[i].partition];
    rd_kafka_topic_partition_list_destroy(list);
    return end;
}

static enum events_read_outcome take(struct events_kafka_reader *reader,
                                     struct events_kafka_record *ret_record,
                                     struct aion_err *err)
{
    rd_kafka_message_t *message = reader->message;
    bool ours = message->partition >= 0 && message->partition < PARTITIONS_MAX;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && ours) {
        reader->next[message->partition] = message->offset + 1;
        reader->ended[message->partition] = false;
        describe(message, ret_record);
        return EVENTS_READ_RECORD;
    }
    rd_kafka_resp_err_t code = message->err;
    if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF && ours) {
        reader->ended[message->partition] = true;
        if (reader->next[message->partition] < 0)
            reader->next[message->partition] = message->offset;
    } else {
        kafka_error(err, code, reader->topic, rd_kafka_message_errstr(message));
    }
    rd_kafka_message_destroy(message);
    reader->message = NULL;
    if (code != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return EVENTS_READ_FAILED;
    return at_end(reader) ? EVENTS_READ_END : EVENTS_READ_NOTHING;
}

enum events_read_outcome events_kafka_reader_next(struct events_kafka_reader *reader,
                                                  int64_t timeout_us,
                                                  struct events_kafka_record *ret_record,
                                                  struct aion_err *err)
{
    let_go(reader);
    reader->message = rd_kafka_consumer_poll(reader->rk, kafka_ms(timeout_us));
    return reader->message == NULL ? EVENTS_READ_NOTHING : take(reader, ret_record, err);
}

void events_kafka_position(const struct events_kafka_reader *reader, struct aion_buf *out)
{
    for (int32_t i = 0; i < reader->partitions; i++) {
        if (reader->next[i] < 0)
            continue;
        if (out->size > 0)
            aion_buf_char(out, ',');
        aion_buf_printf(out, "%d:%lld", i, (long long)reader->next[i]);
    }
}
