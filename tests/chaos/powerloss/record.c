/* The recorder: a shared object for LD_PRELOAD that stands in front of the C library's calls on
 * files and writes down those that touch the files of one folder (log.h).
 *
 * The real calls are made as bare system calls, so the recorder needs nothing of the library it
 * stands before and works from the first instruction on. A call and its entry are one critical
 * section: the log's order is the order in which calls took effect. Only synchronisations run
 * outside it. Files are known by inode, whichever descriptor reaches them.
 *
 * What it misses is not silently lost: the replayer compares the files that its log gives with
 * the real ones, byte for byte, at the end of each process (disk_matches). */
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { FILES_MAX = 4096, NAME_MAX_BYTES = 256, PATH_BYTES = 4096 };

/* A file of the folder; its id is its index + 1. */
struct file {
    ino_t inode;
    bool gone;   /* unlinked: the inode's number may come again for another */
    bool shared; /* "-shm": SQLite's shared memory, no durable state */
    char name[NAME_MAX_BYTES];
};

static struct {
    pthread_mutex_t lock;
    int log;
    bool on;
    char folder[PATH_BYTES];
    dev_t device;
    ino_t inode; /* the folder's own */
    struct file files[FILES_MAX];
    uint32_t count;
    uint64_t tickets;
    const char *lie;
    uint64_t writes;
} recorder = {.lock = PTHREAD_MUTEX_INITIALIZER, .log = -1};

/* -- the log ---------------------------------------------------------------------------- */
static void stop_all(const char *what)
{
    static const char head[] = "recorder: ", tail[] = "\n";
    syscall(SYS_write, 2, head, sizeof(head) - 1);
    syscall(SYS_write, 2, what, strlen(what));
    syscall(SYS_write, 2, tail, 1);
    syscall(SYS_exit_group, 99);
}

static void append(enum powerloss_kind kind, uint32_t file, uint64_t offset, const void *data,
                   size_t size)
{
    struct powerloss_entry entry = {
        .kind = kind, .file = file, .offset = offset, .size = (uint32_t)size};
    static char padding[POWERLOSS_ALIGN];
    struct iovec parts[3] = {{&entry, sizeof(entry)},
                             {(void *)(uintptr_t)data, size},
                             {padding, powerloss_padded(size) - size}};
    long wrote = syscall(SYS_writev, recorder.log, parts, 3);
    if (wrote != (long)(sizeof(entry) + powerloss_padded(size)))
        stop_all("the log cannot be written");
}

static void untracked(const char *call)
{
    append(POWERLOSS_UNTRACKED, 0, 0, call, strlen(call));
}

static bool lie_is(const char *lie)
{
    return recorder.lie != NULL && strcmp(recorder.lie, lie) == 0;
}

/* -- which file ------------------------------------------------------------------------- */
static void start(void);

/* Also the place where a first call finds the recorder asleep. */
static void lock(void)
{
    pthread_mutex_lock(&recorder.lock);
    if (recorder.log < 0)
        start();
}

static void unlock(void)
{
    pthread_mutex_unlock(&recorder.lock);
}

static struct file *file_named(const char *name)
{
    for (uint32_t i = 0; i < recorder.count; i++)
        if (!recorder.files[i].gone && strcmp(recorder.files[i].name, name) == 0)
            return &recorder.files[i];
    return NULL;
}

static struct file *file_add(const char *name, ino_t inode)
{
    if (recorder.count == FILES_MAX)
        stop_all("too many files");
    struct file *file = &recorder.files[recorder.count++];
    size_t size = strlen(name);
    if (size >= sizeof(file->name))
        stop_all("a name is too long");
    memcpy(file->name, name, size + 1);
    file->inode = inode;
    file->gone = false;
    file->shared = size > 4 && strcmp(name + size - 4, "-shm") == 0;
    return file;
}

static uint32_t id_of(const struct file *file)
{
    return (uint32_t)(file - recorder.files) + 1;
}

/* The file a descriptor reaches; NULL: none of ours, or memory that is not durable. */
static struct file *file_of(int fd, struct stat *stat)
{
    if (!recorder.on || syscall(SYS_fstat, fd, stat) != 0 || stat->st_dev != recorder.device)
        return NULL;
    for (uint32_t i = recorder.count; i-- > 0;) /* the newest of an inode's number */
        if (recorder.files[i].inode == stat->st_ino)
            return recorder.files[i].shared ? NULL : &recorder.files[i];
    return NULL;
}

