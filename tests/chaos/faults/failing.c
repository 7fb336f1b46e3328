/* A shared object for LD_PRELOAD under which chosen calls on the files of one folder fail: the
 * N-th write, the N-th fsync. Like the recorder it makes the real calls as bare system calls.
 */
#include "failing.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum what { NOTHING, WRITE, SYNC, SYNC_WAL, SYNC_DB, SHORT, TRUNCATE };

static struct {
    pthread_once_t once;
    const char *folder;
    enum what what;
    uint64_t first, count; /* which calls fail */
    int error;
    int tell; /* descriptor, or -1 */
    uint64_t calls;
    pthread_mutex_t lock;
} fault = {.once = PTHREAD_ONCE_INIT, .tell = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

static enum what what_of(const char *text)
{
    static const char *const names[] = {
        [WRITE] = "write ",     [SYNC] = "sync ",   [SYNC_WAL] = "sync-wal ",
        [SYNC_DB] = "sync-db ", [SHORT] = "short ", [TRUNCATE] = "truncate ",
    };
    for (size_t i = 1; i < sizeof(names) / sizeof(*names); i++)
        if (strncmp(text, names[i], strlen(names[i])) == 0)
            return (enum what)i;
    return NOTHING;
}

static void read_fault(void)
{
    const char *text = getenv(FAILING_ENV_FAULT), *tell = getenv(FAILING_ENV_TELL);
    fault.folder = getenv(FAILING_ENV_FOLDER);
    if (text == NULL || fault.folder == NULL)
        return;
    char *rest = strchr(text, ' ');
    if (rest == NULL)
        return;
    fault.first = strtoull(rest, &rest, 10);
    fault.error = (int)strtol(rest, &rest, 10);
    fault.count = strtoull(rest, NULL, 10);
    fault.tell = tell != NULL ? (int)strtol(tell, NULL, 10) : -1;
    fault.what = what_of(text);
}

/* The path behind a descriptor, "" when it is not in the folder. */
static void path_of(int fd, char path[512])
{
    char link[64];
    size_t size = strlen(fault.folder);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    long got = syscall(SYS_readlink, link, path, 511);
    path[got > 0 ? got : 0] = '\0';
    if (strncmp(path, fault.folder, size) != 0 || path[size] != '/')
        path[0] = '\0';
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), less = strlen(end);
    return size >= less && strcmp(text + size - less, end) == 0;
}

static void tell(uint32_t calls)
{
    uint32_t said[2] = {FAILING_SAID, calls};
    if (fault.tell >= 0)
        syscall(SYS_write, fault.tell, said, sizeof(said));
}

__attribute__((destructor)) static void tell_calls(void)
{
    tell((uint32_t)fault.calls);
}

/* Counts this call; true: it shall fail. */
static bool is_due(enum what what, int fd)
{
    char path[512];
    pthread_once(&fault.once, read_fault);
    if (fault.what != what)
        return false;
    path_of(fd, path);
    if (path[0] == '\0' || ends_with(path, "-shm") ||
        (what == SYNC_WAL && !ends_with(path, "-wal")) ||
        (what == SYNC_DB && !ends_with(path, ".db")))
        return false;
    pthread_mutex_lock(&fault.lock);
    uint64_t call = ++fault.calls;
    pthread_mutex_unlock(&fault.lock);
    if (call < fault.first || call >= fault.first + fault.count)
        return false;
    struct timespec pause = {.tv_nsec = 1000L * FAILING_PAUSE_US};
    if (call == fault.first && fault.error > 0 && what >= SYNC && what <= SYNC_DB)
        nanosleep(&pause, NULL);
    if (call == fault.first)
        tell(0);
    return true;
}

static void die(void)
{
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

/* What comes of a call that is due, `real` being the call itself. */
#define FAIL_OR_DIE(real)                      \
    do {                                       \
        if (fault.error == FAILING_KILL_AFTER) \
            (void)(real);                      \
        if (fault.error < 0)                   \
            die();                             \
        errno = fault.error;                   \
        return -1;                             \
    } while (0)

EXPORT ssize_t write(int fd, const void *data, size_t size)
{
    if (is_due(WRITE, fd))
        FAIL_OR_DIE(syscall(SYS_write, fd, data, size));
    return syscall(SYS_write, fd, data, is_due(SHORT, fd) ? size / 2 : size);
}

#define PWRITE(name)                                                          \
    EXPORT ssize_t name(int fd, const void *data, size_t size, off_t offset); \
    ssize_t name(int fd, const void *data, size_t size, off_t offset)         \
    {                                                                         \
        if (is_due(WRITE, fd))                                                \
            FAIL_OR_DIE(syscall(SYS_pwrite64, fd, data, size, offset));       \
        size_t some = is_due(SHORT, fd) ? size / 2 : size;                    \
        return syscall(SYS_pwrite64, fd, data, some, offset);                 \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define FTRUNCATE(name)                                    \
    EXPORT int name(int fd, off_t size);                   \
    int name(int fd, off_t size)                           \
    {                                                      \
        if (is_due(TRUNCATE, fd))                          \
            FAIL_OR_DIE(syscall(SYS_ftruncate, fd, size)); \
        return (int)syscall(SYS_ftruncate, fd, size);      \
    }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

static bool is_due_sync(int fd)
{
    return is_due(SYNC, fd) || is_due(SYNC_WAL, fd) || is_due(SYNC_DB, fd);
}

#define SYNC_CALL(name, number)               \
    EXPORT int name(int fd);                  \
    int name(int fd)                          \
    {                                         \
        if (is_due_sync(fd))                  \
            FAIL_OR_DIE(syscall(number, fd)); \
        return (int)syscall(number, fd);      \
    }
SYNC_CALL(fsync, SYS_fsync)
SYNC_CALL(fdatasync, SYS_fdatasync)
