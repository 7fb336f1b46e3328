#include "host_pipes.h"

#include "base/buf.h"
#include "base/list.h"
#include "sdk/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    AHEAD_MAX = 1024 * 1024,
    LOG_AHEAD_MAX = 64 * 1024, /* each line costs the I/O thread one of its own */
    LOG_LINE_MAX = 4096,
    READ_SIZE = 65536,
    LAST_READS = 16, /* of what a process that has ended said last */
};

/* What epoll's pointer points to. */
struct source {
    enum { SPAWNER, WAKE, OUT, LOG, REST } kind;
    struct host_process *process; /* OUT, LOG */
};

struct host_process {
    struct aion_link link;
    uint64_t ticket;
    int out, log;
    struct source out_source, log_source;
    struct aion_buf bytes, log_bytes;
    size_t ahead, log_ahead; /* posted and not yet freed; guarded by the pipes' lock */
    bool exited;             /* the same */
    bool stopped;            /* out is not being read */
    bool log_stopped;
};

/* Bytes that a pipe did not take yet. */
struct rest {
    struct source source; /* first */
    struct aion_link link;
    int fd;
    size_t size, done;
    char data[];
};

struct host_pipes {
    pthread_t thread;
    struct spawner *spawner;
    struct aion_exec *exec;
    void (*on_note)(void *user, struct host_note *note);
    void *user;
    int epoll, wake;
    struct source spawner_source, wake_source;
    struct aion_link processes; /* the thread's own */
    struct aion_link rests;     /* the thread's own */
    pthread_mutex_t lock;
    struct aion_link new_rests AION_GUARDED_BY(lock);
    atomic_bool paused, stop;
};

/* -- notes ---------------------------------------------------------------- */

static void run_note(struct aion_job *job)
{
    struct host_note *note = aion_container(job, struct host_note, job);
    note->pipes->on_note(note->pipes->user, note);
}

static struct host_note *new_note(struct host_pipes *pipes, enum host_note_kind kind,
                                  uint64_t ticket, aion_str data)
{
    struct host_note *note = malloc(sizeof(*note) + data.size + 1);
    if (note == NULL)
        abort(); /* bounded by AHEAD_MAX and LOG_AHEAD_MAX per process */
    *note = (struct host_note){
        .job.run = run_note, .pipes = pipes, .ticket = ticket, .in = -1, .size = data.size};
    note->kind = kind;
    if (data.size > 0)
        memcpy(note->data, data.data, data.size);
    note->data[data.size] = '\0';
    return note;
}

static size_t cost(const struct host_note *note)
{
    return sizeof(*note) + note->size;
}

static void post(struct host_pipes *pipes, struct host_note *note)
{
    aion_exec_post(pipes->exec, &note->job);
}

static void wake(struct host_pipes *pipes)
{
    uint64_t one = 1;
    ssize_t ignored = write(pipes->wake, &one, sizeof(one));
    (void)ignored; /* a full counter wakes as well */
}

/* A process lives until it has exited, its pipes are drained and all its frames are freed. */
static void release(struct host_pipes *pipes, struct host_process *process)
{
    pthread_mutex_lock(&pipes->lock);
    bool done = process->exited && process->out < 0 && process->log < 0 &&
                process->ahead == 0 && process->log_ahead == 0;
    pthread_mutex_unlock(&pipes->lock);
    if (!done)
        return;
    aion_list_remove(&process->link);
    aion_buf_done(&process->bytes);
    aion_buf_done(&process->log_bytes);
    free(process);
}

void host_note_free(struct host_pipes *pipes, struct host_note *note)
{
    if (note->process != NULL) {
        pthread_mutex_lock(&pipes->lock);
        bool log = note->kind == HOST_LOG;
        size_t *ahead = log ? &note->process->log_ahead : &note->process->ahead;
        bool look = *ahead >= (log ? LOG_AHEAD_MAX : AHEAD_MAX);
        *ahead -= cost(note);
        look = look || (*ahead == 0 && note->process->exited);
        pthread_mutex_unlock(&pipes->lock);
        if (look)
            wake(pipes);
    }
    free(note);
}

/* -- reading -------------------------------------------------------------- */

static void watch(struct host_pipes *pipes, int fd, struct source *source, uint32_t events,
                  int how)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    epoll_ctl(pipes->epoll, how, fd, &event);
}

static void close_end(struct host_pipes *pipes, int *fd)
{
    if (*fd < 0)
        return;
    epoll_ctl(pipes->epoll, EPOLL_CTL_DEL, *fd, NULL);
    close(*fd);
    *fd = -1;
}

