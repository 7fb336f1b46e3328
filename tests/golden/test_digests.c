/* The digests of task_request.txt and policy.txt, which digests.py computes from their
 * definition, are what control and router compute. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include "aion/v1/router.schema.h"
#include "aion/v1/tasks.schema.h"
#include "base/base64.h"
#include "base/file.h"
#include "codec/json.h"
#include "codec/message.h"
#include "control_private.h"
#include "router_policy.h"

enum { FILE_BYTES_MAX = 1 << 20, NAMES_MAX = 8, FILES_MAX = 32 };

/* One block of a file: its lines `name: value`. */
struct vector {
    aion_str names[NAMES_MAX], values[NAMES_MAX];
    size_t count;
    struct aion_arena arena;
};

static aion_str value_of(const struct vector *vector, const char *name)
{
    for (size_t i = 0; i < vector->count; i++)
        if (aion_str_is(vector->names[i], name))
            return vector->values[i];
    fail_msg("a vector without \"%s\"", name);
    return AION_STR("");
}

static void expect(const struct vector *vector, const char *name, const char *got)
{
    aion_str wanted = value_of(vector, name), title = value_of(vector, "name");
    if (!aion_str_is(wanted, got))
        fail_msg("%.*s: %s is %s, wanted %.*s", (int)title.size, title.data, name, got,
                 (int)wanted.size, wanted.data);
}

static void *read_json(struct vector *vector, const struct codec_message *schema)
{
    static const struct codec_json_read options;
    struct aion_err err;
    void *message =
        codec_json_parse(schema, value_of(vector, "json"), &options, &vector->arena, &err);
    if (message == NULL)
        fail_msg("%s", err.text);
    return message;
}

static void add_line(struct vector *vector, aion_str line)
{
    size_t colon = aion_str_index(line, ':');
    assert_true(colon < line.size && vector->count < NAMES_MAX);
    vector->names[vector->count] = aion_str_n(line.data, colon);
    vector->values[vector->count++] =
        aion_str_trim(aion_str_n(line.data + colon + 1, line.size - colon - 1));
}

/* Calls `judge` for every vector of the file; at least `least`. */
static void each_vector(const char *path, size_t least, void (*judge)(struct vector *))
{
    struct aion_buf text;
    struct aion_err err;
    struct vector vector = {.count = 0};
    size_t found = 0;
    aion_buf_init(&text, FILE_BYTES_MAX);
    if (!aion_file_read(path, &text, &err))
        fail_msg("%s", err.text);
    aion_str rest = aion_buf_view(&text);
    while (rest.data != NULL) {
        aion_str line = aion_str_cut(&rest, '\n');
        if (line.size > 0 && line.data[0] != '#')
            add_line(&vector, line);
        if ((line.size > 0 && rest.data != NULL) || vector.count == 0)
            continue;
        aion_arena_init(&vector.arena, 16 << 20, NULL, 0);
        judge(&vector);
        aion_arena_done(&vector.arena);
        vector.count = 0;
        found++;
    }
    aion_buf_done(&text);
    assert_true(found >= least);
}

static void judge_request(struct vector *vector)
{
    const Aion__V1__TaskRequest *request = read_json(vector, &aion__v1__task_request__schema);
    uint8_t digest[32];
    char hex[65];
    struct aion_buf form;
    struct aion_err err;
    aion_buf_init(&form, 1 << 20);
    assert_true(control_request_digest(request, digest, &form, &err)); /* leaves the form */
    char *form_hex = aion_arena_alloc(&vector->arena, 2 * form.size + 1);
    aion_hex(form_hex, form.data, form.size);
    expect(vector, "canonical", form.size > 0 ? form_hex : "-");
    aion_hex(hex, digest, sizeof(digest));
    expect(vector, "sha256", hex);
    aion_buf_done(&form);
}

static void judge_policy(struct vector *vector)
{
    const Aion__V1__ValidatePolicyRequest *policy =
        read_json(vector, &aion__v1__validate_policy_request__schema);
    struct router_file files[FILES_MAX];
    char digest[72];
    assert_true(policy->n_files <= FILES_MAX);
    for (size_t i = 0; i < policy->n_files; i++)
        files[i] = (struct router_file){policy->files[i]->path,
                                        aion_str_of(policy->files[i]->content)};
    router_policy_digest(files, policy->n_files, digest);
    expect(vector, "digest", digest);
}

static void task_requests_have_their_digests(void **state)
{
    (void)state;
    each_vector("tests/golden/task_request.txt", 25, judge_request);
}

static void policies_have_their_digests(void **state)
{
    (void)state;
    each_vector("tests/golden/policy.txt", 10, judge_policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(task_requests_have_their_digests),
        cmocka_unit_test(policies_have_their_digests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
