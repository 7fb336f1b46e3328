/* What was acknowledged, and the end that a new owner makes of what is unfinished. One thread.
 */
#include "work.h"

enum { ARENA_MAX = 8 << 20, UNFINISHED_MAX = 1000 };

bool work_hear(struct work_ledger *ledger, struct work_said said)
{
    if (said.number >= WORK_TASKS_MAX || said.steps > WORK_STEPS_MAX)
        return false;
    if (said.steps > ledger->acked[said.number])
        ledger->acked[said.number] = (uint8_t)said.steps;
    if (said.number >= ledger->count)
        ledger->count = said.number + 1;
    return true;
}

void work_forget(struct work_ledger *ledger)
{
    memset(ledger->acked, 0, ledger->count * sizeof(*ledger->acked));
    memset(ledger->ended, 0, ledger->count * sizeof(*ledger->ended));
    memset(ledger->refused, 0, ledger->count * sizeof(*ledger->refused));
    ledger->count = ledger->swept_below = 0;
    ledger->damaged = false;
}

/* -- leftovers -------------------------------------------------------------------------- */
static const char *end_one(struct work_store *store, struct work_ledger *ledger,
                           const struct store_task *task)
{
    struct store_entry entries[2];
    struct store_finish finish = {.write = {.seq = task->seq, .epoch = store->epoch},
                                  .token = task->token,
                                  .state = STORE_CANCELLED,
                                  .cursor = task->cursor,
                                  .at_us = store_seq_us(task->seq)};
    struct aion_err err;
    uint32_t number;
    if (!work_number(&task->id, &number) || number >= ledger->count)
        return "a task is unfinished that nobody submitted";
    work_move(entries, WORK_RESERVED, WORK_ESCROW, work_price(number));
    finish.write.entries = entries;
    finish.write.entry_count = task->decision.bytes.size > 0 ? 2 : 0;
    if (!store_finish_wait(store->store, &finish, &err) || finish.write.outcome != STORE_DONE)
        return "an unfinished task cannot be ended";
    ledger->ended[number] = true;
    return NULL;
}

const char *work_end_leftovers(struct work_store *store, struct work_ledger *ledger)
{
    struct aion_arena arena;
    struct aion_err err;
    aion_arena_init(&arena, ARENA_MAX, NULL, 0);
    struct store_load load = {
        .op.arena = &arena, .shards = STORE_ALL_SHARDS, .limit = UNFINISHED_MAX};
    const char *wrong = NULL;
    if (!store_load_wait(store->store, &load, &err))
        wrong = "unfinished tasks cannot be loaded";
    else if (load.more)
        wrong = "more unfinished tasks than were under way";
    for (size_t i = 0; wrong == NULL && i < load.count; i++)
        wrong = end_one(store, ledger, &load.tasks[i]);
    aion_arena_done(&arena);
    return wrong;
}
