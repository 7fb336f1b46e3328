/* Readers of a task's output over gRPC that read one chunk and then nothing, until the process
 * is ended.
 *
 *   slow_stream HOST:PORT HOME TASK COUNT
 *
 * HOME is that of `aion up`: its user-admin certificate is shown. Prints "open" when every call
 * has had its chunk. */
#include "aion/v1/tasks.mesh.h"

#include <stdio.h>
#include <stdlib.h>

struct slow {
    struct mesh_loop *loop;
    long waiting; /* for their first chunk */
};

static void got(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct slow *slow = mesh_rpc_user(rpc);
    (void)message;
    mesh_rpc_pause(rpc);
    if (--slow->waiting > 0)
        return;
    puts("open");
    fflush(stdout);
}

static void closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    (void)rpc;
    fprintf(stderr, "slow_stream: a call ended: %s\n",
            result->err != NULL ? result->err->text : "all was read");
    exit(1);
}

static struct mesh_channel *channel_to(struct mesh_loop *loop, const char *target,
                                       const char *home)
{
    static char ca[512], cert[512], key[512];
    static struct mesh_tls tls = {ca, cert, key, 0, "aion.local", false};
    struct aion_err err;
    snprintf(ca, sizeof(ca), "%s/tls/ca.crt", home);
    snprintf(cert, sizeof(cert), "%s/tls/user-admin.crt", home);
    snprintf(key, sizeof(key), "%s/tls/user-admin.key", home);
    const struct mesh_channel_conf conf = {.name = "control",
                                           .target = target,
                                           .tls = &tls,
                                           .peer_service = "control",
                                           .no_health = true};
    struct mesh_channel *channel = mesh_channel_new(loop, &conf, &err);
    if (channel == NULL) {
        fprintf(stderr, "slow_stream: %s\n", err.text);
        exit(1);
    }
    return channel;
}

int main(int argc, char **argv)
{
    static const struct mesh_stream_ops ops = {.message = got, .closed = closed};
    struct aion_err err;
    struct slow slow = {.loop = mesh_loop_new(NULL, &err)};
    if (argc != 5 || slow.loop == NULL) {
        fprintf(stderr, "usage: slow_stream HOST:PORT HOME TASK COUNT\n");
        return 2;
    }
    struct mesh_channel *channel = channel_to(slow.loop, argv[1], argv[2]);
    Aion__V1__StreamRequest request = AION__V1__STREAM_REQUEST__INIT;
    request.task_id = argv[3];
    slow.waiting = strtol(argv[4], NULL, 10);
    const struct mesh_rpc_opts opts = {.wait_for_ready = true};
    for (long i = slow.waiting; i > 0; i--)
        aion_v1_aion_tasks_stream_open(channel, &request, &opts, &ops, &slow);
    mesh_loop_run(slow.loop);
    return 0;
}
