/* aion audit list|verify: who changed what, and whether nobody rewrote it. */
#include "cli_filter.h"
#include "cli_table.h"

#include "aion/v1/ops.mesh.h"

#include <stdio.h>

enum { PAGE_MAX = 1000, SHOWN = 50, VERIFY_US = 600 * 1000000 };

static const char *const words[] = {"list",    "verify",  "--actor", "--action", "--since",
                                    "--until", "--limit", "-o",      "--home",   NULL};
static int run(int argc, char **argv);
const struct cli_command cli_audit = {
    "audit",
    "list [--actor NAME] [--action SERVICE/METHOD] [--since TIME] [--until TIME] [--limit N] "
    "[-o "
    "json|table] [--home DIR]\n"
    "       aion audit verify"
    "\n\n"
    "list: who did what, or was not let, newest first. verify: reads every line again and "
    "computes\n"
    "its hash anew; a line that was rewritten, taken away or put between is named, the first "
    "of\n"
    "each writer, and the status is 1.\n"
    "TIME: 11:55, 2026-11-23T11:55:07Z, or how long ago: 90s, 5m, 2h, 7d.\n\n"
    "  aion audit list --since 1h --action Budgets/SetBudget",
    "show and verify the log of who changed what", words, run};

struct audit {
    struct cli_deed deed;
    const char *actor, *action;
    int64_t since_us, until_us, limit;
};

static const struct mesh_method *method(int index)
{
    return &aion_v1_ops_type.methods[index];
}

/* -- list ----------------------------------------------------------------- */
static const struct cli_column line_columns[] = {
    {"AT", false},     {"ACTOR", false},  {"ROLE", false},   {"TENANT", false},
    {"ACTION", false}, {"TARGET", false}, {"RESULT", false}, {"DETAIL", false},
    {"REASON", false}, {"LINE", false},
};

static void put_line(struct cli_table *table, const Aion__V1__AuditLine *line)
{
    const char *const texts[] = {line->actor,  line->role,   line->tenant, line->action,
                                 line->target, line->result, line->detail, line->reason};
    cli_table_time(table, cli_stamp_us(line->at));
    for (size_t i = 0; i < aion_countof(texts); i++)
        cli_table_text(table, texts[i]);
    cli_table_cell(table, "%s:%llu", line->writer, (unsigned long long)line->number);
}

static int list(struct cli_deed *deed)
{
    const struct audit *audit = aion_container(deed, struct audit, deed);
    Aion__V1__ListAuditRequest request = AION__V1__LIST_AUDIT_REQUEST__INIT;
    Aion__V1__Page page = AION__V1__PAGE__INIT;
    Google__Protobuf__Timestamp since, until;
    struct cli_table table;
    int status;
    page.size = (uint32_t)audit->limit;
    request.page = &page;
    request.since = cli_stamp(audit->since_us, &since);
    request.until = cli_stamp(audit->until_us, &until);
    if (audit->actor != NULL)
        request.actor = (char *)(uintptr_t)audit->actor;
    if (audit->action != NULL)
        request.action = (char *)(uintptr_t)audit->action;
    const Aion__V1__ListAuditReply *reply = (const Aion__V1__ListAuditReply *)cli_ask(
        deed, method(AION_V1_OPS_LIST_AUDIT), &request.base, &status);
    if (reply == NULL)
        return status;
    cli_table_init(&table, line_columns, aion_countof(line_columns));
    for (size_t i = 0; i < reply->n_lines; i++)
        put_line(&table, reply->lines[i]);
    status = cli_table_print(&table);
    cli_list_more(reply->next_page_token);
    return status;
}

/* -- verify --------------------------------------------------------------- */
static const struct cli_column chain_columns[] = {
    {"WRITER", false}, {"LINES", true}, {"HOLDS", false}, {"FIRST BAD", true}, {"HEAD", false},
};

static int print_chains(const Aion__V1__VerifyAuditReply *reply)
{
    struct cli_table table;
    cli_table_init(&table, chain_columns, aion_countof(chain_columns));
    for (size_t i = 0; i < reply->n_chains; i++) {
        const Aion__V1__VerifyAuditReply__Chain *chain = reply->chains[i];
        cli_table_text(&table, chain->writer);
        cli_table_cell(&table, "%llu", (unsigned long long)chain->lines);
        cli_table_text(&table, chain->first_bad == 0 ? "yes" : "NO");
        if (chain->first_bad != 0)
            cli_table_cell(&table, "%llu", (unsigned long long)chain->first_bad);
        else
            cli_table_text(&table, "");
        cli_table_text(&table, chain->head);
    }
    return cli_table_print(&table);
}

static void tell_faults(const Aion__V1__VerifyAuditReply *reply)
{
    for (size_t i = 0; i < reply->n_chains; i++) {
        const Aion__V1__VerifyAuditReply__Chain *chain = reply->chains[i];
        if (chain->first_bad != 0)
            fprintf(stderr,
                    "aion: the audit log does not hold: line %llu of %s: %s\n"
                    "      the lines before it are proven, those from it on are not; compare "
                    "with a backup or with the topic aion.audit.activity\n",
                    (unsigned long long)chain->first_bad, chain->writer, chain->fault);
    }
}

static int verify(struct cli_deed *deed)
{
    Aion__V1__VerifyAuditRequest request = AION__V1__VERIFY_AUDIT_REQUEST__INIT;
    struct aion_err err;
    const Aion__V1__VerifyAuditReply *reply = (const Aion__V1__VerifyAuditReply *)cli_call(
        &deed->client, "control", method(AION_V1_OPS_VERIFY_AUDIT), &request.base, VERIFY_US,
        &err);
    if (reply == NULL)
        return cli_error(&err);
    int status = deed->json
                     ? cli_print_json(&aion__v1__verify_audit_reply__schema, &reply->base)
                     : print_chains(reply);
    tell_faults(reply);
    return reply->valid ? status : CLI_FAILED;
}

/* -- the tables ----------------------------------------------------------- */
enum { LIST = 1 << 0 };

static const struct cli_verb verbs[] = {
    {.name = "list", .run = list},
    {.name = "verify", .run = verify},
};

#define AT(member) .at = offsetof(struct audit, member)
static const struct cli_option options[] = {
    {.name = "--actor", .kind = CLI_TEXT, AT(actor), .verbs = LIST},
    {.name = "--action", .kind = CLI_TEXT, AT(action), .verbs = LIST},
    {.name = "--since", .kind = CLI_TIME, AT(since_us), .verbs = LIST},
    {.name = "--until", .kind = CLI_TIME, AT(until_us), .verbs = LIST},
    {.name = "--limit",
     .kind = CLI_NUMBER,
     AT(limit),
     .verbs = LIST,
     .least = 1,
     .most = PAGE_MAX},
};

static int run(int argc, char **argv)
{
    static struct audit audit = {.limit = SHOWN};
    static const struct cli_family family = {&cli_audit, verbs, aion_countof(verbs), options,
                                             aion_countof(options)};
    return cli_family_run(&family, argc, argv, &audit.deed);
}
