/* The worker that keeps frames and finds them: one piece of work at a time, in order, so that
 * the history needs no lock and a reader sees every frame that was kept before it asked. And
 * rpc GetAt.
 *
 * The I/O thread never waits for it: frames that the disk does not take in time are dropped
 * beyond KEEP_BYTES_MAX and counted. */
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "control_private.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum {
    JOBS_MAX = 256,
    KEEP_BYTES_MAX = 16 << 20,
    FRAME_ARENA_MAX = 256 << 20,
    GET_ARENA_MAX = 64 << 20,
    TEN_US = 10000000,
};

static const struct aion_metric_family kept_family = {
    .name = "aion_control_frames",
    .help =
        "Frames of telemetry, by what became of them: kept, or lost to a full or slow disk.",
    .kind = AION_COUNTER,
    .labels = {"outcome"},
};
static const struct aion_metric_family bytes_family = {
    .name = "aion_control_frames_bytes",
    .help = "Bytes of frames on disk.",
    .unit = "bytes",
    .kind = AION_GAUGE,
};

struct control_past {
    struct control *control;
    struct ops_history *history; /* the worker's while `working` */
    struct mesh_work work;
    struct control_past_job *first, **last; /* [0] is under way while `working` */
    size_t jobs, bytes;                     /* waiting or under way; of frames */
    bool working, closing, told;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    bool running AION_GUARDED_BY(lock); /* the worker is in the history */
    int64_t oldest_us;
    unsigned frames[OPS_TIERS]; /* in the open block */
    uint32_t named[OPS_TIERS];  /* stamp up to which names were kept; 0 = all are due */
    struct aion_metric *kept, *lost, *disk, *memory;
};

/* -- jobs --------------------------------------------------------------------------- */
static void set_running(struct control_past *past, bool running)
{
    pthread_mutex_lock(&past->lock);
    past->running = running;
    pthread_cond_broadcast(&past->idle);
    pthread_mutex_unlock(&past->lock);
}

static void start(struct control_past *past)
{
    if (past->working || past->first == NULL)
        return;
    past->running = true;
    past->working = mesh_offload(past->control->loop, &past->work);
}

static void work(struct mesh_work *work)
{
    struct control_past *past = aion_container(work, struct control_past, work);
    past->first->run(past->first, past->history);
    set_running(past, false);
}

static void finish_first(struct control_past *past)
{
    struct control_past_job *job = past->first;
    past->first = job->next;
    if (past->first == NULL)
        past->last = &past->first;
    past->jobs--;
    job->done(job);
}

static void worked(struct mesh_work *work)
{
    struct control_past *past = aion_container(work, struct control_past, work);
    past->working = false;
    past->oldest_us = ops_history_oldest_us(past->history);
    aion_metric_set(past->disk, ops_history_bytes(past->history));
    aion_metric_set(past->memory, ops_history_memory(past->history));
    finish_first(past);
    if (!past->closing)
        start(past);
}

bool control_past_do(struct control_past *past, struct control_past_job *job,
                     struct aion_err *err)
{
    if (past->jobs >= JOBS_MAX) {
        aion_err_set(err, __func__, AION_EXHAUSTED,
                     "%zu questions about the past wait already; try again", past->jobs);
        aion_err_reason(err, "HISTORY_BUSY");
        return false;
    }
    job->next = NULL;
    *past->last = job;
    past->last = &job->next;
    past->jobs++;
    start(past);
    return true;
}

/* -- life --------------------------------------------------------------------------- */
/* A folder that cannot be used is no reason not to serve tasks: frames are then kept in memory
 * alone, the newest few minutes of them. */
static struct ops_history *open_history(const struct control_conf *conf, struct aion_err *err)
{
    struct ops_history *history =
        ops_history_open(conf->frames_dir, conf->frames_bytes_max, err);
    if (history != NULL || conf->frames_dir[0] == '\0')
        return history;
    aion_log(AION_LOG_ERROR, "frames of telemetry are not kept on disk",
             LOG_TEXT("error", err->text), LOG_TEXT("detail", err->detail));
    return ops_history_open("", conf->frames_bytes_max, err);
}

