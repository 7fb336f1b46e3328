#include "feed.h"

#include "copy.h"

#include "base/arena.h"
#include "base/list.h"
#include "mesh/channel.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    QUEUE_FULL = 256,              /* messages that wait: streams are paused ... */
    QUEUE_BYTES = 2 * 1024 * 1024, /* ... or so many bytes; at a half of it they go on */
    MESSAGE_MAX = 8 * 1024 * 1024,
    REQUEST_MAX = 64 * 1024,
    WINDOW_BYTES = 256 * 1024, /* 2.5 MB/s over a way of 0.1 s */
    CORE_SLACK_NS = 500000000, /* what waits for its timers waits for seconds */
};

/* Something for the console. */
struct item {
    struct aion_link link;
    uint64_t id;
    const ProtobufCMessage *message; /* in the arena; NULL: the end */
    struct aion_arena arena;
    bool failed;
    struct aion_err err;
};

struct call {
    struct aion_link link;
    struct tui_feed *feed;
    uint64_t id;
    enum tui_peer peer;
    struct mesh_rpc *rpc;
    bool stream, paused, dropped; /* dropped: nobody wants to hear of it */
    bool too_large;               /* a message was: it ends with that reason */
};

struct tui_feed {
    struct tui_feed_conf conf;
    struct mesh_loop *loop;
    pthread_t thread;
    /* the loop's thread */
    struct mesh_channel *channels[TUI_PEERS];
    bool broken[TUI_PEERS]; /* the next call makes a new channel: it connects at once */
    struct aion_link calls;
    bool stopping;
    /* both */
    pthread_mutex_t lock;
    struct aion_link queue AION_GUARDED_BY(lock);
    size_t queued AION_GUARDED_BY(lock);
    size_t queued_bytes AION_GUARDED_BY(lock);
    bool full AION_GUARDED_BY(lock); /* streams were paused */
    struct aion_job resume;
    bool resume_posted AION_GUARDED_BY(lock);
};

/* -- to the console -------------------------------------------------------- */

/* False: the queue is full now. */
static bool put_item(struct tui_feed *feed, struct item *item)
{
    const uint64_t one = 1;
    pthread_mutex_lock(&feed->lock);
    aion_list_add_last(&feed->queue, &item->link);
    bool first = ++feed->queued == 1;
    feed->queued_bytes += item->arena.used;
    bool full = feed->queued >= QUEUE_FULL || feed->queued_bytes >= QUEUE_BYTES;
    feed->full |= full;
    pthread_mutex_unlock(&feed->lock);
    if (first && write(feed->conf.wake, &one, sizeof(one)) < 0)
        abort(); /* an eventfd takes a one */
    return !full;
}

static struct item *new_item(uint64_t id)
{
    struct item *item = calloc(1, sizeof(*item));
    if (item == NULL)
        abort(); /* bounded by pauses: nothing sensible is left to do */
    item->id = id;
    aion_arena_init(&item->arena, MESSAGE_MAX, NULL, 0);
    return item;
}

static void free_item(struct item *item)
{
    aion_arena_done(&item->arena);
    free(item);
}

/* False: no more for now. A part of a stream that is left out would make all that follows
 * untrue. */
static bool put_message(struct call *call, const ProtobufCMessage *message)
{
    struct item *item = new_item(call->id);
    item->message = tui_message_copy(message, &item->arena);
    if (item->message != NULL)
        return put_item(call->feed, item);
    free_item(item);
    call->too_large = true;
    return false;
}

static void put_end(struct call *call, const struct aion_err *err)
{
    struct item *item = new_item(call->id);
    item->failed = err != NULL;
    if (err != NULL)
        item->err = *err;
    put_item(call->feed, item);
}

/* -- calls, on the loop's thread ------------------------------------------- */

static void maybe_stop(struct tui_feed *feed)
{
    if (feed->stopping && aion_list_empty(&feed->calls))
        mesh_loop_stop(feed->loop);
}

static void end_call(struct call *call, const struct aion_err *err)
{
    struct tui_feed *feed = call->feed;
    struct aion_err large;
    if (call->too_large) {
        aion_err_set(&large, __func__, AION_EXHAUSTED, "a reply has more than %d bytes here",
                     MESSAGE_MAX);
        err = &large;
    }
    if (err != NULL && (err->code == AION_UNAVAILABLE || err->code == AION_DEADLINE))
        feed->broken[call->peer] = true;
    if (!call->dropped)
        put_end(call, err);
    aion_list_remove(&call->link);
    free(call);
    maybe_stop(feed);
}

static void on_done(void *user, const struct mesh_result *result)
{
    struct call *call = user;
    if (result->err == NULL && !call->dropped)
        put_message(call, result->reply);
    end_call(call, result->err);
}

