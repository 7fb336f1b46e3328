/* Streams as the gateway's loop opens them, gives credit and closes them, on the mesh's thread:
 * a task's stream is a watch on the standing call (watch.c), any other a call of its own, which
 * is paused while too much is on its way to the client. */
#include "upstream_private.h"

#include "aion/v1/tasks.mesh.h"
#include "codec/message.h"

#include <stdlib.h>

enum {
    ARENA_MAX = 1 << 20,
    PAUSE_ABOVE = 64 * 1024,
    RESUME_BELOW = 16 * 1024,
};

/* -- a call of its own -------------------------------------------------------------------- */

/* Nobody listens any more; call_closed frees it. */
static void forsake(struct gw_feed *feed)
{
    feed->sink = NULL;
    mesh_rpc_cancel(feed->rpc);
    if (feed->paused)
        mesh_rpc_resume(feed->rpc);
}

static void got_message(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct gw_feed *feed = mesh_rpc_user(rpc);
    if (feed->sink == NULL)
        return;
    uint32_t taken = gw_feed_message(feed, feed->method->reply, message, 0, 0, false, NULL);
    if (taken == 0) {
        forsake(feed);
        return;
    }
    feed->queued += taken;
    if (feed->queued > PAUSE_ABOVE) {
        feed->paused = true;
        mesh_rpc_pause(rpc);
    }
}

static void call_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct gw_feed *feed = mesh_rpc_user(rpc);
    feed->rpc = NULL;
    if (feed->sink != NULL && result->err != NULL)
        gw_feed_end(feed, result->err->code, result->err->reason, result->err->text);
    else if (feed->sink != NULL)
        gw_feed_end(feed, AION_OK, "", "");
    gw_feed_free(feed);
}

static void open_call(struct gw_feed *feed)
{
    static const struct mesh_stream_ops ops = {.message = got_message, .closed = call_closed};
    struct mesh_rpc_opts opts = {.principal = &feed->principal, .trace = &feed->trace};
    feed->rpc =
        mesh_open(gw_mesh_channel(feed->self, feed->method), feed->method, &opts, &ops, feed);
    mesh_rpc_send(feed->rpc, feed->request);
    mesh_rpc_half_close(feed->rpc);
}

/* -- from the gateway's loop -------------------------------------------------------------- */

static void run_open(struct aion_job *job)
{
    struct gw_feed *feed = aion_container(job, struct gw_feed, job);
    if (feed->self->closing ||
        !aion_map_put(&feed->self->feeds, gw_feed_key(&feed->id), feed)) {
        gw_feed_end(feed, AION_EXHAUSTED, "STREAMS_MAX", "too many open streams; try again");
        aion_arena_done(&feed->arena);
        free(feed);
        return;
    }
    if (feed->watched)
        gw_watch_add(feed);
    else
        open_call(feed);
}

static aion_str keep(struct gw_feed *feed, aion_str text)
{
    return aion_arena_str(&feed->arena, text);
}

void gw_upstream_open(struct gw_upstream *upstream, const struct gw_stream_spec *spec)
{
    struct gw_feed *feed = calloc(1, sizeof(*feed));
    if (feed == NULL)
        abort(); /* bounded by the gateway's connections and streams */
    *feed = (struct gw_feed){.id = spec->id,
                             .self = (struct gw_mesh *)upstream,
                             .method = spec->method,
                             .format = spec->format,
                             .sink = spec->sink,
                             .user = spec->user,
                             .principal = *spec->principal,
                             .trace = *spec->trace};
    aion_arena_init(&feed->arena, ARENA_MAX, feed->first, sizeof(feed->first));
    feed->principal.tenant = keep(feed, spec->principal->tenant);
    feed->principal.subject = keep(feed, spec->principal->subject);
    feed->principal.key_id = keep(feed, spec->principal->key_id);
    feed->request = codec_message_copy(spec->method->request, spec->request, &feed->arena);
    feed->watched = spec->method == &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_STREAM];
    if (feed->watched && feed->request != NULL)
        feed->cursor = ((const Aion__V1__StreamRequest *)feed->request)->after_cursor;
    feed->job.run = run_open;
    aion_exec_post(mesh_loop_exec(feed->self->mesh), &feed->job);
}

/* Credit or close of one stream, on its way to the mesh's thread. */
struct order {
    struct aion_job job;
    struct gw_mesh *self;
    uint64_t id;
    uint32_t bytes;
};

static void post_order(struct gw_upstream *upstream, uint64_t id, uint32_t bytes,
                       void (*run)(struct aion_job *job))
{
    struct order *order = malloc(sizeof(*order));
    if (order == NULL)
        abort();
    *order = (struct order){{NULL, run}, (struct gw_mesh *)upstream, id, bytes};
    aion_exec_post(mesh_loop_exec(order->self->mesh), &order->job);
}

static void run_credit(struct aion_job *job)
{
    struct order *order = aion_container(job, struct order, job);
    struct gw_feed *feed = aion_map_get(&order->self->feeds, gw_feed_key(&order->id));
    if (feed != NULL && feed->watched) {
        gw_watch_credit(feed, order->bytes);
    } else if (feed != NULL) {
        feed->queued -= order->bytes < feed->queued ? order->bytes : feed->queued;
        if (feed->paused && feed->queued < RESUME_BELOW && feed->rpc != NULL) {
            feed->paused = false;
            mesh_rpc_resume(feed->rpc);
        }
    }
    free(order);
}

static void run_close(struct aion_job *job)
{
    struct order *order = aion_container(job, struct order, job);
    struct gw_feed *feed = aion_map_get(&order->self->feeds, gw_feed_key(&order->id));
    if (feed != NULL && feed->watched) {
        gw_watch_remove(feed);
    } else if (feed != NULL && feed->rpc != NULL) {
        forsake(feed);
    }
    free(order);
}

void gw_upstream_credit(struct gw_upstream *upstream, uint64_t id, uint32_t bytes)
{
    post_order(upstream, id, bytes, run_credit);
}

void gw_upstream_close(struct gw_upstream *upstream, uint64_t id)
{
    post_order(upstream, id, 0, run_close);
}
