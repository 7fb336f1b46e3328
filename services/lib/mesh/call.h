/* The server's side of one call. Handlers get a mesh_call and end it exactly once.
 *
 * Threads: inline handlers and all completions run on the I/O thread, and only there may these
 * functions be called; a handler of a blocking method runs on a worker and may call them too
 * until it returns. A call is counted: it lives until it ended and nobody holds it. After the
 * end (the client cancelled, the deadline passed) replies and sends are dropped quietly. */
#ifndef MESH_CALL_H
#define MESH_CALL_H

#include "base/arena.h"
#include "base/err.h"
#include "mesh/identity.h"
#include "mesh/loop.h"
#include "mesh/method.h"
#include "mesh/trace.h"

struct mesh_call;
struct mesh_wire;

/* -- ending a call -------------------------------------------------------- */
/* Unary and client-streaming: the one reply and OK. Packed before it returns; reply is the
 * caller's. */
void mesh_reply(struct mesh_call *call, const ProtobufCMessage *reply);
/* Server-streaming and bidi: OK after all queued messages. */
void mesh_finish(struct mesh_call *call);
/* Any kind: this status after all queued messages. code is not AION_OK. */
void mesh_fail(struct mesh_call *call, enum aion_code code, const char *fmt, ...)
    AION_PRINTF(3, 4);
/* The same with reason (ErrorInfo, domain "aion"), field (BadRequest) and retry_after_ms
 * (RetryInfo) as google.rpc.Status details in grpc-status-details-bin. err->detail goes to the
 * call's log line only. */
void mesh_fail_with(struct mesh_call *call, const struct aion_err *err);

/* -- streaming ------------------------------------------------------------ */
enum mesh_sent {
    MESH_SENT, /* queued, room for more */
    MESH_FULL, /* queued, but wait for `writable` before the next */
    MESH_GONE, /* the call has ended: dropped */
};
enum mesh_sent mesh_send(struct mesh_call *call, const ProtobufCMessage *message);
/* The same for a message packed already. */
enum mesh_sent mesh_send_packed(struct mesh_call *call, aion_str wire);
/* From now on messages that wait to be sent leave as one: the first, with the others in its
 * repeated field `more`, of its own type. Only when the client has said that it reads that. */
void mesh_bundle(struct mesh_call *call);
/* A packed message, or fields of one, for many calls: its bytes are copied once, here. Never
 * NULL. Whoever made it frees it; calls that have it queued keep its bytes. */
struct mesh_wire *mesh_wire_new(aion_str packed);
void mesh_wire_free(struct mesh_wire *wire); /* NULL fine */
/* The message that these are one behind another, at most MESH_WIRES_MAX. */
enum { MESH_WIRES_MAX = 8 };
enum mesh_sent mesh_send_wires(struct mesh_call *call, struct mesh_wire *const *wires,
                               size_t count);
size_t mesh_send_queued(
    const struct mesh_call *call); /* bytes not yet taken by the transport */
/* Stops and restarts reading of further messages (back-pressure to the client by flow control).
 */
void mesh_pause(struct mesh_call *call);
void mesh_resume(struct mesh_call *call);

/* -- keeping a call for later --------------------------------------------- */
/* A unary handler that replies later holds the call and drops it after the reply. */
struct mesh_call *mesh_hold(struct mesh_call *call);
void mesh_drop(struct mesh_call *call);
/* Unary calls have no `done` slot: a handler that waits asks to be told when the call ended
 * before its reply (cancelled, deadline). Runs once on the I/O thread; not after the handler
 * itself ended the call. */
void mesh_on_cancel(struct mesh_call *call, void (*fn)(struct mesh_call *call));
bool mesh_ended(const struct mesh_call *call);

/* -- what a handler may know ---------------------------------------------- */
void *mesh_service(const struct mesh_call *call); /* given to mesh_server_bind */
void *mesh_user(const struct mesh_call *call);    /* the handler's own, NULL at first */
void mesh_set_user(struct mesh_call *call, void *user);
struct mesh_loop *mesh_call_loop(const struct mesh_call *call);
const struct mesh_method *mesh_call_method(const struct mesh_call *call);
/* Lives until the call ends and is dropped; a unary request is in it. */
struct aion_arena *mesh_arena(struct mesh_call *call);
const struct mesh_principal *mesh_principal(const struct mesh_call *call);
const struct mesh_peer *mesh_peer(const struct mesh_call *call);
const struct mesh_trace *mesh_trace(const struct mesh_call *call);
int64_t mesh_deadline_us(const struct mesh_call *call); /* monotonic; INT64_MAX = none */
/* Request metadata, NULL data when absent; "-bin" values are decoded already. */
aion_str mesh_metadata(const struct mesh_call *call, const char *name);
/* Adds to the initial metadata (before the first message) or the trailers. Lower-case name,
 * static; value copied. "-bin" names take raw bytes. At most 8 each: beyond is a programmer's
 * error. */
void mesh_header(struct mesh_call *call, const char *name, aion_str value);
void mesh_trailer(struct mesh_call *call, const char *name, aion_str value);
/* Fields for the call's one log line ("task_id"); name static, value copied; at most 4. */
void mesh_note(struct mesh_call *call, const char *name, aion_str value);

/* The handler table of the service; used by generated thunks. */
const void *mesh_call_table(const struct mesh_call *call);

#endif