static void on_message(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct call *call = mesh_rpc_user(rpc);
    if (call->dropped)
        return;
    if (put_message(call, message))
        return;
    if (call->too_large) {
        mesh_rpc_cancel(rpc);
        return;
    }
    call->paused = true;
    mesh_rpc_pause(rpc);
}

static void on_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    end_call(mesh_rpc_user(rpc), result->err);
}

static const struct mesh_stream_ops stream_ops = {.message = on_message, .closed = on_closed};

static struct mesh_channel *channel_of(struct tui_feed *feed, enum tui_peer peer,
                                       struct aion_err *err)
{
    static const char *const names[TUI_PEERS] = {"control", "router", "retention"};
    const struct mesh_channel_conf conf = {.name = names[peer],
                                           .target = feed->conf.targets[peer],
                                           .tls = feed->conf.tls,
                                           .peer_service = names[peer],
                                           .no_health = true,
                                           .window_bytes = WINDOW_BYTES};
    if (feed->conf.targets[peer] == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "%s is not part of this mesh",
                              names[peer]);
    if (feed->broken[peer] && feed->channels[peer] != NULL) {
        mesh_channel_close(feed->channels[peer]);
        feed->channels[peer] = NULL;
    }
    feed->broken[peer] = false;
    if (feed->channels[peer] == NULL)
        feed->channels[peer] = mesh_channel_new(feed->loop, &conf, err);
    return feed->channels[peer];
}

/* A call on its way to the loop. */
struct begin {
    struct aion_job job;
    struct tui_feed *feed;
    uint64_t id;
    enum tui_peer peer;
    const struct mesh_method *method;
    const ProtobufCMessage *request;
    struct aion_arena arena;
};

static void start_call(struct call *call, struct mesh_channel *channel,
                       const struct begin *begin)
{
    const struct mesh_rpc_opts opts = {.timeout_us = 0};
    if (!call->stream) {
        call->rpc = mesh_unary(channel, begin->method, begin->request, &opts, on_done, call);
        return;
    }
    call->rpc = mesh_open(channel, begin->method, &opts, &stream_ops, call);
    mesh_rpc_send(call->rpc, begin->request);
    mesh_rpc_half_close(call->rpc);
}

static void run_begin(struct aion_job *job)
{
    struct begin *begin = aion_container(job, struct begin, job);
    struct tui_feed *feed = begin->feed;
    struct aion_err err;
    struct call *call = calloc(1, sizeof(*call));
    if (call == NULL)
        abort();
    *call = (struct call){.feed = feed,
                          .id = begin->id,
                          .peer = begin->peer,
                          .stream = begin->method->server_stream};
    aion_list_init(&call->link);
    struct mesh_channel *channel = feed->stopping ? NULL : channel_of(feed, begin->peer, &err);
    if (channel != NULL) {
        aion_list_add_last(&feed->calls, &call->link);
        start_call(call, channel, begin);
    } else {
        if (!feed->stopping)
            put_end(call, &err);
        free(call);
    }
    aion_arena_done(&begin->arena);
    free(begin);
}

struct cancel {
    struct aion_job job;
    struct tui_feed *feed;
    uint64_t id;
};

static void run_cancel(struct aion_job *job)
{
    struct cancel *cancel = aion_container(job, struct cancel, job);
    aion_list_each_safe (link, &cancel->feed->calls) {
        struct call *call = aion_container(link, struct call, link);
        if (call->id != cancel->id)
            continue;
        call->dropped = true;
        mesh_rpc_cancel(call->rpc);
        break;
    }
    free(cancel);
}

struct renew {
    struct aion_job job;
    struct tui_feed *feed;
    enum tui_peer peer;
};

/* Whether an action was done must not become doubtful by our impatience: a deadline ends it. */
static void run_renew(struct aion_job *job)
{
    struct renew *renew = aion_container(job, struct renew, job);
    bool waits = false;
    aion_list_each (link, &renew->feed->calls) {
        const struct call *call = aion_container(link, struct call, link);
        waits = waits || (call->peer == renew->peer && !call->stream && !call->dropped);
    }
    renew->feed->broken[renew->peer] |= !waits;
    free(renew);
}

static void run_resume(struct aion_job *job)
{
    struct tui_feed *feed = aion_container(job, struct tui_feed, resume);
    pthread_mutex_lock(&feed->lock);
    feed->resume_posted = false;
    pthread_mutex_unlock(&feed->lock);
    aion_list_each_safe (link, &feed->calls) {
        struct call *call = aion_container(link, struct call, link);
        if (call->paused) {
            call->paused = false;
            mesh_rpc_resume(call->rpc);
        }
    }
}

/* -- the console's thread -------------------------------------------------- */

