/* Goal: a list gives its links in the order they were put, whatever left meanwhile, and says
 * how many they are. Method: places of a few links by hand. */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { COUNT = 6 };

static struct aion_link head, links[COUNT];

/* Their numbers, forwards, which must be those backwards. */
static const char *told(void)
{
    static char text[COUNT + 1];
    size_t count = 0;
    aion_list_each (link, &head) {
        assert_ptr_equal(link->next->prev, link);
        assert_ptr_equal(link->prev->next, link);
        text[count++] = (char)('0' + (link - links));
    }
    text[count] = '\0';
    assert_int_equal(aion_list_count(&head), count);
    assert_int_equal(aion_list_empty(&head), count == 0);
    assert_ptr_equal(aion_list_first(&head), count == 0 ? NULL : &links[text[0] - '0']);
    return text;
}

static int setup(void **state)
{
    (void)state;
    aion_list_init(&head);
    for (int i = 0; i < COUNT; i++)
        aion_list_init(&links[i]);
    return 0;
}

static void links_stand_where_they_were_put(void **state)
{
    (void)state;
    assert_string_equal(told(), "");
    aion_list_add_last(&head, &links[2]);
    assert_string_equal(told(), "2");
    aion_list_add_last(&head, &links[3]);
    aion_list_add_first(&head, &links[1]);
    aion_list_add_first(&head, &links[0]);
    assert_string_equal(told(), "0123");
}

static void a_link_that_left_is_in_no_list_and_may_leave_again(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT; i++)
        aion_list_add_last(&head, &links[i]);
    for (int i = 0; i < 2; i++) {
        aion_list_remove(&links[0]);
        aion_list_remove(&links[3]);
        aion_list_remove(&links[5]);
        assert_string_equal(told(), "124");
        assert_true(aion_list_empty(&links[3]));
    }
    aion_list_add_last(&head, &links[3]);
    assert_string_equal(told(), "1243");
}

static void a_walk_may_remove_where_it_stands(void **state)
{
    size_t seen = 0;
    (void)state;
    for (int i = 0; i < COUNT; i++)
        aion_list_add_last(&head, &links[i]);
    aion_list_each_safe (link, &head) {
        seen++;
        if ((link - links) % 2 == 0)
            aion_list_remove(link);
    }
    assert_int_equal(seen, COUNT);
    assert_string_equal(told(), "135");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(links_stand_where_they_were_put, setup),
        cmocka_unit_test_setup(a_link_that_left_is_in_no_list_and_may_leave_again, setup),
        cmocka_unit_test_setup(a_walk_may_remove_where_it_stands, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
