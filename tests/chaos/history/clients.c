/* The clients. A lane is a task: two clients submit it, repeat it, come with another body, read
 * it in the light and in the whole way, and ask for its end, each one thing at a time, until
 * its end was seen and enough was done. */
#include "history.h"

#include "aion/v1/tasks.mesh.h"
#include "base/clock.h"

#include <stdlib.h>

enum {
    LANES_MAX = 64,
    CLIENTS = 2,        /* of a lane */
    LEAST = 3,          /* things that each client does at least */
    PAUSE_US = 40000,   /* between two things, at most */
    AWAY_US = 800000,   /* the same after no answer */
    TASKS_MAX = 200000, /* of a run */
};

struct lane;

struct client {
    struct lane *lane;
    unsigned number; /* among all clients */
    unsigned done;
    bool live;
    int64_t called_us;
    unsigned body;
    const char *name;
    struct mesh_timer timer;
};

struct lane {
    struct history *history;
    struct mesh_channel *channel;
    uint32_t task; /* its number: k<task> is its key */
    char key[KEY_BYTES], id[ID_BYTES];
    bool promised, ended, may_cancel;
    unsigned live; /* clients */
    struct client clients[CLIENTS];
};

static struct lane lanes[LANES_MAX];
static unsigned lane_count;
static uint32_t task_count;
static int64_t called_us[TASKS_MAX];

/* -- what is written down --------------------------------------------------------------- */
static void note(const struct client *client, struct operation operation)
{
    operation.called_us = client->called_us;
    operation.returned_us = operation.outcome[0] == 'u' ? 0 : aion_clock_mono_us();
    operation.client = client->number;
    operation.task = client->lane->key;
    operation.name = client->name;
    history_write(client->lane->history, &operation);
}

static const char *state_name(Aion__V1__TaskState state)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&aion__v1__task_state__descriptor, (int)state);
    return value != NULL ? value->name + strlen("TASK_STATE_") : "";
}

static void see_state(struct lane *lane, Aion__V1__TaskState state)
{
    lane->ended |= (int)state >= (int)AION__V1__TASK_STATE__TASK_STATE_SUCCEEDED;
}

/* -- one thing after another ------------------------------------------------------------ */
static void next_thing(struct client *client);

static void pause_then(struct client *client, uint64_t longest_us)
{
    struct history *history = client->lane->history;
    int64_t wait_us = (int64_t)aion_rand_below(&history->rand, longest_us);
    client->done++;
    mesh_timer_set(history->loop, &client->timer, mesh_loop_now(history->loop) + wait_us);
}

static void unexpected(const struct client *client, const struct aion_err *err)
{
    fprintf(stderr, "%s of %s: %s %s\n", client->name, client->lane->key,
            aion_code_name(err->code), err->text);
    exit(1);
}

/* Answers that say nothing about whether it was done. */
static bool is_open(const struct aion_err *err)
{
    return err->code == AION_UNAVAILABLE || err->code == AION_DEADLINE ||
           err->code == AION_CANCELLED || err->code == AION_UNKNOWN ||
           err->code == AION_INTERNAL || err->code == AION_ABORTED;
}

static void submit_failed(struct client *client, const struct aion_err *err)
{
    if (err->code == AION_EXISTS)
        note(client, (struct operation){.outcome = "conflict", .body = client->body});
    else if (is_open(err))
        note(client, (struct operation){.outcome = "unknown", .body = client->body});
    else if (err->code != AION_EXHAUSTED) /* that one: certainly not taken */
        unexpected(client, err);
}

static void submit_done(void *user, const struct mesh_result *result)
{
    struct client *client = user;
    struct lane *lane = client->lane;
    const Aion__V1__Task *task = aion_v1_aion_tasks_submit_result(result);
    if (task == NULL) {
        submit_failed(client, result->err);
    } else {
        note(client,
             (struct operation){.outcome = "ok", .body = client->body, .id = task->task_id});
        aion_str_copy(lane->id, sizeof(lane->id), aion_str_of(task->task_id));
        lane->promised = true;
    }
    pause_then(client, task != NULL ? PAUSE_US : AWAY_US);
}

