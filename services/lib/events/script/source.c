/* The scripted source: rows and cursors in memory, completions when the test says so. */
#include "events/script/script.h"

#include <assert.h>
#include <stdlib.h>

enum { ROWS_MAX = 20000, CURSORS_MAX = 256, WAITING_MAX = 256, NAME_SIZE = 64 };

struct script_row {
    struct events_lane lane;
    struct events_row row;
    char *texts; /* what its strings point into */
};

struct script_cursor {
    char name[NAME_SIZE];
    struct events_lane lane;
    uint64_t sequence;
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
    struct script_cursor cursors[CURSORS_MAX];
    size_t cursor_count;
    struct script_waiting waiting[WAITING_MAX];
    size_t waiting_count;
    size_t fail_count;
    bool fail_at_once;
    enum aion_code fail_code;
};

static bool same_lane(struct events_lane a, struct events_lane b)
{
    return a.stream == b.stream && a.number == b.number;
}

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
    copy.tenant = move_text(&at, row->tenant);
    copy.intent = move_text(&at, row->intent);
    copy.note = move_text(&at, row->note);
    copy.payload = move_text(&at, row->payload);
    copy.actor = move_text(&at, row->actor);
    return copy;
}

static size_t texts_size(const struct events_row *row)
{
    return row->tenant.size + row->intent.size + row->note.size + row->payload.size +
           row->actor.size + 1;
}

void events_script_add(struct events_script_source *script, struct events_lane lane,
                       const struct events_row *row)
{
    assert(script->row_count < ROWS_MAX);
    struct script_row *to = &script->rows[script->row_count++];
    to->lane = lane;
    to->texts = malloc(texts_size(row));
    if (to->texts == NULL)
        abort();
    to->row = copy_row(row, to->texts);
}

static void read_rows(const struct events_script_source *script, struct events_read *read)
{
    struct events_row *rows = aion_arena_array(read->arena, read->limit, sizeof(*rows));
    assert(rows != NULL);
    for (size_t i = 0; i < script->row_count; i++) {
        const struct script_row *from = &script->rows[i];
        if (!same_lane(from->lane, read->lane))
            continue;
        read->newest = from->row.sequence;
        if (from->row.sequence <= read->after)
            continue;
        if (read->count == read->limit) {
            read->more = true;
            continue;
        }
        char *texts = aion_arena_alloc(read->arena, texts_size(&from->row));
        assert(texts != NULL);
        rows[read->count++] = copy_row(&from->row, texts);
    }
    read->rows = rows;
}

/* -- cursors ------------------------------------------------------------------------ */
static struct script_cursor *find_cursor(const struct events_script_source *script,
                                         aion_str name, struct events_lane lane)
{
    for (size_t i = 0; i < script->cursor_count; i++) {
        const struct script_cursor *cursor = &script->cursors[i];
        if (aion_str_is(name, cursor->name) && same_lane(cursor->lane, lane))
            return (struct script_cursor *)(uintptr_t)cursor;
    }
    return NULL;
}

uint64_t events_script_cursor(const struct events_script_source *script, const char *name,
                              struct events_lane lane)
{
    const struct script_cursor *cursor = find_cursor(script, aion_str_of(name), lane);
    return cursor != NULL ? cursor->sequence : 0;
}

static void put_cursor(struct events_script_source *script, const struct events_cursor *from)
{
    struct script_cursor *cursor = find_cursor(script, from->name, from->lane);
    if (cursor == NULL) {
        assert(script->cursor_count < CURSORS_MAX);
        cursor = &script->cursors[script->cursor_count++];
        cursor->lane = from->lane;
        bool fits = aion_str_copy(cursor->name, sizeof(cursor->name), from->name);
        assert(fits);
        (void)fits;
    }
    if (from->sequence > cursor->sequence)
        cursor->sequence = from->sequence;
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
    if (!failed && kind == WAITING_CURSOR_PUT) {
        put_cursor(script, cursor);
    } else if (!failed) {
        const struct script_cursor *stored = find_cursor(script, cursor->name, cursor->lane);
        cursor->sequence = stored != NULL ? stored->sequence : 0;
    }
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
