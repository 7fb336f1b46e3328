#include "sqlite_bench.h"

#include <sqlite3.h>
#include <unistd.h>

int sqlite_bench_setup(void **state)
{
    struct sqlite_bench *bench = calloc(1, sizeof(*bench));
    *state = bench;
    aion_arena_init(&bench->arena, 64 << 20, NULL, 0);
    snprintf(bench->folder, sizeof(bench->folder), "/tmp/aion-sqlite-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(bench->path, sizeof(bench->path), "%s/aion.db", bench->folder);
    snprintf(bench->url, sizeof(bench->url), "sqlite:%s", bench->path);
    return 0;
}

int sqlite_bench_teardown(void **state)
{
    struct sqlite_bench *bench = *state;
    static const char *const ends[] = {"", "-wal", "-shm", "-owner"};
    store_close(bench->store);
    for (size_t i = 0; i < aion_countof(ends); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s%s", bench->path, ends[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(bench->folder), 0);
    aion_arena_done(&bench->arena);
    free(bench);
    return 0;
}

void sqlite_bench_open(struct sqlite_bench *bench, int64_t window_us)
{
    struct store_conf conf = {.url = bench->url, .window_us = window_us, .exec = bench->exec};
    store_close(bench->store);
    bench->store = store_open(&conf, &bench->err);
    if (bench->store == NULL)
        fail_msg("open: %s (%s)", bench->err.text, bench->err.detail);
    struct store_lease lease = {
        .op.arena = &bench->arena, .replica = AION_STR("one"), .first = true};
    sqlite_wait(bench, lease, &lease);
    bench->epoch = lease.shards[0].epoch;
}

static int take_number(void *number, int columns, char **values, char **names)
{
    (void)names;
    if (columns > 0 && values[0] != NULL)
        *(int64_t *)number = strtoll(values[0], NULL, 10);
    return 0;
}

int64_t sqlite_bench_sql(const struct sqlite_bench *bench, const char *sql)
{
    sqlite3 *db;
    char *text = NULL;
    int64_t number = 0;
    assert_int_equal(sqlite3_open(bench->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, take_number, &number, &text) != SQLITE_OK)
        fail_msg("%s", text);
    sqlite3_close(db);
    return number;
}

uint64_t sqlite_bench_seq(unsigned number, int64_t step_us)
{
    return store_seq(T0 + number * step_us, number % STORE_SHARDS);
}

struct store_write sqlite_bench_write(const struct sqlite_bench *bench, uint64_t seq)
{
    return (struct store_write){.seq = seq, .epoch = bench->epoch};
}

struct store_accept sqlite_bench_accept(const struct sqlite_bench *bench, uint64_t seq)
{
    struct store_accept accept = {.write = sqlite_bench_write(bench, seq),
                                  .tenant = AION_STR("default"),
                                  .intent = AION_STR("noop"),
                                  .priority = 3,
                                  .body = AION_STR("body"),
                                  .decision.bytes = AION_STR("decision")};
    memcpy(accept.id.bytes, &seq, sizeof(seq));
    return accept;
}

struct store_task sqlite_bench_read(struct sqlite_bench *bench, const struct aion_uuid *id,
                                    uint64_t seq)
{
    struct store_task_read read = {.op.arena = &bench->arena,
                                   .id = *id,
                                   .seq = seq,
                                   .with_body = true,
                                   .with_history = true};
    sqlite_wait(bench, task_read, &read);
    assert_true(read.found);
    return read.task;
}

size_t sqlite_bench_unfinished(struct sqlite_bench *bench)
{
    struct aion_arena arena;
    size_t count = 0;
    uint64_t after = 0;
    bool more = true;
    while (more) {
        aion_arena_init(&arena, 64 << 20, NULL, 0);
        struct store_load load = {
            .op.arena = &arena, .shards = STORE_ALL_SHARDS, .after = after, .limit = 1000};
        sqlite_wait(bench, load, &load);
        count += load.count;
        after = load.next;
        more = load.more;
        aion_arena_done(&arena);
    }
    return count;
}
