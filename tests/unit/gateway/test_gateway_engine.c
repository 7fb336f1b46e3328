/* Goal: the engine's listener: what it refuses to bind, connections per address, bodies
 * together. */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct gw_app_ops *const ops = &gw_app_ops;

static struct gw_server *open_at(struct gw_loop *loop, const char *listen, struct aion_err *err)
{
    struct gw_server_conf conf = {.listen = listen};
    return gw_server_new(loop, &conf, ops, NULL, err);
}

static void cleartext_off_loopback_is_refused(void **state)
{
    struct aion_err err;
    struct gw_loop *loop = gw_loop_new(&err);
    (void)state;
    assert_null(open_at(loop, "0.0.0.0:0", &err));
    assert_int_equal(err.code, AION_INVALID);
    assert_non_null(strstr(err.text, "loopback"));
    assert_null(open_at(loop, "[::]:0", &err));
    assert_null(open_at(loop, "nonsense", &err));
    assert_null(open_at(loop, "example.org:80", &err));
    gw_loop_free(loop);
}

static void an_address_in_use_says_so(void **state)
{
    struct aion_err err;
    struct gw_loop *loop = gw_loop_new(&err);
    (void)state;
    struct gw_server *first = open_at(loop, "127.0.0.1:0", &err);
    assert_non_null(first);
    assert_null(open_at(loop, gw_server_address(first), &err));
    assert_int_equal(err.code, AION_EXISTS);
    gw_server_free(first);
    gw_loop_free(loop);
}

static void a_missing_certificate_is_named(void **state)
{
    struct aion_err err;
    struct gw_loop *loop = gw_loop_new(&err);
    struct gw_server_conf conf = {.listen = "127.0.0.1:0",
                                  .cert_file = "/nonexistent/c.pem",
                                  .key_file = "/nonexistent/k.pem"};
    (void)state;
    assert_null(gw_server_new(loop, &conf, ops, NULL, &err));
    assert_int_equal(err.code, AION_UNAVAILABLE);
    assert_non_null(strstr(err.text, "/nonexistent/c.pem"));
    gw_loop_free(loop);
}

struct counted {
    struct aion_job job;
    int *order, place;
};

static void count_run(struct aion_job *job)
{
    struct counted *counted = aion_container(job, struct counted, job);
    *counted->order = *counted->order * 10 + counted->place;
}

static void jobs_run_in_the_order_of_posting(void **state)
{
    struct aion_err err;
    struct gw_loop *loop = gw_loop_new(&err);
    int order = 0;
    struct counted jobs[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        jobs[i] = (struct counted){{NULL, count_run}, &order, i + 1};
        aion_exec_post(gw_loop_exec(loop), &jobs[i].job);
    }
    gw_loop_step(loop, 0);
    assert_int_equal(order, 123);
    gw_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleartext_off_loopback_is_refused),
        cmocka_unit_test(an_address_in_use_says_so),
        cmocka_unit_test(a_missing_certificate_is_named),
        cmocka_unit_test(jobs_run_in_the_order_of_posting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