static void submit(struct client *client, unsigned body)
{
    Aion__V1__TaskRequest request = AION__V1__TASK_REQUEST__INIT;
    Google__Protobuf__Struct params = GOOGLE__PROTOBUF__STRUCT__INIT;
    Google__Protobuf__Struct__FieldsEntry entries[2], *pointers[2] = {&entries[0], &entries[1]};
    Google__Protobuf__Value values[2];
    static char intent[] = "chaos", names[2][8] = {"key", "body"};
    struct lane *lane = client->lane;
    for (size_t i = 0; i < 2; i++) {
        google__protobuf__struct__fields_entry__init(&entries[i]);
        google__protobuf__value__init(&values[i]);
        entries[i].key = names[i];
        entries[i].value = &values[i];
    }
    values[0].kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
    values[0].string_value = lane->key;
    values[1].kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
    values[1].number_value = body;
    params.fields = pointers;
    params.n_fields = 2;
    request.intent = intent;
    request.params = &params;
    request._idempotency_key_case = AION__V1__TASK_REQUEST___IDEMPOTENCY_KEY_IDEMPOTENCY_KEY;
    request.idempotency_key = lane->key;
    client->name = "submit";
    client->body = body;
    client->called_us = aion_clock_mono_us();
    if (called_us[lane->task] == 0)
        called_us[lane->task] = client->called_us;
    aion_v1_aion_tasks_submit_call(lane->channel, &request, NULL, submit_done, client);
}

/* A read that got no answer has told nothing. */
static void read_failed(struct client *client, const struct aion_err *err)
{
    if (err->code == AION_NOT_FOUND)
        note(client, (struct operation){.outcome = "absent"});
    else if (!is_open(err) && err->code != AION_EXHAUSTED)
        unexpected(client, err);
}

static void status_done(void *user, const struct mesh_result *result)
{
    struct client *client = user;
    const Aion__V1__TaskStatus *status = aion_v1_aion_tasks_status_by_id_result(result);
    if (status == NULL) {
        read_failed(client, result->err);
    } else {
        note(client, (struct operation){.outcome = "ok", .state = state_name(status->state)});
        see_state(client->lane, status->state);
    }
    pause_then(client, status != NULL ? PAUSE_US : AWAY_US);
}

static void read_light(struct client *client)
{
    Aion__V1__TaskRef request = AION__V1__TASK_REF__INIT;
    request.task_id = client->lane->id;
    client->name = "read";
    client->called_us = aion_clock_mono_us();
    aion_v1_aion_tasks_status_by_id_call(client->lane->channel, &request, NULL, status_done,
                                         client);
}

static const char *text_of(const Aion__V1__Task *task)
{
    bool text =
        task->result != NULL && task->result->body_case == AION__V1__TASK_RESULT__BODY_TEXT;
    return text ? task->result->text : "";
}

static void task_done(void *user, const struct mesh_result *result)
{
    struct client *client = user;
    const Aion__V1__Task *task = aion_v1_aion_tasks_get_task_result(result);
    if (task == NULL) {
        read_failed(client, result->err);
    } else {
        note(client, (struct operation){.outcome = "ok",
                                        .state = state_name(task->state),
                                        .result = text_of(task),
                                        .whole = true});
        see_state(client->lane, task->state);
    }
    pause_then(client, task != NULL ? PAUSE_US : AWAY_US);
}

static void read_whole(struct client *client)
{
    Aion__V1__GetTaskRequest request = AION__V1__GET_TASK_REQUEST__INIT;
    request.task_id = client->lane->id;
    client->name = "read";
    client->called_us = aion_clock_mono_us();
    aion_v1_aion_tasks_get_task_call(client->lane->channel, &request, NULL, task_done, client);
}

