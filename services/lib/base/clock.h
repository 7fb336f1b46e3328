/* Time at the edges: domain code takes time as a parameter. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/str.h"

int64_t aion_clock_mono_us(void); /* CLOCK_MONOTONIC, microseconds */
int64_t aion_clock_boot_us(void); /* CLOCK_BOOTTIME: counts suspend */
int64_t aion_clock_utc_us(void);  /* CLOCK_REALTIME, microseconds since 1970 */
int64_t aion_clock_thread_cpu_ns(void);

enum { AION_RFC3339_SIZE = 32 };
/* "2026-11-23T10:00:00.123456Z" into out; 0 for years outside 0001..9999. Returns the length.
 * Fraction: as many of 0, 3, 6, 9 digits as needed when nanos are given. */
size_t aion_clock_rfc3339(char out[AION_RFC3339_SIZE], int64_t seconds, int32_t nanos);
/* RFC 3339 with any offset and up to 9 fraction digits; false leaves both alone. */
bool aion_clock_parse(aion_str text, int64_t *ret_seconds, int32_t *ret_nanos);

#endif
