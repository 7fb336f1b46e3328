/* What every driver of the store must do, said once and run against each: the same operations
 * in the same order, the same answers. Method: store_wait, as one caller sees it; nothing here
 * knows which driver runs. A driver joins by a row in places.c and a line in CMakeLists.txt. */
#ifndef TESTS_CONTRACT_STORE_CONTRACT_H
#define TESTS_CONTRACT_STORE_CONTRACT_H

#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The beginning of a second: of 2023, or of now where the tests are asked for that: a driver
 * may go another way with what is young. */
extern int64_t contract_t0;
#define T0     contract_t0
#define SECOND ((int64_t)1000000)
#define HOUR   (3600 * SECOND)

/* Where a store of one driver lives for the time of one test. */
struct place {
    const char *name;
    bool keeps; /* what was written is there when it is opened again */
    /* An empty one: writes its URL. False: it cannot be had here, `why` says it. */
    bool (*make)(char url[256], char why[256]);
    void (*unmake)(const char *url);
};
const struct place *place_find(const char *name);

struct bench {
    char url[256];
    struct store *store;
    struct aion_arena arena;
    struct aion_err err;
    uint64_t epochs[STORE_SHARDS];
    uint64_t sequence; /* of the newest event */
    int64_t window_us; /* of stores that are made from now on */
};
extern const struct place *place; /* the one under test */

int bench_setup(void **state);
int bench_setup_short(void **state); /* windows of a second */
int bench_teardown(void **state);
void bench_open(struct bench *bench);
/* Closes and opens; leases all shards again. */
void bench_reopen(struct bench *bench);
struct store_lease bench_lease(struct bench *bench, const char *replica, bool first);

#define contract_test(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)
#define contract_test_short(test) \
    cmocka_unit_test_setup_teardown(test, bench_setup_short, bench_teardown)

#define wait_for(bench, name, op)                                                \
    do {                                                                         \
        if (!store_##name##_wait((bench)->store, (op), &(bench)->err))           \
            fail_msg(#name ": %s (%s)", (bench)->err.text, (bench)->err.detail); \
    } while (0)

/* Task number n: admitted n µs after T0, in shard n % 64, with an id of the server's. */
uint64_t seq_of(unsigned number);
struct aion_uuid id_of(unsigned number);
/* A place at a time of the test's own. */
uint64_t seq_at(int64_t utc_us, unsigned shard);
struct aion_uuid id_at(uint64_t seq);
struct aion_uuid own_id_of(unsigned number); /* one that a client made */
extern const aion_str digest_a, digest_b;    /* 32 bytes each */

struct store_write write_of(const struct bench *bench, uint64_t seq);
struct store_accept accept_of(const struct bench *bench, unsigned number);
struct store_accept accept_at(const struct bench *bench, uint64_t seq);
struct store_begin begin_of(struct store_token token);
struct store_start start_of(const struct bench *bench, uint64_t seq, struct store_token token);
struct store_retry retry_of(const struct bench *bench, uint64_t seq, struct store_token token);
struct store_finish finish_of(const struct bench *bench, uint64_t seq, struct store_token token,
                              enum store_state state);
struct store_mark mark_of(const struct bench *bench, uint64_t seq, uint32_t number,
                          enum store_mark_kind kind);
struct store_chunk chunk_of(uint64_t cursor, uint64_t sequence, uint32_t attempt);
struct store_outbox event_of(struct bench *bench, unsigned number, uint32_t kinds);

void put_task(struct bench *bench, unsigned number);
void put_task_at(struct bench *bench, uint64_t seq);
enum store_outcome start_task(struct bench *bench, unsigned number, uint64_t epoch,
                              uint32_t attempt);
enum store_outcome finish_task(struct bench *bench, unsigned number, struct store_token token,
                               enum store_state state);
enum store_outcome put_chunks(struct bench *bench, unsigned number, struct store_token token,
                              uint64_t first, size_t count);
struct store_task read_task(struct bench *bench, unsigned number);
bool is_found(struct bench *bench, const struct aion_uuid *id);
int64_t balance_of(struct bench *bench, const char *account);

static inline bool str_is(aion_str value, const char *text)
{
    return aion_str_is(value, text);
}

/* Each file's tests. */
extern const struct CMUnitTest task_tests[], output_tests[], read_tests[], shard_tests[],
    ledger_tests[], events_tests[], audit_tests[], admin_tests[], sweep_tests[], fact_tests[];
extern const size_t task_test_count, output_test_count, read_test_count, shard_test_count,
    ledger_test_count, events_test_count, audit_test_count, admin_test_count, sweep_test_count,
    fact_test_count;

#endif