/* The name inside the folder that a path means, or "" when it is elsewhere. Its folder must
 * exist. */
static void name_of(int at, const char *path, char name[NAME_MAX_BYTES])
{
    char folder[PATH_BYTES], link[64], real[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    name[0] = '\0';
    if (!recorder.on || size + 2 > sizeof(folder))
        return;
    snprintf(folder, sizeof(folder), "%.*s", (int)size, path);
    const char *place = slash == NULL ? "." : size == 0 ? "/" : folder;
    long fd = syscall(SYS_openat, at, place, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    snprintf(link, sizeof(link), "/proc/self/fd/%ld", fd);
    long got = syscall(SYS_readlink, link, real, sizeof(real) - 1);
    syscall(SYS_close, fd);
    real[got > 0 ? got : 0] = '\0';
    if (strcmp(real, recorder.folder) == 0)
        snprintf(name, NAME_MAX_BYTES, "%s", slash == NULL ? path : slash + 1);
}

/* -- starting --------------------------------------------------------------------------- */
/* Files that earlier processes made: known by what their recorders logged, so the replayer
 * finds their ids again by name. */
static void find_files(int folder)
{
    union {
        char bytes[8192];
        uint64_t align;
    } buffer;
    long got;
    while ((got = syscall(SYS_getdents64, folder, buffer.bytes, sizeof(buffer.bytes))) > 0) {
        for (long at = 0; at < got;) {
            struct dirent64 *entry = (struct dirent64 *)(void *)(buffer.bytes + at);
            at += entry->d_reclen;
            if (entry->d_name[0] == '.')
                continue;
            struct file *file = file_add(entry->d_name, entry->d_ino);
            append(POWERLOSS_FOUND, id_of(file), 0, file->name, strlen(file->name));
        }
    }
}

static void open_log(const char *path)
{
    long fd =
        syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    long high = fd < 0 ? -1 : syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900);
    if (high < 0)
        stop_all("the log cannot be opened");
    syscall(SYS_close, fd);
    recorder.log = (int)high;
}

static void start(void)
{
    const char *folder = getenv(POWERLOSS_ENV_FOLDER), *log = getenv(POWERLOSS_ENV_LOG);
    struct stat stat;
    recorder.log = 0; /* not recording */
    if (folder == NULL || log == NULL)
        return;
    long fd = syscall(SYS_openat, AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || syscall(SYS_fstat, fd, &stat) != 0)
        stop_all("the folder cannot be opened");
    snprintf(recorder.folder, sizeof(recorder.folder), "%s", folder);
    recorder.device = stat.st_dev;
    recorder.inode = stat.st_ino;
    recorder.lie = getenv(POWERLOSS_ENV_LIE);
    open_log(log);
    append(POWERLOSS_SESSION, 0, 0, NULL, 0);
    find_files((int)fd);
    syscall(SYS_close, fd);
    recorder.on = true;
}

EXPORT powerloss_note_fn powerloss_note;
void powerloss_note(const void *data, uint32_t size)
{
    lock();
    if (recorder.on)
        append(POWERLOSS_NOTE, 0, 0, data, size);
    unlock();
}

EXPORT powerloss_die_fn powerloss_die;
void powerloss_die(void)
{
    lock();
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;)
        syscall(SYS_pause);
}

/* -- opening ---------------------------------------------------------------------------- */
static void opened(int fd, const char *name, bool was_there, int flags)
{
    struct stat stat;
    struct file *file = file_named(name);
    if (syscall(SYS_fstat, fd, &stat) != 0 || !S_ISREG(stat.st_mode))
        return;
    if (file == NULL) {
        file = file_add(name, stat.st_ino);
        if (was_there)
            untracked("a file that nobody was seen to make");
        else
            append(POWERLOSS_CREATE, id_of(file), 0, name, strlen(name));
    } else if (file->inode != stat.st_ino) {
        untracked("a file replaced unseen");
    }
    if ((flags & O_TRUNC) != 0 && was_there && !file->shared)
        append(POWERLOSS_TRUNCATE, id_of(file), 0, NULL, 0);
}

static int open_recorded(int at, const char *path, int flags, unsigned mode)
{
    char name[NAME_MAX_BYTES];
    lock();
    name_of(at, path, name);
    bool watched = name[0] != '\0' && (flags & (O_DIRECTORY | O_PATH)) == 0;
    bool was_there = watched && syscall(SYS_faccessat, at, path, F_OK) == 0;
    long fd = syscall(SYS_openat, at, path, flags, mode);
    int error = errno;
    if (fd >= 0 && watched)
        opened((int)fd, name, was_there, flags);
    if (fd >= 0 && (flags & O_TMPFILE) == O_TMPFILE && recorder.on)
        untracked("O_TMPFILE");
    unlock();
    errno = error;
    return (int)fd;
}

