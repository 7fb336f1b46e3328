/* Many small replies leave as few packets.
 *
 * The core writes each reply to its socket by itself, and the kernel makes a packet of each.
 * While a long row of completions is being handled the loop's sockets are corked (TCP_CORK):
 * what is written gathers in the kernel and leaves together when the row is over. Measured at
 * 128 calls at once: an eighth of the server's CPU, and the client is woken less often.
 *
 * The sockets are the core's; it shows each to its "socket mutator" (GRPC_ARG_SOCKET_MUTATOR)
 * before use. The type is the core's own, so its layout is repeated here, and only for the one
 * version that it was read from (1.51: src/core/lib/iomgr/socket_mutator.h): with another one
 * nothing is corked. The core never says that a socket is gone: its number may be another
 * file's by now, so it is compared by inode before it is touched. */
#include "mesh/core_private.h"

#include <errno.h>
#include <grpc/support/sync.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum {
    SOCKETS_MAX = 16,         /* beyond: those are not corked */
    USAGE_SERVER_LISTENER = 1 /* grpc_fd_usage; 0 a client's connection, 2 a server's */
};

struct socket_info { /* grpc_mutate_socket_info */
    int fd;
    int usage;
};

struct mutator_table { /* grpc_socket_mutator_vtable */
    bool (*mutate_old)(int fd, struct mesh_cork *cork);
    int (*compare)(struct mesh_cork *a, struct mesh_cork *b);
    void (*destroy)(struct mesh_cork *cork);
    bool (*mutate)(const struct socket_info *info, struct mesh_cork *cork);
};

struct mesh_cork {
    const struct mutator_table *table; /* these two are the core's part: grpc_socket_mutator */
    gpr_refcount refs;
    pthread_mutex_t lock; /* the core shows sockets on threads of its own */
    struct {
        int fd;
        ino_t inode;
    } sockets[SOCKETS_MAX];
    atomic_size_t count; /* written under the lock */
};

/* -- the sockets ---------------------------------------------------------- */

static bool inode_of(int fd, ino_t *ret_inode)
{
    struct stat about;
    bool good = fstat(fd, &about) == 0 && S_ISSOCK(about.st_mode);
    *ret_inode = good ? about.st_ino : 0;
    return good;
}

/* Caller holds the lock. */
static void forget_closed(struct mesh_cork *cork)
{
    size_t kept = 0;
    for (size_t i = 0; i < cork->count; i++) {
        ino_t inode;
        if (inode_of(cork->sockets[i].fd, &inode) && inode == cork->sockets[i].inode)
            cork->sockets[kept++] = cork->sockets[i];
    }
    cork->count = kept;
}

static bool mutate(const struct socket_info *info, struct mesh_cork *cork)
{
    ino_t inode;
    if (info->usage == USAGE_SERVER_LISTENER || !inode_of(info->fd, &inode))
        return true;
    pthread_mutex_lock(&cork->lock);
    forget_closed(cork);
    if (cork->count < SOCKETS_MAX) {
        cork->sockets[cork->count].fd = info->fd;
        cork->sockets[cork->count++].inode = inode;
    }
    pthread_mutex_unlock(&cork->lock);
    return true;
}

void mesh_cork_set(struct mesh_cork *cork, bool corked)
{
    int value = corked;
    if (cork == NULL)
        return;
    pthread_mutex_lock(&cork->lock);
    if (corked)
        forget_closed(cork);
    for (size_t i = 0; i < cork->count; i++) /* not a TCP socket, just closed: no matter */
        (void)setsockopt(cork->sockets[i].fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
    pthread_mutex_unlock(&cork->lock);
}

size_t mesh_cork_sockets(const struct mesh_cork *cork)
{
    return cork != NULL ? atomic_load_explicit(&cork->count, memory_order_relaxed) : 0;
}

/* -- as the core sees it -------------------------------------------------- */

static bool mutate_old(int fd, struct mesh_cork *cork)
{
    (void)fd;
    (void)cork;
    return true;
}

static int compare(struct mesh_cork *a, struct mesh_cork *b)
{
    return (a > b) - (a < b);
}

static void destroy(struct mesh_cork *cork)
{
    pthread_mutex_destroy(&cork->lock);
    free(cork);
}

static const struct mutator_table table = {mutate_old, compare, destroy, mutate};

static void *copy_arg(void *cork)
{
    gpr_ref(&((struct mesh_cork *)cork)->refs);
    return cork;
}

static void drop_arg(void *cork)
{
    mesh_cork_free(cork);
}

static int compare_args(void *a, void *b)
{
    return compare(a, b);
}

grpc_arg mesh_cork_arg(struct mesh_cork *cork)
{
    static const grpc_arg_pointer_vtable arg_table = {copy_arg, drop_arg, compare_args};
    grpc_arg arg = {.type = GRPC_ARG_POINTER,
                    .key = (char *)(uintptr_t)GRPC_ARG_SOCKET_MUTATOR};
    arg.value.pointer.p = cork;
    arg.value.pointer.vtable = &arg_table;
    return arg;
}

struct mesh_cork *mesh_cork_new(void)
{
    static const char known[] = "29."; /* the core of 1.51 */
    if (strncmp(grpc_version_string(), known, sizeof(known) - 1) != 0)
        return NULL;
    struct mesh_cork *cork = calloc(1, sizeof(*cork));
    if (cork == NULL)
        return NULL;
    cork->table = &table;
    gpr_ref_init(&cork->refs, 1);
    pthread_mutex_init(&cork->lock, NULL);
    return cork;
}

void mesh_cork_free(struct mesh_cork *cork)
{
    if (cork != NULL && gpr_unref(&cork->refs))
        destroy(cork);
}
