/* The gateway with a scripted upstream and a raw client, all on one thread: the test turns the
 * loop. */
#ifndef GATEWAY_TEST_FIXTURE_H
#define GATEWAY_TEST_FIXTURE_H

#include "script.h"

#define USER_KEY  "user-key-0123456789"
#define ADMIN_KEY "admin-key-0123456789"
#define AUTH      "Authorization: Bearer " USER_KEY "\r\n"
#define HOST      "Host: test\r\n"

struct fixture {
    struct gw_conf conf;
    struct gw_loop *loop;
    struct script script;
    struct gw_app *app;
    struct gw_server *server;
    int fd; /* the client's connection */
    char answer[1 << 16];
    size_t answer_size;
    bool gone; /* the gateway closed it */
};

/* `adjust` (may be NULL) changes the options before the start. */
void fixture_start(struct fixture *fixture, void (*adjust)(struct gw_conf *conf));
void fixture_stop(struct fixture *fixture);
/* Of a test that has one in *state. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_connect(struct fixture *fixture);    /* a new connection in place of the old one */
void fixture_disconnect(struct fixture *fixture); /* the client leaves */
void fixture_send(struct fixture *fixture, const char *text);
/* Turns the loop until the answer holds `text`; fails the test after 5 s. */
void fixture_expect(struct fixture *fixture, const char *text);
void fixture_expect_gone(struct fixture *fixture);
void fixture_turn(struct fixture *fixture, int rounds);
/* A request on a fresh connection, and its whole answer; returns the status. body NULL = none.
 */
int fixture_request(struct fixture *fixture, const char *method, const char *path,
                    const char *fields, const char *body);
/* Does the last answer hold this text? */
bool fixture_has(const struct fixture *fixture, const char *text);
void fixture_check(const struct fixture *fixture,
                   const char *text); /* fails the test otherwise */

#endif
