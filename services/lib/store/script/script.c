/* The scripted driver: when operations run, and when they fail. */
#include "store/script/script_private.h"

#include <stdio.h>
#include <stdlib.h>

static script_apply_fn *const apply[STORE_KINDS] = {
    [STORE_ACCEPT] = script_accept,
    [STORE_ROUTE] = script_route,
    [STORE_START] = script_start,
    [STORE_RESUME] = script_resume,
    [STORE_CHUNKS] = script_chunks,
    [STORE_RETRY] = script_retry,
    [STORE_FINISH] = script_finish,
    [STORE_ACK] = script_ack,
    [STORE_POLICY_PUT] = script_policy_put,
    [STORE_PLAN_PUT] = script_plan_put,
    [STORE_SWEEP] = script_sweep,
    [STORE_TASK_READ] = script_task_read,
    [STORE_KEY_READ] = script_key_read,
    [STORE_LIST] = script_list,
    [STORE_CHUNKS_READ] = script_chunks_read,
    [STORE_LOAD] = script_load,
    [STORE_POLICY_LIST] = script_policy_list,
    [STORE_POLICY_READ] = script_policy_read,
    [STORE_PLAN_READ] = script_plan_read,
};

void *script_rows_at(const struct script_rows *rows, size_t index)
{
    return (char *)rows->items + index * rows->size;
}

void *script_rows_add(struct script_rows *rows)
{
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity > 0 ? rows->capacity * 2 : 8;
        rows->items = realloc(rows->items, rows->capacity * rows->size);
        if (rows->items == NULL)
            abort();
    }
    void *row = script_rows_at(rows, rows->count++);
    memset(row, 0, rows->size);
    return row;
}

void script_rows_remove(struct script_rows *rows, size_t index)
{
    char *row = script_rows_at(rows, index);
    memmove(row, row + rows->size, (rows->count - index - 1) * rows->size);
    rows->count--;
}

aion_str script_keep(struct script_store *self, aion_str value)
{
    aion_str copy = aion_arena_str(&self->arena, value);
    if (copy.data == NULL)
        abort();
    return copy;
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
    return true;
}

static void run(struct script_store *self, struct store_op *op)
{
    struct aion_err err;
    if (is_fault(self, op, STORE_SCRIPT_FAIL, &err))
        store_op_fail(op, &err);
    else
        apply[op->kind](self, op);
    store_complete(&self->base, op);
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

/* -- life --------------------------------------------------------------------------- */
static struct store *script_open(const struct store_conf *conf, aion_str rest,
                                 struct aion_err *err)
{
    struct script_store *self = calloc(1, sizeof(*self));
    (void)rest;
    if (self == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    store_base_init(&self->base, &store_script_driver, conf);
    aion_arena_init(&self->arena, (size_t)1 << 30, NULL, 0);
    self->tasks.size = sizeof(struct script_task *);
    self->keys.size = sizeof(struct script_key);
    self->policies.size = sizeof(struct store_policy);
    self->held_last = &self->held;
    return &self->base;
}

static struct store_info script_info(const struct store *store)
{
    (void)store;
    return (struct store_info){.driver = "script", .epoch = 1, .version = 1, .created = true};
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
    store_base_done(store);
    for (size_t i = 0; i < self->tasks.count; i++)
        script_task_free(*(struct script_task **)script_rows_at(&self->tasks, i));
    free(self->tasks.items);
    free(self->keys.items);
    free(self->policies.items);
    aion_arena_done(&self->arena);
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
