/* Goal: a burst's replies leave together, nothing stays corked, and no other file's number is
 * touched. Method: setsockopt is wrapped and what it is asked for is counted. */
#include "fixture.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);

enum { BURST = 200, FDS_MAX = 256 };

static struct fixture fixture;
static unsigned corks, refused;
static int corked[FDS_MAX]; /* by number */

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    int status = __real_setsockopt(fd, level, name, value, size);
    if (level == IPPROTO_TCP && name == TCP_CORK) {
        assert_in_range(fd, 0, FDS_MAX - 1);
        memcpy(&corked[fd], value, sizeof(corked[fd]));
        corks += (unsigned)corked[fd];
        refused += status != 0 && errno != EBADF; /* closed while corked: no matter */
    }
    return status;
}

static int any_corked(void)
{
    int sum = 0;
    for (int i = 0; i < FDS_MAX; i++)
        sum += corked[i];
    return sum;
}

static unsigned done;

static void on_done(void *user, const struct mesh_result *result)
{
    (void)user;
    if (result->err != NULL)
        fail_msg("%s %s", result->err->text, result->err->detail);
    if (++done == BURST)
        fixture_wake(&fixture);
    fixture.finished = done == BURST;
}

static void burst(void)
{
    Mesh__Test__Msg request = MESH__TEST__MSG__INIT;
    request.text = (char *)(uintptr_t) "x";
    done = 0;
    fixture.finished = false;
    for (int i = 0; i < BURST; i++)
        mesh_unary(fixture.channel, fixture_method(MESH_TEST_ECHO_UNARY), &request.base, NULL,
                   on_done, NULL);
    fixture_run_until(&fixture, &fixture.finished);
}

static void begin(void)
{
    memset(corked, 0, sizeof(corked));
    fixture_start(&fixture, NULL, NULL);
    fixture_unary(&fixture, MESH_TEST_ECHO_UNARY, "hello", NULL); /* connects */
    corks = refused = 0;
}

static void calls_one_by_one_are_not_corked(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < 50; i++)
        fixture_unary(&fixture, MESH_TEST_ECHO_UNARY, "x", NULL);
    assert_int_equal(corks, 0);
    fixture_stop(&fixture);
}

static void a_burst_is_corked_and_let_go(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < 5; i++)
        burst();
    assert_true(corks > 0);
    assert_int_equal(refused, 0);
    assert_int_equal(any_corked(), 0);
    fixture_stop(&fixture);
}

static unsigned connections(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < FDS_MAX; fd++) {
        struct sockaddr_storage peer;
        socklen_t size = sizeof(peer);
        count +=
            getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.ss_family != AF_UNIX;
    }
    return count;
}

static void the_number_of_a_closed_socket_is_forgotten(void **state)
{
    struct aion_err err;
    char target[64];
    (void)state;
    begin();
    burst();
    assert_int_equal(connections(), 2);
    mesh_channel_close(fixture.channel);
    for (int i = 0; i < 2000 && connections() > 0; i++) /* the server's end a little later */
        fixture_step(&fixture);
    assert_int_equal(connections(), 0);
    int pipes[FDS_MAX / 8][2]; /* their numbers are taken by other files */
    for (size_t i = 0; i < aion_countof(pipes); i++)
        assert_int_equal(pipe(pipes[i]), 0);
    snprintf(target, sizeof(target), "127.0.0.1:%d", mesh_server_port(fixture.server));
    struct mesh_channel_conf conf = {.name = "echo", .target = target, .no_health = true};
    fixture.channel = mesh_channel_new(fixture.loop, &conf, &err);
    assert_non_null(fixture.channel);
    corks = 0;
    for (int i = 0; i < 5; i++)
        burst();
    assert_true(corks > 0);
    assert_int_equal(refused, 0); /* ENOTSOCK, had it tried */
    for (size_t i = 0; i < aion_countof(pipes); i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    fixture_stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_one_by_one_are_not_corked),
        cmocka_unit_test(a_burst_is_corked_and_let_go),
        cmocka_unit_test(the_number_of_a_closed_socket_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
