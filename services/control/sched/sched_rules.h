/* Weights and limits, as they are written in the configuration. Pure.
 *
 * weights, "acme=3, beta=2": a tenant's part of the work; 1 for all that are not named. limits,
 * "acme/summarize_text/noop=8": how many tasks of a tenant, an intent and a module may run at
 * once; none for what no rule names. A name that is "*" stands for any, and what it stands for
 * is counted each for itself. The first that fits counts. */
#ifndef CONTROL_SCHED_RULES_H
#define CONTROL_SCHED_RULES_H

#include "base/err.h"
#include "base/str.h"

enum { SCHED_RULES_MAX = 256 }; /* of each kind */

struct control_sched_rules;

/* NULL and "" are none. NULL: *err (INVALID) names the part and what was expected. Copies the
 * texts. */
struct control_sched_rules *control_sched_rules_new(const char *weights, const char *limits,
                                                    struct aion_err *err);
void control_sched_rules_free(struct control_sched_rules *rules); /* NULL fine */
/* NULL rules have no words. */
uint32_t control_sched_rules_weight(const struct control_sched_rules *rules, aion_str tenant);
/* 0 = no limit. */
uint32_t control_sched_rules_limit(const struct control_sched_rules *rules, aion_str tenant,
                                   aion_str intent, aion_str module);

#endif
