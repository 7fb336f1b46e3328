/* The bench of the contract's tests, and their main. */
#include "contract.h"

#include "base/clock.h"

const struct place *place;
int64_t contract_t0 = 1700000000000000;
const aion_str digest_a = {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 32},
               digest_b = {"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", 32};

/* -- the bench ---------------------------------------------------------------------- */
void bench_open(struct bench *bench)
{
    struct store_conf conf = {.url = bench->url, .window_us = bench->window_us};
    bench->store = store_open(&conf, &bench->err);
    if (bench->store == NULL)
        fail_msg("open: %s (%s)", bench->err.text, bench->err.detail);
}

struct store_lease bench_lease(struct bench *bench, const char *replica, bool first)
{
    struct store_lease lease = {.op.arena = &bench->arena,
                                .replica = aion_str_of(replica),
                                .address = AION_STR("here:1"),
                                .lease_us = 60 * SECOND,
                                .shards_max = STORE_SHARDS,
                                .first = first};
    wait_for(bench, lease, &lease);
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        if (lease.shards[i].mine)
            bench->epochs[i] = lease.shards[i].epoch;
    return lease;
}

void bench_reopen(struct bench *bench)
{
    store_close(bench->store);
    bench_open(bench);
    bench_lease(bench, "one", true);
}

static int setup(void **state, int64_t window_us)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    char why[256] = "";
    *state = bench;
    bench->window_us = window_us;
    aion_arena_init(&bench->arena, 64 << 20, NULL, 0);
    if (!place->make(bench->url, why))
        fail_msg("%s", why);
    bench_open(bench);
    bench_lease(bench, "one", true);
    return 0;
}

int bench_setup(void **state)
{
    return setup(state, 0);
}

int bench_setup_short(void **state)
{
    return setup(state, SECOND);
}

int bench_teardown(void **state)
{
    struct bench *bench = *state;
    store_close(bench->store);
    place->unmake(bench->url);
    aion_arena_done(&bench->arena);
    free(bench);
    return 0;
}

/* -- tasks -------------------------------------------------------------------------- */
uint64_t seq_at(int64_t utc_us, unsigned shard)
{
    return store_seq(utc_us, shard % STORE_SHARDS);
}

uint64_t seq_of(unsigned number)
{
    return seq_at(T0 + number, number);
}

/* As the server would make it, but always the same. */
struct aion_uuid id_at(uint64_t seq)
{
    struct aion_uuid id = aion_uuid_at(store_seq_us(seq), store_seq_shard(seq));
    id.bytes[7] &= 0xfc;
    id.bytes[8] = 0x80;
    memset(id.bytes + 9, 7, 6);
    id.bytes[15] &= 63;
    return id;
}

struct aion_uuid id_of(unsigned number)
{
    return id_at(seq_of(number));
}

struct aion_uuid own_id_of(unsigned number)
{
    struct aion_uuid id = {.bytes = {1, 2, 3, 4, 5, 6, 0x41, 0, 0x80}};
    id.bytes[14] = (uint8_t)(number >> 8);
    id.bytes[15] = (uint8_t)number;
    return id;
}

struct store_write write_of(const struct bench *bench, uint64_t seq)
{
    return (struct store_write){.seq = seq, .epoch = bench->epochs[store_seq_shard(seq)]};
}

struct store_accept accept_at(const struct bench *bench, uint64_t seq)
{
    return (struct store_accept){
        .write = write_of(bench, seq),
        .id = id_at(seq),
        .tenant = AION_STR("default"),
        .intent = AION_STR("noop"),
        .key_id = AION_STR("ak_1"),
        .priority = 3,
        .deadline_us = T0 + HOUR,
        .meta = AION_STR("meta"),
        .body = AION_STR("body"),
        .decision = {AION_STR("local"), AION_STR("decision")},
    };
}

struct store_accept accept_of(const struct bench *bench, unsigned number)
{
    return accept_at(bench, seq_of(number));
}

struct store_begin begin_of(struct store_token token)
{
    return (struct store_begin){
        .token = token,
        .at_us = T0 + 1000,
        .host = AION_STR("host-1"),
        .module = AION_STR("noop"),
        .module_digest = AION_STR("sha256:1"),
    };
}

struct store_start start_of(const struct bench *bench, uint64_t seq, struct store_token token)
{
    return (struct store_start){.write = write_of(bench, seq), .begin = begin_of(token)};
}

struct store_retry retry_of(const struct bench *bench, uint64_t seq, struct store_token token)
{
    return (struct store_retry){
        .write = write_of(bench, seq),
        .token = token,
        .at_us = T0 + 1500,
        .due_us = T0 + 5000,
        .error = {.code = 14, .reason = AION_STR("HOST_LOST"), .message = AION_STR("gone")},
    };
}

