/* aion submit: a task from the command line. The result goes to stdout, everything else to
 * stderr. */
#include "submit.h"

#include "aion/v1/tasks.mesh.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli_rows.h"
#include "codec/json.h"
#include "codec/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PARAMS_MAX = 64,
    INPUT_MAX = 4 * 1024 * 1024,
    JSON_MAX = 6 * 1024 * 1024,
    WAIT_MOST_S = 60, /* of one call; the rest is asked for again and again */
    WAIT_LIMIT_S = 7 * 86400
};

static const char *const words[] = {"--home", "--param",  "--input",    "--json",
                                    "--wait", "--stream", "--priority", "--key",
                                    "-o",     "--batch",  NULL};
static int run(int argc, char **argv);
const struct cli_command cli_submit = {
    "submit",
    "INTENT [--param NAME=VALUE]... [--input FILE|-] "
    "[--priority CLASS] [--key KEY] "
    "[[--wait[=SECONDS]] [-o json] | --stream] [--home DIR]\n       aion submit "
    "--json FILE|- [[--wait[=SECONDS]] [-o json] | --stream] [--home DIR]\n       aion submit "
    "--batch FILE|- [-o json] "
    "[--home DIR]"
    "\n\n"
    "--batch: one task a line, as JSON like /v1/tasks has it; each is taken or refused by\n"
    "itself, what became of it is told by its line's number. The status is 1 when some were\n"
    "refused. With an idempotencyKey in each line the file may be given again.\n\n"
    "  printf '%s\\n' '{\"intent\":\"noop\",\"params\":{\"text\":\"a\"}}' | aion submit "
    "--batch -",
    "submit a task", words, run};

struct submit {
    struct cli_client client;
    Aion__V1__TaskRequest *request;
    const char *intent, *input, *json, *batch, *key, *home, *priority;
    const char *params[PARAMS_MAX];
    size_t param_count;
    int64_t wait_s; /* -1 = do not wait */
    bool stream, print_json;
};

/* -- reading files -------------------------------------------------------- */

