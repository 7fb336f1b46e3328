/* The audit log: lines with their effect, alone, and read. */
#include "store/postgres/audit.h"

#include "store/postgres/reader.h"

static void put_line(struct pg_args *args, const struct store_audit *line)
{
    pg_put_name(args, line->writer);
    pg_put_u64(args, line->number);
    pg_put_i64(args, line->at_us);
    pg_put_text(args, line->actor);
    pg_put_text(args, line->role);
    pg_put_text(args, line->action);
    pg_put_text(args, line->target);
    pg_put_text(args, line->result);
    pg_put_text(args, line->reason);
    pg_put_bytes(args, line->body);
    pg_put_bytes(args, line->prev);
    pg_put_bytes(args, line->hash);
}

/* The newest line of a writer: number 0 = none. */
static bool is_newest(struct pg_wait *wait, const struct store_audit *line, bool *ret_is)
{
    struct pg_rows rows;
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_AUDIT_NEWEST));
    pg_put_name(args, line->writer);
    bool read = pg_query(wait, pg_statement(PG_AUDIT_NEWEST), &rows);
    *ret_is = pg_next(&rows) && pg_get_u64(&rows) == line->number &&
              aion_str_eq(pg_get_str(&rows, NULL), line->hash);
    pg_rows_done(&rows);
    return read;
}

bool pg_audit_add(struct pg_wait *wait, const struct store_audit *line)
{
    uint64_t added;
    bool there = false;
    put_line(pg_begin(&wait->conn, pg_statement(PG_AUDIT_ADD)), line);
    if (!pg_run(wait, pg_statement(PG_AUDIT_ADD), &added))
        return false;
    if (added == 1)
        return true;
    return is_newest(wait, line, &there) &&
           (there || pg_conn_fail(&wait->conn, PG_CHAIN, "the chain goes on elsewhere"));
}

bool pg_audit_with(struct pg_wait *wait, struct store_op *op)
{
    const struct store_audit *line = store_audit_due(op);
    return line == NULL || pg_audit_add(wait, line);
}

/* -- reading ------------------------------------------------------------------------ */
static void get_line(struct pg_rows *rows, struct store_audit *line, struct aion_arena *arena)
{
    line->writer = pg_get_str(rows, arena);
    line->number = pg_get_u64(rows);
    line->at_us = pg_get_i64(rows);
    line->actor = pg_get_str(rows, arena);
    line->role = pg_get_str(rows, arena);
    line->action = pg_get_str(rows, arena);
    line->target = pg_get_str(rows, arena);
    line->result = pg_get_str(rows, arena);
    line->reason = pg_get_str(rows, arena);
    line->body = pg_get_str(rows, arena);
    line->prev = pg_get_str(rows, arena);
    line->hash = pg_get_str(rows, arena);
}

static enum pg_statement_id list_statement(const struct store_audit_list *op)
{
    if (op->writer.size == 0)
        return PG_AUDIT_BY_TIME;
    return op->oldest_first ? PG_AUDIT_UP : PG_AUDIT_DOWN;
}

bool pg_audit_list(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_audit_list *op = aion_container(base, struct store_audit_list, op);
    struct pg_statement statement = pg_statement(list_statement(op));
    struct pg_rows rows;
    (void)self;
    struct pg_args *args = pg_begin(&wait->conn, statement);
    pg_put_name(args, op->writer.size > 0 ? op->writer : op->before_writer);
    pg_put_text(args, op->actor);
    pg_put_text(args, op->action);
    pg_put_i64(args, op->from_us);
    pg_put_i64(args, op->until_us > 0 ? op->until_us : INT64_MAX);
    pg_put_i64(args, op->before_us);
    pg_put_u64(args, op->before_number);
    pg_put_i64(args, (int64_t)op->limit + 1);
    op->count = 0;
    bool read = pg_query(wait, statement, &rows);
    op->lines = pg_array(wait, base->arena, op->limit, sizeof(*op->lines));
    while (read && op->lines != NULL && op->count < op->limit && pg_next(&rows))
        get_line(&rows, &op->lines[op->count++], base->arena);
    op->more = (size_t)rows.rows > op->count;
    pg_rows_done(&rows);
    return !pg_failed(&wait->conn);
}

bool pg_audit_heads(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_audit_heads *op = aion_container(base, struct store_audit_heads, op);
    struct pg_rows rows;
    (void)self;
    pg_begin(&wait->conn, pg_statement(PG_AUDIT_HEADS));
    op->count = 0;
    bool read = pg_query(wait, pg_statement(PG_AUDIT_HEADS), &rows);
    op->heads = pg_array(wait, base->arena, (size_t)rows.rows, sizeof(*op->heads));
    while (read && op->heads != NULL && pg_next(&rows)) {
        struct store_audit_head *head = &op->heads[op->count++];
        head->writer = pg_get_str(&rows, base->arena);
        head->number = pg_get_u64(&rows);
        aion_str hash = pg_get_str(&rows, NULL);
        memset(head->hash, 0, sizeof(head->hash));
        if (hash.size == sizeof(head->hash))
            memcpy(head->hash, hash.data, hash.size);
        head->at_us = pg_get_i64(&rows);
    }
    pg_rows_done(&rows);
    return !pg_failed(&wait->conn);
}
