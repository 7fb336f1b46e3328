/* The scripted driver: when operations run, and when they fail. */
#include "store/script/script_private.h"

#include <stdio.h>
#include <stdlib.h>

static script_apply_fn *const apply[STORE_KINDS] = {
    [STORE_ACCEPT] = script_write,
    [STORE_ROUTE] = script_write,
    [STORE_START] = script_write,
    [STORE_CHUNKS] = script_write,
    [STORE_RETRY] = script_write,
    [STORE_FINISH] = script_write,
    [STORE_MARK] = script_write,
    [STORE_ACK] = script_write,
    [STORE_LEASE] = script_lease,
    [STORE_AUDIT_PUT] = script_nothing,
    [STORE_CURSOR_PUT] = script_cursor_put,
    [STORE_CURSOR_DROP] = script_cursor_drop,
    [STORE_BUDGET_PUT] = script_budget_put,
    [STORE_CARVE] = script_carve,
    [STORE_UNCARVE] = script_uncarve,
    [STORE_REAP] = script_reap,
    [STORE_ARRIVALS] = script_arrivals,
    [STORE_POLICY_PUT] = script_policy_put,
    [STORE_PLAN_PUT] = script_plan_put,
    [STORE_HOLD_PUT] = script_hold_put,
    [STORE_HOLD_DROP] = script_hold_drop,
    [STORE_SWEEP] = script_sweep,
    [STORE_FACTS_PUT] = script_facts_put,
    [STORE_TASK_READ] = script_task_read,
    [STORE_KEY_READ] = script_key_read,
    [STORE_LIST] = script_list,
    [STORE_CHUNKS_READ] = script_chunks_read,
    [STORE_LOAD] = script_load,
    [STORE_EVENTS_READ] = script_events_read,
    [STORE_CURSOR_READ] = script_cursor_read,
    [STORE_BUDGET_LIST] = script_budget_list,
    [STORE_BALANCES] = script_balances,
    [STORE_AUDIT_LIST] = script_audit_list,
    [STORE_AUDIT_HEADS] = script_audit_heads,
    [STORE_ARRIVALS_READ] = script_arrivals_read,
    [STORE_POLICY_LIST] = script_policy_list,
    [STORE_POLICY_READ] = script_policy_read,
    [STORE_PLAN_READ] = script_plan_read,
    [STORE_HOLD_LIST] = script_hold_list,
    [STORE_FACTS_READ] = script_facts_read,
};

/* The line of audit is all there is to it. */
void script_nothing(struct script_store *self, struct store_op *op)
{
    (void)self;
    (void)op;
}

/* -- running ------------------------------------------------------------------------ */
static void set_down(struct aion_err *err, enum aion_code code)
{
    aion_err_set(err, __func__, code, "the store is down: a test says so");
    aion_err_reason(err, code == AION_UNAVAILABLE ? "STORE_DOWN" : "STORE_BUSY");
}

/* True: this one fails in this way. */
static bool is_fault(struct script_store *self, const struct store_op *op,
                     enum store_script_fault fault, struct aion_err *err)
{
    bool writes = !store_op_reads(op);
    if (self->broken && writes && fault == STORE_SCRIPT_REFUSE) {
        set_down(err, AION_UNAVAILABLE);
        return true;
    }
    if (self->down && writes && fault == STORE_SCRIPT_FAIL) {
        set_down(err, AION_UNAVAILABLE);
        return true;
    }
    if (self->faults[op->kind].left == 0 || self->faults[op->kind].fault != fault)
        return false;
    self->faults[op->kind].left--;
    set_down(err, self->faults[op->kind].code);
    if (fault == STORE_SCRIPT_UNCLEAR)
        aion_err_reason(err, "STORE_UNCLEAR");
    return true;
}

static void apply_op(struct script_store *self, struct store_op *op)
{
    if (!script_audit_follows(self, op))
        return;
    apply[op->kind](self, op);
    const struct store_audit *line = store_audit_due(op);
    if (line != NULL)
        script_audit_add(self, line);
}

static void run(struct script_store *self, struct store_op *op)
{
    struct aion_err err;
    if (is_fault(self, op, STORE_SCRIPT_FAIL, &err)) {
        store_op_fail(op, &err);
    } else {
        apply_op(self, op);
        if (is_fault(self, op, STORE_SCRIPT_UNCLEAR, &err))
            store_op_fail(op, &err);
    }
    if (self->mutes && self->mute_kind == op->kind) {
        self->mutes = false;
        self->mute = op;
    } else {
        store_complete(&self->base, op);
    }
}

static bool script_submit(struct store *store, struct store_op *op, struct aion_err *err)
{
    struct script_store *self = script_of(store);
    self->counts[op->kind]++;
    struct aion_err own;
    if (is_fault(self, op, STORE_SCRIPT_REFUSE, err != NULL ? err : &own))
        return false;
    if (!self->hold || op->waiter != NULL) {
        run(self, op);
        return true;
    }
    *self->held_last = op;
    self->held_last = &op->next;
    self->held_count++;
    return true;
}

