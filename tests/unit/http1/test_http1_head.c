/* Heads: what is accepted is read right, however it arrives; what is ambiguous is refused,
 * however it arrives. Every row of the table is parsed whole and byte by byte; both must agree.
 */
#include "http1/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static enum http1_result parse_whole(aion_str bytes, struct http1_head *head, size_t *ret_size)
{
    size_t scanned = 0;
    const char *why = NULL;
    enum http1_result result = http1_head_parse(bytes, &scanned, head, ret_size, &why);
    if (result < 0)
        assert_non_null(why);
    return result;
}

/* Each prefix lives in memory of its own size, so that the sanitizer sees a read past its end.
 */
static enum http1_result parse_slowly(aion_str bytes, struct http1_head *head, size_t *ret_size)
{
    size_t scanned = 0;
    const char *why = NULL;
    enum http1_result result = HTTP1_MORE;
    for (size_t size = 0; result == HTTP1_MORE && size <= bytes.size; size++) {
        char *copy = malloc(size + (size == 0));
        if (size > 0)
            memcpy(copy, bytes.data, size);
        result = http1_head_parse(aion_str_n(copy, size), &scanned, head, ret_size, &why);
        free(copy);
    }
    return result;
}

struct row {
    const char *name;
    enum http1_result want;
    aion_str bytes;
};
#define ROW(name_, want_, text)    \
    {                              \
        name_, want_,              \
        {                          \
            text, sizeof(text) - 1 \
        }                          \
    }

