/* Goal: terms narrow as they are described; what is no expression is refused with its reason;
 * differences between texts are found; fuzzy names come in the right order.
 * Method: rows of fields, typed filters, pairs of texts. */
#include "tui_test.h"

#include "diff.h"
#include "filter.h"
#include "pattern.h"

#include <sys/resource.h>

static const struct tui_field row[] = {
    {"route", {"chat/hybrid", 11}}, {"state", {"SLOW", 4}}, {"tenant", {"acme corp", 9}}};

static bool matches(const char *typed)
{
    struct tui_filter filter = {.count = 0};
    struct aion_err err;
    assert_true(tui_filter_set(&filter, aion_str_of(typed), &err));
    bool result = tui_filter_match(&filter, row, 3);
    tui_filter_done(&filter);
    return result;
}

static void terms_must_all_match(void **state)
{
    (void)state;
    assert_true(matches(""));
    assert_true(matches("chat"));
    assert_true(matches("CHAT slow"));
    assert_false(matches("chat nobody"));
    assert_true(matches("!nobody"));
    assert_false(matches("!chat"));
}

static void names_choose_the_column(void **state)
{
    (void)state;
    assert_true(matches("state:slow"));
    assert_false(matches("route:slow"));
    assert_true(matches("!route:slow"));
    assert_true(matches("ten:acme")); /* a beginning of the name will do */
    assert_true(matches("tenant:\"acme corp\""));
    assert_false(matches("\"\" nobody")); /* an empty word does not end what was typed */
    assert_false(matches("nothing:x"));
}

static void expressions_are_read(void **state)
{
    (void)state;
    assert_true(matches("~^chat.*d$"));
    assert_true(matches("route:~hybrid$"));
    assert_false(matches("state:~^low"));
    assert_true(matches("!~^low"));
    assert_true(matches("~^c\\w{3}/"));
    assert_true(matches("state:~^(?=s).(?!x)"));
    assert_false(matches("~(.)\\1{2}"));
}

