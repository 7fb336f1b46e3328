/* Waiting for answers, and reading rows. */
#include "store/postgres/wait.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLICE_MS = 500, TEXT_MAX = 65536 };

void pg_wait_init(struct pg_wait *wait, const struct pg_url *url, enum pg_role role,
                  const atomic_bool *stopping)
{
    pg_conn_init(&wait->conn, url, role);
    wait->stopping = stopping;
    wait->answer_us = PG_ANSWER_US;
}

void pg_wait_done(struct pg_wait *wait)
{
    pg_conn_done(&wait->conn);
}

/* A moment in which the socket becomes ready, or not. False: the time is over. A store that is
 * closing shortens it. */
static bool wait_socket(struct pg_wait *wait, short events, int64_t *deadline_us)
{
    int64_t now_us = aion_clock_mono_us();
    if (atomic_load(wait->stopping) && *deadline_us > now_us + PG_STOP_US)
        *deadline_us = now_us + PG_STOP_US;
    if (now_us >= *deadline_us)
        return false;
    int64_t left_ms = (*deadline_us - now_us) / 1000 + 1;
    struct pollfd fd = {.fd = pg_conn_fd(&wait->conn), .events = events};
    int ready = poll(&fd, 1, left_ms < SLICE_MS ? (int)left_ms : SLICE_MS);
    return ready >= 0 || errno == EINTR;
}

bool pg_wait_connect(struct pg_wait *wait)
{
    struct pg_conn *conn = &wait->conn;
    int64_t deadline_us = aion_clock_mono_us() + PG_CONNECT_US;
    if (conn->state == PG_READY)
        return true;
    if (conn->state == PG_CLOSED)
        pg_conn_start(conn);
    while (conn->state == PG_CONNECTING) {
        short events = conn->polling == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (!wait_socket(wait, events, &deadline_us)) {
            pg_conn_fail(conn, PG_LOST, "no connection in time");
            pg_conn_drop(conn);
            break;
        }
        pg_conn_step(conn);
    }
    return conn->state == PG_READY;
}

static bool give_up(struct pg_wait *wait, const char *message)
{
    pg_conn_fail(&wait->conn, PG_LOST, message);
    pg_conn_drop(&wait->conn);
    return false;
}

static bool wait_answers(struct pg_wait *wait)
{
    struct pg_conn *conn = &wait->conn;
    int64_t deadline_us = aion_clock_mono_us() + wait->answer_us;
    bool more = false;
    while (conn->count > 0) {
        if (!pg_conn_flush(conn, &more) || !pg_conn_pump(conn))
            return give_up(wait, "the connection broke");
        if (conn->count > 0 &&
            !wait_socket(wait, (short)(POLLIN | (more ? POLLOUT : 0)), &deadline_us))
            return give_up(wait, "no answer in time");
    }
    return !pg_failed(conn);
}

bool pg_finish(struct pg_wait *wait)
{
    if (wait->conn.state != PG_READY)
        return pg_conn_fail(&wait->conn, PG_LOST, "not connected");
    if (!pg_send_sync(&wait->conn, NULL, NULL))
        return give_up(wait, "the connection broke");
    return wait_answers(wait);
}

bool pg_exec(struct pg_wait *wait, const char *text)
{
    return !pg_failed(&wait->conn) && pg_send_text(&wait->conn, text) && pg_finish(wait);
}

bool pg_execf(struct pg_wait *wait, const char *format, ...)
{
    struct aion_buf text;
    va_list args;
    aion_buf_init(&text, TEXT_MAX);
    va_start(args, format);
    aion_buf_vprintf(&text, format, args);
    va_end(args);
    bool done = text.overflow ? pg_conn_fail(&wait->conn, PG_ODD, "a statement is too long")
                              : pg_exec(wait, text.data);
    aion_buf_done(&text);
    return done;
}

/* -- rows --------------------------------------------------------------------------- */
void pg_take_rows(void *user, PGresult *result)
{
    struct pg_rows *rows = user;
    rows->result = result;
    rows->row = -1;
    rows->rows = result != NULL ? PQntuples(result) : 0;
}

