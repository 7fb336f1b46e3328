/* The scripted source: rows and cursors in memory, completions when the test says so. */
#include "events/script/script.h"

#include <assert.h>
#include <stdlib.h>

enum { ROWS_MAX = 20000, CURSORS_MAX = 16, WAITING_MAX = 256, NAME_SIZE = 64 };

struct script_row {
    struct events_row row;
    char *texts; /* what its strings point into */
};

struct script_cursor {
    char name[NAME_SIZE];
    uint64_t sequence[EVENTS_LANES];
};

enum waiting_kind { WAITING_READ, WAITING_CURSOR_READ, WAITING_CURSOR_PUT };
struct script_waiting {
    enum waiting_kind kind;
    union {
        struct events_read *read;
        struct events_cursor *cursor;
    } op;
};

struct events_script_source {
    struct events_source source;
    struct script_row *rows;
    size_t row_count;
    uint64_t looked;
    struct script_cursor cursors[CURSORS_MAX];
    size_t cursor_count;
    struct script_waiting waiting[WAITING_MAX];
    size_t waiting_count;
    size_t fail_count;
    bool fail_at_once;
    enum aion_code fail_code;
};

/* -- rows --------------------------------------------------------------------------- */
static aion_str move_text(char **at, aion_str text)
{
    char *to = *at;
    if (text.size > 0)
        memcpy(to, text.data, text.size);
    *at += text.size;
    return (aion_str){to, text.size};
}

/* Copies the row's strings to `at` and lets the copy point there. */
static struct events_row copy_row(const struct events_row *row, char *at)
{
    struct events_row copy = *row;
    copy.of.task.tenant = move_text(&at, row->of.task.tenant);
    copy.of.task.intent = move_text(&at, row->of.task.intent);
    copy.of.task.note = move_text(&at, row->of.task.note);
    copy.of.task.host = move_text(&at, row->of.task.host);
    copy.of.task.decision = move_text(&at, row->of.task.decision);
    copy.of.task.usage = move_text(&at, row->of.task.usage);
    return copy;
}

static size_t texts_size(const struct events_row *row)
{
    return row->of.task.tenant.size + row->of.task.intent.size + row->of.task.note.size +
           row->of.task.host.size + row->of.task.decision.size + row->of.task.usage.size + 1;
}

void events_script_add(struct events_script_source *script, const struct events_row *row)
{
    assert(script->row_count < ROWS_MAX);
    struct script_row *to = &script->rows[script->row_count++];
    to->texts = malloc(texts_size(row));
    if (to->texts == NULL)
        abort();
    to->row = copy_row(row, to->texts);
}

/* As a store does it whose outbox is one table: from the least place on. */
static uint64_t least_after(const struct events_read *read)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < EVENTS_LANES; i++)
        if ((read->lanes >> i & 1) != 0 && read->after[i] < least)
            least = read->after[i];
    return least;
}

static void read_rows(struct events_script_source *script, struct events_read *read)
{
    struct events_row *rows = aion_arena_array(read->arena, read->limit, sizeof(*rows));
    uint64_t least = least_after(read);
    assert(rows != NULL);
    for (size_t i = 0; i < script->row_count; i++) {
        const struct events_row *row = &script->rows[i].row;
        script->looked += row->sequence > least;
        if ((read->lanes >> row->lane & 1) == 0 || row->sequence <= read->after[row->lane])
            continue;
        if (read->count == read->limit) {
            read->more = true;
            break;
        }
        char *texts = aion_arena_alloc(read->arena, texts_size(row));
        assert(texts != NULL);
        rows[read->count++] = copy_row(row, texts);
    }
    read->rows = rows;
}

/* -- cursors ------------------------------------------------------------------------ */
static const struct script_cursor *find_cursor(const struct events_script_source *script,
                                               aion_str name)
{
    for (size_t i = 0; i < script->cursor_count; i++)
        if (aion_str_is(name, script->cursors[i].name))
            return &script->cursors[i];
    return NULL;
}

uint64_t events_script_cursor(const struct events_script_source *script, const char *name,
                              uint32_t lane)
{
    const struct script_cursor *cursor = find_cursor(script, aion_str_of(name));
    return cursor != NULL ? cursor->sequence[lane] : 0;
}

static struct script_cursor *make_cursor(struct events_script_source *script, aion_str name)
{
    const struct script_cursor *found = find_cursor(script, name);
    if (found != NULL)
        return &script->cursors[found - script->cursors];
    assert(script->cursor_count < CURSORS_MAX);
    struct script_cursor *made = &script->cursors[script->cursor_count++];
    bool fits = aion_str_copy(made->name, sizeof(made->name), name);
    assert(fits);
    (void)fits;
    return made;
}

