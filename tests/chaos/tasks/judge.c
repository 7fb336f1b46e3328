/* The judging side: what the store holds of a task must be the facts of a whole number of
 * steps. One thread. */
#include "work.h"

enum { ARENA_MAX = 8 << 20, PAGE = 1000, CHUNKS_MAX = 16 };

/* What can be seen of a task. */
struct facts {
    bool there, decided;
    enum store_state state;
    uint32_t attempts, marks;
    uint64_t cursor, acked;
};

/* -- what it should be ------------------------------------------------------------------ */
static enum store_state state_after(enum work_step step, enum work_step next)
{
    switch (step) {
    case WORK_ACCEPT:
        return next == WORK_ROUTE ? STORE_ACCEPTED : STORE_QUEUED;
    case WORK_ROUTE:
    case WORK_RELEASE:
    case WORK_RESOLVE:
        return STORE_QUEUED;
    case WORK_HOLD:
        return STORE_HELD;
    case WORK_DOUBT:
        return STORE_IN_DOUBT;
    case WORK_START:
    case WORK_CHUNKS:
    case WORK_ACK:
        return STORE_RUNNING;
    case WORK_RETRY:
        return STORE_RETRY_WAIT;
    case WORK_FINISH:
        return STORE_SUCCEEDED;
    case WORK_REFUSE:
        return STORE_FAILED;
    case WORK_END:
        break;
    }
    return 0;
}

static struct facts facts_after(uint32_t number, uint32_t steps)
{
    const uint8_t *shape = work_shape(number);
    struct facts facts = {.there = steps > 0, .decided = steps > 0 && shape[1] != WORK_ROUTE};
    for (uint32_t i = 0; i < steps; i++) {
        bool restart = shape[i] == WORK_CHUNKS && shape[i - 1] == WORK_START &&
                       work_restarts(facts.attempts);
        facts.state = state_after(shape[i], shape[i + 1]);
        facts.decided |= shape[i] == WORK_ROUTE;
        facts.attempts += shape[i] == WORK_START;
        facts.marks +=
            shape[i] == WORK_HOLD || shape[i] == WORK_RELEASE || shape[i] == WORK_RESOLVE;
        facts.cursor += (shape[i] == WORK_CHUNKS) + restart;
        if (shape[i] == WORK_ACK)
            facts.acked = facts.cursor;
    }
    return facts;
}

static uint32_t steps_of(uint32_t number)
{
    uint32_t steps = 0;
    while (work_shape(number)[steps] != WORK_END)
        steps++;
    return steps;
}

static bool facts_fit(struct facts seen, struct facts wanted, bool ended)
{
    if (!wanted.there || !seen.there)
        return wanted.there == seen.there;
    bool state = seen.state == wanted.state ||
                 (ended && seen.state == STORE_CANCELLED && !store_state_final(wanted.state));
    return state && seen.decided == wanted.decided && seen.attempts == wanted.attempts &&
           seen.marks == wanted.marks && seen.cursor == wanted.cursor &&
           seen.acked == wanted.acked;
}

/* -- one task --------------------------------------------------------------------------- */
static unsigned count_events(const struct store_task *task, uint32_t kinds)
{
    unsigned count = 0;
    for (size_t i = 0; i < task->event_count; i++)
        count += (task->events[i].kinds & kinds) != 0;
    return count;
}

static const char *judge_events(const struct store_task *task)
{
    static const uint32_t finals = STORE_EVENT_SUCCEEDED | STORE_EVENT_FAILED |
                                   STORE_EVENT_CANCELLED | STORE_EVENT_EXPIRED |
                                   STORE_EVENT_DEAD;
    if (count_events(task, STORE_EVENT_ACCEPTED) != 1)
        return "not accepted exactly once";
    if (count_events(task, STORE_EVENT_STARTED) != task->attempt_count)
        return "attempts and their events differ";
    if (count_events(task, finals) != store_state_final(task->state))
        return "an end without its event, or an event of an end twice";
    return NULL;
}

static bool is_text(aion_str seen, uint32_t number, uint32_t part)
{
    static char text[WORK_TEXT_MAX];
    return aion_str_eq(seen, work_text(number, part, text));
}

static const char *judge_texts(const struct store_task *task, uint32_t number)
{
    if (!is_text(task->body, number, 0))
        return "the body is not what was submitted";
    bool own_end = task->state == STORE_SUCCEEDED || task->state == STORE_FAILED;
    if (own_end && !is_text(task->result, number, 1))
        return "the result is doubled or another's";
    return NULL;
}

