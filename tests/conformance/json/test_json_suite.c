/* RFC 8259 case by case (cases.inc): codec_json_check and codec_json_parse into a Value give
 * the same verdict, and never look behind the end of the text. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include "codec/json.h"
#include "google/protobuf/struct.schema.h"

#include <stdio.h>
#include <stdlib.h>

struct json_case {
    const char *text;
    size_t size;
    char kind;
    bool checked, parsed; /* expected verdicts */
};

static const struct json_case cases[] = {
#define Y(text)                  {text, sizeof(text) - 1, 'Y', true, true},
#define N(text)                  {text, sizeof(text) - 1, 'N', false, false},
#define D(text)                  {text, sizeof(text) - 1, 'Y', true, false},
#define I(text, checked, parsed) {text, sizeof(text) - 1, 'I', checked, parsed},
#include "cases.inc"
#undef Y
#undef N
#undef D
#undef I
};

static bool checks(const char *text, size_t size)
{
    struct aion_err err = {.code = AION_OK};
    bool good = codec_json_check(aion_str_n(text, size), 0, &err);
    assert_true(good || err.code == AION_INVALID || err.code == AION_EXHAUSTED);
    return good;
}

static bool parses(const char *text, size_t size)
{
    const struct codec_json_read options = {.allow_nul = true};
    struct aion_err err = {.code = AION_OK};
    struct aion_arena arena;
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    bool good = codec_json_parse(&google__protobuf__value__schema, aion_str_n(text, size),
                                 &options, &arena, &err) != NULL;
    assert_true(good || err.code == AION_INVALID || err.code == AION_EXHAUSTED);
    aion_arena_done(&arena);
    return good;
}

static void every_case_has_its_verdict(void **state)
{
    int wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct json_case *item = &cases[i];
        char *exact = malloc(item->size > 0 ? item->size : 1);
        memcpy(exact, item->text, item->size);
        if (checks(exact, item->size) != item->checked ||
            parses(exact, item->size) != item->parsed) {
            print_error("%c %.*s\n", item->kind, (int)item->size, item->text);
            wrong++;
        }
        free(exact);
    }
    assert_int_equal(wrong, 0);
}

/* What is refused alone is refused as an element and as a member's value, and what is taken is
 * taken there. */
static void verdicts_hold_inside_other_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static const char *const around[][2] = {{"[", "]"}, {"{\"k\":", "}"}, {"[[0],", ",1]"}};
        const struct json_case *item = &cases[i];
        if (item->kind != 'Y')
            continue;
        for (size_t k = 0; k < 3; k++) {
            char text[512];
            size_t head = strlen(around[k][0]), tail = strlen(around[k][1]);
            memcpy(text, around[k][0], head);
            memcpy(text + head, item->text, item->size);
            memcpy(text + head + item->size, around[k][1], tail);
            if (!checks(text, head + item->size + tail))
                fail_msg("refused inside: %.*s", (int)item->size, item->text);
            if (checks(text, head + item->size))
                fail_msg("taken without an end: %.*s", (int)item->size, item->text);
        }
    }
}

static void the_table_covers_what_it_should(void **state)
{
    size_t taken = 0, refused = 0, open = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        taken += cases[i].kind == 'Y';
        refused += cases[i].kind == 'N';
        open += cases[i].kind == 'I';
    }
    print_message("%zu to take, %zu to refuse, %zu left open by the RFC\n", taken, refused,
                  open);
    assert_true(taken >= 95 && refused >= 188 && open >= 35);
}

static void nesting_beyond_the_bound_is_refused(void **state)
{
    enum { DEEP = 100000 };
    static char text[4 * DEEP];
    (void)state;
    memset(text, '[', DEEP);
    assert_false(checks(text, DEEP));
    assert_false(parses(text, DEEP));
    memset(text + DEEP, ']', DEEP);
    assert_false(checks(text, 2 * DEEP));
    for (size_t i = 0; i < DEEP; i++)
        memcpy(text + 4 * i, "{\"\":", 4);
    assert_false(checks(text, sizeof(text)));
    assert_false(parses(text, sizeof(text)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"every case has its verdict", every_case_has_its_verdict, NULL, NULL, NULL},
        {"verdicts hold inside other values", verdicts_hold_inside_other_values, NULL, NULL,
         NULL},
        {"the table covers what it should", the_table_covers_what_it_should, NULL, NULL, NULL},
        {"100,000 levels are refused", nesting_beyond_the_bound_is_refused, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("json_suite", tests, NULL, NULL);
}
