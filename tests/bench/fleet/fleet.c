/* A fleet that is not there, at a real control, over the mesh and its TLS.
 *
 *   fleet TLS_DIR hosts=200 routes=200 tasks=200 events=16667 seconds=60
 *
 * It is the router (a server: control is started with its address), `hosts` hosts (a connection
 * each: Attach, Report) and one client. Prints "router PORT", reads control's address from
 * stdin, attaches, prints "attached", and runs. `tasks` a second are submitted and really
 * travel: decided by this router over `routes` routes, committed by control, given to a host,
 * answered after 5 to 50 ms. A store on this machine does not take 1 M events a minute that
 * way; so `events` a second more come in the hosts' reports, as every program's own events do:
 * what is measured of them is control's ingest, its filters and its readers, not its task
 * engine. At the end: reports and events sent, reports dropped by us because a stream was full,
 * tasks and failures. SIGTERM ends it before its time, in the same way. */
#include "aion/v1/modules.mesh.h"
#include "aion/v1/ops.mesh.h"
#include "aion/v1/router.mesh.h"
#include "aion/v1/tasks.mesh.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/rand.h"
#include "mesh/loop.h"
#include "mesh/server.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    HOSTS_MAX = 1000,
    ROUTES_MAX = 1000,
    INTENTS = 20,
    MODULES = 12,
    TENANTS = 20,
    EVENTS_MAX = 4096, /* of a report */
    SLOTS = 64,
    SECOND_US = 1000000,
    TICK_US = 10000,
};

struct host {
    char id[32];
    struct mesh_channel *channel;
    struct mesh_rpc *attach, *report;
    struct mesh_timer timer;
    uint64_t sequence, attempts;
    bool full, welcomed;
};

/* An attempt at work, until its time is over. */
struct job {
    struct mesh_timer timer;
    struct host *host;
    char task_id[40];
    uint32_t attempt;
    uint64_t epoch;
};

static struct {
    const char *dir, *target;
    size_t hosts, routes, tasks, events, seconds;
    struct mesh_loop *loop;
    struct mesh_server *router;
    struct mesh_channel *client;
    struct mesh_timer tick, end;
    struct aion_rand rand;
    struct host host[HOSTS_MAX];
    size_t welcomed, jobs;
    double owed; /* tasks that are due */
    uint64_t reports, dropped, events_sent, submitted, done, failed, event_number;
    bool running;
} run;

static uint64_t below(uint64_t bound)
{
    return aion_rand_below(&run.rand, bound);
}

static struct mesh_tls tls_of(const char *name, char *buffers, size_t size)
{
    char *ca = buffers, *cert = buffers + size, *key = buffers + 2 * size;
    snprintf(ca, size, "%s/ca.crt", run.dir);
    snprintf(cert, size, "%s/%s.crt", run.dir, name);
    snprintf(key, size, "%s/%s.key", run.dir, name);
    return (struct mesh_tls){
        .ca_file = ca, .cert_file = cert, .key_file = key, .trust_domain = "aion.local"};
}

/* -- the router --------------------------------------------------------------------- */
static void decide(struct mesh_call *call, const Aion__V1__DecideStreamRequest *request)
{
    Aion__V1__DecideStreamReply reply = AION__V1__DECIDE_STREAM_REPLY__INIT;
    Aion__V1__Decision decision = AION__V1__DECISION__INIT;
    Aion__V1__Engine engine = AION__V1__ENGINE__INIT;
    char route[32], module[32], pool[] = "cpu", by[] = "rule", reason[] = "fleet.yaml:1 any";
    uint64_t number = below(run.routes);
    snprintf(route, sizeof(route), "route-%03llu", (unsigned long long)number);
    snprintf(module, sizeof(module), "module-%llu", (unsigned long long)(number % MODULES));
    engine.route = route;
    engine.module = module;
    engine.chosen_by = by;
    engine.reason = reason;
    decision.engine = &engine;
    decision.pool = pool;
    decision.attempts_max = 3;
    decision.timeout_us = 30000000;
    reply.request_id = request->request_id;
    reply.outcome_case = AION__V1__DECIDE_STREAM_REPLY__OUTCOME_DECISION;
    reply.decision = &decision;
    aion_v1_router_decide_stream_send(call, &reply);
}

static void quiet(struct mesh_call *call)
{
    (void)call;
}

static void half_close(struct mesh_call *call)
{
    mesh_finish(call);
}

static void stream_done(struct mesh_call *call, bool cancelled)
{
    (void)call;
    (void)cancelled;
}