static const char *judge_chunks(struct store *store, const struct store_task *task,
                                uint32_t number, struct aion_arena *arena)
{
    struct store_chunks_read read = {
        .op.arena = arena, .seq = task->seq, .limit = CHUNKS_MAX, .bytes_max = 1 << 20};
    struct aion_err err;
    if (!store_chunks_read_wait(store, &read, &err))
        return "chunks cannot be read";
    if (read.more || read.count != task->cursor - task->acked)
        return "chunks are missing, or there are too many";
    for (size_t i = 0; i < read.count; i++) {
        const struct store_chunk *chunk = &read.chunks[i];
        if (chunk->cursor != task->acked + 1 + i)
            return "chunks have a gap";
        if (chunk->kind == STORE_CHUNK_TEXT &&
            !is_text(chunk->payload, number, 1 + (uint32_t)chunk->cursor))
            return "a chunk's payload is not what was submitted";
    }
    return NULL;
}

static const char *judge_found(struct store *store, const struct store_task *task,
                               uint32_t number, struct aion_arena *arena)
{
    const char *wrong = judge_events(task);
    if (wrong == NULL)
        wrong = judge_texts(task, number);
    return wrong == NULL ? judge_chunks(store, task, number, arena) : wrong;
}

/* How many steps may be there. Behind a refused one at most the start that went with it. */
static uint32_t steps_least(const struct work_ledger *ledger, uint32_t number)
{
    return ledger->damaged ? 0 : ledger->acked[number];
}

static bool may_be_swept(const struct work_ledger *ledger, uint32_t number)
{
    return number < ledger->swept_below &&
           (ledger->ended[number] || ledger->acked[number] == steps_of(number));
}

static uint32_t steps_most(const struct work_ledger *ledger, uint32_t number)
{
    uint32_t acked = ledger->acked[number], all = steps_of(number), most = acked + WORK_AHEAD;
    if (ledger->refused[number])
        most = acked + (work_shape(number)[acked] == WORK_START);
    return most < all ? most : all;
}

static const char *judge_facts(const struct work_ledger *ledger, uint32_t number,
                               struct facts seen)
{
    uint32_t acked = ledger->acked[number], most = steps_most(ledger, number);
    for (uint32_t steps = steps_least(ledger, number); steps <= most; steps++)
        if (facts_fit(seen, facts_after(number, steps), ledger->ended[number]))
            return NULL;
    if (acked > 0 && !seen.there)
        return "an acknowledged task is lost";
    for (uint32_t steps = 1; steps < acked; steps++)
        if (facts_fit(seen, facts_after(number, steps), false))
            return "an acknowledged step is lost";
    return ledger->refused[number] ? "a refused step is there" : "half of a step is there";
}

static bool read_task(struct store *store, uint32_t number, struct store_task_read *read,
                      struct aion_arena *arena)
{
    struct aion_err err;
    *read = (struct store_task_read){.op.arena = arena,
                                     .id = work_id(number),
                                     .seq = work_seq(number),
                                     .with_body = true,
                                     .with_history = true};
    return store_task_read_wait(store, read, &err);
}

static struct facts facts_of(const struct store_task_read *read)
{
    const struct store_task *task = &read->task;
    return (struct facts){.there = read->found,
                          .decided = task->decision.bytes.size > 0,
                          .state = task->state,
                          .attempts = (uint32_t)task->attempt_count,
                          .marks = task->marks,
                          .cursor = task->cursor,
                          .acked = task->acked};
}

static uint32_t steps_fitting(const struct store_task_read *read, uint32_t number)
{
    uint32_t steps = read->found ? steps_of(number) : 0;
    while (steps > 0 && !facts_fit(facts_of(read), facts_after(number, steps), false))
        steps--;
    return steps;
}

/* Also tells how many of its steps are there. */
static const char *judge_task(struct store *store, const struct work_ledger *ledger,
                              uint32_t number, uint32_t *ret_steps)
{
    struct aion_arena arena;
    struct store_task_read read;
    aion_arena_init(&arena, ARENA_MAX, NULL, 0);
    const char *wrong = NULL;
    *ret_steps = 0;
    if (!read_task(store, number, &read, &arena))
        wrong = "a task cannot be read";
    else if (read.found)
        wrong = judge_found(store, &read.task, number, &arena);
    if (wrong == NULL && (read.found || !may_be_swept(ledger, number)))
        wrong = judge_facts(ledger, number, facts_of(&read));
    if (wrong == NULL)
        *ret_steps = steps_fitting(&read, number);
    aion_arena_done(&arena);
    return wrong;
}

const char *work_judge_task(struct store *store, const struct work_ledger *ledger,
                            uint32_t number)
{
    uint32_t steps;
    return judge_task(store, ledger, number, &steps);
}

