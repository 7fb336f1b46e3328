/* Lines are formatted by the caller into one of two buffers; the writer thread swaps and writes
 * the full one. The lock is held only for a memcpy. */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    QUEUE_BYTES = 4 * 1024 * 1024,
    LINE_BYTES = 16 * 1024,
    WAKE_BYTES = 64 * 1024,
    BATCH_MS = 50
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;    /* for the writer: enough to write, an error line, or stop */
    pthread_cond_t written; /* for flush and stop */
    struct aion_buf queue AION_GUARDED_BY(lock);
    struct aion_buf writing; /* the writer's own */
    uint64_t queued, done;   /* bytes ever */
    bool urgent, stop, running;
    pthread_t writer;
    const char *service;
    int fd;
    atomic_int least;
    atomic_uint_least64_t dropped;
} logger = {.lock = PTHREAD_MUTEX_INITIALIZER,
            .wake = PTHREAD_COND_INITIALIZER,
            .written = PTHREAD_COND_INITIALIZER,
            .fd = STDERR_FILENO,
            .least = AION_LOG_INFO};

static void write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno != EINTR)
            return; /* nowhere to tell it */
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
}

static const char *level_name(enum aion_log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    return names[level];
}

static void add_field(struct aion_buf *line, const struct aion_log_field *field)
{
    aion_buf_text(line, ",\"");
    aion_buf_text(line, field->name); /* an identifier of ours: nothing to escape */
    aion_buf_text(line, "\":");
    switch (field->kind) {
    case AION_LOG_STR:
        aion_buf_json(line, field->str);
        break;
    case AION_LOG_I64:
        aion_buf_i64(line, field->i64);
        break;
    case AION_LOG_U64:
        aion_buf_u64(line, field->u64);
        break;
    case AION_LOG_BOOL:
        aion_buf_text(line, field->i64 != 0 ? "true" : "false");
        break;
    }
}

static void format(struct aion_buf *line, enum aion_log_level level, const char *msg,
                   size_t count, const struct aion_log_field *fields)
{
    char time[AION_RFC3339_SIZE];
    int64_t now = aion_clock_utc_us();
    aion_clock_rfc3339(time, now / 1000000, (int32_t)(now % 1000000) * 1000);
    aion_buf_text(line, "{\"ts\":\"");
    aion_buf_text(line, time);
    aion_buf_text(line, "\",\"level\":\"");
    aion_buf_text(line, level_name(level));
    aion_buf_text(line, "\",\"service\":");
    aion_buf_json(line, aion_str_of(logger.service != NULL ? logger.service : "aion"));
    aion_buf_text(line, ",\"msg\":");
    aion_buf_json(line, aion_str_of(msg));
    for (size_t i = 0; i < count; i++)
        add_field(line, &fields[i]);
    aion_buf_text(line, "}\n");
}

/* The thread's own line buffer: formatting needs no lock and no malloc once warm. Freed with
 * its thread. */
static pthread_key_t line_key;
static pthread_once_t line_once = PTHREAD_ONCE_INIT;

static void free_line(void *line)
{
    aion_buf_done(line);
    free(line);
}

static void make_line_key(void)
{
    pthread_key_create(&line_key, free_line);
}

static struct aion_buf *own_line(void)
{
    pthread_once(&line_once, make_line_key);
    struct aion_buf *line = pthread_getspecific(line_key);
    if (line == NULL && (line = malloc(sizeof(*line))) != NULL) {
        aion_buf_init(line, LINE_BYTES);
        pthread_setspecific(line_key, line);
    }
    return line;
}

static void enqueue(enum aion_log_level level, aion_str line)
{
    pthread_mutex_lock(&logger.lock);
    if (!logger.running) {
        pthread_mutex_unlock(&logger.lock);
        write_all(logger.fd, line.data, line.size);
        return;
    }
    if (logger.queue.max - logger.queue.size < line.size) {
        atomic_fetch_add_explicit(&logger.dropped, 1, memory_order_relaxed);
    } else if (aion_buf_str(&logger.queue, line)) {
        logger.queued += line.size;
        bool first = logger.queue.size == line.size;
        logger.urgent = logger.urgent || level >= AION_LOG_ERROR;
        if (first || logger.urgent || logger.queue.size >= WAKE_BYTES)
            pthread_cond_signal(&logger.wake);
    }
    pthread_mutex_unlock(&logger.lock);
}

