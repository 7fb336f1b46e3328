/* What the PostgreSQL driver makes of its URL, and of values on their way to the server.
 * Method: pure functions, no server. */
#include "store/postgres/args.h"
#include "store/postgres/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct aion_err err;

static const char *value_of(const struct pg_url *url, const char *keyword)
{
    for (size_t i = 0; i < url->count; i++)
        if (strcmp(url->keywords[i], keyword) == 0)
            return url->values[i];
    return "";
}

static void a_uri_and_a_row_of_keywords_say_the_same(void **state)
{
    static const char *const texts[] = {
        "//me:secret@db.example:6000/tasks?sslmode=require&aion_connections=3",
        "host=db.example port=6000 user=me password=secret dbname=tasks sslmode=require "
        "aion_connections=3",
    };
    (void)state;
    for (size_t i = 0; i < aion_countof(texts); i++) {
        struct pg_url url;
        assert_true(pg_url_parse(aion_str_of(texts[i]), &url, &err));
        assert_string_equal(value_of(&url, "host"), "db.example");
        assert_string_equal(value_of(&url, "password"), "secret");
        assert_string_equal(value_of(&url, "sslmode"), "require");
        assert_string_equal(value_of(&url, "keepalives_idle"), "10"); /* ours, where none is */
        assert_string_equal(url.place, "database tasks at db.example:6000 as user me");
        assert_int_equal(url.connections, 3);
        assert_string_equal(url.schema, "aion");
        pg_url_done(&url);
    }
}

static void what_the_url_says_stands_before_our_defaults(void **state)
{
    struct pg_url url;
    struct pg_keywords keywords;
    (void)state;
    assert_true(pg_url_parse(
        AION_STR("//h/d?connect_timeout=9&options=-c%20work_mem%3D1MB&aion_schema=mesh_2"),
        &url, &err));
    assert_string_equal(value_of(&url, "connect_timeout"), "9");
    assert_true(pg_url_keywords(&url, PG_WRITES, &keywords));
    assert_non_null(strstr(keywords.options, "search_path=mesh_2 "));
    assert_non_null(strstr(keywords.options, "-c work_mem=1MB"));
    pg_url_done(&url);
}

/* A piece of a password that is not escaped would be taken for a host or a port. */
static void a_wrong_url_is_refused_without_telling_the_password(void **state)
{
    static const struct {
        const char *text, *mend;
    } cases[] = {
        {"//me:zeb@bra@host/d", "%40"},
        {"//me:zeb/bra@host/d", "%2F"},
        {"//me:zeb%zzbra@host/d", "cannot be read"},
        {"//me:zebra@host:port/d", "no number"},
        {"//me:zebra@host/d?no_such=1", "cannot be read"},
        {"host=h password=zebra no_such=1", "cannot be read"},
        {"//me:zebra@host/d?aion_connections=9", "1..4"},
        {"//me:zebra@host/d?aion_schema=Drop%20it", "a-z"},
        {"//me:zebra@host/d?aion_schema=", "a-z"},
    };
    (void)state;
    for (size_t i = 0; i < aion_countof(cases); i++) {
        struct pg_url url;
        assert_false(pg_url_parse(aion_str_of(cases[i].text), &url, &err));
        assert_int_equal(err.code, AION_INVALID);
        assert_non_null(strstr(err.text, cases[i].mend));
        assert_null(strstr(err.text, "zeb"));
        assert_null(strstr(err.text, "bra"));
        assert_string_equal(err.detail, "");
        pg_url_done(&url);
    }
}

/* -- values ------------------------------------------------------------------------- */
static struct pg_args args;

static void assert_bytes(size_t column, const char *bytes, size_t size)
{
    struct pg_params params;
    assert_true(pg_args_params(&args, &params));
    assert_int_equal(params.lengths[column], size);
    assert_memory_equal(params.values[column], bytes, size);
}

/* PostgreSQL's array_send: dimensions, NULL flag, element's type, length, lower bound. */
static void a_column_is_a_binary_array(void **state)
{
    static const char numbers[] = "\0\0\0\1\0\0\0\1\0\0\0\x14\0\0\0\2\0\0\0\1"
                                  "\0\0\0\x8\0\0\0\0\0\0\1\2"
                                  "\0\0\0\x8\xff\xff\xff\xff\xff\xff\xff\xff";
    static const char blobs[] = "\0\0\0\1\0\0\0\1\0\0\0\x11\0\0\0\2\0\0\0\1"
                                "\0\0\0\2ab\xff\xff\xff\xff";
    (void)state;
    pg_args_init(&args);
    pg_args_begin(&args, "lbL");
    pg_put_i64(&args, 258);
    pg_put_bytes(&args, AION_STR("ab"));
    pg_at(&args, 0);
    pg_put_i64(&args, -1);
    pg_put_bytes(&args, (aion_str){0});
    pg_at(&args, 2);
    pg_put_i64(&args, 5);
    assert_bytes(0, numbers, sizeof(numbers) - 1);
    assert_bytes(1, blobs, sizeof(blobs) - 1);
    assert_bytes(2, "\0\0\0\0\0\0\0\5", 8);
    pg_args_done(&args);
}

/* Words that people read are made clean; names that are compared are refused. */
static void text_that_is_not_utf8_cannot_break_a_batch(void **state)
{
    (void)state;
    pg_args_init(&args);
    pg_args_begin(&args, "T");
    pg_put_text(&args, aion_str_n("a\xff\0z", 4));
    assert_bytes(0, "a\xef\xbf\xbd\xef\xbf\xbdz", 8);
    assert_false(args.bad);
    pg_args_begin(&args, "tT");
    pg_put_text(&args, aion_str_n("\xff", 1));
    pg_put_name(&args, aion_str_n("a\xff", 2));
    assert_true(args.bad);
    assert_bytes(0,
                 "\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\1\0\0\0\1"
                 "\0\0\0\3\xef\xbf\xbd",
                 27);
    pg_args_done(&args);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uri_and_a_row_of_keywords_say_the_same),
        cmocka_unit_test(what_the_url_says_stands_before_our_defaults),
        cmocka_unit_test(a_wrong_url_is_refused_without_telling_the_password),
        cmocka_unit_test(a_column_is_a_binary_array),
        cmocka_unit_test(text_that_is_not_utf8_cannot_break_a_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
