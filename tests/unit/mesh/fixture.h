/* A server of mesh.test.Echo and a channel to it, in one process and on one thread: a test runs
 * the loop until what it waits for has come. */
#ifndef MESH_TEST_FIXTURE_H
#define MESH_TEST_FIXTURE_H

#include "mesh/channel.h"
#include "mesh/server.h"
#include "mesh_test.mesh.h"

struct fixture {
    struct mesh_loop *loop;
    struct mesh_server *server;
    struct mesh_channel *channel;
    struct mesh_timer step;
    bool stepped;
    bool waiting; /* run_until is inside the loop */

    /* what the handlers saw */
    struct mesh_call *held; /* the call that Held keeps */
    unsigned half_closes, dones, cancels, writables, unaries;
    bool ill;                     /* Unary answers UNAVAILABLE */
    bool bundles;                 /* Both bundles what it sends */
    size_t bundled;               /* messages that came in another's `more`, on both sides */
    size_t sent;                  /* messages that Down has sent */
    size_t down_count, down_size; /* what Down is to send */

    /* what the client got */
    bool finished;
    enum aion_code code;
    struct aion_err err;
    char text[256];
    size_t messages;
    int64_t sum;
};

/* Options of the server may be changed before; NULL = plain defaults. */
void fixture_start(struct fixture *fixture, const struct mesh_server_conf *conf,
                   const struct mesh_tls *client_tls);
void fixture_stop(struct fixture *fixture);
/* Of a test that has one in *state. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Runs the loop until *flag; fails the test after 10 s. */
void fixture_run_until(struct fixture *fixture, const bool *flag);
/* One unary call by its method's index, with this text; fills finished, code, err, text. */
void fixture_unary(struct fixture *fixture, int method, const char *text,
                   const struct mesh_rpc_opts *opts);
/* Runs the loop for a moment: to wait for what wakes nobody. */
void fixture_step(struct fixture *fixture);
void fixture_wake(struct fixture *fixture); /* a flag may have changed */
const struct mesh_method *fixture_method(int index);
/* The handlers; their service is a fixture. */
const void *fixture_table(void);
void fixture_done(void *user, const struct mesh_result *result);

#endif
