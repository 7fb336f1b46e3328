/* Chunked bodies: the same body however it is cut, and refusal of what readers differ on. */
#include "base/buf.h"
#include "http1/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Feeds `bytes` in pieces of `step`; the body into `body`; *ret_left: bytes behind the end. */
static enum http1_result decode(aion_str bytes, size_t step, struct aion_buf *body,
                                size_t *ret_left)
{
    struct http1_chunks chunks;
    http1_chunks_init(&chunks);
    enum http1_result result = HTTP1_MORE;
    const char *why;
    for (size_t at = 0; result == HTTP1_MORE && at < bytes.size; at += step) {
        size_t size = bytes.size - at < step ? bytes.size - at : step;
        aion_str in = aion_str_n(bytes.data + at, size);
        while (result == HTTP1_MORE && in.size > 0) {
            aion_str data;
            result = http1_chunks_next(&chunks, &in, &data, &why);
            aion_buf_str(body, data);
        }
        *ret_left = bytes.size - at - size + in.size;
    }
    return result;
}

static void check(aion_str bytes, enum http1_result want, const char *body, size_t left)
{
    for (size_t step = 1; step <= bytes.size; step++) {
        struct aion_buf out;
        size_t rest = 0;
        aion_buf_init(&out, 1024);
        enum http1_result result = decode(bytes, step, &out, &rest);
        if (result != want)
            fail_msg("\"%.*s\" in steps of %zu: %d, want %d", AION_STR_ARG(bytes), step, result,
                     want);
        if (want != HTTP1_BAD)
            assert_true(aion_str_is(aion_buf_view(&out), body));
        if (want == HTTP1_DONE)
            assert_int_equal(rest, left);
        aion_buf_done(&out);
    }
}

static void bodies_come_out_whole_however_they_are_cut(void **state)
{
    (void)state;
    check(AION_STR("5\r\nhello\r\n0\r\n\r\n"), HTTP1_DONE, "hello", 0);
    check(AION_STR("5\r\nhello\r\n00a\r\n, world...\r\n0\r\n\r\nGET"), HTTP1_DONE,
          "hello, world...", 3);
    check(AION_STR("3;name=\"v\"\r\nabc\r\n0;x\r\n\r\n"), HTTP1_DONE, "abc", 0);
    check(AION_STR("0\r\nTrailer: x\r\nOther:\r\n\r\n"), HTTP1_DONE, "", 0);
    check(AION_STR("5\r\nhel"), HTTP1_MORE, "hel", 0);
}

static void malformed_bodies_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\r\n",                       /* no size */
        "g\r\n",                      /* no digit */
        "-1\r\n",                     /* signed */
        "0x5\r\nhello\r\n",           /* prefix */
        " 5\r\nhello\r\n",            /* space before the size */
        "5 \r\nhello\r\n",            /* and after */
        "5\nhello\r\n",               /* bare LF */
        "5\rhello",                   /* bare CR */
        "5\r\nhelloX\r\n",            /* longer than its size */
        "5\r\nhello\n0\r\n\r\n",      /* bare LF after the data */
        "1000000000000000\r\n",       /* 16 digits: may overflow */
        "ffffffffffffffffffffff\r\n", /* overflows */
        "5;a\x01\r\nhello\r\n",       /* control character in an extension */
        "5;a\nb\r\nhello\r\n",        /* bare LF in an extension */
        "0\r\nno colon\r\n\r\n",      /* malformed trailer */
        "0\r\n: x\r\n\r\n",           /* nameless trailer */
        "0\r\nA: b\r\n c\r\n\r\n",    /* folded trailer */
        "0\r\nA : b\r\n\r\n",         /* space before the colon */
        "0\r\nA\r\n\r\n",             /* name alone */
    };
    for (size_t i = 0; i < aion_countof(bad); i++)
        check(aion_str_of(bad[i]), HTTP1_BAD, NULL, 0);
}

/* `lead`, `count` times 'x', `tail`. */
static enum http1_result padded(const char *lead, size_t count, const char *tail)
{
    struct aion_buf text, body;
    size_t left;
    aion_buf_init(&text, 1 << 20);
    aion_buf_init(&body, 1 << 20);
    aion_buf_text(&text, lead);
    for (size_t i = 0; i < count; i++)
        aion_buf_char(&text, 'x');
    aion_buf_text(&text, tail);
    enum http1_result result = decode(aion_buf_view(&text), text.size, &body, &left);
    aion_buf_done(&text);
    aion_buf_done(&body);
    return result;
}

static void extensions_and_trailers_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(padded("0;", 100, "\r\n\r\n"), HTTP1_DONE);
    assert_int_equal(padded("0;", HTTP1_EXTENSION_MAX + 1, "\r\n\r\n"), HTTP1_BAD);
    assert_int_equal(padded("0\r\nA:", HTTP1_OVERHEAD_MAX / 2, "\r\n\r\n"), HTTP1_DONE);
    assert_int_equal(padded("0\r\nA:", HTTP1_OVERHEAD_MAX, "\r\n\r\n"), HTTP1_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_come_out_whole_however_they_are_cut),
        cmocka_unit_test(malformed_bodies_are_refused),
        cmocka_unit_test(extensions_and_trailers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
