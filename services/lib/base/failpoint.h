/* Failpoints: named places at which a test makes a process die, fail or be late, to show that
 * nothing is lost exactly there.
 *
 *   AION_FAILPOINTS="store/before_commit=kill:100,control/after_commit_before_ack=delay:20"
 *
 *   kill:N   the process kills itself (SIGKILL) when it comes here for the Nth time
 *   error:N  what is done here fails the Nth time; 0 = each time
 *   delay:MS each time the thread sleeps so long
 *
 * Always compiled in; off, a place costs the look at one flag. Names are PATH-like: who/where.
 * Armed before threads start, never by anything from outside but the environment. */
#ifndef BASE_FAILPOINT_H
#define BASE_FAILPOINT_H

#include "base/err.h"

#include <stdbool.h>

extern bool aion_failpoints_armed;

/* Reads what AION_FAILPOINTS says (NULL and "" arm nothing). INVALID: malformed; or more
 * than 16.
 */
bool aion_failpoints_arm(const char *text, struct aion_err *err) AION_MUST_CHECK;
/* Any thread. True: what is done here must fail. */
bool aion_failpoint_hit(const char *name);
static inline bool aion_failpoint(const char *name)
{
    return aion_unlikely(aion_failpoints_armed) && aion_failpoint_hit(name);
}

#endif
