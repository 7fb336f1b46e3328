/* Goal: the admin port answers scrapers and probes, and survives whoever else knocks. Method: a
 * raw socket. */
#include "base/metric.h"
#include "mesh/admin.h"
#include "mesh/loop.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const struct aion_metric_family test_family = {
    .name = "aion_test_things", .help = "Things.", .kind = AION_COUNTER};

static int start(void **state)
{
    struct aion_err err;
    *state = mesh_admin_start("127.0.0.1:0", &err);
    return *state != NULL ? 0 : -1;
}

static int stop(void **state)
{
    mesh_admin_stop(*state);
    return 0;
}

static int connect_to(const struct mesh_admin *admin)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)mesh_admin_port(admin)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Everything until the close; NUL-terminated. */
static char *read_all(int fd)
{
    size_t size = 0, room = 1 << 20;
    char *text = malloc(room);
    ssize_t n;
    while ((n = read(fd, text + size, room - size - 1)) > 0)
        size += (size_t)n;
    text[size] = '\0';
    close(fd);
    return text;
}

static char *ask(const struct mesh_admin *admin, const char *request)
{
    int fd = connect_to(admin);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL),
                     (ssize_t)strlen(request));
    return read_all(fd);
}

static char *get(const struct mesh_admin *admin, const char *path)
{
    char request[256];
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    return ask(admin, request);
}

static void expect(char *answer, const char *begin, const char *part)
{
    if (strncmp(answer, begin, strlen(begin)) != 0 || strstr(answer, part) == NULL)
        fail_msg("no \"%s\" with \"%s\" in: %s", begin, part, answer);
    free(answer);
}

static void metrics_are_openmetrics(void **state)
{
    aion_metric_add(aion_metric(&test_family), 7);
    char *answer = get(*state, "/metrics");
    assert_non_null(
        strstr(answer, "Content-Type: application/openmetrics-text; version=1.0.0"));
    assert_non_null(strstr(answer, "aion_test_things_total 7\n"));
    size_t size = strlen(answer);
    assert_string_equal(answer + size - 6, "# EOF\n");
    free(answer);
}

static void health_is_ok_while_the_process_lives(void **state)
{
    expect(get(*state, "/healthz"), "HTTP/1.1 200 ", "\r\n\r\nok\n");
}

static void readiness_names_its_reason(void **state)
{
    expect(get(*state, "/readyz"), "HTTP/1.1 503 ", "\r\n\r\nstarting\n");
    mesh_admin_ready(*state, true, NULL);
    expect(get(*state, "/readyz"), "HTTP/1.1 200 ", "\r\n\r\nready\n");
    mesh_admin_ready(*state, false, "no router within 2 s");
    expect(get(*state, "/readyz"), "HTTP/1.1 503 ", "no router within 2 s\n");
}

static void debug_pages_are_json(void **state)
{
    struct aion_err err;
    struct mesh_loop *loop = mesh_loop_new(NULL, &err);
    expect(get(*state, "/debug/loop"), "HTTP/1.1 200 ", "\"threads_max\":2");
    expect(get(*state, "/debug/spans"), "HTTP/1.1 200 ", "{\"spans\":[");
    expect(get(*state, "/debug/channelz"), "HTTP/1.1 200 ", "{\"servers\":");
    expect(get(*state, "/debug/channelz?channel=999999"), "HTTP/1.1 404 ", "null");
    expect(get(*state, "/debug/channelz?channel=x"), "HTTP/1.1 200 ", "\"channels\":");
    mesh_loop_free(loop);
}

static int write_page(void *user, struct aion_buf *out)
{
    aion_buf_text(out, user);
    return 200;
}

static void a_program_adds_a_page(void **state)
{
    struct mesh_admin_page page = {"/debug/queues", "application/json", write_page,
                                   (void *)(uintptr_t) "{\"queued\":3}"};
    mesh_admin_page(*state, &page);
    expect(get(*state, "/debug/queues"), "HTTP/1.1 200 ", "\r\n\r\n{\"queued\":3}");
}

static void head_has_no_body(void **state)
{
    expect(ask(*state, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 ",
           "Content-Length: 3\r\n");
    char *answer = ask(*state, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    free(answer);
}

static void what_is_not_there_or_not_allowed_is_refused(void **state)
{
    expect(get(*state, "/nothing"), "HTTP/1.1 404 ", "no such page");
    expect(get(*state, "/../healthz"), "HTTP/1.1 404 ", "no such page");
    expect(ask(*state, "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"),
           "HTTP/1.1 405 ", "Allow: GET, HEAD\r\n");
}

static void bad_requests_get_400_and_a_close(void **state)
{
    static const char *const bad[] = {
        "nonsense\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n\r\n",                       /* no Host */
        "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", /* two */
        "GET /healthz HTTP/1.1\nHost: a\n\n",                  /* bare LF */
        "GET /healthz HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", /* obs-fold */
        "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: "
        "chunked\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect(ask(*state, bad[i]), "HTTP/1.1 400 ", "Connection: close\r\n");
}

static void a_head_that_never_ends_is_refused(void **state)
{
    char request[9000] = "GET /healthz HTTP/1.1\r\nHost: a\r\n";
    size_t size = strlen(request);
    while (size + 1 < sizeof(request)) /* 60 fields, each short, none the last */
        size += (size_t)snprintf(request + size, sizeof(request) - size, "X: %0180d\r\n", 0);
    expect(ask(*state, request), "HTTP/1.1 431 ", "too large");
}

static void silent_connections_do_not_keep_others_out(void **state)
{
    int silent[200];
    for (int i = 0; i < 200; i++)
        silent[i] = connect_to(*state);
    expect(get(*state, "/healthz"), "HTTP/1.1 200 ", "ok");
    for (int i = 0; i < 200; i++)
        close(silent[i]);
}

static void a_request_in_pieces_is_one_request(void **state)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    int fd = connect_to(*state);
    for (size_t i = 0; i + 1 < sizeof(request); i++)
        assert_int_equal(send(fd, request + i, 1, MSG_NOSIGNAL), 1);
    expect(read_all(fd), "HTTP/1.1 200 ", "ok");
}

static void a_port_in_use_or_a_bad_address_is_a_clear_error(void **state)
{
    struct aion_err err;
    char listen[64];
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", mesh_admin_port(*state));
    assert_null(mesh_admin_start(listen, &err));
    assert_int_equal(err.code, AION_EXISTS);
    assert_non_null(strstr(err.text, listen));
    static const char *const bad[] = {"",       "127.0.0.1", "127.0.0.1:70000", "somewhere:1",
                                      "[::1:2", "1:x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(mesh_admin_start(bad[i], &err));
        assert_int_equal(err.code, AION_INVALID);
    }
}

#define test_of(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_of(metrics_are_openmetrics),
        test_of(health_is_ok_while_the_process_lives),
        test_of(readiness_names_its_reason),
        test_of(debug_pages_are_json),
        test_of(a_program_adds_a_page),
        test_of(head_has_no_body),
        test_of(what_is_not_there_or_not_allowed_is_refused),
        test_of(bad_requests_get_400_and_a_close),
        test_of(a_head_that_never_ends_is_refused),
        test_of(silent_connections_do_not_keep_others_out),
        test_of(a_request_in_pieces_is_one_request),
        test_of(a_port_in_use_or_a_bad_address_is_a_clear_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
