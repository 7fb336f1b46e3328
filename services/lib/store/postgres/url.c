/* The store's URL. libpq parses it; around that: the mistakes that would make libpq quote a
 * piece of the password, our own keyword, and what a connection of ours wants by default
 * (keepalives, so that a dead peer is noticed; a primary, not a standby). */
#include "store/postgres/url.h"

#include "base/buf.h"
#include "store/postgres/libpq.h"

#include <stdio.h>
#include <stdlib.h>

enum { CONNECTIONS = 2, CONNECTIONS_MAX = 4, URL_MAX = 4096 };

/* What the URL does not say. tcp_user_timeout: how long sent data may stay unacknowledged. */
static const struct {
    const char *keyword, *value;
} defaults[] = {
    {"target_session_attrs", "primary"}, {"keepalives_idle", "10"},
    {"keepalives_interval", "5"},        {"keepalives_count", "3"},
    {"tcp_user_timeout", "15000"},       {"connect_timeout", "5"},
    {"client_encoding", "UTF8"},         {"fallback_application_name", "aion"},
};

/* By role. Writers probe by key from arrays whose size the planner cannot see: without these it
 * would scan a table while that is small, and keep the plan when it is large. */
#define WRITES_OPTIONS                                                         \
    "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off "             \
    "-c enable_hashjoin=off -c enable_mergejoin=off -c enable_bitmapscan=off " \
    "-c statement_timeout=30s -c lock_timeout=10s "                            \
    "-c idle_in_transaction_session_timeout=10s"
#define READS_OPTIONS                                                            \
    "-c default_transaction_isolation=repeatable\\ read "                        \
    "-c default_transaction_read_only=on -c plan_cache_mode=force_generic_plan " \
    "-c enable_seqscan=off -c enable_hashjoin=off -c enable_bitmapscan=off "     \
    "-c statement_timeout=30s"
#define ADMIN_OPTIONS                                \
    "-c statement_timeout=10min -c lock_timeout=5s " \
    "-c idle_in_transaction_session_timeout=1min"
static const char *const role_options[PG_ROLES] = {
    [PG_WRITES] = WRITES_OPTIONS, [PG_READS] = READS_OPTIONS, [PG_ADMIN] = ADMIN_OPTIONS};
/* Of all roles: meaning never depends on the server's configuration. */
static const char common_options[] = "-c synchronous_commit=on -c jit=off -c bytea_output=hex "
                                     "-c client_min_messages=error -c TimeZone=UTC";

static bool invalid(struct aion_err *err, const char *what)
{
    aion_err_set(err, __func__, AION_INVALID,
                 "the store's URL %s: use postgres://USER:PASSWORD@HOST:PORT/DATABASE or "
                 "postgres:host=HOST dbname=DATABASE",
                 what);
    aion_err_field(err, "store_url");
    return false;
}

/* libpq would take what stands around an unescaped '@' or '/' of the password for a host or a
 * port, and quote it. */
static bool check_at_signs(aion_str rest, struct aion_err *err)
{
    aion_str tail = {rest.data + 2, rest.size - 2};
    aion_str path = aion_str_cut(&tail, '?');
    aion_str authority = aion_str_cut(&path, '/');
    if (path.data != NULL && aion_str_index(path, '@') != SIZE_MAX)
        return invalid(err, "has a '/' in its user or password; write %2F for it");
    size_t at = aion_str_index(authority, '@');
    if (at == SIZE_MAX)
        return true;
    aion_str behind = {authority.data + at + 1, authority.size - at - 1};
    if (aion_str_index(behind, '@') != SIZE_MAX)
        return invalid(err, "has an '@' in its user or password; write %40 for it");
    return true;
}

static bool take_connections(struct pg_url *url, aion_str value, struct aion_err *err)
{
    uint64_t number = 0;
    if (!aion_str_u64(value, &number) || number < 1 || number > CONNECTIONS_MAX)
        return invalid(err, "has aion_connections, which must be 1..4");
    url->connections = (unsigned)number;
    return true;
}

static bool take_schema(struct pg_url *url, aion_str value, struct aion_err *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
    bool good = aion_str_copy(url->schema, sizeof(url->schema), value) && value.size > 0 &&
                strspn(url->schema, letters) == value.size &&
                (url->schema[0] < '0' || url->schema[0] > '9');
    return good || invalid(err, "has aion_schema, which must be 1..47 of a-z, 0-9 and _, not "
                                "beginning with a digit");
}

/* Our own parameters. *ret_own: the part is one. */
static bool take_own(struct pg_url *url, aion_str part, bool *ret_own, struct aion_err *err)
{
    static const struct {
        const char *keyword;
        bool (*take)(struct pg_url *url, aion_str value, struct aion_err *err);
    } own[] = {{"aion_connections", take_connections}, {"aion_schema", take_schema}};
    aion_str value = part;
    aion_str keyword = aion_str_cut(&value, '=');
    for (size_t i = 0; i < aion_countof(own); i++) {
        *ret_own = aion_str_is(keyword, own[i].keyword);
        if (*ret_own)
            return own[i].take(url, value, err);
    }
    return true;
}

