/* Goal: arenas keep their limit, align their pieces and free everything at once. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void pieces_are_aligned_and_writable(void **state)
{
    struct aion_arena arena;
    (void)state;
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    for (size_t size = 1; size < 5000; size = size * 3 / 2 + 1) {
        char *piece = aion_arena_alloc(&arena, size);
        assert_non_null(piece);
        assert_int_equal((uintptr_t)piece % 16, 0);
        memset(piece, 0xab, size);
    }
    aion_arena_done(&arena);
}

static void beyond_the_limit_there_is_nothing(void **state)
{
    struct aion_arena arena;
    (void)state;
    aion_arena_init(&arena, 1024, NULL, 0);
    assert_null(aion_arena_alloc(&arena, 1025));
    assert_non_null(aion_arena_alloc(&arena, 1024));
    assert_null(aion_arena_alloc(&arena, 1));
    aion_arena_reset(&arena);
    assert_non_null(aion_arena_alloc(&arena, 512));
    aion_arena_done(&arena);
}

static void an_overflowing_array_is_refused(void **state)
{
    struct aion_arena arena;
    (void)state;
    aion_arena_init(&arena, SIZE_MAX, NULL, 0);
    assert_null(aion_arena_array(&arena, SIZE_MAX / 2, 3));
    int *cleared = aion_arena_array(&arena, 100, sizeof(int));
    for (int i = 0; i < 100; i++)
        assert_int_equal(cleared[i], 0);
    aion_arena_done(&arena);
}

static void texts_are_copied_with_their_end(void **state)
{
    struct aion_arena arena;
    char first[256];
    (void)state;
    aion_arena_init(&arena, 4096, first, sizeof(first));
    assert_string_equal(aion_arena_text(&arena, AION_STR("abc")), "abc");
    assert_string_equal(aion_arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
    assert_string_equal(aion_arena_text(&arena, (aion_str){0}), "");
    aion_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_writable),
        cmocka_unit_test(beyond_the_limit_there_is_nothing),
        cmocka_unit_test(an_overflowing_array_is_refused),
        cmocka_unit_test(texts_are_copied_with_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
