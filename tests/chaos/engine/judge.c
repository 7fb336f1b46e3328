/* What the database must hold at the end: as many tasks as keys, each ended once and well, its
 * text and its stream byte for byte; and books that balance. One thread. */
#include "engine.h"

#include "aion/v1/tasks.mesh.h"
#include "base/clock.h"
#include "codec/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARENA_MAX = 8 << 20, PAGE = 1000, WINDOW_US = 600000000 };

void engine_die(const char *what, const struct aion_err *err)
{
    fprintf(stderr, "%s: %s (%s)\n", what, err != NULL ? err->text : "",
            err != NULL ? err->detail : "");
    _exit(1);
}

static struct store *open_store(const char *url)
{
    struct aion_err err;
    struct store_conf conf = {.url = url, .window_us = WINDOW_US};
    struct store *store = store_open(&conf, &err);
    if (store == NULL)
        engine_die("open", &err);
    return store;
}

void engine_make_store(const char *url)
{
    struct aion_err err;
    struct store *store = open_store(url);
    struct store_budget_put put = {.budget = {.id = AION_STR("engine"),
                                              .period = AION_STR("total"),
                                              .limit_nano_usd = 1000000000000,
                                              .at_us = aion_clock_utc_us(),
                                              .changed_by = AION_STR("engine_kill")}};
    if (!store_budget_put_wait(store, &put, &err))
        engine_die("put the budget", &err);
    store_close(store);
}

/* -- one task --------------------------------------------------------------------------- */
static const char *judge_result(const struct store_task *task, uint32_t number,
                                struct aion_arena *arena)
{
    char text[ENGINE_TEXT_MAX];
    ProtobufCAllocator allocator = codec_arena_allocator(arena);
    Aion__V1__TaskResult *result = aion__v1__task_result__unpack(
        &allocator, task->result.size, (const uint8_t *)task->result.data);
    engine_text(number, text);
    if (result == NULL || result->body_case != AION__V1__TASK_RESULT__BODY_TEXT)
        return "its result is no text";
    return strcmp(result->text, text) == 0 ? NULL : "its result is another's";
}

static const char *judge_history(const struct store_task *task)
{
    unsigned ends = 0, begins = 0;
    for (size_t i = 0; i < task->event_count; i++) {
        ends += (task->events[i].kinds & STORE_EVENT_SUCCEEDED) != 0;
        begins += (task->events[i].kinds & STORE_EVENT_ACCEPTED) != 0;
    }
    return ends == 1 && begins == 1 ? NULL : "it did not begin once and end once";
}

/* What a reader has in the end: a restart takes back what was read from its place on. */
static void read_stream(const struct store_chunks_read *read, char *out, size_t max)
{
    size_t used[PAGE + 1] = {0}; /* bytes before the chunk of that cursor */
    size_t size = 0;
    for (size_t i = 0; i < read->count; i++) {
        const struct store_chunk *chunk = &read->chunks[i];
        if (chunk->cursor <= PAGE)
            used[chunk->cursor] = size;
        if (chunk->kind == STORE_CHUNK_RESTART && chunk->discard_from <= PAGE)
            size = used[chunk->discard_from];
        if (chunk->kind != STORE_CHUNK_TEXT || size + chunk->payload.size >= max)
            continue;
        memcpy(out + size, chunk->payload.data, chunk->payload.size);
        size += chunk->payload.size;
    }
    out[size] = '\0';
}

static const char *judge_stream(struct store *store, const struct store_task *task,
                                uint32_t number, struct aion_arena *arena)
{
    char seen[1024], wanted[ENGINE_CHUNKS * ENGINE_TEXT_MAX] = "";
    struct aion_err err;
    struct store_chunks_read read = {
        .op.arena = arena, .seq = task->seq, .limit = PAGE, .bytes_max = 1 << 20};
    if (!store_chunks_read_wait(store, &read, &err) || read.more)
        return "its stream cannot be read";
    for (unsigned chunk = 1; engine_streams(number) && chunk <= ENGINE_CHUNKS; chunk++)
        engine_chunk_text(number, chunk, wanted + strlen(wanted));
    read_stream(&read, seen, sizeof(seen));
    return strcmp(seen, wanted) == 0 ? NULL : "its stream is not what an undisturbed one is";
}

static const char *judge_task(struct store *store, const struct engine_ledger *ledger,
                              uint32_t number)
{
    struct aion_arena arena;
    struct aion_err err;
    aion_arena_init(&arena, ARENA_MAX, NULL, 0);
    struct store_task_read read = {.op.arena = &arena,
                                   .id = ledger->ids[number],
                                   .seq = store_seq_of(&ledger->ids[number]),
                                   .with_history = true};
    const char *wrong = NULL;
    if (!ledger->acked[number])
        wrong = "it was never acknowledged";
    else if (!store_task_read_wait(store, &read, &err))
        wrong = "it cannot be read";
    else if (!read.found)
        wrong = "it was acknowledged and is lost";
    else if (read.task.state != STORE_SUCCEEDED)
        wrong = "it has not succeeded";
    else if ((wrong = judge_result(&read.task, number, &arena)) == NULL &&
             (wrong = judge_history(&read.task)) == NULL)
        wrong = judge_stream(store, &read.task, number, &arena);
    aion_arena_done(&arena);
    return wrong;
}

/* -- all of them ------------------------------------------------------------------------ */
static uint32_t count_tasks(struct store *store)
{
    struct store_list list = {.limit = PAGE};
    struct aion_err err;
    uint32_t count = 0;
    do {
        struct aion_arena arena;
        aion_arena_init(&arena, ARENA_MAX, NULL, 0);
        list.op.arena = &arena;
        list.before = list.next;
        if (!store_list_wait(store, &list, &err))
            engine_die("list", &err);
        count += (uint32_t)list.count;
        aion_arena_done(&arena);
    } while (list.next != 0);
    return count;
}

static const char *judge_books(struct store *store, uint32_t tasks)
{
    struct aion_arena arena;
    struct aion_err err;
    int64_t sum = 0, spent = 0, reserved = 0;
    aion_arena_init(&arena, ARENA_MAX, NULL, 0);
    struct store_balances balances = {.op.arena = &arena, .limit = PAGE};
    if (!store_balances_wait(store, &balances, &err))
        engine_die("balances", &err);
    for (size_t i = 0; i < balances.count; i++) {
        const struct store_balance *balance = &balances.balances[i];
        sum += balance->nano_usd;
        if (aion_str_starts(balance->account, AION_STR("spent:")))
            spent += balance->nano_usd;
        if (aion_str_starts(balance->account, AION_STR("reserved:")))
            reserved += balance->nano_usd;
    }
    aion_arena_done(&arena);
    if (sum != 0)
        return "the sum over all accounts is not zero";
    return spent == (int64_t)tasks * ENGINE_PRICE && reserved == 0
               ? NULL
               : "not every task is paid for once";
}

const char *engine_judge(const char *url, const struct engine_ledger *ledger,
                         uint32_t *ret_number)
{
    const char *wrong =
        ledger->said_twice ? "a key gave two tasks, or two results count" : NULL;
    struct store *store = open_store(url);
    *ret_number = 0;
    for (uint32_t number = 0; number < ledger->count && wrong == NULL; number++) {
        wrong = judge_task(store, ledger, number);
        *ret_number = number;
    }
    if (wrong == NULL && count_tasks(store) != ledger->count)
        wrong = "there are other tasks than those that were submitted";
    if (wrong == NULL)
        wrong = judge_books(store, ledger->count);
    store_close(store);
    return wrong;
}
