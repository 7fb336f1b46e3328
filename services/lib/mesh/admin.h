/* The admin port: plain HTTP/1.1 on loopback for scrapers, probes and people.
 *
 * GET /metrics (OpenMetrics), /healthz (200 while the process lives), /readyz (200 when ready,
 * else 503 and the reason), /debug/channelz, /debug/spans, /debug/loop. One thread of its own;
 * bounded connections, heads and time. */
#ifndef MESH_ADMIN_H
#define MESH_ADMIN_H

#include "base/buf.h"
#include "base/err.h"

struct mesh_admin;

struct mesh_admin_page {
    const char *path; /* "/debug/queues" */
    const char *content_type;
    /* Writes the body; runs on the admin thread. Returns the HTTP status. */
    int (*write)(void *user, struct aion_buf *out);
    void *user;
};

/* listen "127.0.0.1:8101", port 0 = the kernel's choice. EXISTS: in use. */
struct mesh_admin *mesh_admin_start(const char *listen, struct aion_err *err);
int mesh_admin_port(const struct mesh_admin *admin);
/* Ready or not, with the reason shown by /readyz; reason is copied. Any thread. */
void mesh_admin_ready(struct mesh_admin *admin, bool ready, const char *reason);
/* Adds a page; at most 16. */
void mesh_admin_page(struct mesh_admin *admin, const struct mesh_admin_page *page);
void mesh_admin_stop(struct mesh_admin *admin); /* joins; NULL fine */

#endif