/* "-" is stdin. */
static bool read_input(const char *path, struct aion_buf *out, struct aion_err *err)
{
    static char chunk[65536];
    size_t n;
    if (strcmp(path, "-") != 0)
        return aion_file_read(path, out, err);
    while ((n = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
        if (!aion_buf_add(out, chunk, n))
            return aion_fail(err, AION_EXHAUSTED, "stdin is larger than %zu bytes", out->max);
    return true;
}

static bool request_from_json(struct submit *submit, struct aion_err *err)
{
    struct aion_buf text;
    const struct codec_json_read options = {.depth_max = 0};
    aion_buf_init(&text, JSON_MAX);
    bool good = read_input(submit->json, &text, err);
    if (good)
        submit->request = (Aion__V1__TaskRequest *)codec_json_parse(
            &aion__v1__task_request__schema, aion_buf_view(&text), &options,
            &submit->client.arena, err);
    aion_buf_done(&text);
    return good && submit->request != NULL;
}

/* -- building the request ------------------------------------------------- */

/* A number when it looks like one, true and false as such, else a text. */
static void set_value(Google__Protobuf__Value *value, const char *text)
{
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    if (text[0] != '\0' && *end == '\0' && errno == 0 &&
        strspn(text, "+-.0123456789eE") == strlen(text)) {
        value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
        value->number_value = number;
    } else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE;
        value->bool_value = text[0] == 't';
    } else {
        value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
        value->string_value = (char *)(uintptr_t)text;
    }
}

static void add_params(struct submit *submit)
{
    struct aion_arena *arena = &submit->client.arena;
    Google__Protobuf__Struct *params = aion_arena_alloc(arena, sizeof(*params));
    google__protobuf__struct__init(params);
    params->fields = aion_arena_array(arena, submit->param_count, sizeof(*params->fields));
    for (size_t i = 0; i < submit->param_count; i++) {
        const char *equals = strchr(submit->params[i], '=');
        Google__Protobuf__Struct__FieldsEntry *entry = aion_arena_alloc(arena, sizeof(*entry));
        google__protobuf__struct__fields_entry__init(entry);
        entry->key = aion_arena_text(
            arena, aion_str_n(submit->params[i], (size_t)(equals - submit->params[i])));
        entry->value = aion_arena_alloc(arena, sizeof(*entry->value));
        google__protobuf__value__init(entry->value);
        set_value(entry->value, equals + 1);
        params->fields[params->n_fields++] = entry;
    }
    submit->request->params = params;
}

static bool add_input(struct submit *submit, struct aion_err *err)
{
    struct aion_buf text;
    if (submit->input == NULL)
        return true;
    aion_buf_init(&text, INPUT_MAX);
    bool good = read_input(submit->input, &text, err);
    if (good) {
        aion_str copy = aion_arena_str(&submit->client.arena, aion_buf_view(&text));
        submit->request->input =
            (ProtobufCBinaryData){copy.size, (uint8_t *)(uintptr_t)copy.data};
        submit->request->content_type = (char *)(uintptr_t) "text/plain; charset=utf-8";
    }
    aion_buf_done(&text);
    return good;
}

/* 0: there is none of this name. */
static Aion__V1__Priority priority_of(const char *name)
{
    static const char *const names[] = {"", "critical", "high", "normal", "low", "batch"};
    for (unsigned i = 1; i < aion_countof(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (Aion__V1__Priority)i;
    return AION__V1__PRIORITY__PRIORITY_UNSPECIFIED;
}

static bool build(struct submit *submit, struct aion_err *err)
{
    if (submit->json != NULL)
        return request_from_json(submit, err);
    submit->request = aion_arena_alloc(&submit->client.arena, sizeof(*submit->request));
    aion__v1__task_request__init(submit->request);
    submit->request->intent = (char *)(uintptr_t)submit->intent;
    if (submit->key != NULL) {
        submit->request->_idempotency_key_case =
            AION__V1__TASK_REQUEST___IDEMPOTENCY_KEY_IDEMPOTENCY_KEY;
        submit->request->idempotency_key = (char *)(uintptr_t)submit->key;
    }
    if (submit->priority != NULL)
        submit->request->priority = priority_of(submit->priority);
    add_params(submit);
    return add_input(submit, err);
}

/* -- following ------------------------------------------------------------ */

static bool is_final(Aion__V1__TaskState state)
{
    return state >= AION__V1__TASK_STATE__TASK_STATE_SUCCEEDED;
}

static const Aion__V1__Task *get_task(struct submit *submit, const char *task_id,
                                      struct aion_err *err)
{
    Aion__V1__GetTaskRequest request = AION__V1__GET_TASK_REQUEST__INIT;
    request.task_id = (char *)(uintptr_t)task_id;
    return (const Aion__V1__Task *)cli_call(
        &submit->client, "control",
        &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_GET_TASK], &request.base, 0, err);
}

struct following {
    struct cli_client *client;
    struct aion_err *err;
    uint64_t cursor;
    bool closed, ended, spinner;
};

static void on_chunk(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct following *following = mesh_rpc_user(rpc);
    const Aion__V1__StreamChunk *chunk = aion_v1_aion_tasks_stream_read(message);
    following->cursor = chunk->cursor;
    if (chunk->payload_case == AION__V1__STREAM_CHUNK__PAYLOAD_TEXT)
        fputs(chunk->text, stdout);
    else if (chunk->payload_case == AION__V1__STREAM_CHUNK__PAYLOAD_DATA)
        fwrite(chunk->data.data, 1, chunk->data.len, stdout);
    fflush(stdout);
    following->ended = following->ended || chunk->final != NULL;
}

static void on_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct following *following = mesh_rpc_user(rpc);
    if (result->err != NULL)
        *following->err = *result->err;
    following->closed = true;
    mesh_loop_stop(following->client->loop);
}

/* Follows the stream to its end, over restarts of control by the cursor. */
static bool follow(struct submit *submit, const char *task_id, struct aion_err *err)
{
    static const struct mesh_stream_ops ops = {.message = on_chunk, .closed = on_closed};
    struct following following = {.client = &submit->client, .err = err};
    const struct mesh_rpc_opts opts = {.wait_for_ready = true};
    struct mesh_channel *channel = cli_channel(&submit->client, "control", err);
    for (int tries = 0; channel != NULL && !following.ended && tries < 20; tries++) {
        Aion__V1__StreamRequest request = AION__V1__STREAM_REQUEST__INIT;
        request.task_id = (char *)(uintptr_t)task_id;
        request.after_cursor = following.cursor;
        err->code = AION_OK;
        following.closed = false;
        aion_v1_aion_tasks_stream_open(channel, &request, &opts, &ops, &following);
        while (!following.closed)
            mesh_loop_run(submit->client.loop);
        if (err->code != AION_OK && err->code != AION_UNAVAILABLE &&
            err->code != AION_CANCELLED)
            return false;
    }
    return following.ended;
}

static int print_result(const struct submit *submit, const Aion__V1__Task *task)
{
    if (submit->print_json)
        return cli_print_json(&aion__v1__task__schema, &task->base);
    if (task->engine != NULL)
        fprintf(stderr, "task %s %s; route %s by %s (%s), policy %llu\n", task->task_id,
                cli_state_name(task->state), task->engine->route, task->engine->chosen_by,
                task->engine->reason,
                (unsigned long long)(task->engine->policy_revision != NULL
                                         ? task->engine->policy_revision->ordinal
                                         : 0));
    else
        fprintf(stderr, "task %s %s\n", task->task_id, cli_state_name(task->state));
    if (task->error != NULL)
        fprintf(stderr, "%s: %s\n", task->error->reason, task->error->message);
    if (submit->stream || task->result == NULL) {
        if (submit->stream)
            printf("\n");
        return CLI_OK;
    }
    return cli_result_print(task->result);
}

static int conclude(const struct submit *submit, const Aion__V1__Task *task)
{
    int status = print_result(submit, task);
    bool bad =
        is_final(task->state) && task->state != AION__V1__TASK_STATE__TASK_STATE_SUCCEEDED;
    return bad ? CLI_TASK_FAILED : status;
}

/* The server has waited already, for as long as a call may: asks again and again until then. */
static const Aion__V1__Task *wait_for_end(struct submit *submit, const Aion__V1__Task *task,
                                          int64_t until_us, struct aion_err *err)
{
    static const char spinner[] = "|/-\\";
    bool terminal = isatty(STDERR_FILENO) == 1;
    char task_id[64];
    aion_str_copy(task_id, sizeof(task_id), aion_str_of(task->task_id));
    for (unsigned i = 0;
         task != NULL && !is_final(task->state) && aion_clock_mono_us() < until_us; i++) {
        if (terminal)
            fprintf(stderr, "\r%c %s", spinner[i % 4], cli_state_name(task->state));
        usleep(100000);
        task = get_task(submit, task_id, err);
    }
    if (terminal)
        fprintf(stderr, "\r\033[K");
    return task;
}

static int submit_and_follow(struct submit *submit)
{
    struct aion_err err;
    Google__Protobuf__Duration wait = GOOGLE__PROTOBUF__DURATION__INIT;
    int64_t asked = submit->wait_s > WAIT_MOST_S ? WAIT_MOST_S : submit->wait_s;
    int64_t until_us = aion_clock_mono_us() + submit->wait_s * 1000000;
    if (!build(submit, &err))
        return cli_error(&err);
    cli_submit_id(submit->request, &submit->client.arena);
    if (asked > 0 && !submit->stream) {
        wait.seconds = asked;
        submit->request->wait = &wait;
    }
    const Aion__V1__Task *task = (const Aion__V1__Task *)cli_call_keyed(
        &submit->client, "control", &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT],
        &submit->request->base, true, (asked > 0 ? asked + 10 : 10) * 1000000, &err);
    if (task != NULL && submit->stream) {
        const char *task_id = task->task_id;
        task = follow(submit, task_id, &err) ? get_task(submit, task_id, &err) : NULL;
    } else if (task != NULL && submit->wait_s > 0) {
        task = wait_for_end(submit, task, until_us, &err);
    }
    return task != NULL ? conclude(submit, task) : cli_error(&err);
}

