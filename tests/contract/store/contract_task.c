/* The life of tasks: admission, decision, attempts, ends, marks. */
#include "contract.h"

/* -- admission ---------------------------------------------------------------------- */
static void a_task_is_read_as_it_was_accepted(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_QUEUED);
    assert_int_equal(task.seq, seq_of(1));
    assert_false(task.own_id);
    assert_true(str_is(task.tenant, "default") && str_is(task.intent, "noop"));
    assert_true(str_is(task.meta, "meta") && str_is(task.body, "body"));
    assert_true(str_is(task.key_id, "ak_1"));
    assert_true(str_is(task.decision.bytes, "decision") &&
                str_is(task.decision.route, "local"));
    assert_int_equal(task.priority, 3);
    assert_int_equal(task.created_us, T0 + 1);
    assert_int_equal(task.updated_us, T0 + 1);
    assert_int_equal(task.deadline_us, T0 + HOUR);
    assert_int_equal(task.token.attempt, 0);
    assert_int_equal(task.event_count, 1);
    assert_int_equal(task.events[0].kinds,
                     STORE_EVENT_ACCEPTED | STORE_EVENT_ROUTED | STORE_EVENT_QUEUED);
    assert_int_equal(task.attempt_count, 0);
}

static void a_task_accepted_again_word_for_word_is_the_same_task(void **state)
{
    struct bench *bench = *state;
    struct store_outbox event = event_of(bench, 1, STORE_EVENT_ACCEPTED);
    struct store_accept accept = accept_of(bench, 1);
    accept.key = AION_STR("k");
    accept.digest = digest_a;
    accept.write.event = &event;
    for (int i = 0; i < 2; i++) {
        wait_for(bench, accept, &accept);
        assert_int_equal(accept.write.outcome, STORE_DONE);
        event.sequence++;
    }
    struct store_events_read events = {
        .op.arena = &bench->arena, .shards = STORE_ALL_SHARDS, .limit = 10};
    wait_for(bench, events_read, &events);
    assert_int_equal(events.count, 1);
}

static void a_task_without_decision_waits_for_its_route(void **state)
{
    struct bench *bench = *state;
    struct store_accept accept = accept_of(bench, 1);
    accept.decision = (struct store_decision){0};
    wait_for(bench, accept, &accept);
    assert_int_equal(read_task(bench, 1).state, STORE_ACCEPTED);
    struct store_route route = {.write = write_of(bench, seq_of(1)),
                                .at_us = T0 + 50,
                                .decision = {AION_STR("far"), AION_STR("late")}};
    for (int i = 0; i < 2; i++) {
        wait_for(bench, route, &route);
        assert_int_equal(route.write.outcome, STORE_DONE);
    }
    route.at_us++;
    wait_for(bench, route, &route);
    assert_int_equal(route.write.outcome, STORE_STALE);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_QUEUED);
    assert_true(str_is(task.decision.bytes, "late") && str_is(task.decision.route, "far"));
    assert_int_equal(task.updated_us, T0 + 50);
    assert_int_equal(task.event_count, 2);
    assert_int_equal(task.events[1].kinds, STORE_EVENT_ROUTED | STORE_EVENT_QUEUED);
}

static void a_routed_task_is_not_routed_again(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    struct store_route route = {.write = write_of(bench, seq_of(1)),
                                .at_us = T0 + 50,
                                .decision = {.bytes = AION_STR("late")}};
    wait_for(bench, route, &route);
    assert_int_equal(route.write.outcome, STORE_STALE);
    route.write.seq = seq_of(2);
    route.write.epoch = bench->epochs[2];
    wait_for(bench, route, &route);
    assert_int_equal(route.write.outcome, STORE_STALE);
}

/* -- idempotency -------------------------------------------------------------------- */
static void the_same_key_and_body_give_the_first_task(void **state)
{
    struct bench *bench = *state;
    struct store_accept accept = accept_of(bench, 1);
    accept.key = AION_STR("k");
    accept.digest = digest_a;
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_DONE);
    accept.write.seq = seq_of(65);
    accept.id = id_of(65);
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_DUPLICATE);
    struct aion_uuid first = id_of(1);
    assert_true(aion_uuid_eq(&accept.first, &first));
    assert_int_equal(accept.first_seq, seq_of(1));
    accept.digest = digest_b;
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_CONFLICT);
    assert_true(aion_uuid_eq(&accept.first, &first));
    accept.tenant = AION_STR("other");
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_DONE);
}

