/* A really full disk under PostgreSQL: its cluster on a small tmpfs. Goal: what cannot be
 * stored is refused with a clear error, nothing acknowledged is lost, and the store goes on by
 * itself when space returns. Skipped (77) where mounting is not permitted or no server can be
 * had.
 *
 *   test_store_postgres_disk SCRIPT   (tests/servers/postgres.sh) */
#include "base/clock.h"
#include "store/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/aion-pgfull-XXXXXX";
static char url[160], ballast[64];
static const char *script;
static struct aion_err err;
static uint64_t epoch, last;

/* SCRIPT WHAT FOLDER: the status; the line that begins with URL= is kept. */
static int server(const char *what)
{
    char command[400], line[200];
    snprintf(command, sizeof(command), "'%s' %s %s", script, what, folder);
    FILE *out = popen(command, "r");
    while (out != NULL && fgets(line, sizeof(line), out) != NULL)
        if (sscanf(line, "URL=%150s", url) != 1)
            fputs(line, stdout);
    return out != NULL ? pclose(out) : -1;
}

static struct store *open_store(void)
{
    struct store_conf conf = {.url = url};
    struct aion_arena arena;
    struct store *store = store_open(&conf, &err);
    if (store == NULL)
        fail_msg("%s (%s)", err.text, err.detail);
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    struct store_lease lease = {.op.arena = &arena,
                                .replica = AION_STR("one"),
                                .lease_us = 600000000,
                                .shards_max = STORE_SHARDS,
                                .first = true};
    assert_true(store_lease_wait(store, &lease, &err));
    epoch = lease.shards[5].epoch;
    aion_arena_done(&arena);
    return store;
}

static bool put(struct store *store, size_t bytes, struct aion_uuid *ret_id)
{
    static char body[1 << 18];
    for (size_t i = 0; i < bytes; i++) /* that does not compress */
        body[i] = (char)random();
    int64_t now_us = aion_clock_utc_us();
    last = now_us > (int64_t)last ? (uint64_t)now_us : last + 1;
    struct store_accept accept = {.write = {.seq = store_seq((int64_t)last, 5), .epoch = epoch},
                                  .id = aion_uuid_at((int64_t)last, 5),
                                  .tenant = AION_STR("default"),
                                  .intent = AION_STR("noop"),
                                  .body = aion_str_n(body, bytes)};
    *ret_id = accept.id;
    return store_accept_wait(store, &accept, &err);
}

static bool is_there(struct store *store, const struct aion_uuid *id)
{
    struct aion_arena arena;
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    struct store_task_read read = {.op.arena = &arena, .id = *id};
    if (!store_task_read_wait(store, &read, &err))
        fail_msg("read: %s (%s)", err.text, err.detail);
    aion_arena_done(&arena);
    return read.found;
}

/* All but a little: PostgreSQL's log of writes has its file already, its tables do not grow. */
static void fill_rest(void)
{
    static char block[1 << 16];
    int fd = open(ballast, O_WRONLY | O_CREAT, 0600);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    close(fd);
}

static void a_full_disk_loses_nothing_and_heals(void **state)
{
    static struct aion_uuid ids[400];
    struct aion_uuid refused, again;
    size_t taken = 0;
    (void)state;
    struct store *store = open_store();
    while (taken < 20)
        assert_true(put(store, 1000, &ids[taken++]));
    fill_rest();
    while (taken < 100 && put(store, 100000, &ids[taken]))
        taken++;
    refused = ids[taken];
    assert_int_equal(err.code, AION_UNAVAILABLE);
    assert_string_equal(err.reason, "STORE_DOWN");
    assert_non_null(strstr(err.text, "disk of PostgreSQL is full"));
    assert_false(store_healthy(store));
    assert_int_equal(unlink(ballast), 0);
    assert_true(put(store, 1000, &again));
    assert_true(store_healthy(store));
    for (size_t i = 0; i < taken; i++)
        assert_true(is_there(store, &ids[i]));
    assert_true(is_there(store, &again));
    assert_false(is_there(store, &refused));
    store_close(store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_loses_nothing_and_heals),
    };
    script = argc > 1 ? argv[1] : "";
    if (mkdtemp(folder) == NULL || chmod(folder, 0755) != 0)
        return 1;
    snprintf(ballast, sizeof(ballast), "%s/ballast", folder);
    if (mount("tmpfs", folder, "tmpfs", 0, "size=200m,mode=0755") != 0) {
        puts("SKIP: mounting a tmpfs is not permitted here");
        rmdir(folder);
        return 77;
    }
    int status = server("start");
    int failed = status != -1 && WEXITSTATUS(status) == 77 ? 77 : 1;
    if (status == 0) {
        failed = cmocka_run_group_tests(tests, NULL, NULL);
        server("stop");
    }
    umount2(folder, MNT_DETACH);
    rmdir(folder);
    return failed;
}
