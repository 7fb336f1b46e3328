/* An upstream that does what the test says: the gateway's counterpart without a mesh. All on
 * the test's thread; answers are posted to the gateway's loop, as the mesh's would be. */
#ifndef GATEWAY_TEST_SCRIPT_H
#define GATEWAY_TEST_SCRIPT_H

#include "gateway_private.h"

enum { SCRIPT_STREAMS_MAX = 8 };

struct script {
    struct gw_upstream ops; /* first */
    struct gw_loop *loop;
    /* what unary calls get: a reply, or an error; neither = they stay open */
    const ProtobufCMessage *reply;
    const struct aion_err *err;
    aion_str details;
    /* what they were asked for */
    const struct mesh_method *method;
    char request_json[4096];
    char tenant[80], key_id[32];
    enum mesh_role role;
    int64_t timeout_us;
    bool repeatable;
    unsigned calls, cancels;
    struct gw_upcall *open; /* one that stays open */
    /* streams */
    struct script_stream {
        uint64_t id;
        void (*sink)(void *user, struct gw_event *event);
        void *user;
        enum gw_format format;
        bool closed;
        uint32_t credit;
    } streams[SCRIPT_STREAMS_MAX];
    size_t stream_count;
};

void script_init(struct script *script, struct gw_loop *loop);
/* Ends the call that stays open. */
void script_finish(struct script *script, const ProtobufCMessage *reply,
                   const struct aion_err *err);
/* One formatted message of the newest stream. */
void script_event(struct script *script, const char *bytes, uint64_t cursor, bool final);
void script_big_event(struct script *script, size_t size, uint32_t credit);
void script_end(struct script *script, enum aion_code code, const char *reason,
                const char *text);
struct script_stream *script_newest(struct script *script);

#endif
