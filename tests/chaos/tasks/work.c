/* The doing side: lanes, each with one task at a time, each step submitted when the one before
 * was acknowledged. The start of an attempt is lazy and goes with the step after it, as control
 * does it. */
#include "work.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>

struct lane {
    uint32_t number;
    uint8_t step;     /* index into the shape: the one under way (behind a lazy start) */
    uint32_t attempt; /* number of the newest one */
    uint32_t marks;
    uint64_t cursor, sequence;
    bool live, reserved;
    struct aion_uuid id;
    char key[16];
    struct store_accept accept;
    struct store_route route;
    struct store_start start;
    bool start_travels; /* with the step that ends the attempt */
    struct store_chunks chunks;
    struct store_retry retry;
    struct store_mark mark;
    struct store_ack ack;
    struct store_finish finish;
    struct store_chunk chunk[2];
    struct store_outbox event, start_event;
    struct store_entry entries[2];
    char body[WORK_TEXT_MAX], text[WORK_TEXT_MAX];
};

enum { SWEEP_EVERY = 200, SWEEP_BATCH = 50 };

static struct work {
    struct aion_exec exec;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct aion_job *first AION_GUARDED_BY(lock);
    struct aion_job **last AION_GUARDED_BY(lock);
    struct work_store opened;
    struct store *store;
    const struct work_conf *conf;
    uint32_t next;           /* task */
    unsigned live;           /* lanes */
    uint64_t event_sequence; /* the last one given */
    struct store_sweep sweep;
    unsigned ended; /* tasks since the last sweep began */
} work = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* -- the loop --------------------------------------------------------------------------- */
static void post(struct aion_exec *exec, struct aion_job *job)
{
    (void)exec;
    pthread_mutex_lock(&work.lock);
    job->next = NULL;
    *work.last = job;
    work.last = &job->next;
    pthread_cond_signal(&work.wake);
    pthread_mutex_unlock(&work.lock);
}

static struct aion_job *wait_for_job(void)
{
    pthread_mutex_lock(&work.lock);
    while (work.first == NULL)
        pthread_cond_wait(&work.wake, &work.lock);
    struct aion_job *job = work.first;
    work.first = job->next;
    if (work.first == NULL)
        work.last = &work.first;
    pthread_mutex_unlock(&work.lock);
    return job;
}

/* -- sweeping --------------------------------------------------------------------------- */
static void stop_all(const char *what, const struct aion_err *err)
{
    if (work.conf->refused == NULL)
        work_die(what, err);
    work.conf->refused(WORK_FOR_GOOD, err);
}

static void submit_sweep(void)
{
    struct aion_err err;
    if (!store_sweep(work.store, &work.sweep, &err))
        stop_all("submit a sweep", &err);
}

static void sweep_done(struct store_op *op, const struct aion_err *err)
{
    (void)op;
    if (err != NULL)
        stop_all("sweep", err);
    else if (work.sweep.more)
        submit_sweep();
    else
        work.ended = 0;
}

static void begin_sweep(uint32_t first)
{
    uint32_t below = first > WORK_KEPT ? first - WORK_KEPT : 0;
    work.sweep = (struct store_sweep){.op.done = sweep_done,
                                      .succeeded_before_us = work_admitted_us(below),
                                      .failed_before_us = work_admitted_us(below),
                                      .batch_max = SWEEP_BATCH};
    submit_sweep();
}

static void one_ended(void)
{
    if (work.conf->sweeps && ++work.ended == SWEEP_EVERY && !work.sweep.more)
        submit_sweep();
}

/* -- steps ------------------------------------------------------------------------------ */
static void go_on(struct lane *lane);

static void stop_lane(struct lane *lane, const char *what, const struct aion_err *err)
{
    if (work.conf->refused == NULL)
        work_die(what, err);
    work.conf->refused(lane->number, err);
    lane->live = false;
    work.live--;
}

/* The step that was under way is on disk. */
static void step_done(struct lane *lane, enum store_outcome outcome, const struct aion_err *err,
                      const char *what)
{
    if (err != NULL) {
        stop_lane(lane, what, err);
        return;
    }
    if (outcome != STORE_DONE)
        work_die(what, NULL);
    lane->step++;
    work.conf->say((struct work_said){lane->number, lane->step});
    go_on(lane);
}

