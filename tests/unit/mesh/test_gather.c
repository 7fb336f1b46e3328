/* Goal: what is written during a row leaves together and in order, nothing is held up or lost,
 * and no other file's number is touched. Method: system calls are wrapped and those that send
 * are counted; bare sockets for the order of bytes, a server and a client for whole calls. */
#include "fixture.h"

#include "mesh/core_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

enum { BURST = 200, LARGE = 40 * 1024 };

static atomic_uint sends;

long __wrap_syscall(long number, ...)
{
    long a[4];
    va_list list;
    va_start(list, number);
    for (size_t i = 0; i < aion_countof(a); i++)
        a[i] = va_arg(list, long);
    va_end(list);
    sends += number == SYS_sendmsg;
    return __real_syscall(number, a[0], a[1], a[2], a[3]);
}

/* -- bare sockets --------------------------------------------------------- */

static int ends[2]; /* what is written to the first is read from the second */
static struct mesh_row row;

static int connect_pair(void **state)
{
    (void)state;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
        return -1;
    mesh_gather_from(ends[0]);
    sends = 0;
    return 0;
}

static int part_pair(void **state)
{
    (void)state;
    mesh_gather_done(&row);
    shutdown(ends[0], SHUT_RDWR);
    return close(ends[0]) != 0 || close(ends[1]) != 0;
}

static ssize_t put(const char *bytes, size_t count)
{
    struct iovec part = {(char *)(uintptr_t)bytes, count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return sendmsg(ends[0], &message, MSG_NOSIGNAL);
}

static void say(const char *text)
{
    assert_int_equal(put(text, strlen(text)), strlen(text));
}

static void assert_arrived(const char *text)
{
    char got[64] = {0};
    ssize_t n = read(ends[1], got, sizeof(got) - 1);
    if (*text == '\0')
        assert_true(n < 0 && errno == EAGAIN);
    assert_string_equal(got, text);
}

static void outside_of_a_row_a_message_goes_at_once(void **state)
{
    (void)state;
    say("a");
    assert_arrived("a");
}

static void messages_of_a_row_leave_together_at_its_end(void **state)
{
    (void)state;
    mesh_gather(&row);
    say("a");
    say("bc");
    say("d");
    assert_arrived("");
    assert_true(mesh_gather_end(&row));
    assert_arrived("abcd");
    assert_int_equal(sends, 1);
    say("e");
    assert_arrived("e");
}

static void what_does_not_fit_goes_behind_what_is_kept(void **state)
{
    char *large = calloc(1, LARGE), *got = calloc(1, LARGE + 2);
    (void)state;
    memset(large, 'x', LARGE);
    mesh_gather(&row);
    say("a");
    assert_int_equal(put(large, LARGE), LARGE);
    assert_int_equal(read(ends[1], got, LARGE + 2), LARGE + 1);
    assert_int_equal(got[0], 'a');
    assert_memory_equal(got + 1, large, LARGE);
    say("b");
    assert_true(mesh_gather_end(&row));
    assert_arrived("b");
    free(large);
    free(got);
}

static void *say_from_another_thread(void *text)
{
    say(text);
    return NULL;
}

static void another_threads_message_goes_behind_what_is_kept(void **state)
{
    pthread_t thread;
    (void)state;
    mesh_gather(&row);
    say("a");
    assert_int_equal(pthread_create(&thread, NULL, say_from_another_thread, (char[]){"b"}), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_arrived("ab");
    assert_true(mesh_gather_end(&row));
    assert_arrived("");
}

/* Each byte of the stream is its place's number. */
static size_t put_places(size_t at, size_t count)
{
    char bytes[1000];
    for (size_t i = 0; i < count; i++)
        bytes[i] = (char)(at + i);
    ssize_t n = put(bytes, count);
    if (n < 0)
        assert_int_equal(errno, EAGAIN);
    return n < 0 ? 0 : (size_t)n;
}

static size_t take_places(size_t at)
{
    char bytes[4096];
    size_t taken = 0;
    ssize_t n;
    while ((n = read(ends[1], bytes, sizeof(bytes))) > 0)
        for (ssize_t i = 0; i < n; i++, taken++)
            assert_int_equal(bytes[i], (char)(at + taken));
    return taken;
}

static void a_peer_that_takes_no_more_loses_nothing(void **state)
{
    size_t written = 0, read_so_far = 0;
    unsigned refused = 0;
    (void)state;
    for (int i = 0; i < 1000; i++) { /* a megabyte; the sockets and we hold less */
        mesh_gather(&row);
        size_t n = put_places(written, 1000);
        refused += n == 0;
        written += n;
        mesh_gather_end(&row);
    }
    assert_true(refused > 0);
    assert_false(mesh_gather_end(&row));
    while (read_so_far < written) {
        size_t n = take_places(read_so_far);
        assert_true(n > 0);
        read_so_far += n;
        mesh_gather_end(&row);
    }
    assert_int_equal(read_so_far, written);
    assert_true(mesh_gather_end(&row));
}

static void before_a_socket_is_shut_it_is_given_what_is_kept(void **state)
{
    (void)state;
    mesh_gather(&row);
    say("last words");
    assert_int_equal(shutdown(ends[0], SHUT_RDWR), 0);
    assert_arrived("last words");
    assert_int_equal(put("x", 1), -1);
    assert_int_equal(errno, EPIPE);
    assert_true(mesh_gather_end(&row));
}

static void a_broken_connection_is_told_to_the_next_who_writes(void **state)
{
    (void)state;
    mesh_gather(&row);
    say("a");
    shutdown(ends[1], SHUT_RDWR);
    assert_true(mesh_gather_end(&row)); /* nobody to keep it for, and no SIGPIPE */
    assert_int_equal(put("b", 1), -1);
    assert_int_equal(errno, EPIPE);
}

static void a_file_that_got_a_closed_sockets_number_is_let_alone(void **state)
{
    int other[2];
    (void)state;
    mesh_gather(&row);
    say("a");
    shutdown(ends[0], SHUT_RDWR);
    assert_arrived("a");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, other), 0);
    assert_int_equal(dup2(other[0], ends[0]), ends[0]);
    assert_int_equal(dup2(other[1], ends[1]), ends[1]);
    close(other[0]);
    close(other[1]);
    say("b");
    assert_arrived("b"); /* at once */
    assert_true(mesh_gather_end(&row));
    mesh_gather_from(ends[0]); /* and when that is the core's again, it is gathered from */
    mesh_gather(&row);
    say("c");
    assert_arrived("");
    assert_true(mesh_gather_end(&row));
    assert_arrived("c");
}