static void cancel_done(void *user, const struct mesh_result *result)
{
    struct client *client = user;
    const Aion__V1__Task *task = aion_v1_aion_tasks_cancel_result(result);
    if (task != NULL) { /* it was asked for, and later this was seen */
        note(client, (struct operation){.outcome = "ok"});
        client->name = "read";
        note(client, (struct operation){.outcome = "ok", .state = state_name(task->state)});
        see_state(client->lane, task->state);
    } else if (result->err->code == AION_NOT_FOUND) {
        note(client, (struct operation){.outcome = "absent"});
    } else if (is_open(result->err)) {
        note(client, (struct operation){.outcome = "unknown"});
    } else if (result->err->code != AION_EXHAUSTED) {
        unexpected(client, result->err);
    }
    pause_then(client, task != NULL ? PAUSE_US : AWAY_US);
}

static void cancel(struct client *client)
{
    Aion__V1__CancelRequest request = AION__V1__CANCEL_REQUEST__INIT;
    static char reason[] = "as the script has it";
    request.task_id = client->lane->id;
    request.reason = reason;
    client->name = "cancel";
    client->called_us = aion_clock_mono_us();
    aion_v1_aion_tasks_cancel_call(client->lane->channel, &request, NULL, cancel_done, client);
}

/* -- lanes ------------------------------------------------------------------------------ */
static void next_task(struct lane *lane)
{
    struct history *history = lane->history;
    lane->live = 0;
    if (history->operations >= history->wanted || task_count == TASKS_MAX)
        return;
    lane->task = task_count++;
    snprintf(lane->key, sizeof(lane->key), "k%u", lane->task);
    lane->id[0] = '\0';
    lane->promised = lane->ended = false;
    lane->may_cancel = history_chance(history, 25);
    lane->live = CLIENTS;
    for (size_t i = 0; i < CLIENTS; i++) {
        lane->clients[i].done = 0;
        lane->clients[i].live = true;
        pause_then(&lane->clients[i], PAUSE_US);
    }
}

static void leave(struct client *client)
{
    client->live = false;
    if (--client->lane->live == 0)
        next_task(client->lane);
}

static void next_thing(struct client *client)
{
    struct lane *lane = client->lane;
    struct history *history = lane->history;
    uint64_t dice = aion_rand_below(&history->rand, 100);
    if (lane->ended && client->done > LEAST)
        leave(client);
    else if (!lane->promised)
        submit(client, dice < 3 ? 2 : 1);
    else if (dice < 8)
        submit(client, 1);
    else if (dice < 11)
        submit(client, 3);
    else if (dice < 20 && lane->may_cancel)
        cancel(client);
    else if (dice < 60)
        read_light(client);
    else
        read_whole(client);
}

static void timer_fired(struct mesh_timer *timer)
{
    next_thing(aion_container(timer, struct client, timer));
}

void clients_start(struct history *history, struct mesh_channel *channel, unsigned count)
{
    lane_count = count < LANES_MAX ? count : LANES_MAX;
    for (unsigned i = 0; i < lane_count; i++) {
        struct lane *lane = &lanes[i];
        lane->history = history;
        lane->channel = channel;
        for (unsigned k = 0; k < CLIENTS; k++) {
            lane->clients[k].lane = lane;
            lane->clients[k].number = i * CLIENTS + k;
            lane->clients[k].timer.fire = timer_fired;
        }
        next_task(lane);
    }
}

bool clients_ended(void)
{
    for (unsigned i = 0; i < lane_count; i++)
        if (lanes[i].live > 0)
            return false;
    return true;
}

unsigned clients_unfinished(void)
{
    unsigned unfinished = 0;
    for (unsigned i = 0; i < lane_count; i++)
        if (lanes[i].live > 0) {
            fprintf(stderr, "task %s %s: no end was seen\n", lanes[i].key, lanes[i].id);
            unfinished++;
        }
    return unfinished;
}

int64_t clients_called_us(const char *key)
{
    uint64_t number;
    if (key[0] != 'k' || !aion_str_u64(aion_str_of(key + 1), &number) || number >= task_count)
        return 0;
    return called_us[number];
}