/* POSIX's compiler needs gigabytes for the first. */
static void expressions_are_bounded(void **state)
{
    static const struct tui_field same[] = {
        {"id", {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", 42}}};
    struct tui_filter filter = {.count = 0};
    struct aion_err err;
    struct rusage usage;
    (void)state;
    assert_false(tui_filter_set(&filter, AION_STR("~a+++++++++++++++++++++++++++++++1"), &err));
    assert_non_null(strstr(err.text, "at character 3")); /* a++ is Perl's, a third + nobody's */
    assert_false(tui_filter_set(&filter, AION_STR("~((a{999}){999}){999}"), &err));
    assert_non_null(strstr(err.text, "too large"));
    assert_true(tui_filter_set(&filter, AION_STR("~(((((((((a+)+)+)+)+)+)+)+)+)+$"), &err));
    /* neither way is a row hidden that could not be judged */
    assert_true(tui_filter_match(&filter, same, 1));
    assert_true(tui_filter_set(&filter, AION_STR("!~(a+)+$"), &err));
    assert_true(tui_filter_match(&filter, same, 1));
    assert_true(tui_filter_set(&filter, AION_STR("~(a+)+$ nobody"), &err));
    assert_false(tui_filter_match(&filter, same, 1));
    for (size_t i = 0; i < TUI_PATTERN_TRIES; i++) {
        assert_false(i > 0 && i < TUI_PATTERN_TRIES - 1 && tui_filter_slow(&filter));
        tui_filter_match(&filter, same, 1);
    }
    assert_true(tui_filter_slow(&filter)); /* and a list of thousands of rows goes on */
    assert_false(tui_filter_match(&filter, same, 1));
    assert_true(tui_filter_set(&filter, AION_STR("~(a+)+$"), &err)); /* anew: it is tried */
    assert_false(tui_filter_slow(&filter));
    tui_filter_done(&filter);
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    assert_true(usage.ru_maxrss < 512 * 1024); /* KiB; a sanitizer's own included */
}

static void what_is_no_filter_says_why(void **state)
{
    struct tui_filter filter = {.count = 0};
    struct aion_err err;
    char long_one[200];
    (void)state;
    assert_false(tui_filter_set(&filter, AION_STR("~[a"), &err));
    assert_non_null(strstr(err.text, "[a"));
    assert_string_equal(filter.text, ""); /* nobody is told that it narrows */
    assert_true(tui_filter_match(&filter, row, 3));
    assert_false(tui_filter_set(&filter, AION_STR("~a{99999}"), &err));
    assert_false(tui_filter_set(&filter, AION_STR("~(a)\\2"), &err));
    assert_false(tui_filter_set(&filter, AION_STR("~\xCC"), &err));
    assert_false(tui_filter_set(&filter, AION_STR("a b c d e f g h i"), &err));
    assert_true(tui_filter_match(&filter, row, 3));
    memset(long_one, 'a', sizeof(long_one));
    assert_false(tui_filter_set(&filter, aion_str_n(long_one, sizeof(long_one)), &err));
    tui_filter_done(&filter);
}

static void what_the_server_understands_is_given_out(void **state)
{
    struct tui_filter filter = {.count = 0};
    struct aion_err err;
    (void)state;
    tui_filter_set(&filter, AION_STR("tenant:acme !route:x host:~gpu"), &err);
    assert_true(aion_str_is(tui_filter_value(&filter, "tenant"), "acme"));
    assert_null(tui_filter_value(&filter, "route").data);
    assert_null(tui_filter_value(&filter, "host").data);
    tui_filter_done(&filter);
}

static void nearer_names_score_higher(void **state)
{
    (void)state;
    assert_true(tui_fuzzy(AION_STR("ret"), AION_STR("retention")) >
                tui_fuzzy(AION_STR("ret"), AION_STR("reverse the time")));
    assert_true(tui_fuzzy(AION_STR("mb"), AION_STR("minute-back")) >
                tui_fuzzy(AION_STR("mb"), AION_STR("number")));
    assert_int_equal(tui_fuzzy(AION_STR("xyz"), AION_STR("retention")), -1);
    assert_int_equal(tui_fuzzy(AION_STR(""), AION_STR("anything")), 0);
}

/* -- differences ----------------------------------------------------------- */

static const char *diff(const char *before, const char *after)
{
    static char out[4096];
    struct aion_arena arena;
    size_t used = 0;
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    struct tui_lines lines = {.arena = &arena, .width = 80};
    tui_diff(aion_str_of(before), aion_str_of(after), &lines);
    out[0] = '\0';
    for (size_t i = 0; i < lines.count; i++)
        used += (size_t)snprintf(out + used, sizeof(out) - used, "%.*s|",
                                 AION_STR_ARG(lines.lines[i].text));
    aion_arena_done(&arena);
    return out;
}

static void differences_are_the_fewest_lines(void **state)
{
    (void)state;
    assert_string_equal(diff("a\nb\nc\n", "a\nB\nc\n"), "  a|- b|+ B|  c|");
    assert_string_equal(diff("a\nb\n", "a\nb\n"), "no difference|");
    assert_string_equal(diff("", "x\n"), "+ x|");
    assert_string_equal(diff("x\n", ""), "- x|");
    assert_string_equal(diff("a\nb\nc\nd\n", "b\nc\nd\ne\n"), "- a|  b|  c|  d|+ e|");
}

static void lines_far_from_a_change_are_left_out(void **state)
{
    (void)state;
    assert_string_equal(
        diff("1\n2\n3\n4\n5\n6\n7\n8\n9\nx\n", "1\n2\n3\n4\n5\n6\n7\n8\n9\ny\n"),
        "...|  7|  8|  9|- x|+ y|");
}

/* What was not compared is not called equal. */
static void lines_beyond_the_most_are_told_of(void **state)
{
    static char before[8300 * 2 + 1], after[sizeof(before)];
    (void)state;
    for (size_t i = 0; i + 1 < sizeof(before); i++)
        before[i] = after[i] = i % 2 == 0 ? 'x' : '\n';
    after[8299 * 2] = 'y';
    assert_string_equal(diff(before, after), "only the first 8192 lines were compared|");
    before[8192 * 2] = after[8192 * 2] = '\0';
    assert_string_equal(diff(before, after), "no difference|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_must_all_match),
        cmocka_unit_test(names_choose_the_column),
        cmocka_unit_test(expressions_are_read),
        cmocka_unit_test(expressions_are_bounded),
        cmocka_unit_test(what_is_no_filter_says_why),
        cmocka_unit_test(what_the_server_understands_is_given_out),
        cmocka_unit_test(nearer_names_score_higher),
        cmocka_unit_test(differences_are_the_fewest_lines),
        cmocka_unit_test(lines_far_from_a_change_are_left_out),
        cmocka_unit_test(lines_beyond_the_most_are_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