static void a_key_of_another_window_is_found(void **state)
{
    struct bench *bench = *state;
    struct store_accept accept = accept_of(bench, 1);
    accept.key = AION_STR("k");
    accept.digest = digest_a;
    wait_for(bench, accept, &accept);
    for (int i = 1; i <= 3; i++) {
        uint64_t seq = seq_at(T0 + 20 * i * SECOND, 1);
        accept = accept_at(bench, seq);
        accept.key = AION_STR("k");
        accept.digest = digest_a;
        wait_for(bench, accept, &accept);
        assert_int_equal(accept.write.outcome, STORE_DUPLICATE);
        assert_int_equal(accept.first_seq, seq_of(1));
    }
}

static void a_key_is_found_by_its_tenant(void **state)
{
    struct bench *bench = *state;
    struct store_accept accept = accept_of(bench, 1);
    accept.key = AION_STR("k");
    accept.digest = digest_a;
    wait_for(bench, accept, &accept);
    struct store_key_read read = {
        .op.arena = &bench->arena, .tenant = AION_STR("default"), .key = AION_STR("k")};
    wait_for(bench, key_read, &read);
    assert_true(read.found);
    assert_memory_equal(read.digest, digest_a.data, 32);
    assert_int_equal(read.seq, seq_of(1));
    read.tenant = AION_STR("other");
    wait_for(bench, key_read, &read);
    assert_false(read.found);
}

static struct store_accept own_accept(const struct bench *bench, unsigned number)
{
    struct store_accept accept = accept_of(bench, number);
    accept.id = own_id_of(number);
    accept.own_id = true;
    accept.digest = digest_a;
    return accept;
}

static void a_clients_own_id_acts_as_a_key(void **state)
{
    struct bench *bench = *state;
    struct store_accept accept = own_accept(bench, 1);
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_DONE);
    assert_true(is_found(bench, &accept.id));
    accept.write.seq = seq_of(65);
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_DUPLICATE);
    assert_int_equal(accept.first_seq, seq_of(1));
    accept.digest = digest_b;
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_CONFLICT);
    accept.tenant = AION_STR("other");
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_TAKEN);
}

static void an_id_of_the_servers_is_no_clients_own(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    struct store_accept accept = own_accept(bench, 65);
    accept.id = id_of(1);
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_CONFLICT);
    accept.tenant = AION_STR("other");
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_TAKEN);
}

/* -- attempts ----------------------------------------------------------------------- */
static void an_attempt_starts_under_a_greater_number_only(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    assert_int_equal(start_task(bench, 1, 5, 1), STORE_DONE);
    assert_int_equal(start_task(bench, 1, 5, 1), STORE_DONE); /* the same */
    assert_int_equal(start_task(bench, 1, 6, 1), STORE_STALE);
    assert_int_equal(start_task(bench, 1, 6, 2), STORE_DONE);
    assert_int_equal(start_task(bench, 1, 7, 1), STORE_STALE);
    assert_int_equal(start_task(bench, 2, 6, 2), STORE_STALE);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_RUNNING);
    assert_int_equal(task.token.epoch, 6);
    assert_int_equal(task.token.attempt, 2);
    assert_int_equal(task.updated_us, T0 + 1000);
    assert_int_equal(task.attempt_count, 2);
    assert_true(str_is(task.attempts[1].host, "host-1"));
    assert_true(str_is(task.attempts[1].module, "noop"));
    assert_true(str_is(task.attempts[1].module_digest, "sha256:1"));
    assert_int_equal(task.attempts[1].started_us, T0 + 1000);
}