/* A frame or a line, which the process is ahead by until it is freed. */
static void post_ahead(struct host_pipes *pipes, struct host_process *process,
                       enum host_note_kind kind, aion_str data)
{
    struct host_note *note = new_note(pipes, kind, process->ticket, data);
    note->process = process;
    pthread_mutex_lock(&pipes->lock);
    *(kind == HOST_LOG ? &process->log_ahead : &process->ahead) += cost(note);
    pthread_mutex_unlock(&pipes->lock);
    post(pipes, note);
}

/* False: no frame, the process talks nonsense. */
static bool split_frames(struct host_pipes *pipes, struct host_process *process)
{
    size_t used = 0;
    for (;;) {
        aion_str rest = aion_str_n(process->bytes.data + used, process->bytes.size - used);
        aion_str payload;
        size_t size;
        int found = process->bytes.size > used ? module_frame_next(rest, &payload, &size) : 0;
        if (found <= 0) {
            aion_buf_consume(&process->bytes, used);
            return found == 0;
        }
        post_ahead(pipes, process, HOST_FRAME, payload);
        used += size;
    }
}

static bool too_far_ahead(struct host_pipes *pipes, struct host_process *process)
{
    pthread_mutex_lock(&pipes->lock);
    bool far = process->ahead >= AHEAD_MAX;
    pthread_mutex_unlock(&pipes->lock);
    return far || atomic_load(&pipes->paused);
}

static void read_out(struct host_pipes *pipes, struct host_process *process)
{
    char *room = aion_buf_reserve(&process->bytes, READ_SIZE);
    ssize_t n = room != NULL ? read(process->out, room, READ_SIZE) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_end(pipes, &process->out);
        release(pipes, process);
        return;
    }
    process->bytes.size += (size_t)n;
    if (!split_frames(pipes, process)) {
        close_end(pipes, &process->out);
        post(pipes, new_note(pipes, HOST_GARBAGE, process->ticket, (aion_str){0}));
        return;
    }
    if (!process->stopped && too_far_ahead(pipes, process)) {
        process->stopped = true;
        watch(pipes, process->out, &process->out_source, 0, EPOLL_CTL_MOD);
    }
}

static void post_log(struct host_pipes *pipes, struct host_process *process, bool end)
{
    aion_str rest = aion_buf_view(&process->log_bytes);
    size_t used = 0;
    for (;;) {
        aion_str left = aion_str_n(rest.data + used, rest.size - used);
        size_t line = left.size > 0 ? aion_str_index(left, '\n') : SIZE_MAX;
        if (line == SIZE_MAX && (end || left.size >= LOG_LINE_MAX) && left.size > 0)
            line = left.size;
        if (line == SIZE_MAX)
            break;
        post_ahead(pipes, process, HOST_LOG, aion_str_n(left.data, line));
        used += line < left.size ? line + 1 : line;
    }
    aion_buf_consume(&process->log_bytes, used);
}

static bool too_many_lines(struct host_pipes *pipes, struct host_process *process)
{
    pthread_mutex_lock(&pipes->lock);
    bool many = process->log_ahead >= LOG_AHEAD_MAX;
    pthread_mutex_unlock(&pipes->lock);
    return many;
}

static void read_log(struct host_pipes *pipes, struct host_process *process)
{
    char chunk[LOG_LINE_MAX];
    ssize_t n = read(process->log, chunk, sizeof(chunk));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        aion_buf_add(&process->log_bytes, chunk, (size_t)n);
    post_log(pipes, process, n <= 0);
    if (n <= 0) {
        close_end(pipes, &process->log);
        release(pipes, process);
    } else if (!process->log_stopped && too_many_lines(pipes, process)) {
        process->log_stopped = true;
        watch(pipes, process->log, &process->log_source, 0, EPOLL_CTL_MOD);
    }
}

/* -- the spawner's events ------------------------------------------------- */

static void started(struct host_pipes *pipes, const struct spawner_event *event)
{
    struct host_process *process = calloc(1, sizeof(*process));
    if (process == NULL)
        abort();
    process->ticket = event->ticket;
    process->out = event->out;
    process->log = event->log;
    process->out_source = (struct source){OUT, process};
    process->log_source = (struct source){LOG, process};
    aion_buf_init(&process->bytes, MODULE_FRAME_MAX + READ_SIZE + MODULE_FRAME_HEAD);
    aion_buf_init(&process->log_bytes, (size_t)2 * LOG_LINE_MAX);
    aion_list_add_last(&pipes->processes, &process->link);
    struct host_note *note = new_note(pipes, HOST_STARTED, event->ticket, (aion_str){0});
    note->pid = event->pid;
    note->in = event->in;
    post(pipes, note);
    watch(pipes, process->out, &process->out_source, EPOLLIN, EPOLL_CTL_ADD);
    watch(pipes, process->log, &process->log_source, EPOLLIN, EPOLL_CTL_ADD);
}

