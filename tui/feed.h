/* The console's client of the mesh: a thread of its own with the mesh's loop. Calls go in,
 * copies of messages come out of a bounded queue; who does not take them is not sent more. */
#ifndef TUI_FEED_H
#define TUI_FEED_H

#include "port.h"

#include "mesh/identity.h"

struct tui_feed;

struct tui_feed_conf {
    const char *targets[TUI_PEERS]; /* "127.0.0.1:8081"; NULL = not there */
    const struct mesh_tls *tls;     /* NULL: plain text on loopback, for tests */
    int wake;                       /* eventfd that is written when something waits */
};

/* Starts the thread. UNAVAILABLE: no memory or thread. */
struct tui_feed *tui_feed_start(const struct tui_feed_conf *conf, struct aion_err *err);
/* Ends all calls and the thread. NULL fine. */
void tui_feed_stop(struct tui_feed *feed);

/* As struct tui_port says; the thread of the console. */
void tui_feed_call(struct tui_feed *feed, uint64_t id, enum tui_peer peer,
                   const struct mesh_method *method, const ProtobufCMessage *request);
void tui_feed_cancel(struct tui_feed *feed, uint64_t id);
void tui_feed_renew(struct tui_feed *feed, enum tui_peer peer);

struct tui_feed_sink {
    void *user;
    void (*message)(void *user, uint64_t id, const ProtobufCMessage *message);
    void (*ended)(void *user, uint64_t id, const struct aion_err *err); /* NULL: well */
};
/* Hands out what has come, in order. */
void tui_feed_take(struct tui_feed *feed, const struct tui_feed_sink *sink);

#endif