static const struct aion_v1_router_server router_table = {
    .decide_stream = {quiet, decide, half_close, quiet, stream_done}};

static bool start_router(struct aion_err *err)
{
    static char paths[3 * 256];
    static struct mesh_tls tls;
    tls = tls_of("router", paths, 256);
    struct mesh_server_conf conf = {.listen = "127.0.0.1:0", .tls = &tls};
    run.router = mesh_server_new(run.loop, &conf, err);
    if (run.router == NULL)
        return false;
    mesh_server_bind(run.router, &aion_v1_router_type, &router_table, NULL);
    mesh_server_start(run.router);
    return true;
}

/* -- hosts: work -------------------------------------------------------------------- */
static void job_over(struct mesh_timer *timer)
{
    struct job *job = aion_container(timer, struct job, timer);
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    Aion__V1__HostMessage__Result result = AION__V1__HOST_MESSAGE__RESULT__INIT;
    Aion__V1__AttemptToken token = AION__V1__ATTEMPT_TOKEN__INIT;
    Aion__V1__TaskResult body = AION__V1__TASK_RESULT__INIT;
    Aion__V1__TaskError error = AION__V1__TASK_ERROR__INIT;
    Aion__V1__Usage usage = AION__V1__USAGE__INIT;
    char text[] = "done", type[] = "text/plain", reason[] = "UNLUCKY", what[] = "by chance";
    token.task_id = job->task_id;
    token.attempt = job->attempt;
    token.epoch = job->epoch;
    body.body_case = AION__V1__TASK_RESULT__BODY_TEXT;
    body.text = text;
    body.content_type = type;
    usage.run_us = 5000 + (int64_t)below(45000);
    usage.cost_nano_usd = (int64_t)below(100) * 1000;
    error.code = AION_INTERNAL;
    error.reason = reason;
    error.message = what;
    result.token = &token;
    result.usage = &usage;
    result.retriable = true;
    if (below(100) == 0)
        result.error = &error;
    else
        result.result = &body;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_RESULT;
    message.result = &result;
    if (job->host->attach != NULL)
        aion_v1_hosts_attach_write(job->host->attach, &message);
    job->host->attempts++;
    run.jobs--;
    free(job);
}

static void execute(struct host *host, const Aion__V1__HostCommand__Execute *command)
{
    struct job *job = calloc(1, sizeof(*job));
    if (job == NULL)
        abort();
    job->host = host;
    snprintf(job->task_id, sizeof(job->task_id), "%s", command->token->task_id);
    job->attempt = command->token->attempt;
    job->epoch = command->token->epoch;
    job->timer.fire = job_over;
    run.jobs++;
    mesh_timer_set(run.loop, &job->timer,
                   mesh_loop_now(run.loop) + 5000 + (int64_t)below(45000));
}

static void say_running(struct host *host)
{
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    Aion__V1__HostMessage__Running running = AION__V1__HOST_MESSAGE__RUNNING__INIT;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_RUNNING;
    message.running = &running;
    aion_v1_hosts_attach_write(host->attach, &message);
}

static void say_capacity(struct host *host)
{
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    Aion__V1__HostMessage__Capacity capacity = AION__V1__HOST_MESSAGE__CAPACITY__INIT;
    capacity.slots = SLOTS;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_CAPACITY;
    message.capacity = &capacity;
    aion_v1_hosts_attach_write(host->attach, &message);
}

static void on_command(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct host *host = mesh_rpc_user(rpc);
    const Aion__V1__HostCommand *command = aion_v1_hosts_attach_read(message);
    switch ((int)command->kind_case) {
    case AION__V1__HOST_COMMAND__KIND_WELCOME:
        run.welcomed += !host->welcomed;
        host->welcomed = true;
        if (run.welcomed == run.hosts && !run.running)
            mesh_loop_stop(run.loop);
        break;
    case AION__V1__HOST_COMMAND__KIND_EXECUTE:
        execute(host, command->execute);
        break;
    case AION__V1__HOST_COMMAND__KIND_PING:
        say_capacity(host);
        break;
    default:
        break;
    }
}

static void attach_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    ((struct host *)mesh_rpc_user(rpc))->attach = NULL;
    if (result->err != NULL && run.running)
        fprintf(stderr, "attach: %s\n", result->err->text);
}

