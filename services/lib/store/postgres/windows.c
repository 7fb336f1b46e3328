/* The list of windows, and making the tables of a new one.
 *
 * A window's tables are made alone and then attached: that takes no lock which a reader of the
 * parent would have to wait for. All statements of the driver name the window's own tables;
 * the parents are for people, and for rows of the outbox. */
#include "store/postgres/windows.h"

#include "store/postgres/schema.h"

#include "base/clock.h"
#include "base/failpoint.h"

#include <stdio.h>
#include <stdlib.h>

void pg_windows_init(struct pg_windows *windows)
{
    *windows = (struct pg_windows){.length_us = 1};
    pthread_mutex_init(&windows->lock, NULL);
}

void pg_windows_done(struct pg_windows *windows)
{
    free(windows->list);
    windows->list = NULL;
    windows->count = 0;
    pthread_mutex_destroy(&windows->lock);
}

bool pg_window_is_old(const struct pg_windows *windows, int64_t number)
{
    return (number + 1) * windows->length_us + PG_OLD_US < aion_clock_utc_us();
}

static int compare(const void *a, const void *b)
{
    const struct pg_window *left = a, *right = b;
    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    return (left->number > right->number) - (left->number < right->number);
}

enum pg_window_state pg_windows_state(struct pg_windows *windows, enum pg_window_kind kind,
                                      int64_t number)
{
    struct pg_window wanted = {.kind = kind, .number = number};
    enum pg_window_state state = PG_UNKNOWN;
    pthread_mutex_lock(&windows->lock);
    if (number < windows->floor[kind]) {
        state = PG_DROPPED;
    } else if (windows->count > 0) {
        const struct pg_window *found =
            bsearch(&wanted, windows->list, windows->count, sizeof(*windows->list), compare);
        state = found != NULL ? found->state : PG_UNKNOWN;
    }
    pthread_mutex_unlock(&windows->lock);
    return state;
}

int64_t pg_windows_place(struct pg_windows *windows, uint64_t seq)
{
    int64_t number = pg_window_of(windows, store_seq_us(seq));
    enum pg_window_state state = pg_windows_state(windows, PG_BY_SEQ, number);
    if (state == PG_UNKNOWN)
        return PG_NO_WINDOW;
    return state == PG_DROPPED ? PG_KEPT : number;
}

struct pg_window *pg_windows_copy(struct pg_windows *windows, enum pg_window_kind kind,
                                  size_t *ret_count)
{
    size_t count = 0;
    pthread_mutex_lock(&windows->lock);
    struct pg_window *copy = calloc(windows->count + 1, sizeof(*copy));
    for (size_t i = 0; copy != NULL && i < windows->count; i++)
        if (windows->list[i].kind == kind && windows->list[i].state != PG_DROPPED)
            copy[count++] = windows->list[i];
    pthread_mutex_unlock(&windows->lock);
    if (copy == NULL)
        abort(); /* a list without its end would lose tasks */
    *ret_count = count;
    return copy;
}

/* -- reading ------------------------------------------------------------------------ */
static struct pg_window *read_list(struct pg_rows *rows, size_t *ret_count)
{
    size_t count = 0;
    struct pg_window *list = calloc((size_t)rows->rows + 1, sizeof(*list));
    if (list == NULL)
        abort();
    while (pg_next(rows)) {
        struct pg_window *window = &list[count++];
        window->kind = pg_get_i64(rows) == PG_BY_SEQ ? PG_BY_SEQ : PG_BY_TIME;
        window->number = pg_get_i64(rows);
        window->state = (enum pg_window_state)pg_get_i64(rows);
        pg_get_u64_array(rows, window->top, STORE_SHARDS);
    }
    *ret_count = count;
    return list;
}