const char *work_settle_task(struct store *store, struct work_ledger *ledger, uint32_t number)
{
    uint32_t steps;
    const char *wrong = judge_task(store, ledger, number, &steps);
    if (steps > ledger->acked[number])
        ledger->acked[number] = (uint8_t)steps;
    return wrong;
}

uint32_t work_steps_there(struct store *store, uint32_t number)
{
    struct aion_arena arena;
    struct store_task_read read;
    aion_arena_init(&arena, ARENA_MAX, NULL, 0);
    bool good = read_task(store, number, &read, &arena);
    uint32_t steps = good ? steps_fitting(&read, number) : 0;
    aion_arena_done(&arena);
    return steps;
}

const char *work_judge_key(struct work_store *store, const struct work_ledger *ledger,
                           uint32_t number)
{
    struct store_accept accept;
    struct aion_err err;
    static char body[WORK_TEXT_MAX];
    char key[16];
    struct aion_uuid first = work_id(number);
    if (ledger->acked[number] == 0 || ledger->damaged || may_be_swept(ledger, number))
        return NULL;
    work_fill_accept(&accept, number, key, body);
    /* as of later, as a client would after an answer that never came */
    accept.write.seq += (uint64_t)1000000000 << STORE_SHARD_BITS;
    accept.write.epoch = store->epoch;
    if (!accept.own_id)
        accept.id = aion_uuid_new();
    if (!store_accept_wait(store->store, &accept, &err))
        return "a repeat was refused";
    if (accept.write.outcome != STORE_DUPLICATE || !aion_uuid_eq(&accept.first, &first) ||
        accept.first_seq != work_seq(number))
        return "a repeat made a second task";
    return NULL;
}

/* -- all of them ------------------------------------------------------------------------ */
static uint8_t listed[WORK_TASKS_MAX]; /* the state of those that are there, else 0 */

struct listing {
    const struct work_ledger *ledger;
    uint32_t acked_seen; /* how many of the acknowledged ones were listed */
    uint64_t newest;     /* seq of the one before: a page goes down */
    int64_t reserved, spent;
};

static void add_price(struct listing *listing, const struct store_task *task, uint32_t number)
{
    if (task->state == STORE_SUCCEEDED)
        listing->spent += work_price(number);
    else if (!store_state_final(task->state) && task->decision.bytes.size > 0)
        listing->reserved += work_price(number);
}

static const char *judge_listed(struct listing *listing, const struct store_task *task)
{
    const struct work_ledger *ledger = listing->ledger;
    uint32_t number;
    if (!work_number(&task->id, &number) || number >= ledger->count)
        return "a task is listed that nobody submitted";
    if (task->seq >= listing->newest)
        return "a task is listed twice";
    listing->newest = task->seq;
    listed[number] = (uint8_t)task->state;
    listing->acked_seen += ledger->acked[number] > 0 && !may_be_swept(ledger, number);
    add_price(listing, task, number);
    uint32_t most = steps_most(ledger, number);
    for (uint32_t steps = steps_least(ledger, number); steps <= most; steps++)
        if (facts_after(number, steps).state == task->state)
            return NULL;
    return ledger->ended[number] && task->state == STORE_CANCELLED ? NULL
                                                                   : "listed in another state";
}

static const char *judge_page(struct store *store, struct listing *listing, uint64_t *before,
                              struct aion_arena *arena)
{
    struct store_list list = {
        .op.arena = arena, .tenant = AION_STR("default"), .before = *before, .limit = PAGE};
    struct aion_err err;
    if (!store_list_wait(store, &list, &err)) {
        fprintf(stderr, "%s (%s)\n", err.text, err.detail);
        return "the listing cannot be read";
    }
    *before = list.next;
    const char *wrong = NULL;
    for (size_t i = 0; i < list.count && wrong == NULL; i++)
        wrong = judge_listed(listing, &list.tasks[i]);
    return wrong;
}

/* Those that must be there. */
static uint32_t count_acked(const struct work_ledger *ledger)
{
    uint32_t acked = 0;
    for (uint32_t number = 0; number < ledger->count; number++)
        acked += ledger->acked[number] > 0 && !may_be_swept(ledger, number);
    return acked;
}

/* What was swept is spent still, as nobody lists it any more. */
static void add_swept(struct listing *listing)
{
    const struct work_ledger *ledger = listing->ledger;
    for (uint32_t number = 0; number < ledger->swept_below && number < ledger->count; number++)
        if (may_be_swept(ledger, number) && !ledger->ended[number] && listed[number] == 0 &&
            facts_after(number, steps_of(number)).state == STORE_SUCCEEDED)
            listing->spent += work_price(number);
}