/* What it wrote before its end still counts: it is read first. */
static void drain_pipes(struct host_pipes *pipes, struct host_process *process)
{
    while (process->out >= 0) {
        ssize_t before = (ssize_t)process->bytes.size;
        int fd = process->out;
        char *room = aion_buf_reserve(&process->bytes, READ_SIZE);
        ssize_t n = room != NULL ? read(fd, room, READ_SIZE) : 0;
        if (n <= 0) {
            close_end(pipes, &process->out);
            break;
        }
        process->bytes.size = (size_t)(before + n);
        if (!split_frames(pipes, process))
            close_end(pipes, &process->out);
    }
    char chunk[LOG_LINE_MAX];
    ssize_t n;
    for (int i = 0; i < LAST_READS && process->log >= 0 &&
                    (n = read(process->log, chunk, sizeof(chunk))) > 0;
         i++) {
        aion_buf_add(&process->log_bytes, chunk, (size_t)n);
        post_log(pipes, process, false);
    }
    post_log(pipes, process, true);
}

static void exited(struct host_pipes *pipes, const struct spawner_event *event)
{
    aion_list_each_safe (link, &pipes->processes) {
        struct host_process *process = aion_container(link, struct host_process, link);
        if (process->ticket != event->ticket || process->exited)
            continue;
        drain_pipes(pipes, process);
        close_end(pipes, &process->log);
        pthread_mutex_lock(&pipes->lock);
        process->exited = true;
        pthread_mutex_unlock(&pipes->lock);
        struct host_note *note = new_note(pipes, HOST_EXITED, event->ticket, (aion_str){0});
        note->code = event->status;
        post(pipes, note);
        release(pipes, process);
        return;
    }
}

/* False: the spawner is gone. */
static bool take_events(struct host_pipes *pipes)
{
    struct spawner_event event;
    struct aion_err err;
    while (spawner_next(pipes->spawner, &event, &err)) {
        if (event.kind == SPAWNER_STARTED) {
            started(pipes, &event);
        } else if (event.kind == SPAWNER_EXITED) {
            exited(pipes, &event);
        } else {
            struct host_note *note = new_note(pipes, HOST_FAILED, event.ticket, (aion_str){0});
            note->code = event.error;
            post(pipes, note);
        }
    }
    return err.code == AION_OK;
}

/* -- writing what is left ------------------------------------------------- */

static void end_rest(struct host_pipes *pipes, struct rest *rest)
{
    epoll_ctl(pipes->epoll, EPOLL_CTL_DEL, rest->fd, NULL);
    close(rest->fd);
    aion_list_remove(&rest->link);
    free(rest);
}

static void write_rest(struct host_pipes *pipes, struct rest *rest)
{
    ssize_t n = write(rest->fd, rest->data + rest->done, rest->size - rest->done);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        rest->done += (size_t)n;
    if (n <= 0 || rest->done == rest->size)
        end_rest(pipes, rest);
}

bool host_pipes_write(struct host_pipes *pipes, int fd, aion_str bytes)
{
    struct rest *rest = malloc(sizeof(*rest) + bytes.size);
    if (rest == NULL) {
        close(fd);
        return false;
    }
    *rest = (struct rest){.source = {REST, NULL}, .fd = fd, .size = bytes.size};
    memcpy(rest->data, bytes.data, bytes.size);
    pthread_mutex_lock(&pipes->lock);
    aion_list_add_last(&pipes->new_rests, &rest->link);
    pthread_mutex_unlock(&pipes->lock);
    wake(pipes);
    return true;
}

/* -- the thread ----------------------------------------------------------- */

static void take_new(struct host_pipes *pipes)
{
    struct aion_link *link;
    for (;;) {
        pthread_mutex_lock(&pipes->lock);
        link = aion_list_first(&pipes->new_rests);
        if (link != NULL)
            aion_list_remove(link);
        pthread_mutex_unlock(&pipes->lock);
        if (link == NULL)
            return;
        struct rest *rest = aion_container(link, struct rest, link);
        aion_list_add_last(&pipes->rests, &rest->link);
        watch(pipes, rest->fd, &rest->source, EPOLLOUT, EPOLL_CTL_ADD);
    }
}