struct store_finish finish_of(const struct bench *bench, uint64_t seq, struct store_token token,
                              enum store_state state)
{
    return (struct store_finish){
        .write = write_of(bench, seq),
        .token = token,
        .state = state,
        .at_us = T0 + 2000,
        .error = {.code = state == STORE_SUCCEEDED ? 0 : 13, .reason = AION_STR("WHY")},
        .usage =
            {.queue_us = 1, .run_us = 2, .tokens_in = 3, .tokens_out = 4, .cost_nano_usd = 5},
        .result = AION_STR("result"),
    };
}

struct store_mark mark_of(const struct bench *bench, uint64_t seq, uint32_t number,
                          enum store_mark_kind kind)
{
    return (struct store_mark){.write = write_of(bench, seq),
                               .number = number,
                               .kind = kind,
                               .at_us = T0 + 1600 + number,
                               .note = AION_STR("note")};
}

struct store_chunk chunk_of(uint64_t cursor, uint64_t sequence, uint32_t attempt)
{
    return (struct store_chunk){.cursor = cursor,
                                .sequence = sequence,
                                .attempt = attempt,
                                .kind = STORE_CHUNK_TEXT,
                                .content_type = AION_STR("text/plain"),
                                .payload = AION_STR("words")};
}

struct store_outbox event_of(struct bench *bench, unsigned number, uint32_t kinds)
{
    return (struct store_outbox){
        .sequence = ++bench->sequence,
        .id = id_of(number),
        .tenant = AION_STR("default"),
        .intent = AION_STR("noop"),
        .kinds = kinds,
        .state = STORE_QUEUED,
        .at_us = T0 + number,
        .note = AION_STR("why"),
        .payload = AION_STR("payload"),
    };
}

void put_task_at(struct bench *bench, uint64_t seq)
{
    struct store_accept accept = accept_at(bench, seq);
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_DONE);
}

void put_task(struct bench *bench, unsigned number)
{
    put_task_at(bench, seq_of(number));
}

enum store_outcome start_task(struct bench *bench, unsigned number, uint64_t epoch,
                              uint32_t attempt)
{
    struct store_start start =
        start_of(bench, seq_of(number), (struct store_token){epoch, attempt});
    wait_for(bench, start, &start);
    return start.write.outcome;
}

enum store_outcome finish_task(struct bench *bench, unsigned number, struct store_token token,
                               enum store_state state)
{
    struct store_finish finish = finish_of(bench, seq_of(number), token, state);
    wait_for(bench, finish, &finish);
    return finish.write.outcome;
}

enum store_outcome put_chunks(struct bench *bench, unsigned number, struct store_token token,
                              uint64_t first, size_t count)
{
    struct store_chunk chunks[64];
    for (size_t i = 0; i < count; i++)
        chunks[i] = chunk_of(first + i, first + i, token.attempt);
    struct store_chunks op = {.write = write_of(bench, seq_of(number)),
                              .token = token,
                              .chunks = chunks,
                              .count = count};
    wait_for(bench, chunks, &op);
    return op.write.outcome;
}

struct store_task read_task(struct bench *bench, unsigned number)
{
    struct store_task_read read = {.op.arena = &bench->arena,
                                   .id = id_of(number),
                                   .with_body = true,
                                   .with_history = true};
    wait_for(bench, task_read, &read);
    assert_true(read.found);
    return read.task;
}

bool is_found(struct bench *bench, const struct aion_uuid *id)
{
    struct store_task_read read = {.op.arena = &bench->arena, .id = *id};
    wait_for(bench, task_read, &read);
    return read.found;
}

int64_t balance_of(struct bench *bench, const char *account)
{
    struct store_balances read = {
        .op.arena = &bench->arena, .prefix = aion_str_of(account), .limit = 1000};
    wait_for(bench, balances, &read);
    for (size_t i = 0; i < read.count; i++)
        if (aion_str_is(read.balances[i].account, account))
            return read.balances[i].nano_usd;
    return 0;
}

/* -- main --------------------------------------------------------------------------- */
static int run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    printf("-- %s: %s\n", place->name, name);
    return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

int main(int argc, char **argv)
{
    char url[256], why[256] = "";
    place = argc > 1 ? place_find(argv[1]) : NULL;
    if (place == NULL || (argc > 2 && strcmp(argv[2], "now") != 0)) {
        fprintf(stderr, "usage: test_store_contract PLACE [now]: one of places.c\n");
        return 2;
    }
    if (argc > 2)
        contract_t0 = aion_clock_utc_us() / SECOND * SECOND;
    if (!place->make(url, why)) {
        printf("SKIP: %s\n", why);
        return 77;
    }
    place->unmake(url);
    return run("tasks", task_tests, task_test_count) +
           run("output", output_tests, output_test_count) +
           run("reads", read_tests, read_test_count) +
           run("shards", shard_tests, shard_test_count) +
           run("ledger", ledger_tests, ledger_test_count) +
           run("events", events_tests, events_test_count) +
           run("audit", audit_tests, audit_test_count) +
           run("policy, plan, holds, arrivals", admin_tests, admin_test_count) +
           run("sweep", sweep_tests, sweep_test_count) +
           run("facts", fact_tests, fact_test_count);
}
