/* Calls to a running mesh over gRPC, as the user of its home. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "cli.h"

#include "mesh/channel.h"

struct cli_client {
    struct cli_run run;
    struct mesh_loop *loop;
    struct mesh_tls tls;
    char ca[CLI_PATH_MAX], cert[CLI_PATH_MAX], key[CLI_PATH_MAX];
    struct mesh_channel *control, *router, *retention; /* made on first use */
    struct aion_arena arena;                           /* replies */
};

/* Finds the mesh of the home (NULL: the default) and who we are to it; nothing is connected,
 * the client needs no close. */
bool cli_client_find(struct cli_client *client, const char *home, struct aion_err *err);
/* "127.0.0.1:8081" of "control", "router" or "retention" into out; false: it is not there. */
enum { CLI_TARGET_MAX = 64 };
bool cli_client_target(const struct cli_client *client, const char *name,
                       char out[CLI_TARGET_MAX]);
/* The same, ready for calls. */
bool cli_client_open(struct cli_client *client, const char *home, struct aion_err *err);
void cli_client_close(struct cli_client *client);
/* The channel to "control", "router" or "retention"; NULL: err. */
struct mesh_channel *cli_channel(struct cli_client *client, const char *name,
                                 struct aion_err *err);
/* One call, waited for; the reply lives as long as the client. NULL: err. timeout_us 0 = 10 s.
 */
const ProtobufCMessage *cli_call(struct cli_client *client, const char *service,
                                 const struct mesh_method *method,
                                 const ProtobufCMessage *request, int64_t timeout_us,
                                 struct aion_err *err);
/* The same; keyed: the request carries a key, so that it may be repeated. */
const ProtobufCMessage *cli_call_keyed(struct cli_client *client, const char *service,
                                       const struct mesh_method *method,
                                       const ProtobufCMessage *request, bool keyed,
                                       int64_t timeout_us, struct aion_err *err);
/* Says in *err why a program of the mesh did not answer (UNAVAILABLE or DEADLINE of a call). */
void cli_silence(const struct cli_client *client, const char *service, struct aion_err *err);
/* Prints a message as JSON, one line. */
int cli_print_json(const struct codec_message *schema, const ProtobufCMessage *message);

#endif
