/* What the store of a bench holds. */
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

bool bench_stored(struct bench *bench, const char *task_id, struct store_task *ret_task)
{
    struct store_task_read read = {
        .op.arena = &bench->arena, .with_history = true, .with_body = true};
    assert_true(aion_uuid_parse(aion_str_of(task_id), &read.id));
    assert_true(store_task_read_wait(bench->store, &read, &bench->err));
    if (read.found)
        *ret_task = read.task;
    return read.found;
}

struct store_events_read bench_events(struct bench *bench)
{
    struct store_events_read read = {
        .op.arena = &bench->arena, .shards = STORE_ALL_SHARDS, .limit = 1000};
    assert_true(store_events_read_wait(bench->store, &read, &bench->err));
    return read;
}

int64_t bench_balance(struct bench *bench, const char *prefix)
{
    struct store_balances read = {
        .op.arena = &bench->arena, .prefix = aion_str_of(prefix), .limit = 1000};
    int64_t sum = 0;
    assert_true(store_balances_wait(bench->store, &read, &bench->err));
    for (size_t i = 0; i < read.count; i++)
        sum += read.balances[i].nano_usd;
    return sum;
}
