/* aion hosts list|drain|undrain: the module hosts, and taking one out of service. */
#include "cli_filter.h"
#include "cli_table.h"

#include "aion/v1/modules.mesh.h"

#include <stdio.h>
#include <string.h>

static const char *const words[] = {"list", "drain",  "undrain", "--reason",
                                    "-o",   "--home", NULL};
static int run(int argc, char **argv);
const struct cli_command cli_hosts = {"hosts",
                                      "list [-o json|table] [--home DIR]\n"
                                      "       aion hosts drain HOST --reason TEXT\n"
                                      "       aion hosts undrain HOST [--reason TEXT]"
                                      "\n\n"
                                      "drain: the host gets no new work from now on, what runs "
                                      "there finishes; it holds until\n"
                                      "undrain, whichever hosts and controls go and come back "
                                      "meanwhile. The reason is shown to\n"
                                      "others and kept in the audit log.\n\n"
                                      "  aion hosts drain host-1 --reason \"new kernel\"",
                                      "show the module hosts, take them out of service", words,
                                      run};

struct hosts {
    struct cli_deed deed;
    const char *reason;
};

static const struct mesh_method *method(int index)
{
    return &aion_v1_hosts_type.methods[index];
}

/* -- printing ------------------------------------------------------------- */
static const struct cli_column columns[] = {
    {"HOST", false},       {"POOL", false},    {"STATE", false},    {"RUNNING", true},
    {"SLOTS", true},       {"VERSION", false}, {"ATTACHED", false}, {"MODULES", false},
    {"DRAINED BY", false}, {"REASON", false},
};

/* A host that is drained but away has no slots and no time of attachment. */
static const char *state_of(const Aion__V1__HostInfo *host)
{
    if (host->attached_at == NULL)
        return "away";
    if (host->draining)
        return host->running > 0 ? "draining" : "drained";
    return host->running >= host->slots ? "full" : "ok";
}

static void put_modules(struct cli_table *table, const Aion__V1__HostInfo *host)
{
    struct aion_buf names;
    aion_buf_init(&names, 4096);
    for (size_t i = 0; i < host->n_modules; i++)
        aion_buf_printf(&names, "%s%s@%s", i > 0 ? "," : "", host->modules[i]->module,
                        host->modules[i]->version);
    cli_table_text(table, names.data != NULL ? names.data : "");
    aion_buf_done(&names);
}

static int print(Aion__V1__HostInfo *const *hosts, size_t count)
{
    struct cli_table table;
    cli_table_init(&table, columns, aion_countof(columns));
    for (size_t i = 0; i < count; i++) {
        cli_table_text(&table, hosts[i]->host_id);
        cli_table_text(&table, hosts[i]->pool);
        cli_table_text(&table, state_of(hosts[i]));
        cli_table_cell(&table, "%u", hosts[i]->running);
        cli_table_cell(&table, "%u", hosts[i]->slots);
        cli_table_text(&table, hosts[i]->version);
        cli_table_time(&table, cli_stamp_us(hosts[i]->attached_at));
        put_modules(&table, hosts[i]);
        cli_table_text(&table, hosts[i]->drained_by);
        cli_table_text(&table, hosts[i]->drain_reason);
    }
    return cli_table_print(&table);
}

/* -- verbs ---------------------------------------------------------------- */
static int list(struct cli_deed *deed)
{
    Aion__V1__ListHostsRequest request = AION__V1__LIST_HOSTS_REQUEST__INIT;
    int status;
    const Aion__V1__ListHostsReply *reply = (const Aion__V1__ListHostsReply *)cli_ask(
        deed, method(AION_V1_HOSTS_LIST_HOSTS), &request.base, &status);
    return reply != NULL ? print(reply->hosts, reply->n_hosts) : status;
}

static int set(struct cli_deed *deed, const char *reason, bool undrain)
{
    Aion__V1__DrainHostRequest request = AION__V1__DRAIN_HOST_REQUEST__INIT;
    int status;
    request.host_id = (char *)(uintptr_t)deed->ids[0];
    request.reason = (char *)(uintptr_t)reason;
    request.undrain = undrain;
    const Aion__V1__DrainHostReply *reply = (const Aion__V1__DrainHostReply *)cli_ask(
        deed, method(AION_V1_HOSTS_DRAIN_HOST), &request.base, &status);
    return reply != NULL ? print(&reply->host, 1) : status;
}

static const char *reason_of(struct cli_deed *deed)
{
    return aion_container(deed, struct hosts, deed)->reason;
}

static int check_drain(struct cli_deed *deed)
{
    if (reason_of(deed) != NULL)
        return CLI_OK;
    return cli_usage(&cli_hosts, "drain needs --reason: whoever finds the host idle wants to "
                                 "know why");
}

static int drain(struct cli_deed *deed)
{
    return set(deed, reason_of(deed), false);
}

static int undrain(struct cli_deed *deed)
{
    return set(deed, reason_of(deed) != NULL ? reason_of(deed) : "back into service", true);
}

/* -- the tables ----------------------------------------------------------- */
enum { DRAIN = 1 << 1, UNDRAIN = 1 << 2 };

static const struct cli_verb verbs[] = {
    {.name = "list", .run = list},
    {.name = "drain",
     .what = "a host's id",
     .least = 1,
     .most = 1,
     .check = check_drain,
     .run = drain},
    {.name = "undrain", .what = "a host's id", .least = 1, .most = 1, .run = undrain},
};

static const struct cli_option options[] = {
    {.name = "--reason",
     .kind = CLI_TEXT,
     .at = offsetof(struct hosts, reason),
     .verbs = DRAIN | UNDRAIN},
};

static int run(int argc, char **argv)
{
    static struct hosts hosts;
    static const struct cli_family family = {&cli_hosts, verbs, aion_countof(verbs), options,
                                             aion_countof(options)};
    return cli_family_run(&family, argc, argv, &hosts.deed);
}
