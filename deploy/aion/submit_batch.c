/* aion submit --batch: as many tasks as a file has lines.
 *
 * Lines are read, sent and told in rounds: nothing is kept of those before, so that a file may
 * have any length. A line that is no request is refused here, in the words of the parser; all
 * others are taken or refused by control, each by itself. */
#include "submit.h"

#include "aion/v1/tasks.mesh.h"
#include "cli_table.h"
#include "codec/json.h"
#include "codec/message.h"

#include <stdio.h>
#include <string.h>

enum {
    ROUND_MAX = 1000, /* what SubmitBatch takes */
    /* With one more request, of the 4 MiB of its input and what is around it, 6 MiB: what the
     * call takes. */
    ROUND_BYTES = 1536 * 1024,
    LINE_MAX_BYTES = 6 * 1024 * 1024,
    ROUND_ARENA = 256 * 1024 * 1024,
    TIMEOUT_US = 120 * 1000000,
};

struct line {
    uint64_t number; /* in the file, from 1 */
    Aion__V1__SubmitBatchReply__Outcome outcome;
    Aion__V1__TaskError error; /* outcome.error points here when it was refused here */
    bool sent;
};

struct batch {
    struct cli_client *client;
    FILE *in;
    bool json;
    struct aion_buf text;    /* the line */
    struct aion_arena arena; /* of the round */
    struct line lines[ROUND_MAX];
    Aion__V1__TaskRequest *requests[ROUND_MAX];
    size_t line_count, request_count, request_bytes;
    uint64_t number, taken, refused;
};

/* -- reading -------------------------------------------------------------- */
/* False: the end. A line that is longer than any request is read to its end and cut. */
static bool read_line(struct batch *batch)
{
    int c = 0;
    aion_buf_reset(&batch->text);
    while ((c = getc_unlocked(batch->in)) != EOF && c != '\n')
        aion_buf_char(&batch->text, (char)c);
    batch->number++;
    return c != EOF || batch->text.size > 0;
}

static void refuse(struct batch *batch, struct line *line, enum aion_code code,
                   const char *reason, const char *text)
{
    aion__v1__task_error__init(&line->error);
    line->error.code = (int32_t)code;
    line->error.reason = (char *)(uintptr_t)reason;
    line->error.message = aion_arena_text(&batch->arena, aion_str_of(text));
    line->outcome.error = &line->error;
}

static Aion__V1__TaskRequest *parse(struct batch *batch, struct line *line)
{
    const struct codec_json_read options = {.depth_max = 0};
    struct aion_err err;
    if (batch->text.overflow) {
        refuse(batch, line, AION_INVALID, "LINE_TOO_LONG", "the line has more than 6 MiB");
        return NULL;
    }
    Aion__V1__TaskRequest *request = (Aion__V1__TaskRequest *)codec_json_parse(
        &aion__v1__task_request__schema, aion_buf_view(&batch->text), &options, &batch->arena,
        &err);
    if (request == NULL)
        refuse(batch, line, AION_INVALID, "NO_REQUEST", err.text);
    else if (request->wait != NULL)
        refuse(batch, line, AION_INVALID, "NO_REQUEST",
               "a batch does not wait for its tasks: leave `wait` out");
    return request != NULL && request->wait == NULL ? request : NULL;
}

static void take_line(struct batch *batch)
{
    if (aion_str_trim(aion_buf_view(&batch->text)).size == 0 && !batch->text.overflow)
        return;
    struct line *line = &batch->lines[batch->line_count++];
    *line = (struct line){.number = batch->number};
    aion__v1__submit_batch_reply__outcome__init(&line->outcome);
    Aion__V1__TaskRequest *request = parse(batch, line);
    if (request == NULL)
        return;
    cli_submit_id(request, &batch->arena);
    line->sent = true;
    batch->requests[batch->request_count++] = request;
    batch->request_bytes += protobuf_c_message_get_packed_size(&request->base);
}

/* -- telling -------------------------------------------------------------- */
static bool print_json(const struct line *line, struct aion_err *err)
{
    const struct codec_json_write options = {.emit_defaults = false};
    struct aion_buf out;
    aion_buf_init(&out, 64 * 1024 * 1024);
    aion_buf_printf(&out, "{\"line\":%llu,\"outcome\":", (unsigned long long)line->number);
    bool good = codec_json_print(&aion__v1__submit_batch_reply__outcome__schema,
                                 &line->outcome.base, &options, &out, err);
    if (good)
        printf("%s}\n", out.data);
    aion_buf_done(&out);
    return good;
}

