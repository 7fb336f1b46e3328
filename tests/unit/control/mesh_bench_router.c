/* The router of a bench: it decides as the bench says. */
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void decided(struct mesh_call *call, const Aion__V1__DecideStreamRequest *request)
{
    struct bench *bench = mesh_service(call);
    Aion__V1__DecideStreamReply reply = AION__V1__DECIDE_STREAM_REPLY__INIT;
    Aion__V1__Decision decision = AION__V1__DECISION__INIT;
    Aion__V1__Engine engine = AION__V1__ENGINE__INIT;
    Aion__V1__TaskError error = AION__V1__TASK_ERROR__INIT;
    char module[] = "noop", pool[] = "cpu", route[] = "local", reason[] = "INTENT_UNKNOWN",
         message[] = "no route serves the intent", denied[] = "DENIED_BY_POLICY",
         label[] = "gpu=true", *labels[] = {label};
    bench->decisions++;
    if (bench->route == ROUTE_SILENT)
        return;
    reply.request_id = request->request_id;
    engine.module = module;
    engine.route = route;
    decision.engine = &engine;
    decision.pool = pool;
    decision.labels = labels;
    decision.n_labels = bench->wants_gpu ? 1 : 0;
    decision.attempts_max = bench->attempts_max;
    decision.cost_estimate_nano_usd = bench->cost_nano_usd;
    decision.lane = bench->direct ? AION__V1__LANE__LANE_DIRECT : AION__V1__LANE__LANE_DURABLE;
    decision.repeat_unsafe = bench->unsafe;
    decision.timeout_us = 30000000;
    error.code = AION_NOT_FOUND;
    error.reason = reason;
    error.message = message;
    bool dear = bench->counts_money &&
                request->request->_money_left_nano_usd_case !=
                    AION__V1__DECIDE_REQUEST___MONEY_LEFT_NANO_USD__NOT_SET &&
                request->request->money_left_nano_usd < bench->cost_nano_usd;
    if (bench->route == ROUTE_DENIES) {
        error.code = AION_DENIED;
        error.reason = denied;
    }
    if (bench->route == ROUTE_DECIDES && !dear) {
        reply.outcome_case = AION__V1__DECIDE_STREAM_REPLY__OUTCOME_DECISION;
        reply.decision = &decision;
    } else {
        reply.outcome_case = AION__V1__DECIDE_STREAM_REPLY__OUTCOME_ERROR;
        reply.error = &error;
    }
    aion_v1_router_decide_stream_send(call, &reply);
}

static void router_half_close(struct mesh_call *call)
{
    mesh_finish(call);
}

static void router_quiet(struct mesh_call *call)
{
    (void)call;
}

static void router_done(struct mesh_call *call, bool cancelled)
{
    (void)call;
    (void)cancelled;
}

/* The generated thunks call every slot of a method; the other methods are never called here. */
static const struct aion_v1_router_server router_table = {
    .decide_stream = {.open = router_quiet,
                      .message = decided,
                      .half_close = router_half_close,
                      .writable = router_quiet,
                      .done = router_done}};

void bench_router_start(struct bench *bench)
{
    struct aion_err err;
    char listen[32];
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", bench->router_port);
    struct mesh_server_conf conf = {.listen = listen};
    bench->router_server = mesh_server_new(bench->loop, &conf, &err);
    if (bench->router_server == NULL)
        fail_msg("router: %s", err.text);
    bench->router_port = mesh_server_port(bench->router_server);
    mesh_server_bind(bench->router_server, &aion_v1_router_type, &router_table, bench);
    mesh_server_start(bench->router_server);
}

void bench_router_stop(struct bench *bench)
{
    mesh_server_free(bench->router_server);
    bench->router_server = NULL;
}
