/* A connection: connecting, sending, and giving each result to whom it is for. */
#include "store/postgres/conn.h"

#include "store/postgres/statement.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void pg_conn_init(struct pg_conn *conn, const struct pg_url *url, enum pg_role role)
{
    *conn = (struct pg_conn){.url = url, .role = role};
    pg_args_init(&conn->args);
}

void pg_conn_done(struct pg_conn *conn)
{
    pg_conn_drop(conn);
    pg_args_done(&conn->args);
}

bool pg_conn_fail(struct pg_conn *conn, const char *sqlstate, const char *message)
{
    pg_fail(&conn->failure, sqlstate, message);
    return false;
}

/* -- connecting --------------------------------------------------------------------- */
static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

static void refuse(struct pg_conn *conn)
{
    pg_connect_failure(&conn->failure, PQerrorMessage(conn->pg));
    pg_conn_drop(conn);
}

void pg_conn_start(struct pg_conn *conn)
{
    struct pg_keywords keywords;
    assert(conn->state == PG_CLOSED);
    pg_clear(conn);
    if (!pg_url_keywords(conn->url, conn->role, &keywords)) {
        pg_conn_fail(conn, "08001", "the URL's options are too long");
        return;
    }
    conn->pg = PQconnectStartParams(keywords.keywords, keywords.values, 0);
    if (conn->pg == NULL)
        abort();                                     /* out of memory for one connection */
    PQsetErrorVerbosity(conn->pg, PQERRORS_VERBOSE); /* see pg_connect_failure */
    PQsetNoticeReceiver(conn->pg, ignore_notice, NULL);
    conn->state = PG_CONNECTING;
    conn->polling = PGRES_POLLING_WRITING;
    if (PQstatus(conn->pg) == CONNECTION_BAD)
        refuse(conn);
}

static void connected(struct pg_conn *conn)
{
    conn->state = PG_READY;
    conn->first = conn->count = 0;
    conn->answered = false;
    memset(conn->prepared, 0, sizeof(conn->prepared));
    PQsetErrorVerbosity(conn->pg, PQERRORS_DEFAULT);
    if (PQsetnonblocking(conn->pg, 1) != 0 || PQenterPipelineMode(conn->pg) != 1)
        refuse(conn);
}

void pg_conn_step(struct pg_conn *conn)
{
    assert(conn->state == PG_CONNECTING);
    conn->polling = PQconnectPoll(conn->pg);
    if (conn->polling == PGRES_POLLING_OK)
        connected(conn);
    else if (conn->polling == PGRES_POLLING_FAILED)
        refuse(conn);
}

/* -- what is expected --------------------------------------------------------------- */
static bool expect(struct pg_conn *conn, struct pg_expected expected)
{
    assert(conn->count < PG_EXPECTED_MAX);
    conn->expected[(conn->first + conn->count++) % PG_EXPECTED_MAX] = expected;
    return true;
}

static struct pg_expected take_expected(struct pg_conn *conn)
{
    assert(conn->count > 0);
    struct pg_expected expected = conn->expected[conn->first];
    conn->first = (conn->first + 1) % PG_EXPECTED_MAX;
    conn->count--;
    conn->answered = false;
    return expected;
}

static void tell(const struct pg_expected *expected, PGresult *result)
{
    if (expected->fn != NULL)
        expected->fn(expected->user, result);
    else
        PQclear(result);
}

void pg_conn_drop(struct pg_conn *conn)
{
    if (conn->state == PG_CLOSED)
        return;
    PQfinish(conn->pg);
    conn->pg = NULL;
    conn->state = PG_CLOSED;
    while (conn->count > 0) {
        struct pg_expected expected = take_expected(conn);
        tell(&expected, NULL);
    }
}

static bool lost(struct pg_conn *conn)
{
    pg_conn_fail(conn, PG_LOST, PQerrorMessage(conn->pg));
    return false;
}

/* -- prepared statements ------------------------------------------------------------ */
static bool is_same(struct pg_statement a, struct pg_statement b)
{
    return a.id == b.id && a.window == b.window;
}

/* The statement's slot, or a free one, or the one that was not used for longest. */
static uint32_t slot_of(const struct pg_conn *conn, struct pg_statement statement)
{
    uint32_t oldest = 0;
    for (uint32_t i = 0; i < PG_PREPARED_MAX; i++) {
        const struct pg_prepared *prepared = &conn->prepared[i];
        if (prepared->used && is_same(prepared->statement, statement))
            return i;
        if (prepared->use < conn->prepared[oldest].use)
            oldest = i;
    }
    return oldest;
}

static void slot_name(uint32_t slot, char name[16])
{
    snprintf(name, 16, "s%u", slot);
}

static bool free_slot(struct pg_conn *conn, uint32_t slot)
{
    char text[32];
    struct pg_prepared *prepared = &conn->prepared[slot];
    if (!prepared->used)
        return true;
    prepared->used = false;
    prepared->use = 0;
    snprintf(text, sizeof(text), "DEALLOCATE s%u", slot);
    return pg_send_text(conn, text);
}

