/* Reading and writing all tables of a store. */
#include "store/store_dump.h"

#include "base/buf.h"
#include "base/map.h"
#include "store/store_private.h"

#include <errno.h>
#include <unistd.h>

static const char first_line[] = "aion store export 2\n";

enum {
    PAGE_ROWS = 1000,
    PAGE_BYTES = 1 << 20,
    BLOCK_MAX = 64 << 20, /* a row's body and result have 4 MiB each at most */
    HEAD_BYTES = 13,
};

/* Epochs first, so that no attempt is ever of the future; ends before tasks, so that a task is
 * known to have ended when it comes; balances before what is added to them. */
static const enum store_table order[STORE_TABLE_COUNT] = {
    STORE_TABLE_SHARD,  STORE_TABLE_POLICY,  STORE_TABLE_PLAN,        STORE_TABLE_HOLD,
    STORE_TABLE_BUDGET, STORE_TABLE_BALANCE, STORE_TABLE_CURSOR,      STORE_TABLE_AUDIT,
    STORE_TABLE_OWN_ID, STORE_TABLE_OUTCOME, STORE_TABLE_DECISION,    STORE_TABLE_ATTEMPT,
    STORE_TABLE_MARK,   STORE_TABLE_CHUNK,   STORE_TABLE_ATTEMPT_END, STORE_TABLE_ACK,
    STORE_TABLE_LEDGER, STORE_TABLE_ARRIVAL, STORE_TABLE_IDEMPOTENCY, STORE_TABLE_TASK,
    STORE_TABLE_OUTBOX,
};

/* -- who may be at work ------------------------------------------------------------- */
static bool check_idle(struct store *store, struct aion_err *err)
{
    struct aion_arena arena;
    aion_arena_init(&arena, 65536, NULL, 0);
    struct store_lease look = {.op.arena = &arena, .replica = AION_STR("aion-store")};
    bool good = store_lease_wait(store, &look, err);
    for (unsigned i = 0; good && store_info(store).shared && i < STORE_SHARDS; i++) {
        const struct store_shard *shard = &look.shards[i];
        if (shard->owner.size > 0 && !shard->mine && shard->until_us > look.now_us)
            good = aion_fail(err, AION_PRECONDITION,
                             "control \"%.*s\" owns shard %u of the %s store: stop it first",
                             AION_STR_ARG(shard->owner), i, store_info(store).driver);
    }
    aion_arena_done(&arena);
    return good;
}

/* -- pages -------------------------------------------------------------------------- */
struct pages {
    struct store *store;
    struct aion_arena arenas[2]; /* of this page and, by turns, of the one before */
    struct store_facts_read read;
    unsigned count; /* pages so far */
};

static void pages_init(struct pages *pages, struct store *store, enum store_table table)
{
    *pages = (struct pages){
        .store = store, .read = {.table = table, .limit = PAGE_ROWS, .bytes_max = PAGE_BYTES}};
    aion_arena_init(&pages->arenas[0], (size_t)2 * BLOCK_MAX, NULL, 0);
    aion_arena_init(&pages->arenas[1], (size_t)2 * BLOCK_MAX, NULL, 0);
}

static void pages_done(struct pages *pages)
{
    aion_arena_done(&pages->arenas[0]);
    aion_arena_done(&pages->arenas[1]);
}

/* False with err->code OK: there is none left. The place where a page ended lives in its arena.
 */
static bool next_page(struct pages *pages, struct aion_err *err)
{
    err->code = AION_OK;
    if (pages->count > 0 && pages->read.next.size == 0)
        return false;
    pages->read.op.arena = &pages->arenas[pages->count++ % 2];
    aion_arena_reset(pages->read.op.arena);
    pages->read.after = pages->read.next;
    return store_facts_read_wait(pages->store, &pages->read, err);
}

static void tell(const struct store_dump *dump)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < STORE_TABLE_COUNT; i++)
        sum += dump->rows[i];
    if (dump->progress != NULL)
        dump->progress(dump->user, sum);
}

/* -- writing ------------------------------------------------------------------------ */
static void put_varint(struct aion_buf *out, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        aion_buf_char(out, (char)(value | 0x80));
    aion_buf_char(out, (char)value);
}

static void put_value(struct aion_buf *out, enum store_column_type type,
                      const struct store_value *value)
{
    if (type == STORE_I64) {
        put_varint(out, (uint64_t)value->i64 << 1 ^ (uint64_t)(value->i64 >> 63));
        return;
    }
    put_varint(out, value->str.size);
    aion_buf_str(out, value->str);
}

