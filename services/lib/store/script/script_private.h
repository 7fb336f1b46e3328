/* Inside the scripted driver: the tables of store_fact.h as plain arrays of rows, searched from
 * end to end. */
#ifndef STORE_SCRIPT_PRIVATE_H
#define STORE_SCRIPT_PRIVATE_H

#include "store/script/script.h"
#include "store/store_private.h"

/* Numbers of columns: TASK_seq, TASK_id, ... */
// clang-format off
#define SCRIPT_NUMBER(name, type) TASK_##name,
enum { STORE_COLUMNS_TASK(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) DECISION_##name,
enum { STORE_COLUMNS_DECISION(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) ATTEMPT_##name,
enum { STORE_COLUMNS_ATTEMPT(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) END_##name,
enum { STORE_COLUMNS_ATTEMPT_END(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) MARK_##name,
enum { STORE_COLUMNS_MARK(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) CHUNK_##name,
enum { STORE_COLUMNS_CHUNK(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) ACK_##name,
enum { STORE_COLUMNS_ACK(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) OUTCOME_##name,
enum { STORE_COLUMNS_OUTCOME(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) LEDGER_##name,
enum { STORE_COLUMNS_LEDGER(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) ARRIVAL_##name,
enum { STORE_COLUMNS_ARRIVAL(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) OUTBOX_##name,
enum { STORE_COLUMNS_OUTBOX(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) KEY_##name,
enum { STORE_COLUMNS_IDEMPOTENCY(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) OWN_##name,
enum { STORE_COLUMNS_OWN_ID(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) POLICY_##name,
enum { STORE_COLUMNS_POLICY(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) PLAN_##name,
enum { STORE_COLUMNS_PLAN(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) CURSOR_##name,
enum { STORE_COLUMNS_CURSOR(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) BUDGET_##name,
enum { STORE_COLUMNS_BUDGET(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) BALANCE_##name,
enum { STORE_COLUMNS_BALANCE(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) AUDIT_##name,
enum { STORE_COLUMNS_AUDIT(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
#define SCRIPT_NUMBER(name, type) HOLD_##name,
enum { STORE_COLUMNS_HOLD(SCRIPT_NUMBER) };
#undef SCRIPT_NUMBER
// clang-format on

struct script_row {
    struct store_value values[STORE_COLUMNS_MAX];
};
struct script_rows {
    struct script_row *items;
    size_t count, capacity;
};

enum { SCRIPT_REPLICAS_MAX = 16 };

struct script_replica {
    aion_str id, address; /* the state's */
    int64_t until_us;
};

/* What is stored: of one store, or of all that were opened under one name. */
struct script_state {
    struct script_state *next; /* of the named ones */
    char name[64];             /* empty: of one store alone */
    unsigned stores;           /* that have it open */
    struct aion_arena arena;   /* all strings */
    struct script_rows tables[STORE_TABLE_COUNT];
    uint64_t epochs[STORE_SHARDS];
    int64_t window_us;
    int64_t clock_us; /* what leases go by; 0 = the clock */
    struct script_replica replicas[SCRIPT_REPLICAS_MAX];
    size_t replica_count;
    const struct script_replica *owners[STORE_SHARDS]; /* of a named one; NULL: nobody */
    uint64_t lost; /* of an unnamed one: shards of another */
    bool leased;
};

struct script_store {
    struct store base;
    struct script_state *state;
    char replica_text[201];
    aion_str replica; /* the one that leased last here */

    struct store_op *held, **held_last;
    size_t held_count;
    bool mutes; /* the next of this kind */
    enum store_kind mute_kind;
    struct store_op *mute; /* applied, and not told of */
    bool hold, down, broken;
    struct {
        enum store_script_fault fault;
        enum aion_code code;
        size_t left;
    } faults[STORE_KINDS];
    size_t counts[STORE_KINDS];
};

static inline struct script_store *script_of(struct store *store)
{
    return aion_container(store, struct script_store, base);
}

/* -- rows (script_rows.c) ----------------------------------------------------------- */
/* A new row, cleared; rows of the table move. */
struct script_row *script_add(struct script_store *self, enum store_table table);
void script_remove(struct script_store *self, enum store_table table, size_t index);
static inline struct script_row *script_at(struct script_store *self, enum store_table table,
                                           size_t index)
{
    return &self->state->tables[table].items[index];
}
static inline size_t script_size(const struct script_store *self, enum store_table table)
{
    return self->state->tables[table].count;
}
#define script_each(self, table, index) \
    for (size_t index = 0; index < script_size((self), (table)); index++)
/* The row with these integers in its first columns; or a text or bytes in its first. NULL:
 * none.
 */
struct script_row *script_find(struct script_store *self, enum store_table table, uint64_t key);
struct script_row *script_find_pair(struct script_store *self, enum store_table table,
                                    uint64_t first, uint64_t second);
struct script_row *script_find_str(struct script_store *self, enum store_table table,
                                   aion_str key);
/* Of the rows whose first column is the key, the one with the greatest second. */
struct script_row *script_last(struct script_store *self, enum store_table table, uint64_t key);

static inline int64_t script_i64(const struct script_row *row, unsigned column)
{
    return row->values[column].i64;
}
static inline uint64_t script_u64(const struct script_row *row, unsigned column)
{
    return (uint64_t)row->values[column].i64;
}
static inline aion_str script_str(const struct script_row *row, unsigned column)
{
    return row->values[column].str;
}
struct aion_uuid script_uuid(const struct script_row *row, unsigned column);
/* Fills a new row in the order of its columns. */
struct script_fill {
    struct script_store *self;
    struct script_row *row;
    unsigned column;
};
struct script_fill script_fill(struct script_store *self, enum store_table table);
void script_put(struct script_fill *fill, int64_t value);
void script_put_u64(struct script_fill *fill, uint64_t value);
void script_put_str(struct script_fill *fill, aion_str value); /* a copy */
void script_put_uuid(struct script_fill *fill, const struct aion_uuid *id);
aion_str script_keep(struct script_store *self,
                     aion_str value); /* a copy that lives with the store */
/* A copy in the operation's arena; fails the operation when that is full. */
aion_str script_give(struct store_op *op, aion_str value);
void *script_give_array(struct store_op *op, size_t count, size_t size);
bool script_fail(struct store_op *op, enum aion_code code, const char *reason,
                 const char *text); /* false */

/* -- operations --------------------------------------------------------------------- */
typedef void script_apply_fn(struct script_store *self, struct store_op *op);
script_apply_fn script_write, script_lease, script_cursor_put, script_cursor_drop,
    script_budget_put, script_carve, script_uncarve, script_reap, script_nothing,
    script_arrivals, script_policy_put, script_plan_put, script_hold_put, script_hold_drop,
    script_sweep, script_facts_put, script_task_read, script_key_read, script_list,
    script_chunks_read, script_load, script_events_read, script_cursor_read, script_budget_list,
    script_balances, script_audit_list, script_audit_heads, script_arrivals_read,
    script_policy_list, script_policy_read, script_plan_read, script_hold_list,
    script_facts_read;

/* Writes on tasks: sets the outcome; true: applied now, not before and not refused. */
typedef bool script_write_fn(struct script_store *self, struct store_op *op);
script_write_fn script_accept, script_route, script_start, script_chunks, script_retry,
    script_finish, script_mark, script_ack;

/* What is known of a task; strings are the store's. */
void script_gather(struct script_store *self, const struct script_row *row,
                   struct store_task *ret_task, struct store_life *ret_life);
struct script_row *script_task_of(struct script_store *self, const struct aion_uuid *id);
/* Before anything is applied: true, or the operation has failed. */
bool script_audit_follows(struct script_store *self, struct store_op *op);
void script_audit_add(struct script_store *self, const struct store_audit *line);
void script_balance_move(struct script_store *self, aion_str account, int64_t nano_usd);
void script_hold_of(const struct script_row *row, struct store_hold *ret_hold);
static inline int64_t script_window_end(const struct script_store *self, int64_t at_us)
{
    return (at_us / self->state->window_us + 1) * self->state->window_us;
}
/* A replica whose lease is not over, or that owns shards still. */
bool script_replica_lives(struct script_store *self, aion_str replica);
/* The shard is another's by now. */
bool script_fenced(const struct script_store *self, const struct store_write *write);

#endif
