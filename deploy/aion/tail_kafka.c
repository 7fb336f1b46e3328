/* aion events tail, from Kafka. */
#include "cli_tail.h"

enum { SLICE_US = 200000 };

static void show(struct cli_tail *tail, const struct events_kafka_record *record)
{
    const struct cli_tail_shown shown = {.key = record->key,
                                         .value = record->value,
                                         .schema = aion_str_of(record->schema),
                                         .sequence = record->sequence,
                                         .partition = record->partition,
                                         .offset = record->offset};
    cli_tail_show(tail, &shown);
}

static int follow(struct cli_tail *tail, struct events_kafka_reader *reader)
{
    struct events_kafka_record record;
    struct aion_err err;
    while (!cli_tail_stop) {
        switch (events_kafka_reader_next(reader, SLICE_US, &record, &err)) {
        case EVENTS_READ_RECORD:
            show(tail, &record);
            break;
        case EVENTS_READ_FAILED:
            return cli_error(&err);
        case EVENTS_READ_END:
            if (!tail->follow)
                return CLI_OK;
            break;
        case EVENTS_READ_NOTHING:
            break;
        }
    }
    return CLI_OK;
}

int cli_tail_kafka(struct cli_tail *tail)
{
    const struct events_kafka_reader_conf conf = {.kafka = tail->kafka.conf,
                                                  .topic = tail->argument,
                                                  .group = tail->group,
                                                  .from = tail->from};
    struct aion_err err;
    struct events_kafka_reader *reader =
        events_kafka_reader_open(&conf, CLI_KAFKA_TIMEOUT_US, &err);
    if (reader == NULL)
        return cli_error(&err);
    int status = follow(tail, reader);
    events_kafka_position(reader, &tail->position);
    events_kafka_reader_close(reader);
    return status;
}