static void put_cursor(struct events_script_source *script, const struct events_cursor *from)
{
    struct script_cursor *cursor = make_cursor(script, from->name);
    for (size_t i = 0; i < EVENTS_LANES; i++)
        if ((from->lanes >> i & 1) != 0 && from->sequence[i] > cursor->sequence[i])
            cursor->sequence[i] = from->sequence[i];
}

static void get_cursor(const struct events_script_source *script, struct events_cursor *to)
{
    const struct script_cursor *cursor = find_cursor(script, to->name);
    for (size_t i = 0; i < EVENTS_LANES; i++)
        to->sequence[i] = cursor != NULL ? cursor->sequence[i] : 0;
}

/* -- operations --------------------------------------------------------------------- */
static bool take_failure(struct events_script_source *script, struct aion_err *err)
{
    if (script->fail_count == 0)
        return false;
    script->fail_count--;
    aion_err_set(err, __func__, script->fail_code, "the script says so");
    return true;
}

static bool wait_for(struct events_source *source, struct script_waiting waiting,
                     struct aion_err *err)
{
    struct events_script_source *script =
        aion_container(source, struct events_script_source, source);
    if (script->fail_at_once && take_failure(script, err))
        return false;
    assert(script->waiting_count < WAITING_MAX);
    script->waiting[script->waiting_count++] = waiting;
    return true;
}

static bool script_read(struct events_source *source, struct events_read *read,
                        struct aion_err *err)
{
    return wait_for(source, (struct script_waiting){WAITING_READ, {.read = read}}, err);
}
static bool script_cursor_read(struct events_source *source, struct events_cursor *cursor,
                               struct aion_err *err)
{
    return wait_for(source, (struct script_waiting){WAITING_CURSOR_READ, {.cursor = cursor}},
                    err);
}
static bool script_cursor_put(struct events_source *source, struct events_cursor *cursor,
                              struct aion_err *err)
{
    return wait_for(source, (struct script_waiting){WAITING_CURSOR_PUT, {.cursor = cursor}},
                    err);
}

static void complete_read(struct events_script_source *script, struct events_read *read)
{
    struct aion_err err;
    bool failed = take_failure(script, &err);
    if (!failed)
        read_rows(script, read);
    read->done(read, failed ? &err : NULL);
}

static void complete_cursor(struct events_script_source *script, enum waiting_kind kind,
                            struct events_cursor *cursor)
{
    struct aion_err err;
    bool failed = take_failure(script, &err);
    if (!failed && kind == WAITING_CURSOR_PUT)
        put_cursor(script, cursor);
    else if (!failed)
        get_cursor(script, cursor);
    cursor->done(cursor, failed ? &err : NULL);
}

/* What these begin waits for the next call. */
size_t events_script_complete(struct events_script_source *script)
{
    struct script_waiting waiting[WAITING_MAX];
    size_t count = script->waiting_count;
    memcpy(waiting, script->waiting, count * sizeof(waiting[0]));
    script->waiting_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (waiting[i].kind == WAITING_READ)
            complete_read(script, waiting[i].op.read);
        else
            complete_cursor(script, waiting[i].kind, waiting[i].op.cursor);
    }
    return count;
}

void events_script_source_fail(struct events_script_source *script, size_t count, bool at_once,
                               enum aion_code code)
{
    script->fail_count = count;
    script->fail_at_once = at_once;
    script->fail_code = code;
}

/* -- life --------------------------------------------------------------------------- */
struct events_script_source *events_script_source_new(void)
{
    struct events_script_source *script = calloc(1, sizeof(*script));
    if (script == NULL || (script->rows = calloc(ROWS_MAX, sizeof(*script->rows))) == NULL)
        abort();
    script->source.stream = EVENTS_STREAM_TASKS;
    script->source.read = script_read;
    script->source.cursor_read = script_cursor_read;
    script->source.cursor_put = script_cursor_put;
    return script;
}

void events_script_source_free(struct events_script_source *script)
{
    for (size_t i = 0; i < script->row_count; i++)
        free(script->rows[i].texts);
    free(script->rows);
    free(script);
}

struct events_source *events_script_source(struct events_script_source *script)
{
    return &script->source;
}

uint64_t events_script_looked(const struct events_script_source *script)
{
    return script->looked;
}
