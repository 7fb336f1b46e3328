/* When a report is made, and what becomes of it.
 *
 * A second of the clock, and a part of one that differs from process to process so that not all
 * of them come at once: the worker reads proc(5), then the samples are read and the report goes
 * over the standing stream, or to who asked for it (control itself). While control is away, or
 * its stream is full, reports are dropped and counted; the sequence goes on. */
#include "base/clock.h"
#include "base/log.h"
#include "program/telemetry_private.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    SECOND_US = 1000000,
    PHASE_FIRST_US = 100000, /* after the whole second ... */
    PHASE_SPREAD_US = 500000,
    LEAST_WAIT_US = 300000, /* between two reports, however the clock is set */
    REPORT_BYTES_MAX = 8 << 20,
    WHOLE_EVERY = 10, /* as ops.proto says */
};

static const struct aion_metric_family cost_family = {
    .name = "aion_telemetry_report_seconds",
    .help = "CPU time of making one report of this process, on all its threads.",
    .unit = "seconds",
    .kind = AION_HISTOGRAM,
    .scale = 1e-6,
};
static const struct aion_metric_family reports_family = {
    .name = "aion_telemetry_reports",
    .help = "Reports made, by what became of them.",
    .kind = AION_COUNTER,
    .labels = {"outcome"},
};

struct program_telemetry {
    struct program *program;
    struct mesh_channel *channel; /* one of both ... */
    void (*take)(void *user, const Aion__V1__OpsReport *report);
    void *user;
    struct mesh_rpc *rpc; /* NULL = not open */
    bool full, ending, working;
    struct mesh_timer timer;
    struct mesh_work work;
    struct telemetry_samples samples;
    struct telemetry_process process;
    struct telemetry_events events;
    char address[128];
    Aion__V1__OpsProcessState state;
    int64_t started_s, phase_us, told_cpu_us, work_ns;
    uint64_t sequence, dropped;
    bool whole; /* the next report holds everything: the last one did not arrive */
    struct aion_metric *cost, *sent, *lost;
};

/* -- a report ----------------------------------------------------------------------- */
static void fill_process(const struct program_telemetry *telemetry, Aion__V1__OpsProcess *out)
{
    const struct telemetry_process *process = &telemetry->process;
    aion__v1__ops_process__init(out);
    out->state = telemetry->state;
    out->pid = (uint32_t)getpid();
    out->version = (char *)(uintptr_t)AION_VERSION;
    out->address = (char *)(uintptr_t)telemetry->address;
    out->cpu_us = process->cpu_us - telemetry->told_cpu_us;
    out->rss_bytes = (uint64_t)process->rss_bytes;
    out->threads = (uint32_t)process->threads;
    out->fds = (uint32_t)process->fds;
    out->started_s = telemetry->started_s;
    out->loop_us = mesh_loop_longest_ns(telemetry->program->loop) / 1000;
    out->machine_cpu_ppm = process->machine_cpu_ppm;
    out->machine_memory_bytes = (uint64_t)process->machine_memory_bytes;
    out->workers = (uint32_t)telemetry->samples.process[TELEMETRY_WORKERS];
    out->workers_rss_bytes = (uint64_t)telemetry->samples.process[TELEMETRY_MEMORY];
}

static void put_certificate(struct program_telemetry *telemetry)
{
    if (telemetry->process.cert_expires_s == 0)
        return;
    struct telemetry_slot *slot =
        telemetry_slot(&telemetry->samples, AION__V1__OPS_KIND__OPS_KIND_CERTIFICATE,
                       telemetry->program->instance);
    if (slot != NULL)
        slot->gauges[0] = telemetry->process.cert_expires_s;
}

static bool fill(struct program_telemetry *telemetry, Aion__V1__OpsReport *report,
                 Aion__V1__OpsProcess *process, struct aion_arena *arena)
{
    telemetry_samples_read(&telemetry->samples, telemetry->program->loop);
    put_certificate(telemetry);
    fill_process(telemetry, process);
    report->component = (char *)(uintptr_t)telemetry->program->name;
    report->instance = (char *)(uintptr_t)telemetry->program->instance;
    report->sequence = ++telemetry->sequence;
    report->at_us = aion_clock_utc_us();
    report->process = process;
    report->events = telemetry->events.events;
    report->n_events = telemetry->events.count;
    report->dropped = telemetry->dropped;
    report->events_dropped = telemetry->events.dropped;
    bool whole = telemetry->whole || report->sequence % WHOLE_EVERY == 0;
    return telemetry_samples_put(&telemetry->samples, whole, report, arena);
}

/* False: control does not have it. */
static bool deliver(struct program_telemetry *telemetry, const Aion__V1__OpsReport *report)
{
    if (telemetry->take != NULL) {
        telemetry->take(telemetry->user, report);
        return true;
    }
    if (telemetry->rpc == NULL || telemetry->full || !mesh_channel_ready(telemetry->channel))
        return false;
    enum mesh_sent sent = aion_v1_ops_report_write(telemetry->rpc, report);
    telemetry->full = sent == MESH_FULL;
    return sent != MESH_GONE;
}

static void make_report(struct program_telemetry *telemetry)
{
    Aion__V1__OpsReport report = AION__V1__OPS_REPORT__INIT;
    Aion__V1__OpsProcess process;
    struct aion_arena arena;
    aion_arena_init(&arena, REPORT_BYTES_MAX, NULL, 0);
    bool good = fill(telemetry, &report, &process, &arena) && deliver(telemetry, &report);
    telemetry->whole = !good;
    telemetry->dropped += !good;
    telemetry->events.dropped += good ? 0 : telemetry->events.count;
    aion_metric_add(good ? telemetry->sent : telemetry->lost, 1);
    telemetry->told_cpu_us = telemetry->process.cpu_us;
    telemetry_events_forget(&telemetry->events);
    aion_arena_done(&arena);
}

