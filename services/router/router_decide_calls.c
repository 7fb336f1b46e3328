/* rpc Decide and DecideStream: hot, inline. */
#include "router_private.h"

#include <stdlib.h>

#include "aion/v1/router.schema.h"
#include "auth/digest.h"
#include "codec/message.h"

/* The digest of all that the decision was made of: what a replay checks itself against. */
static bool digest_input(const Aion__V1__DecideRequest *request, Aion__V1__Decision *decision,
                         struct aion_arena *arena)
{
    static const uint32_t skip[] = {1, 0}; /* task_id names the task, it decides nothing */
    struct aion_buf canonical;
    struct aion_err ignored;
    aion_buf_init(&canonical, 65536);
    uint8_t *digest = aion_arena_alloc(arena, AUTH_SHA256_SIZE);
    bool good = digest != NULL && codec_canonical(&aion__v1__decide_request__schema,
                                                  &request->base, skip, &canonical, &ignored);
    if (good) {
        auth_sha256(digest, aion_buf_view(&canonical));
        decision->input_digest = (ProtobufCBinaryData){AUTH_SHA256_SIZE, digest};
    }
    aion_buf_done(&canonical);
    return good;
}

static Aion__V1__Decision *decide(struct router *router, const Aion__V1__DecideRequest *request,
                                  struct aion_arena *arena, struct aion_err *err)
{
    const struct router_policy *policy = router_active(router);
    struct router_request input;
    struct router_decision decision;
    if (!router_request_read(request, &input, err) ||
        !router_decide(policy, &input, &decision, err))
        return NULL;
    Aion__V1__Decision *message = router_decision_message(policy, &decision, arena);
    if (message == NULL || !digest_input(request, message, arena))
        return aion_fail_null(err, AION_EXHAUSTED, "the request is too large to decide");
    return message;
}

void router_decide_call(struct mesh_call *call, const Aion__V1__DecideRequest *request)
{
    struct aion_err err;
    Aion__V1__Decision *decision = decide(mesh_service(call), request, mesh_arena(call), &err);
    if (decision == NULL)
        mesh_fail_with(call, &err);
    else
        aion_v1_router_decide_reply(call, decision);
}

struct decide_stream {
    struct aion_link link; /* in router->streams */
    struct mesh_call *call;
};

void router_decide_stream_open(struct mesh_call *call)
{
    struct router *router = mesh_service(call);
    struct decide_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        abort(); /* bounded by the server's limit of streams */
    stream->call = call;
    mesh_set_user(call, stream);
    aion_list_add_last(&router->streams, &stream->link);
}

static void stream_free(struct decide_stream *stream)
{
    mesh_set_user(stream->call, NULL);
    aion_list_remove(&stream->link);
    free(stream);
}

/* A call may end later than the router: nothing of it leads here from now on. */
void router_end_streams(struct router *router)
{
    while (!aion_list_empty(&router->streams)) {
        struct decide_stream *stream =
            aion_container(router->streams.next, struct decide_stream, link);
        struct mesh_call *call = stream->call;
        stream_free(stream);
        mesh_fail(call, AION_UNAVAILABLE, "the router is stopping");
    }
}

static void answer(struct mesh_call *call, const Aion__V1__DecideStreamRequest *request)
{
    Aion__V1__DecideStreamReply reply = AION__V1__DECIDE_STREAM_REPLY__INIT;
    Aion__V1__TaskError error = AION__V1__TASK_ERROR__INIT;
    static const Aion__V1__DecideRequest none = AION__V1__DECIDE_REQUEST__INIT;
    struct aion_err err;
    char first[8192];
    struct aion_arena arena;
    aion_arena_init(&arena, 1024 * 1024, first, sizeof(first));
    Aion__V1__Decision *decision = decide(
        mesh_service(call), request->request != NULL ? request->request : &none, &arena, &err);
    reply.request_id = request->request_id;
    reply.bundles = request->bundles;
    if (decision != NULL) {
        reply.outcome_case = AION__V1__DECIDE_STREAM_REPLY__OUTCOME_DECISION;
        reply.decision = decision;
    } else {
        error.code = (int32_t)err.code;
        error.reason = err.reason;
        error.message = err.text;
        reply.outcome_case = AION__V1__DECIDE_STREAM_REPLY__OUTCOME_ERROR;
        reply.error = &error;
    }
    /* control bounds what it has outstanding: when its reading stops, so does ours */
    if (aion_v1_router_decide_stream_send(call, &reply) == MESH_FULL)
        mesh_pause(call);
    aion_arena_done(&arena);
}

void router_decide_stream(struct mesh_call *call, const Aion__V1__DecideStreamRequest *request)
{
    if (request->bundles)
        mesh_bundle(call);
    answer(call, request);
    for (size_t i = 0; i < request->n_more; i++)
        answer(call, request->more[i]);
}

void router_decide_stream_half_close(struct mesh_call *call)
{
    mesh_finish(call);
}

void router_decide_stream_writable(struct mesh_call *call)
{
    mesh_resume(call);
}

void router_decide_stream_done(struct mesh_call *call, bool cancelled)
{
    (void)cancelled;
    if (mesh_user(call) != NULL)
        stream_free(mesh_user(call));
}
