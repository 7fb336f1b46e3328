/* The cache: unfinished tasks stay, finished ones are kept by use and within bounds. */
#include "task.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct aion_uuid id_of(unsigned number)
{
    return (struct aion_uuid){.bytes = {[15] = (uint8_t)number}};
}

static struct control_task *add(struct control_cache *cache, unsigned number)
{
    struct aion_uuid id = id_of(number);
    struct control_task *task = control_task_new(&id, AION_STR("default"), AION_STR("noop"));
    assert_true(control_cache_add(cache, task));
    control_task_unref(task);
    return task;
}

static bool has(struct control_cache *cache, unsigned number)
{
    struct aion_uuid id = id_of(number);
    return control_cache_find(cache, &id) != NULL;
}

static void unfinished_tasks_are_never_dropped(void **state)
{
    struct control_cache cache;
    (void)state;
    control_cache_init(&cache, 100, 2, 1 << 20);
    for (unsigned i = 1; i <= 50; i++)
        add(&cache, i);
    for (unsigned i = 1; i <= 50; i++)
        assert_true(has(&cache, i));
    control_cache_done(&cache);
}

static void finished_ones_leave_in_the_order_of_use(void **state)
{
    struct control_cache cache;
    (void)state;
    control_cache_init(&cache, 100, 2, 1 << 20);
    struct control_task *one = add(&cache, 1), *two = add(&cache, 2), *three = add(&cache, 3);
    control_cache_finished(&cache, one);
    control_cache_finished(&cache, two);
    assert_true(has(&cache, 1)); /* used last now */
    control_cache_finished(&cache, three);
    assert_true(has(&cache, 1) && has(&cache, 3));
    assert_false(has(&cache, 2));
    control_cache_drop_finished(&cache);
    assert_false(has(&cache, 1) || has(&cache, 3));
    assert_int_equal(cache.finished, 0);
    assert_int_equal(cache.finished_bytes, 0);
    control_cache_done(&cache);
}

static void finished_ones_are_bounded_in_bytes(void **state)
{
    struct control_cache cache;
    char body[10000] = {0};
    (void)state;
    control_cache_init(&cache, 100, 100, 35000);
    for (unsigned i = 1; i <= 10; i++) {
        struct control_task *task = add(&cache, i);
        control_bytes_set(&task->result, aion_str_n(body, sizeof(body)));
        control_cache_finished(&cache, task);
    }
    assert_true(cache.finished_bytes <= 35000 && cache.finished >= 2);
    assert_true(has(&cache, 10));
    assert_false(has(&cache, 1));
    control_cache_done(&cache);
}

static void a_task_that_is_held_outlives_its_place(void **state)
{
    struct control_cache cache;
    (void)state;
    control_cache_init(&cache, 100, 0, 0);
    struct control_task *task = control_task_ref(add(&cache, 1));
    control_cache_finished(&cache, task);
    assert_false(has(&cache, 1));
    assert_int_equal(task->refs, 1);
    control_task_unref(task);
    control_cache_done(&cache);
}

static void a_full_cache_refuses(void **state)
{
    struct control_cache cache;
    struct aion_uuid id = id_of(3);
    (void)state;
    control_cache_init(&cache, 2, 0, 0);
    add(&cache, 1);
    add(&cache, 2);
    struct control_task *task = control_task_new(&id, AION_STR("default"), AION_STR("noop"));
    assert_false(control_cache_add(&cache, task));
    control_task_unref(task);
    control_cache_done(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unfinished_tasks_are_never_dropped),
        cmocka_unit_test(finished_ones_leave_in_the_order_of_use),
        cmocka_unit_test(finished_ones_are_bounded_in_bytes),
        cmocka_unit_test(a_task_that_is_held_outlives_its_place),
        cmocka_unit_test(a_full_cache_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