static void attach(struct host *host)
{
    static const struct mesh_stream_ops ops = {.message = on_command, .closed = attach_closed};
    const struct mesh_rpc_opts opts = {.wait_for_ready = true};
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    Aion__V1__HostMessage__Hello hello = AION__V1__HOST_MESSAGE__HELLO__INIT;
    Aion__V1__ModuleOffer offers[MODULES], *pointers[MODULES];
    char names[MODULES][32], pool[] = "cpu", version[] = "1.0.0", digest[] = "sha256:1";
    for (size_t i = 0; i < MODULES; i++) {
        aion__v1__module_offer__init(&offers[i]);
        snprintf(names[i], sizeof(names[i]), "module-%zu", i);
        offers[i].module = names[i];
        offers[i].version = version;
        offers[i].digest = digest;
        pointers[i] = &offers[i];
    }
    hello.host_id = host->id;
    hello.pool = pool;
    hello.slots = SLOTS;
    hello.version = version;
    hello.modules = pointers;
    hello.n_modules = MODULES;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_HELLO;
    message.hello = &hello;
    host->attach = aion_v1_hosts_attach_open(host->channel, &opts, &ops, host);
    aion_v1_hosts_attach_write(host->attach, &message);
    say_running(host);
}

/* -- hosts: reports ----------------------------------------------------------------- */
/* One after another, as tasks of this fleet would make them. */
struct made_event {
    Aion__V1__OpsEvent event;
    char task_id[48], tenant[32], intent[32], route[32];
};

static void make_event(struct made_event *made, struct host *host, int64_t at_us)
{
    static const char *const what[] = {"accepted", "rule", "started", "succeeded"};
    static const int states[] = {2, 0, 3, 7};
    uint64_t number = run.event_number++, step = number % 4, task = number / 4;
    Aion__V1__OpsEvent *event = &made->event;
    aion__v1__ops_event__init(event);
    snprintf(made->task_id, sizeof(made->task_id), "01a20d71-507e-71d6-9db6-%012llx",
             (unsigned long long)task);
    snprintf(made->tenant, sizeof(made->tenant), "tenant-%02llu",
             (unsigned long long)(task % TENANTS));
    snprintf(made->intent, sizeof(made->intent), "intent-%02llu",
             (unsigned long long)(task % INTENTS));
    snprintf(made->route, sizeof(made->route), "route-%03llu",
             (unsigned long long)(task % run.routes));
    event->kind = step == 1 ? AION__V1__OPS_EVENT__KIND__KIND_DECISION
                            : AION__V1__OPS_EVENT__KIND__KIND_TASK;
    event->what = (char *)(uintptr_t)what[step];
    event->state = (Aion__V1__TaskState)states[step];
    event->at_us = at_us;
    event->task_id = made->task_id;
    event->tenant = made->tenant;
    event->intent = made->intent;
    event->route = made->route;
    event->attempt = step > 1;
    if (step > 1)
        event->host = host->id;
    event->latency_us = step == 3 ? 1000 + (int64_t)(task % 100000) : 0;
}

static size_t fill_events(struct host *host, Aion__V1__OpsEvent **events, int64_t at_us)
{
    static struct made_event made[EVENTS_MAX];
    size_t count = (run.events + run.hosts - 1) / run.hosts;
    count = count < EVENTS_MAX ? count : EVENTS_MAX;
    for (size_t i = 0; i < count; i++) {
        make_event(&made[i], host, at_us);
        events[i] = &made[i].event;
    }
    return count;
}

struct made_sample {
    Aion__V1__OpsSample sample;
    Aion__V1__OpsHistogram latency;
    char key[80];
    int64_t counters[3], gauges[3];
    uint32_t buckets[16];
    uint64_t counts[16];
};

static void make_sample(struct made_sample *made, Aion__V1__OpsKind kind, uint64_t calls,
                        unsigned bucket)
{
    aion__v1__ops_sample__init(&made->sample);
    made->sample.kind = kind;
    made->sample.key = made->key;
    made->sample.counters = made->counters;
    made->sample.gauges = made->gauges;
    made->sample.n_counters = made->sample.n_gauges = 3;
    memset(made->counters, 0, sizeof(made->counters));
    memset(made->gauges, 0, sizeof(made->gauges));
    made->counters[0] = (int64_t)calls;
    aion__v1__ops_histogram__init(&made->latency);
    for (size_t i = 0; i < 16 && calls > 0; i++) {
        made->buckets[i] = bucket + (unsigned)i;
        made->counts[i] = 1 + below(calls);
        made->latency.n_buckets = made->latency.n_counts = i + 1;
    }
    made->latency.buckets = made->buckets;
    made->latency.counts = made->counts;
    if (calls > 0)
        made->sample.latency = &made->latency;
}

