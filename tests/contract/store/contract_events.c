/* The outbox and its cursors. */
#include "contract.h"

static void put_event(struct bench *bench, unsigned number)
{
    struct store_outbox event = event_of(bench, number, STORE_EVENT_ACCEPTED);
    struct store_accept accept = accept_of(bench, number);
    accept.write.event = &event;
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_DONE);
}

static struct store_events_read read_of(struct bench *bench)
{
    return (struct store_events_read){
        .op.arena = &bench->arena, .shards = STORE_ALL_SHARDS, .limit = 100};
}

static void an_event_is_read_as_it_was_written(void **state)
{
    struct bench *bench = *state;
    struct store_outbox event = event_of(bench, 1, STORE_EVENT_STARTED | STORE_EVENT_FAILED);
    event.started_us = T0 + 5;
    event.attempt = 3;
    event.host = AION_STR("host-1");
    struct store_accept accept = accept_of(bench, 1);
    accept.write.event = &event;
    wait_for(bench, accept, &accept);
    struct store_events_read read = read_of(bench);
    wait_for(bench, events_read, &read);
    assert_int_equal(read.count, 1);
    const struct store_outbox *got = &read.events[0];
    assert_int_equal(got->sequence, event.sequence);
    assert_int_equal(got->seq, seq_of(1));
    assert_true(aion_uuid_eq(&got->id, &event.id));
    assert_true(str_is(got->tenant, "default") && str_is(got->intent, "noop"));
    assert_int_equal(got->kinds, event.kinds);
    assert_int_equal(got->state, STORE_QUEUED);
    assert_int_equal(got->attempt, 3);
    assert_int_equal(got->at_us, event.at_us);
    assert_int_equal(got->started_us, T0 + 5);
    assert_true(str_is(got->host, "host-1") && str_is(got->note, "why"));
    assert_true(str_is(got->payload, "payload"));
}

/* Rows of a shard in order, none twice, whatever the page. */
static void events_come_per_shard_in_order(void **state)
{
    struct bench *bench = *state;
    unsigned seen = 0;
    for (unsigned i = 0; i < 40; i++)
        put_event(bench, i % 4 + 64 * (i / 4));
    struct store_events_read read = read_of(bench);
    read.limit = 7;
    do {
        wait_for(bench, events_read, &read);
        for (size_t i = 0; i < read.count; i++, seen++) {
            unsigned shard = store_seq_shard(read.events[i].seq);
            assert_true(read.events[i].sequence > read.after[shard]);
            read.after[shard] = read.events[i].sequence;
        }
    } while (read.more);
    assert_int_equal(seen, 40);
    read = read_of(bench);
    read.shards = 1u << 2;
    wait_for(bench, events_read, &read);
    assert_int_equal(read.count, 10);
    for (size_t i = 0; i < read.count; i++)
        assert_int_equal(store_seq_shard(read.events[i].seq), 2);
}

/* From its answer on, only what came after it is read; shards out of the set are left alone. */
static void the_end_of_shards_is_told_without_their_rows(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 0; i < 12; i++)
        put_event(bench, i % 4 + 64 * (i / 4));
    struct store_events_read read = read_of(bench);
    read.to_end = true;
    read.shards = STORE_ALL_SHARDS & ~(UINT64_C(1) << 3);
    wait_for(bench, events_read, &read);
    assert_int_equal(read.count, 0);
    assert_false(read.more);
    assert_true(read.after[0] > 0 && read.after[3] == 0);
    put_event(bench, 1 + 64 * 10);
    read.to_end = false;
    wait_for(bench, events_read, &read);
    assert_int_equal(read.count, 1);
    assert_int_equal(store_seq_shard(read.events[0].seq), 1);
}

static void a_page_of_events_is_bounded_in_bytes(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 0; i < 10; i++)
        put_event(bench, i);
    struct store_events_read read = read_of(bench);
    read.bytes_max = 8; /* a payload is 7 */
    wait_for(bench, events_read, &read);
    assert_true(read.more);
    assert_in_range(read.count, 1, 2);
}

/* Ten minutes, an event each: from the sixth on none is missing, and of what was long before
 * only as much comes as a window (an hour here at most) may hold. */
static void events_from_a_time_on_are_all_there(void **state)
{
    struct bench *bench = *state;
    enum { COUNT = 10, FROM = 6 };
    size_t wanted = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        struct store_outbox event = event_of(bench, i, STORE_EVENT_ACCEPTED);
        struct store_accept accept = accept_of(bench, i);
        event.at_us = T0 + i * INT64_C(60000000);
        accept.write.event = &event;
        wait_for(bench, accept, &accept);
    }
    struct store_events_read read = read_of(bench);
    read.from_us = T0 + FROM * INT64_C(60000000);
    wait_for(bench, events_read, &read);
    for (size_t i = 0; i < read.count; i++)
        wanted += read.events[i].at_us >= read.from_us;
    assert_int_equal(wanted, COUNT - FROM);
    read.from_us = T0 + INT64_C(2) * 3600 * 1000000;
    wait_for(bench, events_read, &read);
    assert_int_equal(read.count, 0);
}

static void a_refused_write_tells_nobody(void **state)
{
    struct bench *bench = *state;
    put_event(bench, 1);
    struct store_outbox event = event_of(bench, 1, STORE_EVENT_FAILED);
    struct store_finish finish =
        finish_of(bench, seq_of(1), (struct store_token){7, 7}, STORE_FAILED);
    finish.write.event = &event;
    wait_for(bench, finish, &finish);
    assert_int_equal(finish.write.outcome, STORE_STALE);
    struct store_events_read read = read_of(bench);
    wait_for(bench, events_read, &read);
    assert_int_equal(read.count, 1);
}

static void a_cursor_only_grows(void **state)
{
    struct bench *bench = *state;
    struct store_cursor_read read = {.op.arena = &bench->arena, .name = AION_STR("kafka")};
    wait_for(bench, cursor_read, &read);
    assert_false(read.found);
    assert_int_equal(read.sequence[3], 0);
    struct store_cursor_put put = {.name = AION_STR("kafka"), .shards = 1u << 3 | 1u << 5};
    put.sequence[3] = 30;
    put.sequence[5] = 50;
    put.sequence[6] = 60; /* not in the set */
    wait_for(bench, cursor_put, &put);
    put.shards = 1u << 3;
    put.sequence[3] = 20;
    wait_for(bench, cursor_put, &put);
    wait_for(bench, cursor_read, &read);
    assert_true(read.found);
    assert_int_equal(read.sequence[3], 30);
    assert_int_equal(read.sequence[5], 50);
    assert_int_equal(read.sequence[6], 0);
    struct store_cursor_drop drop = {.name = AION_STR("kafka")};
    wait_for(bench, cursor_drop, &drop);
    wait_for(bench, cursor_read, &read);
    assert_false(read.found);
}

const struct CMUnitTest events_tests[] = {
    contract_test(an_event_is_read_as_it_was_written),
    contract_test(events_come_per_shard_in_order),
    contract_test(the_end_of_shards_is_told_without_their_rows),
    contract_test(a_page_of_events_is_bounded_in_bytes),
    contract_test(events_from_a_time_on_are_all_there),
    contract_test(a_refused_write_tells_nobody),
    contract_test(a_cursor_only_grows),
};
const size_t events_test_count = aion_countof(events_tests);
