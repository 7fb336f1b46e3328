/* The admin port: admin.c (thread, connections) and admin_pages.c (what is shown). */
#ifndef MESH_ADMIN_PRIVATE_H
#define MESH_ADMIN_PRIVATE_H

#include "http1/head.h"
#include "mesh/admin.h"

#include <pthread.h>

enum {
    MESH_ADMIN_PAGES_MAX = 16,
    MESH_ADMIN_CONNS_MAX = 64,
    MESH_ADMIN_REASON_SIZE = 256,
};

/* One connection serves one request: read the head, write the answer, wait for the peer's
 * close. */
struct mesh_admin_conn {
    int fd; /* -1 = free */
    enum mesh_admin_state { ADMIN_READING, ADMIN_WRITING, ADMIN_CLOSING } state;
    int64_t deadline_us; /* of the state; monotonic */
    struct aion_buf in, out;
    size_t scanned, sent;
};

struct mesh_admin {
    int listen_fd, wake_fd, port;
    pthread_t thread;
    struct mesh_admin_conn conns[MESH_ADMIN_CONNS_MAX]; /* the thread's own */

    pthread_mutex_t lock; /* guards what follows */
    bool ready;
    char reason[MESH_ADMIN_REASON_SIZE];
    struct mesh_admin_page pages[MESH_ADMIN_PAGES_MAX];
    size_t page_count;
};

/* Writes the whole answer to a request (head and body) to `out`; on the admin thread. */
void mesh_admin_answer(struct mesh_admin *admin, const struct http1_head *head,
                       struct aion_buf *out);
/* The answer to what is no good request. */
void mesh_admin_refuse(int status, const char *why, struct aion_buf *out);

#endif
