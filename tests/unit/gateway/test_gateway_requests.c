/* Goal: what a request becomes, and what its outcome becomes. Method: the whole gateway on
 * loopback, an upstream that does what the test says. */
#include "aion/v1/tasks.mesh.h"
#include "fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TASKS "/v1/tasks"
#define TASK  "/v1/tasks/01a20d76-632a-710c-981b-a7685e08f2ba"

/* -- who asks ----------------------------------------------------------------------------- */

static void without_a_key_a_request_gets_401_and_how_to_send_one(void **state)
{
    assert_int_equal(fixture_request(*state, "GET", TASKS, "", NULL), 401);
    fixture_check(*state, "www-authenticate: Bearer realm=\"aion\"\r\n");
    fixture_check(*state, "\"code\":16");
    fixture_check(*state, "KEY_MISSING");
}

static void a_wrong_key_gets_401_and_no_reason(void **state)
{
    struct fixture *fixture = *state;
    const char *fields = "Authorization: Bearer user-key-0123456780\r\n";
    assert_int_equal(fixture_request(fixture, "GET", TASKS, fields, NULL), 401);
    fixture_check(fixture, "error=\"invalid_token\"");
    assert_int_equal(fixture->script.calls, 0);
}

static void guessing_keys_is_slowed_down(void **state)
{
    struct fixture *fixture = *state;
    int status = 0;
    for (int i = 0; i < 102 && status != 429; i++)
        status = fixture_request(fixture, "GET", TASKS, "X-API-Key: guess\r\n", NULL);
    assert_int_equal(status, 429);
    fixture_check(fixture, "retry-after: 1\r\n");
    fixture_check(fixture, "limit_id=refused-keys");
    /* a good key from the same address still works */
    static const Aion__V1__ListTasksReply reply = AION__V1__LIST_TASKS_REPLY__INIT;
    fixture->script.reply = &reply.base;
    assert_int_equal(fixture_request(fixture, "GET", TASKS, AUTH, NULL), 200);
}

static void a_role_too_low_gets_403(void **state)
{
    assert_int_equal(fixture_request(*state, "GET", "/v1/hosts", AUTH, NULL), 403);
    fixture_check(*state, "ROLE_MISSING");
}

static void the_principal_is_the_keys(void **state)
{
    struct fixture *fixture = *state;
    static const Aion__V1__ListTasksReply reply = AION__V1__LIST_TASKS_REPLY__INIT;
    fixture->script.reply = &reply.base;
    assert_int_equal(
        fixture_request(fixture, "GET", TASKS, "X-API-Key: " ADMIN_KEY "\r\n", NULL), 200);
    assert_string_equal(fixture->script.tenant, "acme");
    assert_int_equal(fixture->script.role, MESH_ROLE_ADMIN);
    assert_memory_equal(fixture->script.key_id, "ak_", 3);
}

static void tenant_id_may_repeat_and_an_admins_may_name_another(void **state)
{
    struct fixture *fixture = *state;
    static const Aion__V1__ListTasksReply reply = AION__V1__LIST_TASKS_REPLY__INIT;
    fixture->script.reply = &reply.base;
    assert_int_equal(
        fixture_request(fixture, "GET", TASKS, AUTH "Tenant-ID: default\r\n", NULL), 200);
    assert_int_equal(fixture_request(fixture, "GET", TASKS, AUTH "Tenant-ID: acme\r\n", NULL),
                     403);
    const char *admin = "X-API-Key: " ADMIN_KEY "\r\nTenant-ID: other\r\n";
    assert_int_equal(fixture_request(fixture, "GET", TASKS, admin, NULL), 200);
    assert_string_equal(fixture->script.tenant, "other");
    const char *odd = "X-API-Key: " ADMIN_KEY "\r\nTenant-ID: a/b\r\n";
    assert_int_equal(fixture_request(fixture, "GET", TASKS, odd, NULL), 403);
}

static void keys_are_taken_anew_and_bad_ones_leave_the_old(void **state)
{
    struct fixture *fixture = *state;
    struct aion_err err;
    struct gw_conf conf = fixture->conf;
    conf.api_keys = "short:user";
    assert_false(gw_app_reload(fixture->app, &conf, &err));
    assert_int_equal(fixture_request(fixture, "GET", "/v1/hosts", AUTH, NULL), 403);
    conf.api_keys = "another-key-0123456789:user";
    assert_true(gw_app_reload(fixture->app, &conf, &err));
    assert_int_equal(fixture_request(fixture, "GET", "/v1/hosts", AUTH, NULL), 401);
}

/* -- where to ----------------------------------------------------------------------------- */