static void go_on(struct host_pipes *pipes)
{
    aion_list_each_safe (link, &pipes->processes) {
        struct host_process *process = aion_container(link, struct host_process, link);
        if (process->stopped && process->out >= 0 && !too_far_ahead(pipes, process)) {
            process->stopped = false;
            watch(pipes, process->out, &process->out_source, EPOLLIN, EPOLL_CTL_MOD);
        }
        if (process->log_stopped && process->log >= 0 && !too_many_lines(pipes, process)) {
            process->log_stopped = false;
            watch(pipes, process->log, &process->log_source, EPOLLIN, EPOLL_CTL_MOD);
        }
        release(pipes, process);
    }
}

static void on_wake(struct host_pipes *pipes)
{
    uint64_t count;
    ssize_t ignored = read(pipes->wake, &count, sizeof(count));
    (void)ignored;
    take_new(pipes);
    go_on(pipes);
}

/* False: the spawner is gone. */
static bool on_event(struct host_pipes *pipes, struct source *source)
{
    switch (source->kind) {
    case SPAWNER:
        return take_events(pipes);
    case WAKE:
        on_wake(pipes);
        break;
    case OUT:
        if (source->process->out >= 0)
            read_out(pipes, source->process);
        break;
    case LOG:
        if (source->process->log >= 0)
            read_log(pipes, source->process);
        break;
    case REST:
        write_rest(pipes, (struct rest *)source);
        break;
    }
    return true;
}

static void *run(void *argument)
{
    struct host_pipes *pipes = argument;
    while (!atomic_load(&pipes->stop)) {
        /* one at a time: an event may free what a later one of the same batch points to */
        struct epoll_event event;
        int count = epoll_wait(pipes->epoll, &event, 1, -1);
        if (count < 0 && errno != EINTR)
            break;
        if (count > 0 && !on_event(pipes, event.data.ptr)) {
            epoll_ctl(pipes->epoll, EPOLL_CTL_DEL, pipes->spawner->socket, NULL);
            post(pipes, new_note(pipes, HOST_SPAWNER_GONE, 0, (aion_str){0}));
        }
    }
    return NULL;
}

void host_pipes_pause(struct host_pipes *pipes, bool paused)
{
    atomic_store(&pipes->paused, paused);
    if (!paused)
        wake(pipes);
}

struct host_pipes *host_pipes_start(struct spawner *spawner, struct aion_exec *exec,
                                    void (*on_note)(void *user, struct host_note *note),
                                    void *user, struct aion_err *err)
{
    struct host_pipes *pipes = calloc(1, sizeof(*pipes));
    if (pipes == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    pipes->spawner = spawner;
    pipes->exec = exec;
    pipes->on_note = on_note;
    pipes->user = user;
    aion_list_init(&pipes->processes);
    aion_list_init(&pipes->rests);
    aion_list_init(&pipes->new_rests);
    pthread_mutex_init(&pipes->lock, NULL);
    pipes->epoll = epoll_create1(EPOLL_CLOEXEC);
    pipes->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pipes->spawner_source.kind = SPAWNER;
    pipes->wake_source.kind = WAKE;
    if (pipes->epoll >= 0 && pipes->wake >= 0) {
        watch(pipes, spawner->socket, &pipes->spawner_source, EPOLLIN, EPOLL_CTL_ADD);
        watch(pipes, pipes->wake, &pipes->wake_source, EPOLLIN, EPOLL_CTL_ADD);
        if (pthread_create(&pipes->thread, NULL, run, pipes) == 0)
            return pipes;
    }
    close(pipes->epoll);
    close(pipes->wake);
    free(pipes);
    return aion_fail_null(err, AION_UNAVAILABLE, "cannot start the thread of module pipes");
}

static void free_processes(struct host_pipes *pipes)
{
    aion_list_each_safe (link, &pipes->processes) {
        struct host_process *process = aion_container(link, struct host_process, link);
        close_end(pipes, &process->out);
        close_end(pipes, &process->log);
        aion_list_remove(&process->link);
        aion_buf_done(&process->bytes);
        aion_buf_done(&process->log_bytes);
        free(process);
    }
}

void host_pipes_join(struct host_pipes *pipes)
{
    atomic_store(&pipes->stop, true);
    wake(pipes);
    pthread_join(pipes->thread, NULL);
}

void host_pipes_free(struct host_pipes *pipes)
{
    take_new(pipes);
    aion_list_each_safe (link, &pipes->rests)
        end_rest(pipes, aion_container(link, struct rest, link));
    free_processes(pipes);
    close(pipes->epoll);
    close(pipes->wake);
    pthread_mutex_destroy(&pipes->lock);
    free(pipes);
}
