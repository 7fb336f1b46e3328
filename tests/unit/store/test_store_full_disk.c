/* A really full disk, and one that may only be read: a small tmpfs. Nothing that was
 * acknowledged is lost, what cannot be stored is refused with a clear error, and the store goes
 * on by itself when space returns. Skipped (77) where mounting is not permitted. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/aion-full-XXXXXX";
static char url[64], ballast[64];
static struct aion_err err;

static uint64_t epoch;

static uint64_t seq_of(unsigned number)
{
    return store_seq(1700000000000000 + number, number % STORE_SHARDS);
}

static struct aion_uuid id_of(unsigned number)
{
    struct aion_uuid id = {.bytes = {[14] = (uint8_t)(number >> 8), [15] = (uint8_t)number}};
    return id;
}

static bool put(struct store *store, unsigned number, size_t body_bytes)
{
    static char body[1 << 16];
    struct store_accept accept = {.write = {.seq = seq_of(number), .epoch = epoch},
                                  .id = id_of(number),
                                  .tenant = AION_STR("default"),
                                  .intent = AION_STR("noop"),
                                  .body = aion_str_n(body, body_bytes)};
    return store_accept_wait(store, &accept, &err);
}

static bool is_there(struct store *store, unsigned number)
{
    struct aion_arena arena;
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    struct store_task_read read = {
        .op.arena = &arena, .id = id_of(number), .seq = seq_of(number)};
    assert_true(store_task_read_wait(store, &read, &err));
    aion_arena_done(&arena);
    return read.found;
}

static void fill_rest(void)
{
    char block[4096] = {0};
    int fd = open(ballast, O_WRONLY | O_CREAT, 0600);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    close(fd);
}

static struct store *open_store(void)
{
    struct store_conf conf = {.url = url};
    struct store *store = store_open(&conf, &err);
    if (store == NULL)
        fail_msg("%s (%s)", err.text, err.detail);
    struct aion_arena arena;
    aion_arena_init(&arena, 4096, NULL, 0);
    struct store_lease lease = {.op.arena = &arena, .first = true};
    assert_true(store_lease_wait(store, &lease, &err));
    epoch = lease.shards[0].epoch;
    aion_arena_done(&arena);
    return store;
}

static void a_full_disk_loses_nothing_and_heals(void **state)
{
    unsigned taken = 0;
    (void)state;
    struct store *store = open_store();
    while (taken < 20)
        assert_true(put(store, taken++, 1000));
    fill_rest();
    while (put(store, taken, 1 << 16) && taken < 1000)
        taken++;
    assert_int_equal(err.code, AION_UNAVAILABLE);
    assert_string_equal(err.reason, "STORE_DOWN");
    assert_non_null(strstr(err.text, "disk is full"));
    assert_false(store_healthy(store));
    assert_int_equal(unlink(ballast), 0);
    assert_true(put(store, 2000, 1000));
    assert_true(store_healthy(store));
    store_close(store);
    store = open_store();
    for (unsigned i = 0; i < taken; i++)
        assert_true(is_there(store, i));
    assert_true(is_there(store, 2000));
    assert_false(is_there(store, taken));
    store_close(store);
}

static void a_store_cannot_be_made_on_a_full_disk(void **state)
{
    (void)state;
    fill_rest();
    struct store_conf conf = {.url = url};
    assert_null(store_open(&conf, &err));
    assert_int_equal(err.code, AION_UNAVAILABLE);
    assert_non_null(strstr(err.text, "disk is full"));
}

static void a_read_only_disk_is_named_and_loses_nothing(void **state)
{
    (void)state;
    struct store *store = open_store();
    assert_true(put(store, 1, 1000));
    store_close(store);
    assert_int_equal(mount(NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, "size=2m"), 0);
    struct store_conf conf = {.url = url};
    assert_null(store_open(&conf, &err));
    assert_int_equal(err.code, AION_UNAVAILABLE);
    assert_non_null(strstr(err.text, "cannot write"));
    assert_non_null(strstr(err.detail, "Read-only file system"));
    assert_int_equal(mount(NULL, folder, NULL, MS_REMOUNT, "size=2m"), 0);
    store = open_store();
    assert_true(is_there(store, 1));
    assert_true(put(store, 2, 1000));
    store_close(store);
}

static int mount_small(void **state)
{
    (void)state;
    return mount("tmpfs", folder, "tmpfs", 0, "size=2m");
}

static int unmount_small(void **state)
{
    (void)state;
    return umount(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_disk_loses_nothing_and_heals, mount_small,
                                        unmount_small),
        cmocka_unit_test_setup_teardown(a_store_cannot_be_made_on_a_full_disk, mount_small,
                                        unmount_small),
        cmocka_unit_test_setup_teardown(a_read_only_disk_is_named_and_loses_nothing,
                                        mount_small, unmount_small),
    };
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(url, sizeof(url), "sqlite:%s/aion.db", folder);
    snprintf(ballast, sizeof(ballast), "%s/ballast", folder);
    if (mount_small(NULL) != 0) {
        printf("SKIP: mounting a tmpfs is not permitted here (errno %d)\n", errno);
        rmdir(folder);
        return 77;
    }
    unmount_small(NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