static size_t fill_samples(struct host *host, Aion__V1__OpsSample **samples)
{
    static struct made_sample made[16];
    size_t count = 0;
    snprintf(made[count].key, sizeof(made[count].key), "ModuleHost.Describe");
    make_sample(&made[count++], AION__V1__OPS_KIND__OPS_KIND_METHOD, 1 + below(5), 150);
    snprintf(made[count].key, sizeof(made[count].key), "control@%s", run.target);
    make_sample(&made[count], AION__V1__OPS_KIND__OPS_KIND_EDGE, 1 + below(9), 170);
    made[count].gauges[0] = (int64_t)below(3);
    made[count++].gauges[1] = 1;
    snprintf(made[count].key, sizeof(made[count].key), "%s", host->id);
    make_sample(&made[count], AION__V1__OPS_KIND__OPS_KIND_CERTIFICATE, 0, 0);
    made[count++].gauges[0] = 1798218281;
    for (size_t i = 0; i < MODULES; i++) {
        snprintf(made[count].key, sizeof(made[count].key), "module-%zu@1.0.0", i);
        make_sample(&made[count++], AION__V1__OPS_KIND__OPS_KIND_MODULE, 0, 0);
    }
    for (size_t i = 0; i < count; i++)
        samples[i] = &made[i].sample;
    return host->sequence % 10 == 0 ? count : 2; /* what does not change comes now and then */
}

static void fill_process(Aion__V1__OpsProcess *process)
{
    static char version[] = "0.1.0", address[] = "10.0.0.1:8084";
    process->state = AION__V1__OPS_PROCESS_STATE__OPS_PROCESS_STATE_READY;
    process->pid = 4711;
    process->version = version;
    process->address = address;
    process->cpu_us = 20000 + (int64_t)below(10000);
    process->rss_bytes = 60000000 + below(1000000);
    process->threads = 9;
    process->fds = 40 + (uint32_t)below(4);
    process->started_s = 1795475704;
    process->loop_us = 150 + (int64_t)below(100);
    process->machine_cpu_ppm = 300000 + (int64_t)below(50000);
    process->machine_memory_bytes = (uint64_t)16 << 30;
    process->workers = MODULES;
    process->workers_rss_bytes = 900000000 + below(8000000);
}

static void send_report(struct host *host)
{
    static Aion__V1__OpsEvent *events[EVENTS_MAX];
    Aion__V1__OpsSample *samples[16];
    Aion__V1__OpsReport report = AION__V1__OPS_REPORT__INIT;
    Aion__V1__OpsProcess process = AION__V1__OPS_PROCESS__INIT;
    char component[] = "host";
    host->sequence++;
    if (host->report == NULL || host->full) {
        run.dropped++;
        return;
    }
    fill_process(&process);
    report.component = component;
    report.instance = host->id;
    report.sequence = host->sequence;
    report.at_us = aion_clock_utc_us();
    report.process = &process;
    report.samples = samples;
    report.n_samples = fill_samples(host, samples);
    report.events = events;
    report.n_events = fill_events(host, events, report.at_us);
    host->full = aion_v1_ops_report_write(host->report, &report) == MESH_FULL;
    run.reports++;
    run.events_sent += report.n_events;
}

static void report_tick(struct mesh_timer *timer)
{
    struct host *host = aion_container(timer, struct host, timer);
    mesh_timer_set(run.loop, timer, timer->node.key + SECOND_US);
    if (run.running)
        send_report(host);
}

static void report_writable(struct mesh_rpc *rpc)
{
    ((struct host *)mesh_rpc_user(rpc))->full = false;
}

static void report_message(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    (void)rpc;
    (void)message;
}

static void report_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    ((struct host *)mesh_rpc_user(rpc))->report = NULL;
    if (result->err != NULL && run.running)
        fprintf(stderr, "report: %s\n", result->err->text);
}

static bool start_hosts(struct aion_err *err)
{
    static const struct mesh_stream_ops ops = {
        .message = report_message, .writable = report_writable, .closed = report_closed};
    static char paths[3 * 256];
    static struct mesh_tls tls;
    tls = tls_of("host-1", paths, 256);
    struct mesh_channel_conf conf = {
        .name = "control", .target = run.target, .tls = &tls, .peer_service = "control"};
    for (size_t i = 0; i < run.hosts; i++) {
        struct host *host = &run.host[i];
        snprintf(host->id, sizeof(host->id), "fleet-%03zu", i);
        host->channel = mesh_channel_new(run.loop, &conf, err);
        if (host->channel == NULL)
            return false;
        attach(host);
        host->report = aion_v1_ops_report_open(
            host->channel, &(struct mesh_rpc_opts){.wait_for_ready = true}, &ops, host);
        host->timer.fire = report_tick;
        mesh_timer_set(run.loop, &host->timer,
                       aion_clock_mono_us() + (int64_t)(i * SECOND_US / run.hosts));
    }
    static char own_paths[3 * 256];
    static struct mesh_tls own;
    own = tls_of("user-admin", own_paths, 256);
    conf.tls = &own;
    run.client = mesh_channel_new(run.loop, &conf, err);
    return run.client != NULL;
}

