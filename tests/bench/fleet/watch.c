/* One reader of Ops.Watch and Ops.GetAt, for scenarios and benchmarks.
 *
 *   watch CONTROL CA CERT KEY watch [rate=N] [from=US] [until=US] [span=MS] [frames=N]
 *         [events=tail|all] [events_max=N] [seconds=S] [row=KIND/KEY]
 *   watch CONTROL CA CERT KEY at US [US ...]
 *   watch CONTROL CA CERT KEY seek FROM_US TO_US COUNT
 *
 * watch prints a line for each frame: frame at=US span=MS full=0 gap=0 rows=N hash=H, with
 * row=... its cells; and for each batch: events n=N count=N sampled=N dropped_frames=N. `at`
 * prints such a frame line for each time, or "error REASON text". `seek` prints how long GetAt,
 * Watch (until its first frame) and a bare unary call take, in turn, at random times between.
 */
#include "aion/v1/ops.mesh.h"
#include "aion/v1/tasks.mesh.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"
#include "mesh/loop.h"
#include "ops_model.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLES_MAX = 10000 };

static struct {
    struct mesh_loop *loop;
    struct mesh_channel *channel;
    struct mesh_timer timer;
    struct ops_model model;
    Aion__V1__OpsWatchRequest request;
    Aion__V1__OpsEventFilter filter;
    uint64_t frames_max, frames, events_max, events;
    const char *row;
    int row_kind;
    int status;
    /* of seek and at */
    char **times;
    int time_count;
    struct aion_rand rand;
    int64_t from_us, to_us, began_us;
    int64_t samples[3][SAMPLES_MAX]; /* GetAt, Watch, a bare call */
    size_t count, wanted;
    bool first_frame;
} run;

/* -- watch -------------------------------------------------------------------------- */
static void print_row(void)
{
    const struct ops_model_entity *entity =
        run.row != NULL ? ops_model_find(&run.model, run.row_kind, run.row) : NULL;
    for (size_t i = 0; entity != NULL && i < entity->columns; i++)
        printf("%s%lld", i == 0 ? " cells=" : ",", (long long)entity->cells[i]);
}

static void print_frame(const Aion__V1__OpsFrame *frame)
{
    ops_model_apply(&run.model, frame);
    printf("frame at=%lld span=%u full=%d gap=%d rows=%zu spread=%zu hash=%016llx",
           (long long)frame->at_us, frame->span_ms, frame->full, frame->gap, frame->n_rows,
           frame->n_least + frame->n_most, (unsigned long long)ops_model_hash(&run.model));
    print_row();
    printf("\n");
}

static void print_events(const Aion__V1__OpsWatchReply *reply)
{
    const Aion__V1__OpsEvents *events = reply->events;
    uint64_t count = 0;
    for (size_t i = 0; i < events->n_counts; i++)
        count += events->counts[i]->count;
    printf("events n=%zu count=%llu sampled=%llu dropped_frames=%llu\n", events->n_events,
           (unsigned long long)count, (unsigned long long)events->sampled,
           (unsigned long long)reply->dropped);
    for (size_t i = 0; i < events->n_events; i++) {
        const Aion__V1__OpsEvent *event = events->events[i];
        printf("event sequence=%llu kind=%d what=%s task=%s took=%lld tenant=%s host=%s "
               "actor=%s reason=%s note=%s\n",
               (unsigned long long)event->sequence, (int)event->kind, event->what,
               event->task_id, (long long)event->latency_us, event->tenant, event->host,
               event->actor, event->reason, event->note);
    }
    run.events += count;
}

static void on_message(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    const Aion__V1__OpsWatchReply *reply = aion_v1_ops_watch_read(message);
    if (reply->body_case == AION__V1__OPS_WATCH_REPLY__BODY_HELLO) {
        printf("hello control=%s subject=%s tenant=%s oldest=%lld read_only=%d\n",
               reply->hello->control, reply->hello->subject, reply->hello->tenant,
               (long long)reply->hello->oldest_us, reply->hello->read_only);
    } else if (reply->body_case == AION__V1__OPS_WATCH_REPLY__BODY_FRAME) {
        print_frame(reply->frame);
        run.frames++;
    } else if (reply->body_case == AION__V1__OPS_WATCH_REPLY__BODY_EVENTS) {
        print_events(reply);
    }
    fflush(stdout);
    if ((run.frames_max > 0 && run.frames >= run.frames_max) ||
        (run.events_max > 0 && run.events >= run.events_max))
        mesh_rpc_cancel(rpc);
}

