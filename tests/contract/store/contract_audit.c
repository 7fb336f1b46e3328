/* The audit log: lines with their effects, and alone. */
#include "contract.h"

static struct store_audit line_of(const char *writer, uint64_t number)
{
    static char hashes[64][33];
    snprintf(hashes[number], 33, "%032llu", (unsigned long long)number);
    snprintf(hashes[number - 1], 33, "%032llu", (unsigned long long)(number - 1));
    return (struct store_audit){
        .writer = aion_str_of(writer),
        .number = number,
        .prev = number > 1 ? aion_str_n(hashes[number - 1], 32) : (aion_str){0},
        .hash = aion_str_n(hashes[number], 32),
        .at_us = T0 + (int64_t)number,
        .actor = number % 2 == 0 ? AION_STR("eve") : AION_STR("adam"),
        .role = AION_STR("admin"),
        .action = AION_STR("Budgets.SetBudget"),
        .target = AION_STR("tenant/acme"),
        .result = AION_STR("done"),
        .reason = AION_STR("because"),
        .body = AION_STR("{}"),
    };
}

static void put_line(struct bench *bench, const char *writer, uint64_t number)
{
    struct store_audit line = line_of(writer, number);
    struct store_audit_put put = {.op.audit = &line};
    wait_for(bench, audit_put, &put);
}

static struct store_audit_list list_of(struct bench *bench)
{
    return (struct store_audit_list){.op.arena = &bench->arena, .limit = 100};
}

static size_t count_lines(struct bench *bench)
{
    struct store_audit_list list = list_of(bench);
    wait_for(bench, audit_list, &list);
    return list.count;
}

static void a_line_stands_or_falls_with_its_effect(void **state)
{
    struct bench *bench = *state;
    struct store_audit line = line_of("w", 1);
    struct store_finish finish =
        finish_of(bench, seq_of(1), (struct store_token){0, 0}, STORE_CANCELLED);
    finish.write.op.audit = &line;
    wait_for(bench, finish, &finish);
    assert_int_equal(finish.write.outcome, STORE_STALE);
    assert_int_equal(count_lines(bench), 0);
    put_task(bench, 1);
    for (int i = 0; i < 2; i++) {
        wait_for(bench, finish, &finish);
        assert_int_equal(finish.write.outcome, STORE_DONE);
        assert_int_equal(count_lines(bench), 1);
    }
    line = line_of("w", 2);
    struct store_plan_put plan = {.op.audit = &line,
                                  .plan = {.changed_us = T0, .changed_by = AION_STR("me")}};
    wait_for(bench, plan_put, &plan);
    assert_int_equal(count_lines(bench), 2);
}

static void a_line_that_does_not_follow_takes_its_effect_with_it(void **state)
{
    struct bench *bench = *state;
    struct store_audit line = line_of("w", 2);
    struct store_hold_put put = {.op.audit = &line,
                                 .hold = {.id = AION_STR("h"), .kind = STORE_HOLD_QUEUE}};
    assert_false(store_hold_put_wait(bench->store, &put, &bench->err));
    assert_int_equal(bench->err.code, AION_PRECONDITION);
    assert_string_equal(bench->err.reason, "AUDIT_CHAIN");
    put_line(bench, "w", 1);
    line.prev = digest_a;
    assert_false(store_hold_put_wait(bench->store, &put, &bench->err));
    struct store_hold_list holds = {.op.arena = &bench->arena};
    wait_for(bench, hold_list, &holds);
    assert_int_equal(holds.count, 0);
    line = line_of("w", 2);
    wait_for(bench, hold_put, &put);
    assert_int_equal(count_lines(bench), 2);
}

static void lines_are_listed_newest_first_in_pages(void **state)
{
    struct bench *bench = *state;
    for (uint64_t i = 1; i <= 10; i++) {
        put_line(bench, "a", i);
        put_line(bench, "b", i);
    }
    struct store_audit_list list = list_of(bench);
    unsigned seen = 0;
    list.limit = 3;
    do {
        wait_for(bench, audit_list, &list);
        for (size_t i = 0; i < list.count; i++, seen++) {
            assert_true(list.before_number == 0 || list.lines[i].at_us <= list.before_us);
            list.before_us = list.lines[i].at_us;
            list.before_writer = list.lines[i].writer;
            list.before_number = list.lines[i].number;
        }
    } while (list.more);
    assert_int_equal(seen, 20);
    list = list_of(bench);
    list.writer = AION_STR("b");
    list.actor = AION_STR("eve");
    list.from_us = T0 + 3;
    list.until_us = T0 + 8;
    wait_for(bench, audit_list, &list);
    assert_int_equal(list.count, 2);
    const struct store_audit *line = &list.lines[0];
    assert_int_equal(line->number, 6);
    assert_true(str_is(line->writer, "b") && str_is(line->role, "admin"));
    assert_true(str_is(line->action, "Budgets.SetBudget") &&
                str_is(line->target, "tenant/acme"));
    assert_true(str_is(line->result, "done") && str_is(line->reason, "because"));
    assert_true(str_is(line->body, "{}"));
    assert_int_equal(line->hash.size, 32);
}

static void a_chain_is_read_from_its_beginning(void **state)
{
    struct bench *bench = *state;
    for (uint64_t i = 1; i <= 7; i++)
        put_line(bench, "a", i);
    put_line(bench, "b", 1);
    struct store_audit_list list = list_of(bench);
    uint64_t expected = 1;
    list.writer = AION_STR("a");
    list.oldest_first = true;
    list.limit = 3;
    do {
        wait_for(bench, audit_list, &list);
        for (size_t i = 0; i < list.count; i++)
            assert_int_equal(list.lines[i].number, expected++);
        list.before_number = expected - 1;
    } while (list.more);
    assert_int_equal(expected, 8);
    struct store_audit_heads heads = {.op.arena = &bench->arena};
    wait_for(bench, audit_heads, &heads);
    assert_int_equal(heads.count, 2);
    assert_int_equal(heads.heads[0].number, 7);
    assert_int_equal(heads.heads[0].hash[31], '7');
    assert_true(str_is(heads.heads[1].writer, "b"));
}

const struct CMUnitTest audit_tests[] = {
    contract_test(a_line_stands_or_falls_with_its_effect),
    contract_test(a_line_that_does_not_follow_takes_its_effect_with_it),
    contract_test(lines_are_listed_newest_first_in_pages),
    contract_test(a_chain_is_read_from_its_beginning),
};
const size_t audit_test_count = aion_countof(audit_tests);