struct control_past *control_past_open(struct control *control, struct aion_err *err)
{
    struct control_past *past = calloc(1, sizeof(*past));
    if (past == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    past->history = open_history(control->conf, err);
    if (past->history == NULL) {
        free(past);
        return NULL;
    }
    past->control = control;
    past->last = &past->first;
    pthread_mutex_init(&past->lock, NULL);
    pthread_cond_init(&past->idle, NULL);
    past->work = (struct mesh_work){.work = work, .done = worked};
    past->kept = aion_metric(&kept_family, "kept");
    past->lost = aion_metric(&kept_family, "lost");
    past->disk = aion_metric(&bytes_family);
    past->memory = aion_metric(&control_ops_memory, "frames");
    past->oldest_us = ops_history_oldest_us(past->history);
    for (int i = 0; i < OPS_TIERS; i++)
        past->frames[i] = ops_history_open_frames(past->history, (enum ops_tier_name)i);
    if (ops_history_torn(past->history) > 0)
        aion_log(AION_LOG_WARN,
                 "files of frames ended in the middle of a record; the rest is used",
                 LOG_I64("files", ops_history_torn(past->history)));
    return past;
}

/* The loop has ended: the worker may still be in the history, and its word of that on its way.
 */
static void wait_for_worker(struct control_past *past)
{
    if (!past->working)
        return;
    pthread_mutex_lock(&past->lock);
    while (past->running)
        pthread_cond_wait(&past->idle, &past->lock);
    pthread_mutex_unlock(&past->lock);
    while (past->working) {
        mesh_loop_settle(past->control->loop);
        sched_yield();
    }
}

/* What waits is told that it was not done: `done` finds its result as it was made. */
void control_past_close(struct control_past *past)
{
    if (past == NULL)
        return;
    past->closing = true;
    wait_for_worker(past);
    while (past->first != NULL)
        finish_first(past);
    ops_history_close(past->history);
    pthread_mutex_destroy(&past->lock);
    pthread_cond_destroy(&past->idle);
    free(past);
}

int64_t control_past_oldest_us(const struct control_past *past)
{
    return past != NULL ? past->oldest_us : 0;
}

/* -- keeping frames ----------------------------------------------------------------- */
struct keeping {
    struct control_past_job job;
    struct control_past *past;
    enum ops_tier_name tier;
    enum ops_append brings;
    bool good;
    unsigned lost;
    struct aion_err err;
    size_t size;
    char wire[];
};

static void keep(struct control_past_job *job, struct ops_history *history)
{
    struct keeping *keeping = aion_container(job, struct keeping, job);
    keeping->good = ops_history_append(history, keeping->tier, keeping->brings,
                                       aion_str_n(keeping->wire, keeping->size), &keeping->lost,
                                       &keeping->err);
}

/* The first failure in a row is told; what follows is counted. */
static void kept(struct control_past_job *job)
{
    struct keeping *keeping = aion_container(job, struct keeping, job);
    struct control_past *past = keeping->past;
    past->bytes -= keeping->size;
    if (!keeping->good) {
        past->named[keeping->tier] = 0; /* the next one must bring all names */
        if (!past->told && !past->closing)
            aion_log(AION_LOG_ERROR, "frames cannot be kept; they are counted as lost",
                     LOG_TEXT("error", keeping->err.text),
                     LOG_TEXT("detail", keeping->err.detail));
    }
    past->told = !keeping->good;
    aion_metric_add(keeping->good ? past->kept : past->lost, 1);
    aion_metric_add(past->lost, keeping->lost);
    free(keeping);
}

static enum ops_append what_it_brings(struct control_past *past, enum ops_tier_name tier,
                                      bool begins)
{
    if (begins || past->frames[tier] >= OPS_FRAMES_A_BLOCK) {
        past->frames[tier] = 0;
        return OPS_APPEND_BLOCK;
    }
    return past->named[tier] == 0 ? OPS_APPEND_NAMES : OPS_APPEND_ROWS;
}

static struct keeping *pack(struct control_past *past, enum ops_tier_name tier,
                            enum ops_append brings, int64_t at_us, bool gap)
{
    const struct ops_table *table = &past->control->ops->fold.table;
    uint32_t since = brings == OPS_APPEND_ROWS ? past->named[tier] : 0;
    struct keeping *keeping = NULL;
    struct aion_arena arena;
    aion_arena_init(&arena, FRAME_ARENA_MAX, NULL, 0);
    Aion__V1__OpsFrame *frame = tier == OPS_TIER_SECOND ? ops_frame_second(table, since, &arena)
                                                        : ops_frame_ten(table, since, &arena);
    size_t size = 0;
    if (frame != NULL) {
        frame->at_us = at_us;
        frame->gap = gap;
        size = protobuf_c_message_get_packed_size(&frame->base);
        if (past->bytes + size <= KEEP_BYTES_MAX)
            keeping = malloc(sizeof(*keeping) + size);
    }
    if (keeping != NULL) {
        *keeping = (struct keeping){.job = {.run = keep, .done = kept},
                                    .past = past,
                                    .tier = tier,
                                    .brings = brings,
                                    .size = size};
        protobuf_c_message_pack(&frame->base, (uint8_t *)keeping->wire);
    }
    aion_arena_done(&arena);
    return keeping;
}

static void keep_tier(struct control_past *past, enum ops_tier_name tier, int64_t at_us,
                      bool gap, bool begins)
{
    enum ops_append brings = what_it_brings(past, tier, begins);
    struct keeping *keeping = pack(past, tier, brings, at_us, gap);
    if (keeping == NULL || !control_past_do(past, &keeping->job, NULL)) {
        free(keeping);
        past->named[tier] = 0;
        aion_metric_add(past->lost, 1);
        return;
    }
    past->bytes += keeping->size;
    past->frames[tier]++;
    past->named[tier] = past->control->ops->fold.table.stamp;
}

/* A clock that went back begins blocks of their own: within one, times only grow. */
void control_past_keep(struct control_past *past, int64_t at_us, bool gap)
{
    struct control_ops *ops = past->control->ops;
    bool back = at_us <= ops->second_us && ops->began;
    keep_tier(past, OPS_TIER_SECOND, at_us, gap, back);
    if (at_us % TEN_US != 0)
        return;
    keep_tier(past, OPS_TIER_TEN, at_us, gap || ops->gap_in_ten, back);
    ops_table_ten(&ops->fold.table);
    ops->gap_in_ten = false;
}

/* -- rpc GetAt ---------------------------------------------------------------------- */
struct getting {
    struct control_past_job job;
    struct mesh_call *call; /* held */
    int64_t at_us;
    struct ops_view view;
    char tenant[128];
    struct aion_arena arena;
    Aion__V1__OpsFrame *frame; /* NULL: err */
    struct aion_err err;
};

static void get(struct control_past_job *job, struct ops_history *history)
{
    struct getting *getting = aion_container(job, struct getting, job);
    struct ops_place place;
    if (!ops_history_find(history, getting->at_us, 0, &place, &getting->err))
        return;
    getting->frame =
        ops_block_frame(place.block, place.index, true, &getting->view, &getting->arena);
    if (getting->frame == NULL)
        aion_err_set(&getting->err, __func__, AION_EXHAUSTED, "the frame is too large");
}

static void got(struct control_past_job *job)
{
    struct getting *getting = aion_container(job, struct getting, job);
    if (getting->frame != NULL)
        aion_v1_ops_get_at_reply(getting->call, getting->frame);
    else
        mesh_fail_with(getting->call, &getting->err);
    mesh_drop(getting->call);
    aion_arena_done(&getting->arena);
    free(getting);
}

void control_ops_get_at(struct mesh_call *call, const Aion__V1__OpsGetAtRequest *request)
{
    struct control *control = mesh_service(call);
    struct aion_err err;
    struct getting *getting = calloc(1, sizeof(*getting));
    if (getting == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    getting->job = (struct control_past_job){.run = get, .done = got};
    getting->call = mesh_hold(call);
    getting->at_us = request->at_us;
    aion_arena_init(&getting->arena, GET_ARENA_MAX, NULL, 0);
    aion_err_set(&getting->err, __func__, AION_UNAVAILABLE, "control is stopping");
    bool good = control_ops_kinds(request->kinds, request->n_kinds, &getting->view.kinds, &err);
    control_ops_own_tenant(call, getting->tenant, sizeof(getting->tenant));
    getting->view.tenant = aion_str_of(getting->tenant);
    if (good && !control->ops->ended &&
        control_past_do(control->ops->past, &getting->job, &err))
        return;
    if (good && control->ops->ended)
        err = getting->err;
    getting->err = err;
    got(&getting->job);
}
