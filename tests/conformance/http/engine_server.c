/* The gateway's HTTP engine with the least application behind it, for the conformance tools.
 *
 *   engine_server [--cert FILE --key FILE] [--short]
 *
 * GET any path: 200 "hello"; POST: the body back; GET /stream: three events; GET /big: 1 MiB;
 * GET /tick: a stream that never ends. --short makes every time limit a second. Prints "ready
 * ADDRESS", drains on SIGTERM. */
#include "base/clock.h"
#include "http/http.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

struct app {
    struct gw_loop *loop;
    struct gw_server *server;
    char *big;
};

enum { BIG = 1 << 20 };

static void begin(void *app, struct gw_exchange *x)
{
    (void)app;
    gw_body_max(x, 1 << 20);
}

static void end(void *user, struct gw_exchange *x, aion_str body)
{
    struct app *app = user;
    const struct gw_request *request = gw_request(x);
    gw_reply_field(x, "content-type", AION_STR("text/plain"));
    if (aion_str_is(request->path, "/stream")) {
        gw_reply_begin(x, 200);
        for (int i = 0; i < 3; i++)
            gw_reply_write(x, AION_STR("data: event\n\n"));
        gw_reply_end(x);
    } else if (aion_str_is(request->path, "/tick")) {
        gw_reply_begin(x, 200);
        gw_reply_write(x, AION_STR(": here\n\n"));
    } else if (aion_str_is(request->path, "/big")) {
        gw_reply(x, 200, aion_str_n(app->big, BIG));
    } else {
        gw_reply(x, 200, body.size > 0 ? body : AION_STR("hello\n"));
    }
}

static void writable(void *app, struct gw_exchange *x)
{
    (void)app;
    (void)x;
}

static void closed(void *app, struct gw_exchange *x, bool whole)
{
    (void)app;
    (void)x;
    (void)whole;
}

static struct gw_loop *running;

static void on_signal(int number)
{
    (void)number;
    gw_loop_stop(running);
}

int main(int argc, char **argv)
{
    static const struct gw_app_ops ops = {begin, end, writable, closed};
    struct gw_server_conf conf = {.listen = "127.0.0.1:0"};
    struct aion_err err;
    struct app app = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--cert") == 0 && i + 1 < argc)
            conf.cert_file = argv[++i];
        else if (strcmp(argv[i], "--key") == 0 && i + 1 < argc)
            conf.key_file = argv[++i];
        else if (strcmp(argv[i], "--short") == 0)
            conf.handshake_us = conf.head_us = conf.body_grace_us = conf.idle_us =
                conf.stall_us = 1000000;
        else
            return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    app.big = malloc(BIG);
    memset(app.big, 'b', BIG);
    app.loop = running = gw_loop_new(&err);
    if (app.loop != NULL)
        app.server = gw_server_new(app.loop, &conf, &ops, &app, &err);
    if (app.server == NULL) {
        fprintf(stderr, "engine_server: %s (%s)\n", err.text, err.detail);
        return 1;
    }
    signal(SIGTERM, on_signal);
    signal(SIGPIPE, SIG_IGN);
    gw_server_start(app.server);
    printf("ready %s\n", gw_server_address(app.server));
    fflush(stdout);
    gw_loop_run(app.loop);
    gw_server_free(app.server);
    gw_loop_free(app.loop);
    free(app.big);
    return 0;
}
