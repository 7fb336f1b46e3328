/* Tables as arrays of rows. */
#include "store/script/script_private.h"

#include <stdlib.h>

struct script_row *script_add(struct script_store *self, enum store_table table)
{
    struct script_rows *rows = &self->state->tables[table];
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity > 0 ? rows->capacity * 2 : 8;
        rows->items = realloc(rows->items, rows->capacity * sizeof(*rows->items));
        if (rows->items == NULL)
            abort();
    }
    struct script_row *row = &rows->items[rows->count++];
    *row = (struct script_row){.values = {{0}}};
    return row;
}

void script_remove(struct script_store *self, enum store_table table, size_t index)
{
    struct script_rows *rows = &self->state->tables[table];
    memmove(&rows->items[index], &rows->items[index + 1],
            (rows->count - index - 1) * sizeof(*rows->items));
    rows->count--;
}

struct script_row *script_find(struct script_store *self, enum store_table table, uint64_t key)
{
    script_each(self, table, i) if (script_u64(script_at(self, table, i), 0) ==
                                    key) return script_at(self, table, i);
    return NULL;
}

struct script_row *script_find_pair(struct script_store *self, enum store_table table,
                                    uint64_t first, uint64_t second)
{
    script_each(self, table, i)
    {
        struct script_row *row = script_at(self, table, i);
        if (script_u64(row, 0) == first && script_u64(row, 1) == second)
            return row;
    }
    return NULL;
}

struct script_row *script_find_str(struct script_store *self, enum store_table table,
                                   aion_str key)
{
    script_each(self, table, i) if (aion_str_eq(script_str(script_at(self, table, i), 0),
                                                key)) return script_at(self, table, i);
    return NULL;
}

struct script_row *script_last(struct script_store *self, enum store_table table, uint64_t key)
{
    struct script_row *last = NULL;
    script_each(self, table, i)
    {
        struct script_row *row = script_at(self, table, i);
        if (script_u64(row, 0) == key &&
            (last == NULL || script_u64(row, 1) > script_u64(last, 1)))
            last = row;
    }
    return last;
}

/* -- values ------------------------------------------------------------------------- */
struct aion_uuid script_uuid(const struct script_row *row, unsigned column)
{
    struct aion_uuid id = {.bytes = {0}};
    if (script_str(row, column).size == sizeof(id.bytes))
        memcpy(id.bytes, script_str(row, column).data, sizeof(id.bytes));
    return id;
}

struct script_fill script_fill(struct script_store *self, enum store_table table)
{
    return (struct script_fill){.self = self, .row = script_add(self, table)};
}

void script_put(struct script_fill *fill, int64_t value)
{
    fill->row->values[fill->column++].i64 = value;
}

void script_put_u64(struct script_fill *fill, uint64_t value)
{
    script_put(fill, (int64_t)value);
}

void script_put_str(struct script_fill *fill, aion_str value)
{
    fill->row->values[fill->column++].str = script_keep(fill->self, value);
}

void script_put_uuid(struct script_fill *fill, const struct aion_uuid *id)
{
    script_put_str(fill, aion_str_n(id->bytes, sizeof(id->bytes)));
}

aion_str script_keep(struct script_store *self, aion_str value)
{
    aion_str copy = aion_arena_str(&self->state->arena, value);
    if (copy.data == NULL)
        abort();
    return copy;
}

/* -- answers ------------------------------------------------------------------------ */
bool script_fail(struct store_op *op, enum aion_code code, const char *reason, const char *text)
{
    struct aion_err err;
    if (op->err != NULL)
        return false; /* the first one is the cause */
    aion_err_set(&err, __func__, code, "%s", text);
    if (reason != NULL)
        aion_err_reason(&err, reason);
    store_op_fail(op, &err);
    return false;
}

aion_str script_give(struct store_op *op, aion_str value)
{
    aion_str copy = aion_arena_str(op->arena, value);
    if (copy.data == NULL)
        script_fail(op, AION_EXHAUSTED, NULL, "the answer is larger than allowed");
    return copy;
}

void *script_give_array(struct store_op *op, size_t count, size_t size)
{
    void *array = aion_arena_array(op->arena, count, size);
    if (array == NULL)
        script_fail(op, AION_EXHAUSTED, NULL, "the answer is larger than allowed");
    return array;
}
