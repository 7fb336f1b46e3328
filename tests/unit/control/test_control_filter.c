/* Goal: a filter means just what it says, and nobody reaches into another tenant. Method:
 * filters read from messages, tried on tasks. */
#include "control_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct control_subject subject = {
    .id = {{1, 2, 3}},
    .tenant = {"acme", 4},
    .intent = {"chat", 4},
    .module = {"llm", 3},
    .reason = {"MODULE_CRASHED", 14},
    .created_us = 2000000,
};

static bool reads(const Aion__V1__TaskFilter *from, bool admin, struct control_filter *filter,
                  struct aion_err *err)
{
    return control_filter_read(from, AION_STR("acme"), admin, filter, err);
}

static bool fits(const Aion__V1__TaskFilter *from, bool admin)
{
    struct control_filter filter;
    struct aion_err err;
    assert_true(reads(from, admin, &filter, &err));
    bool fit = control_filter_fits(&filter, &subject);
    control_filter_free(&filter);
    return fit;
}

static void everything_that_is_set_must_match(void **state)
{
    Aion__V1__TaskFilter from = AION__V1__TASK_FILTER__INIT;
    Google__Protobuf__Timestamp stamp = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    (void)state;
    from.intent = (char *)(uintptr_t) "chat";
    assert_true(fits(&from, true));
    from.reason = (char *)(uintptr_t) "HOST_LOST";
    assert_false(fits(&from, true));
    from.reason = (char *)(uintptr_t) "MODULE_CRASHED";
    stamp.seconds = 2;
    from.created_after = &stamp;
    assert_true(fits(&from, true));
    from.created_after = NULL;
    from.created_before = &stamp; /* exclusive */
    assert_false(fits(&from, true));
}

static void ids_pick_out_tasks(void **state)
{
    Aion__V1__TaskFilter from = AION__V1__TASK_FILTER__INIT;
    char text[AION_UUID_TEXT], other[] = "00000000-0000-0000-0000-000000000001";
    char *ids[] = {other, text};
    struct control_filter filter;
    struct aion_err err;
    (void)state;
    aion_uuid_text(&subject.id, text);
    from.task_ids = ids;
    from.n_task_ids = 2;
    assert_true(fits(&from, false));
    from.n_task_ids = 1;
    assert_false(fits(&from, false));
    other[0] = 'x';
    assert_false(reads(&from, false, &filter, &err));
    assert_int_equal(err.code, AION_INVALID);
    assert_non_null(strstr(err.text, "x0000000"));
}

static void a_filter_that_names_nothing_must_say_all(void **state)
{
    Aion__V1__TaskFilter from = AION__V1__TASK_FILTER__INIT;
    struct control_filter filter;
    struct aion_err err;
    (void)state;
    assert_false(reads(&from, true, &filter, &err));
    from.all = true;
    assert_true(fits(&from, true));
}

static void another_tenant_is_for_admins(void **state)
{
    Aion__V1__TaskFilter from = AION__V1__TASK_FILTER__INIT;
    struct control_filter filter;
    struct aion_err err;
    (void)state;
    from.tenant = (char *)(uintptr_t) "beta";
    assert_false(reads(&from, false, &filter, &err));
    assert_int_equal(err.code, AION_DENIED);
    assert_false(fits(&from, true));
    from.tenant = (char *)(uintptr_t) "acme";
    assert_true(fits(&from, false));
    assert_true(reads(NULL, false, &filter, &err)); /* none: the caller's own */
    assert_string_equal(filter.tenant, "acme");
    control_filter_free(&filter);
    assert_true(reads(NULL, true, &filter, &err));
    assert_string_equal(filter.tenant, "");
    control_filter_free(&filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_is_set_must_match),
        cmocka_unit_test(ids_pick_out_tasks),
        cmocka_unit_test(a_filter_that_names_nothing_must_say_all),
        cmocka_unit_test(another_tenant_is_for_admins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
