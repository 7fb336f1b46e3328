#include "fixture.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_US = 5000000 };

/* Every option at its default, as the table has it. */
static void defaults(struct gw_conf *conf)
{
    struct aion_arena arena;
    const struct aion_conf_spec spec = {"gateway", "", gw_options, gw_option_count};
    struct aion_err err;
    char *none[] = {NULL};
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    if (!aion_conf_load(&spec, conf, 0, none, none, NULL, 0, &arena, &err))
        fail_msg("%s", err.text);
    aion_arena_done(&arena); /* its texts are all replaced: */
    conf->control = conf->router = conf->retention = conf->http_cert = conf->http_key = "";
    conf->api_keys = USER_KEY ":user," ADMIN_KEY "@acme:admin";
    conf->access_log = false;
}

void fixture_start(struct fixture *fixture, void (*adjust)(struct gw_conf *conf))
{
    struct aion_err err;
    memset(fixture, 0, sizeof(*fixture));
    fixture->fd = -1;
    defaults(&fixture->conf);
    if (adjust != NULL)
        adjust(&fixture->conf);
    fixture->loop = gw_loop_new(&err);
    script_init(&fixture->script, fixture->loop);
    fixture->app = gw_app_new(&fixture->conf, fixture->loop, &fixture->script.ops, &err);
    if (fixture->app == NULL)
        fail_msg("%s", err.text);
    struct gw_server_conf conf = {.listen = "127.0.0.1:0",
                                  .idle_us = fixture->conf.idle_timeout};
    fixture->server = gw_server_new(fixture->loop, &conf, &gw_app_ops, fixture->app, &err);
    if (fixture->server == NULL)
        fail_msg("%s", err.text);
    gw_server_start(fixture->server);
}

void fixture_turn(struct fixture *fixture, int rounds)
{
    for (int i = 0; i < rounds; i++)
        gw_loop_step(fixture->loop, 0);
}

void fixture_stop(struct fixture *fixture)
{
    fixture_disconnect(fixture);
    fixture_turn(fixture, 10);
    gw_server_free(fixture->server);
    gw_app_free(fixture->app);
    gw_loop_free(fixture->loop);
}

void fixture_disconnect(struct fixture *fixture)
{
    if (fixture->fd >= 0)
        close(fixture->fd);
    fixture->fd = -1;
}

void fixture_connect(struct fixture *fixture)
{
    const char *port = strrchr(gw_server_address(fixture->server), ':') + 1;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtol(port, NULL, 10))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fixture_disconnect(fixture);
    fixture->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fixture->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    fixture->answer_size = 0;
    fixture->answer[0] = '\0';
    fixture->gone = false;
}

void fixture_send(struct fixture *fixture, const char *text)
{
    assert_int_equal(send(fixture->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void receive(struct fixture *fixture)
{
    size_t room = sizeof(fixture->answer) - 1 - fixture->answer_size;
    ssize_t size =
        recv(fixture->fd, fixture->answer + fixture->answer_size, room, MSG_DONTWAIT);
    if (size > 0) {
        fixture->answer_size += (size_t)size;
        fixture->answer[fixture->answer_size] = '\0';
    } else if (size == 0 || errno != EAGAIN) {
        fixture->gone = true;
    }
}

static void turn_once(struct fixture *fixture)
{
    gw_loop_step(fixture->loop, aion_clock_mono_us() + 1000);
    receive(fixture);
}

bool fixture_has(const struct fixture *fixture, const char *text)
{
    return strstr(fixture->answer, text) != NULL;
}

void fixture_check(const struct fixture *fixture, const char *text)
{
    if (!fixture_has(fixture, text))
        fail_msg("\"%s\" is not in: %s", text, fixture->answer);
}

void fixture_expect(struct fixture *fixture, const char *text)
{
    int64_t until = aion_clock_mono_us() + PATIENCE_US;
    while (!fixture_has(fixture, text) && !fixture->gone && aion_clock_mono_us() < until)
        turn_once(fixture);
    fixture_check(fixture, text);
}

void fixture_expect_gone(struct fixture *fixture)
{
    int64_t until = aion_clock_mono_us() + PATIENCE_US;
    while (!fixture->gone && aion_clock_mono_us() < until)
        turn_once(fixture);
    assert_true(fixture->gone);
}

/* The head is here, and as many bytes as it says. */
static bool whole(const struct fixture *fixture)
{
    const char *end = strstr(fixture->answer, "\r\n\r\n");
    const char *length = strstr(fixture->answer, "\r\ncontent-length: ");
    if (end == NULL || length == NULL)
        return end != NULL && strstr(fixture->answer, " 204 ") != NULL;
    size_t body = fixture->answer_size - (size_t)(end + 4 - fixture->answer);
    return body >= strtoul(length + 18, NULL, 10);
}

int fixture_request(struct fixture *fixture, const char *method, const char *path,
                    const char *fields, const char *body)
{
    char head[4096];
    fixture_connect(fixture);
    snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\n" HOST "%s", method, path, fields);
    fixture_send(fixture, head);
    if (body != NULL) {
        snprintf(head, sizeof(head), "Content-Length: %zu\r\n", strlen(body));
        fixture_send(fixture, head);
    }
    fixture_send(fixture, "\r\n");
    if (body != NULL)
        fixture_send(fixture, body);
    int64_t until = aion_clock_mono_us() + PATIENCE_US;
    while (!whole(fixture) && aion_clock_mono_us() < until)
        turn_once(fixture);
    assert_true(whole(fixture));
    return (int)strtol(fixture->answer + 9, NULL, 10);
}

int fixture_setup(void **state)
{
    static struct fixture fixture;
    fixture_start(&fixture, NULL);
    *state = &fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    fixture_stop(*state);
    return 0;
}
