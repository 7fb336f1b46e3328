/* Options to librdkafka's properties, and its errors to ours with the mend. */
#include "events/kafka/kafka_private.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

const char *events_kafka_library(void)
{
    static char text[64];
    snprintf(text, sizeof(text), "librdkafka %s", rd_kafka_version_str());
    return text;
}

/* -- options ------------------------------------------------------------------------ */
static bool check_sasl(const struct events_kafka_conf *conf, struct aion_err *err)
{
    static const char *const mechanisms[] = {"SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"};
    size_t at = 0;
    if (conf->user[0] == '\0')
        return conf->password[0] == '\0' ||
               aion_fail(err, AION_INVALID,
                         "AION_KAFKA_PASSWORD is set without a user: set AION_KAFKA_USER");
    if (conf->password[0] == '\0')
        return aion_fail(err, AION_INVALID,
                         "AION_KAFKA_USER is \"%s\" without a password: set "
                         "AION_KAFKA_PASSWORD or AION_KAFKA_PASSWORD_FILE",
                         conf->user);
    while (at < aion_countof(mechanisms) && strcmp(mechanisms[at], conf->mechanism) != 0)
        at++;
    if (at == aion_countof(mechanisms))
        return aion_fail(err, AION_INVALID,
                         "AION_KAFKA_MECHANISM \"%s\" is none of PLAIN, SCRAM-SHA-512, "
                         "SCRAM-SHA-256",
                         conf->mechanism);
    if (strcmp(conf->mechanism, "PLAIN") == 0 && !conf->tls)
        return aion_fail(err, AION_INVALID,
                         "AION_KAFKA_MECHANISM PLAIN without TLS would send the password in "
                         "clear text: set AION_KAFKA_TLS=true or take SCRAM-SHA-512");
    return true;
}

static bool check_file(const char *variable, const char *path, struct aion_err *err)
{
    if (path[0] == '\0' || access(path, R_OK) == 0)
        return true;
    return aion_fail_errno(err, AION_INVALID, "%s: %s cannot be read", variable, path);
}

static bool check_tls(const struct events_kafka_conf *conf, struct aion_err *err)
{
    bool any = conf->ca[0] != '\0' || conf->cert[0] != '\0' || conf->key[0] != '\0';
    if (any && !conf->tls)
        return aion_fail(err, AION_INVALID,
                         "certificates for Kafka are given but TLS is off: set "
                         "AION_KAFKA_TLS=true");
    if ((conf->cert[0] == '\0') != (conf->key[0] == '\0'))
        return aion_fail(err, AION_INVALID,
                         "AION_KAFKA_CERT and AION_KAFKA_KEY come together: one is missing");
    return check_file("AION_KAFKA_CA", conf->ca, err) &&
           check_file("AION_KAFKA_CERT", conf->cert, err) &&
           check_file("AION_KAFKA_KEY", conf->key, err);
}

/* "host:port,host:port"; a missing port would silently mean 9092. */
static bool check_brokers(const char *brokers, struct aion_err *err)
{
    aion_str rest = aion_str_of(brokers);
    while (rest.data != NULL) {
        aion_str one = aion_str_trim(aion_str_cut(&rest, ','));
        const char *colon = one.size > 0 ? memrchr(one.data, ':', one.size) : NULL;
        uint64_t port = 0;
        bool clean = true;
        for (size_t i = 0; i < one.size; i++)
            clean &= strchr(" \t;/", one.data[i]) == NULL;
        if (!clean || colon == NULL || colon == one.data ||
            !aion_str_u64(aion_str_n(colon + 1, (size_t)(one.data + one.size - colon - 1)),
                          &port) ||
            port < 1 || port > 65535)
            return aion_fail(err, AION_INVALID,
                             "AION_KAFKA_BROKERS: \"%.*s\" is not host:port, as in "
                             "kafka-1:9092,kafka-2:9092",
                             AION_STR_ARG(one));
    }
    return true;
}

bool events_kafka_conf_check(const struct events_kafka_conf *conf, struct aion_err *err)
{
    if (conf->brokers[0] == '\0')
        return true;
    return check_brokers(conf->brokers, err) && check_tls(conf, err) && check_sasl(conf, err);
}

void kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[KAFKA_TEXT_MAX];
    bool set = rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK;
    assert(set);
    (void)set;
}

static const char *protocol_of(const struct events_kafka_conf *conf)
{
    if (conf->user[0] != '\0')
        return conf->tls ? "sasl_ssl" : "sasl_plaintext";
    return conf->tls ? "ssl" : "plaintext";
}

