/* Unary calls through the mesh's channels: all calls of a round of the gateway's loop go over
 * in one job. */
#include "upstream_private.h"

#include "codec/message.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { READY_POLL_US = 100000, READY_WAIT_US = 5000000 };

/* -- on the mesh's thread ----------------------------------------------------------------- */

static void run_done(struct aion_job *job)
{
    struct gw_upcall *call = aion_container(job, struct gw_upcall, job);
    call->done(call);
}

static void finished(void *user, const struct mesh_result *result)
{
    struct gw_upcall *call = user;
    call->rpc = NULL;
    if (result->err != NULL)
        call->failed(call, result->err, result->status_details);
    else
        call->reply(call, result->reply);
    call->job.run = run_done;
    aion_exec_post(((struct gw_mesh *)call->upstream)->gateway, &call->job);
}

static void start_batch(struct aion_job *job)
{
    struct gw_upcall *call = aion_container(job, struct gw_upcall, job);
    while (call != NULL) {
        struct gw_upcall *next = call->next; /* the call may be over before we look again */
        struct gw_mesh *self = (struct gw_mesh *)call->upstream;
        struct mesh_rpc_opts opts = {.timeout_us = call->timeout_us,
                                     .principal = call->principal,
                                     .trace = call->trace,
                                     .wait_for_ready = true, /* a restart is no error */
                                     .ready_wait_us = READY_WAIT_US,
                                     .repeatable = call->repeatable};
        call->rpc = mesh_unary(gw_mesh_channel(self, call->method), call->method, call->request,
                               &opts, finished, call);
        call = next;
    }
}

static void run_over(struct aion_job *job)
{
    struct gw_upcall *call = aion_container(job, struct gw_upcall, cancel_job);
    call->over(call);
}

static void run_cancel(struct aion_job *job)
{
    struct gw_upcall *call = aion_container(job, struct gw_upcall, cancel_job);
    if (call->rpc != NULL)
        mesh_rpc_cancel(call->rpc);
    call->cancel_job.run = run_over;
    aion_exec_post(((struct gw_mesh *)call->upstream)->gateway, &call->cancel_job);
}

static void look_ready(struct mesh_timer *timer)
{
    struct gw_mesh *self = aion_container(timer, struct gw_mesh, ready_timer);
    atomic_store_explicit(&self->ready, mesh_channel_ready(self->control),
                          memory_order_relaxed);
    mesh_timer_set(self->mesh, timer, mesh_loop_now(self->mesh) + READY_POLL_US);
}

/* -- on the gateway's loop ---------------------------------------------------------------- */

static void unary(struct gw_upstream *upstream, struct gw_upcall *call)
{
    struct gw_mesh *self = (struct gw_mesh *)upstream;
    call->upstream = upstream;
    call->next = NULL;
    *self->batch_last = call;
    self->batch_last = &call->next;
}

static void send_batch(void *user)
{
    struct gw_mesh *self = user;
    struct gw_upcall *first = self->batch_first;
    if (first == NULL)
        return;
    self->batch_first = NULL;
    self->batch_last = &self->batch_first;
    first->job.run = start_batch;
    aion_exec_post(mesh_loop_exec(self->mesh), &first->job);
}

static void cancel(struct gw_upstream *upstream, struct gw_upcall *call)
{
    struct gw_mesh *self = (struct gw_mesh *)upstream;
    send_batch(self); /* it may be in this round's: start before cancel */
    call->cancel_job.run = run_cancel;
    aion_exec_post(mesh_loop_exec(self->mesh), &call->cancel_job);
}

/* -- life --------------------------------------------------------------------------------- */

static struct mesh_channel *open_channel(const struct gw_mesh_conf *conf, const char *name,
                                         const char *target, struct aion_err *err)
{
    struct mesh_channel_conf channel = {
        .name = name,
        .target = target,
        .tls = conf->tls,
        .peer_service = name,
        .timeout_us = conf->timeout_us,
        .outstanding_max = 16384,
    };
    return mesh_channel_new(conf->mesh, &channel, err);
}

struct gw_upstream *gw_mesh_new(const struct gw_mesh_conf *conf, struct aion_err *err)
{
    struct gw_mesh *self = calloc(1, sizeof(*self));
    if (self == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    self->ops = (struct gw_upstream){unary, cancel, gw_upstream_open, gw_upstream_credit,
                                     gw_upstream_close};
    self->mesh = conf->mesh;
    self->gateway = gw_loop_exec(conf->loop);
    self->batch_last = &self->batch_first;
    self->watch_timer.fire = gw_watch_retry;
    self->ready_timer.fire = look_ready;
    aion_map_init(&self->feeds, GW_FEEDS_MAX);
    if ((self->control = open_channel(conf, "control", conf->control, err)) != NULL &&
        (self->router = open_channel(conf, "router", conf->router, err)) != NULL &&
        (self->retention = open_channel(conf, "retention", conf->retention, err)) != NULL) {
        gw_loop_after_round(conf->loop, send_batch, self);
        mesh_timer_set(self->mesh, &self->ready_timer, 0);
        return &self->ops;
    }
    gw_mesh_close(&self->ops);
    gw_mesh_free(&self->ops);
    return NULL;
}

bool gw_mesh_ready(const struct gw_upstream *upstream)
{
    const struct gw_mesh *self = (const struct gw_mesh *)upstream;
    return atomic_load_explicit(&self->ready, memory_order_relaxed);
}

struct mesh_channel *gw_mesh_control(const struct gw_upstream *upstream)
{
    return ((const struct gw_mesh *)upstream)->control;
}

void gw_mesh_close(struct gw_upstream *upstream)
{
    struct gw_mesh *self = (struct gw_mesh *)upstream;
    self->closing = true;
    mesh_timer_cancel(self->mesh, &self->ready_timer);
    mesh_timer_cancel(self->mesh, &self->watch_timer);
    struct mesh_channel *channels[] = {self->control, self->router, self->retention};
    for (size_t i = 0; i < aion_countof(channels); i++)
        if (channels[i] != NULL)
            mesh_channel_close(channels[i]);
}

void gw_mesh_free(struct gw_upstream *upstream)
{
    struct gw_mesh *self = (struct gw_mesh *)upstream;
    struct gw_feed *feed;
    size_t cursor = 0;
    while ((feed = aion_map_next(&self->feeds, &cursor)) != NULL) {
        gw_feed_free(feed);
        cursor = 0;
    }
    aion_map_done(&self->feeds);
    free(self);
}