static unsigned mode_of(int flags, va_list args)
{
    bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    return creates ? va_arg(args, unsigned) : 0;
}

#define OPEN(name)                                         \
    EXPORT int name(const char *path, int flags, ...);     \
    int name(const char *path, int flags, ...)             \
    {                                                      \
        va_list args;                                      \
        va_start(args, flags);                             \
        unsigned mode = mode_of(flags, args);              \
        va_end(args);                                      \
        return open_recorded(AT_FDCWD, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                           \
    EXPORT int name(int at, const char *path, int flags, ...); \
    int name(int at, const char *path, int flags, ...)         \
    {                                                          \
        va_list args;                                          \
        va_start(args, flags);                                 \
        unsigned mode = mode_of(flags, args);                  \
        va_end(args);                                          \
        return open_recorded(at, path, flags, mode);           \
    }
OPENAT(openat)
OPENAT(openat64)

#define CREAT(name)                                                               \
    EXPORT int name(const char *path, mode_t mode);                               \
    int name(const char *path, mode_t mode)                                       \
    {                                                                             \
        return open_recorded(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); \
    }
CREAT(creat)
CREAT(creat64)

/* -- writing ---------------------------------------------------------------------------- */
/* Under the lock: the bytes went to `offset`. */
static void wrote(const struct file *file, uint64_t offset, const void *data, long size)
{
    if (size <= 0)
        return;
    if (lie_is("hide") && ++recorder.writes == 40)
        return;
    append(POWERLOSS_WRITE, id_of(file), offset, data, (size_t)size);
}

static uint64_t place_of(int fd, const struct stat *stat)
{
    long flags = syscall(SYS_fcntl, fd, F_GETFL);
    if (flags >= 0 && (flags & O_APPEND) != 0)
        return (uint64_t)stat->st_size;
    return (uint64_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
}

EXPORT ssize_t write(int fd, const void *data, size_t size)
{
    struct stat stat;
    lock();
    struct file *file = file_of(fd, &stat);
    if (file == NULL) { /* a pipe's writer may block: not under the lock */
        unlock();
        return syscall(SYS_write, fd, data, size);
    }
    uint64_t offset = place_of(fd, &stat);
    long got = syscall(SYS_write, fd, data, size);
    int error = errno;
    wrote(file, offset, data, got);
    unlock();
    errno = error;
    return got;
}

#define PWRITE(name)                                                          \
    EXPORT ssize_t name(int fd, const void *data, size_t size, off_t offset); \
    ssize_t name(int fd, const void *data, size_t size, off_t offset)         \
    {                                                                         \
        struct stat stat;                                                     \
        lock();                                                               \
        struct file *file = file_of(fd, &stat);                               \
        long got = syscall(SYS_pwrite64, fd, data, size, offset);             \
        int error = errno;                                                    \
        if (file != NULL)                                                     \
            wrote(file, (uint64_t)offset, data, got);                         \
        unlock();                                                             \
        errno = error;                                                        \
        return got;                                                           \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

/* Vectors: each part is an entry, as far as the call went. */
static void wrote_vector(const struct file *file, uint64_t offset, const struct iovec *parts,
                         int count, long size)
{
    for (int i = 0; i < count && size > 0; i++) {
        long part = size < (long)parts[i].iov_len ? size : (long)parts[i].iov_len;
        wrote(file, offset, parts[i].iov_base, part);
        offset += (uint64_t)part;
        size -= part;
    }
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
    struct stat stat;
    lock();
    struct file *file = file_of(fd, &stat);
    if (file == NULL) {
        unlock();
        return syscall(SYS_writev, fd, parts, count);
    }
    uint64_t offset = place_of(fd, &stat);
    long got = syscall(SYS_writev, fd, parts, count);
    int error = errno;
    wrote_vector(file, offset, parts, count, got);
    unlock();
    errno = error;
    return got;
}

#define PWRITEV(name)                                                                \
    EXPORT ssize_t name(int fd, const struct iovec *parts, int count, off_t offset); \
    ssize_t name(int fd, const struct iovec *parts, int count, off_t offset)         \
    {                                                                                \
        struct stat stat;                                                            \
        lock();                                                                      \
        struct file *file = file_of(fd, &stat);                                      \
        long got = syscall(SYS_pwritev, fd, parts, count, offset, 0);                \
        int error = errno;                                                           \
        if (file != NULL)                                                            \
            wrote_vector(file, (uint64_t)offset, parts, count, got);                 \
        unlock();                                                                    \
        errno = error;                                                               \
        return got;                                                                  \
    }
PWRITEV(pwritev)
PWRITEV(pwritev64)

/* -- sizes ------------------------------------------------------------------------------ */
#define FTRUNCATE(name)                                                       \
    EXPORT int name(int fd, off_t size);                                      \
    int name(int fd, off_t size)                                              \
    {                                                                         \
        struct stat stat;                                                     \
        lock();                                                               \
        struct file *file = file_of(fd, &stat);                               \
        long got = syscall(SYS_ftruncate, fd, size);                          \
        int error = errno;                                                    \
        if (file != NULL && got == 0)                                         \
            append(POWERLOSS_TRUNCATE, id_of(file), (uint64_t)size, NULL, 0); \
        unlock();                                                             \
        errno = error;                                                        \
        return (int)got;                                                      \
    }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

#define TRUNCATE(name)                                                        \
    EXPORT int name(const char *path, off_t size);                            \
    int name(const char *path, off_t size)                                    \
    {                                                                         \
        char inside[NAME_MAX_BYTES];                                          \
        lock();                                                               \
        name_of(AT_FDCWD, path, inside);                                      \
        struct file *file = file_named(inside);                               \
        long got = syscall(SYS_truncate, path, size);                         \
        int error = errno;                                                    \
        if (file != NULL && !file->shared && got == 0)                        \
            append(POWERLOSS_TRUNCATE, id_of(file), (uint64_t)size, NULL, 0); \
        unlock();                                                             \
        errno = error;                                                        \
        return (int)got;                                                      \
    }
TRUNCATE(truncate)
TRUNCATE(truncate64)

/* Growing is all that these do where they are used; holes punched are not replayed. */
static int allocate(int fd, int mode, off_t offset, off_t size)
{
    struct stat stat;
    lock();
    struct file *file = file_of(fd, &stat);
    long got = syscall(SYS_fallocate, fd, mode, offset, size);
    int error = errno;
    if (file != NULL && got == 0 && mode != 0)
        untracked("fallocate with a mode");
    else if (file != NULL && got == 0 && offset + size > stat.st_size)
        append(POWERLOSS_TRUNCATE, id_of(file), (uint64_t)(offset + size), NULL, 0);
    unlock();
    errno = error;
    return (int)got;
}

#define FALLOCATE(name)                                      \
    EXPORT int name(int fd, int mode, off_t at, off_t size); \
    int name(int fd, int mode, off_t at, off_t size)         \
    {                                                        \
        return allocate(fd, mode, at, size);                 \
    }
FALLOCATE(fallocate)
FALLOCATE(fallocate64)

#define POSIX_FALLOCATE(name)                              \
    EXPORT int name(int fd, off_t at, off_t size);         \
    int name(int fd, off_t at, off_t size)                 \
    {                                                      \
        return allocate(fd, 0, at, size) == 0 ? 0 : errno; \
    }
POSIX_FALLOCATE(posix_fallocate)
POSIX_FALLOCATE(posix_fallocate64)

/* -- what is on the disk ---------------------------------------------------------------- */
static bool lies_about(const struct file *file)
{
    size_t size = file != NULL ? strlen(file->name) : 0;
    if (lie_is("sync"))
        return true;
    if (lie_is("sync-folder"))
        return file == NULL;
    return lie_is("sync-db") && size > 3 && strcmp(file->name + size - 3, ".db") == 0;
}

static int sync_recorded(long call, int fd)
{
    struct stat stat;
    lock();
    struct file *file = file_of(fd, &stat);
    bool folder = recorder.on && file == NULL && syscall(SYS_fstat, fd, &stat) == 0 &&
                  stat.st_dev == recorder.device && stat.st_ino == recorder.inode;
    uint32_t id = file != NULL ? id_of(file) : POWERLOSS_FOLDER;
    bool ours = (file != NULL || folder) && !lies_about(file);
    uint64_t ticket = ++recorder.tickets;
    if (ours)
        append(POWERLOSS_SYNC, id, ticket, NULL, 0);
    unlock();
    long got = syscall(call, fd);
    int error = errno;
    lock();
    if (ours && got == 0)
        append(POWERLOSS_SYNCED, id, ticket, NULL, 0);
    unlock();
    errno = error;
    return (int)got;
}

EXPORT int fsync(int fd)
{
    return sync_recorded(SYS_fsync, fd);
}

EXPORT int fdatasync(int fd)
{
    return sync_recorded(SYS_fdatasync, fd);
}

/* -- names ------------------------------------------------------------------------------ */
static void unlinked(const char *name)
{
    struct file *file = file_named(name);
    if (file != NULL)
        file->gone = true;
    append(POWERLOSS_UNLINK, 0, 0, name, strlen(name));
}

static int unlink_recorded(int at, const char *path, int flags)
{
    char name[NAME_MAX_BYTES];
    lock();
    name_of(at, path, name);
    long got = syscall(SYS_unlinkat, at, path, flags);
    int error = errno;
    if (got == 0 && name[0] != '\0')
        unlinked(name);
    unlock();
    errno = error;
    return (int)got;
}

EXPORT int unlink(const char *path)
{
    return unlink_recorded(AT_FDCWD, path, 0);
}

EXPORT int remove(const char *path)
{
    int got = unlink_recorded(AT_FDCWD, path, 0);
    if (got != 0 && errno == EISDIR)
        got = unlink_recorded(AT_FDCWD, path, AT_REMOVEDIR);
    return got;
}

EXPORT int unlinkat(int at, const char *path, int flags)
{
    return unlink_recorded(at, path, flags);
}

static void renamed(const char *from, const char *to)
{
    char names[2 * NAME_MAX_BYTES];
    struct file *file = file_named(from), *old = file_named(to);
    int size = snprintf(names, sizeof(names), "%s%c%s", from, 0, to);
    if (from[0] == '\0' || to[0] == '\0' || file == NULL) {
        untracked("a rename into or out of the folder");
        return;
    }
    if (old != NULL)
        old->gone = true;
    snprintf(file->name, sizeof(file->name), "%s", to);
    append(POWERLOSS_RENAME, id_of(file), 0, names, (size_t)size);
}

static int rename_recorded(int at, const char *path, int new_at, const char *new_path,
                           unsigned flags)
{
    char from[NAME_MAX_BYTES], to[NAME_MAX_BYTES];
    lock();
    name_of(at, path, from);
    name_of(new_at, new_path, to);
    long got = syscall(SYS_renameat2, at, path, new_at, new_path, flags);
    int error = errno;
    if (got == 0 && (from[0] != '\0' || to[0] != '\0'))
        renamed(from, to);
    unlock();
    errno = error;
    return (int)got;
}

EXPORT int rename(const char *path, const char *new_path)
{
    return rename_recorded(AT_FDCWD, path, AT_FDCWD, new_path, 0);
}

EXPORT int renameat(int at, const char *path, int new_at, const char *new_path)
{
    return rename_recorded(at, path, new_at, new_path, 0);
}

EXPORT int renameat2(int at, const char *path, int new_at, const char *new_path, unsigned flags)
{
    return rename_recorded(at, path, new_at, new_path, flags);
}

/* -- calls that change files by other ways: none is used; one that is spoils the recording --
 */
static void forbid(int fd, const char *call)
{
    struct stat stat;
    lock();
    if (file_of(fd, &stat) != NULL)
        untracked(call);
    unlock();
}

#define MMAP(name)                                                                             \
    EXPORT void *name(void *at, size_t size, int protection, int flags, int fd, off_t offset); \
    void *name(void *at, size_t size, int protection, int flags, int fd, off_t offset)         \
    {                                                                                          \
        if (fd >= 0 && (flags & MAP_TYPE) != MAP_PRIVATE && (protection & PROT_WRITE) != 0)    \
            forbid(fd, "a shared mapping that may be written");                                \
        return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);             \
    }
MMAP(mmap)
MMAP(mmap64)

EXPORT ssize_t sendfile(int out, int in, off_t *offset, size_t size)
{
    forbid(out, "sendfile");
    return syscall(SYS_sendfile, out, in, offset, size);
}

EXPORT ssize_t copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t size,
                               unsigned flags)
{
    forbid(out, "copy_file_range");
    return syscall(SYS_copy_file_range, in, in_at, out, out_at, size, flags);
}

EXPORT int link(const char *path, const char *new_path)
{
    char name[NAME_MAX_BYTES];
    lock();
    name_of(AT_FDCWD, new_path, name);
    if (name[0] != '\0')
        untracked("link");
    unlock();
    return (int)syscall(SYS_link, path, new_path);
}