/* Values of the user's: what librdkafka refuses is told with the option's name. */
static bool set_given(rd_kafka_conf_t *to, const struct events_kafka_conf *conf,
                      struct aion_err *err)
{
    const struct {
        const char *property, *value, *option;
    } given[] = {
        {"bootstrap.servers", conf->brokers, "AION_KAFKA_BROKERS"},
        {"security.protocol", protocol_of(conf), "AION_KAFKA_TLS"},
        {"ssl.ca.location", conf->ca, "AION_KAFKA_CA"},
        {"ssl.certificate.location", conf->cert, "AION_KAFKA_CERT"},
        {"ssl.key.location", conf->key, "AION_KAFKA_KEY"},
        {"sasl.mechanism", conf->user[0] != '\0' ? conf->mechanism : "",
         "AION_KAFKA_MECHANISM"},
        {"sasl.username", conf->user, "AION_KAFKA_USER"},
        {"sasl.password", conf->password, "AION_KAFKA_PASSWORD"},
    };
    char why[KAFKA_TEXT_MAX];
    for (size_t i = 0; i < aion_countof(given); i++) {
        if (given[i].value[0] == '\0' ||
            rd_kafka_conf_set(to, given[i].property, given[i].value, why, sizeof(why)) ==
                RD_KAFKA_CONF_OK)
            continue;
        aion_err_set(err, __func__, AION_INVALID, "%s is not taken by %s", given[i].option,
                     events_kafka_library());
        aion_err_detail(err, "%s", why);
        return false;
    }
    return true;
}

/* -- what it says by itself --------------------------------------------------------- */
void kafka_watch_init(struct kafka_watch *watch)
{
    *watch = (struct kafka_watch){.code = RD_KAFKA_RESP_ERR_NO_ERROR};
    pthread_mutex_init(&watch->lock, NULL);
}

void kafka_watch_done(struct kafka_watch *watch)
{
    pthread_mutex_destroy(&watch->lock);
}

/* How much an error tells: "authentication failed" more than "all brokers are down". */
static int weight(rd_kafka_resp_err_t code)
{
    static const rd_kafka_resp_err_t order[] = {
        RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR__RESOLVE, RD_KAFKA_RESP_ERR__SSL, RD_KAFKA_RESP_ERR__AUTHENTICATION};
    for (size_t i = 0; i < aion_countof(order); i++)
        if (order[i] == code)
            return (int)i + 1;
    return 0;
}

bool kafka_is_connection(rd_kafka_resp_err_t code)
{
    return weight(code) > 0;
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct kafka_watch *watch = opaque;
    (void)rk;
    pthread_mutex_lock(&watch->lock);
    if (weight((rd_kafka_resp_err_t)code) >= weight(watch->code)) {
        watch->code = (rd_kafka_resp_err_t)code;
        snprintf(watch->text, sizeof(watch->text), "%s", reason != NULL ? reason : "");
    }
    pthread_mutex_unlock(&watch->lock);
}

rd_kafka_resp_err_t kafka_watch_take(struct kafka_watch *watch, char text[KAFKA_TEXT_MAX])
{
    pthread_mutex_lock(&watch->lock);
    rd_kafka_resp_err_t code = watch->code;
    snprintf(text, KAFKA_TEXT_MAX, "%s", watch->text);
    watch->code = RD_KAFKA_RESP_ERR_NO_ERROR;
    watch->text[0] = '\0';
    pthread_mutex_unlock(&watch->lock);
    return code;
}

rd_kafka_conf_t *kafka_conf_new(const struct events_kafka_conf *conf, const char *client,
                                struct kafka_watch *watch, struct aion_err *err)
{
    if (conf->brokers[0] == '\0')
        return aion_fail_null(err, AION_INVALID,
                              "no brokers: give --brokers or AION_KAFKA_BROKERS, as "
                              "127.0.0.1:9092");
    if (!events_kafka_conf_check(conf, err) || !librdkafka_load(err))
        return NULL;
    rd_kafka_conf_t *to = rd_kafka_conf_new();
    if (!set_given(to, conf, err)) {
        rd_kafka_conf_destroy(to);
        return NULL;
    }
    kafka_set(to, "client.id", client);
    kafka_set(to, "reconnect.backoff.ms", "100");
    kafka_set(to, "reconnect.backoff.max.ms", "2000");
    kafka_set(to, "socket.keepalive.enable", "true");
    kafka_set(to, "allow.auto.create.topics", "false");
    /* its log goes nowhere: errors come by on_error, and only mains log */
    rd_kafka_conf_set_log_cb(to, NULL);
    rd_kafka_conf_set_error_cb(to, on_error);
    rd_kafka_conf_set_opaque(to, watch);
    return to;
}

rd_kafka_t *kafka_new(rd_kafka_type_t type, rd_kafka_conf_t **conf, struct aion_err *err)
{
    char why[KAFKA_TEXT_MAX];
    rd_kafka_t *rk = rd_kafka_new(type, *conf, why, sizeof(why));
    if (rk == NULL) {
        rd_kafka_conf_destroy(*conf);
        aion_err_set(err, __func__, AION_INVALID,
                     "Kafka's client does not start: are AION_KAFKA_CA, _CERT and _KEY PEM "
                     "files?");
        aion_err_detail(err, "%s", why);
    }
    *conf = NULL;
    return rk;
}