static void a_failed_attempt_waits_for_the_next(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_task(bench, 1, 1, 1);
    struct store_chunk chunk = chunk_of(1, 1, 1);
    struct store_retry retry = retry_of(bench, seq_of(1), (struct store_token){1, 1});
    retry.chunks = &chunk;
    retry.count = 1;
    for (int i = 0; i < 2; i++) {
        wait_for(bench, retry, &retry);
        assert_int_equal(retry.write.outcome, STORE_DONE);
    }
    retry.at_us++;
    wait_for(bench, retry, &retry);
    assert_int_equal(retry.write.outcome, STORE_STALE);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_RETRY_WAIT);
    assert_int_equal(task.due_us, T0 + 5000);
    assert_true(str_is(task.error.reason, "HOST_LOST"));
    assert_true(str_is(task.attempts[0].error.message, "gone"));
    assert_int_equal(task.attempts[0].ended_us, T0 + 1500);
    assert_int_equal(task.cursor, 1);
    assert_int_equal(task.events[2].kinds, STORE_EVENT_RETRY);
    assert_true(str_is(task.events[2].note, "HOST_LOST"));
    assert_int_equal(start_task(bench, 1, 1, 2), STORE_DONE);
    assert_int_equal(read_task(bench, 1).error.code, 0);
    assert_int_equal(put_chunks(bench, 1, (struct store_token){1, 1}, 2, 1), STORE_STALE);
}

static void an_unwritten_start_comes_with_the_retry(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    struct store_token token = {1, 1};
    struct store_begin begin = begin_of(token);
    struct store_retry retry = retry_of(bench, seq_of(1), token);
    retry.begin = &begin;
    for (int i = 0; i < 2; i++) {
        wait_for(bench, retry, &retry);
        assert_int_equal(retry.write.outcome, STORE_DONE);
    }
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_RETRY_WAIT);
    assert_int_equal(task.attempt_count, 1);
    assert_true(str_is(task.attempts[0].host, "host-1"));
    assert_int_equal(task.event_count, 3);
    begin.at_us++;
    retry.at_us++;
    wait_for(bench, retry, &retry);
    assert_int_equal(retry.write.outcome, STORE_STALE);
}

static void a_doubtful_end_waits_for_a_word(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_task(bench, 1, 1, 1);
    struct store_retry retry = retry_of(bench, seq_of(1), (struct store_token){1, 1});
    retry.doubt = true;
    wait_for(bench, retry, &retry);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_IN_DOUBT);
    assert_true(task.attempts[0].doubt);
    assert_int_equal(task.events[2].kinds, STORE_EVENT_DOUBT);
    struct store_mark mark = mark_of(bench, seq_of(1), 1, STORE_MARK_RESOLVED);
    mark.attempt = 2;
    wait_for(bench, mark, &mark);
    assert_int_equal(mark.write.outcome, STORE_STALE);
    mark.attempt = 1;
    wait_for(bench, mark, &mark);
    assert_int_equal(mark.write.outcome, STORE_DONE);
    task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_QUEUED);
    assert_int_equal(task.marks, 1);
    assert_int_equal(task.events[3].kinds, STORE_EVENT_RESOLVED);
    assert_int_equal(start_task(bench, 1, 1, 2), STORE_DONE);
    assert_int_equal(read_task(bench, 1).state, STORE_RUNNING);
}

/* -- the end ------------------------------------------------------------------------ */
static void a_stale_result_changes_nothing(void **state)
{
    struct bench *bench = *state;
    const struct store_token old = {1, 1}, current = {2, 2};
    put_task(bench, 1);
    start_task(bench, 1, 1, 1);
    start_task(bench, 1, 2, 2);
    assert_int_equal(finish_task(bench, 1, old, STORE_SUCCEEDED), STORE_STALE);
    assert_int_equal(finish_task(bench, 1, (struct store_token){3, 2}, STORE_SUCCEEDED),
                     STORE_STALE);
    assert_int_equal(read_task(bench, 1).state, STORE_RUNNING);
    assert_int_equal(finish_task(bench, 1, current, STORE_SUCCEEDED), STORE_DONE);
    assert_int_equal(finish_task(bench, 1, current, STORE_SUCCEEDED), STORE_DONE);
    assert_int_equal(finish_task(bench, 1, current, STORE_FAILED), STORE_STALE);
    assert_int_equal(start_task(bench, 1, 2, 3), STORE_STALE);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_SUCCEEDED);
    assert_true(str_is(task.result, "result"));
    assert_int_equal(task.usage.tokens_out, 4);
    assert_int_equal(task.usage.cost_nano_usd, 5);
    assert_int_equal(task.updated_us, T0 + 2000);
    assert_int_equal(task.token.attempt, 2);
    assert_int_equal(task.attempts[1].ended_us, T0 + 2000);
    assert_int_equal(task.events[task.event_count - 1].kinds, STORE_EVENT_SUCCEEDED);
    assert_int_equal(finish_task(bench, 9, (struct store_token){0, 0}, STORE_FAILED),
                     STORE_STALE);
}