static const char *judge_books(struct store *store, struct listing *listing)
{
    struct aion_arena arena;
    struct aion_err err;
    int64_t sum = 0, reserved = 0, spent = 0;
    aion_arena_init(&arena, ARENA_MAX, NULL, 0);
    struct store_balances balances = {.op.arena = &arena, .limit = PAGE};
    bool read = store_balances_wait(store, &balances, &err);
    for (size_t i = 0; read && i < balances.count; i++) {
        const struct store_balance *balance = &balances.balances[i];
        sum += balance->nano_usd;
        if (aion_str_eq(balance->account, WORK_RESERVED))
            reserved = balance->nano_usd;
        else if (aion_str_eq(balance->account, WORK_SPENT))
            spent = balance->nano_usd;
    }
    aion_arena_done(&arena);
    if (!read)
        return "the balances cannot be read";
    if (sum != 0)
        return "the sum over all accounts is not zero";
    return reserved == listing->reserved && spent == listing->spent
               ? NULL
               : "what is reserved or spent is not what the tasks say";
}

static const char *judge_listing(struct store *store, struct listing *listing)
{
    const struct work_ledger *ledger = listing->ledger;
    const char *wrong = NULL;
    uint64_t before = 0;
    memset(listed, 0, ledger->count);
    do {
        struct aion_arena arena;
        aion_arena_init(&arena, ARENA_MAX, NULL, 0);
        wrong = judge_page(store, listing, &before, &arena);
        aion_arena_done(&arena);
    } while (wrong == NULL && before != 0);
    if (wrong == NULL && !ledger->damaged && listing->acked_seen != count_acked(ledger))
        wrong = "an acknowledged task is not listed";
    return wrong;
}

const char *work_judge_list(struct store *store, const struct work_ledger *ledger)
{
    struct listing listing = {.ledger = ledger, .newest = UINT64_MAX};
    const char *wrong = judge_listing(store, &listing);
    if (wrong != NULL || ledger->damaged)
        return wrong;
    add_swept(&listing);
    return judge_books(store, &listing);
}

/* -- the outbox ------------------------------------------------------------------------- */
enum {
    FINAL_KINDS = STORE_EVENT_SUCCEEDED | STORE_EVENT_FAILED | STORE_EVENT_CANCELLED |
                  STORE_EVENT_EXPIRED | STORE_EVENT_DEAD,
    EVENTS_PAGE = 5000,
};

static struct told {
    uint8_t begun[WORK_TASKS_MAX], ended[WORK_TASKS_MAX];
} told;

static const char *hear_events(struct store *store, struct store_events_read *read,
                               const struct work_ledger *ledger)
{
    struct aion_err err;
    if (!store_events_read_wait(store, read, &err))
        return "the outbox cannot be read";
    for (size_t i = 0; i < read->count; i++) {
        const struct store_outbox *event = &read->events[i];
        unsigned shard = store_seq_shard(event->seq);
        uint32_t number;
        if (!work_number(&event->id, &number) || number >= ledger->count)
            return "the outbox tells of a task that nobody submitted";
        if (event->sequence <= read->after[shard])
            return "the outbox gives a shard's rows out of order";
        read->after[shard] = event->sequence;
        told.begun[number] += (event->kinds & STORE_EVENT_ACCEPTED) != 0;
        told.ended[number] += (event->kinds & FINAL_KINDS) != 0;
    }
    return NULL;
}

/* A task that is there was told of once, one that is not never; only the judge ends without a
 * word. */
static const char *compare_told(const struct work_ledger *ledger)
{
    for (uint32_t number = ledger->swept_below; number < ledger->count; number++) {
        bool ended = store_state_final((enum store_state)listed[number]) &&
                     listed[number] != STORE_CANCELLED;
        if (told.begun[number] != (listed[number] != 0) || told.ended[number] != ended)
            return "the outbox and the tasks differ";
    }
    return NULL;
}

const char *work_judge_outbox(struct store *store, const struct work_ledger *ledger)
{
    struct store_events_read read = {.shards = STORE_ALL_SHARDS, .limit = EVENTS_PAGE};
    struct listing listing = {.ledger = ledger, .newest = UINT64_MAX};
    const char *wrong = judge_listing(store, &listing);
    if (wrong != NULL)
        return wrong;
    memset(told.begun, 0, ledger->count);
    memset(told.ended, 0, ledger->count);
    do {
        struct aion_arena arena;
        aion_arena_init(&arena, 4 * ARENA_MAX, NULL, 0);
        read.op.arena = &arena;
        wrong = hear_events(store, &read, ledger);
        aion_arena_done(&arena);
    } while (wrong == NULL && read.more);
    return wrong == NULL ? compare_told(ledger) : wrong;
}
