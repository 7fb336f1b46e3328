/* Options of Kafka for commands: the driver's own table, read as a program's would be. */
#include "cli_kafka.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ARENA_MAX = 1 << 20 };

#define KAFKA_ROW(name_, kind_, fallback_, secret_, env_, help_) \
    {.name = #name_,                                             \
     .kind = AION_OPT_##kind_,                                   \
     .fallback = fallback_,                                      \
     .secret = secret_,                                          \
     .env = env_,                                                \
     .help = help_,                                              \
     .offset = offsetof(struct cli_kafka, conf.name_)},

static const struct aion_opt options[] = {
    EVENTS_KAFKA_OPTIONS(KAFKA_ROW){.name = "environment",
                                    .kind = AION_OPT_TEXT,
                                    .fallback = "dev",
                                    .env = "AION_ENV",
                                    .help = "dev or prod: how long topics keep records",
                                    .offset = offsetof(struct cli_kafka, environment)},
};

void cli_kafka_init(struct cli_kafka *kafka)
{
    *kafka = (struct cli_kafka){.flag_count = 0};
    aion_arena_init(&kafka->arena, ARENA_MAX, NULL, 0);
}

void cli_kafka_done(struct cli_kafka *kafka)
{
    aion_arena_done(&kafka->arena);
}

static bool add_flag(struct cli_kafka *kafka, const char *flag, const char *value)
{
    if (kafka->flag_count == CLI_KAFKA_FLAGS_MAX)
        return false;
    kafka->flags[kafka->flag_count] = aion_arena_printf(
        &kafka->arena, "%s%s%s", flag, value != NULL ? "=" : "", value != NULL ? value : "");
    return kafka->flags[kafka->flag_count++] != NULL;
}

bool cli_kafka_option(struct cli_kafka *kafka, struct cli_args *args)
{
    for (size_t i = 0; i < aion_countof(options); i++) {
        char flag[64];
        const char *value;
        snprintf(flag, sizeof(flag), "--%s", options[i].name);
        if (options[i].kind == AION_OPT_BOOL && cli_flag(args, flag))
            return add_flag(kafka, flag, NULL);
        if ((value = cli_value(args, flag)) != NULL)
            return add_flag(kafka, flag, value);
    }
    return false;
}

bool cli_kafka_load(struct cli_kafka *kafka, struct aion_err *err)
{
    const struct aion_conf_spec spec = {
        .program = "kafka", .options = options, .option_count = aion_countof(options)};
    if (!aion_conf_load(&spec, kafka, kafka->flag_count, kafka->flags, environ, NULL, 0,
                        &kafka->arena, err))
        return false;
    if (!events_retention_ms(aion_str_of(kafka->environment), &kafka->retention_ms))
        return aion_fail(err, AION_INVALID,
                         "--environment (AION_ENV): \"%s\" is neither dev nor prod",
                         kafka->environment);
    return events_kafka_conf_check(&kafka->conf, err);
}

const char *cli_kafka_time(int64_t ms, char out[32])
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    if (ms < 0)
        return "for ever";
    size_t at = 0;
    while (ms % units[at].ms != 0)
        at++;
    snprintf(out, 32, "%lld %s", (long long)(ms / units[at].ms), units[at].unit);
    return out;
}
