#include "control_conf.h"

#include "sched/sched_rules.h"

#define CONTROL_ROW(...)    CONTROL_ANY_ROW(false, __VA_ARGS__)
#define CONTROL_SECRET(...) CONTROL_ANY_ROW(true, __VA_ARGS__)
#define CONTROL_ANY_ROW(secret_, name_, kind_, fallback_, min_, max_, reload_, env_, help_) \
    {.name = #name_,                                                                        \
     .kind = AION_OPT_##kind_,                                                              \
     .fallback = fallback_,                                                                 \
     .min = min_,                                                                           \
     .max = max_,                                                                           \
     .reload = reload_,                                                                     \
     .secret = secret_,                                                                     \
     .env = env_,                                                                           \
     .help = help_,                                                                         \
     .offset = offsetof(struct control_conf, name_)},

#define KAFKA_ROW(name_, kind_, fallback_, secret_, env_, help_) \
    {.name = "kafka_" #name_,                                    \
     .kind = AION_OPT_##kind_,                                   \
     .fallback = fallback_,                                      \
     .secret = secret_,                                          \
     .env = env_,                                                \
     .help = help_,                                              \
     .offset = offsetof(struct control_conf, kafka.name_)},

const struct aion_opt control_options[] = {CONTROL_SECRETS(CONTROL_SECRET) CONTROL_OPTIONS(
    CONTROL_ROW) EVENTS_KAFKA_OPTIONS(KAFKA_ROW)};
const size_t control_option_count = aion_countof(control_options);

/* It is part of names in the store: "escrow:BUDGET@START:REPLICA". */
static bool check_replica(const char *replica, struct aion_err *err)
{
    size_t size = strlen(replica);
    bool good = size >= 1 && size <= 63;
    for (size_t i = 0; good && i < size; i++)
        good = (replica[i] >= 'a' && replica[i] <= 'z') ||
               (replica[i] >= 'A' && replica[i] <= 'Z') ||
               (replica[i] >= '0' && replica[i] <= '9') || replica[i] == '.' ||
               replica[i] == '_' || replica[i] == '-';
    return good || aion_fail(err, AION_INVALID,
                             "replica \"%.80s\": give 1 to 63 of A-Z a-z 0-9 . _ -", replica);
}

bool control_conf_check(const void *conf_, struct aion_err *err)
{
    const struct control_conf *conf = conf_;
    if (conf->store_url[0] == '\0')
        return aion_fail(
            err, AION_INVALID,
            "no store: give --store-url or AION_STORE_URL, as sqlite:/path/aion.db or "
            "postgres://USER@HOST/DATABASE");
    if (conf->router[0] == '\0')
        return aion_fail(err, AION_INVALID,
                         "no router: give --router or AION_CONTROL_ROUTER, as 127.0.0.1:8082");
    if (conf->retry_first > conf->retry_longest)
        return aion_fail(err, AION_INVALID, "retry_first is longer than retry_longest");
    if (!check_replica(conf->replica, err))
        return false;
    struct control_sched_rules *rules =
        control_sched_rules_new(conf->tenant_weights, conf->task_limits, err);
    control_sched_rules_free(rules);
    return rules != NULL && events_kafka_conf_check(&conf->kafka, err);
}
