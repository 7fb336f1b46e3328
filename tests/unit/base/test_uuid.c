/* Goal: ids are UUIDv7, grow strictly over all threads, and read back. */
#include "base/clock.h"
#include "base/uuid.h"

#include <pthread.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { COUNT = 20000 };
static struct aion_uuid made[2][COUNT];

static void *make(void *out)
{
    for (int i = 0; i < COUNT; i++)
        ((struct aion_uuid *)out)[i] = aion_uuid_new();
    return NULL;
}

static void ids_grow_in_every_thread(void **state)
{
    pthread_t threads[2];
    (void)state;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, make, made[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++)
        for (int k = 1; k < COUNT; k++)
            assert_true(memcmp(made[i][k - 1].bytes, made[i][k].bytes, 16) < 0);
    assert_int_equal(made[0][0].bytes[6] >> 4, 7);
    assert_int_equal(made[0][0].bytes[8] >> 6, 2);
    int64_t age = aion_clock_utc_us() / 1000 - aion_uuid_ms(&made[0][0]);
    assert_in_range(age + 1000, 0, 60000);
}

static void texts_read_back(void **state)
{
    struct aion_uuid uuid = aion_uuid_new(), back;
    char text[AION_UUID_TEXT];
    (void)state;
    aion_uuid_text(&uuid, text);
    assert_true(aion_uuid_parse(aion_str_of(text), &back));
    assert_true(aion_uuid_eq(&uuid, &back));
    assert_false(aion_uuid_parse(AION_STR("01a20d71-507e-71d6-9db6-3a4ee1f8b88"), &back));
    assert_false(aion_uuid_parse(AION_STR("01a20d71x507e-71d6-9db6-3a4ee1f8b889"), &back));
    assert_false(aion_uuid_parse(AION_STR("01a20d71-507e-71d6-9db6-3a4ee1f8b88g"), &back));
}

static void an_id_holds_its_moment_and_its_number(void **state)
{
    static const int64_t moments[] = {1, 999, 1000, 1764080000123456, 4102444799999999};
    (void)state;
    for (size_t i = 0; i < aion_countof(moments); i++) {
        struct aion_uuid uuid = aion_uuid_at(moments[i], 37);
        assert_int_equal(aion_uuid_us(&uuid), moments[i]);
        assert_int_equal(aion_uuid_ms(&uuid), moments[i] / 1000);
        assert_int_equal(uuid.bytes[15] & 63, 37);
        assert_int_equal(uuid.bytes[6] >> 4, 7);
        assert_int_equal(uuid.bytes[8] >> 6, 2);
    }
    struct aion_uuid one = aion_uuid_at(moments[3], 1), other = aion_uuid_at(moments[3], 1);
    assert_false(aion_uuid_eq(&one, &other));
}

static void other_ids_hold_no_moment(void **state)
{
    static const char *const texts[] = {
        "01a20d71-507e-41d6-9db6-3a4ee1f8b889", /* version 4 */
        "01a20d71-507e-7fff-9db6-3a4ee1f8b889", /* 1023 us in a ms */
        "01a20d71-507e-71d6-1db6-3a4ee1f8b889", /* another variant */
    };
    (void)state;
    for (size_t i = 0; i < aion_countof(texts); i++) {
        struct aion_uuid uuid;
        assert_true(aion_uuid_parse(aion_str_of(texts[i]), &uuid));
        assert_int_equal(aion_uuid_us(&uuid), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_grow_in_every_thread),
        cmocka_unit_test(texts_read_back),
        cmocka_unit_test(an_id_holds_its_moment_and_its_number),
        cmocka_unit_test(other_ids_hold_no_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