static void on_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    (void)rpc;
    if (result->err != NULL && result->err->code != AION_CANCELLED) {
        printf("error %s %s\n", result->err->reason, result->err->text);
        run.status = 1;
    }
    mesh_loop_stop(run.loop);
}

static void time_over(struct mesh_timer *timer)
{
    (void)timer;
    mesh_loop_stop(run.loop);
}

/* The value of "name=value", NULL when the text is another one. */
static const char *value_of(const char *text, const char *name)
{
    size_t size = strlen(name);
    return strncmp(text, name, size) == 0 && text[size] == '=' ? text + size + 1 : NULL;
}

static bool number_of(const char *text, const char *name, int64_t *ret_value)
{
    const char *value = value_of(text, name);
    if (value != NULL)
        *ret_value = strtoll(value, NULL, 10);
    return value != NULL;
}

static bool option(const char *text)
{
    int64_t number;
    const char *value;
    if (number_of(text, "rate", &number)) {
        run.request.rate_hz = (uint32_t)number;
    } else if (number_of(text, "from", &run.request.from_us) ||
               number_of(text, "until", &run.request.until_us)) {
        return true;
    } else if (number_of(text, "span", &number)) {
        run.request.span_ms = (uint32_t)number;
    } else if (number_of(text, "frames", &number)) {
        run.frames_max = (uint64_t)number;
    } else if (number_of(text, "events_max", &number)) {
        run.events_max = (uint64_t)number;
    } else if (number_of(text, "seconds", &number)) {
        mesh_timer_set(run.loop, &run.timer, aion_clock_mono_us() + number * 1000000);
    } else if ((value = value_of(text, "events")) != NULL) {
        run.request.events = &run.filter;
        run.filter.all = strcmp(value, "all") == 0;
    } else if ((value = value_of(text, "row")) != NULL && strchr(value, '/') != NULL) {
        run.row_kind = (int)strtol(value, NULL, 10);
        run.row = strchr(value, '/') + 1;
    } else {
        return false;
    }
    return true;
}

static int watch(int argc, char **argv)
{
    static const struct mesh_stream_ops ops = {.message = on_message, .closed = on_closed};
    run.timer.fire = time_over;
    for (int i = 0; i < argc; i++)
        if (!option(argv[i]))
            return 2;
    aion_v1_ops_watch_open(run.channel, &run.request,
                           &(struct mesh_rpc_opts){.wait_for_ready = true}, &ops, NULL);
    mesh_loop_run(run.loop);
    return run.status;
}

/* -- at ----------------------------------------------------------------------------- */
static void at_next(void);

static void at_done(void *user, const struct mesh_result *result)
{
    const Aion__V1__OpsFrame *frame = aion_v1_ops_get_at_result(result);
    (void)user;
    if (frame != NULL)
        print_frame(frame);
    else
        printf("error %s %s\n", result->err->reason, result->err->text);
    at_next();
}

static void at_next(void)
{
    Aion__V1__OpsGetAtRequest request = AION__V1__OPS_GET_AT_REQUEST__INIT;
    if (run.time_count == 0) {
        mesh_loop_stop(run.loop);
        return;
    }
    request.at_us = strtoll(*run.times, NULL, 10);
    run.times++;
    run.time_count--;
    aion_v1_ops_get_at_call(run.channel, &request,
                            &(struct mesh_rpc_opts){.wait_for_ready = true}, at_done, NULL);
}

/* -- seek --------------------------------------------------------------------------- */
static void seek_next(void);

static int64_t random_time(void)
{
    return run.from_us +
           (int64_t)aion_rand_below(&run.rand, (uint64_t)(run.to_us - run.from_us));
}

static void took(int which)
{
    run.samples[which][run.count] = aion_clock_mono_us() - run.began_us;
    run.began_us = aion_clock_mono_us();
}

static void bare_done(void *user, const struct mesh_result *result)
{
    (void)user;
    (void)result; /* no such task: as good a round trip as any */
    took(2);
    if (++run.count < run.wanted)
        seek_next();
    else
        mesh_loop_stop(run.loop);
}

static void bare(void)
{
    static char id[] = "01a20d71-507e-71d6-9db6-3a4ee1f8b889";
    Aion__V1__TaskRef ref = AION__V1__TASK_REF__INIT;
    ref.task_id = id;
    aion_v1_aion_tasks_status_by_id_call(run.channel, &ref, NULL, bare_done, NULL);
}

