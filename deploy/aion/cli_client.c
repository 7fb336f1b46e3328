#include "cli_client.h"

#include "base/log.h"
#include "codec/json.h"
#include "codec/message.h"

#include <stdio.h>
#include <string.h>

enum { REPLIES_MAX = 256 * 1024 * 1024 };

bool cli_client_find(struct cli_client *client, const char *home, struct aion_err *err)
{
    char path[CLI_PATH_MAX];
    *client = (struct cli_client){.loop = NULL};
    aion_log_least(AION_LOG_ERROR); /* what the core warns of, an error says in our words */
    if (!cli_home(home, path, err) || !cli_run_read(path, &client->run, err))
        return false;
    const char *at = client->run.home;
    if (!cli_path(client->ca, at, "tls/ca.crt") ||
        !cli_path(client->cert, at, "tls/user-admin.crt") ||
        !cli_path(client->key, at, "tls/user-admin.key"))
        return aion_fail(err, AION_INVALID, "the home's path is too long");
    client->tls = (struct mesh_tls){.ca_file = client->ca,
                                    .cert_file = client->cert,
                                    .key_file = client->key,
                                    .trust_domain = client->run.trust_domain};
    return true;
}

bool cli_client_target(const struct cli_client *client, const char *name,
                       char out[CLI_TARGET_MAX])
{
    const struct cli_process *process = cli_run_process(&client->run, name);
    if (process == NULL)
        return false;
    snprintf(out, CLI_TARGET_MAX, "127.0.0.1:%d", process->port);
    return true;
}

bool cli_client_open(struct cli_client *client, const char *home, struct aion_err *err)
{
    bool found = cli_client_find(client, home, err);
    aion_arena_init(&client->arena, REPLIES_MAX, NULL, 0);
    client->loop = found ? mesh_loop_new(NULL, err) : NULL;
    return client->loop != NULL;
}

void cli_client_close(struct cli_client *client)
{
    mesh_channel_close(client->control);
    mesh_channel_close(client->router);
    mesh_channel_close(client->retention);
    mesh_loop_free(client->loop);
    aion_arena_done(&client->arena);
}

static struct mesh_channel **slot_of(struct cli_client *client, const char *name)
{
    if (strcmp(name, "router") == 0)
        return &client->router;
    return strcmp(name, "retention") == 0 ? &client->retention : &client->control;
}

struct mesh_channel *cli_channel(struct cli_client *client, const char *name,
                                 struct aion_err *err)
{
    struct mesh_channel **channel = slot_of(client, name);
    char target[CLI_TARGET_MAX];
    if (*channel != NULL)
        return *channel;
    if (!cli_client_target(client, name, target))
        return aion_fail_null(err, AION_UNAVAILABLE, "%s is not part of this mesh", name);
    const struct mesh_channel_conf conf = {.name = name,
                                           .target = target,
                                           .tls = &client->tls,
                                           .peer_service = name,
                                           .no_health = true};
    *channel = mesh_channel_new(client->loop, &conf, err);
    return *channel;
}

struct waiting {
    struct cli_client *client;
    const struct mesh_method *method;
    const ProtobufCMessage *reply;
    struct aion_err *err;
    bool done;
};

static void on_done(void *user, const struct mesh_result *result)
{
    struct waiting *waiting = user;
    if (result->err != NULL)
        *waiting->err = *result->err;
    else
        waiting->reply = codec_unpack(waiting->method->reply, result->wire, NULL,
                                      &waiting->client->arena, waiting->err);
    waiting->done = true;
    mesh_loop_stop(waiting->client->loop);
}

const ProtobufCMessage *cli_call(struct cli_client *client, const char *service,
                                 const struct mesh_method *method,
                                 const ProtobufCMessage *request, int64_t timeout_us,
                                 struct aion_err *err)
{
    return cli_call_keyed(client, service, method, request, false, timeout_us, err);
}

const ProtobufCMessage *cli_call_keyed(struct cli_client *client, const char *service,
                                       const struct mesh_method *method,
                                       const ProtobufCMessage *request, bool keyed,
                                       int64_t timeout_us, struct aion_err *err)
{
    struct waiting waiting = {.client = client, .method = method, .err = err};
    /* a process that is being restarted comes back within seconds */
    const struct mesh_rpc_opts opts = {.timeout_us = timeout_us > 0 ? timeout_us : 10000000,
                                       .wait_for_ready = true,
                                       .repeatable = keyed};
    struct mesh_channel *channel = cli_channel(client, service, err);
    if (channel == NULL)
        return NULL;
    mesh_unary(channel, method, request, &opts, on_done, &waiting);
    while (!waiting.done)
        mesh_loop_run(client->loop);
    if (waiting.reply == NULL && (err->code == AION_UNAVAILABLE || err->code == AION_DEADLINE))
        cli_silence(client, service, err);
    return waiting.reply;
}

int cli_print_json(const struct codec_message *schema, const ProtobufCMessage *message)
{
    struct aion_buf out;
    struct aion_err err;
    aion_buf_init(&out, 64 * 1024 * 1024);
    const struct codec_json_write options = {.emit_defaults = false};
    bool good = codec_json_print(schema, message, &options, &out, &err);
    if (good)
        printf("%s\n", out.data);
    aion_buf_done(&out);
    return good ? CLI_OK : cli_error(&err);
}
