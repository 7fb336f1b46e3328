/* Whose task a call may name: its tenant's, an admin's call any tenant's.
 *
 * Goal: what an admin sees in a list can be looked at, read and ended by its id; to everybody
 * else another tenant's task is not there, in the same words as one that never was. Method:
 * calls of one task by principals of both kinds, in memory, stored, and not recorded yet. */
#include "base/clock.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct bench bench;

static struct mesh_principal owner, stranger, admin;

static int setup(void **state)
{
    (void)state;
    owner = (struct mesh_principal){AION_STR("acme"), AION_STR("owner"), AION_STR("k1"),
                                    MESH_ROLE_USER};
    stranger = (struct mesh_principal){AION_STR("other"), AION_STR("stranger"), AION_STR("k2"),
                                       MESH_ROLE_MANAGER};
    admin = (struct mesh_principal){AION_STR("default"), AION_STR("admin"), AION_STR("k3"),
                                    MESH_ROLE_ADMIN};
    bench_start(&bench);
    bench_attach(&bench, 0, 4, NULL, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_stop(&bench);
    return 0;
}

static const char nowhere[] = "01a214d5-6f83-70ae-9cd6-0bed6b7252ea";

/* What an answer to a stranger says of a task, without the id. */
static void assert_not_there(const char *task_id)
{
    assert_int_equal(bench.err.code, AION_NOT_FOUND);
    assert_string_equal(bench.err.reason, "TASK_NOT_FOUND");
    const char *at = strstr(bench.err.text, task_id);
    assert_non_null(at);
    assert_string_equal(at + strlen(task_id), "");
}

static void hang_up(void)
{
    if (bench.stream != NULL)
        mesh_rpc_cancel(bench.stream);
    bench_until(&bench, bench.stream == NULL);
}

static const ProtobufCMessage *ack(const char *task_id)
{
    Aion__V1__AckStreamRequest request = AION__V1__ACK_STREAM_REQUEST__INIT;
    request.task_id = aion_arena_text(&bench.arena, aion_str_of(task_id));
    request.cursor = 1;
    return bench_call(&bench, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_ACK_STREAM],
                      &request.base);
}

static void assert_nothing_is_there(const char *task_id)
{
    assert_null(bench_get(&bench, task_id));
    assert_not_there(task_id);
    assert_null(bench_status(&bench, task_id));
    assert_not_there(task_id);
    assert_null(bench_cancel(&bench, task_id));
    assert_not_there(task_id);
    assert_null(ack(task_id));
    assert_not_there(task_id);
    bench_stream(&bench, task_id, 0);
    bench_until(&bench, bench.stream_closed);
    bench.err = bench.stream_err;
    assert_not_there(task_id);
    bench_watch(&bench, task_id, 0, 0);
    bench_until(&bench, bench.closed_code >= 0);
    assert_int_equal(bench.closed_code, AION_NOT_FOUND);
    assert_int_equal(bench.chunks, 0);
    hang_up();
}

/* A task of the owner's that its host has begun, with one part of its output. */
static struct bench_word begin(const char **ret_id)
{
    bench.as = &owner;
    struct bench_word word = *bench_begin(&bench, NULL, ret_id);
    bench_chunk(&bench.hosts[0], &word, 1, "part");
    bench_until(&bench, bench_status(&bench, *ret_id)->cursor == 1);
    return word;
}

static void assert_it_is_there(const char *task_id)
{
    assert_string_equal(bench_get(&bench, task_id)->tenant, "acme");
    assert_string_equal(bench_status(&bench, task_id)->task_id, task_id);
    bench_stream(&bench, task_id, 0);
    bench_until(&bench, bench.chunks == 1);
    assert_string_equal(bench.text, "part");
    hang_up();
    bench_watch(&bench, task_id, 0, 0);
    bench_until(&bench, bench.chunks == 1);
    hang_up();
}

static void another_tenants_task_is_not_there(void **state)
{
    const char *id;
    (void)state;
    struct bench_word word = begin(&id);
    bench.as = &stranger;
    assert_nothing_is_there(id);
    assert_nothing_is_there(nowhere); /* in the same words */
    bench_result(&bench.hosts[0], &word, "done");
    bench.as = &owner;
    bench_until(&bench,
                bench_get(&bench, id)->state == AION__V1__TASK_STATE__TASK_STATE_SUCCEEDED);
    bench.as = &stranger;
    assert_nothing_is_there(id);
    bench_restart_control(&bench); /* out of memory */
    assert_nothing_is_there(id);
    bench.as = NULL;
}

static void an_admin_sees_it_and_may_end_it(void **state)
{
    const char *id;
    (void)state;
    begin(&id);
    bench.hosts[0].obedient = true;
    bench.as = &admin;
    assert_it_is_there(id);
    assert_null(ack(id)); /* what its client has stored only its client knows */
    assert_not_there(id);
    const Aion__V1__Task *task = bench_cancel(&bench, id);
    assert_non_null(task);
    assert_int_equal(task->state, AION__V1__TASK_STATE__TASK_STATE_CANCELLED);
    bench_restart_control(&bench);
    assert_it_is_there(id);
    bench.as = NULL;
}

/* A direct task that runs: it is in memory only. */
static void a_direct_task_is_seen_by_the_same(void **state)
{
    struct mesh_rpc_opts opts = {.principal = &owner};
    struct bench_host *host = &bench.hosts[0];
    (void)state;
    bench.direct = true;
    mesh_unary(bench.channel, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT],
               &bench_waiting_request(&bench, "x", NULL, 30)->base, &opts, bench_ignore, NULL);
    bench_until(&bench, host->executes == 1);
    const char *id = host->executed[0].task_id;
    bench.as = &stranger;
    assert_nothing_is_there(id);
    bench.as = &admin;
    assert_string_equal(bench_get(&bench, id)->tenant, "acme");
    assert_int_equal(bench_get(&bench, id)->state, AION__V1__TASK_STATE__TASK_STATE_RUNNING);
    bench_result(host, &host->executed[0], "done");
    bench_until(&bench, aion_list_empty(&bench.control->directs.open) &&
                            bench.control->directs.unrecorded == 0);
    bench.as = NULL;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(another_tenants_task_is_not_there),
        TEST(an_admin_sees_it_and_may_end_it),
        TEST(a_direct_task_is_seen_by_the_same),
    };
    return cmocka_run_group_tests_name("control whose", tests, NULL, NULL);
}
