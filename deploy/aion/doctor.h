/* What the parts of `aion doctor` share: one line a finding, with the mend where it is bad. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "cli_kafka.h"

struct doctor {
    struct cli_run mesh;
    bool running;
    char home[CLI_PATH_MAX];
    struct cli_kafka kafka;
    unsigned warnings, failures;
};

enum doctor_verdict { DOCTOR_FINE, DOCTOR_WARN, DOCTOR_FAIL };
void doctor_report(struct doctor *doctor, enum doctor_verdict verdict, const char *what,
                   const char *fmt, ...) AION_PRINTF(4, 5);

/* Kafka: reachable, as whom, the topics, the relay, a record's round trip. */
void doctor_kafka(struct doctor *doctor);

#endif
