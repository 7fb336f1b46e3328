/* A task as its facts make it: the one place where state is read from which rows exist. Pure.
 */
#include "store/store_private.h"

#include <stdio.h>

void store_life_mark(struct store_life *life, struct store_task *task,
                     const struct store_mark_row *mark)
{
    task->marks = mark->number;
    switch (mark->kind) {
    case STORE_MARK_HELD:
    case STORE_MARK_RELEASED:
        life->held = mark->kind == STORE_MARK_HELD;
        break;
    case STORE_MARK_RESOLVED:
        life->resolved |= mark->attempt == life->last.token.attempt;
        break;
    case STORE_MARK_REPLAYED:
        task->replayed = true;
        return;
    case STORE_MARK_RESUMED:
    default:
        return;
    }
    if (mark->at_us > life->marked_us)
        life->marked_us = mark->at_us;
}

static enum store_state state_of(const struct store_life *life)
{
    if (life->outcome != 0)
        return life->outcome;
    if (life->held)
        return STORE_HELD;
    if (life->decided_us == 0)
        return STORE_ACCEPTED;
    if (life->last.token.attempt == 0)
        return STORE_QUEUED;
    if (life->last.ended_us == 0)
        return STORE_RUNNING;
    if (!life->last.doubt)
        return STORE_RETRY_WAIT;
    return life->resolved ? STORE_QUEUED : STORE_IN_DOUBT;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t updated_us(const struct store_task *task, const struct store_life *life)
{
    if (life->outcome != 0)
        return life->ended_us;
    int64_t of_attempt = later(life->last.started_us, life->last.ended_us);
    return later(later(task->created_us, life->decided_us), later(of_attempt, life->marked_us));
}

void store_derive(struct store_task *task, const struct store_life *life)
{
    bool final = life->outcome != 0;
    task->created_us = store_seq_us(task->seq);
    task->state = state_of(life);
    task->token = final ? life->ended_by : life->last.token;
    task->updated_us = updated_us(task, life);
    task->due_us = task->state == STORE_RETRY_WAIT ? life->due_us : 0;
    task->host = life->last.host;
    task->error = final ? life->error : life->last.error;
}

/* -- history ------------------------------------------------------------------------ */
static const uint32_t of_state[STORE_STATES] = {
    [STORE_SUCCEEDED] = STORE_EVENT_SUCCEEDED, [STORE_FAILED] = STORE_EVENT_FAILED,
    [STORE_CANCELLED] = STORE_EVENT_CANCELLED, [STORE_EXPIRED] = STORE_EVENT_EXPIRED,
    [STORE_DEAD] = STORE_EVENT_DEAD,
};

static uint32_t of_mark(enum store_mark_kind kind)
{
    switch (kind) {
    case STORE_MARK_HELD:
        return STORE_EVENT_HELD;
    case STORE_MARK_RELEASED:
        return STORE_EVENT_RELEASED;
    case STORE_MARK_RESUMED:
        return STORE_EVENT_RESUMED;
    case STORE_MARK_RESOLVED:
        return STORE_EVENT_RESOLVED;
    case STORE_MARK_REPLAYED:
        return STORE_EVENT_REPLAYED;
    default:
        return 0;
    }
}

static void add(struct store_task *task, uint32_t kinds, uint32_t attempt, int64_t at_us,
                aion_str note)
{
    task->events[task->event_count++] = (struct store_event){kinds, attempt, at_us, note};
}

/* Admission and decision, and of each attempt its start and an end that did not end the task.
 */
static void add_course(struct store_task *task, const struct store_life *life)
{
    const uint32_t routed = STORE_EVENT_ROUTED | STORE_EVENT_QUEUED;
    bool at_once = life->decided_us == task->created_us;
    add(task, STORE_EVENT_ACCEPTED | (at_once ? routed : 0), 0, task->created_us, AION_STR(""));
    if (life->decided_us != 0 && !at_once)
        add(task, routed, 0, life->decided_us, AION_STR(""));
    for (size_t i = 0; i < task->attempt_count; i++) {
        const struct store_attempt *attempt = &task->attempts[i];
        add(task, STORE_EVENT_STARTED, attempt->token.attempt, attempt->started_us,
            attempt->host);
        if (attempt->ended_us != 0)
            add(task, attempt->doubt ? STORE_EVENT_DOUBT : STORE_EVENT_RETRY,
                attempt->token.attempt, attempt->ended_us, attempt->error.reason);
    }
}

/* Puts a mark's event behind everything that is not later. Each of the two rows keeps its own
 * order, whatever a clock did. */
static size_t insert(struct store_task *task, size_t from, const struct store_mark_row *mark)
{
    size_t at = from;
    while (at < task->event_count && task->events[at].at_us <= mark->at_us)
        at++;
    memmove(&task->events[at + 1], &task->events[at],
            (task->event_count - at) * sizeof(*task->events));
    task->events[at] =
        (struct store_event){of_mark(mark->kind), mark->attempt, mark->at_us, mark->note};
    task->event_count++;
    return at + 1;
}

static void add_outcome(struct store_task *task, const struct store_life *life)
{
    struct store_attempt *last =
        task->attempt_count > 0 ? &task->attempts[task->attempt_count - 1] : NULL;
    add(task, of_state[life->outcome], life->ended_by.attempt, life->ended_us,
        life->error.reason);
    if (last != NULL && last->ended_us == 0) {
        last->ended_us = life->ended_us;
        last->error = life->error;
    }
}

bool store_derive_history(struct store_task *task, const struct store_life *life,
                          const struct store_mark_row *marks, size_t mark_count,
                          struct aion_arena *arena)
{
    size_t most = 3 + 2 * task->attempt_count + mark_count, from = 0, i = 0;
    task->event_count = 0;
    task->events = aion_arena_array(arena, most, sizeof(*task->events));
    if (task->events == NULL)
        return false;
    add_course(task, life);
    for (; i < mark_count && marks[i].kind != STORE_MARK_REPLAYED; i++)
        from = insert(task, from, &marks[i]);
    if (life->outcome != 0)
        add_outcome(task, life);
    for (; i < mark_count; i++)
        add(task, of_mark(marks[i].kind), marks[i].attempt, marks[i].at_us, marks[i].note);
    return true;
}

/* -- small judgements --------------------------------------------------------------- */
static bool matches(aion_str wanted, aion_str value)
{
    return wanted.size == 0 || aion_str_eq(wanted, value);
}

bool store_hold_covers(const struct store_hold *hold, uint64_t seq, aion_str tenant,
                       aion_str intent, aion_str route)
{
    int64_t at_us = store_seq_us(seq);
    return (hold->from_us == 0 || at_us >= hold->from_us) &&
           (hold->until_us == 0 || at_us < hold->until_us) && matches(hold->tenant, tenant) &&
           matches(hold->intent, intent) && matches(hold->route, route);
}

bool store_entries_sound(const struct store_entry *entries, size_t count)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        size_t size = entries[i].account.size;
        if (size == 0 || size > 200 || __builtin_add_overflow(sum, entries[i].nano_usd, &sum))
            return false;
        for (size_t k = 0; k < i; k++)
            if (aion_str_eq(entries[k].account, entries[i].account))
                return false;
    }
    return sum == 0;
}

/* -- accounts ----------------------------------------------------------------------- */
struct store_slice store_slice_of(aion_str budget, aion_str replica)
{
    struct store_slice slice;
    snprintf(slice.mint, sizeof(slice.mint), "mint:%.*s", AION_STR_ARG(budget));
    snprintf(slice.budget, sizeof(slice.budget), "budget:%.*s", AION_STR_ARG(budget));
    snprintf(slice.escrow, sizeof(slice.escrow), "escrow:%.*s:%.*s", AION_STR_ARG(budget),
             AION_STR_ARG(replica));
    return slice;
}