static void print_text(const struct line *line)
{
    const Aion__V1__TaskError *error = line->outcome.error;
    printf("%llu  ", (unsigned long long)line->number);
    if (error == NULL) {
        printf("%s  taken\n", line->outcome.task->task_id);
        return;
    }
    printf("-  %s: ", error->reason[0] != '\0' ? error->reason
                                               : aion_code_name(aion_code_of(error->code)));
    cli_print_clean(error->message);
    printf("\n");
}

static bool tell_round(struct batch *batch, struct aion_err *err)
{
    for (size_t i = 0; i < batch->line_count; i++) {
        const struct line *line = &batch->lines[i];
        batch->taken += line->outcome.task != NULL;
        batch->refused += line->outcome.error != NULL;
        if (!batch->json)
            print_text(line);
        else if (!print_json(line, err))
            return false;
    }
    fflush(stdout);
    return true;
}

/* -- rounds --------------------------------------------------------------- */
/* Each sent line gets its outcome; false: it is not known what became of them. */
static bool send_round(struct batch *batch, struct aion_err *err)
{
    Aion__V1__SubmitBatchRequest request = AION__V1__SUBMIT_BATCH_REQUEST__INIT;
    size_t next = 0;
    if (batch->request_count == 0)
        return true;
    request.requests = batch->requests;
    request.n_requests = batch->request_count;
    const Aion__V1__SubmitBatchReply *reply =
        (const Aion__V1__SubmitBatchReply *)cli_call_keyed(
            batch->client, "control",
            &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT_BATCH], &request.base,
            true, TIMEOUT_US, err);
    if (reply == NULL)
        return false;
    if (reply->n_outcomes != batch->request_count)
        return aion_fail(err, AION_INTERNAL, "control answered %zu outcomes for %zu tasks",
                         reply->n_outcomes, batch->request_count);
    for (size_t i = 0; i < batch->line_count; i++)
        if (batch->lines[i].sent)
            batch->lines[i].outcome = *reply->outcomes[next++];
    return true;
}

static bool end_round(struct batch *batch, struct aion_err *err)
{
    bool good = send_round(batch, err);
    if (!good)
        fprintf(stderr,
                "aion submit: lines %llu to %llu were sent, what became of them is not known; "
                "those before stand above\n",
                (unsigned long long)batch->lines[0].number,
                (unsigned long long)batch->lines[batch->line_count - 1].number);
    good = good && tell_round(batch, err);
    batch->line_count = batch->request_count = batch->request_bytes = 0;
    aion_arena_reset(&batch->arena);
    aion_arena_reset(&batch->client->arena);
    return good;
}

static bool submit_all(struct batch *batch, struct aion_err *err)
{
    bool more = true;
    while (more) {
        more = read_line(batch);
        if (more)
            take_line(batch);
        bool full = batch->line_count == ROUND_MAX || batch->request_bytes >= ROUND_BYTES;
        if ((full || !more) && batch->line_count > 0 && !end_round(batch, err))
            return false;
    }
    if (batch->taken + batch->refused == 0)
        return aion_fail(err, AION_INVALID,
                         "there is no line: give one task a line, as JSON "
                         "({\"intent\":\"noop\",\"params\":{\"text\":\"a\"}})");
    return true;
}

static FILE *open_input(const char *path, struct aion_err *err)
{
    if (strcmp(path, "-") == 0)
        return stdin;
    FILE *in = fopen(path, "re");
    if (in == NULL)
        (void)aion_fail_errno(err, AION_NOT_FOUND, "%s cannot be read", path);
    return in;
}

int cli_submit_batch(struct cli_client *client, const char *path, bool json)
{
    static struct batch batch;
    struct aion_err err;
    batch = (struct batch){.client = client, .in = open_input(path, &err), .json = json};
    if (batch.in == NULL)
        return cli_error(&err);
    aion_buf_init(&batch.text, LINE_MAX_BYTES);
    aion_arena_init(&batch.arena, ROUND_ARENA, NULL, 0);
    bool good = submit_all(&batch, &err);
    aion_arena_done(&batch.arena);
    aion_buf_done(&batch.text);
    if (batch.in != stdin)
        fclose(batch.in);
    fprintf(stderr, "%llu taken, %llu refused\n", (unsigned long long)batch.taken,
            (unsigned long long)batch.refused);
    if (!good)
        return cli_error(&err);
    return batch.refused > 0 ? CLI_FAILED : CLI_OK;
}