static int check_values(const struct submit *submit)
{
    for (size_t i = 0; i < submit->param_count; i++) {
        const char *equals = strchr(submit->params[i], '=');
        if (equals == NULL || equals == submit->params[i])
            return cli_usage(&cli_submit, "--param \"%s\": expected NAME=VALUE",
                             submit->params[i]);
    }
    if (submit->priority != NULL && priority_of(submit->priority) == 0)
        return cli_usage(&cli_submit,
                         "--priority \"%s\" is none of critical, high, normal, low, batch",
                         submit->priority);
    return CLI_OK;
}

static int check_args(const struct submit *submit)
{
    unsigned given =
        (unsigned)(submit->intent != NULL) + (submit->json != NULL) + (submit->batch != NULL);
    if (given != 1)
        return cli_usage(&cli_submit, "give an intent, --json or --batch");
    if (submit->batch != NULL &&
        (submit->stream || submit->wait_s >= 0 || submit->key != NULL ||
         submit->input != NULL || submit->priority != NULL || submit->param_count > 0))
        return cli_usage(&cli_submit, "--batch: what a task needs stands in its line; it "
                                      "neither waits nor streams");
    if (submit->json != NULL && (submit->key != NULL || submit->input != NULL ||
                                 submit->priority != NULL || submit->param_count > 0))
        return cli_usage(&cli_submit, "--json: what the task needs stands in its file, not in "
                                      "--param, --input, --priority or --key");
    if (submit->stream && (submit->wait_s >= 0 || submit->print_json))
        return cli_usage(&cli_submit, "--stream follows the task to its end and writes its "
                                      "output as it is: without --wait and -o json");
    return check_values(submit);
}