static const struct row table[] = {
    ROW("plain", HTTP1_DONE, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("one empty line before", HTTP1_DONE, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("two empty lines before", HTTP1_BAD, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("HTTP/1.0 without Host", HTTP1_DONE, "GET / HTTP/1.0\r\n\r\n"),
    ROW("higher minor", HTTP1_DONE, "GET / HTTP/1.9\r\nHost: a\r\n\r\n"),
    ROW("OPTIONS *", HTTP1_DONE, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("absolute form", HTTP1_DONE, "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("IPv6 host with port", HTTP1_DONE, "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"),
    ROW("empty field value", HTTP1_DONE, "GET / HTTP/1.1\r\nHost: a\r\nX-E:\r\n\r\n"),
    ROW("obs-text in a value", HTTP1_DONE, "GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\r\n\r\n"),
    ROW("unfinished", HTTP1_MORE, "GET / HTTP/1.1\r\nHost: a\r\n"),
    ROW("GET * ", HTTP1_BAD, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("no Host", HTTP1_BAD, "GET / HTTP/1.1\r\n\r\n"),
    ROW("two Hosts", HTTP1_BAD, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    ROW("empty Host", HTTP1_BAD, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    ROW("Host list", HTTP1_BAD, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    ROW("Host with path", HTTP1_BAD, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ROW("user info in target", HTTP1_BAD, "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("other scheme", HTTP1_BAD, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("relative target", HTTP1_BAD, "GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("fragment", HTTP1_BAD, "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("space in target", HTTP1_BAD, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("two spaces", HTTP1_BAD, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("tab for space", HTTP1_BAD, "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("leading space", HTTP1_BAD, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("method with @", HTTP1_BAD, "G@T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ROW("HTTP/0.9", HTTP1_BAD, "GET /\r\n\r\n"),
    ROW("lower-case version", HTTP1_BAD, "GET / http/1.1\r\nHost: a\r\n\r\n"),
    ROW("version without digit", HTTP1_BAD, "GET / HTTP/1.x\r\nHost: a\r\n\r\n"),
    ROW("long version", HTTP1_BAD, "GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    ROW("HTTP/2.0", HTTP1_VERSION, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    ROW("bare LF lines", HTTP1_BAD, "GET / HTTP/1.1\nHost: a\n\n"),
    ROW("bare LF in a field", HTTP1_BAD, "GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n"),
    ROW("bare CR in a field", HTTP1_BAD, "GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n"),
    ROW("bare CR before CRLF", HTTP1_BAD, "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
    ROW("NUL in a value", HTTP1_BAD, "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
    ROW("NUL in a name", HTTP1_BAD, "GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n"),
    ROW("DEL in a value", HTTP1_BAD, "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n"),
    ROW("obs-fold", HTTP1_BAD, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"),
    ROW("fold on the first field", HTTP1_BAD, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    ROW("space before colon", HTTP1_BAD, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    ROW("no colon", HTTP1_BAD, "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
    ROW("no name", HTTP1_BAD, "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n"),
    ROW("two lengths", HTTP1_BAD,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    ROW("two equal lengths", HTTP1_BAD,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"),
    ROW("length list", HTTP1_BAD, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n"),
    ROW("signed length", HTTP1_BAD, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n"),
    ROW("negative length", HTTP1_BAD,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n"),
    ROW("hex length", HTTP1_BAD, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n"),
    ROW("empty length", HTTP1_BAD, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"),
    ROW("overflowing length", HTTP1_BAD,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n"),
    ROW("CL and TE", HTTP1_BAD,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: "
        "chunked\r\n\r\n"),
    ROW("TE and CL", HTTP1_BAD,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: "
        "5\r\n\r\n"),
    ROW("TE twice", HTTP1_BAD,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
        "x\r\n\r\n"),
    ROW("TE in 1.0", HTTP1_BAD,
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ROW("TE with tab before colon", HTTP1_BAD,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n"),
    ROW("TE gzip", HTTP1_METHOD,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
    ROW("TE xchunked", HTTP1_METHOD,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"),
    ROW("CONNECT", HTTP1_METHOD, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    ROW("other expectation", HTTP1_EXPECT, "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n"),
};

static void each_row_of_the_table_gets_its_verdict_whole_and_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < aion_countof(table); i++) {
        struct http1_head whole, slow;
        size_t size;
        enum http1_result a = parse_whole(table[i].bytes, &whole, &size);
        enum http1_result b = parse_slowly(table[i].bytes, &slow, &size);
        if (a != table[i].want || b != table[i].want)
            fail_msg("%s: want %d, whole %d, byte by byte %d", table[i].name, table[i].want, a,
                     b);
    }
}

static void a_head_is_taken_apart(void **state)
{
    (void)state;
    struct http1_head head;
    size_t size;
    aion_str bytes =
        AION_STR("POST /v1/tasks?a=b&c HTTP/1.1\r\nhOsT: x.y:8080\r\n"
                 "Content-Length: 42\r\nExpect: 100-Continue\r\nX-Pad: \t v \t\r\n\r\nBODY");
    assert_int_equal(parse_whole(bytes, &head, &size), HTTP1_DONE);
    assert_int_equal(size, bytes.size - 4);
    assert_true(aion_str_is(head.method, "POST"));
    assert_true(aion_str_is(head.target, "/v1/tasks?a=b&c"));
    assert_true(aion_str_is(head.path, "/v1/tasks"));
    assert_true(aion_str_is(head.query, "a=b&c"));
    assert_true(aion_str_is(head.host, "x.y:8080"));
    assert_true(head.keep_alive && head.has_length && head.expect_continue && !head.chunked);
    assert_int_equal(head.length, 42);
    assert_int_equal(head.field_count, 4);
    assert_true(aion_str_is(http1_field_get(&head, "x-pad"), "v"));
    assert_null(http1_field_get(&head, "absent").data);
}

static void the_targets_host_counts_in_absolute_form(void **state)
{
    (void)state;
    struct http1_head head;
    size_t size;
    assert_int_equal(
        parse_whole(AION_STR("GET http://real:1?q HTTP/1.1\r\nHost: other\r\n\r\n"), &head,
                    &size),
        HTTP1_DONE);
    assert_true(aion_str_is(head.host, "real:1"));
    assert_true(aion_str_is(head.path, "/"));
    assert_true(aion_str_is(head.query, "q"));
}

static bool stays_open(aion_str bytes)
{
    struct http1_head head;
    size_t size;
    assert_int_equal(parse_whole(bytes, &head, &size), HTTP1_DONE);
    return head.keep_alive;
}

static void keep_alive_follows_version_and_connection(void **state)
{
    (void)state;
    assert_true(stays_open(AION_STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n")));
    assert_false(
        stays_open(AION_STR("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n")));
    assert_false(stays_open(AION_STR("GET / HTTP/1.0\r\n\r\n")));
    assert_true(stays_open(AION_STR("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")));
}

/* "GET / HTTP/1.1", Host and `count` more fields of `size` bytes each. */
static enum http1_result many(size_t count, size_t size)
{
    size_t max = 64 + count * (size + 8);
    char *text = malloc(max);
    size_t at = (size_t)snprintf(text, max, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (size_t i = 0; i < count; i++) {
        memcpy(text + at, "X: ", 3);
        memset(text + at + 3, 'v', size);
        memcpy(text + at + 3 + size, "\r\n", 2);
        at += 5 + size;
    }
    memcpy(text + at, "\r\n", 2);
    struct http1_head head;
    size_t head_size;
    enum http1_result result = parse_whole(aion_str_n(text, at + 2), &head, &head_size);
    free(text);
    return result;
}

static void fields_are_bounded_in_number_and_length(void **state)
{
    (void)state;
    assert_int_equal(many(HTTP1_FIELDS_MAX - 1, 1), HTTP1_DONE);
    assert_int_equal(many(HTTP1_FIELDS_MAX, 1), HTTP1_LARGE);
    assert_int_equal(many(1, HTTP1_LINE_MAX - 3), HTTP1_DONE);
    assert_int_equal(many(1, HTTP1_LINE_MAX), HTTP1_LARGE);
}

static void each_refusal_has_its_status(void **state)
{
    (void)state;
    assert_int_equal(http1_result_status(HTTP1_BAD), 400);
    assert_int_equal(http1_result_status(HTTP1_LARGE), 431);
    assert_int_equal(http1_result_status(HTTP1_VERSION), 505);
    assert_int_equal(http1_result_status(HTTP1_METHOD), 501);
    assert_int_equal(http1_result_status(HTTP1_TARGET), 414);
    assert_int_equal(http1_result_status(HTTP1_EXPECT), 417);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_of_the_table_gets_its_verdict_whole_and_byte_by_byte),
        cmocka_unit_test(a_head_is_taken_apart),
        cmocka_unit_test(the_targets_host_counts_in_absolute_form),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
        cmocka_unit_test(fields_are_bounded_in_number_and_length),
        cmocka_unit_test(each_refusal_has_its_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