/* -- errors ------------------------------------------------------------------------- */
static const struct {
    rd_kafka_resp_err_t code;
    enum aion_code ours;
    const char *text;
} meanings[] = {
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, AION_UNAVAILABLE,
     "no broker answers: is Kafka running, and AION_KAFKA_BROKERS right?"},
    {RD_KAFKA_RESP_ERR__TRANSPORT, AION_UNAVAILABLE,
     "no broker answers: is Kafka running, are AION_KAFKA_BROKERS and AION_KAFKA_TLS right?"},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, AION_UNAVAILABLE,
     "no answer in time: is Kafka running, and AION_KAFKA_BROKERS right?"},
    {RD_KAFKA_RESP_ERR__RESOLVE, AION_UNAVAILABLE,
     "a broker's name does not resolve: is AION_KAFKA_BROKERS right, and what the brokers "
     "advertise?"},
    {RD_KAFKA_RESP_ERR__SSL, AION_UNAVAILABLE,
     "TLS failed: does AION_KAFKA_CA sign the brokers' certificate for the name they are "
     "called "
     "by, and do they want a client's (AION_KAFKA_CERT)?"},
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, AION_UNAUTHENTICATED,
     "the user is refused: are AION_KAFKA_USER, AION_KAFKA_PASSWORD and AION_KAFKA_MECHANISM "
     "right?"},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, AION_UNAUTHENTICATED,
     "the user is refused: are AION_KAFKA_USER and AION_KAFKA_PASSWORD right?"},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, AION_DENIED,
     "the user may not use the topic: give it Write, Describe and Create"},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, AION_DENIED,
     "the user may not do that: it needs IdempotentWrite, and for topics Create and Alter"},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, AION_DENIED,
     "the user may not use the group: give it Read"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, AION_NOT_FOUND,
     "the topic is missing: `aion topics apply` makes it"},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, AION_NOT_FOUND,
     "the topic is missing: `aion topics apply` makes it"},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, AION_NOT_FOUND,
     "the topic is missing: `aion topics apply` makes it"},
    {RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS, AION_EXISTS, "the topic is there already"},
    {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, AION_PRECONDITION,
     "there are fewer brokers than replicas: give --replicas"},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, AION_PRECONDITION,
     "a record is larger than the topic's max.message.bytes: raise it"},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, AION_PRECONDITION,
     "a batch is larger than the topic's max.message.bytes: raise it"},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, AION_PRECONDITION, "the brokers' policy forbids it"},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, AION_ABORTED, "given up, to be sent again"},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, AION_ABORTED, "given up, to be sent again"},
};

/* Before 2.6.1 it sends its nonce twice, which brokers of 3.8.1 and newer refuse as a wrong
 * password (librdkafka pull request 4895). */
static bool scram_is_broken(rd_kafka_resp_err_t code, const char *said)
{
    return code == RD_KAFKA_RESP_ERR__AUTHENTICATION && strstr(said, "SCRAM") != NULL &&
           rd_kafka_version() < 0x020601ff;
}

void kafka_error(struct aion_err *err, rd_kafka_resp_err_t code, const char *what,
                 const char *text)
{
    const char *said = text != NULL && text[0] != '\0' ? text : rd_kafka_err2str(code);
    /* a broker that refuses our certificate closes the connection with an alert */
    if (code == RD_KAFKA_RESP_ERR__TRANSPORT && strstr(said, "SSL routines") != NULL)
        code = RD_KAFKA_RESP_ERR__SSL;
    if (scram_is_broken(code, said)) {
        aion_err_set(err, __func__, AION_UNAUTHENTICATED,
                     "%s: the user is refused: %s cannot do SCRAM with Kafka 3.8.1 and newer "
                     "(2.6.1 can): set AION_KAFKA_MECHANISM=PLAIN with TLS, or give a client's "
                     "certificate; with older brokers the user or password is wrong",
                     what, events_kafka_library());
        aion_err_detail(err, "%s", said);
        return;
    }
    for (size_t i = 0; i < aion_countof(meanings); i++) {
        if (meanings[i].code != code)
            continue;
        aion_err_set(err, __func__, meanings[i].ours, "%s: %s", what, meanings[i].text);
        aion_err_detail(err, "%s", said);
        return;
    }
    aion_err_set(err, __func__, AION_UNAVAILABLE, "%s: %s", what, said);
    aion_err_detail(err, "%s", rd_kafka_err2name(code));
}

void kafka_error_watched(struct aion_err *err, rd_kafka_resp_err_t code, const char *what,
                         const char *text, struct kafka_watch *watch)
{
    char heard[KAFKA_TEXT_MAX];
    bool silent = code == RD_KAFKA_RESP_ERR__TIMED_OUT ||
                  code == RD_KAFKA_RESP_ERR__TRANSPORT ||
                  code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    rd_kafka_resp_err_t said = kafka_watch_take(watch, heard);
    if (silent && said != RD_KAFKA_RESP_ERR_NO_ERROR)
        kafka_error(err, said, what, heard);
    else
        kafka_error(err, code, what, text);
}
