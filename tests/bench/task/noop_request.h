/* The task of the benches: intent noop, params {"text": "xxx..."} of so many bytes. One a
 * program: its parts are static. */
#ifndef BENCH_NOOP_REQUEST_H
#define BENCH_NOOP_REQUEST_H

#include "aion/v1/tasks.pb-c.h"

#include <stddef.h>

void bench_noop_request(Aion__V1__TaskRequest *ret_request, size_t bytes);

#endif
