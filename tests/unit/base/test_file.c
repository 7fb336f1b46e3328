/* Goal: files are read with a bound and replaced as a whole. */
#include "base/file.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static char folder[] = "/tmp/aion-test-file-XXXXXX";

static void a_replaced_file_is_read_back(void **state)
{
    char path[128];
    struct aion_buf buf;
    struct aion_err err;
    struct stat about;
    (void)state;
    snprintf(path, sizeof(path), "%s/a/b/c", folder);
    assert_true(aion_file_mkdirs(path, 0700, &err));
    snprintf(path, sizeof(path), "%s/a/b/c/file", folder);
    assert_true(aion_file_replace(path, AION_STR("one"), 0600, &err));
    assert_true(aion_file_replace(path, AION_STR("two"), 0600, &err));
    aion_buf_init(&buf, 100);
    assert_true(aion_file_read(path, &buf, &err));
    assert_string_equal(buf.data, "two");
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    aion_buf_done(&buf);
}

static void a_missing_and_a_large_file_are_told_apart(void **state)
{
    char path[128];
    struct aion_buf buf;
    struct aion_err err;
    (void)state;
    snprintf(path, sizeof(path), "%s/none", folder);
    aion_buf_init(&buf, 4);
    assert_false(aion_file_read(path, &buf, &err));
    assert_int_equal(err.code, AION_NOT_FOUND);
    assert_true(aion_file_replace(path, AION_STR("12345"), 0600, &err));
    assert_false(aion_file_read(path, &buf, &err));
    assert_int_equal(err.code, AION_EXHAUSTED);
    aion_buf_done(&buf);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    static const char *const parts[] = {"/a/b/c/file", "/a/b/c", "/a/b", "/a", "/none", ""};
    (void)state;
    for (size_t i = 0; i < aion_countof(parts); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s%s", folder, parts[i]);
        remove(path);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replaced_file_is_read_back),
        cmocka_unit_test(a_missing_and_a_large_file_are_told_apart),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