/* -- tasks -------------------------------------------------------------------------- */
static void submitted(void *user, const struct mesh_result *result)
{
    (void)user;
    run.done += result->err == NULL;
    if (result->err != NULL && run.failed++ == 0)
        fprintf(stderr, "submit: %s\n", result->err->text);
}

static void submit(void)
{
    Aion__V1__TaskRequest request = AION__V1__TASK_REQUEST__INIT;
    char intent[32];
    snprintf(intent, sizeof(intent), "intent-%02llu", (unsigned long long)below(INTENTS));
    request.intent = intent;
    run.submitted++;
    aion_v1_aion_tasks_submit_call(run.client, &request, NULL, submitted, NULL);
}

static volatile sig_atomic_t told_to_end;

static void on_term(int number)
{
    (void)number;
    told_to_end = 1;
}

static void tick(struct mesh_timer *timer)
{
    if (told_to_end)
        mesh_loop_stop(run.loop);
    mesh_timer_set(run.loop, timer, timer->node.key + TICK_US);
    run.owed += (double)run.tasks * TICK_US / SECOND_US;
    for (; run.owed >= 1; run.owed--)
        submit();
}

static void end(struct mesh_timer *timer)
{
    (void)timer;
    mesh_loop_stop(run.loop);
}

/* -- main --------------------------------------------------------------------------- */
static bool option(const char *text)
{
    static const struct {
        const char *name;
        size_t *value;
        size_t most;
    } options[] = {
        {"hosts", &run.hosts, HOSTS_MAX}, {"routes", &run.routes, ROUTES_MAX},
        {"tasks", &run.tasks, 100000},    {"events", &run.events, 1000000},
        {"seconds", &run.seconds, 86400},
    };
    for (size_t i = 0; i < aion_countof(options); i++) {
        size_t name = strlen(options[i].name);
        if (strncmp(text, options[i].name, name) != 0 || text[name] != '=')
            continue;
        *options[i].value = strtoul(text + name + 1, NULL, 10);
        return *options[i].value <= options[i].most;
    }
    return false;
}

static int fail(const struct aion_err *err)
{
    fprintf(stderr, "fleet: %s %s\n", err->text, err->detail);
    return 1;
}

int main(int argc, char **argv)
{
    static char target[128];
    struct aion_err err;
    run.hosts = run.routes = 200;
    run.tasks = 200;
    run.events = 16667;
    run.seconds = 60;
    for (int i = 2; i < argc; i++)
        if (!option(argv[i]))
            argc = 0;
    if (argc < 2 || run.hosts < 1 || run.routes < 1) {
        fprintf(stderr, "usage: fleet TLS_DIR [hosts=N] [routes=N] [tasks=N] [events=N] "
                        "[seconds=N]\n");
        return 2;
    }
    run.dir = argv[1];
    aion_rand_seed(&run.rand, 3);
    aion_log_start("fleet", 2, AION_LOG_ERROR);
    run.loop = mesh_loop_new(NULL, &err);
    if (run.loop == NULL || !start_router(&err))
        return fail(&err);
    printf("router %d\n", mesh_server_port(run.router));
    fflush(stdout);
    if (scanf("%127s", target) != 1)
        return 2;
    run.target = target;
    if (!start_hosts(&err))
        return fail(&err);
    mesh_loop_run(run.loop);
    printf("attached %zu\n", run.welcomed);
    fflush(stdout);
    signal(SIGTERM, on_term);
    run.running = true;
    run.tick.fire = tick;
    run.end.fire = end;
    mesh_timer_set(run.loop, &run.tick, aion_clock_mono_us());
    mesh_timer_set(run.loop, &run.end, aion_clock_mono_us() + (int64_t)run.seconds * SECOND_US);
    mesh_loop_run(run.loop);
    printf("reports %llu dropped %llu events %llu submitted %llu done %llu failed %llu\n",
           (unsigned long long)run.reports, (unsigned long long)run.dropped,
           (unsigned long long)run.events_sent, (unsigned long long)run.submitted,
           (unsigned long long)run.done, (unsigned long long)run.failed);
    return 0; /* connections end with the process: as a fleet's do that is switched off */
}
