/* Inside the scripted driver: tables as plain arrays, searched from end to end. */
#ifndef STORE_SCRIPT_PRIVATE_H
#define STORE_SCRIPT_PRIVATE_H

#include "store/script/script.h"
#include "store/store_private.h"

/* A growing array of structs in malloc's memory. */
struct script_rows {
    void *items;
    size_t count, capacity, size;
};
void *script_rows_add(struct script_rows *rows); /* cleared */
void *script_rows_at(const struct script_rows *rows, size_t index);
void script_rows_remove(struct script_rows *rows, size_t index);

struct script_task {
    struct store_task row; /* arrays unused */
    uint8_t digest[32];
    bool has_digest, live;
    struct script_rows attempts, events, chunks; /* store_attempt, store_event, store_chunk */
};

struct script_key {
    aion_str tenant, key;
    uint8_t digest[32];
    struct aion_uuid id;
    int64_t at_us;
};

struct script_store {
    struct store base;
    struct aion_arena arena;           /* all strings */
    struct script_rows tasks;          /* script_task *, in the order of admission */
    struct script_rows keys, policies; /* script_key, store_policy */
    struct store_plan plan;
    uint64_t sequence;

    struct store_op *held, **held_last;
    size_t held_count;
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

typedef void script_apply_fn(struct script_store *self, struct store_op *op);
script_apply_fn script_accept, script_route, script_start, script_resume, script_chunks,
    script_retry, script_finish, script_ack, script_policy_put, script_plan_put, script_sweep,
    script_task_read, script_key_read, script_list, script_chunks_read, script_load,
    script_policy_list, script_policy_read, script_plan_read;

struct script_task *script_find(const struct script_store *self, const struct aion_uuid *id);
void script_task_free(struct script_task *task);
aion_str script_keep(struct script_store *self,
                     aion_str value); /* a copy that lives with the store */

#endif
