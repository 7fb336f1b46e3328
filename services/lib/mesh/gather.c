/* Many small messages leave with one system call.
 *
 * The core writes each reply to its socket by itself, whatever waits behind it: with 128 calls
 * at once that is a quarter of an echo's CPU, and it has no public way to write several streams
 * together. All its sockets are written by sendmsg(2), and a program's own function of that
 * name comes before libc's (the ELF rule that lets a program replace malloc, ld.so(8)): this
 * one keeps what the I/O thread writes while it handles a row of completions, and sends it when
 * the row is over. To the core a message that is kept is what one in the kernel's buffer is:
 * sent, not arrived.
 *
 * Only the core's sockets are kept from. It shows each to its "socket mutator"
 * (GRPC_ARG_SOCKET_MUTATOR) before use, and calls shutdown(2) before it closes one: what is
 * kept then goes first. The mutator's type is the core's own, so its layout is repeated here,
 * and only for the one version that it was read from (1.51:
 * src/core/lib/iomgr/socket_mutator.h): with another one no socket is known, and every message
 * goes as the core writes it. */
#include "mesh/core_private.h"

#include <errno.h>
#include <grpc/support/sync.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SOCKETS_MAX = 1024,   /* by number; those above are written at once */
    KEPT_MAX = 32 * 1024, /* bytes of a socket; what does not fit goes at once, behind them */
    USAGE_SERVER_LISTENER = 1 /* grpc_fd_usage; 0 a client's connection, 2 a server's */
};

/* A number that was once a socket of the core's. Made once, used again for the next of that
 * number. The core may write to one socket from several threads in turn: hence the lock. */
struct mesh_kept {
    pthread_mutex_t lock;
    int fd;
    bool open;              /* it is the core's */
    bool listed;            /* in a row */
    struct mesh_kept *next; /* in it */
    size_t count;
    char bytes[KEPT_MAX];
};

static _Atomic(struct mesh_kept *) sockets[SOCKETS_MAX];
static _Thread_local struct mesh_row *gathering; /* this thread's; NULL: it writes at once */

/* libc's functions, below our own of the same names */
static ssize_t send_now(int fd, const struct msghdr *message, int flags)
{
    return syscall(SYS_sendmsg, fd, message, flags);
}

static struct mesh_kept *kept_of(int fd)
{
    return fd >= 0 && fd < SOCKETS_MAX
               ? atomic_load_explicit(&sockets[fd], memory_order_acquire)
               : NULL;
}

/* -- one socket; the caller holds its lock --------------------------------- */

/* False: some are left, errno says why. */
static bool send_kept(struct mesh_kept *kept)
{
    size_t sent = 0;
    while (sent < kept->count) {
        struct iovec rest = {kept->bytes + sent, kept->count - sent};
        struct msghdr message = {.msg_iov = &rest, .msg_iovlen = 1};
        ssize_t n = send_now(kept->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            kept->count = 0; /* the connection is broken; the core reads that from it */
        if (n < 0)
            break;
        sent += (size_t)n;
    }
    if (sent < kept->count)
        memmove(kept->bytes, kept->bytes + sent, kept->count - sent);
    kept->count -= sent < kept->count ? sent : kept->count;
    return kept->count == 0;
}

static bool fits(const struct mesh_kept *kept, const struct msghdr *message, size_t *ret_bytes)
{
    *ret_bytes = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        *ret_bytes += message->msg_iov[i].iov_len;
    return message->msg_controllen == 0 && *ret_bytes <= KEPT_MAX - kept->count;
}

static void keep(struct mesh_kept *kept, const struct msghdr *message)
{
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        const struct iovec *part = &message->msg_iov[i];
        memcpy(kept->bytes + kept->count, part->iov_base, part->iov_len);
        kept->count += part->iov_len;
    }
    if (kept->listed)
        return;
    kept->listed = true;
    kept->next = gathering->first;
    gathering->first = kept;
}

static ssize_t send_or_keep(struct mesh_kept *kept, const struct msghdr *message, int flags)
{
    size_t bytes;
    if (kept->open && gathering != NULL && fits(kept, message, &bytes)) {
        keep(kept, message);
        return (ssize_t)bytes;
    }
    if (!send_kept(kept))
        return -1; /* EAGAIN: the core waits until the socket takes more, and tries again */
    return send_now(kept->fd, message, flags);
}

/* -- in libc's place ------------------------------------------------------ */

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct mesh_kept *kept = kept_of(fd);
    if (kept == NULL)
        return send_now(fd, message, flags);
    pthread_mutex_lock(&kept->lock);
    ssize_t sent = send_or_keep(kept, message, flags);
    int error = errno;
    pthread_mutex_unlock(&kept->lock);
    errno = error;
    return sent;
}

