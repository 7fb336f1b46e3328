/* What the console asks of the world outside: calls to the mesh, the clipboard, files. The app
 * knows only this; the real thing is feed.c and console.c, tests have one of their own. */
#ifndef TUI_PORT_H
#define TUI_PORT_H

#include "base/err.h"
#include "base/str.h"
#include "mesh/method.h"

enum tui_peer { TUI_CONTROL, TUI_ROUTER, TUI_RETENTION, TUI_PEERS };

struct tui_port {
    void *user;
    /* Begins a call; its messages and its end come back by tui_app_message and tui_app_ended
     * with the same id. Unary and server-streaming methods alike; the request is copied. */
    void (*call)(void *user, uint64_t id, enum tui_peer peer, const struct mesh_method *method,
                 const ProtobufCMessage *request);
    void (*cancel)(void *user, uint64_t id); /* nothing comes of it any more */
    /* The peer says nothing any more: its next call makes a connection of its own, unless a
     * unary call still waits on the old one. Streams of the old one end. */
    void (*renew)(void *user, enum tui_peer peer);
    /* Into the terminal's clipboard (OSC 52). PRECONDITION: it has none; EXHAUSTED: the text is
     * more than it takes. */
    bool (*copy)(void *user, aion_str text, struct aion_err *err);
    /* A new file; EXISTS: there is one. */
    bool (*save)(void *user, const char *path, aion_str bytes, struct aion_err *err);
    /* Begins (path) or ends (NULL) recording the screen as an asciicast. */
    bool (*record)(void *user, const char *path, struct aion_err *err);
};

#endif
