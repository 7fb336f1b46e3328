/* Failpoints: what they are armed with, and that they strike at the right time. Method: the
 * text as the environment would hold it; kills in a child. */
#include "base/failpoint.h"

#include "base/clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void nothing_strikes_unless_it_is_armed(void **state)
{
    struct aion_err err;
    (void)state;
    assert_true(aion_failpoints_arm(NULL, &err) && aion_failpoints_arm("", &err));
    assert_false(aion_failpoints_armed);
    assert_false(aion_failpoint("a/b"));
    assert_true(aion_failpoints_arm("a/c=error:0", &err));
    assert_false(aion_failpoint("a/b"));
}

static void an_error_strikes_once_or_each_time(void **state)
{
    struct aion_err err;
    (void)state;
    assert_true(aion_failpoints_arm("once=error:2,always=error:0", &err));
    for (int i = 1; i <= 4; i++) {
        assert_int_equal(aion_failpoint("once"), i == 2);
        assert_true(aion_failpoint("always"));
    }
}

static void a_delay_is_slept(void **state)
{
    struct aion_err err;
    (void)state;
    assert_true(aion_failpoints_arm("late=delay:30", &err));
    int64_t begun_us = aion_clock_mono_us();
    assert_false(aion_failpoint("late"));
    assert_true(aion_clock_mono_us() - begun_us >= 30000);
}

static void a_kill_strikes_at_its_time(void **state)
{
    struct aion_err err;
    int status;
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        if (aion_failpoints_arm("here=kill:3", &err))
            for (int i = 0; i < 2; i++)
                aion_failpoint("here");
        aion_failpoint("here");
        _exit(0);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void what_is_malformed_is_refused_and_named(void **state)
{
    static const char *const texts[] = {
        "x",         "x=",       "x=kill",  "x=kill:",
        "x=kill:-1", "x=burn:1", "=kill:1", "ok=kill:1,x=error:y"};
    struct aion_err err;
    (void)state;
    for (size_t i = 0; i < aion_countof(texts); i++) {
        assert_false(aion_failpoints_arm(texts[i], &err));
        assert_int_equal(err.code, AION_INVALID);
        assert_non_null(strstr(err.text, "AION_FAILPOINTS"));
        assert_false(aion_failpoints_armed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_strikes_unless_it_is_armed),
        cmocka_unit_test(an_error_strikes_once_or_each_time),
        cmocka_unit_test(a_delay_is_slept),
        cmocka_unit_test(a_kill_strikes_at_its_time),
        cmocka_unit_test(what_is_malformed_is_refused_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