static void an_unwritten_start_comes_with_the_end(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_task(bench, 1, 1, 1);
    struct store_token token = {1, 2};
    struct store_begin begin = begin_of(token);
    struct store_finish finish = finish_of(bench, seq_of(1), token, STORE_SUCCEEDED);
    begin.at_us += 100;
    begin.host = AION_STR("host-2");
    finish.begin = &begin;
    for (int i = 0; i < 2; i++) {
        wait_for(bench, finish, &finish);
        assert_int_equal(finish.write.outcome, STORE_DONE);
    }
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_SUCCEEDED);
    assert_int_equal(task.token.attempt, 2);
    assert_int_equal(task.attempt_count, 2);
    assert_true(str_is(task.attempts[1].host, "host-2"));
    assert_int_equal(task.attempts[1].started_us, T0 + 1100);
    assert_int_equal(task.attempts[1].ended_us, T0 + 2000);
    assert_int_equal(task.event_count, 4);
    assert_int_equal(task.events[2].kinds, STORE_EVENT_STARTED);
    assert_int_equal(task.events[3].kinds, STORE_EVENT_SUCCEEDED);
    assert_int_equal(task.events[3].attempt, 2);
}

static void a_start_that_comes_late_is_stale(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_task(bench, 1, 1, 2);
    struct store_token token = {1, 1};
    struct store_begin begin = begin_of(token);
    struct store_finish finish = finish_of(bench, seq_of(1), token, STORE_SUCCEEDED);
    finish.begin = &begin;
    wait_for(bench, finish, &finish);
    assert_int_equal(finish.write.outcome, STORE_STALE);
    assert_int_equal(read_task(bench, 1).state, STORE_RUNNING);
}

static void a_task_that_never_ran_is_cancelled_under_token_zero(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    assert_int_equal(finish_task(bench, 1, (struct store_token){1, 1}, STORE_CANCELLED),
                     STORE_STALE);
    assert_int_equal(finish_task(bench, 1, (struct store_token){0, 0}, STORE_CANCELLED),
                     STORE_DONE);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_CANCELLED);
    assert_int_equal(task.error.code, 13);
    assert_true(str_is(task.error.reason, "WHY"));
    assert_int_equal(start_task(bench, 1, 1, 1), STORE_STALE);
}

static void a_waiting_task_is_ended_under_its_last_token(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_task(bench, 1, 1, 1);
    struct store_retry retry = retry_of(bench, seq_of(1), (struct store_token){1, 1});
    wait_for(bench, retry, &retry);
    assert_int_equal(finish_task(bench, 1, (struct store_token){0, 0}, STORE_EXPIRED),
                     STORE_STALE);
    assert_int_equal(finish_task(bench, 1, (struct store_token){1, 1}, STORE_EXPIRED),
                     STORE_DONE);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_EXPIRED);
    assert_int_equal(task.attempts[0].ended_us, T0 + 1500);
    assert_true(str_is(task.attempts[0].error.reason, "HOST_LOST"));
}