int shutdown(int fd, int how)
{
    struct mesh_kept *kept = kept_of(fd);
    if (kept != NULL) {
        pthread_mutex_lock(&kept->lock);
        (void)send_kept(
            kept); /* what it does not take now is lost, as in the kernel's buffer */
        kept->count = 0;
        kept->open = false;
        pthread_mutex_unlock(&kept->lock);
    }
    return (int)syscall(SYS_shutdown, fd, how);
}

/* -- a row ---------------------------------------------------------------- */

void mesh_gather(struct mesh_row *row)
{
    gathering = row;
}

/* What has no room yet stays in the row, if it may. */
static void leave(struct mesh_row *row, bool may_stay)
{
    struct mesh_kept *all = row->first;
    row->first = NULL;
    while (all != NULL) {
        struct mesh_kept *kept = all;
        pthread_mutex_lock(&kept->lock);
        all = kept->next;
        kept->listed = !send_kept(kept) && may_stay;
        if (kept->listed) {
            kept->next = row->first;
            row->first = kept;
        }
        pthread_mutex_unlock(&kept->lock);
    }
}

bool mesh_gather_end(struct mesh_row *row)
{
    gathering = NULL;
    if (row->first != NULL)
        leave(row, true);
    return row->first == NULL;
}

void mesh_gather_done(struct mesh_row *row)
{
    leave(row, false);
}

/* -- as the core sees it -------------------------------------------------- */

struct socket_info { /* grpc_mutate_socket_info */
    int fd;
    int usage;
};

struct mutator;
struct mutator_table { /* grpc_socket_mutator_vtable */
    bool (*mutate_old)(int fd, struct mutator *mutator);
    int (*compare)(struct mutator *a, struct mutator *b);
    void (*destroy)(struct mutator *mutator);
    bool (*mutate)(const struct socket_info *info, struct mutator *mutator);
};

struct mutator { /* grpc_socket_mutator */
    const struct mutator_table *table;
    gpr_refcount refs;
};

static struct mesh_kept *add(int fd)
{
    struct mesh_kept *kept = calloc(1, sizeof(*kept)), *other = NULL;
    if (kept == NULL)
        return NULL;
    kept->fd = fd;
    pthread_mutex_init(&kept->lock, NULL);
    if (atomic_compare_exchange_strong(&sockets[fd], &other, kept))
        return kept;
    pthread_mutex_destroy(&kept->lock);
    free(kept);
    return other;
}

void mesh_gather_from(int fd)
{
    struct mesh_kept *kept = kept_of(fd);
    if (kept == NULL && fd >= 0 && fd < SOCKETS_MAX)
        kept = add(fd);
    if (kept == NULL)
        return;
    pthread_mutex_lock(&kept->lock);
    kept->open = true;
    kept->count = 0; /* of a socket of that number that is gone */
    pthread_mutex_unlock(&kept->lock);
}

static bool mutate(const struct socket_info *info, struct mutator *mutator)
{
    (void)mutator;
    if (info->usage != USAGE_SERVER_LISTENER)
        mesh_gather_from(info->fd);
    return true;
}

static bool mutate_old(int fd, struct mutator *mutator)
{
    (void)fd;
    (void)mutator;
    return true;
}

static int compare(struct mutator *a, struct mutator *b)
{
    return (a > b) - (a < b);
}

static void destroy(struct mutator *mutator) /* ours is never given up */
{
    (void)mutator;
}

static void *copy_arg(void *mutator)
{
    return mutator;
}

static void drop_arg(void *mutator)
{
    (void)mutator;
}

static int compare_args(void *a, void *b)
{
    return compare(a, b);
}

bool mesh_gather_known(void)
{
    static const char known[] = "29."; /* the core of 1.51 */
    return strncmp(grpc_version_string(), known, sizeof(known) - 1) == 0;
}

grpc_arg mesh_gather_arg(void)
{
    static const grpc_arg_pointer_vtable arg_table = {copy_arg, drop_arg, compare_args};
    static const struct mutator_table table = {mutate_old, compare, destroy, mutate};
    static struct mutator mutator = {.table = &table, .refs = {1}};
    grpc_arg arg = {.type = GRPC_ARG_POINTER,
                    .key = (char *)(uintptr_t)GRPC_ARG_SOCKET_MUTATOR};
    arg.value.pointer.p = &mutator;
    arg.value.pointer.vtable = &arg_table;
    return arg;
}
