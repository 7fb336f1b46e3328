/* Goal: what invites mistakes in a configuration is refused, each with its place; the rest is a
 * tree with places. */
#include "yaml/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct aion_arena arena;

static const struct yaml_node *parse(const char *text, struct aion_err *err)
{
    aion_arena_reset(&arena);
    return yaml_parse("f.yaml", aion_str_of(text), &arena, err);
}

static void values_know_their_place(void **state)
{
    struct aion_err err;
    const struct yaml_node *root = parse("a: 1\nb:\n  - x\n  - \"1.10\"\nc: {d: e}\n", &err);
    (void)state;
    assert_non_null(root);
    const struct yaml_node *b = yaml_get(root, "b");
    assert_int_equal(b->kind, YAML_LIST);
    assert_int_equal(b->count, 2);
    assert_true(b->first->next->quoted);
    assert_true(aion_str_is(b->first->next->value, "1.10"));
    assert_int_equal(b->first->next->line, 4);
    assert_int_equal(b->first->next->column, 5);
    assert_true(aion_str_is(yaml_get(yaml_get(root, "c"), "d")->value, "e"));
    assert_null(yaml_get(root, "z"));
}

static void an_empty_document_is_an_empty_map(void **state)
{
    struct aion_err err;
    (void)state;
    assert_int_equal(parse("", &err)->count, 0);
    assert_int_equal(parse("# only a comment\n", &err)->kind, YAML_MAP);
}

static void what_invites_mistakes_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text, *starts;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: "},
        {"a: &x 1\n", "f.yaml:1:"},
        {"a: 1\nb: *x\n", "f.yaml:2:"},
        {"a: !!str 1\n", "f.yaml:1:"},
        {"a: 1\n---\nb: 2\n", "f.yaml:2:1: a second"},
        {"a: [1\nb: }", "f.yaml:2:"},
        {"a: \"\\0\"\n", "f.yaml:1:"},
        {"{a: 1}: 2\n", "f.yaml:1:"},
        {"a: 1\n%ero\x87\n", "f.yaml:2:5: not UTF-8"},
        {"a: \xc3\xa9 \x01\n", "f.yaml:1:6: a control character"},
        {"\ta: 1\n", "f.yaml:1:"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
         "f.yaml:1:"},
    };
    struct aion_err err;
    (void)state;
    for (size_t i = 0; i < aion_countof(cases); i++) {
        assert_null(parse(cases[i].text, &err));
        assert_int_equal(err.code, AION_INVALID);
        assert_true(aion_str_starts(aion_str_of(err.text), aion_str_of(cases[i].starts)));
    }
}

static void an_unknown_key_names_the_nearest(void **state)
{
    static const char *const known[] = {"routes", "rules", NULL};
    struct aion_err err;
    (void)state;
    assert_false(yaml_only(parse("route: 1\n", &err), known, &err));
    assert_string_equal(err.text, "f.yaml:1:1: unknown key \"route\"; nearest: routes");
}

static void a_flat_map_becomes_pairs_for_options(void **state)
{
    const struct aion_conf_pair *pairs;
    size_t count;
    struct aion_err err;
    (void)state;
    assert_true(
        yaml_conf_pairs(parse("depth: 4\nname: x\n", &err), &arena, &pairs, &count, &err));
    assert_int_equal(count, 2);
    assert_string_equal(pairs[1].key, "name");
    assert_string_equal(pairs[1].at, "f.yaml:2:7");
    assert_false(yaml_conf_pairs(parse("depth: [4]\n", &err), &arena, &pairs, &count, &err));
}

static int open_arena(void **state)
{
    (void)state;
    aion_arena_init(&arena, 1 << 24, NULL, 0);
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
        cmocka_unit_test(values_know_their_place),
        cmocka_unit_test(an_empty_document_is_an_empty_map),
        cmocka_unit_test(what_invites_mistakes_is_refused_with_its_place),
        cmocka_unit_test(an_unknown_key_names_the_nearest),
        cmocka_unit_test(a_flat_map_becomes_pairs_for_options),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
