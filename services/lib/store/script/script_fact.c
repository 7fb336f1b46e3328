/* Tables as facts, in memory. */
#include "store/script/script_private.h"

#include <stdio.h>

/* -- facts -------------------------------------------------------------------------- */
static aion_str give_place(struct store_op *op, size_t next)
{
    char text[24];
    snprintf(text, sizeof(text), "%zu", next);
    return script_give(op, aion_str_of(text));
}

static size_t bytes_of(const struct script_row *row)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < STORE_COLUMNS_MAX; i++)
        bytes += row->values[i].str.size;
    return bytes;
}

static void add_fact(struct store_op *base, struct store_facts_read *op,
                     const struct script_row *row)
{
    struct store_fact *fact = &op->facts[op->count++];
    fact->table = op->table;
    for (unsigned i = 0; i < STORE_COLUMNS_MAX; i++) {
        fact->values[i].i64 = row->values[i].i64;
        fact->values[i].str = script_give(base, row->values[i].str);
    }
}

static void shards_to_rows(struct script_store *self)
{
    self->state->tables[STORE_TABLE_SHARD].count = 0;
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        struct script_fill fill = script_fill(self, STORE_TABLE_SHARD);
        script_put(&fill, i);
        script_put_u64(&fill, self->state->epochs[i]);
    }
}

void script_facts_read(struct script_store *self, struct store_op *base)
{
    struct store_facts_read *op = aion_container(base, struct store_facts_read, op);
    uint64_t from = 0;
    size_t bytes = 0, i;
    aion_str_u64(op->after, &from);
    op->count = 0;
    op->next = (aion_str){0};
    op->facts = script_give_array(base, op->limit, sizeof(*op->facts));
    if (op->table == STORE_TABLE_SHARD)
        shards_to_rows(self);
    for (i = (size_t)from; base->err == NULL && i < script_size(self, op->table); i++) {
        const struct script_row *row = script_at(self, op->table, i);
        if (op->count == op->limit || (op->count > 0 && bytes >= op->bytes_max)) {
            op->next = give_place(base, i);
            return;
        }
        add_fact(base, op, row);
        bytes += bytes_of(row);
    }
}

static bool same_key(const struct store_layout *layout, const struct script_row *row,
                     const struct store_fact *fact)
{
    for (unsigned i = 0; i < layout->keys; i++)
        if (row->values[i].i64 != fact->values[i].i64 ||
            !aion_str_eq(row->values[i].str, fact->values[i].str))
            return false;
    return true;
}

static bool has_key(struct script_store *self, const struct store_fact *fact)
{
    script_each(self, fact->table,
                i) if (same_key(store_layout(fact->table), script_at(self, fact->table, i),
                                fact)) return true;
    return false;
}

static void add_row(struct script_store *self, const struct store_fact *fact)
{
    struct script_row *row = script_add(self, fact->table);
    for (unsigned i = 0; i < STORE_COLUMNS_MAX; i++) {
        row->values[i].i64 = fact->values[i].i64;
        row->values[i].str = script_keep(self, fact->values[i].str);
    }
}

void script_facts_put(struct script_store *self, struct store_op *base)
{
    struct store_facts_put *op = aion_container(base, struct store_facts_put, op);
    op->added = 0;
    for (size_t i = 0; i < op->count; i++) {
        const struct store_fact *fact = &op->facts[i];
        uint64_t epoch = (uint64_t)fact->values[1].i64;
        if (fact->table == STORE_TABLE_SHARD) {
            uint64_t *own = &self->state->epochs[fact->values[0].i64 & (STORE_SHARDS - 1)];
            *own = epoch > *own ? epoch : *own;
        } else if (!has_key(self, fact)) {
            add_row(self, fact);
            op->added++;
        }
    }
}