void aion_log_line(enum aion_log_level level, const char *msg, size_t count,
                   const struct aion_log_field *fields)
{
    struct aion_buf *line = own_line();
    if (line == NULL)
        return;
    aion_buf_reset(line);
    format(line, level, msg, count, fields);
    if (line->overflow) { /* say so instead of writing half a JSON object */
        aion_buf_reset(line);
        const struct aion_log_field note[] = {LOG_TEXT("cut", msg)};
        format(line, level, "a log line was too long", 1, note);
    }
    enqueue(level, aion_buf_view(line));
}

/* Caller holds the lock; returns with it held. */
static void wait_for_batch(void)
{
    while (!logger.stop && logger.queue.size == 0)
        pthread_cond_wait(&logger.wake, &logger.lock);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += BATCH_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (!logger.stop && !logger.urgent && logger.queue.size < WAKE_BYTES)
        if (pthread_cond_timedwait(&logger.wake, &logger.lock, &until) == ETIMEDOUT)
            break;
}

static void *write_batches(void *unused)
{
    (void)unused;
    uint64_t told = 0;
    pthread_mutex_lock(&logger.lock);
    while (!logger.stop || logger.queue.size > 0) {
        wait_for_batch();
        struct aion_buf full = logger.queue;
        logger.queue = logger.writing;
        logger.writing = full;
        logger.urgent = false;
        pthread_mutex_unlock(&logger.lock);
        write_all(logger.fd, full.data, full.size);
        uint64_t dropped = atomic_load_explicit(&logger.dropped, memory_order_relaxed);
        if (dropped != told) {
            const struct aion_log_field lost[] = {LOG_U64("dropped", dropped - told)};
            told = dropped;
            aion_log_line(AION_LOG_WARN, "log lines did not fit in the queue", 1, lost);
        }
        pthread_mutex_lock(&logger.lock);
        logger.done += full.size;
        aion_buf_reset(&logger.writing);
        pthread_cond_broadcast(&logger.written);
    }
    pthread_mutex_unlock(&logger.lock);
    return NULL;
}

void aion_log_start(const char *service, int fd, enum aion_log_level least)
{
    pthread_mutex_lock(&logger.lock);
    logger.service = service;
    logger.fd = fd;
    aion_log_least(least);
    if (!logger.running) {
        aion_buf_init(&logger.queue, QUEUE_BYTES);
        aion_buf_init(&logger.writing, QUEUE_BYTES);
        logger.stop = false;
        logger.running = pthread_create(&logger.writer, NULL, write_batches, NULL) == 0;
    }
    pthread_mutex_unlock(&logger.lock);
}

void aion_log_stop(void)
{
    pthread_mutex_lock(&logger.lock);
    bool running = logger.running;
    logger.stop = true;
    pthread_cond_signal(&logger.wake);
    pthread_mutex_unlock(&logger.lock);
    if (!running)
        return;
    pthread_join(logger.writer, NULL);
    pthread_mutex_lock(&logger.lock);
    logger.running = false;
    aion_buf_done(&logger.queue);
    aion_buf_done(&logger.writing);
    pthread_mutex_unlock(&logger.lock);
}

void aion_log_flush(void)
{
    pthread_mutex_lock(&logger.lock);
    uint64_t target = logger.queued;
    logger.urgent = logger.running;
    pthread_cond_signal(&logger.wake);
    while (logger.running && logger.done < target)
        pthread_cond_wait(&logger.written, &logger.lock);
    pthread_mutex_unlock(&logger.lock);
}

void aion_log_least(enum aion_log_level least)
{
    atomic_store(&logger.least, least);
}

bool aion_log_on(enum aion_log_level level)
{
    return (int)level >= atomic_load_explicit(&logger.least, memory_order_relaxed);
}

uint64_t aion_log_dropped(void)
{
    return atomic_load_explicit(&logger.dropped, memory_order_relaxed);
}