static void an_unknown_path_gets_404_and_another_verb_405(void **state)
{
    assert_int_equal(fixture_request(*state, "GET", "/v1/nothing", AUTH, NULL), 404);
    assert_int_equal(fixture_request(*state, "PUT", TASKS, AUTH, NULL), 405);
    fixture_check(*state, "allow: GET, HEAD, POST\r\n");
}

static void an_unstable_method_gets_501(void **state)
{
    assert_int_equal(fixture_request(*state, "POST", "/v1/keys", AUTH, "{}"), 501);
}

static void probes_need_no_key(void **state)
{
    assert_int_equal(fixture_request(*state, "GET", "/healthz", "", NULL), 200);
    assert_int_equal(fixture_request(*state, "GET", "/readyz", "", NULL), 200);
    assert_int_equal(fixture_request(*state, "DELETE", "/healthz", "", NULL), 405);
}

/* -- there -------------------------------------------------------------------------------- */

static Aion__V1__Task queued = AION__V1__TASK__INIT;
static Aion__V1__Engine engine = AION__V1__ENGINE__INIT;

static const ProtobufCMessage *task(Aion__V1__TaskState state)
{
    engine.decision_id = (char *)(uintptr_t) "decision-1";
    queued.task_id = (char *)(uintptr_t) "task-1";
    queued.state = state;
    queued.engine = &engine;
    return &queued.base;
}

static void json_becomes_the_message_and_headers_its_fields(void **state)
{
    struct fixture *fixture = *state;
    fixture->script.reply = task(AION__V1__TASK_STATE__TASK_STATE_QUEUED);
    const char *fields = AUTH "Idempotency-Key: \"k-1\"\r\nPrefer: respond-async, wait=3\r\n";
    const char *body =
        "{\"intent\":\"sum\",\"params\":{\"n\":1},\"priority\":\"PRIORITY_HIGH\"}";
    assert_int_equal(fixture_request(fixture, "POST", TASKS, fields, body), 202);
    assert_string_equal(fixture->script.method->name, "Submit");
    assert_string_equal(fixture->script.request_json,
                        "{\"intent\":\"sum\",\"params\":{\"n\":1},\"idempotencyKey\":\"k-1\","
                        "\"priority\":\"PRIORITY_HIGH\",\"wait\":\"3s\"}");
    assert_true(fixture->script.repeatable); /* a key makes it safe */
    assert_int_equal(fixture->script.timeout_us, fixture->conf.timeout + 3000000);
}

static void a_waiting_task_is_202_and_says_where(void **state)
{
    struct fixture *fixture = *state;
    fixture->script.reply = task(AION__V1__TASK_STATE__TASK_STATE_QUEUED);
    assert_int_equal(fixture_request(fixture, "POST", TASKS, AUTH, "{\"intent\":\"sum\"}"),
                     202);
    fixture_check(fixture, "location: /v1/tasks/task-1\r\n");
    fixture_check(fixture, "aion-task-id: task-1\r\n");
    fixture_check(fixture, "aion-decision-id: decision-1\r\n");
    assert_false(fixture->script.repeatable);
}

static void a_final_task_is_200(void **state)
{
    struct fixture *fixture = *state;
    fixture->script.reply = task(AION__V1__TASK_STATE__TASK_STATE_SUCCEEDED);
    assert_int_equal(fixture_request(fixture, "POST", TASKS, AUTH, "{\"intent\":\"sum\"}"),
                     200);
    assert_false(fixture_has(fixture, "location:"));
    fixture_check(fixture, "\"state\":\"TASK_STATE_SUCCEEDED\"");
}

/* A module's result may hold a number that JSON has no form for: that is no fault of the
 * client, who asked well. */
static void an_answer_without_a_json_form_is_500(void **state)
{
    struct fixture *fixture = *state;
    Google__Protobuf__Value value = GOOGLE__PROTOBUF__VALUE__INIT;
    Google__Protobuf__Struct__FieldsEntry entry = GOOGLE__PROTOBUF__STRUCT__FIELDS_ENTRY__INIT;
    Google__Protobuf__Struct__FieldsEntry *entries[] = {&entry};
    Google__Protobuf__Struct json = GOOGLE__PROTOBUF__STRUCT__INIT;
    Aion__V1__TaskResult result = AION__V1__TASK_RESULT__INIT;
    Aion__V1__Task task = AION__V1__TASK__INIT;
    value.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
    value.number_value = (double)NAN;
    entry.key = (char *)(uintptr_t) "mean";
    entry.value = &value;
    json.fields = entries;
    json.n_fields = 1;
    result.body_case = AION__V1__TASK_RESULT__BODY_JSON;
    result.json = &json;
    task.result = &result;
    fixture->script.reply = &task.base;
    assert_int_equal(fixture_request(fixture, "GET", TASK, AUTH, NULL), 500);
    fixture_check(fixture, "the answer has no JSON form");
    fixture_check(fixture, "NOT_JSON");
}