bool pg_defer(struct pg_wait *wait, struct pg_statement statement, struct pg_rows *rows)
{
    return !pg_failed(&wait->conn) && pg_send(&wait->conn, statement, pg_take_rows, rows);
}

bool pg_query(struct pg_wait *wait, struct pg_statement statement, struct pg_rows *rows)
{
    *rows = pg_rows(wait);
    return pg_defer(wait, statement, rows) && pg_finish(wait);
}

bool pg_run(struct pg_wait *wait, struct pg_statement statement, uint64_t *ret_count)
{
    struct pg_rows rows;
    bool done = pg_query(wait, statement, &rows);
    if (done && ret_count != NULL)
        *ret_count = strtoull(PQcmdTuples(rows.result), NULL, 10);
    pg_rows_done(&rows);
    return done;
}

bool pg_ask(struct pg_wait *wait, const char *text, int64_t *ret_value)
{
    struct pg_conn *conn = &wait->conn;
    struct pg_rows rows = pg_rows(wait);
    bool done = !pg_failed(conn) && pg_send_text_rows(conn, text, pg_take_rows, &rows) &&
                pg_finish(wait);
    *ret_value = done && pg_next(&rows) ? pg_get_i64(&rows) : 0;
    pg_rows_done(&rows);
    return done;
}

bool pg_next(struct pg_rows *rows)
{
    rows->column = 0;
    return rows->result != NULL && ++rows->row < rows->rows;
}

void pg_rows_done(struct pg_rows *rows)
{
    PQclear(rows->result);
    rows->result = NULL;
}

static aion_str value_of(struct pg_rows *rows)
{
    int column = rows->column++;
    return aion_str_n(PQgetvalue(rows->result, rows->row, column),
                      (size_t)PQgetlength(rows->result, rows->row, column));
}

bool pg_get_null(const struct pg_rows *rows)
{
    return PQgetisnull(rows->result, rows->row, rows->column) == 1;
}

static uint64_t big_endian(const char *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | (unsigned char)bytes[i];
    return value;
}

/* Any of PostgreSQL's integers, and its boolean. */
int64_t pg_get_i64(struct pg_rows *rows)
{
    aion_str bytes = value_of(rows);
    if (bytes.size == 0)
        return 0;
    uint64_t value = big_endian(bytes.data, bytes.size < 8 ? bytes.size : 8);
    unsigned unused = 64 - 8 * (unsigned)(bytes.size < 8 ? bytes.size : 8);
    return (int64_t)(value << unused) >> unused; /* the sign */
}

uint64_t pg_get_u64(struct pg_rows *rows)
{
    return (uint64_t)pg_get_i64(rows);
}

aion_str pg_get_str(struct pg_rows *rows, struct aion_arena *arena)
{
    aion_str value = value_of(rows);
    if (value.size == 0)
        return (aion_str){0};
    if (arena == NULL)
        return value;
    aion_str copy = aion_arena_str(arena, value);
    if (copy.data == NULL)
        pg_conn_fail(rows->conn, PG_TOO_BIG, "the arena is full");
    return copy;
}

void pg_get_uuid(struct pg_rows *rows, struct aion_uuid *ret_id)
{
    aion_str bytes = value_of(rows);
    *ret_id = (struct aion_uuid){0};
    if (bytes.size == sizeof(ret_id->bytes))
        memcpy(ret_id->bytes, bytes.data, bytes.size);
}

/* The format: args.c. */
void pg_get_u64_array(struct pg_rows *rows, uint64_t *ret_values, size_t count)
{
    enum { HEAD = 20, ELEMENT = 12 };
    aion_str bytes = value_of(rows);
    memset(ret_values, 0, count * sizeof(*ret_values));
    for (size_t i = 0; i < count && bytes.size >= HEAD + (i + 1) * ELEMENT; i++)
        ret_values[i] = big_endian(bytes.data + HEAD + i * ELEMENT + 4, 8);
}

void pg_skip(struct pg_rows *rows, int columns)
{
    rows->column += columns;
}
