/* Goal: server streams as responses: form, resumption, errors before and within, slow readers,
 * drain. */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define STREAM "GET /v1/stream/01a20d76-632a-710c-981b-a7685e08f2ba HTTP/1.1\r\n" HOST AUTH

/* Asks, and waits until the upstream has the stream. */
static void open_stream(struct fixture *fixture, const char *fields)
{
    size_t before = fixture->script.stream_count;
    fixture_connect(fixture);
    fixture_send(fixture, STREAM);
    fixture_send(fixture, fields);
    fixture_send(fixture, "\r\n");
    for (int i = 0; i < 10000 && fixture->script.stream_count == before; i++)
        fixture_turn(fixture, 1);
    assert_int_equal(fixture->script.stream_count, before + 1);
}

static void events_are_written_as_they_come_and_the_end_ends_the_response(void **state)
{
    struct fixture *fixture = *state;
    open_stream(fixture, "Accept: text/event-stream\r\n");
    assert_int_equal(script_newest(&fixture->script)->format, GW_SSE);
    script_event(&fixture->script, "id: 1\ndata: {}\n\n", 1, false);
    fixture_expect(fixture, "id: 1\ndata: {}\n\n");
    fixture_check(fixture, "content-type: text/event-stream\r\n");
    fixture_check(fixture, "cache-control: no-cache, no-transform\r\n");
    fixture_check(fixture, "x-accel-buffering: no\r\n");
    assert_false(fixture_has(fixture, "content-length"));
    script_end(&fixture->script, AION_OK, "", "");
    fixture_expect(fixture, "\r\n0\r\n\r\n");
}

static void lines_and_arrays_by_accept(void **state)
{
    struct fixture *fixture = *state;
    open_stream(fixture, "Accept: application/x-ndjson\r\n");
    assert_int_equal(script_newest(&fixture->script)->format, GW_NDJSON);
    script_end(&fixture->script, AION_OK, "", "");
    fixture_expect(fixture, "application/x-ndjson");
    open_stream(fixture, "Accept: text/html;q=0.9, application/json\r\n");
    script_event(&fixture->script, "{\"a\":1}", 1, false);
    script_event(&fixture->script, "{\"b\":2}", 2, false);
    script_end(&fixture->script, AION_OK, "", "");
    fixture_expect(fixture, "\r\n]\r\n");
    fixture_check(fixture, "\r\n[\r\n");
    fixture_check(fixture, "\r\n,\r\n");
}

static void last_event_id_is_the_cursor(void **state)
{
    struct fixture *fixture = *state;
    open_stream(fixture, "Last-Event-ID: 41\r\n");
    assert_string_equal(fixture->script.request_json,
                        "{\"taskId\":\"01a20d76-632a-710c-981b-a7685e08f2ba\","
                        "\"afterCursor\":\"41\"}");
    script_event(&fixture->script, "id: 41\nevent: final\ndata: {}\n\n", 41, true);
    fixture_expect(fixture, "204 No Content"); /* it has all: a browser stays away */
    assert_int_equal(
        fixture_request(fixture, "GET", "/v1/stream/x", AUTH "Last-Event-ID: x\r\n", NULL),
        400);
}

static void an_error_before_the_first_message_has_its_status(void **state)
{
    struct fixture *fixture = *state;
    open_stream(fixture, "");
    script_end(&fixture->script, AION_NOT_FOUND, "TASK_NOT_FOUND", "there is no such task");
    fixture_expect(fixture, "there is no such task");
    fixture_check(fixture, "404 Not Found");
}

static void an_error_within_is_an_event(void **state)
{
    struct fixture *fixture = *state;
    open_stream(fixture, "");
    script_event(&fixture->script, "data: {}\n\n", 1, false);
    script_end(&fixture->script, AION_RANGE, "", "too old");
    fixture_expect(fixture, "0\r\n\r\n");
    fixture_check(fixture, "event: error\ndata: {\"code\":11,\"message\":\"too old\"}\n\n");
}

static void a_silent_stream_begins_by_itself(void **state)
{
    struct fixture *fixture = *state;
    open_stream(fixture, "");
    fixture_expect(fixture, ": open\n\n");
    fixture_check(fixture, "200 OK");
}

static void fast_hearts(struct gw_conf *conf)
{
    conf->heartbeat = 20000;
}

static void a_silent_stream_shows_that_it_lives(void **state)
{
    static struct fixture fixture;
    (void)state;
    fixture_start(&fixture, fast_hearts);
    open_stream(&fixture, "");
    fixture_expect(&fixture, ": hb\n\n");
    fixture_stop(&fixture);
}

static void credit_follows_what_the_reader_takes(void **state)
{
    enum { PIECE = 64 * 1024, PIECES = 160 };
    struct fixture *fixture = *state;
    open_stream(fixture, "");
    struct script_stream *stream = script_newest(&fixture->script);
    unsigned given = 0;
    /* a client that reads nothing: the kernel's buffers fill, then the gateway holds the credit
     * back */
    while (given < PIECES && stream->credit == given * PIECE) {
        script_big_event(&fixture->script, PIECE, PIECE);
        given++;
        for (int i = 0; i < 200 && stream->credit < given * PIECE; i++)
            fixture_turn(fixture, 1);
    }
    assert_true(given < PIECES);
    uint32_t held_at = stream->credit;
    fixture_turn(fixture, 20);
    assert_int_equal(stream->credit, held_at);
    for (int i = 0; i < 20000 && stream->credit < given * PIECE; i++) { /* now it reads */
        fixture->answer_size = 0;
        fixture->answer[0] = '\0';
        fixture_expect(fixture, "x");
    }
    assert_int_equal(stream->credit, given * PIECE);
}

static void a_client_that_leaves_closes_its_stream(void **state)
{
    struct fixture *fixture = *state;
    open_stream(fixture, "");
    script_event(&fixture->script, "data: {}\n\n", 1, false);
    fixture_expect(fixture, "data: {}");
    fixture_disconnect(fixture);
    for (int i = 0; i < 10000 && !script_newest(&fixture->script)->closed; i++)
        fixture_turn(fixture, 1);
    assert_true(script_newest(&fixture->script)->closed);
    script_event(&fixture->script, "late", 2, false); /* one that was under way */
    fixture_turn(fixture, 5);
}

static void a_drain_ends_streams_with_a_hint_to_come_back(void **state)
{
    struct fixture *fixture = *state;
    open_stream(fixture, "");
    gw_app_drain(fixture->app);
    fixture_expect(fixture, "retry: 1000\n\n");
    fixture_expect(fixture, "0\r\n\r\n");
    assert_true(script_newest(&fixture->script)->closed);
    assert_int_equal(fixture_request(fixture, "GET", "/v1/stream/x", AUTH, NULL), 503);
    assert_int_equal(fixture_request(fixture, "GET", "/readyz", "", NULL), 503);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(events_are_written_as_they_come_and_the_end_ends_the_response),
        TEST(lines_and_arrays_by_accept),
        TEST(last_event_id_is_the_cursor),
        TEST(an_error_before_the_first_message_has_its_status),
        TEST(an_error_within_is_an_event),
        TEST(a_silent_stream_begins_by_itself),
        cmocka_unit_test(a_silent_stream_shows_that_it_lives),
        TEST(credit_follows_what_the_reader_takes),
        TEST(a_client_that_leaves_closes_its_stream),
        TEST(a_drain_ends_streams_with_a_hint_to_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
