/* How a process under the failing library (failing.c) is told what shall fail, and how it tells
 * that it did. */
#ifndef CHAOS_FAILING_H
#define CHAOS_FAILING_H

#include <stdint.h>

#define FAILING_ENV_FOLDER "AION_FAULT_FOLDER" /* absolute; only its files fail */
/* "WHAT N ERRNO COUNT": the N-th call of that kind and the next COUNT - 1 fail. WHAT: write,
 * sync (of any file), sync-wal, short (half of the write is done), truncate. */
#define FAILING_ENV_FAULT "AION_FAULT"
/* Instead of an errno: kill -9 of the process before the call is made, or when it has been. */
enum { FAILING_KILL_BEFORE = -1, FAILING_KILL_AFTER = -2 };
/* A descriptor: {FAILING_SAID, 0} is written to it when the first call fails, and
 * {FAILING_SAID, calls of that kind} when the process ends, in the form of a work_said. A
 * failing fsync takes FAILING_PAUSE_US before, so that what was committed earlier has been told
 * by then. */
#define FAILING_ENV_TELL "AION_FAULT_TELL"

enum { FAILING_PAUSE_US = 150000 };
#define FAILING_SAID UINT32_MAX

#endif
