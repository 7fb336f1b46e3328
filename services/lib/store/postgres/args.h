/* A statement's parameters in PostgreSQL's binary format. Most are arrays, a column each, so
 * that one statement carries a batch: the rows are put one after the other, value by value in
 * the order of the columns. */
#ifndef STORE_POSTGRES_ARGS_H
#define STORE_POSTGRES_ARGS_H

#include "base/buf.h"
#include "base/uuid.h"

enum {
    PG_COLUMNS_MAX = 64,
    PG_ARGS_BYTES_MAX = 128 << 20, /* of one column */
};

/* One letter a parameter: s int2, i int4, l int8, u uuid, t text, b bytea. A small letter is an
 * array of it, a capital one value. */
struct pg_column {
    struct aion_buf bytes;
    uint32_t rows;
    char type;
};

struct pg_args {
    struct pg_column columns[PG_COLUMNS_MAX];
    size_t count; /* columns of the statement at hand */
    size_t next;  /* column of the next value */
    bool bad;     /* a text that PostgreSQL cannot hold in an identity */
};

void pg_args_init(struct pg_args *args);
void pg_args_done(struct pg_args *args);
/* For a statement of these types (at most PG_COLUMNS_MAX letters). */
void pg_args_begin(struct pg_args *args, const char *types);
/* The next value goes to this column; values after it to the following ones. */
static inline void pg_at(struct pg_args *args, size_t column)
{
    args->next = column;
}
void pg_put_i16(struct pg_args *args, int16_t value);
void pg_put_i32(struct pg_args *args, int32_t value);
void pg_put_i64(struct pg_args *args, int64_t value);
void pg_put_u64(struct pg_args *args, uint64_t value); /* < 2^63 */
void pg_put_uuid(struct pg_args *args, const struct aion_uuid *id);
void pg_put_bytes(struct pg_args *args, aion_str value); /* empty = NULL */
/* PostgreSQL holds only UTF-8 without NUL: what is not becomes U+FFFD. For words that people
 * read. */
void pg_put_text(struct pg_args *args, aion_str value);
/* For names that are compared: what is not UTF-8 makes the args bad. */
void pg_put_name(struct pg_args *args, aion_str value);

/* The parameters as libpq takes them. False: a value was larger than can be sent. */
struct pg_params {
    const char *values[PG_COLUMNS_MAX];
    int lengths[PG_COLUMNS_MAX];
    int formats[PG_COLUMNS_MAX];
};
bool pg_args_params(struct pg_args *args, struct pg_params *ret_params);
/* PostgreSQL's type numbers for a statement of these types; returns how many. */
size_t pg_types_oids(const char *types, uint32_t oids[PG_COLUMNS_MAX]);

#endif
