/* Goal: the heap gives its nodes in the order of their keys, through moves and removals. */
#include "base/heap.h"
#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void nodes_come_out_in_order(void **state)
{
    enum { COUNT = 1000 };
    static struct aion_heap_node nodes[COUNT];
    struct aion_heap heap;
    struct aion_rand rand;
    (void)state;
    aion_rand_seed(&rand, 7);
    aion_heap_init(&heap);
    for (int i = 0; i < COUNT; i++)
        aion_heap_set(&heap, &nodes[i], (int64_t)aion_rand_below(&rand, 500));
    for (int i = 0; i < COUNT; i += 3)
        aion_heap_set(&heap, &nodes[i], (int64_t)aion_rand_below(&rand, 500));
    for (int i = 0; i < COUNT; i += 7)
        aion_heap_remove(&heap, &nodes[i]);
    aion_heap_remove(&heap, &nodes[0]);
    int64_t last = -1;
    size_t count = 0;
    for (struct aion_heap_node *node; (node = aion_heap_first(&heap)) != NULL; count++) {
        assert_true(node->key >= last);
        last = node->key;
        aion_heap_remove(&heap, node);
    }
    assert_int_equal(count, COUNT - (COUNT + 6) / 7);
    aion_heap_done(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nodes_come_out_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
