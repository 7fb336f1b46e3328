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
    WAKE_BYTES = 256 * 1024,
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

/* A thread's own: formatting needs no lock, no malloc once warm, and the calendar only once a
 * second. */
struct line {
    struct aion_buf buf;
    int64_t second;                /* that `stamp` tells */
    char stamp[AION_RFC3339_SIZE]; /* "2026-11-23T10:00:00." and its size */
    size_t stamp_size;
};

static void add_field(struct aion_buf *line, const struct aion_log_field *field)
{
    AION_BUF_PUT(line, ",\"");
    aion_buf_put(line, field->name, strlen(field->name)); /* ours: nothing to escape */
    AION_BUF_PUT(line, "\":");
    switch (field->kind) {
    case AION_LOG_STR:
        aion_buf_json(line, field->str);
        break;
    case AION_LOG_WORD:
        AION_BUF_PUT(line, "\"");
        aion_buf_put(line, field->str.data, field->str.size);
        AION_BUF_PUT(line, "\"");
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

static void add_time(struct line *line)
{
    int64_t now = aion_clock_utc_us(), second = now / 1000000;
    if (second != line->second || line->stamp_size == 0) {
        line->second = second;
        line->stamp_size = aion_clock_rfc3339(line->stamp, second, 0);
        line->stamp[line->stamp_size - 1] = '.'; /* was 'Z' */
    }
    char micros[] = "000000Z";
    int32_t rest = (int32_t)(now % 1000000);
    for (int i = 6; i-- > 0; rest /= 10)
        micros[i] = (char)('0' + rest % 10);
    aion_buf_put(&line->buf, line->stamp, line->stamp_size);
    aion_buf_put(&line->buf, micros, sizeof(micros) - 1);
}

static void format(struct line *line, enum aion_log_level level, const char *msg, size_t count,
                   const struct aion_log_field *fields)
{
    struct aion_buf *buf = &line->buf;
    AION_BUF_PUT(buf, "{\"ts\":\"");
    add_time(line);
    AION_BUF_PUT(buf, "\",\"level\":\"");
    aion_buf_text(buf, level_name(level));
    AION_BUF_PUT(buf, "\",\"service\":\"");
    aion_buf_text(buf, logger.service != NULL ? logger.service : "aion");
    AION_BUF_PUT(buf, "\",\"msg\":\"");
    aion_buf_text(buf, msg);
    AION_BUF_PUT(buf, "\"");
    for (size_t i = 0; i < count; i++)
        add_field(buf, &fields[i]);
    AION_BUF_PUT(buf, "}\n");
}

static pthread_key_t line_key;
static pthread_once_t line_once = PTHREAD_ONCE_INIT;

static void free_line(void *own)
{
    struct line *line = own;
    aion_buf_done(&line->buf);
    free(line);
}

static void make_line_key(void)
{
    pthread_key_create(&line_key, free_line);
}

static struct line *own_line(void)
{
    pthread_once(&line_once, make_line_key);
    struct line *line = pthread_getspecific(line_key);
    if (line == NULL && (line = calloc(1, sizeof(*line))) != NULL) {
        aion_buf_init(&line->buf, LINE_BYTES);
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
        bool enough = logger.queue.size >= WAKE_BYTES &&
                      logger.queue.size - line.size < WAKE_BYTES; /* by this line */
        logger.urgent = logger.urgent || level >= AION_LOG_ERROR;
        if (first || logger.urgent || enough)
            pthread_cond_signal(&logger.wake);
    }
    pthread_mutex_unlock(&logger.lock);
}

void aion_log_line(enum aion_log_level level, const char *msg, size_t count,
                   const struct aion_log_field *fields)
{
    struct line *line = own_line();
    if (line == NULL)
        return;
    aion_buf_reset(&line->buf);
    format(line, level, msg, count, fields);
    if (line->buf.overflow) { /* say so instead of writing half a JSON object */
        aion_buf_reset(&line->buf);
        const struct aion_log_field note[] = {LOG_TEXT("cut", msg)};
        format(line, level, "a log line was too long", 1, note);
    }
    enqueue(level, aion_buf_view(&line->buf));
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
