/* Goal: errors have gRPC's names and numbers; setting one forgets the one before. */
#include "base/err.h"

#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static bool fails(struct aion_err *err)
{
    errno = ENOENT;
    return aion_fail_errno(err, AION_NOT_FOUND, "no %s", "thing");
}

static void a_failure_is_one_statement(void **state)
{
    struct aion_err err;
    (void)state;
    aion_err_set(&err, "x", AION_INVALID, "old");
    aion_err_reason(&err, "OLD");
    aion_err_field(&err, "old");
    assert_false(fails(&err));
    assert_int_equal(err.code, AION_NOT_FOUND);
    assert_string_equal(err.text, "no thing");
    assert_string_equal(err.reason, "");
    assert_string_equal(err.field, "");
    assert_non_null(strstr(err.detail, "No such file"));
    assert_string_equal(err.where, "fails");
    assert_false(fails(NULL));
}

static void of_none_nothing_is_left(void **state)
{
    struct aion_err err;
    (void)state;
    aion_fail_code(&err, AION_UNAVAILABLE, "away");
    aion_err_reason(&err, "AWAY");
    aion_err_field(&err, "host");
    aion_err_detail(&err, "gone");
    err.retry_after_ms = 5;
    aion_err_none(&err);
    assert_int_equal(err.code, AION_OK);
    assert_false(err.retriable);
    assert_int_equal(err.retry_after_ms, 0);
    assert_null(err.where);
    assert_string_equal(err.reason, "");
    assert_string_equal(err.field, "");
    assert_string_equal(err.text, "");
    assert_string_equal(err.detail, "");
}

static void codes_have_their_names(void **state)
{
    enum aion_code code;
    (void)state;
    assert_string_equal(aion_code_name(AION_EXHAUSTED), "RESOURCE_EXHAUSTED");
    assert_string_equal(aion_code_name((enum aion_code)42), "UNKNOWN");
    assert_true(aion_code_parse("DATA_LOSS", &code));
    assert_int_equal(code, 15);
    assert_false(aion_code_parse("NOPE", &code));
    assert_int_equal(aion_code_of(-1), AION_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_one_statement),
        cmocka_unit_test(of_none_nothing_is_left),
        cmocka_unit_test(codes_have_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
