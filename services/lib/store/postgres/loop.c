/* The loop: one thread that drives all lanes. It waits for sockets and for the moments that
 * lanes name, never for one answer.
 *
 * A lane's life: connect, take a batch, send it whole (fence, facts, sync), complete it when
 * the sync is answered. Anything but a plain success is handed to the mender, and the lane
 * takes nothing before that is settled: its shards' writes stay in order. */
#include "base/clock.h"
#include "base/failpoint.h"
#include "store/postgres/postgres_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    RETRY_US = 100000, /* between two attempts to connect */
    /* What cannot be written for so long is told so, and new writes are refused at once. */
    DOWN_US = 3000000,
};

/* -- queues ------------------------------------------------------------------------- */
bool pg_busy(size_t waiting, struct aion_err *err)
{
    aion_err_set(err, __func__, AION_EXHAUSTED, "the store is busy: %zu operations wait",
                 waiting);
    aion_err_reason(err, "STORE_BUSY");
    if (err != NULL) {
        err->retriable = true;
        err->retry_after_ms = 100;
    }
    return false;
}

bool pg_is_down(const char *where, struct aion_err *err)
{
    aion_err_set(err, where, AION_UNAVAILABLE,
                 "the store is down: PostgreSQL cannot be reached");
    aion_err_reason(err, "STORE_DOWN");
    return false;
}

