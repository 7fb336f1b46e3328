/* Goal: jobs that run together go to the process in one command and end each for itself. By
 * hand: what a process would say is said by the test. */
#include "host_batch.h"

#include "codec/message.h"

#include "aion/v1/modules.schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { JOBS = 3 };

struct job {
    struct host_job job; /* first */
    unsigned chunks, results, failures;
    char reason[32];
};

static const struct host_manifest manifest = {.name = "m", .batch_max = 8};

static void on_chunk(struct host_job *job, const Aion__V1__HostMessage__Chunk *chunk)
{
    (void)chunk;
    ((struct job *)job)->chunks++;
}

static void on_result(struct host_job *job, const Aion__V1__HostMessage__Result *result)
{
    (void)result;
    ((struct job *)job)->results++;
}

static void on_failed(struct host_job *job, enum aion_code code, const char *reason,
                      bool retriable, const char *text)
{
    struct job *own = (struct job *)job;
    (void)code;
    (void)retriable;
    (void)text;
    own->failures++;
    aion_str_copy(own->reason, sizeof(own->reason), aion_str_of(reason));
}

static char *packed(const char *intent, size_t *ret_size)
{
    Aion__V1__HostCommand__Execute execute = AION__V1__HOST_COMMAND__EXECUTE__INIT;
    char text[200];
    aion_str_copy(text, sizeof(text), aion_str_of(intent));
    execute.intent = text;
    *ret_size = protobuf_c_message_get_packed_size(&execute.base);
    char *out = malloc(*ret_size);
    protobuf_c_message_pack(&execute.base, (uint8_t *)out);
    return out;
}

static struct host_batch *batch_of(struct job *jobs, size_t count)
{
    static const char *const intents[JOBS] = {
        "a",
        "an intent that is so long that its execute needs a size of two bytes, which is more "
        "than one hundred and twenty-seven of them, by the rules of protobuf",
        "c"};
    struct host_job *pointers[JOBS];
    char *executes[JOBS];
    size_t sizes[JOBS];
    for (size_t i = 0; i < count; i++) {
        jobs[i] =
            (struct job){.job = {.chunk = on_chunk, .result = on_result, .failed = on_failed}};
        pointers[i] = &jobs[i].job;
        executes[i] = packed(intents[i], &sizes[i]);
    }
    return host_batch_new(&manifest, pointers, executes, sizes, count);
}

struct command {
    struct aion_buf frame;
    struct aion_arena arena;
    const Aion__V1__HostCommand *message;
};

static void read_command(struct host_batch *batch, struct command *command)
{
    aion_buf_init(&command->frame, 65536);
    aion_arena_init(&command->arena, 1 << 20, NULL, 0);
    host_batch_frame(batch, &command->frame);
    command->message = (const Aion__V1__HostCommand *)codec_unpack(
        &aion__v1__host_command__schema, aion_buf_view(&command->frame), NULL, &command->arena,
        NULL);
    assert_non_null(command->message);
}

static void drop_command(struct command *command)
{
    aion_arena_done(&command->arena);
    aion_buf_done(&command->frame);
}

static bool answer(struct host_batch *batch, uint32_t place)
{
    Aion__V1__HostMessage__Result result = AION__V1__HOST_MESSAGE__RESULT__INIT;
    result.place = place;
    return host_batch_result(batch, &result);
}

static bool say(struct host_batch *batch, uint32_t place)
{
    Aion__V1__HostMessage__Chunk chunk = AION__V1__HOST_MESSAGE__CHUNK__INIT;
    chunk.place = place;
    return host_batch_chunk(batch, &chunk);
}

static void one_job_is_an_execute_several_are_a_batch(void **state)
{
    struct job jobs[JOBS];
    struct command command;
    (void)state;
    struct host_batch *batch = batch_of(jobs, 1);
    read_command(batch, &command);
    assert_int_equal(command.message->kind_case, AION__V1__HOST_COMMAND__KIND_EXECUTE);
    assert_string_equal(command.message->execute->intent, "a");
    drop_command(&command);
    assert_true(answer(batch, 0));
    host_batch_free(batch);
    batch = batch_of(jobs, JOBS);
    read_command(batch, &command);
    assert_int_equal(command.message->kind_case, AION__V1__HOST_COMMAND__KIND_BATCH);
    assert_int_equal(command.message->batch->n_executes, JOBS);
    assert_string_equal(command.message->batch->executes[2]->intent, "c");
    drop_command(&command);
    host_batch_fail_all(batch, AION_INTERNAL, "X", true, "x");
    host_batch_free(batch);
}

static void each_has_its_own_end(void **state)
{
    struct job jobs[JOBS];
    struct command command;
    (void)state;
    struct host_batch *batch = batch_of(jobs, JOBS);
    read_command(batch, &command);
    drop_command(&command);
    assert_int_equal(batch->unanswered, 3);
    assert_true(say(batch, 1));
    assert_true(answer(batch, 1));
    assert_true(jobs[1].chunks == 1 && jobs[1].results == 1 && jobs[0].results == 0);
    assert_false(answer(batch, 1)); /* twice */
    assert_false(say(batch, 1));
    assert_false(answer(batch, 3)); /* there is none */
    assert_true(answer(batch, 0));
    host_batch_fail_all(batch, AION_INTERNAL, "MODULE_CRASHED", true, "x");
    assert_string_equal(jobs[2].reason, "MODULE_CRASHED");
    assert_true(jobs[0].failures == 0 && jobs[1].failures == 0 && jobs[2].failures == 1);
    assert_int_equal(batch->left, 0);
    host_batch_free(batch);
}

static void what_was_cancelled_before_the_start_is_not_given(void **state)
{
    struct job jobs[JOBS];
    struct command command;
    (void)state;
    struct host_batch *batch = batch_of(jobs, JOBS);
    host_batch_fail(&jobs[1].job, AION_CANCELLED, "CANCELLED", false, "x");
    read_command(batch, &command);
    assert_int_equal(command.message->batch->n_executes, 2);
    assert_string_equal(command.message->batch->executes[1]->intent, "c");
    drop_command(&command);
    assert_true(answer(batch, 1));
    assert_true(jobs[2].results == 1 && jobs[1].results == 0);
    assert_true(answer(batch, 0));
    assert_int_equal(batch->unanswered, 0);
    host_batch_free(batch);
}

static void the_answer_for_a_cancelled_one_goes_nowhere(void **state)
{
    struct job jobs[JOBS];
    struct command command;
    (void)state;
    struct host_batch *batch = batch_of(jobs, JOBS);
    read_command(batch, &command);
    drop_command(&command);
    host_batch_fail(&jobs[0].job, AION_CANCELLED, "CANCELLED", false, "x");
    assert_true(say(batch, 0) && answer(batch, 0));
    assert_true(jobs[0].chunks == 0 && jobs[0].results == 0 && jobs[0].failures == 1);
    assert_true(answer(batch, 1) && answer(batch, 2));
    assert_int_equal(batch->unanswered, 0);
    host_batch_free(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_job_is_an_execute_several_are_a_batch),
        cmocka_unit_test(each_has_its_own_end),
        cmocka_unit_test(what_was_cancelled_before_the_start_is_not_given),
        cmocka_unit_test(the_answer_for_a_cancelled_one_goes_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
