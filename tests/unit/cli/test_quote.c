/* Goal: the rule that decided is quoted whole and nothing beside it. Method: items of a small
 * policy, in both styles of YAML, and places of every wrong form. */
#include "cli_quote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char policy[] = "version: 1\n"
                             "rules:\n"
                             "  - name: first\n"
                             "    when: {intent: noop}\n"
                             "\n"
                             "    use: [a]\n"
                             "  - {name: second, use: [b]}\n"
                             "  - name: last\n"
                             "    use: [c]";

static void quoted(unsigned line, const char *wanted)
{
    aion_str item = cli_quote_item(aion_str_of(policy), line);
    if (wanted == NULL ? item.data != NULL : !aion_str_is(item, wanted))
        fail_msg("line %u: \"%.*s\"", line, AION_STR_ARG(item));
}

static void an_item_ends_where_the_next_one_begins(void **state)
{
    (void)state;
    quoted(1, "version: 1");
    quoted(7, "  - {name: second, use: [b]}");
    quoted(8, "  - name: last\n    use: [c]");
    quoted(9, "    use: [c]");
    quoted(5, NULL); /* empty */
    quoted(0, NULL);
    quoted(10, NULL);
}

static void a_blank_line_within_an_item_does_not_end_it(void **state)
{
    (void)state;
    quoted(3, "  - name: first\n    when: {intent: noop}\n\n    use: [a]");
}

static void a_place_is_a_file_and_a_line(void **state)
{
    aion_str file;
    unsigned line = 0;
    (void)state;
    assert_true(cli_quote_place("10-default.yaml:22 summaries-stay-here", &file, &line));
    assert_true(aion_str_is(file, "10-default.yaml"));
    assert_int_equal(line, 22);
    assert_false(cli_quote_place("10-default.yaml", &file, &line));
    assert_false(cli_quote_place("10-default.yaml:x y", &file, &line));
    assert_false(cli_quote_place("10-default.yaml:0 y", &file, &line));
    assert_false(cli_quote_place(":3 y", &file, &line));
    assert_false(cli_quote_place("", &file, &line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_ends_where_the_next_one_begins),
        cmocka_unit_test(a_blank_line_within_an_item_does_not_end_it),
        cmocka_unit_test(a_place_is_a_file_and_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
