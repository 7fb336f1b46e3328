/* The echo on our runtime with all its middleware: identity, role, limits, metrics, spans, a
 * log line per call.
 *
 *   echo_mesh [CA CERT KEY]    prints "ready PORT"; ends with SIGTERM
 */
#include "base/log.h"
#include "bench.mesh.h"
#include "mesh/server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>

static void echo_unary(struct mesh_call *call, const Aion__Bench__Msg *request)
{
    aion_bench_echo_unary_reply(call, request);
}

static const struct aion_bench_echo_server table = AION_BENCH_ECHO_SERVER(echo);

int main(int argc, char **argv)
{
    struct aion_err err;
    struct mesh_tls tls = {.trust_domain = "aion.local"};
    struct mesh_server_conf conf = {.listen = "127.0.0.1:0", .log_calls = true};
    if (argc == 4) {
        tls.ca_file = argv[1];
        tls.cert_file = argv[2];
        tls.key_file = argv[3];
        conf.tls = &tls;
    }
    int log = open("/dev/null", O_WRONLY | O_CLOEXEC);
    aion_log_start("bench", log, AION_LOG_INFO);
    struct mesh_loop *loop = mesh_loop_new(NULL, &err);
    struct mesh_server *server = loop != NULL ? mesh_server_new(loop, &conf, &err) : NULL;
    if (server == NULL) {
        fprintf(stderr, "echo_mesh: %s %s\n", err.text, err.detail);
        return 1;
    }
    mesh_server_bind(server, &aion_bench_echo_type, &table, NULL);
    mesh_server_start(server);
    printf("ready %d\n", mesh_server_port(server));
    fflush(stdout);
    mesh_loop_run(loop);
    return 0;
}