bool pg_windows_load(struct pg_windows *windows, struct pg_wait *wait)
{
    struct pg_rows rows = pg_rows(wait), floors = pg_rows(wait);
    pg_begin(&wait->conn, pg_statement(PG_WINDOW_FLOORS));
    pg_defer(wait, pg_statement(PG_WINDOW_FLOORS), &floors);
    pg_begin(&wait->conn, pg_statement(PG_WINDOW_LIST));
    pg_defer(wait, pg_statement(PG_WINDOW_LIST), &rows);
    bool read = pg_finish(wait);
    if (read) {
        size_t count;
        struct pg_window *list = read_list(&rows, &count);
        pthread_mutex_lock(&windows->lock);
        free(windows->list);
        windows->list = list;
        windows->count = count;
        for (int kind = 0; kind < 2 && pg_next(&floors); kind++)
            windows->floor[kind] = pg_get_i64(&floors);
        pthread_mutex_unlock(&windows->lock);
    }
    pg_rows_done(&rows);
    pg_rows_done(&floors);
    return read;
}

/* -- making ------------------------------------------------------------------------- */
/* The range of a window in units of the column that it is by. */
static int64_t bound(const struct pg_windows *windows, enum pg_window_kind kind, int64_t number)
{
    int64_t at_us = number * windows->length_us;
    return kind == PG_BY_SEQ ? (int64_t)store_seq(at_us, 0) : at_us;
}

static bool make_table(const struct pg_windows *windows, struct pg_wait *wait,
                       enum store_table table, enum pg_window_kind kind, int64_t number)
{
    const struct store_layout *layout = store_layout(table);
    char ending[32];
    snprintf(ending, sizeof(ending), "_w%lld", (long long)number);
    return pg_schema_table(wait, table, ending) &&
           pg_execf(wait,
                    "ALTER TABLE %s ATTACH PARTITION %s%s FOR VALUES FROM (%lld) TO (%lld)",
                    layout->name, layout->name, ending, (long long)bound(windows, kind, number),
                    (long long)bound(windows, kind, number + 1));
}

static bool is_of(enum store_table table, enum pg_window_kind kind)
{
    enum store_rotation by = store_layout(table)->by;
    return kind == PG_BY_SEQ ? by == STORE_BY_SEQ : by == STORE_BY_TIME;
}

static bool make_window(const struct pg_windows *windows, struct pg_wait *wait,
                        enum pg_window_kind kind, int64_t number)
{
    for (enum store_table table = 0; table < STORE_TABLE_COUNT; table++)
        if (is_of(table, kind) && !make_table(windows, wait, table, kind, number))
            return false;
    aion_failpoint("store/in_window");
    return pg_execf(wait, "INSERT INTO time_window (kind, number, state) VALUES (%d, %lld, %d)",
                    (int)kind, (long long)number, (int)PG_OPEN);
}

/* Under the lock that whoever makes or drops windows takes: is it there by now? */
static bool is_missing(struct pg_wait *wait, enum pg_window_kind kind, int64_t number,
                       bool *ret_missing)
{
    char text[256];
    int64_t known;
    snprintf(text, sizeof(text),
             "SELECT count(*) FROM (SELECT FROM time_window WHERE kind = %d AND number = %lld"
             " UNION ALL SELECT FROM window_floor WHERE kind = %d AND number > %lld) w",
             (int)kind, (long long)number, (int)kind, (long long)number);
    if (!pg_ask(wait, text, &known))
        return false;
    *ret_missing = known == 0;
    return true;
}

bool pg_windows_ensure(struct pg_windows *windows, struct pg_wait *wait,
                       enum pg_window_kind kind, int64_t number)
{
    bool missing = false;
    if (pg_windows_state(windows, kind, number) != PG_UNKNOWN)
        return true;
    bool made = pg_exec(wait, "BEGIN") && pg_schema_lock(wait) &&
                is_missing(wait, kind, number, &missing) &&
                (!missing || make_window(windows, wait, kind, number)) &&
                pg_exec(wait, "COMMIT");
    if (!made) {
        pg_schema_roll_back(wait);
        return false;
    }
    return pg_windows_load(windows, wait);
}

bool pg_windows_unseal(struct pg_wait *wait, enum pg_window_kind kind, int64_t number)
{
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_WINDOW_UNSEAL));
    pg_put_i64(args, kind);
    pg_put_i64(args, number);
    return pg_run(wait, pg_statement(PG_WINDOW_UNSEAL), NULL);
}