size_t store_script_step(struct store *store, size_t count)
{
    struct script_store *self = script_of(store);
    size_t done = 0;
    while (done < count && self->held != NULL) {
        struct store_op *op = self->held;
        self->held = op->next;
        if (self->held == NULL)
            self->held_last = &self->held;
        op->next = NULL;
        self->held_count--;
        run(self, op);
        done++;
    }
    return done;
}

void store_script_hold(struct store *store, bool hold)
{
    script_of(store)->hold = hold;
}

size_t store_script_held(const struct store *store)
{
    return ((const struct script_store *)(const void *)store)->held_count;
}

void store_script_fail(struct store *store, enum store_kind kind, enum store_script_fault fault,
                       enum aion_code code, size_t count)
{
    struct script_store *self = script_of(store);
    self->faults[kind].fault = fault;
    self->faults[kind].code = code;
    self->faults[kind].left = count;
}

void store_script_mute(struct store *store, enum store_kind kind)
{
    struct script_store *self = script_of(store);
    self->mutes = true;
    self->mute_kind = kind;
}

void store_script_tell(struct store *store)
{
    struct script_store *self = script_of(store);
    struct store_op *op = self->mute;
    self->mute = NULL;
    if (op != NULL)
        store_complete(&self->base, op);
}

void store_script_down(struct store *store, bool down)
{
    script_of(store)->down = down;
}

size_t store_script_count(const struct store *store, enum store_kind kind)
{
    return ((const struct script_store *)(const void *)store)->counts[kind];
}

void store_script_break(struct store *store)
{
    struct aion_err err;
    set_down(&err, AION_UNAVAILABLE);
    script_of(store)->broken = true;
    store_raise_fatal(store, &err);
}

/* -- what is stored ------------------------------------------------------------------ */
static struct script_state *named; /* one thread: see script.h */

static struct script_state *find_state(aion_str name)
{
    struct script_state *state = name.size > 0 ? named : NULL;
    while (state != NULL && !aion_str_is(name, state->name))
        state = state->next;
    return state;
}

static struct script_state *make_state(const struct store_conf *conf, aion_str name)
{
    struct script_state *state = calloc(1, sizeof(*state));
    if (state == NULL)
        return NULL;
    aion_arena_init(&state->arena, (size_t)1 << 30, NULL, 0);
    state->window_us = conf->window_us > 0 ? conf->window_us : 3600000000;
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        state->epochs[i] = 1;
    aion_str_copy(state->name, sizeof(state->name), name);
    if (name.size > 0) {
        state->next = named;
        named = state;
    }
    return state;
}

static void leave_state(struct script_state *state)
{
    if (--state->stores > 0)
        return;
    for (struct script_state **at = &named; *at != NULL; at = &(*at)->next)
        if (*at == state) {
            *at = state->next;
            break;
        }
    for (unsigned i = 0; i < STORE_TABLE_COUNT; i++)
        free(state->tables[i].items);
    aion_arena_done(&state->arena);
    free(state);
}

/* -- life --------------------------------------------------------------------------- */
static struct store *script_open(const struct store_conf *conf, aion_str rest,
                                 struct aion_err *err)
{
    if (rest.size >= sizeof(named->name))
        return aion_fail_null(err, AION_INVALID, "the name of a script has at most 63 bytes");
    struct script_store *self = calloc(1, sizeof(*self));
    struct script_state *state = find_state(rest);
    if (state == NULL)
        state = make_state(conf, rest);
    if (self == NULL || state == NULL) {
        free(self);
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    }
    store_base_init(&self->base, &store_script_driver, conf);
    self->state = state;
    state->stores++;
    self->held_last = &self->held;
    return &self->base;
}

static struct store_info script_info(const struct store *store)
{
    const struct script_state *state =
        ((const struct script_store *)(const void *)store)->state;
    return (struct store_info){.driver = "script",
                               .version = 2,
                               .created = true,
                               .shared = state->name[0] != '\0',
                               .window_us = state->window_us};
}

static struct store_stats script_stats(struct store *store)
{
    return (struct store_stats){.waiting = script_of(store)->held_count};
}

static bool script_healthy(struct store *store)
{
    return !script_of(store)->down && !script_of(store)->broken;
}

static void script_close(struct store *store)
{
    struct script_store *self = script_of(store);
    store_script_step(store, SIZE_MAX);
    store_script_tell(store);
    store_base_done(store);
    leave_state(self->state);
    free(self);
}

const struct store_driver store_script_driver = {
    .name = "script",
    .open = script_open,
    .submit = script_submit,
    .info = script_info,
    .stats = script_stats,
    .healthy = script_healthy,
    .close = script_close,
};
