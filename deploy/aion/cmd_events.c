/* aion events tail|forget: what happened, from Kafka or from the mesh itself. */
#include "cli_tail.h"

#include <stdio.h>
#include <string.h>

static const char *const words[] = {"tail",          "forget", "--from", "--group",
                                    "--kafka",       "--json", "--home", "--no-follow",
                                    CLI_KAFKA_WORDS, NULL};
static int run(int argc, char **argv);
const struct cli_command cli_events = {
    "events",
    "tail TOPIC [--from beginning|end|POSITION] [--group G] [--no-follow] [--json]   | forget "
    "GROUP | forget --kafka   [--home DIR]   " CLI_KAFKA_USAGE,
    "follow what happens, as records", words, run};

enum { LINE_MAX_BYTES = 4 << 20, POSITION_MAX = 1 << 16 };

static int follow(struct cli_tail *tail)
{
    enum events_topic topic;
    struct aion_err err;
    if (!events_topic_find(aion_str_of(tail->argument), &topic))
        return cli_usage(&cli_events,
                         "no topic \"%s\": there are aion.router.decisions, "
                         "aion.tasks.lifecycle, aion.metrics.runtime, aion.audit.activity",
                         tail->argument);
    if (!cli_kafka_load(&tail->kafka, &err))
        return cli_error_given(&err);
    cli_tail_catch();
    tail->dedup = events_dedup_new(0);
    aion_buf_init(&tail->line, LINE_MAX_BYTES);
    aion_buf_init(&tail->position, POSITION_MAX);
    int status =
        tail->kafka.conf.brokers[0] != '\0' ? cli_tail_kafka(tail) : cli_tail_mesh(tail);
    if (status == CLI_OK)
        fprintf(stderr, "%llu records, %llu repeats dropped%s%.*s\n",
                (unsigned long long)tail->shown,
                (unsigned long long)events_dedup_dropped(tail->dedup),
                tail->position.size > 0 ? "; go on with --from " : "",
                AION_STR_ARG(aion_buf_view(&tail->position)));
    aion_buf_done(&tail->line);
    aion_buf_done(&tail->position);
    events_dedup_free(tail->dedup);
    return status;
}

/* -- the command line --------------------------------------------------------------- */
static int parse(struct cli_tail *tail, struct cli_args *args, bool *ret_kafka)
{
    const char *value;
    while (args->at < args->argc) {
        if (cli_kafka_option(&tail->kafka, args))
            continue;
        if ((value = cli_value(args, "--home")) != NULL)
            tail->home = value;
        else if ((value = cli_value(args, "--from")) != NULL)
            tail->from = value;
        else if ((value = cli_value(args, "--group")) != NULL)
            tail->group = value;
        else if (cli_flag(args, "--json"))
            tail->json = true;
        else if (cli_flag(args, "--no-follow"))
            tail->follow = false;
        else if (cli_flag(args, "--kafka"))
            *ret_kafka = true;
        else if (args->argv[args->at][0] != '-' && tail->verb == NULL)
            tail->verb = args->argv[args->at++];
        else if (args->argv[args->at][0] != '-' && tail->argument == NULL)
            tail->argument = args->argv[args->at++];
        else
            return cli_unexpected(&cli_events, args);
    }
    return CLI_OK;
}

static int run_verb(struct cli_tail *tail, bool kafka)
{
    if (tail->verb == NULL)
        return cli_usage(&cli_events, "name a verb");
    if (strcmp(tail->verb, "tail") == 0) {
        if (tail->argument == NULL)
            return cli_usage(&cli_events, "tail needs a topic, as aion.tasks.lifecycle");
        if (kafka)
            return cli_usage(&cli_events, "--kafka is of forget; tail reads from Kafka when "
                                          "there are --brokers");
        if (tail->from == NULL)
            tail->from = "end";
        return follow(tail);
    }
    if (strcmp(tail->verb, "forget") == 0) {
        if ((tail->argument != NULL) == kafka)
            return cli_usage(&cli_events, "forget needs a group, or --kafka");
        if (tail->from != NULL || tail->group[0] != '\0' || tail->json || !tail->follow)
            return cli_usage(&cli_events,
                             "--from, --group, --json and --no-follow are of tail");
        return cli_tail_forget(tail);
    }
    return cli_usage(&cli_events, "no verb \"%s\"", tail->verb);
}

static int run(int argc, char **argv)
{
    static struct cli_tail tail;
    struct cli_args args = {argc, argv, 1};
    bool kafka = false;
    cli_kafka_init(&tail.kafka);
    tail.follow = true;
    tail.group = "";
    int status = parse(&tail, &args, &kafka);
    if (status == CLI_OK)
        status = run_verb(&tail, kafka);
    cli_kafka_done(&tail.kafka);
    return status;
}
