/* A TaskRequest that is refused says which field, what it holds and what was expected. */
#include "control_private.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW_US 1700000000000000

static Aion__V1__TaskRequest good_request(void)
{
    static char intent[] = "summarize_text";
    Aion__V1__TaskRequest request = AION__V1__TASK_REQUEST__INIT;
    request.intent = intent;
    return request;
}

static void refused(const Aion__V1__TaskRequest *request, const char *field, const char *text)
{
    struct control_request checked;
    struct aion_err err;
    assert_false(control_request_check(request, NOW_US, &checked, &err));
    assert_int_equal(err.code, AION_INVALID);
    assert_string_equal(err.field, field);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static struct control_request accepted(const Aion__V1__TaskRequest *request)
{
    struct control_request checked;
    struct aion_err err;
    if (!control_request_check(request, NOW_US, &checked, &err))
        fail_msg("%s: %s", err.field, err.text);
    return checked;
}

static void a_plain_request_gets_the_defaults(void **state)
{
    (void)state;
    Aion__V1__TaskRequest request = good_request();
    struct control_request checked = accepted(&request);
    assert_int_equal(checked.priority, 3);
    assert_int_equal(checked.deadline_us, NOW_US + 86400000000);
    assert_int_equal(checked.wait_us, 0);
    assert_false(checked.has_id);
    assert_int_equal(checked.key.size, 0);
}

static void intents_are_names(void **state)
{
    static char bad[][80] = {
        "Summarize", "1st", "a b", "a/b",
        "a234567890123456789012345678901234567890123456789012345678901234x"};
    char empty[] = "";
    (void)state;
    Aion__V1__TaskRequest request = good_request();
    for (size_t i = 0; i < aion_countof(bad); i++) {
        request.intent = bad[i];
        refused(&request, "intent", "is no name");
    }
    request.intent = empty;
    refused(&request, "intent", "is missing");
}

static void keys_and_ids_exclude_each_other(void **state)
{
    static char id[] = "018c0000-0000-7000-8000-000000000001", bad[] = "17", key[] = "order-17",
                spaced[] = "a b", empty[] = "";
    (void)state;
    Aion__V1__TaskRequest request = good_request();
    request._task_id_case = AION__V1__TASK_REQUEST___TASK_ID_TASK_ID;
    request.task_id = id;
    assert_true(accepted(&request).has_id);
    request.task_id = bad;
    refused(&request, "task_id", "\"17\" is not a UUID");
    request.task_id = id;
    request._idempotency_key_case = AION__V1__TASK_REQUEST___IDEMPOTENCY_KEY_IDEMPOTENCY_KEY;
    request.idempotency_key = key;
    refused(&request, "idempotency_key", "leave one out");
    request._task_id_case = AION__V1__TASK_REQUEST___TASK_ID__NOT_SET;
    assert_int_equal(accepted(&request).key.size, 8);
    request.idempotency_key = spaced;
    refused(&request, "idempotency_key", "byte 0x20 at 1");
    request.idempotency_key = empty;
    refused(&request, "idempotency_key", "1 to 255");
}

static void times_are_bounded(void **state)
{
    (void)state;
    Aion__V1__TaskRequest request = good_request();
    Google__Protobuf__Timestamp deadline = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Google__Protobuf__Duration wait = GOOGLE__PROTOBUF__DURATION__INIT;
    request.deadline = &deadline;
    deadline.seconds = NOW_US / 1000000 - 1;
    refused(&request, "deadline", "passed already");
    deadline.seconds = NOW_US / 1000000 + 8 * 86400;
    refused(&request, "deadline", "more than 7 days");
    deadline.seconds = -5;
    refused(&request, "deadline", "no time between");
    deadline.seconds = NOW_US / 1000000 + 60;
    request.wait = &wait;
    wait.seconds = 61;
    refused(&request, "wait", "0 to 60 s");
    wait.seconds = -1;
    refused(&request, "wait", "0 to 60 s");
    wait.seconds = 1;
    wait.nanos = 500000000;
    assert_int_equal(accepted(&request).wait_us, 1500000);
}

static void sizes_are_bounded(void **state)
{
    static uint8_t input[(4 << 20) + 1];
    static char type[200];
    (void)state;
    Aion__V1__TaskRequest request = good_request();
    request.input = (ProtobufCBinaryData){sizeof(input), input};
    refused(&request, "input", "4194305 bytes");
    request.input.len--;
    accepted(&request);
    memset(type, 'x', sizeof(type) - 1);
    request.content_type = type;
    refused(&request, "content_type", "199 bytes");
}

static void params_are_bounded_in_depth_and_size(void **state)
{
    static Google__Protobuf__Struct objects[40];
    static Google__Protobuf__Value values[40];
    static Google__Protobuf__Struct__FieldsEntry entries[40], *fields[40];
    static char key[] = "k", text[70000];
    (void)state;
    for (size_t i = 0; i < 40; i++) {
        google__protobuf__struct__init(&objects[i]);
        google__protobuf__value__init(&values[i]);
        google__protobuf__struct__fields_entry__init(&entries[i]);
        entries[i].key = key;
        entries[i].value = &values[i];
        fields[i] = &entries[i];
        objects[i].n_fields = 1;
        objects[i].fields = &fields[i];
        if (i > 0) {
            values[i - 1].kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE;
            values[i - 1].struct_value = &objects[i];
        }
    }
    Aion__V1__TaskRequest request = good_request();
    request.params = &objects[8]; /* 32 levels */
    accepted(&request);
    request.params = &objects[7];
    refused(&request, "params", "33 levels deep");
    memset(text, 'x', sizeof(text) - 1);
    values[39].kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
    values[39].string_value = text;
    request.params = &objects[39];
    refused(&request, "params", "belongs in input");
}

static void unknown_numbers_are_refused(void **state)
{
    (void)state;
    Aion__V1__TaskRequest request = good_request();
    Aion__V1__Sla sla = AION__V1__SLA__INIT;
    request.priority = (Aion__V1__Priority)6;
    refused(&request, "priority", "6 is unknown");
    request.priority = (Aion__V1__Priority)1;
    request.sla = &sla;
    sla.privacy = (Aion__V1__Privacy)9;
    refused(&request, "sla.privacy", "9 is unknown");
    sla.privacy = (Aion__V1__Privacy)1;
    sla.budget_nano_usd = -1;
    refused(&request, "sla.budget_nano_usd", "-1");
}

static void the_digest_is_of_the_body_alone(void **state)
{
    static char id[] = "018c0000-0000-7000-8000-000000000001", other[] = "translate_text";
    uint8_t a[32], b[32];
    struct aion_buf scratch;
    struct aion_err err;
    Google__Protobuf__Duration wait = GOOGLE__PROTOBUF__DURATION__INIT;
    (void)state;
    aion_buf_init(&scratch, 1 << 20);
    Aion__V1__TaskRequest request = good_request();
    assert_true(control_request_digest(&request, a, &scratch, &err));
    request._task_id_case = AION__V1__TASK_REQUEST___TASK_ID_TASK_ID;
    request.task_id = id;
    wait.seconds = 5;
    request.wait = &wait;
    assert_true(control_request_digest(&request, b, &scratch, &err));
    assert_memory_equal(a, b, 32);
    request.intent = other;
    assert_true(control_request_digest(&request, b, &scratch, &err));
    assert_memory_not_equal(a, b, 32);
    aion_buf_done(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_request_gets_the_defaults),
        cmocka_unit_test(intents_are_names),
        cmocka_unit_test(keys_and_ids_exclude_each_other),
        cmocka_unit_test(times_are_bounded),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(params_are_bounded_in_depth_and_size),
        cmocka_unit_test(unknown_numbers_are_refused),
        cmocka_unit_test(the_digest_is_of_the_body_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
