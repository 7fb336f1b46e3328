/* rpc Describe: what this host is and does; for probes and people. */
#include "host_private.h"

static bool add_workers(struct host *host, struct aion_arena *arena,
                        Aion__V1__DescribeReply *reply)
{
    struct host_worker_info infos[HOST_WORKERS_MAX];
    size_t count = host_pool_workers(host->pool, infos, HOST_WORKERS_MAX);
    reply->workers = aion_arena_array(arena, count, sizeof(*reply->workers));
    for (size_t i = 0; reply->workers != NULL && i < count; i++) {
        Aion__V1__DescribeReply__Worker *worker = aion_arena_alloc(arena, sizeof(*worker));
        if (worker == NULL)
            return false;
        aion__v1__describe_reply__worker__init(worker);
        worker->module = (char *)(uintptr_t)infos[i].module;
        worker->pid = (uint32_t)infos[i].pid;
        worker->busy = infos[i].busy;
        worker->attempts = infos[i].jobs;
        worker->rss_bytes = host_resident(infos[i].pid);
        reply->workers[reply->n_workers++] = worker;
    }
    return reply->workers != NULL;
}

static void module_describe(struct mesh_call *call, const Aion__V1__DescribeRequest *request)
{
    struct host *host = mesh_service(call);
    Aion__V1__DescribeReply reply = AION__V1__DESCRIBE_REPLY__INIT;
    (void)request;
    reply.host_id = (char *)(uintptr_t)host->conf->host_id;
    reply.pool = (char *)(uintptr_t)host->conf->pool;
    reply.slots = (uint32_t)host->conf->slots;
    reply.running = host->running;
    reply.attached = host_attached(host);
    if (add_workers(host, mesh_arena(call), &reply))
        aion_v1_module_host_describe_reply(call, &reply);
    else
        mesh_fail(call, AION_EXHAUSTED, "too many module processes to describe");
}

static const struct aion_v1_module_host_server table = AION_V1_MODULE_HOST_SERVER(module);

void host_bind(struct host *host)
{
    mesh_server_bind(host->program->server, &aion_v1_module_host_type, &table, host);
}