static void path_and_query_become_fields(void **state)
{
    struct fixture *fixture = *state;
    fixture->script.reply = task(AION__V1__TASK_STATE__TASK_STATE_QUEUED);
    assert_int_equal(
        fixture_request(fixture, "DELETE", TASK "?reason=not%20needed", AUTH, NULL), 200);
    assert_string_equal(fixture->script.method->name, "Cancel");
    assert_string_equal(fixture->script.request_json,
                        "{\"taskId\":\"01a20d76-632a-710c-981b-a7685e08f2ba\","
                        "\"reason\":\"not needed\"}");
}

static void bad_json_names_the_field_and_what_was_expected(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(fixture_request(fixture, "POST", TASKS, AUTH, "{\"intent\":5}"), 400);
    fixture_check(fixture, "\"field\":\"intent\"");
    fixture_check(fixture, "expected a string");
    assert_int_equal(fixture_request(fixture, "POST", TASKS, AUTH, "{\"intent\":"), 400);
    assert_int_equal(fixture_request(fixture, "POST", TASKS, AUTH, "{\"nope\":1}"), 400);
    assert_int_equal(fixture->script.calls, 0);
}

static void a_bad_idempotency_key_gets_400(void **state)
{
    struct fixture *fixture = *state;
    const char *body = "{\"intent\":\"sum\",\"idempotencyKey\":\"a\"}";
    assert_int_equal(
        fixture_request(fixture, "POST", TASKS, AUTH "Idempotency-Key: b\r\n", body), 400);
    assert_int_equal(
        fixture_request(fixture, "POST", TASKS, AUTH "Idempotency-Key: a b\r\n", "{}"), 400);
    fixture_check(fixture, "idempotency_key");
}