/* -- whole calls ---------------------------------------------------------- */

static struct fixture fixture;
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

static void calls_at_once_need_fewer_sends_than_messages(void **state)
{
    Mesh__Test__Msg request = MESH__TEST__MSG__INIT;
    (void)state;
    request.text = (char *)(uintptr_t) "x";
    fixture_start(&fixture, NULL, NULL);
    fixture_unary(&fixture, MESH_TEST_ECHO_UNARY, "hello", NULL); /* connects */
    done = 0;
    fixture.finished = false;
    sends = 0;
    for (int i = 0; i < BURST; i++)
        mesh_unary(fixture.channel, fixture_method(MESH_TEST_ECHO_UNARY), &request.base, NULL,
                   on_done, NULL);
    fixture_run_until(&fixture, &fixture.finished);
    assert_in_range(sends, 2, BURST + BURST / 2); /* a request each, started outside of a row */
    fixture_stop(&fixture);
}

static void calls_one_by_one_need_one_send_a_message(void **state)
{
    (void)state;
    fixture_start(&fixture, NULL, NULL);
    fixture_unary(&fixture, MESH_TEST_ECHO_UNARY, "hello", NULL);
    sends = 0;
    for (int i = 0; i < 50; i++)
        fixture_unary(&fixture, MESH_TEST_ECHO_UNARY, "x", NULL);
    assert_in_range(sends, 100, 150); /* and now and then the transport's own */
    fixture_stop(&fixture);
}

#define bare(test) cmocka_unit_test_setup_teardown(test, connect_pair, part_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        bare(outside_of_a_row_a_message_goes_at_once),
        bare(messages_of_a_row_leave_together_at_its_end),
        bare(what_does_not_fit_goes_behind_what_is_kept),
        bare(another_threads_message_goes_behind_what_is_kept),
        bare(a_peer_that_takes_no_more_loses_nothing),
        bare(before_a_socket_is_shut_it_is_given_what_is_kept),
        bare(a_broken_connection_is_told_to_the_next_who_writes),
        bare(a_file_that_got_a_closed_sockets_number_is_let_alone),
        cmocka_unit_test(calls_at_once_need_fewer_sends_than_messages),
        cmocka_unit_test(calls_one_by_one_need_one_send_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
