/* Tables as facts: what one store gives, another one takes. */
#include "contract.h"

/* A store with something in every table. */
static void fill(struct bench *bench)
{
    const struct store_token first = {1, 1};
    const struct store_entry entries[] = {{AION_STR("reserved:b"), 5},
                                          {AION_STR("escrow:b:one"), -5}};
    for (unsigned i = 1; i <= 12; i++) {
        struct store_outbox event = event_of(bench, i, STORE_EVENT_ACCEPTED);
        struct store_accept accept = accept_at(bench, seq_at(T0 + i * SECOND / 2, i));
        accept.write.event = &event;
        accept.write.entries = entries;
        accept.write.entry_count = 2;
        if (i == 3)
            accept.decision = (struct store_decision){0};
        if (i == 4)
            accept.key = AION_STR("key");
        if (i == 5) {
            accept.own_id = true;
            accept.id = own_id_of(5);
        }
        accept.digest = digest_a;
        wait_for(bench, accept, &accept);
    }
    uint64_t seq = seq_at(T0 + 3 * SECOND / 2, 3);
    struct store_route route = {.write = write_of(bench, seq),
                                .at_us = T0 + 2 * SECOND,
                                .decision = {AION_STR("r"), AION_STR("d")}};
    wait_for(bench, route, &route);
    struct store_start start = start_of(bench, seq, first);
    wait_for(bench, start, &start);
    struct store_chunk chunk = chunk_of(1, 1, 1);
    struct store_chunks chunks = {
        .write = write_of(bench, seq), .token = first, .chunks = &chunk, .count = 1};
    wait_for(bench, chunks, &chunks);
    struct store_ack ack = {.write = write_of(bench, seq), .cursor = 1, .at_us = T0};
    wait_for(bench, ack, &ack);
    struct store_retry retry = retry_of(bench, seq, first);
    wait_for(bench, retry, &retry);
    struct store_mark mark = mark_of(bench, seq, 1, STORE_MARK_HELD);
    wait_for(bench, mark, &mark);
    struct store_finish finish =
        finish_of(bench, seq_at(T0 + SECOND, 2), (struct store_token){0, 0}, STORE_FAILED);
    wait_for(bench, finish, &finish);
}

static void fill_rest(struct bench *bench)
{
    struct store_audit line = {.writer = AION_STR("w"),
                               .number = 1,
                               .hash = digest_a,
                               .at_us = T0,
                               .actor = AION_STR("me")};
    struct store_plan_put plan = {.op.audit = &line,
                                  .plan = {.changed_us = T0, .changed_by = AION_STR("me")}};
    wait_for(bench, plan_put, &plan);
    struct store_policy_put policy = {
        .op.arena = &bench->arena,
        .policy = {.digest = AION_STR("sha256:1"), .files = AION_STR("f")}};
    wait_for(bench, policy_put, &policy);
    struct store_hold_put hold = {.hold = {.id = AION_STR("h"), .kind = STORE_HOLD_QUEUE}};
    wait_for(bench, hold_put, &hold);
    struct store_arrival arrival = {.seq = seq_at(T0 + 1, 9), .tenant = AION_STR("t")};
    struct store_arrivals arrivals = {.arrivals = &arrival, .count = 1};
    wait_for(bench, arrivals, &arrivals);
    struct store_cursor_put cursor = {.name = AION_STR("c"), .shards = 1u << 9};
    cursor.sequence[9] = 4;
    wait_for(bench, cursor_put, &cursor);
    struct store_budget_put budget = {.budget = {.id = AION_STR("b"), .limit_nano_usd = 5}};
    wait_for(bench, budget_put, &budget);
    struct store_carve carve = {.budget = AION_STR("b"),
                                .replica = AION_STR("one"),
                                .limit_nano_usd = 100,
                                .want_nano_usd = 10};
    wait_for(bench, carve, &carve);
}

struct copy {
    struct store_fact *facts;
    size_t count;
};

/* All rows of a table, by pages of `limit`. */
static struct copy read_all(struct bench *bench, enum store_table table, uint32_t limit)
{
    struct copy copy = {.facts = calloc(200, sizeof(*copy.facts))};
    struct store_facts_read read = {.op.arena = &bench->arena,
                                    .table = table,
                                    .limit = limit,
                                    .bytes_max = (size_t)1 << 20};
    do {
        wait_for(bench, facts_read, &read);
        assert_true(copy.count + read.count <= 200);
        memcpy(copy.facts + copy.count, read.facts, read.count * sizeof(*copy.facts));
        copy.count += read.count;
        read.after = read.next;
    } while (read.next.size > 0);
    return copy;
}

static bool same_fact(const struct store_fact *a, const struct store_fact *b)
{
    const struct store_layout *layout = store_layout(a->table);
    for (unsigned i = 0; i < layout->columns; i++)
        if (layout->column[i].type == STORE_I64
                ? a->values[i].i64 != b->values[i].i64
                : !aion_str_eq(a->values[i].str, b->values[i].str))
            return false;
    return true;
}

static void assert_same(const struct copy *a, const struct copy *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        bool found = false;
        for (size_t k = 0; k < b->count; k++)
            found |= same_fact(&a->facts[i], &b->facts[k]);
        assert_true(found);
    }
}

/* Every table, page by page, into an empty store, twice; and read again from there. */
static void facts_move_from_store_to_store(void **state)
{
    struct bench *bench = *state, to = {.window_us = 7 * SECOND};
    struct copy copies[STORE_TABLE_COUNT];
    char why[256];
    fill(bench);
    fill_rest(bench);
    aion_arena_init(&to.arena, 64 << 20, NULL, 0);
    assert_true(place->make(to.url, why));
    bench_open(&to);
    for (enum store_table i = 0; i < STORE_TABLE_COUNT; i++) {
        copies[i] = read_all(bench, i, 3);
        assert_true(copies[i].count > 0);
        struct store_facts_put put = {.facts = copies[i].facts, .count = copies[i].count};
        wait_for(&to, facts_put, &put);
        assert_true(i == STORE_TABLE_SHARD || put.added == copies[i].count);
        wait_for(&to, facts_put, &put);
        assert_int_equal(put.added, 0);
    }
    for (enum store_table i = 0; i < STORE_TABLE_SHARD; i++) {
        struct copy back = read_all(&to, i, 100);
        assert_same(&copies[i], &back);
        free(back.facts);
        free(copies[i].facts);
    }
    free(copies[STORE_TABLE_SHARD].facts);
    bench_lease(&to, "two", true);
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        assert_true(to.epochs[i] >= bench->epochs[i]);
    struct aion_uuid own = own_id_of(5);
    assert_true(is_found(&to, &own));
    assert_int_equal(balance_of(&to, "escrow:b:one"), balance_of(bench, "escrow:b:one"));
    struct store_load load = {.op.arena = &to.arena, .shards = STORE_ALL_SHARDS, .limit = 100};
    wait_for(&to, load, &load);
    assert_int_equal(load.count, 11);
    store_close(to.store);
    place->unmake(to.url);
    aion_arena_done(&to.arena);
}

const struct CMUnitTest fact_tests[] = {
    contract_test_short(facts_move_from_store_to_store),
};
const size_t fact_test_count = aion_countof(fact_tests);
