/* What the admin port shows: metrics, health, readiness, the core's channelz, spans, the loops,
 * and pages of programs. */
#include "base/metric.h"
#include "mesh/admin_private.h"
#include "mesh/core_private.h"
#include "mesh/trace_private.h"

#include <string.h>

enum { BODY_MAX = 32 * 1024 * 1024 };

static const char text_type[] = "text/plain; charset=utf-8";
static const char json_type[] = "application/json";

/* -- built-in pages ------------------------------------------------------- */

static int show_metrics(struct mesh_admin *admin, aion_str query, struct aion_buf *out)
{
    (void)admin;
    (void)query;
    aion_metric_render(out);
    return 200;
}

static int show_health(struct mesh_admin *admin, aion_str query, struct aion_buf *out)
{
    (void)admin;
    (void)query;
    aion_buf_text(out, "ok\n");
    return 200;
}

static int show_ready(struct mesh_admin *admin, aion_str query, struct aion_buf *out)
{
    (void)query;
    pthread_mutex_lock(&admin->lock);
    bool ready = admin->ready;
    aion_buf_text(out, ready ? "ready" : admin->reason);
    pthread_mutex_unlock(&admin->lock);
    aion_buf_char(out, '\n');
    return ready ? 200 : 503;
}

static int show_spans(struct mesh_admin *admin, aion_str query, struct aion_buf *out)
{
    (void)admin;
    (void)query;
    mesh_spans_write(out);
    return 200;
}

static int show_loops(struct mesh_admin *admin, aion_str query, struct aion_buf *out)
{
    (void)admin;
    (void)query;
    mesh_loops_write(out);
    return 200;
}

/* Adds a JSON text of the core and frees it; NULL (nothing by that number) adds null. */
static bool add_core_json(struct aion_buf *out, char *json)
{
    aion_buf_text(out, json != NULL ? json : "null");
    bool found = json != NULL;
    gpr_free(json);
    return found;
}

static char *server_sockets(intptr_t id)
{
    return grpc_channelz_get_server_sockets(id, 0, 0);
}

/* Without a query the top level; "?channel=3", "?subchannel=", "?socket=", "?server=",
 * "?server_sockets=" one of them. */
static int show_channelz(struct mesh_admin *admin, aion_str query, struct aion_buf *out)
{
    static const struct {
        const char *name;
        char *(*get)(intptr_t id);
    } kinds[] = {
        {"channel", grpc_channelz_get_channel}, {"subchannel", grpc_channelz_get_subchannel},
        {"socket", grpc_channelz_get_socket},   {"server", grpc_channelz_get_server},
        {"server_sockets", server_sockets},
    };
    (void)admin;
    aion_str value = query, name = aion_str_cut(&value, '=');
    uint64_t id;
    for (size_t i = 0; i < aion_countof(kinds); i++)
        if (aion_str_is(name, kinds[i].name) && aion_str_u64(value, &id) && id <= INT32_MAX)
            return add_core_json(out, kinds[i].get((intptr_t)id)) ? 200 : 404;
    aion_buf_text(out, "{\"servers\":");
    add_core_json(out, grpc_channelz_get_servers(0));
    aion_buf_text(out, ",\"channels\":");
    add_core_json(out, grpc_channelz_get_top_channels(0));
    aion_buf_text(out, "}\n");
    return 200;
}

static const struct built_in {
    const char *path, *content_type;
    int (*show)(struct mesh_admin *admin, aion_str query, struct aion_buf *out);
} built_ins[] = {
    {"/metrics", "application/openmetrics-text; version=1.0.0; charset=utf-8", show_metrics},
    {"/healthz", text_type, show_health},
    {"/readyz", text_type, show_ready},
    {"/debug/channelz", json_type, show_channelz},
    {"/debug/spans", json_type, show_spans},
    {"/debug/loop", json_type, show_loops},
};

/* -- routing -------------------------------------------------------------- */

/* A copy, so that the page is written without the lock. */
static bool find_page(struct mesh_admin *admin, aion_str path, struct mesh_admin_page *ret_page)
{
    bool found = false;
    pthread_mutex_lock(&admin->lock);
    for (size_t i = 0; i < admin->page_count && !found; i++)
        if (aion_str_is(path, admin->pages[i].path)) {
            *ret_page = admin->pages[i];
            found = true;
        }
    pthread_mutex_unlock(&admin->lock);
    return found;
}

static int write_body(struct mesh_admin *admin, const struct http1_head *head,
                      struct aion_buf *body, const char **ret_type)
{
    struct mesh_admin_page page;
    for (size_t i = 0; i < aion_countof(built_ins); i++)
        if (aion_str_is(head->path, built_ins[i].path)) {
            *ret_type = built_ins[i].content_type;
            return built_ins[i].show(admin, head->query, body);
        }
    if (find_page(admin, head->path, &page)) {
        *ret_type = page.content_type;
        return page.write(page.user, body);
    }
    *ret_type = text_type;
    aion_buf_text(body, "no such page\n");
    return 404;
}

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 503:
        return "Service Unavailable";
    default:
        return status < 500 ? "Bad Request" : "Server Error";
    }
}

static void write_answer(struct aion_buf *out, int status, const char *type, aion_str body,
                         bool with_body)
{
    aion_buf_printf(out,
                    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
                    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                    "Connection: close\r\n\r\n",
                    status, reason_of(status), type, body.size,
                    status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (with_body)
        aion_buf_str(out, body);
}

void mesh_admin_refuse(int status, const char *why, struct aion_buf *out)
{
    char body[256];
    int size = snprintf(body, sizeof(body), "%s\n", why);
    write_answer(out, status, text_type, aion_str_n(body, (size_t)size), true);
}

void mesh_admin_answer(struct mesh_admin *admin, const struct http1_head *head,
                       struct aion_buf *out)
{
    bool get = aion_str_is(head->method, "GET");
    if (!get && !aion_str_is(head->method, "HEAD")) {
        mesh_admin_refuse(405, "only GET and HEAD are served here", out);
        return;
    }
    struct aion_buf body;
    const char *type;
    aion_buf_init(&body, BODY_MAX);
    int status = write_body(admin, head, &body, &type);
    if (body.overflow)
        mesh_admin_refuse(500, "the page is too large", out);
    else
        write_answer(out, status, type, aion_buf_view(&body), get);
    aion_buf_done(&body);
}
