/* Goal: sentences are cut where people would, the summary is of the document, in its order, and
 * any bytes are survived. */
#include "summarize.h"
#include "summarize_private.h"

#include "base/file.h"
#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct aion_arena arena;

static size_t split(const char *text, aion_str **ret_sentences)
{
    size_t count;
    aion_arena_reset(&arena);
    assert_true(summarize_split(aion_str_of(text), &arena, ret_sentences, &count));
    return count;
}

static void sentences_end_where_people_end_them(void **state)
{
    static const struct {
        const char *text;
        size_t count;
        const char *first;
    } cases[] = {
        {"One. Two! Three?", 3, "One."},
        {"Dr. Smith met Mr. J. Jones at 3.5 p.m. in Rome. They left.", 2,
         "Dr. Smith met Mr. J. Jones at 3.5 p.m. in Rome."},
        {"He said \"Go!\" She went.", 2, "He said \"Go!\""},
        {"A heading\n\nA sentence.", 2, "A heading"},
        {"e.g. this one. Next.", 2, "e.g. this one."},
        {"\xe4\xbb\x8a\xe6\x97\xa5\xe3\x80\x82\xe6\x98\x8e\xe6\x97\xa5\xe3\x80\x82", 2,
         "\xe4\xbb\x8a\xe6\x97\xa5\xe3\x80\x82"},
        {"no end", 1, "no end"},
        {"  \n \n ", 0, ""},
        {"", 0, ""},
    };
    (void)state;
    for (size_t i = 0; i < aion_countof(cases); i++) {
        aion_str *sentences;
        assert_int_equal(split(cases[i].text, &sentences), cases[i].count);
        if (cases[i].count > 0)
            assert_true(aion_str_is(sentences[0], cases[i].first));
    }
}

static void the_central_sentences_are_taken_in_order(void **state)
{
    static const char text[] =
        "The budget of the city grew this year. Lunch was soup. The city council passed the "
        "budget of the city. "
        "A bird sang. The council said the city budget will grow again next year.";
    struct summarize_result result;
    struct aion_err err;
    (void)state;
    aion_arena_reset(&arena);
    assert_true(summarize(AION_STR(text), 2, &arena, &result, &err));
    assert_int_equal(result.count, 2);
    assert_int_equal(result.total, 5);
    assert_true(result.sentences[0].index < result.sentences[1].index);
    for (size_t i = 0; i < result.count; i++) {
        assert_int_not_equal(result.sentences[i].index, 1);
        assert_int_not_equal(result.sentences[i].index, 3);
    }
}

static void the_same_said_twice_is_taken_once(void **state)
{
    static const char text[] =
        "The river flooded the old town. The river flooded the old town. "
        "People of the town left by boat on the river.";
    struct summarize_result result;
    struct aion_err err;
    (void)state;
    aion_arena_reset(&arena);
    assert_true(summarize(AION_STR(text), 3, &arena, &result, &err));
    assert_int_equal(result.count, 2);
}

static void a_real_document_is_summarized(void **state)
{
    struct aion_buf text;
    struct summarize_result result;
    struct aion_err err;
    (void)state;
    aion_buf_init(&text, 1 << 20);
    aion_arena_reset(&arena);
    assert_true(aion_file_read("tests/data/us-constitution.txt", &text, &err));
    assert_true(summarize(aion_buf_view(&text), 5, &arena, &result, &err));
    assert_int_equal(result.count, 5);
    assert_true(result.total > 150);
    for (size_t i = 0; i < 5; i++)
        assert_non_null(memmem(text.data, text.size, result.sentences[i].text.data,
                               result.sentences[i].text.size));
    aion_buf_done(&text);
}

static void bad_texts_are_refused(void **state)
{
    struct summarize_result result;
    struct aion_err err;
    (void)state;
    aion_arena_reset(&arena);
    assert_false(summarize(AION_STR("bad \xff text."), 2, &arena, &result, &err));
    assert_int_equal(err.code, AION_INVALID);
    assert_false(summarize(AION_STR(" \n "), 2, &arena, &result, &err));
    assert_int_equal(err.code, AION_INVALID);
}

static void stop_words_are_sorted(void **state)
{
    static const char *const words[] = {"about",   "the",  "your", "being",
                                        "further", "upon", "a"};
    (void)state;
    for (size_t i = 0; i < aion_countof(words); i++)
        assert_true(summarize_stop_word(aion_str_of(words[i])));
    assert_false(summarize_stop_word(AION_STR("budget")));
}

static void random_text_of_any_alphabet_is_survived(void **state)
{
    static const char *const pieces[] = {
        ". ",   "word ",       "\n\n", "\xc3\x84rger ", "\xe6\x97\xa5\xe6\x9c\xac",
        "3.4 ", "!? ",         "\"",   "a. ",           "\xf0\x9f\x98\x80 ",
        "The ", "\xe3\x80\x82"};
    struct aion_rand rand;
    struct summarize_result result;
    struct aion_err err;
    char text[4096];
    (void)state;
    aion_rand_seed(&rand, 1);
    for (int round = 0; round < 300; round++) {
        size_t size = 0;
        while (size < sizeof(text) - 16) {
            const char *piece = pieces[aion_rand_below(&rand, aion_countof(pieces))];
            memcpy(text + size, piece, strlen(piece));
            size += strlen(piece);
        }
        aion_arena_reset(&arena);
        assert_true(summarize(aion_str_n(text, size), 7, &arena, &result, &err));
        assert_true(result.count >= 1 && result.count <= 7);
    }
}

static int open_arena(void **state)
{
    (void)state;
    aion_arena_init(&arena, (size_t)256 << 20, NULL, 0);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    aion_arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences_end_where_people_end_them),
        cmocka_unit_test(the_central_sentences_are_taken_in_order),
        cmocka_unit_test(the_same_said_twice_is_taken_once),
        cmocka_unit_test(a_real_document_is_summarized),
        cmocka_unit_test(bad_texts_are_refused),
        cmocka_unit_test(stop_words_are_sorted),
        cmocka_unit_test(random_text_of_any_alphabet_is_survived),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