static void seek_message(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    const Aion__V1__OpsWatchReply *reply = aion_v1_ops_watch_read(message);
    if (reply->body_case != AION__V1__OPS_WATCH_REPLY__BODY_FRAME || run.first_frame)
        return;
    run.first_frame = true;
    took(1);
    mesh_rpc_cancel(rpc);
}

static void seek_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    (void)rpc;
    if (!run.first_frame) {
        printf("error %s\n", result->err != NULL ? result->err->text : "no frame");
        run.status = 1;
        mesh_loop_stop(run.loop);
        return;
    }
    run.began_us = aion_clock_mono_us();
    bare();
}

static void seek_got(void *user, const struct mesh_result *result)
{
    static const struct mesh_stream_ops ops = {.message = seek_message, .closed = seek_closed};
    (void)user;
    if (result->err != NULL) {
        printf("error %s\n", result->err->text);
        run.status = 1;
        mesh_loop_stop(run.loop);
        return;
    }
    took(0);
    run.request.from_us = random_time();
    run.request.until_us = run.request.from_us + 20000000; /* there is a frame of 10 s */
    run.first_frame = false;
    aion_v1_ops_watch_open(run.channel, &run.request, NULL, &ops, NULL);
}

static void seek_next(void)
{
    Aion__V1__OpsGetAtRequest request = AION__V1__OPS_GET_AT_REQUEST__INIT;
    request.at_us = random_time();
    run.began_us = aion_clock_mono_us();
    aion_v1_ops_get_at_call(run.channel, &request,
                            &(struct mesh_rpc_opts){.wait_for_ready = true}, seek_got, NULL);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int seek(int argc, char **argv)
{
    static const char *const names[] = {"get_at", "watch", "bare"};
    if (argc != 3)
        return 2;
    run.from_us = strtoll(argv[0], NULL, 10);
    run.to_us = strtoll(argv[1], NULL, 10);
    run.wanted = strtoul(argv[2], NULL, 10);
    run.wanted = run.wanted < SAMPLES_MAX ? run.wanted : SAMPLES_MAX;
    aion_rand_seed(&run.rand, 11);
    seek_next();
    mesh_loop_run(run.loop);
    for (size_t i = 0; i < 3 && run.status == 0; i++) {
        qsort(run.samples[i], run.count, sizeof(run.samples[i][0]), by_size);
        printf("%s_p50_us %lld %s_p99_us %lld ", names[i],
               (long long)run.samples[i][run.count / 2], names[i],
               (long long)run.samples[i][run.count * 99 / 100]);
    }
    printf("\n");
    return run.status;
}

/* -- main --------------------------------------------------------------------------- */
static int dispatch(int argc, char **argv)
{
    if (strcmp(argv[0], "watch") == 0)
        return watch(argc - 1, argv + 1);
    if (strcmp(argv[0], "seek") == 0)
        return seek(argc - 1, argv + 1);
    if (strcmp(argv[0], "at") != 0)
        return 2;
    run.times = argv + 1;
    run.time_count = argc - 1;
    at_next();
    mesh_loop_run(run.loop);
    return 0;
}

int main(int argc, char **argv)
{
    struct aion_err err;
    if (argc < 6) {
        fprintf(stderr, "usage: watch CONTROL CA CERT KEY watch|at|seek ...\n");
        return 2;
    }
    struct mesh_tls tls = {.trust_domain = "aion.local",
                           .ca_file = argv[2],
                           .cert_file = argv[3],
                           .key_file = argv[4]};
    struct mesh_channel_conf conf = {.name = "control",
                                     .target = argv[1],
                                     .tls = argv[2][0] != '\0' ? &tls : NULL,
                                     .peer_service = "control",
                                     .timeout_us = 30000000};
    aion__v1__ops_watch_request__init(&run.request);
    aion__v1__ops_event_filter__init(&run.filter);
    ops_model_init(&run.model);
    aion_log_start("watch", 2, AION_LOG_WARN);
    run.loop = mesh_loop_new(NULL, &err);
    run.channel = run.loop != NULL ? mesh_channel_new(run.loop, &conf, &err) : NULL;
    if (run.channel == NULL) {
        fprintf(stderr, "watch: %s %s\n", err.text, err.detail);
        return 1;
    }
    int status = dispatch(argc - 5, argv + 5);
    mesh_channel_close(run.channel);
    mesh_loop_free(run.loop);
    ops_model_done(&run.model);
    return status;
}
