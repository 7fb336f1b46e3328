/* Policy revisions, the plan, holds and arrivals. */
#include "contract.h"

static void policy_revisions_count_up_and_a_repeat_is_the_newest(void **state)
{
    struct bench *bench = *state;
    struct store_policy_put put = {.op.arena = &bench->arena,
                                   .policy = {.digest = AION_STR("sha256:1"),
                                              .at_us = T0,
                                              .by = AION_STR("me"),
                                              .cause = AION_STR("start"),
                                              .rules = 2,
                                              .routes = 3,
                                              .files = AION_STR("files")}};
    wait_for(bench, policy_put, &put);
    assert_int_equal(put.policy.ordinal, 1);
    put.policy.by = AION_STR("you");
    wait_for(bench, policy_put, &put);
    assert_true(put.repeated);
    assert_true(str_is(put.policy.by, "me"));
    put.policy.digest = AION_STR("sha256:2");
    put.policy.files = AION_STR("others");
    wait_for(bench, policy_put, &put);
    assert_int_equal(put.policy.ordinal, 2);
    struct store_policy_list list = {.op.arena = &bench->arena, .limit = 10};
    wait_for(bench, policy_list, &list);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.policies[0].ordinal, 2);
    struct store_policy_read read = {.op.arena = &bench->arena, .ordinal = 1};
    wait_for(bench, policy_read, &read);
    assert_true(read.found && str_is(read.policy.files, "files"));
    read.ordinal = 0;
    wait_for(bench, policy_read, &read);
    assert_true(read.found && str_is(read.policy.files, "others"));
    read.ordinal = 7;
    wait_for(bench, policy_read, &read);
    assert_false(read.found);
}

static void a_plan_is_kept_by_revision(void **state)
{
    struct bench *bench = *state;
    struct store_plan_read read = {.op.arena = &bench->arena};
    wait_for(bench, plan_read, &read);
    assert_int_equal(read.plan.revision, 0);
    struct store_plan_put put = {.plan = {.keep_succeeded_us = 1,
                                          .keep_failed_us = 2,
                                          .keep_idempotency_us = 3,
                                          .sweep_every_us = 4,
                                          .changed_us = T0,
                                          .changed_by = AION_STR("me")}};
    wait_for(bench, plan_put, &put);
    wait_for(bench, plan_put, &put);
    wait_for(bench, plan_read, &read);
    assert_int_equal(read.plan.revision, 2);
    assert_int_equal(read.plan.sweep_every_us, 4);
    assert_true(str_is(read.plan.changed_by, "me"));
}

static void holds_are_put_listed_and_dropped(void **state)
{
    struct bench *bench = *state;
    struct store_hold_put put = {.hold = {.id = AION_STR("b"),
                                          .kind = STORE_HOLD_QUEUE,
                                          .tenant = AION_STR("acme"),
                                          .route = AION_STR("local"),
                                          .from_us = 1,
                                          .until_us = 2,
                                          .at_us = T0,
                                          .changed_by = AION_STR("me"),
                                          .reason = AION_STR("why")}};
    wait_for(bench, hold_put, &put);
    put.hold.intent = AION_STR("noop");
    wait_for(bench, hold_put, &put);
    put.hold.id = AION_STR("a");
    put.hold.kind = STORE_HOLD_RETENTION;
    wait_for(bench, hold_put, &put);
    struct store_hold_list list = {.op.arena = &bench->arena};
    wait_for(bench, hold_list, &list);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.holds[0].kind, STORE_HOLD_RETENTION);
    const struct store_hold *hold = &list.holds[1];
    assert_true(str_is(hold->id, "b") && str_is(hold->tenant, "acme"));
    assert_true(str_is(hold->intent, "noop") && str_is(hold->route, "local"));
    assert_true(str_is(hold->changed_by, "me") && str_is(hold->reason, "why"));
    assert_true(hold->from_us == 1 && hold->until_us == 2 && hold->at_us == T0);
    struct store_hold_drop drop = {.id = AION_STR("b")};
    wait_for(bench, hold_drop, &drop);
    assert_true(drop.found);
    wait_for(bench, hold_drop, &drop);
    assert_false(drop.found);
    wait_for(bench, hold_list, &list);
    assert_int_equal(list.count, 1);
}

/* -- arrivals ----------------------------------------------------------------------- */
static struct store_arrival arrival_of(uint64_t seq)
{
    return (struct store_arrival){.seq = seq,
                                  .tenant = AION_STR("acme"),
                                  .key_id = AION_STR("ak_2"),
                                  .intent = AION_STR("summarize"),
                                  .priority = 2,
                                  .body_bytes = 1000,
                                  .lane = AION_STR("direct"),
                                  .reason = AION_STR("RATE"),
                                  .limit_id = AION_STR("acme-rate")};
}

static void accepted_and_refused_arrivals_come_in_order(void **state)
{
    struct bench *bench = *state;
    struct store_arrival refused[4];
    for (unsigned i = 0; i < 4; i++) {
        refused[i] = arrival_of(seq_at(T0 + 2 * i * SECOND + 1, i));
        put_task_at(bench, seq_at(T0 + (2 * i + 1) * SECOND, i));
    }
    struct store_arrivals put = {.arrivals = refused, .count = 4};
    for (int i = 0; i < 2; i++)
        wait_for(bench, arrivals, &put);
    struct store_arrivals_read read = {.op.arena = &bench->arena, .limit = 3};
    uint64_t last = 0;
    unsigned seen = 0;
    do {
        wait_for(bench, arrivals_read, &read);
        for (size_t i = 0; i < read.count; i++, seen++) {
            const struct store_arrival *arrival = &read.arrivals[i];
            assert_true(arrival->seq > last);
            last = arrival->seq;
            bool accepted = seen % 2 == 1;
            assert_true(str_is(arrival->reason, accepted ? "" : "RATE"));
            assert_true(str_is(arrival->limit_id, accepted ? "" : "acme-rate"));
            assert_true(str_is(arrival->lane, accepted ? "durable" : "direct"));
            assert_true(str_is(arrival->tenant, accepted ? "default" : "acme"));
            assert_true(str_is(arrival->key_id, accepted ? "ak_1" : "ak_2"));
            assert_true(str_is(arrival->intent, accepted ? "noop" : "summarize"));
            assert_int_equal(arrival->priority, accepted ? 3 : 2);
            assert_int_equal(arrival->body_bytes, accepted ? 4 : 1000);
        }
        read.after = read.next;
    } while (read.next != 0);
    assert_int_equal(seen, 8);
    read = (struct store_arrivals_read){.op.arena = &bench->arena,
                                        .limit = 100,
                                        .after = store_seq(T0 + SECOND, 0) - 1,
                                        .before = store_seq(T0 + 3 * SECOND, 0)};
    seen = 0;
    do {
        wait_for(bench, arrivals_read, &read);
        seen += read.count;
        read.after = read.next;
    } while (read.next != 0);
    assert_int_equal(seen, 2);
}

const struct CMUnitTest admin_tests[] = {
    contract_test(policy_revisions_count_up_and_a_repeat_is_the_newest),
    contract_test(a_plan_is_kept_by_revision),
    contract_test(holds_are_put_listed_and_dropped),
    contract_test_short(accepted_and_refused_arrivals_come_in_order),
};
const size_t admin_test_count = aion_countof(admin_tests);
