/* PostgreSQL's codes (its manual, appendix A), sorted by what can be done about them. */
#include "store/postgres/sqlstate.h"

#include <stdio.h>
#include <string.h>

/* The first row whose code begins with `code` counts. */
static const struct meaning {
    const char *code;
    enum pg_trouble trouble;
    enum aion_code answer;
    const char *mend;
} meanings[] = {
    {PG_LOST, PG_CONNECTION, AION_UNAVAILABLE, "the connection to PostgreSQL broke"},
    {PG_TOO_BIG, PG_OPERATION, AION_EXHAUSTED, "the answer is larger than allowed"},
    {PG_ODD, PG_OPERATION, AION_INTERNAL, "the database answered with something unknown"},
    {PG_CHAIN, PG_OPERATION, AION_PRECONDITION,
     "the line does not follow the newest one of its writer"},
    {"08", PG_CONNECTION, AION_UNAVAILABLE, "PostgreSQL cannot be reached"},
    {"28", PG_ENVIRONMENT, AION_DENIED,
     "PostgreSQL refused the user or the password: check both in AION_STORE_URL, and "
     "pg_hba.conf"},
    {"3D000", PG_ENVIRONMENT, AION_PRECONDITION,
     "the database does not exist: create it (createdb), or name another in AION_STORE_URL"},
    {"3F000", PG_ENVIRONMENT, AION_PRECONDITION, "the schema of AION is gone"},
    {"42501", PG_ENVIRONMENT, AION_DENIED,
     "the database user may not do that: it must own the schema aion (GRANT CREATE ON "
     "DATABASE)"},
    {"57P03", PG_ENVIRONMENT, AION_UNAVAILABLE,
     "PostgreSQL is starting up or recovering: try again in a moment"},
    {"53300", PG_ENVIRONMENT, AION_UNAVAILABLE,
     "PostgreSQL has no connection left: raise its max_connections"},
    {"53100", PG_ENVIRONMENT, AION_UNAVAILABLE,
     "the disk of PostgreSQL is full: free some space"},
    {"53", PG_ENVIRONMENT, AION_UNAVAILABLE, "PostgreSQL is out of memory or another resource"},
    {"25006", PG_ENVIRONMENT, AION_UNAVAILABLE,
     "PostgreSQL is read-only (a standby, or after a failover): name the primary in "
     "AION_STORE_URL"},
    {"57P", PG_CONNECTION, AION_UNAVAILABLE, "PostgreSQL is shutting down"},
    {"57014", PG_AGAIN, AION_UNAVAILABLE, "PostgreSQL did not answer in time"},
    {"55P03", PG_AGAIN, AION_UNAVAILABLE,
     "a lock was not free in time: look for an old transaction in pg_stat_activity"},
    {"40", PG_AGAIN, AION_UNAVAILABLE, "the database asked to try again"},
    {"25P0", PG_CONNECTION, AION_UNAVAILABLE, "PostgreSQL ended an idle transaction"},
    {"23514", PG_WINDOW, AION_INTERNAL, "a table of AION is missing"}, /* no partition */
    {"42P01", PG_WINDOW, AION_INTERNAL, "a table of AION is missing"},
    {"XX001", PG_ENVIRONMENT, AION_DATA_LOSS,
     "the database is damaged: restore a backup of PostgreSQL"},
    {"XX002", PG_ENVIRONMENT, AION_DATA_LOSS,
     "an index of the database is damaged: REINDEX, or restore a backup of PostgreSQL"},
    {"58", PG_ENVIRONMENT, AION_UNAVAILABLE, "the disk of PostgreSQL has failed"},
    {"", PG_OPERATION, AION_INTERNAL, "the database refused the operation"},
};

static const struct meaning *meaning_of(const struct pg_failure *failure)
{
    const struct meaning *row = meanings;
    while (strncmp(failure->sqlstate, row->code, strlen(row->code)) != 0)
        row++;
    return row;
}

enum pg_trouble pg_trouble(const struct pg_failure *failure)
{
    return meaning_of(failure)->trouble;
}

/* One line: PostgreSQL's words end in a line break and may have more lines. */
void pg_fail(struct pg_failure *failure, const char *sqlstate, const char *message)
{
    if (failure->sqlstate[0] != '\0')
        return; /* the first one is the cause */
    snprintf(failure->sqlstate, sizeof(failure->sqlstate), "%s", sqlstate);
    snprintf(failure->message, sizeof(failure->message), "%.*s", (int)strcspn(message, "\n"),
             message);
}

void pg_error(const struct pg_failure *failure, const char *where, struct aion_err *err)
{
    const struct meaning *row = meaning_of(failure);
    bool down = row->trouble != PG_OPERATION && row->trouble != PG_WINDOW;
    if (down)
        aion_err_set(err, where, row->answer, "the store is down: %s", row->mend);
    else
        aion_err_set(err, where, row->answer, "%s", row->mend);
    if (down)
        aion_err_reason(err, "STORE_DOWN");
    else if (strcmp(failure->sqlstate, PG_CHAIN) == 0)
        aion_err_reason(err, "AUDIT_CHAIN");
    aion_err_detail(err, "postgres %s: %s", failure->sqlstate, failure->message);
}

/* -- connecting --------------------------------------------------------------------- */
static bool is_code_letter(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

/* libpq keeps the code of a refused connection to itself, but a verbose text has it:
 * "FATAL:  28P01: password authentication failed ...", the first word in the server's language.
 */
static bool find_code(const char *text, char ret_code[6])
{
    for (const char *at = strstr(text, ":  "); at != NULL; at = strstr(at + 1, ":  ")) {
        const char *code = at + 3;
        size_t size = 0;
        while (size < 5 && is_code_letter(code[size]))
            size++;
        if (size == 5 && code[5] == ':') {
            memcpy(ret_code, code, 5);
            ret_code[5] = '\0';
            return true;
        }
    }
    return false;
}

void pg_connect_failure(struct pg_failure *failure, const char *text)
{
    char code[6] = "08001";
    find_code(text, code);
    pg_fail(failure, code, text);
}

void pg_connect_error(const struct pg_failure *failure, const char *place, struct aion_err *err)
{
    const struct meaning *row = meaning_of(failure);
    if (strncmp(failure->sqlstate, "08", 2) == 0 || strcmp(failure->sqlstate, PG_LOST) == 0)
        aion_err_set(
            err, __func__, AION_UNAVAILABLE,
            "PostgreSQL cannot be reached (%s): check that it runs, and the host, port "
            "and TLS settings in AION_STORE_URL",
            place);
    else
        aion_err_set(err, __func__, row->answer, "%s: %s", place, row->mend);
    aion_err_reason(err, "STORE_DOWN");
    aion_err_detail(err, "postgres %s: %s", failure->sqlstate, failure->message);
}
