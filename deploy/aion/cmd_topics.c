/* aion topics list|apply: Kafka's topics as they are, and as they should be. */
#include "cli_kafka.h"

#include <stdio.h>
#include <string.h>

static const char *const words[] = {"list",       "apply",         "--dry-run",
                                    "--replicas", CLI_KAFKA_WORDS, NULL};
static int run(int argc, char **argv);
const struct cli_command cli_topics = {
    "topics", "list | apply [--dry-run] [--replicas N]   " CLI_KAFKA_USAGE,
    "show and set up the topics of Kafka", words, run};

struct topics {
    struct cli_kafka kafka;
    struct events_kafka_admin *admin;
    struct events_topic_seen seen[EVENTS_TOPICS];
    const char *verb;
    int64_t replicas;
    bool dry_run;
};

static int list(struct topics *topics)
{
    for (size_t i = 0; i < EVENTS_TOPICS; i++) {
        const struct events_topic_about *about = events_topic_about((enum events_topic)i);
        const struct events_topic_seen *seen = &topics->seen[i];
        char kept[32];
        if (seen->exists)
            printf("%-22s  partitions %2u  replicas %u  kept %s\n", about->name,
                   seen->partitions, seen->replicas, cli_kafka_time(seen->retention_ms, kept));
        else
            printf("%-22s  missing\n", about->name);
    }
    return CLI_OK;
}

static void print_change(const struct events_topic_change *change)
{
    const char *name = events_topic_about(change->topic)->name;
    char from[32], to[32];
    switch (change->change) {
    case EVENTS_TOPIC_CREATE:
        printf("+ %-22s  %lld partitions, kept %s\n", name, (long long)change->to,
               cli_kafka_time(change->retention_ms, to));
        break;
    case EVENTS_TOPIC_WIDEN:
        printf("~ %-22s  %lld partitions -> %lld\n", name, (long long)change->from,
               (long long)change->to);
        break;
    case EVENTS_TOPIC_RETAIN:
        printf("~ %-22s  kept %s -> %s\n", name, cli_kafka_time(change->from, from),
               cli_kafka_time(change->to, to));
        break;
    }
}

static int apply(struct topics *topics)
{
    struct events_topic_change changes[EVENTS_CHANGES_MAX];
    struct aion_err err;
    size_t count = events_topics_plan(topics->seen, topics->kafka.retention_ms,
                                      (int32_t)topics->replicas, changes);
    for (size_t i = 0; i < count; i++) {
        print_change(&changes[i]);
        if (!topics->dry_run &&
            !events_kafka_change(topics->admin, &changes[i], CLI_KAFKA_TIMEOUT_US, &err))
            return cli_error(&err);
    }
    if (count == 0)
        printf("nothing to change\n");
    else
        printf("%zu changes%s\n", count, topics->dry_run ? ", none made (--dry-run)" : "");
    return CLI_OK;
}

static int run_verb(struct topics *topics, int (*verb)(struct topics *topics))
{
    struct aion_err err;
    if (!cli_kafka_load(&topics->kafka, &err))
        return cli_error_given(&err);
    topics->admin = events_kafka_admin_open(&topics->kafka.conf, &err);
    if (topics->admin == NULL)
        return cli_error_given(&err);
    int status = events_kafka_topics(topics->admin, CLI_KAFKA_TIMEOUT_US, topics->seen, &err)
                     ? verb(topics)
                     : cli_error(&err);
    events_kafka_admin_close(topics->admin);
    return status;
}

static int parse(struct topics *topics, struct cli_args *args)
{
    const char *value;
    while (args->at < args->argc) {
        if (cli_kafka_option(&topics->kafka, args))
            continue;
        if (cli_flag(args, "--dry-run")) {
            topics->dry_run = true;
        } else if ((value = cli_value(args, "--replicas")) != NULL) {
            if (!aion_str_i64(aion_str_of(value), &topics->replicas) || topics->replicas < 1 ||
                topics->replicas > 100)
                return cli_usage(&cli_topics, "--replicas: \"%s\" is not 1..100", value);
        } else if (topics->verb == NULL && args->argv[args->at][0] != '-') {
            topics->verb = args->argv[args->at++];
        } else {
            return cli_unexpected(&cli_topics, args);
        }
    }
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    static struct topics topics;
    struct cli_args args = {argc, argv, 1};
    cli_kafka_init(&topics.kafka);
    topics.replicas = -1;
    int status = parse(&topics, &args);
    if (status == CLI_OK && topics.verb == NULL)
        status = cli_usage(&cli_topics, "name a verb");
    else if (status == CLI_OK && strcmp(topics.verb, "list") == 0 &&
             (topics.dry_run || topics.replicas > 0))
        status = cli_usage(&cli_topics, "list changes nothing: --dry-run and --replicas are "
                                        "of apply");
    else if (status == CLI_OK && strcmp(topics.verb, "list") == 0)
        status = run_verb(&topics, list);
    else if (status == CLI_OK && strcmp(topics.verb, "apply") == 0)
        status = run_verb(&topics, apply);
    else if (status == CLI_OK)
        status = cli_usage(&cli_topics, "no verb \"%s\"", topics.verb);
    cli_kafka_done(&topics.kafka);
    return status;
}
