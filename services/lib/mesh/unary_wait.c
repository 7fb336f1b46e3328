/* The blocking form of a unary call: posts to the loop, waits for the answer. */
#include "mesh/channel_private.h"

#include "codec/message.h"

struct waiting {
    struct aion_job job;
    struct mesh_channel *channel;
    const struct mesh_method *method;
    const ProtobufCMessage *request;
    const struct mesh_rpc_opts *opts;
    struct aion_arena *arena;
    const ProtobufCMessage *reply;
    struct aion_err *err;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool finished;
};

static void on_done(void *user, const struct mesh_result *result)
{
    struct waiting *waiting = user;
    if (result->err != NULL && waiting->err != NULL)
        *waiting->err = *result->err;
    if (result->err == NULL) {
        waiting->reply = codec_unpack(waiting->method->reply, result->wire, NULL,
                                      waiting->arena, waiting->err);
    }
    pthread_mutex_lock(&waiting->lock);
    waiting->finished = true;
    pthread_cond_signal(&waiting->done);
    pthread_mutex_unlock(&waiting->lock);
}

static void start(struct aion_job *job)
{
    struct waiting *waiting = aion_container(job, struct waiting, job);
    mesh_unary(waiting->channel, waiting->method, waiting->request, waiting->opts, on_done,
               waiting);
}

const ProtobufCMessage *mesh_unary_wait(struct mesh_channel *channel,
                                        const struct mesh_method *method,
                                        const ProtobufCMessage *request,
                                        const struct mesh_rpc_opts *opts,
                                        struct aion_arena *arena, struct aion_err *err)
{
    struct waiting waiting = {.job = {.run = start},
                              .channel = channel,
                              .method = method,
                              .request = request,
                              .opts = opts,
                              .arena = arena,
                              .err = err};
    pthread_mutex_init(&waiting.lock, NULL);
    pthread_cond_init(&waiting.done, NULL);
    aion_exec_post(mesh_loop_exec(channel->loop), &waiting.job);
    pthread_mutex_lock(&waiting.lock);
    while (!waiting.finished) /* the call's own deadline ends the wait */
        pthread_cond_wait(&waiting.done, &waiting.lock);
    pthread_mutex_unlock(&waiting.lock);
    pthread_mutex_destroy(&waiting.lock);
    pthread_cond_destroy(&waiting.done);
    return waiting.reply;
}
