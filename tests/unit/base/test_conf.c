/* Goal: one table of options; flag over environment over file over default; errors that name
 * option, value and mend. */
#include "base/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct conf {
    int64_t depth, timeout, size;
    bool fast;
    const char *name;
    const char *secret;
};

static const struct aion_opt options[] = {
    {"queue_depth", AION_OPT_INT, "10", 1, 100, true, false, NULL, "depth",
     offsetof(struct conf, depth)},
    {"timeout", AION_OPT_DURATION, "50ms", 1000, 60000000, false, false, NULL, "time",
     offsetof(struct conf, timeout)},
    {"size", AION_OPT_BYTES, "4KiB", 1, 1 << 20, false, false, NULL, "size",
     offsetof(struct conf, size)},
    {"fast", AION_OPT_BOOL, "false", 0, 0, false, false, NULL, "fast",
     offsetof(struct conf, fast)},
    {"name", AION_OPT_TEXT, "x", 0, 0, false, false, NULL, "name", offsetof(struct conf, name)},
    {"secret", AION_OPT_TEXT, "", 0, 0, true, true, NULL, "secret",
     offsetof(struct conf, secret)},
};
static const struct aion_conf_spec spec = {"test", "a test", options, aion_countof(options)};

static bool load(struct conf *conf, struct aion_err *err, char *const *environment,
                 const struct aion_conf_pair *pairs, size_t pair_count, int argc, ...)
{
    static struct aion_arena arena;
    char *argv[16];
    va_list args;
    aion_arena_done(&arena);
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    assert_true(argc <= 16);
    va_start(args, argc);
    for (int i = 0; i < argc; i++)
        argv[i] = va_arg(args, char *);
    va_end(args);
    if (conf == NULL)
        return false; /* only frees what the last load made */
    bool good =
        aion_conf_load(&spec, conf, argc, argv, environment, pairs, pair_count, &arena, err);
    return good;
}

static void defaults_file_environment_and_flags_stand_in_order(void **state)
{
    char *const environment[] = {(char *)(uintptr_t) "AION_TEST_QUEUE_DEPTH=30",
                                 (char *)(uintptr_t) "AION_TEST_SIZE=8KiB", NULL};
    const struct aion_conf_pair pairs[] = {{"queue_depth", "20", "f:1:1"},
                                           {"timeout", "2s", "f:2:1"}};
    struct conf conf;
    struct aion_err err;
    (void)state;
    assert_true(load(&conf, &err, environment, pairs, 2, 2, "--queue-depth=40", "--fast"));
    assert_int_equal(conf.depth, 40);
    assert_int_equal(conf.timeout, 2000000);
    assert_int_equal(conf.size, 8192);
    assert_true(conf.fast);
    assert_string_equal(conf.name, "x");
}

static void a_bad_value_names_option_value_and_what_was_expected(void **state)
{
    struct conf conf;
    struct aion_err err;
    const struct aion_conf_pair bad = {"queue_depth", "many", "aion.yaml:3:5"};
    (void)state;
    assert_false(load(&conf, &err, NULL, NULL, 0, 2, "--queue-depth", "101"));
    assert_string_equal(err.text, "--queue-depth: \"101\" is not an integer, 1..100");
    assert_false(load(&conf, &err, NULL, &bad, 1, 0));
    assert_string_equal(err.text,
                        "aion.yaml:3:5: queue_depth: \"many\" is not an integer, 1..100");
    assert_false(load(&conf, &err, NULL, NULL, 0, 1, "--timeout"));
    assert_non_null(strstr(err.text, "needs a value"));
}

static void an_unknown_flag_names_the_nearest(void **state)
{
    struct conf conf;
    struct aion_err err;
    (void)state;
    assert_false(load(&conf, &err, NULL, NULL, 0, 1, "--queue-dept=4"));
    assert_non_null(strstr(err.text, "nearest: --queue-depth"));
    assert_false(load(&conf, &err, NULL, NULL, 0, 1, "stray"));
    assert_non_null(strstr(err.text, "unexpected argument"));
}

static void a_secret_is_never_shown(void **state)
{
    struct conf conf;
    struct aion_err err;
    struct aion_buf out;
    (void)state;
    assert_true(load(&conf, &err, NULL, NULL, 0, 1, "--secret=hunter2hunter2"));
    aion_buf_init(&out, 10000);
    aion_conf_print(&spec, &conf, &out);
    assert_null(strstr(out.data, "hunter2"));
    assert_non_null(strstr(out.data, "secret = (set)"));
    aion_buf_done(&out);
}

static void keep(void *user, const char *text)
{
    snprintf(user, 200, "%s", text);
}

static void unknown_variables_are_warned_of(void **state)
{
    char *const environment[] = {(char *)(uintptr_t) "AION_TEST_QUEUE_DEPTHS=30",
                                 (char *)(uintptr_t) "AION_TEST_SECRET_FILE=/x",
                                 (char *)(uintptr_t) "AION_OTHER_X=1", NULL};
    char text[200] = "";
    (void)state;
    aion_conf_unknown(&spec, environment, keep, text);
    assert_string_equal(text,
                        "AION_TEST_QUEUE_DEPTHS is no option; nearest: AION_TEST_QUEUE_DEPTH");
}

static int release(void **state)
{
    (void)state;
    load(NULL, NULL, NULL, NULL, 0, -1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_file_environment_and_flags_stand_in_order),
        cmocka_unit_test(a_bad_value_names_option_value_and_what_was_expected),
        cmocka_unit_test(an_unknown_flag_names_the_nearest),
        cmocka_unit_test(a_secret_is_never_shown),
        cmocka_unit_test(unknown_variables_are_warned_of),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
