/* aion doctor kafka. A part that cannot be looked at, because one before it is bad, is not
 * reported: the first bad line is the one to mend. */
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRICS_MAX = 4 << 20, SLOW_LAG_S = 30, CLOCK_OFF_US = 2000000, REACH_US = 4000000 };

static void report_error(struct doctor *doctor, const char *what, const struct aion_err *err)
{
    doctor_report(doctor, DOCTOR_FAIL, what, "%s%s%s%s", err->text,
                  err->detail[0] != '\0' ? " (" : "", err->detail,
                  err->detail[0] != '\0' ? ")" : "");
}

static void report_cluster(struct doctor *doctor, const struct events_kafka_cluster *cluster)
{
    struct aion_buf text;
    aion_buf_init(&text, 4096);
    for (size_t i = 0; i < cluster->broker_count && i < EVENTS_KAFKA_BROKERS_SHOWN; i++)
        aion_buf_printf(&text, " %d@%s%s", cluster->brokers[i].id, cluster->brokers[i].address,
                        cluster->brokers[i].id == cluster->controller ? " (controller)" : "");
    doctor_report(doctor, DOCTOR_FINE, "kafka", "brokers%.*s; cluster %s; %s",
                  AION_STR_ARG(aion_buf_view(&text)), cluster->id, events_kafka_library());
    aion_buf_done(&text);
}

/* That an answer came says that it was taken. */
static void report_auth(struct doctor *doctor)
{
    const struct events_kafka_conf *conf = &doctor->kafka.conf;
    bool named = conf->user[0] != '\0' || conf->cert[0] != '\0';
    doctor_report(doctor, conf->tls ? DOCTOR_FINE : DOCTOR_WARN, "kafka auth",
                  "%s, %s%s%s%s%s%s", conf->tls ? "TLS" : "plain text",
                  named ? "" : "as nobody in particular", conf->user[0] != '\0' ? "user " : "",
                  conf->user, conf->user[0] != '\0' ? " by " : "",
                  conf->user[0] != '\0'   ? conf->mechanism
                  : conf->cert[0] != '\0' ? "client certificate"
                                          : "",
                  conf->tls ? "" : "; for anything but a trusted network set AION_KAFKA_TLS");
}

static void report_topic(struct doctor *doctor, enum events_topic topic,
                         const struct events_topic_seen *seen)
{
    const struct events_topic_about *about = events_topic_about(topic);
    char kept[32], wanted[32];
    if (!seen->exists) {
        doctor_report(doctor, DOCTOR_FAIL, "kafka topic",
                      "%s is missing; `aion topics apply` makes it", about->name);
        return;
    }
    bool narrow = seen->partitions < about->partitions;
    bool other = seen->retention_ms != doctor->kafka.retention_ms;
    enum doctor_verdict verdict = narrow || other ? DOCTOR_WARN : DOCTOR_FINE;
    if (seen->leaderless > 0)
        doctor_report(doctor, DOCTOR_FAIL, "kafka topic",
                      "%s: %u partitions have no leader; bring their brokers back", about->name,
                      seen->leaderless);
    doctor_report(doctor, verdict, "kafka topic", "%s, %u partitions%s, kept %s%s%s%s",
                  about->name, seen->partitions, narrow ? " (too few)" : "",
                  cli_kafka_time(seen->retention_ms, kept), other ? " (wanted " : "",
                  other ? cli_kafka_time(doctor->kafka.retention_ms, wanted) : "",
                  other ? "); `aion topics apply` sets it"
                        : (narrow ? "; `aion topics apply` raises them" : ""));
}

static void check_topics(struct doctor *doctor, struct events_kafka_admin *admin)
{
    struct events_topic_seen seen[EVENTS_TOPICS];
    struct aion_err err;
    if (!events_kafka_topics(admin, CLI_KAFKA_TIMEOUT_US, seen, &err)) {
        report_error(doctor, "kafka topic", &err);
        return;
    }
    for (size_t i = 0; i < EVENTS_TOPICS; i++)
        report_topic(doctor, (enum events_topic)i, &seen[i]);
}

