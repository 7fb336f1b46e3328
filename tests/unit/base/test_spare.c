/* Goal: spares give a piece for each that is asked for, never the same one to two, and keep no
 * more than they were told. Where nothing is kept (address sanitizer) the sanitizer finds what
 * leaks. */
#include "base/spare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 3000, COUNT = 10, KEPT_MAX = 4 };

static void pieces_are_given_once_and_few_are_kept(void **state)
{
    struct aion_spares spares = AION_SPARES(SIZE, KEPT_MAX);
    unsigned char *pieces[COUNT];
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            pieces[i] = aion_spares_take(&spares);
            assert_non_null(pieces[i]);
            memset(pieces[i], i, SIZE);
        }
        assert_int_equal(spares.count, 0);
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(pieces[i][0], i);
            assert_int_equal(pieces[i][SIZE - 1], i);
            aion_spares_give(&spares, pieces[i]);
            assert_true(spares.count <= KEPT_MAX);
        }
    }
    aion_spares_give(&spares, NULL);
    aion_spares_done(&spares);
    assert_int_equal(spares.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_given_once_and_few_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