#define STEP_DONE(name)                                                      \
    static void name##_done(struct store_op *op, const struct aion_err *err) \
    {                                                                        \
        struct lane *lane = aion_container(op, struct lane, name.write.op);  \
        step_done(lane, lane->name.write.outcome, err, #name);               \
    }
STEP_DONE(accept)
STEP_DONE(route)
STEP_DONE(chunks)
STEP_DONE(retry)
STEP_DONE(mark)
STEP_DONE(ack)
STEP_DONE(finish)

/* Its own acknowledgement says nothing that the following step's does not. */
static void start_done(struct store_op *op, const struct aion_err *err)
{
    struct store_start *start = aion_container(op, struct store_start, write.op);
    if (err == NULL && start->write.outcome != STORE_DONE)
        work_die("start", NULL);
}

static struct store_token token_of(const struct lane *lane)
{
    return (struct store_token){lane->attempt > 0 ? work.opened.epoch : 0, lane->attempt};
}

/* What every write begins with; `kinds` 0: nobody is told. */
static struct store_write write_of(struct lane *lane, struct store_outbox *event,
                                   uint32_t kinds, store_done_fn *done)
{
    struct store_write write = {
        .op.done = done, .seq = work_seq(lane->number), .epoch = work.opened.epoch};
    if (kinds == 0)
        return write;
    *event = (struct store_outbox){.sequence = ++work.event_sequence,
                                   .seq = write.seq,
                                   .id = lane->id,
                                   .tenant = AION_STR("default"),
                                   .intent = AION_STR("noop"),
                                   .kinds = kinds,
                                   .attempt = lane->attempt,
                                   .at_us = work_admitted_us(lane->number)};
    write.event = event;
    return write;
}

/* The task's price goes from one account to another, with the write. */
static void pay(struct lane *lane, struct store_write *write, aion_str from, aion_str to)
{
    work_move(lane->entries, from, to, work_price(lane->number));
    write->entries = lane->entries;
    write->entry_count = 2;
    lane->reserved = aion_str_eq(to, WORK_RESERVED);
}

static bool do_accept(struct lane *lane, struct aion_err *err)
{
    uint32_t routed = STORE_EVENT_ROUTED | STORE_EVENT_QUEUED;
    struct store_accept *accept = &lane->accept;
    work_fill_accept(accept, lane->number, lane->key, lane->body);
    if (accept->decision.bytes.size == 0)
        routed = 0;
    accept->write = write_of(lane, &lane->event, STORE_EVENT_ACCEPTED | routed, accept_done);
    if (routed != 0)
        pay(lane, &accept->write, WORK_ESCROW, WORK_RESERVED);
    return store_accept(work.store, accept, err);
}

static bool do_route(struct lane *lane, struct aion_err *err)
{
    lane->route = (struct store_route){
        .write =
            write_of(lane, &lane->event, STORE_EVENT_ROUTED | STORE_EVENT_QUEUED, route_done),
        .at_us = 1,
        .decision = {AION_STR("route"), AION_STR("the decision")}};
    pay(lane, &lane->route.write, WORK_ESCROW, WORK_RESERVED);
    return store_route(work.store, &lane->route, err);
}

/* Of half the tasks that end with their first attempt it is written with that end. */
static bool do_start(struct lane *lane, struct aion_err *err)
{
    const uint8_t *shape = work_shape(lane->number);
    lane->attempt++;
    lane->sequence = 0;
    lane->start_travels = shape[lane->step + 1] == WORK_FINISH && lane->number % 2 == 0;
    lane->start = (struct store_start){.begin = {.token = token_of(lane),
                                                 .at_us = 1,
                                                 .host = AION_STR("host"),
                                                 .module = AION_STR("noop")}};
    if (lane->start_travels)
        return true;
    lane->start.write = write_of(lane, &lane->start_event, STORE_EVENT_STARTED, start_done);
    lane->start.write.op.lazy = true;
    return store_start(work.store, &lane->start, err);
}

static bool do_chunks(struct lane *lane, struct aion_err *err)
{
    size_t count = 0;
    if (lane->sequence == 0 && work_restarts(lane->attempt))
        lane->chunk[count++] = (struct store_chunk){.cursor = ++lane->cursor,
                                                    .attempt = lane->attempt,
                                                    .kind = STORE_CHUNK_RESTART,
                                                    .discard_from = 1};
    lane->cursor++;
    lane->chunk[count++] = (struct store_chunk){
        .cursor = lane->cursor,
        .sequence = ++lane->sequence,
        .attempt = lane->attempt,
        .kind = STORE_CHUNK_TEXT,
        .payload = work_text(lane->number, 1 + (uint32_t)lane->cursor, lane->text)};
    lane->chunks = (struct store_chunks){.write = write_of(lane, NULL, 0, chunks_done),
                                         .token = token_of(lane),
                                         .chunks = lane->chunk,
                                         .count = count};
    return store_chunks(work.store, &lane->chunks, err);
}

static bool do_retry(struct lane *lane, bool doubt, struct aion_err *err)
{
    uint32_t kind = doubt ? STORE_EVENT_DOUBT : STORE_EVENT_RETRY;
    lane->retry = (struct store_retry){.write = write_of(lane, &lane->event, kind, retry_done),
                                       .token = token_of(lane),
                                       .at_us = 1,
                                       .due_us = 2,
                                       .doubt = doubt,
                                       .error = {.code = 14, .reason = AION_STR("AGAIN")}};
    return store_retry(work.store, &lane->retry, err);
}

static bool do_mark(struct lane *lane, enum store_mark_kind kind, struct aion_err *err)
{
    static const uint32_t events[] = {[STORE_MARK_HELD] = STORE_EVENT_HELD,
                                      [STORE_MARK_RELEASED] = STORE_EVENT_RELEASED,
                                      [STORE_MARK_RESOLVED] = STORE_EVENT_RESOLVED};
    lane->mark =
        (struct store_mark){.write = write_of(lane, &lane->event, events[kind], mark_done),
                            .number = ++lane->marks,
                            .kind = kind,
                            .attempt = lane->attempt,
                            .at_us = 1};
    return store_mark(work.store, &lane->mark, err);
}

static bool do_ack(struct lane *lane, struct aion_err *err)
{
    lane->ack = (struct store_ack){
        .write = write_of(lane, NULL, 0, ack_done), .cursor = lane->cursor, .at_us = 1};
    return store_ack(work.store, &lane->ack, err);
}

static bool do_finish(struct lane *lane, bool success, struct aion_err *err)
{
    uint32_t kind = success ? STORE_EVENT_SUCCEEDED : STORE_EVENT_FAILED;
    lane->finish =
        (struct store_finish){.write = write_of(lane, &lane->event, kind, finish_done),
                              .token = token_of(lane),
                              .begin = lane->start_travels ? &lane->start.begin : NULL,
                              .state = success ? STORE_SUCCEEDED : STORE_FAILED,
                              .at_us = work_admitted_us(lane->number),
                              .usage = {.run_us = lane->number},
                              .cursor = lane->cursor,
                              .result = work_text(lane->number, 1, lane->text)};
    if (lane->reserved)
        pay(lane, &lane->finish.write, WORK_RESERVED, success ? WORK_SPENT : WORK_ESCROW);
    return store_finish(work.store, &lane->finish, err);
}

static bool do_step(struct lane *lane, enum work_step step, struct aion_err *err)
{
    switch (step) {
    case WORK_ACCEPT:
        return do_accept(lane, err);
    case WORK_ROUTE:
        return do_route(lane, err);
    case WORK_START:
        return do_start(lane, err);
    case WORK_CHUNKS:
        return do_chunks(lane, err);
    case WORK_RETRY:
    case WORK_DOUBT:
        return do_retry(lane, step == WORK_DOUBT, err);
    case WORK_RESOLVE:
        return do_mark(lane, STORE_MARK_RESOLVED, err);
    case WORK_HOLD:
        return do_mark(lane, STORE_MARK_HELD, err);
    case WORK_RELEASE:
        return do_mark(lane, STORE_MARK_RELEASED, err);
    case WORK_ACK:
        return do_ack(lane, err);
    case WORK_FINISH:
    case WORK_REFUSE:
        return do_finish(lane, step == WORK_FINISH, err);
    case WORK_END:
        break;
    }
    abort();
}

static void next_task(struct lane *lane)
{
    const struct work_conf *conf = work.conf;
    if (conf->count > 0 && work.next == conf->first + conf->count) {
        lane->live = false;
        work.live--;
        return;
    }
    lane->number = work.next++;
    lane->id = work_id(lane->number);
    lane->step = 0;
    lane->attempt = lane->marks = 0;
    lane->cursor = lane->sequence = 0;
    lane->reserved = lane->start_travels = false;
    go_on(lane);
}

/* Submits the next step; a start and what follows it together. */
static void go_on(struct lane *lane)
{
    const uint8_t *shape = work_shape(lane->number);
    struct aion_err err;
    if (shape[lane->step] == WORK_END) {
        one_ended();
        next_task(lane);
        return;
    }
    if (shape[lane->step] == WORK_START) {
        if (!do_step(lane, WORK_START, &err)) {
            stop_lane(lane, "submit", &err);
            return;
        }
        lane->step++;
    }
    if (!do_step(lane, shape[lane->step], &err))
        stop_lane(lane, "submit", &err);
}

static void failed_for_good(void *user, const struct aion_err *err)
{
    (void)user;
    stop_all("the store has stopped", err);
}

void work_run(const struct work_conf *conf)
{
    static struct lane lanes[WORK_LANES_MAX];
    struct aion_err err;
    struct store_conf store = {.url = conf->url, .exec = &work.exec, .fatal = failed_for_good};
    work.exec.post = post;
    work.last = &work.first;
    work.conf = conf;
    work.next = conf->first;
    work.live = conf->lanes;
    if (!work_open(&store, &work.opened, &err))
        work_die("open", &err);
    work.store = work.opened.store;
    work.event_sequence = work.opened.newest_event;
    for (unsigned i = 0; i < conf->lanes; i++) {
        lanes[i].live = true;
        next_task(&lanes[i]);
    }
    if (conf->sweeps)
        begin_sweep(conf->first);
    while (work.live > 0) {
        struct aion_job *job = wait_for_job();
        job->run(job);
    }
    store_close(work.store);
}