void tui_feed_call(struct tui_feed *feed, uint64_t id, enum tui_peer peer,
                   const struct mesh_method *method, const ProtobufCMessage *request)
{
    struct begin *begin = calloc(1, sizeof(*begin));
    if (begin == NULL)
        abort();
    begin->job.run = run_begin;
    begin->feed = feed;
    begin->id = id;
    begin->peer = peer;
    begin->method = method;
    aion_arena_init(&begin->arena, REQUEST_MAX, NULL, 0);
    begin->request = tui_message_copy(request, &begin->arena);
    if (begin->request == NULL)
        abort(); /* requests are ours, and small */
    aion_exec_post(mesh_loop_exec(feed->loop), &begin->job);
}

void tui_feed_cancel(struct tui_feed *feed, uint64_t id)
{
    struct cancel *cancel = calloc(1, sizeof(*cancel));
    if (cancel == NULL)
        abort();
    *cancel = (struct cancel){.job.run = run_cancel, .feed = feed, .id = id};
    aion_exec_post(mesh_loop_exec(feed->loop), &cancel->job);
}

void tui_feed_renew(struct tui_feed *feed, enum tui_peer peer)
{
    struct renew *renew = calloc(1, sizeof(*renew));
    if (renew == NULL)
        abort();
    *renew = (struct renew){.job.run = run_renew, .feed = feed, .peer = peer};
    aion_exec_post(mesh_loop_exec(feed->loop), &renew->job);
}

/* True once, when streams that were paused are to go on. Caller holds the lock. */
static bool resumes_locked(struct tui_feed *feed)
{
    if (!feed->full || feed->resume_posted || feed->queued > QUEUE_FULL / 2 ||
        feed->queued_bytes > QUEUE_BYTES / 2)
        return false;
    feed->full = false;
    feed->resume_posted = true;
    return true;
}

static struct item *next_item(struct tui_feed *feed)
{
    struct item *item = NULL;
    pthread_mutex_lock(&feed->lock);
    struct aion_link *link = aion_list_first(&feed->queue);
    if (link != NULL) {
        item = aion_container(link, struct item, link);
        aion_list_remove(link);
        feed->queued--;
        feed->queued_bytes -= item->arena.used;
    }
    bool resume = resumes_locked(feed);
    pthread_mutex_unlock(&feed->lock);
    if (resume)
        aion_exec_post(mesh_loop_exec(feed->loop), &feed->resume);
    return item;
}

void tui_feed_take(struct tui_feed *feed, const struct tui_feed_sink *sink)
{
    struct item *item;
    while ((item = next_item(feed)) != NULL) {
        if (item->message != NULL)
            sink->message(sink->user, item->id, item->message);
        else
            sink->ended(sink->user, item->id, item->failed ? &item->err : NULL);
        free_item(item);
    }
}

/* -- life ------------------------------------------------------------------ */

static void *run(void *argument)
{
    struct tui_feed *feed = argument;
    mesh_loop_run(feed->loop);
    return NULL;
}

/* Signals are the console's. */
static bool start_thread(struct tui_feed *feed)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool good = pthread_create(&feed->thread, NULL, run, feed) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return good;
}

struct tui_feed *tui_feed_start(const struct tui_feed_conf *conf, struct aion_err *err)
{
    const struct mesh_loop_conf loop = {.core_slack_ns = CORE_SLACK_NS};
    struct tui_feed *feed = calloc(1, sizeof(*feed));
    if (feed == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    feed->conf = *conf;
    feed->resume.run = run_resume;
    aion_list_init(&feed->calls);
    aion_list_init(&feed->queue);
    pthread_mutex_init(&feed->lock, NULL);
    feed->loop = mesh_loop_new(&loop, err);
    if (feed->loop != NULL && start_thread(feed))
        return feed;
    mesh_loop_free(feed->loop);
    pthread_mutex_destroy(&feed->lock);
    free(feed);
    return NULL;
}

struct stop {
    struct aion_job job;
    struct tui_feed *feed;
};

static void run_stop(struct aion_job *job)
{
    struct tui_feed *feed = aion_container(job, struct stop, job)->feed;
    feed->stopping = true;
    aion_list_each_safe (link, &feed->calls) {
        struct call *call = aion_container(link, struct call, link);
        call->dropped = true;
        mesh_rpc_cancel(call->rpc);
        if (call->paused)
            mesh_rpc_resume(call->rpc);
    }
    maybe_stop(feed);
}

void tui_feed_stop(struct tui_feed *feed)
{
    struct item *item;
    if (feed == NULL)
        return;
    struct stop stop = {.job.run = run_stop, .feed = feed};
    aion_exec_post(mesh_loop_exec(feed->loop), &stop.job);
    pthread_join(feed->thread, NULL);
    for (size_t i = 0; i < TUI_PEERS; i++)
        mesh_channel_close(feed->channels[i]);
    while ((item = next_item(feed)) != NULL)
        free_item(item);
    mesh_loop_free(feed->loop);
    pthread_mutex_destroy(&feed->lock);
    free(feed);
}
