/* Goal: the map finds what was put, after any number of removals; SipHash is SipHash. */
#include "base/map.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void keys_are_found_until_they_are_removed(void **state)
{
    enum { COUNT = 3000 };
    static char keys[COUNT][16];
    struct aion_map map;
    (void)state;
    aion_map_init(&map, COUNT);
    for (int i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof(keys[i]), "key-%d", i);
        assert_true(aion_map_put(&map, aion_str_of(keys[i]), keys[i]));
    }
    assert_false(aion_map_put(&map, AION_STR("one too many"), keys));
    for (int i = 0; i < COUNT; i += 2)
        assert_ptr_equal(aion_map_remove(&map, aion_str_of(keys[i])), keys[i]);
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(aion_map_get(&map, aion_str_of(keys[i])), i % 2 == 0 ? NULL : keys[i]);
    size_t cursor = 0, seen = 0;
    while (aion_map_next(&map, &cursor) != NULL)
        seen++;
    assert_int_equal(seen, COUNT / 2);
    assert_null(aion_map_remove(&map, AION_STR("never put")));
    aion_map_done(&map);
}

/* The first vectors of the paper's appendix: key 00..0f, messages of 0, 1 and 15 bytes 00 01 02
 * ... */
static void siphash_has_its_published_values(void **state)
{
    uint8_t message[15];
    (void)state;
    for (uint8_t i = 0; i < sizeof(message); i++)
        message[i] = i;
    assert_true(aion_siphash(0x0706050403020100u, 0x0f0e0d0c0b0a0908u, message, 0) ==
                0x726fdb47dd0e0e31u);
    assert_true(aion_siphash(0x0706050403020100u, 0x0f0e0d0c0b0a0908u, message, 1) ==
                0x74f839c593dc67fdu);
    assert_true(aion_siphash(0x0706050403020100u, 0x0f0e0d0c0b0a0908u, message, 15) ==
                0xa129ca6149be45e5u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_until_they_are_removed),
        cmocka_unit_test(siphash_has_its_published_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
