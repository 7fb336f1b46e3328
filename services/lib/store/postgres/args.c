/* Binary parameters. An array is: number of dimensions (1), a NULL flag, the element's type,
 * the length and the lower bound of the dimension, then each element as length and bytes
 * (length -1 is NULL); all in network order (PostgreSQL's array_send). */
#include "store/postgres/args.h"

#include <assert.h>

enum { ARRAY_HEAD = 20, ARRAY_LENGTH_AT = 12 };

static const struct {
    char letter;
    uint32_t one, array; /* pg_type.oid: fixed for built-in types */
} types_known[] = {
    {'s', 21, 1005},   {'i', 23, 1007}, {'l', 20, 1016},
    {'u', 2950, 2951}, {'t', 25, 1009}, {'b', 17, 1001},
};

static bool is_array(char letter)
{
    return letter >= 'a';
}

static uint32_t oid_of(char letter, bool array)
{
    char small = (char)(letter | 0x20);
    for (size_t i = 0; i < aion_countof(types_known); i++)
        if (types_known[i].letter == small)
            return array ? types_known[i].array : types_known[i].one;
    assert(false); /* a letter that is no type */
    return 0;
}

size_t pg_types_oids(const char *types, uint32_t oids[PG_COLUMNS_MAX])
{
    size_t count = strlen(types);
    assert(count <= PG_COLUMNS_MAX);
    for (size_t i = 0; i < count; i++)
        oids[i] = oid_of(types[i], is_array(types[i]));
    return count;
}

void pg_args_init(struct pg_args *args)
{
    *args = (struct pg_args){0};
    for (size_t i = 0; i < PG_COLUMNS_MAX; i++)
        aion_buf_init(&args->columns[i].bytes, PG_ARGS_BYTES_MAX);
}

void pg_args_done(struct pg_args *args)
{
    for (size_t i = 0; i < PG_COLUMNS_MAX; i++)
        aion_buf_done(&args->columns[i].bytes);
}

static void store_u32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(value >> (24 - 8 * i));
}

static void add_u32(struct aion_buf *buf, uint32_t value)
{
    char bytes[4];
    store_u32(bytes, value);
    aion_buf_add(buf, bytes, sizeof(bytes));
}

void pg_args_begin(struct pg_args *args, const char *types)
{
    args->count = strlen(types);
    args->next = 0;
    args->bad = false;
    assert(args->count <= PG_COLUMNS_MAX);
    for (size_t i = 0; i < args->count; i++) {
        struct pg_column *column = &args->columns[i];
        aion_buf_reset(&column->bytes);
        column->rows = 0;
        column->type = types[i];
        if (!is_array(types[i]))
            continue;
        add_u32(&column->bytes, 1);
        add_u32(&column->bytes, 1);
        add_u32(&column->bytes, oid_of(types[i], false));
        add_u32(&column->bytes, 0);
        add_u32(&column->bytes, 1);
    }
}

/* The column of the next value, which is to be of this type; its length is written. */
static struct aion_buf *next_value(struct pg_args *args, char type, uint32_t size)
{
    assert(args->next < args->count);
    struct pg_column *column = &args->columns[args->next++];
    assert((column->type | 0x20) == type);
    column->rows++;
    if (is_array(column->type))
        add_u32(&column->bytes, size);
    return &column->bytes;
}

static void put_number(struct pg_args *args, char type, uint64_t value, size_t size)
{
    char bytes[8];
    struct aion_buf *buf = next_value(args, type, (uint32_t)size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(value >> (8 * (size - 1 - i)));
    aion_buf_add(buf, bytes, size);
}

void pg_put_i16(struct pg_args *args, int16_t value)
{
    put_number(args, 's', (uint64_t)value, 2);
}

void pg_put_i32(struct pg_args *args, int32_t value)
{
    put_number(args, 'i', (uint64_t)value, 4);
}

void pg_put_i64(struct pg_args *args, int64_t value)
{
    put_number(args, 'l', (uint64_t)value, 8);
}

void pg_put_u64(struct pg_args *args, uint64_t value)
{
    put_number(args, 'l', value, 8);
}

void pg_put_uuid(struct pg_args *args, const struct aion_uuid *id)
{
    aion_buf_add(next_value(args, 'u', sizeof(id->bytes)), id->bytes, sizeof(id->bytes));
}

void pg_put_bytes(struct pg_args *args, aion_str value)
{
    struct aion_buf *buf =
        next_value(args, 'b', value.size > 0 ? (uint32_t)value.size : UINT32_MAX);
    aion_buf_str(buf, value);
}

static bool is_clean(aion_str value)
{
    return value.size == 0 || (memchr(value.data, '\0', value.size) == NULL &&
                               aion_utf8_valid(value.data, value.size));
}

static void put_clean(struct pg_args *args, aion_str value)
{
    aion_buf_str(next_value(args, 't', (uint32_t)value.size), value);
}

static void add_code_point(struct aion_buf *buf, uint32_t c)
{
    char bytes[4];
    size_t size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size; i-- > 1; c >>= 6)
        bytes[i] = (char)(0x80 | (c & 0x3f));
    bytes[0] = (char)(lead[size] | c);
    aion_buf_add(buf, bytes, size);
}

/* The length is known only afterwards. */
void pg_put_text(struct pg_args *args, aion_str value)
{
    if (is_clean(value)) {
        put_clean(args, value);
        return;
    }
    struct aion_buf *buf = next_value(args, 't', 0);
    size_t begun = buf->size;
    for (size_t at = 0; at < value.size;) {
        uint32_t c = aion_utf8_next(value, &at);
        add_code_point(buf, c != 0 ? c : 0xfffd);
    }
    if (is_array(args->columns[args->next - 1].type) && !buf->overflow)
        store_u32(buf->data + begun - 4, (uint32_t)(buf->size - begun));
}

void pg_put_name(struct pg_args *args, aion_str value)
{
    if (!is_clean(value)) {
        args->bad = true;
        value = AION_STR("");
    }
    put_clean(args, value);
}

/* A single bytea that is empty is NULL, as in arrays. */
static const char *value_of(const struct pg_column *column)
{
    if (!is_array(column->type) && column->bytes.size == 0)
        return column->type == 'B' ? NULL : "";
    return column->bytes.data;
}

bool pg_args_params(struct pg_args *args, struct pg_params *ret_params)
{
    for (size_t i = 0; i < args->count; i++) {
        struct pg_column *column = &args->columns[i];
        if (column->bytes.overflow)
            return false;
        if (is_array(column->type)) {
            store_u32(column->bytes.data + ARRAY_LENGTH_AT, column->rows);
            assert(column->bytes.size >= ARRAY_HEAD);
        }
        ret_params->values[i] = value_of(column);
        ret_params->lengths[i] = (int)column->bytes.size;
        ret_params->formats[i] = 1;
    }
    return true;
}