static void a_body_above_the_methods_bound_gets_413(void **state)
{
    char body[4000];
    memset(body, ' ', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    const char *path = "/v1/stream/01a20d76-632a-710c-981b-a7685e08f2ba:ack"; /* takes 1 KiB */
    assert_int_equal(fixture_request(*state, "POST", path, AUTH, body), 413);
}

/* -- and back ----------------------------------------------------------------------------- */

static void each_code_has_its_status(void **state)
{
    static const int statuses[] = {200, 499, 500, 400, 504, 404, 409, 403, 429,
                                   400, 409, 400, 501, 500, 503, 500, 401};
    struct fixture *fixture = *state;
    for (unsigned code = 1; code <= 16; code++) {
        struct aion_err err;
        aion_err_set(&err, __func__, (enum aion_code)code, "it failed");
        fixture->script.err = &err;
        assert_int_equal(fixture_request(fixture, "GET", TASKS, AUTH, NULL), statuses[code]);
        fixture_check(fixture, "\"message\":\"it failed\"");
    }
}

static void reasons_that_need_another_status_get_it(void **state)
{
    static const struct {
        enum aion_code code;
        const char *reason;
        int status;
    } rows[] = {{AION_INVALID, "POLICY_INVALID", 422},
                {AION_EXHAUSTED, "KEY_BLOCKED", 403},
                {AION_EXISTS, "IDEMPOTENCY_KEY_REUSED", 409}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < aion_countof(rows); i++) {
        struct aion_err err;
        aion_err_set(&err, __func__, rows[i].code, "no");
        aion_err_reason(&err, rows[i].reason);
        fixture->script.err = &err;
        assert_int_equal(fixture_request(fixture, "GET", TASKS, AUTH, NULL), rows[i].status);
        fixture_check(fixture, rows[i].reason);
    }
}

static void time_to_wait_is_told_in_header_and_details(void **state)
{
    struct fixture *fixture = *state;
    struct aion_err err;
    aion_err_set(&err, __func__, AION_UNAVAILABLE, "busy");
    err.retry_after_ms = 2300;
    fixture->script.err = &err;
    assert_int_equal(fixture_request(fixture, "GET", TASKS, AUTH, NULL), 503);
    fixture_check(fixture, "retry-after: 3\r\n");
    fixture_check(fixture, "\"retryDelay\":\"2.300s\"");
}

static void the_request_id_is_the_clients_or_the_traces(void **state)
{
    const char *fields = AUTH "X-Request-Id: mine-7\r\n";
    fixture_request(*state, "GET", "/v1/nothing", fields, NULL);
    fixture_check(*state, "x-request-id: mine-7\r\n");
    fields = AUTH "traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-01\r\n";
    fixture_request(*state, "GET", "/v1/nothing", fields, NULL);
    fixture_check(*state, "x-request-id: 0123456789abcdef0123456789abcdef\r\n");
}

static void a_client_that_leaves_cancels_its_call(void **state)
{
    struct fixture *fixture = *state;
    fixture_connect(fixture);
    fixture_send(fixture, "GET " TASKS " HTTP/1.1\r\n" HOST AUTH "\r\n");
    for (int i = 0; i < 1000 && fixture->script.open == NULL; i++)
        fixture_turn(fixture, 1);
    assert_non_null(fixture->script.open);
    fixture_disconnect(fixture);
    for (int i = 0; i < 1000 && fixture->script.cancels == 0; i++)
        fixture_turn(fixture, 1);
    assert_int_equal(fixture->script.cancels, 1);
}

/* -- limits and the end ------------------------------------------------------------------- */

static void one_a_second(struct gw_conf *conf)
{
    conf->key_rate = 1;
    conf->key_burst = 2;
}

static void a_key_that_asks_too_often_gets_429_with_the_policy(void **state)
{
    static struct fixture fixture;
    static const Aion__V1__ListTasksReply reply = AION__V1__LIST_TASKS_REPLY__INIT;
    (void)state;
    fixture_start(&fixture, one_a_second);
    fixture.script.reply = &reply.base;
    assert_int_equal(fixture_request(&fixture, "GET", TASKS, AUTH, NULL), 200);
    fixture_check(&fixture, "ratelimit-policy: \"key\";q=2;w=2\r\n");
    fixture_check(&fixture, "ratelimit: \"key\";r=1;t=1\r\n");
    assert_int_equal(fixture_request(&fixture, "GET", TASKS, AUTH, NULL), 200);
    assert_int_equal(fixture_request(&fixture, "GET", TASKS, AUTH, NULL), 429);
    fixture_check(&fixture, "retry-after: 1\r\n");
    fixture_check(&fixture, "RATE_LIMITED");
    fixture_check(&fixture, "limit_id=key");
    fixture_stop(&fixture);
}

static void set_flag(void *user)
{
    *(bool *)user = true;
}

static void a_drain_finishes_what_was_begun(void **state)
{
    struct fixture *fixture = *state;
    static const Aion__V1__ListTasksReply reply = AION__V1__LIST_TASKS_REPLY__INIT;
    bool drained = false;
    fixture_connect(fixture);
    fixture_send(fixture, "GET " TASKS " HTTP/1.1\r\n" HOST AUTH "\r\n");
    for (int i = 0; i < 1000 && fixture->script.open == NULL; i++)
        fixture_turn(fixture, 1);
    gw_app_drain(fixture->app);
    gw_server_drain(fixture->server, 5000000, set_flag, &drained);
    fixture_turn(fixture, 5);
    assert_false(drained);
    script_finish(&fixture->script, &reply.base, NULL);
    fixture_expect(fixture, "connection: close\r\n");
    fixture_check(fixture, "200 OK");
    fixture_expect_gone(fixture);
    fixture_disconnect(fixture);
    for (int i = 0; i < 100000 && !drained; i++)
        fixture_turn(fixture, 1);
    assert_true(drained);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_key_a_request_gets_401_and_how_to_send_one),
        TEST(a_wrong_key_gets_401_and_no_reason),
        TEST(guessing_keys_is_slowed_down),
        TEST(a_role_too_low_gets_403),
        TEST(the_principal_is_the_keys),
        TEST(tenant_id_may_repeat_and_an_admins_may_name_another),
        TEST(keys_are_taken_anew_and_bad_ones_leave_the_old),
        TEST(an_unknown_path_gets_404_and_another_verb_405),
        TEST(an_unstable_method_gets_501),
        TEST(probes_need_no_key),
        TEST(json_becomes_the_message_and_headers_its_fields),
        TEST(a_waiting_task_is_202_and_says_where),
        TEST(a_final_task_is_200),
        TEST(an_answer_without_a_json_form_is_500),
        TEST(path_and_query_become_fields),
        TEST(bad_json_names_the_field_and_what_was_expected),
        TEST(a_bad_idempotency_key_gets_400),
        TEST(a_body_above_the_methods_bound_gets_413),
        TEST(each_code_has_its_status),
        TEST(reasons_that_need_another_status_get_it),
        TEST(time_to_wait_is_told_in_header_and_details),
        TEST(the_request_id_is_the_clients_or_the_traces),
        TEST(a_client_that_leaves_cancels_its_call),
        cmocka_unit_test(a_key_that_asks_too_often_gets_429_with_the_policy),
        TEST(a_drain_finishes_what_was_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
