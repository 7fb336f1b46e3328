/* Shards: leases, epochs, fences. */
#include "contract.h"

static void a_lease_tells_of_every_shard(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 5);
    struct store_accept accept = accept_of(bench, 6);
    struct store_outbox event = event_of(bench, 6, STORE_EVENT_ACCEPTED);
    event.sequence = 77;
    accept.write.event = &event;
    wait_for(bench, accept, &accept);
    struct store_lease lease = bench_lease(bench, "one", true);
    assert_int_equal(lease.replicas, 1);
    assert_true(lease.now_us > T0);
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        const struct store_shard *shard = &lease.shards[i];
        assert_true(shard->mine && shard->claimed && shard->epoch > 0);
        assert_true(str_is(shard->owner, "one") && str_is(shard->address, "here:1"));
        assert_true(shard->until_us > lease.now_us);
    }
    assert_true(lease.shards[5].newest_seq >= seq_of(5));
    assert_true(lease.shards[6].newest_seq >= seq_of(6));
    assert_true(lease.shards[6].newest_event >= 77);
    lease = bench_lease(bench, "one", false);
    assert_true(lease.shards[5].mine);
    assert_false(lease.shards[5].claimed);
}

static void a_new_process_has_a_higher_epoch(void **state)
{
    struct bench *bench = *state;
    uint64_t epoch = bench->epochs[9];
    if (!place->keeps)
        skip();
    bench_reopen(bench);
    assert_true(bench->epochs[9] > epoch);
}

/* Each kind of write, under another epoch than the shard's. */
static void a_write_under_another_epoch_has_no_effect(void **state)
{
    struct bench *bench = *state;
    const struct store_token first = {1, 1};
    put_task(bench, 1);
    start_task(bench, 1, 1, 1);
    bench->epochs[1]--;
    bench->epochs[2]++;
    struct store_accept accept = accept_of(bench, 2);
    struct store_outbox event = event_of(bench, 2, STORE_EVENT_ACCEPTED);
    accept.write.event = &event;
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_FENCED);
    assert_int_equal(start_task(bench, 1, 2, 2), STORE_FENCED);
    assert_int_equal(put_chunks(bench, 1, first, 1, 1), STORE_FENCED);
    assert_int_equal(finish_task(bench, 1, first, STORE_SUCCEEDED), STORE_FENCED);
    struct store_retry retry = retry_of(bench, seq_of(1), first);
    wait_for(bench, retry, &retry);
    assert_int_equal(retry.write.outcome, STORE_FENCED);
    struct store_mark mark = mark_of(bench, seq_of(1), 1, STORE_MARK_HELD);
    wait_for(bench, mark, &mark);
    assert_int_equal(mark.write.outcome, STORE_FENCED);
    struct store_route route = {.write = write_of(bench, seq_of(1)), .at_us = T0};
    wait_for(bench, route, &route);
    assert_int_equal(route.write.outcome, STORE_FENCED);
    struct store_ack ack = {.write = write_of(bench, seq_of(1)), .cursor = 1};
    wait_for(bench, ack, &ack);
    assert_int_equal(ack.write.outcome, STORE_FENCED);
    bench->epochs[1]++;
    assert_int_equal(read_task(bench, 1).state, STORE_RUNNING);
    assert_int_equal(read_task(bench, 1).attempt_count, 1);
    struct aion_uuid id = id_of(2);
    assert_false(is_found(bench, &id));
    assert_int_equal(put_chunks(bench, 1, first, 1, 1), STORE_DONE);
}

/* -- several replicas; stores of one process have one -------------------------------- */
static unsigned count_mine(const struct store_lease *lease)
{
    unsigned count = 0;
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        count += lease->shards[i].mine;
    return count;
}

static struct store_lease lease_for(struct bench *bench, const char *replica, int64_t lease_us,
                                    uint32_t shards_max, uint64_t release)
{
    struct store_lease lease = {.op.arena = &bench->arena,
                                .replica = aion_str_of(replica),
                                .address = AION_STR("there:1"),
                                .lease_us = lease_us,
                                .shards_max = shards_max,
                                .release = release};
    wait_for(bench, lease, &lease);
    return lease;
}

static void shards_are_shared_between_replicas(void **state)
{
    struct bench *bench = *state;
    if (!store_info(bench->store).shared)
        skip();
    struct store_lease other = lease_for(bench, "two", 60 * SECOND, STORE_SHARDS, 0);
    assert_int_equal(other.replicas, 2);
    assert_int_equal(count_mine(&other), 0); /* all have an owner */
    struct store_lease one =
        lease_for(bench, "one", 60 * SECOND, STORE_SHARDS, 0xffffffff00000000);
    assert_int_equal(count_mine(&one), 32);
    other = lease_for(bench, "two", 60 * SECOND, STORE_SHARDS, 0);
    assert_int_equal(count_mine(&other), 32);
    assert_true(other.shards[40].claimed && other.shards[40].epoch == bench->epochs[40] + 1);
    assert_true(str_is(other.shards[3].owner, "one") && !other.shards[3].mine);
    assert_int_equal(start_task(bench, 40, 1, 1), STORE_FENCED);
    one = lease_for(bench, "one", 60 * SECOND, STORE_SHARDS, 0);
    assert_int_equal(count_mine(&one), 32); /* no more than its share */
}

static void a_lease_that_is_over_is_anybodys(void **state)
{
    struct bench *bench = *state;
    if (!store_info(bench->store).shared)
        skip();
    lease_for(bench, "one", 0, 0, 0);
    struct store_lease other = lease_for(bench, "two", 60 * SECOND, STORE_SHARDS, 0);
    assert_int_equal(other.replicas, 1);
    assert_int_equal(count_mine(&other), STORE_SHARDS);
    assert_int_equal(other.shards[0].epoch, bench->epochs[0] + 1);
    assert_int_equal(start_task(bench, 1, 1, 1), STORE_FENCED);
}

static void a_replica_that_starts_anew_fences_its_former_self(void **state)
{
    struct bench *bench = *state;
    uint64_t epoch = bench->epochs[1];
    if (!store_info(bench->store).shared)
        skip();
    put_task(bench, 1);
    bench_lease(bench, "one", true);
    assert_int_equal(bench->epochs[1], epoch + 1);
    bench->epochs[1] = epoch;
    assert_int_equal(start_task(bench, 1, 1, 1), STORE_FENCED);
}

const struct CMUnitTest shard_tests[] = {
    contract_test(a_lease_tells_of_every_shard),
    contract_test(a_new_process_has_a_higher_epoch),
    contract_test(a_write_under_another_epoch_has_no_effect),
    contract_test(shards_are_shared_between_replicas),
    contract_test(a_lease_that_is_over_is_anybodys),
    contract_test(a_replica_that_starts_anew_fences_its_former_self),
};
const size_t shard_test_count = aion_countof(shard_tests);
