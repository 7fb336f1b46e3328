/* Goal: the CA is made once; leaves are kept while they are good and renewed at two thirds of
 * their life; what a peer would refuse is told. */
#include "auth/ca.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { DAY_S = 86400 };
static char folder[] = "/tmp/aion-test-ca-XXXXXX";

static void leaves_are_renewed_at_two_thirds(void **state)
{
    struct aion_err err;
    bool renewed;
    int64_t now = time(NULL);
    (void)state;
    assert_true(auth_ca_ensure(folder, "test.local", &err));
    assert_true(auth_leaf_ensure(folder, "x", "test.local", "service/x", now, &renewed, &err));
    assert_true(renewed);
    assert_true(auth_leaf_ensure(folder, "x", "test.local", "service/x", now + 19 * DAY_S,
                                 &renewed, &err));
    assert_false(renewed);
    assert_true(auth_leaf_ensure(folder, "x", "test.local", "service/x", now + 21 * DAY_S,
                                 &renewed, &err));
    assert_true(renewed);
    assert_true(auth_leaf_ensure(folder, "x", "test.local", "service/other", now + 21 * DAY_S,
                                 &renewed, &err));
    assert_true(renewed); /* another id */
}

static void the_ca_is_kept_and_keys_are_private(void **state)
{
    struct aion_err err;
    struct aion_buf first, again;
    struct stat about;
    char path[128];
    (void)state;
    aion_buf_init(&first, 65536);
    aion_buf_init(&again, 65536);
    snprintf(path, sizeof(path), "%s/ca.crt", folder);
    assert_true(aion_file_read(path, &first, &err));
    assert_true(auth_ca_ensure(folder, "test.local", &err));
    assert_true(aion_file_read(path, &again, &err));
    assert_true(aion_str_eq(aion_buf_view(&first), aion_buf_view(&again)));
    snprintf(path, sizeof(path), "%s/ca.key", folder);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    aion_buf_done(&first);
    aion_buf_done(&again);
}

static void refused(const char *ca, const char *cert, const char *key, int64_t now,
                    const char *why)
{
    char paths[3][128];
    const char *const names[] = {ca, cert, key};
    struct aion_err err = {.code = AION_OK};
    for (size_t i = 0; i < 3; i++)
        snprintf(paths[i], sizeof(paths[i]), "%s/%s", folder, names[i]);
    bool good = auth_leaf_check(paths[0], paths[1], paths[2], now, &err);
    if (good != (why == NULL) || (why != NULL && strstr(err.text, why) == NULL))
        fail_msg("%s %s %s: %d, %s", ca, cert, key, good, err.text);
}

static void a_stranger_s_certificate_is_told_from_an_own_one(void **state)
{
    struct aion_err err;
    int64_t now = time(NULL);
    char other[128];
    (void)state;
    snprintf(other, sizeof(other), "%s/other", folder);
    assert_int_equal(mkdir(other, 0700), 0);
    assert_true(auth_ca_ensure(other, "test.local", &err));
    assert_true(auth_leaf_ensure(other, "x", "test.local", "service/x", now, NULL, &err));
    assert_true(auth_leaf_ensure(folder, "x", "test.local", "service/x", now, NULL, &err));
    refused("ca.crt", "x.crt", "x.key", now, NULL);
    refused("ca.crt", "other/x.crt", "other/x.key", now, "was not signed by");
    refused("ca.crt", "x.crt", "other/x.key", now, "is not the key of");
    refused("ca.crt", "x.crt", "x.key", now + 60 * DAY_S, "has expired");
    refused("ca.crt", "x.crt", "x.key", now - DAY_S, "is the clock right?");
    refused("ca.crt", "x.key", "x.key", now, "holds no certificate");
}

static void half_a_ca_is_never_overwritten(void **state)
{
    struct aion_err err;
    char path[128];
    (void)state;
    snprintf(path, sizeof(path), "%s/ca.crt", folder);
    assert_true(aion_file_replace(path, AION_STR("no certificate"), 0644, &err));
    assert_false(auth_ca_ensure(folder, "test.local", &err));
    assert_int_equal(err.code, AION_INVALID);
    assert_non_null(strstr(err.text, path));
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {
        "/ca.crt",       "/ca.key",      "/x.crt",       "/x.key", "/other/ca.crt",
        "/other/ca.key", "/other/x.crt", "/other/x.key", "/other", ""};
    (void)state;
    for (size_t i = 0; i < aion_countof(names); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s%s", folder, names[i]);
        remove(path);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_are_renewed_at_two_thirds),
        cmocka_unit_test(the_ca_is_kept_and_keys_are_private),
        cmocka_unit_test(a_stranger_s_certificate_is_told_from_an_own_one),
        cmocka_unit_test(half_a_ca_is_never_overwritten),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
