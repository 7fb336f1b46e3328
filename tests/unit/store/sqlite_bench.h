/* A store in a folder of its own, for tests of the SQLite driver. */
#ifndef TESTS_UNIT_STORE_SQLITE_BENCH_H
#define TESTS_UNIT_STORE_SQLITE_BENCH_H

#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define T0 1700000000000000 /* some microsecond of 2023 */

struct sqlite_bench {
    char folder[64], path[96], url[128];
    struct store *store;
    struct aion_arena arena; /* of reads */
    struct aion_err err;
    uint64_t epoch;
    struct aion_exec *exec; /* of stores opened from now on; NULL: only waits */
};

int sqlite_bench_setup(void **state);
int sqlite_bench_teardown(void **state);
/* Opens, and leases all shards; what is open already is closed before. */
void sqlite_bench_open(struct sqlite_bench *bench, int64_t window_us);
/* Runs SQL of the test's own on the closed file; the integer of its first row, or 0. */
int64_t sqlite_bench_sql(const struct sqlite_bench *bench, const char *sql);
/* Number n: n steps after T0, shard n % 64. */
uint64_t sqlite_bench_seq(unsigned number, int64_t step_us);
struct store_write sqlite_bench_write(const struct sqlite_bench *bench, uint64_t seq);
struct store_accept sqlite_bench_accept(const struct sqlite_bench *bench, uint64_t seq);
struct store_task sqlite_bench_read(struct sqlite_bench *bench, const struct aion_uuid *id,
                                    uint64_t seq);
size_t sqlite_bench_unfinished(struct sqlite_bench *bench); /* by loading them all */

#define sqlite_wait(bench, name, op)                                             \
    do {                                                                         \
        if (!store_##name##_wait((bench)->store, (op), &(bench)->err))           \
            fail_msg(#name ": %s (%s)", (bench)->err.text, (bench)->err.detail); \
    } while (0)

#endif