static int read_args(struct submit *submit, int argc, char **argv)
{
    struct cli_args args = {argc, argv, 1};
    const char *value;
    submit->wait_s = -1;
    while (args.at < argc) {
        if (strcmp(argv[args.at], "--wait") == 0)
            submit->wait_s = WAIT_MOST_S, args.at++;
        else if ((value = cli_value(&args, "--wait")) != NULL) {
            if (!aion_str_i64(aion_str_of(value), &submit->wait_s) || submit->wait_s < 0 ||
                submit->wait_s > WAIT_LIMIT_S)
                return cli_usage(&cli_submit, "--wait: \"%s\" is not 0..%d seconds", value,
                                 WAIT_LIMIT_S);
        } else if ((value = cli_value(&args, "--home")) != NULL)
            submit->home = value;
        else if ((value = cli_value(&args, "--input")) != NULL)
            submit->input = value;
        else if ((value = cli_value(&args, "--json")) != NULL)
            submit->json = value;
        else if ((value = cli_value(&args, "--batch")) != NULL)
            submit->batch = value;
        else if ((value = cli_value(&args, "--key")) != NULL)
            submit->key = value;
        else if ((value = cli_value(&args, "--priority")) != NULL)
            submit->priority = value;
        else if ((value = cli_value(&args, "-o")) != NULL) {
            if (strcmp(value, "json") != 0)
                return cli_usage(&cli_submit, "-o: \"%s\" is not json", value);
            submit->print_json = true;
        } else if ((value = cli_value(&args, "--param")) != NULL) {
            if (submit->param_count == PARAMS_MAX)
                return cli_usage(&cli_submit, "more than %d times --param", PARAMS_MAX);
            submit->params[submit->param_count++] = value;
        } else if (cli_flag(&args, "--stream"))
            submit->stream = true;
        else if (submit->intent == NULL && argv[args.at][0] != '-')
            submit->intent = argv[args.at++];
        else
            return cli_unexpected(&cli_submit, &args);
    }
    return check_args(submit);
}

static int run(int argc, char **argv)
{
    static struct submit submit;
    struct aion_err err;
    int status = read_args(&submit, argc, argv);
    if (status != CLI_OK)
        return status;
    if (!cli_client_open(&submit.client, submit.home, &err))
        status = cli_error(&err);
    else if (submit.batch != NULL)
        status = cli_submit_batch(&submit.client, submit.batch, submit.print_json);
    else
        status = submit_and_follow(&submit);
    cli_client_close(&submit.client);
    return status;
}
