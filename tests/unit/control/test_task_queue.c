/* The queue: order within and between classes, lanes that do not block one another, and bounds.
 */
#include "task_queue.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool any(void *user, aion_str lane)
{
    (void)user;
    (void)lane;
    return true;
}

static bool only(void *user, aion_str lane)
{
    return aion_str_is(lane, user);
}

static int setup(void **state)
{
    static struct control_queue queue;
    control_queue_init(&queue, 10, 1000);
    *state = &queue;
    return 0;
}

static int teardown(void **state)
{
    control_queue_done(*state);
    return 0;
}

static void the_urgent_come_first_and_equals_in_order(void **state)
{
    struct control_queue *queue = *state;
    struct control_queue_item items[6] = {{.bytes = 0}};
    static const unsigned classes[6] = {2, 4, 2, 0, 1, 0}, order[6] = {3, 5, 4, 0, 2, 1};
    for (size_t i = 0; i < 6; i++)
        control_queue_add(queue, i % 2 ? AION_STR("cpu/a") : AION_STR("cpu/b"), &items[i],
                          classes[i], 1);
    for (size_t i = 0; i < 6; i++) {
        struct control_queue_item *first = control_queue_first(queue, any, NULL);
        assert_ptr_equal(first, &items[order[i]]);
        control_queue_remove(queue, first);
    }
    assert_null(control_queue_first(queue, any, NULL));
    assert_int_equal(queue->count, 0);
    assert_int_equal(queue->bytes, 0);
}

static void a_lane_without_host_blocks_nobody(void **state)
{
    struct control_queue *queue = *state;
    struct control_queue_item blocked = {.bytes = 0}, free_one = {.bytes = 0};
    char lane[] = "cpu/b";
    control_queue_add(queue, AION_STR("cpu/a"), &blocked, 0, 1);
    control_queue_add(queue, AION_STR("cpu/b"), &free_one, 4, 1);
    assert_ptr_equal(control_queue_first(queue, only, lane), &free_one);
    control_queue_remove(queue, &free_one);
    assert_null(control_queue_first(queue, only, lane));
    control_queue_remove(queue, &blocked);
    control_queue_remove(queue, &blocked); /* absent: nothing */
    assert_int_equal(queue->count, 0);
}

static void full_is_an_answer_in_items_and_in_bytes(void **state)
{
    struct control_queue *queue = *state;
    struct aion_err err;
    for (int i = 0; i < 10; i++)
        assert_true(control_queue_reserve(queue, 50, &err));
    assert_false(control_queue_reserve(queue, 50, &err));
    assert_int_equal(err.code, AION_EXHAUSTED);
    assert_string_equal(err.reason, "QUEUE_FULL");
    assert_true(err.retriable && err.retry_after_ms > 0);
    control_queue_unreserve(queue, 50);
    assert_false(control_queue_reserve(queue, 551, &err)); /* 450 of 1000 are taken */
    assert_true(control_queue_reserve(queue, 550, &err));
}

static void queued_tasks_count_as_reserved_ones_do(void **state)
{
    struct control_queue *queue = *state;
    struct control_queue_item item = {.bytes = 0};
    struct aion_err err;
    control_queue_add(queue, AION_STR("cpu/a"), &item, 9, 990); /* the class is bounded */
    assert_int_equal(item.class, QUEUE_CLASSES - 1);
    assert_false(control_queue_reserve(queue, 11, &err));
    control_queue_remove(queue, &item);
    assert_true(control_queue_reserve(queue, 11, &err));
}

static void what_was_acknowledged_is_queued_beyond_the_bounds(void **state)
{
    struct control_queue *queue = *state;
    struct control_queue_item items[20] = {{.bytes = 0}};
    struct aion_err err;
    for (size_t i = 0; i < 20; i++)
        control_queue_add(queue, AION_STR("cpu/a"), &items[i], 2, 100);
    assert_int_equal(queue->count, 20);
    assert_int_equal(queue->class_count[2], 20);
    assert_false(control_queue_reserve(queue, 1, &err));
    for (size_t i = 0; i < 20; i++)
        control_queue_remove(queue, &items[i]);
}

int main(void)
{
#define queue_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        queue_test(the_urgent_come_first_and_equals_in_order),
        queue_test(a_lane_without_host_blocks_nobody),
        queue_test(full_is_an_answer_in_items_and_in_bytes),
        queue_test(queued_tasks_count_as_reserved_ones_do),
        queue_test(what_was_acknowledged_is_queued_beyond_the_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