void pg_loop_wake(struct pg_store *self)
{
    uint64_t one = 1;
    while (write(self->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

static struct pg_lane *lane_of(struct pg_store *self, struct store_op *op)
{
    return &self->lanes[store_seq_shard(store_write_of(op)->seq) % self->lane_count];
}

static void queue_locked(struct pg_lane *lane, struct store_op *op)
{
    *lane->last = op;
    lane->last = &op->next;
    lane->count++;
    lane->urgent += !op->lazy;
    lane->store->lanes_waiting++;
}

/* Only a lane that waits for company is woken: one that is busy looks by itself when it is
 * done. A lazy first one must start its clock; later lazy ones change nothing. */
static bool must_wake_locked(struct pg_lane *lane, const struct store_op *op)
{
    bool wake = lane->hungry && (!op->lazy || lane->count == 0);
    lane->hungry &= !wake;
    return wake;
}

bool pg_loop_add(struct pg_store *self, struct store_op *op, struct aion_err *err)
{
    struct pg_lane *lane = lane_of(self, op);
    bool wake = false;
    if (atomic_load(&self->lanes_down) > 0)
        return pg_is_down(__func__, err);
    pthread_mutex_lock(&self->lanes_lock);
    size_t waiting = self->lanes_waiting;
    bool taken = waiting < self->writes_max && !self->lanes_stop;
    if (taken) {
        wake = must_wake_locked(lane, op);
        queue_locked(lane, op);
    }
    pthread_mutex_unlock(&self->lanes_lock);
    if (wake)
        pg_loop_wake(self);
    return taken || pg_busy(waiting, err);
}

static struct store_op *take_all_locked(struct pg_lane *lane)
{
    struct store_op *chain = lane->first;
    lane->first = NULL;
    lane->last = &lane->first;
    lane->store->lanes_waiting -= lane->count;
    lane->count = lane->urgent = 0;
    return chain;
}

static void take_batch(struct pg_lane *lane)
{
    struct pg_batch *batch = &lane->batch;
    pthread_mutex_lock(&lane->store->lanes_lock);
    pg_batch_take(batch, &lane->first);
    if (lane->first == NULL)
        lane->last = &lane->first;
    lane->count -= batch->count;
    lane->store->lanes_waiting -= batch->count;
    for (size_t i = 0; i < batch->count; i++)
        lane->urgent -= !batch->entries[i].op->lazy;
    pthread_mutex_unlock(&lane->store->lanes_lock);
    lane->lingers_us = 0;
    pg_gather_left(&lane->gather, batch->count);
}

/* -- down --------------------------------------------------------------------------- */
static void fail_waiting(struct pg_lane *lane)
{
    struct aion_err err;
    pg_connect_error(&lane->why_down, lane->store->url.place, &err);
    pthread_mutex_lock(&lane->store->lanes_lock);
    struct store_op *chain = take_all_locked(lane);
    pthread_mutex_unlock(&lane->store->lanes_lock);
    for (struct store_op *op = chain; op != NULL; op = op->next)
        store_op_fail(op, &err);
    if (chain != NULL)
        store_complete(&lane->store->base, chain);
}

static void lane_down(struct pg_lane *lane, int64_t now_us)
{
    lane->state = PG_LANE_DOWN;
    lane->why_down = lane->conn.failure;
    lane->until_us = now_us + RETRY_US;
    if (lane->down_us == 0)
        lane->down_us = now_us;
    atomic_store(&lane->store->healthy, false);
}

/* For too long: nobody waits for it any more. */
static void check_down(struct pg_lane *lane, int64_t now_us)
{
    if (lane->down_us == 0 || now_us - lane->down_us < DOWN_US)
        return;
    if (!lane->told_down)
        atomic_fetch_add(&lane->store->lanes_down, 1);
    lane->told_down = true;
    fail_waiting(lane);
}

static void lane_up(struct pg_lane *lane)
{
    if (lane->told_down)
        atomic_fetch_sub(&lane->store->lanes_down, 1);
    lane->told_down = false;
    lane->down_us = 0;
    lane->state = PG_LANE_IDLE;
}

/* -- batches ------------------------------------------------------------------------ */
static void mend(struct pg_lane *lane, enum pg_mend mend, bool unclear)
{
    struct pg_batch *batch = &lane->batch;
    struct pg_job *job = pg_job_new(mend, batch->count);
    for (unsigned place = 0; place < batch->count; place++)
        job->ops[place] = NULL;
    for (size_t i = 0; i < batch->count; i++)
        job->ops[batch->entries[i].place] = batch->entries[i].op;
    job->lane = lane;
    job->unclear = unclear;
    job->failure = lane->conn.failure;
    lane->mending = true;
    pg_mender_add(lane->store, job);
}

/* Those that the store's facts refused: the mender finds out which refusal each met, and
 * nothing waits for that. */
static void mend_refused(struct pg_batch *batch, size_t count)
{
    struct pg_job *job = pg_job_new(PG_MEND_REFUSED, count);
    count = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (!batch->entries[i].won)
            job->ops[count++] = batch->entries[i].op;
    pg_mender_add(batch->lane->store, job);
}

static void complete(struct pg_batch *batch)
{
    struct store_op *chain = NULL, **last = &chain;
    size_t refused = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct pg_entry *entry = &batch->entries[i];
        refused += !entry->won;
        if (!entry->won)
            continue;
        *last = entry->op;
        last = &entry->op->next;
    }
    *last = NULL;
    if (chain != NULL)
        store_complete(&batch->lane->store->base, chain);
    if (refused > 0)
        mend_refused(batch, refused);
}

/* The answer to a batch's sync: it is committed, unless something failed before. */
static void batch_synced(void *user, PGresult *result)
{
    struct pg_batch *batch = user;
    struct pg_lane *lane = batch->lane;
    int64_t now_us = aion_clock_mono_us();
    PQclear(result);
    if (lane->state != PG_LANE_BUSY)
        return; /* dropped: see lane_lost */
    lane->state = PG_LANE_IDLE;
    if (pg_failed(&lane->conn)) {
        mend(lane, PG_MEND_BATCH, false);
        return;
    }
    atomic_store(&lane->store->healthy, true);
    pg_gather_committed(&lane->gather, batch->count, now_us - batch->begun_us, now_us);
    aion_failpoint("store/after_commit");
    pg_count_commit(lane->store, true, batch->count, now_us - batch->begun_us);
    complete(batch);
}

/* Whatever was under way: a batch may have been committed or not. */
static void lane_lost(struct pg_lane *lane, const char *why, int64_t now_us)
{
    bool busy = lane->state == PG_LANE_BUSY;
    pg_conn_fail(&lane->conn, PG_LOST, why);
    lane_down(lane, now_us);
    pg_conn_drop(&lane->conn);
    if (busy)
        mend(lane, PG_MEND_BATCH, true);
}

static void flush(struct pg_lane *lane, int64_t now_us)
{
    if (!pg_conn_flush(&lane->conn, &lane->blocked))
        lane_lost(lane, "the connection broke", now_us);
}

static void start_batch(struct pg_lane *lane, int64_t now_us)
{
    take_batch(lane);
    lane->batch.lane = lane;
    lane->batch.begun_us = now_us;
    if (lane->batch.count == 0)
        return;
    pg_clear(&lane->conn);
    if (!pg_batch_plan(lane->store, &lane->batch)) {
        mend(lane, PG_MEND_BATCH, false);
        return;
    }
    lane->state = PG_LANE_BUSY;
    lane->until_us = now_us + PG_ANSWER_US;
    /* A value that cannot be sent: what went out before it is taken back. */
    if (!pg_batch_send(&lane->batch, &lane->conn, batch_synced) &&
        !(pg_send_text(&lane->conn, "ROLLBACK") &&
          pg_send_sync(&lane->conn, batch_synced, &lane->batch))) {
        lane_lost(lane, "the connection broke", now_us);
        return;
    }
    flush(lane, now_us);
    if (aion_failpoint("store/before_commit") && lane->state == PG_LANE_BUSY)
        lane_lost(lane, "a failpoint", now_us);
}

/* -- a lane's turn ------------------------------------------------------------------ */
/* When the next batch may leave: now, at a moment, or not before something comes (INT64_MAX).
 */
static int64_t batch_due_us(struct pg_lane *lane, int64_t now_us)
{
    struct pg_store *self = lane->store;
    pthread_mutex_lock(&self->lanes_lock);
    size_t count = lane->count, urgent = lane->urgent;
    bool stop = self->lanes_stop;
    lane->hungry = urgent == 0;
    pthread_mutex_unlock(&self->lanes_lock);
    if (count == 0)
        return INT64_MAX;
    if (stop)
        return now_us;
    if (urgent > 0)
        return pg_gather_due_us(&lane->gather, count, now_us);
    if (lane->lingers_us == 0)
        lane->lingers_us = now_us + self->linger_us;
    return lane->lingers_us;
}

static void connecting(struct pg_lane *lane, int64_t now_us)
{
    if (lane->conn.state == PG_READY)
        lane_up(lane);
    else if (lane->conn.state == PG_CLOSED)
        lane_down(lane, now_us);
}

static void connect_lane(struct pg_lane *lane, int64_t now_us)
{
    lane->state = PG_LANE_CONNECTING;
    lane->until_us = now_us + PG_CONNECT_US;
    pg_conn_start(&lane->conn);
    connecting(lane, now_us);
}

/* What time brings. Returns when to look again. */
static int64_t lane_turn(struct pg_lane *lane, int64_t now_us)
{
    check_down(lane, now_us);
    if (lane->state == PG_LANE_DOWN && now_us >= lane->until_us)
        connect_lane(lane, now_us);
    if (lane->state == PG_LANE_CONNECTING && now_us >= lane->until_us)
        lane_lost(lane, "no connection in time", now_us);
    if (lane->state == PG_LANE_BUSY && now_us >= lane->until_us)
        lane_lost(lane, "no answer in time", now_us);
    if (lane->state != PG_LANE_IDLE)
        return lane->until_us;
    if (lane->mending)
        return INT64_MAX;
    int64_t due_us = batch_due_us(lane, now_us);
    if (due_us > now_us)
        return due_us;
    start_batch(lane, now_us);
    return lane->state == PG_LANE_IDLE ? now_us : lane->until_us;
}

static short wanted(const struct pg_lane *lane)
{
    if (lane->state == PG_LANE_DOWN)
        return 0;
    if (lane->state == PG_LANE_CONNECTING)
        return lane->conn.polling == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    return (short)(POLLIN | (lane->blocked ? POLLOUT : 0));
}

/* What the socket brings. */
static void lane_ready(struct pg_lane *lane, short events, int64_t now_us)
{
    if (lane->state == PG_LANE_DOWN)
        return;
    if (lane->state == PG_LANE_CONNECTING) {
        pg_conn_step(&lane->conn);
        connecting(lane, now_us);
        return;
    }
    if (lane->blocked)
        flush(lane, now_us);
    if (lane->conn.state == PG_READY && (events & ~POLLOUT) != 0 && !pg_conn_pump(&lane->conn))
        lane_lost(lane, "the connection broke", now_us);
}

/* -- the thread --------------------------------------------------------------------- */
static void take_mended(struct pg_store *self)
{
    pthread_mutex_lock(&self->jobs_lock);
    for (size_t i = 0; i < self->mended_count; i++)
        self->mended[i]->mending = false;
    self->mended_count = 0;
    pthread_mutex_unlock(&self->jobs_lock);
}

static bool is_settled(const struct pg_lane *lane)
{
    return !lane->mending && lane->state != PG_LANE_BUSY;
}

/* Stopped, and nothing is left to be written (or can be). */
static bool is_over(struct pg_store *self)
{
    pthread_mutex_lock(&self->lanes_lock);
    bool over = self->lanes_stop && self->lanes_waiting == 0;
    pthread_mutex_unlock(&self->lanes_lock);
    for (unsigned i = 0; over && i < self->lane_count; i++)
        over = is_settled(&self->lanes[i]);
    return over;
}

/* Sleeps until a socket, the eventfd or the moment; false: woken by the moment. */
static void sleep_until(struct pg_store *self, struct pollfd *fds, int64_t until_us)
{
    int64_t wait_us = until_us - aion_clock_mono_us();
    struct timespec wait = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    uint64_t count;
    for (unsigned i = 0; i < self->lane_count; i++) {
        short events = wanted(&self->lanes[i]);
        fds[i] = (struct pollfd){.fd = events != 0 ? pg_conn_fd(&self->lanes[i].conn) : -1,
                                 .events = events};
    }
    fds[self->lane_count] = (struct pollfd){.fd = self->wake_fd, .events = POLLIN};
    int ready = wait_us <= 0 ? poll(fds, self->lane_count + 1, 0)
                             : ppoll(fds, self->lane_count + 1,
                                     until_us == INT64_MAX ? NULL : &wait, NULL);
    if (ready > 0 && fds[self->lane_count].revents != 0 &&
        read(self->wake_fd, &count, sizeof(count)) < 0)
        count = 0; /* somebody's wake was taken before */
}

static int64_t all_turns(struct pg_store *self)
{
    int64_t until_us = INT64_MAX, now_us = aion_clock_mono_us();
    for (unsigned i = 0; i < self->lane_count; i++) {
        int64_t lane_us = lane_turn(&self->lanes[i], now_us);
        until_us = lane_us < until_us ? lane_us : until_us;
    }
    return until_us;
}

static void *loop_main(void *arg)
{
    struct pg_store *self = arg;
    struct pollfd fds[PG_LANES_MAX + 1];
    while (take_mended(self), !is_over(self)) {
        sleep_until(self, fds, all_turns(self));
        int64_t now_us = aion_clock_mono_us();
        for (unsigned i = 0; i < self->lane_count; i++)
            if (fds[i].revents != 0)
                lane_ready(&self->lanes[i], fds[i].revents, now_us);
    }
    return NULL;
}

static bool make_lanes(struct pg_store *self)
{
    self->lane_count = self->url.connections;
    self->lanes = calloc(self->lane_count, sizeof(*self->lanes));
    if (self->lanes == NULL)
        return false;
    for (unsigned i = 0; i < self->lane_count; i++) {
        struct pg_lane *lane = &self->lanes[i];
        lane->store = self;
        lane->last = &lane->first;
        pg_conn_init(&lane->conn, &self->url, PG_WRITES);
    }
    return true;
}

bool pg_loop_start(struct pg_store *self, struct aion_err *err)
{
    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    self->loop_started = self->wake_fd >= 0 && make_lanes(self) &&
                         pthread_create(&self->loop_thread, NULL, loop_main, self) == 0;
    return self->loop_started || aion_fail(err, AION_UNAVAILABLE, "no thread for the store");
}

void pg_loop_stop(struct pg_store *self)
{
    if (self->loop_started) {
        pthread_mutex_lock(&self->lanes_lock);
        self->lanes_stop = true;
        pthread_mutex_unlock(&self->lanes_lock);
        pg_loop_wake(self);
        pthread_join(self->loop_thread, NULL);
    }
    for (unsigned i = 0; i < self->lane_count; i++)
        pg_conn_done(&self->lanes[i].conn);
    free(self->lanes);
    self->lanes = NULL;
    self->lane_count = 0;
    if (self->wake_fd >= 0)
        close(self->wake_fd);
}
