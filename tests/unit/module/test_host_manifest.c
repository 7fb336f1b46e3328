/* Goal: module.yaml is read, and what is wrong in it is named with its place. */
#include "host_manifest.h"

#include "host_conf.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static void write_file(const char *name, const char *text, mode_t mode)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static int setup(void **state)
{
    char inner[80];
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/aion-manifest-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(inner, sizeof(inner), "%s/m", folder);
    return mkdir(inner, 0700);
}

static int teardown(void **state)
{
    static const char *const names[] = {"m/module.yaml", "m/m", "m", ""};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)remove(path);
    }
    return 0;
}

static bool read_with(const char *more, struct host_manifest *manifest, struct aion_err *err)
{
    static struct host_manifest manifests[HOST_MODULES_MAX];
    struct aion_arena arena;
    char text[256];
    size_t count = 0;
    snprintf(text, sizeof(text), "module: m\nversion: 1.0.0\nintents: [a]\n%s", more);
    write_file("m/module.yaml", text, 0600);
    write_file("m/m", "#!/bin/sh\n", 0700);
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    bool good = host_manifests_read(folder, manifests, &count, &arena, err);
    if (good)
        *manifest = manifests[0];
    aion_arena_done(&arena);
    return good && count == 1;
}

static void tasks_come_one_by_one_unless_said(void **state)
{
    struct host_manifest manifest;
    struct aion_err err;
    (void)state;
    assert_true(read_with("", &manifest, &err));
    assert_int_equal(manifest.batch_max, 1);
    assert_true(read_with("batch: {max: 8, wait: 5ms}\n", &manifest, &err));
    assert_int_equal(manifest.batch_max, 8);
    assert_int_equal(manifest.batch_wait_us, 5000);
}

static void a_malformed_batch_is_named_with_its_place(void **state)
{
    static const char *const texts[][2] = {
        {"batch: 8\n", "module.yaml:4:8: batch: expected a map"},
        {"batch: {max: 8}\n", "wait is missing"},
        {"batch: {max: 1, wait: 5ms}\n", "max: expected 2..64"},
        {"batch: {max: 65, wait: 5ms}\n", "max: expected 2..64"},
        {"batch: {max: 8, wait: 5}\n", "wait: expected a duration"},
        {"batch: {max: 8, wait: 2s}\n", "at most 1s"},
        {"batch: {max: 8, wait: 5ms, min: 2}\n", "min"},
    };
    struct host_manifest manifest;
    struct aion_err err;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        assert_false(read_with(texts[i][0], &manifest, &err));
        assert_int_equal(err.code, AION_INVALID);
        if (strstr(err.text, texts[i][1]) == NULL)
            fail_msg("\"%s\" is not in \"%s\"", texts[i][1], err.text);
    }
}

static void labels_are_names_and_values(void **state)
{
    static const char *const bad[] = {"gpu",
                                      "gpu=",
                                      "=true",
                                      "gpu=a b",
                                      "gpu=true,,zone=a",
                                      "a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8,i=9,j=1,k=2,l=3,m=4,n=5,"
                                      "o=6,p=7,q=8"};
    struct host_conf conf = {.labels = "gpu=true, zone=eu-1"};
    struct aion_err err;
    (void)state;
    assert_true(host_conf_check(&conf, &err));
    conf.labels = "";
    assert_true(host_conf_check(&conf, &err));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        conf.labels = bad[i];
        assert_false(host_conf_check(&conf, &err));
        assert_non_null(strstr(err.text, "NAME=VALUE"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tasks_come_one_by_one_unless_said, setup, teardown),
        cmocka_unit_test_setup_teardown(a_malformed_batch_is_named_with_its_place, setup,
                                        teardown),
        cmocka_unit_test(labels_are_names_and_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
