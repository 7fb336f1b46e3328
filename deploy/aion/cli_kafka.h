/* What the commands that talk to Kafka share: options, and the pace of waiting. */
#ifndef CLI_KAFKA_H
#define CLI_KAFKA_H

#include "cli.h"

#include "events/kafka/kafka.h"

enum { CLI_KAFKA_FLAGS_MAX = 32 };
/* For `words` and usage of such a command. */
#define CLI_KAFKA_WORDS                                                                     \
    "--brokers", "--tls", "--ca", "--cert", "--key", "--user", "--password", "--mechanism", \
        "--environment"
#define CLI_KAFKA_USAGE                                                                    \
    "[--brokers HOST:PORT,...] [--tls] [--ca F] [--cert F --key F] [--user U --mechanism " \
    "M] [--environment dev|prod]"

struct cli_kafka {
    struct events_kafka_conf conf;
    const char *environment; /* "dev" or "prod": AION_ENV */
    int64_t retention_ms;    /* that it asks for */
    char *flags[CLI_KAFKA_FLAGS_MAX];
    int flag_count;
    struct aion_arena arena;
};
void cli_kafka_init(struct cli_kafka *kafka);
void cli_kafka_done(struct cli_kafka *kafka);
/* Takes an option of Kafka's at args->at. False: it is none. */
bool cli_kafka_option(struct cli_kafka *kafka, struct cli_args *args);
/* Options and variables together; INVALID names what is wrong. Without brokers it is fine. */
bool cli_kafka_load(struct cli_kafka *kafka, struct aion_err *err);

enum { CLI_KAFKA_TIMEOUT_US = 10000000 };
/* "7 d", "12 h", "90 s", "for ever". */
const char *cli_kafka_time(int64_t ms, char out[32]);

#endif