static uint64_t sum_of(char kind, aion_str payload)
{
    return aion_siphash(0, (unsigned char)kind, payload.data, payload.size);
}

static bool write_all(int fd, const char *data, size_t size, struct aion_err *err)
{
    while (size > 0) {
        ssize_t wrote = write(fd, data, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return aion_fail_errno(err, AION_UNAVAILABLE, "the export cannot be written");
        data += wrote;
        size -= (size_t)wrote;
    }
    return true;
}

static bool write_block(int fd, char kind, const struct aion_buf *payload, struct aion_err *err)
{
    unsigned char head[HEAD_BYTES] = {(unsigned char)kind};
    uint64_t sum = sum_of(kind, aion_buf_view(payload));
    if (payload->overflow)
        return aion_fail(err, AION_EXHAUSTED, "a row is larger than an export's block");
    for (unsigned i = 0; i < 4; i++)
        head[1 + i] = (unsigned char)(payload->size >> 8 * i);
    for (unsigned i = 0; i < 8; i++)
        head[5 + i] = (unsigned char)(sum >> 8 * i);
    return write_all(fd, (const char *)head, sizeof(head), err) &&
           write_all(fd, payload->data, payload->size, err);
}

static void put_header(struct aion_buf *out, const struct store *store)
{
    static const char types[] = {[STORE_I64] = 'i', [STORE_TEXT] = 't', [STORE_BLOB] = 'b'};
    aion_buf_printf(out, "driver %s\n", store_info(store).driver);
    for (size_t i = 0; i < STORE_TABLE_COUNT; i++) {
        const struct store_layout *layout = store_layout(order[i]);
        aion_buf_printf(out, "table %s", layout->name);
        for (unsigned k = 0; k < layout->columns; k++)
            aion_buf_printf(out, " %s:%c", layout->column[k].name,
                            types[layout->column[k].type]);
        aion_buf_char(out, '\n');
    }
}

static bool export_table(struct store *from, int fd, size_t place, struct aion_buf *block,
                         struct store_dump *dump, struct aion_err *err)
{
    const struct store_layout *layout = store_layout(order[place]);
    struct pages pages;
    bool good = true;
    pages_init(&pages, from, order[place]);
    while (good && next_page(&pages, err)) {
        aion_buf_reset(block);
        put_varint(block, place);
        put_varint(block, pages.read.count);
        for (size_t i = 0; i < pages.read.count; i++)
            for (unsigned k = 0; k < layout->columns; k++)
                put_value(block, layout->column[k].type, &pages.read.facts[i].values[k]);
        dump->rows[order[place]] += pages.read.count;
        tell(dump);
        good = pages.read.count == 0 || write_block(fd, 'R', block, err);
    }
    pages_done(&pages);
    return good && err->code == AION_OK;
}

static bool export_all(struct store *from, int fd, struct aion_buf *block,
                       struct store_dump *dump, struct aion_err *err)
{
    put_header(block, from);
    if (!write_all(fd, first_line, sizeof(first_line) - 1, err) ||
        !write_block(fd, 'H', block, err))
        return false;
    for (size_t i = 0; i < STORE_TABLE_COUNT; i++)
        if (!export_table(from, fd, i, block, dump, err))
            return false;
    aion_buf_reset(block);
    for (size_t i = 0; i < STORE_TABLE_COUNT; i++)
        put_varint(block, dump->rows[order[i]]);
    return write_block(fd, 'E', block, err);
}

bool store_export(struct store *from, int fd, struct store_dump *dump, struct aion_err *err)
{
    struct aion_buf block;
    struct aion_err own;
    err = err != NULL ? err : &own;
    aion_buf_init(&block, BLOCK_MAX);
    bool good = check_idle(from, err) && export_all(from, fd, &block, dump, err);
    aion_buf_done(&block);
    return good;
}

/* -- reading ------------------------------------------------------------------------ */
/* Tables of the file by its numbers. */
struct source {
    int fd;
    struct aion_buf block;
    char kind;
    enum store_table tables[STORE_TABLE_COUNT];
    size_t table_count;
};

static bool damaged(struct aion_err *err, const char *what)
{
    return aion_fail(err, AION_DATA_LOSS, "the export %s: make it anew, or import another one",
                     what);
}

static bool read_all(int fd, char *data, size_t size, struct aion_err *err)
{
    while (size > 0) {
        ssize_t got = read(fd, data, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return aion_fail_errno(err, AION_UNAVAILABLE, "the export cannot be read");
        if (got == 0)
            return damaged(err, "ends too early");
        data += got;
        size -= (size_t)got;
    }
    return true;
}

static bool read_block(struct source *source, struct aion_err *err)
{
    unsigned char head[HEAD_BYTES];
    uint64_t size = 0, sum = 0;
    if (!read_all(source->fd, (char *)head, sizeof(head), err))
        return false;
    for (unsigned i = 0; i < 4; i++)
        size |= (uint64_t)head[1 + i] << 8 * i;
    for (unsigned i = 0; i < 8; i++)
        sum |= (uint64_t)head[5 + i] << 8 * i;
    aion_buf_reset(&source->block);
    char *room = size <= BLOCK_MAX ? aion_buf_reserve(&source->block, (size_t)size) : NULL;
    if (room == NULL)
        return damaged(err, "is damaged");
    if (!read_all(source->fd, room, (size_t)size, err))
        return false;
    source->block.size = (size_t)size;
    source->kind = (char)head[0];
    return sum == sum_of(source->kind, aion_buf_view(&source->block)) ||
           damaged(err, "is damaged");
}

static bool get_varint(aion_str *rest, uint64_t *ret_value)
{
    *ret_value = 0;
    for (unsigned shift = 0; rest->size > 0 && shift < 64; shift += 7) {
        unsigned char byte = (unsigned char)*rest->data;
        *rest = aion_str_n(rest->data + 1, rest->size - 1);
        *ret_value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool get_value(aion_str *rest, enum store_column_type type, struct store_value *value)
{
    uint64_t number;
    if (!get_varint(rest, &number))
        return false;
    if (type == STORE_I64) {
        value->i64 = (int64_t)(number >> 1 ^ -(number & 1));
        return true;
    }
    if (number > rest->size)
        return false;
    value->str = aion_str_n(rest->data, (size_t)number);
    *rest = aion_str_n(rest->data + number, rest->size - (size_t)number);
    return true;
}

/* "table NAME COLUMN:TYPE ...": must be one of ours, word for word. */
static bool take_table(struct source *source, aion_str line, struct aion_err *err)
{
    struct aion_buf ours;
    bool found = false;
    for (size_t i = 0; i < STORE_TABLE_COUNT && !found; i++) {
        const struct store_layout *layout = store_layout((enum store_table)i);
        aion_buf_init(&ours, 4096);
        aion_buf_printf(&ours, "table %s", layout->name);
        for (unsigned k = 0; k < layout->columns; k++)
            aion_buf_printf(&ours, " %s:%c", layout->column[k].name,
                            "itb"[layout->column[k].type]);
        found = aion_str_eq(line, aion_buf_view(&ours));
        aion_buf_done(&ours);
        if (found && source->table_count < STORE_TABLE_COUNT)
            source->tables[source->table_count++] = (enum store_table)i;
    }
    return found || aion_fail(err, AION_INVALID,
                              "the export is of another version of AION: it has \"%.*s\"",
                              (int)(line.size < 60 ? line.size : 60), line.data);
}

static bool read_header(struct source *source, struct aion_err *err)
{
    char line[sizeof(first_line) - 1];
    if (!read_all(source->fd, line, sizeof(line), err) ||
        memcmp(line, first_line, sizeof(line)) != 0)
        return aion_fail(err, AION_INVALID, "this is no export of a store of AION");
    if (!read_block(source, err))
        return false;
    aion_str rest = aion_buf_view(&source->block);
    while (rest.size > 0) {
        aion_str text = aion_str_cut(&rest, '\n');
        if (aion_str_starts(text, AION_STR("table ")) && !take_table(source, text, err))
            return false;
    }
    return source->kind == 'H' || damaged(err, "is damaged");
}

/* Rows of a block as facts that point into it. */
static bool get_facts(const struct source *source, struct aion_arena *arena,
                      struct store_facts_put *put)
{
    aion_str rest = aion_buf_view(&source->block);
    uint64_t table, rows;
    if (!get_varint(&rest, &table) || !get_varint(&rest, &rows) ||
        table >= source->table_count || rows > PAGE_ROWS)
        return false;
    const struct store_layout *layout = store_layout(source->tables[table]);
    struct store_fact *facts = aion_arena_array(arena, (size_t)rows, sizeof(*facts));
    for (uint64_t i = 0; facts != NULL && i < rows; i++) {
        facts[i].table = source->tables[table];
        for (unsigned k = 0; k < layout->columns; k++)
            if (!get_value(&rest, layout->column[k].type, &facts[i].values[k]))
                return false;
    }
    put->facts = facts;
    put->count = (size_t)rows;
    return facts != NULL && rest.size == 0;
}

static bool put_facts(struct store *to, struct store_facts_put *put, struct store_dump *dump,
                      struct aion_err *err)
{
    if (put->count == 0)
        return true;
    if (!store_facts_put_wait(to, put, err))
        return false;
    enum store_table table = put->facts[0].table;
    dump->rows[table] += put->count;
    dump->added[table] += put->added;
    tell(dump);
    return true;
}

static bool import_block(struct source *source, struct store *to, struct store_dump *dump,
                         struct aion_err *err)
{
    struct aion_arena arena;
    struct store_facts_put put = {.count = 0};
    aion_arena_init(&arena, BLOCK_MAX, NULL, 0);
    bool good = get_facts(source, &arena, &put) ? put_facts(to, &put, dump, err)
                                                : damaged(err, "is damaged");
    aion_arena_done(&arena);
    return good;
}

static bool check_counts(const struct source *source, const struct store_dump *dump,
                         struct aion_err *err)
{
    aion_str rest = aion_buf_view(&source->block);
    for (size_t i = 0; i < source->table_count; i++) {
        uint64_t rows;
        if (!get_varint(&rest, &rows) || rows != dump->rows[source->tables[i]])
            return damaged(err, "has fewer rows than were written");
    }
    return true;
}

static bool import_all(struct source *source, struct store *to, struct store_dump *dump,
                       struct aion_err *err)
{
    if (!read_header(source, err))
        return false;
    while (read_block(source, err)) {
        if (source->kind == 'E')
            return check_counts(source, dump, err);
        if (source->kind != 'R')
            return damaged(err, "is damaged");
        if (!import_block(source, to, dump, err))
            return false;
    }
    return false;
}

/* -- the target --------------------------------------------------------------------- */
static bool check_empty(struct store *to, const struct store_dump *dump, struct aion_err *err)
{
    struct pages pages;
    pages_init(&pages, to, STORE_TABLE_TASK);
    pages.read.limit = 1;
    bool some = next_page(&pages, err) && pages.read.count > 0;
    pages_done(&pages);
    if (err->code != AION_OK)
        return false;
    return !some || dump->resume ||
           aion_fail(err, AION_PRECONDITION,
                     "the store is not empty: give another one, or --resume to go on with an "
                     "import that was cut off");
}

bool store_import(int fd, struct store *to, struct store_dump *dump, struct aion_err *err)
{
    struct source source = {.fd = fd};
    struct aion_err own;
    err = err != NULL ? err : &own;
    aion_buf_init(&source.block, BLOCK_MAX);
    bool good =
        check_idle(to, err) && check_empty(to, dump, err) && import_all(&source, to, dump, err);
    aion_buf_done(&source.block);
    return good;
}

/* -- copying ------------------------------------------------------------------------ */
static bool copy_table(struct store *from, struct store *to, enum store_table table,
                       struct store_dump *dump, struct aion_err *err)
{
    struct pages pages;
    bool good = true;
    pages_init(&pages, from, table);
    while (good && next_page(&pages, err)) {
        struct store_facts_put put = {.facts = pages.read.facts, .count = pages.read.count};
        good = put_facts(to, &put, dump, err);
    }
    pages_done(&pages);
    return good && err->code == AION_OK;
}

static bool count_table(struct store *store, enum store_table table, uint64_t *ret_count,
                        struct aion_err *err)
{
    struct pages pages;
    pages_init(&pages, store, table);
    *ret_count = 0;
    while (next_page(&pages, err))
        *ret_count += pages.read.count;
    pages_done(&pages);
    return err->code == AION_OK;
}

static bool verify(struct store *to, const struct store_dump *dump, struct aion_err *err)
{
    for (size_t i = 0; i < STORE_TABLE_COUNT; i++) {
        enum store_table table = order[i];
        uint64_t count;
        if (!count_table(to, table, &count, err))
            return false;
        if (count < dump->rows[table])
            return aion_fail(err, AION_DATA_LOSS,
                             "%s: %llu rows were read and %llu are in the target",
                             store_layout(table)->name, (unsigned long long)dump->rows[table],
                             (unsigned long long)count);
    }
    return true;
}

bool store_copy(struct store *from, struct store *to, struct store_dump *dump,
                struct aion_err *err)
{
    struct aion_err own;
    err = err != NULL ? err : &own;
    if (!check_idle(from, err) || !check_idle(to, err) || !check_empty(to, dump, err))
        return false;
    for (size_t i = 0; i < STORE_TABLE_COUNT; i++)
        if (!copy_table(from, to, order[i], dump, err))
            return false;
    return verify(to, dump, err);
}