/* The parts of a query or of a row of keywords, without our own. */
static bool copy_parts(struct pg_url *url, aion_str parts, char separator,
                       struct aion_buf *text, struct aion_err *err)
{
    bool own;
    for (char before = separator == '&' ? '?' : ' '; parts.data != NULL;) {
        aion_str part = aion_str_cut(&parts, separator);
        if (!take_own(url, part, &own, err))
            return false;
        if (own)
            continue;
        aion_buf_char(text, before);
        aion_buf_str(text, part);
        before = separator;
    }
    return !text->overflow || invalid(err, "is too long");
}

/* What libpq is given: a URI, or "keyword=value ...". */
static bool conninfo_of(struct pg_url *url, aion_str rest, struct aion_buf *text,
                        struct aion_err *err)
{
    if (!aion_str_starts(rest, AION_STR("//")))
        return copy_parts(url, rest, ' ', text, err);
    aion_str query = rest;
    aion_buf_text(text, "postgresql:");
    if (!check_at_signs(rest, err))
        return false;
    aion_buf_str(text, aion_str_cut(&query, '?'));
    return copy_parts(url, query, '&', text, err);
}

static bool add(struct pg_url *url, const char *keyword, const char *value)
{
    if (url->count >= PG_KEYWORDS_MAX)
        return false;
    url->keywords[url->count] = strdup(keyword);
    url->values[url->count] = strdup(value);
    if (url->keywords[url->count] == NULL || url->values[url->count] == NULL)
        abort(); /* at start there is nothing to save */
    url->count++;
    return true;
}

static const char *find(const struct pg_url *url, const char *keyword)
{
    for (size_t i = 0; i < url->count; i++)
        if (strcmp(url->keywords[i], keyword) == 0)
            return url->values[i];
    return NULL;
}

static bool take_options(struct pg_url *url, const PQconninfoOption *options)
{
    for (; options->keyword != NULL; options++)
        if (options->val != NULL && !add(url, options->keyword, options->val))
            return false;
    for (size_t i = 0; i < aion_countof(defaults); i++)
        if (find(url, defaults[i].keyword) == NULL &&
            !add(url, defaults[i].keyword, defaults[i].value))
            return false;
    return true;
}

static const char *or_else(const char *value, const char *otherwise)
{
    return value != NULL && value[0] != '\0' ? value : otherwise;
}

/* For people; libpq fills in from the environment what is "the default" here. */
static void describe(struct pg_url *url)
{
    const char *host = or_else(find(url, "host"), find(url, "hostaddr"));
    const char *port = find(url, "port");
    snprintf(url->place, sizeof(url->place), "database %.60s at %.60s%s%.10s as user %.40s",
             or_else(find(url, "dbname"), "(the user's)"), or_else(host, "the local socket"),
             port != NULL ? ":" : "", or_else(port, ""),
             or_else(find(url, "user"), "(the default)"));
}

/* libpq's own words about a wrong one may quote the password. */
static bool take_conninfo(struct pg_url *url, const char *text, struct aion_err *err)
{
    PQconninfoOption *options = PQconninfoParse(text, NULL);
    if (options == NULL)
        return invalid(err, "cannot be read (an unknown parameter, or a bare '%')");
    bool taken = take_options(url, options);
    PQconninfoFree(options);
    describe(url);
    if (!taken)
        return invalid(err, "has too many parameters");
    const char *port = or_else(find(url, "port"), "5432");
    return port[strspn(port, "0123456789,")] == '\0' ||
           invalid(err, "has a port that is no number");
}

bool pg_url_parse(aion_str rest, struct pg_url *ret_url, struct aion_err *err)
{
    struct aion_buf text;
    aion_buf_init(&text, URL_MAX);
    *ret_url = (struct pg_url){.connections = CONNECTIONS, .schema = "aion"};
    if (!libpq_load(err))
        return false;
    bool parsed = conninfo_of(ret_url, rest, &text, err) &&
                  take_conninfo(ret_url, text.data != NULL ? text.data : "", err);
    if (text.data != NULL)
        explicit_bzero(text.data, text.size);
    aion_buf_done(&text);
    return parsed;
}

void pg_url_done(struct pg_url *url)
{
    for (size_t i = 0; i < url->count; i++) {
        free(url->keywords[i]);
        if (url->values[i] != NULL)
            explicit_bzero(url->values[i], strlen(url->values[i]));
        free(url->values[i]);
    }
    url->count = 0;
}

bool pg_url_keywords(const struct pg_url *url, enum pg_role role, struct pg_keywords *ret)
{
    size_t count = 0;
    const char *own = find(url, "options");
    int used = snprintf(ret->options, sizeof(ret->options), "%s -c search_path=%s %s %s",
                        common_options, url->schema, role_options[role], or_else(own, ""));
    for (size_t i = 0; i < url->count; i++) {
        if (strcmp(url->keywords[i], "options") == 0)
            continue;
        ret->keywords[count] = url->keywords[i];
        ret->values[count++] = url->values[i];
    }
    ret->keywords[count] = "options";
    ret->values[count++] = ret->options;
    ret->keywords[count] = NULL;
    ret->values[count] = NULL;
    return used < PG_OPTIONS_MAX;
}