static bool prepare(struct pg_conn *conn, struct pg_statement statement, uint32_t slot)
{
    struct aion_buf text;
    uint32_t oids[PG_COLUMNS_MAX];
    char name[16], types[PG_TYPES_MAX];
    slot_name(slot, name);
    aion_buf_init(&text, PG_TEXT_MAX);
    pg_statement_types(statement, types);
    pg_statement_text(statement, &text);
    assert(!text.overflow);
    int sent = PQsendPrepare(conn->pg, name, text.data, (int)pg_types_oids(types, oids), oids);
    aion_buf_done(&text);
    if (sent != 1)
        return lost(conn);
    conn->prepared[slot] = (struct pg_prepared){.statement = statement, .used = true};
    return expect(conn, (struct pg_expected){.kind = PG_EXPECT_PREPARED, .slot = slot});
}

/* -- sending ------------------------------------------------------------------------ */
struct pg_args *pg_begin(struct pg_conn *conn, struct pg_statement statement)
{
    char types[PG_TYPES_MAX];
    pg_statement_types(statement, types);
    pg_args_begin(&conn->args, types);
    return &conn->args;
}

bool pg_send(struct pg_conn *conn, struct pg_statement statement, pg_result_fn *fn, void *user)
{
    struct pg_params params;
    char name[16];
    if (conn->args.bad)
        return pg_conn_fail(conn, "22021", "a name is not UTF-8 or has a NUL");
    if (!pg_args_params(&conn->args, &params))
        return pg_conn_fail(conn, "54000", "more than a statement can carry");
    if (conn->state != PG_READY)
        return pg_conn_fail(conn, PG_LOST, "not connected");
    uint32_t slot = slot_of(conn, statement);
    struct pg_prepared *prepared = &conn->prepared[slot];
    if ((!prepared->used || !is_same(prepared->statement, statement)) &&
        !(free_slot(conn, slot) && prepare(conn, statement, slot)))
        return false;
    prepared->use = ++conn->uses;
    slot_name(slot, name);
    if (PQsendQueryPrepared(conn->pg, name, (int)conn->args.count, params.values,
                            params.lengths, params.formats, 1) != 1)
        return lost(conn);
    return expect(conn, (struct pg_expected){.kind = PG_EXPECT_ROWS, .fn = fn, .user = user});
}

bool pg_send_text(struct pg_conn *conn, const char *text)
{
    return pg_send_text_rows(conn, text, NULL, NULL);
}

bool pg_send_text_rows(struct pg_conn *conn, const char *text, pg_result_fn *fn, void *user)
{
    if (conn->state != PG_READY)
        return pg_conn_fail(conn, PG_LOST, "not connected");
    if (PQsendQueryParams(conn->pg, text, 0, NULL, NULL, NULL, NULL, 1) != 1)
        return lost(conn);
    return expect(conn, (struct pg_expected){.kind = PG_EXPECT_ROWS, .fn = fn, .user = user});
}

bool pg_send_sync(struct pg_conn *conn, pg_result_fn *fn, void *user)
{
    if (conn->state != PG_READY)
        return pg_conn_fail(conn, PG_LOST, "not connected");
    if (PQpipelineSync(conn->pg) != 1)
        return lost(conn);
    return expect(conn, (struct pg_expected){.kind = PG_EXPECT_SYNC, .fn = fn, .user = user});
}

bool pg_conn_flush(struct pg_conn *conn, bool *ret_more)
{
    int rest = PQflush(conn->pg);
    *ret_more = rest == 1;
    return rest >= 0 || lost(conn);
}

/* -- results ------------------------------------------------------------------------ */
static void note_failure(struct pg_conn *conn, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    pg_conn_fail(conn, sqlstate != NULL ? sqlstate : PG_LOST,
                 message != NULL ? message : PQresultErrorMessage(result));
}

/* A good result, or NULL with the failure noted. */
static PGresult *judge(struct pg_conn *conn, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ||
        status == PGRES_PIPELINE_SYNC)
        return result;
    if (status != PGRES_PIPELINE_ABORTED) /* skipped after a failure that is noted already */
        note_failure(conn, result);
    PQclear(result);
    return NULL;
}

static void hand_out(struct pg_conn *conn, PGresult *result)
{
    const struct pg_expected *expected = &conn->expected[conn->first];
    bool sync = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
    /* A commit that failed says so before its sync's answer; a connection that breaks adds to
     * an answer that was whole. */
    if (!sync && (conn->answered || expected->kind == PG_EXPECT_SYNC)) {
        PQclear(judge(conn, result));
        return;
    }
    result = judge(conn, result);
    if (expected->kind == PG_EXPECT_PREPARED && result == NULL)
        conn->prepared[expected->slot] = (struct pg_prepared){0};
    struct pg_expected copy = *expected;
    conn->answered = true;
    if (sync)
        take_expected(conn);
    tell(&copy, result);
}

bool pg_conn_pump(struct pg_conn *conn)
{
    if (PQconsumeInput(conn->pg) != 1)
        return lost(conn);
    while (conn->state == PG_READY && conn->count > 0 && PQisBusy(conn->pg) == 0) {
        PGresult *result = PQgetResult(conn->pg);
        if (result != NULL)
            hand_out(conn, result);
        else if (conn->answered)
            take_expected(conn); /* the end of one statement's results */
        else if (PQstatus(conn->pg) == CONNECTION_BAD)
            return lost(conn);
    }
    return PQstatus(conn->pg) == CONNECTION_OK || lost(conn);
}