static void check_probe(struct doctor *doctor)
{
    struct events_kafka_probe probe;
    struct aion_err err;
    if (!events_kafka_probe(&doctor->kafka.conf, CLI_KAFKA_TIMEOUT_US, &probe, &err)) {
        report_error(doctor, "kafka record", &err);
        return;
    }
    doctor_report(doctor, DOCTOR_FINE, "kafka record",
                  "created a topic in %lld ms, produced in %lld ms, consumed in %lld ms, "
                  "deleted it",
                  (long long)probe.create_us / 1000, (long long)probe.produce_us / 1000,
                  (long long)probe.consume_us / 1000);
    int64_t off_ms = llabs(probe.clock_us) / 1000;
    if (llabs(probe.clock_us) - probe.produce_us / 2 <= CLOCK_OFF_US)
        doctor_report(doctor, DOCTOR_FINE, "kafka clock",
                      "the broker's agrees with ours within %lld ms", (long long)off_ms);
    else
        doctor_report(doctor, DOCTOR_WARN, "kafka clock",
                      "the broker's is %lld ms %s ours; retention and metrics go wrong: set "
                      "both by NTP",
                      (long long)off_ms, probe.clock_us < 0 ? "behind" : "before");
}

/* -- the relay, by control's metrics ------------------------------------------------ */
/* A sample's value in an OpenMetrics page; false: not there. */
static bool metric(aion_str page, const char *name, double *ret_value)
{
    aion_str rest = page, wanted = aion_str_of(name);
    while (rest.data != NULL) {
        aion_str line = aion_str_cut(&rest, '\n');
        if (!aion_str_starts(line, wanted) || line.size <= wanted.size ||
            line.data[wanted.size] != ' ')
            continue;
        *ret_value = strtod(line.data + wanted.size + 1, NULL);
        return true;
    }
    return false;
}

static void report_relay(struct doctor *doctor, aion_str page)
{
    double behind = 0, oldest = 0, up = 0, failing = 0;
    if (!metric(page, "aion_events_relay_lag_rows", &behind) ||
        !metric(page, "aion_events_relay_lag_seconds", &oldest) ||
        !metric(page, "aion_events_sink_up", &up) ||
        !metric(page, "aion_events_relay_failing", &failing)) {
        doctor_report(doctor, DOCTOR_FAIL, "kafka relay",
                      "the running mesh knows no Kafka: start it with AION_KAFKA_BROKERS set");
        return;
    }
    bool bad = up < 1 || failing > 0, slow = oldest > SLOW_LAG_S;
    doctor_report(doctor,
                  bad    ? DOCTOR_FAIL
                  : slow ? DOCTOR_WARN
                         : DOCTOR_FINE,
                  "kafka relay", "%.0f events behind, the oldest %.0f s%s", behind, oldest,
                  up < 1        ? "; it reaches no broker, see aion logs control"
                  : failing > 0 ? "; Kafka refuses a record, see aion logs control"
                  : slow        ? "; it does not keep up"
                                : "");
}

static void check_relay(struct doctor *doctor)
{
    struct aion_buf page;
    const struct cli_process *control =
        doctor->running ? cli_run_process(&doctor->mesh, "control") : NULL;
    if (control == NULL) {
        doctor_report(doctor, DOCTOR_WARN, "kafka relay", "no mesh runs in %s", doctor->home);
        return;
    }
    aion_buf_init(&page, METRICS_MAX);
    if (cli_http_get(control->admin_port, "/metrics", &page) == 200)
        report_relay(doctor, aion_buf_view(&page));
    else
        doctor_report(doctor, DOCTOR_FAIL, "kafka relay",
                      "control does not answer; see aion logs control");
    aion_buf_done(&page);
}

void doctor_kafka(struct doctor *doctor)
{
    struct events_kafka_cluster cluster;
    struct aion_err err;
    struct events_kafka_admin *admin = events_kafka_admin_open(&doctor->kafka.conf, &err);
    if (admin == NULL || !events_kafka_cluster(admin, REACH_US, &cluster, &err)) {
        report_error(doctor, "kafka", &err);
    } else {
        report_cluster(doctor, &cluster);
        report_auth(doctor);
        check_topics(doctor, admin);
        check_probe(doctor);
    }
    events_kafka_admin_close(admin);
    check_relay(doctor);
}