/* -- the stream --------------------------------------------------------------------- */
static void on_reply(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    (void)rpc;
    (void)message; /* it says nothing */
}

static void on_writable(struct mesh_rpc *rpc)
{
    struct program_telemetry *telemetry = mesh_rpc_user(rpc);
    telemetry->full = false;
}

static void on_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct program_telemetry *telemetry = mesh_rpc_user(rpc);
    (void)result; /* the next tick opens another */
    telemetry->rpc = NULL;
    telemetry->full = false;
}

static void keep_open(struct program_telemetry *telemetry)
{
    static const struct mesh_stream_ops ops = {
        .message = on_reply, .writable = on_writable, .closed = on_closed};
    if (telemetry->channel == NULL || telemetry->rpc != NULL ||
        !mesh_channel_ready(telemetry->channel))
        return;
    telemetry->rpc = aion_v1_ops_report_open(telemetry->channel, NULL, &ops, telemetry);
    telemetry->whole = true;
}

/* -- time --------------------------------------------------------------------------- */
static void read_process(struct mesh_work *work)
{
    struct program_telemetry *telemetry = aion_container(work, struct program_telemetry, work);
    int64_t began_ns = aion_clock_thread_cpu_ns();
    telemetry_process_read(&telemetry->process);
    telemetry->work_ns = aion_clock_thread_cpu_ns() - began_ns;
}

static void process_read(struct mesh_work *work)
{
    struct program_telemetry *telemetry = aion_container(work, struct program_telemetry, work);
    telemetry->working = false;
    if (telemetry->ending)
        return;
    int64_t began_ns = aion_clock_thread_cpu_ns();
    keep_open(telemetry);
    make_report(telemetry);
    int64_t used_ns = aion_clock_thread_cpu_ns() - began_ns + telemetry->work_ns;
    aion_metric_record(telemetry->cost, used_ns / 1000);
}

static void set_timer(struct program_telemetry *telemetry)
{
    int64_t into_us = aion_clock_utc_us() % SECOND_US;
    int64_t wait_us = (telemetry->phase_us - into_us + SECOND_US) % SECOND_US;
    if (wait_us < LEAST_WAIT_US)
        wait_us += SECOND_US;
    mesh_timer_set(telemetry->program->loop, &telemetry->timer,
                   mesh_loop_now(telemetry->program->loop) + wait_us);
}

/* A worker that is still busy with the last one: this second is left out. */
static void tick(struct mesh_timer *timer)
{
    struct program_telemetry *telemetry =
        aion_container(timer, struct program_telemetry, timer);
    set_timer(telemetry);
    if (telemetry->working)
        return;
    telemetry->working = mesh_offload(telemetry->program->loop, &telemetry->work);
}

/* -- life --------------------------------------------------------------------------- */
struct program_telemetry *telemetry_new(struct program *program, int64_t started_s)
{
    struct program_telemetry *telemetry = calloc(1, sizeof(*telemetry));
    if (telemetry == NULL)
        abort();
    telemetry->program = program;
    telemetry->started_s = started_s;
    telemetry->state = AION__V1__OPS_PROCESS_STATE__OPS_PROCESS_STATE_NOT_READY;
    telemetry->process.cert_file = program->tls != NULL ? program->tls->cert_file : NULL;
    telemetry->timer.fire = tick;
    telemetry->work.work = read_process;
    telemetry->work.done = process_read;
    telemetry->cost = aion_metric(&cost_family);
    telemetry->sent = aion_metric(&reports_family, "sent");
    telemetry->lost = aion_metric(&reports_family, "dropped");
    telemetry_samples_init(&telemetry->samples);
    telemetry_events_init(&telemetry->events);
    if (program->server != NULL)
        mesh_server_on_audit(program->server, telemetry_audit, &telemetry->events);
    return telemetry;
}

void telemetry_begin(struct program_telemetry *telemetry)
{
    const char *instance = telemetry->program->instance;
    uint64_t hash = aion_siphash(0, 0, instance, strlen(instance));
    if (telemetry->channel == NULL && telemetry->take == NULL)
        return;
    telemetry->phase_us = PHASE_FIRST_US + (int64_t)(hash % PHASE_SPREAD_US);
    telemetry->whole = true;
    set_timer(telemetry);
}

void program_report_to(struct program *program, struct mesh_channel *control)
{
    program->telemetry->channel = control;
}

void program_report_by(struct program *program,
                       void (*take)(void *user, const Aion__V1__OpsReport *report), void *user)
{
    program->telemetry->take = take;
    program->telemetry->user = user;
}

void program_event(struct program *program, const Aion__V1__OpsEvent *event)
{
    telemetry_event_add(&program->telemetry->events, event);
}

void telemetry_state(struct program_telemetry *telemetry, Aion__V1__OpsProcessState state)
{
    telemetry->state = state;
}

void telemetry_address(struct program_telemetry *telemetry, const char *address)
{
    aion_str_copy(telemetry->address, sizeof(telemetry->address), aion_str_of(address));
}

void telemetry_end(struct program_telemetry *telemetry)
{
    telemetry->ending = true;
    mesh_timer_cancel(telemetry->program->loop, &telemetry->timer);
    if (telemetry->rpc != NULL)
        mesh_rpc_half_close(telemetry->rpc);
}

void telemetry_free(struct program_telemetry *telemetry)
{
    if (telemetry == NULL)
        return;
    telemetry_samples_done(&telemetry->samples);
    telemetry_events_done(&telemetry->events);
    free(telemetry);
}