/* -- marks -------------------------------------------------------------------------- */
static void a_resumed_attempt_is_told_in_the_history(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_task(bench, 1, 1, 1);
    struct store_mark mark = mark_of(bench, seq_of(1), 1, STORE_MARK_RESUMED);
    mark.attempt = 1;
    wait_for(bench, mark, &mark);
    assert_int_equal(mark.write.outcome, STORE_DONE);
    mark.attempt = mark.number = 2;
    wait_for(bench, mark, &mark);
    assert_int_equal(mark.write.outcome, STORE_STALE);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_RUNNING);
    assert_int_equal(task.event_count, 3);
    assert_int_equal(task.events[2].kinds, STORE_EVENT_RESUMED);
    assert_true(str_is(task.events[2].note, "note"));
}

static enum store_outcome put_mark(struct bench *bench, uint32_t number,
                                   enum store_mark_kind kind)
{
    struct store_mark mark = mark_of(bench, seq_of(1), number, kind);
    wait_for(bench, mark, &mark);
    return mark.write.outcome;
}

static void a_task_is_held_and_released(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    assert_int_equal(put_mark(bench, 1, STORE_MARK_HELD), STORE_DONE);
    assert_int_equal(read_task(bench, 1).state, STORE_HELD);
    assert_int_equal(put_mark(bench, 1, STORE_MARK_HELD), STORE_DONE); /* the same */
    assert_int_equal(put_mark(bench, 1, STORE_MARK_RELEASED), STORE_STALE);
    assert_int_equal(put_mark(bench, 2, STORE_MARK_RELEASED), STORE_DONE);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_QUEUED);
    assert_int_equal(task.marks, 2);
    assert_int_equal(task.updated_us, T0 + 1602);
    assert_int_equal(put_mark(bench, 3, STORE_MARK_HELD), STORE_DONE);
    assert_int_equal(read_task(bench, 1).state, STORE_HELD);
    assert_int_equal(finish_task(bench, 1, (struct store_token){0, 0}, STORE_CANCELLED),
                     STORE_DONE);
    assert_int_equal(put_mark(bench, 4, STORE_MARK_RELEASED), STORE_STALE);
}

static void a_dead_task_is_replayed_once_it_is_dead(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    struct store_mark mark = mark_of(bench, seq_of(1), 1, STORE_MARK_REPLAYED);
    mark.other = id_of(2);
    wait_for(bench, mark, &mark);
    assert_int_equal(mark.write.outcome, STORE_STALE);
    finish_task(bench, 1, (struct store_token){0, 0}, STORE_DEAD);
    assert_false(read_task(bench, 1).replayed);
    wait_for(bench, mark, &mark);
    assert_int_equal(mark.write.outcome, STORE_DONE);
    struct store_task task = read_task(bench, 1);
    assert_true(task.replayed);
    assert_int_equal(task.state, STORE_DEAD);
    assert_int_equal(task.updated_us, T0 + 2000);
    assert_int_equal(task.events[task.event_count - 1].kinds, STORE_EVENT_REPLAYED);
}

const struct CMUnitTest task_tests[] = {
    contract_test(a_task_is_read_as_it_was_accepted),
    contract_test(a_task_accepted_again_word_for_word_is_the_same_task),
    contract_test(a_task_without_decision_waits_for_its_route),
    contract_test(a_routed_task_is_not_routed_again),
    contract_test(the_same_key_and_body_give_the_first_task),
    contract_test_short(a_key_of_another_window_is_found),
    contract_test(a_key_is_found_by_its_tenant),
    contract_test(a_clients_own_id_acts_as_a_key),
    contract_test(an_id_of_the_servers_is_no_clients_own),
    contract_test(an_attempt_starts_under_a_greater_number_only),
    contract_test(a_failed_attempt_waits_for_the_next),
    contract_test(an_unwritten_start_comes_with_the_retry),
    contract_test(a_doubtful_end_waits_for_a_word),
    contract_test(a_stale_result_changes_nothing),
    contract_test(an_unwritten_start_comes_with_the_end),
    contract_test(a_start_that_comes_late_is_stale),
    contract_test(a_task_that_never_ran_is_cancelled_under_token_zero),
    contract_test(a_waiting_task_is_ended_under_its_last_token),
    contract_test(a_resumed_attempt_is_told_in_the_history),
    contract_test(a_task_is_held_and_released),
    contract_test(a_dead_task_is_replayed_once_it_is_dead),
};
const size_t task_test_count = aion_countof(task_tests);
