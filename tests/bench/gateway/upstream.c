/* What the gateways are measured in front of: an AionTasks whose Submit answers at once.
 *
 *   upstream CA CERT KEY    prints "ready PORT"; ends with SIGTERM
 */
#include "aion/v1/tasks.mesh.h"
#include "base/log.h"
#include "mesh/server.h"

static void submit(struct mesh_call *call, const Aion__V1__TaskRequest *request)
{
    Aion__V1__Task task = AION__V1__TASK__INIT;
    Aion__V1__TaskResult result = AION__V1__TASK_RESULT__INIT;
    Aion__V1__Engine engine = AION__V1__ENGINE__INIT;
    Aion__V1__Usage usage = AION__V1__USAGE__INIT;
    char id[] = "019ab7c2-5a1e-7000-8000-0123456789ab", route[] = "local-summary",
         text[] = "We the People of the United States, in Order to form a more perfect Union, "
                  "establish Justice, insure domestic Tranquility, provide for the common "
                  "defence, promote the general Welfare, and secure the Blessings of Liberty.",
         type[] = "text/plain; charset=utf-8";
    result.body_case = AION__V1__TASK_RESULT__BODY_TEXT;
    result.text = text;
    result.content_type = type;
    engine.route = route;
    engine.module = request->intent;
    usage.latency_us = 1234;
    task.task_id = id;
    task.intent = request->intent;
    task.state = AION__V1__TASK_STATE__TASK_STATE_SUCCEEDED;
    task.result = &result;
    task.engine = &engine;
    task.usage = &usage;
    aion_v1_aion_tasks_submit_reply(call, &task);
}

/* The other methods are never called here. */
static const struct aion_v1_aion_tasks_server table = {.submit = submit};

static const char *const delegates[] = {"gateway", NULL};

int main(int argc, char **argv)
{
    struct aion_err err;
    if (argc != 4) {
        fprintf(stderr, "usage: upstream CA CERT KEY\n");
        return 2;
    }
    struct mesh_tls tls = {.trust_domain = "aion.local",
                           .ca_file = argv[1],
                           .cert_file = argv[2],
                           .key_file = argv[3]};
    struct mesh_server_conf conf = {
        .listen = "127.0.0.1:0", .tls = &tls, .delegates = delegates};
    aion_log_start("upstream", 2, AION_LOG_WARN);
    struct mesh_loop *loop = mesh_loop_new(NULL, &err);
    struct mesh_server *server = loop != NULL ? mesh_server_new(loop, &conf, &err) : NULL;
    if (server == NULL) {
        fprintf(stderr, "upstream: %s %s\n", err.text, err.detail);
        return 1;
    }
    mesh_server_bind(server, &aion_v1_aion_tasks_type, &table, NULL);
    mesh_server_start(server);
    printf("ready %d\n", mesh_server_port(server));
    fflush(stdout);
    mesh_loop_run(loop);
    return 0;
}
