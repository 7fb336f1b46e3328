/* aion budgets list|get|set|remove: what tasks may cost. */
#include "cli_family.h"
#include "cli_money.h"
#include "cli_table.h"

#include "aion/v1/ops.mesh.h"

#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"list",     "get",      "set",    "remove",
                                    "--limit",  "--period", "--key",  "--intent",
                                    "--tenant", "-o",       "--home", NULL};
static int run(int argc, char **argv);
const struct cli_command cli_budgets = {
    "budgets",
    "list [--tenant NAME] [-o json|table] [--home DIR]\n"
    "       aion budgets get ID\n"
    "       aion budgets set ID --limit USD|NANOnano --period hour|day|month|total [--tenant "
    "NAME] [--key KEYID] [--intent NAME]\n"
    "       aion budgets remove ID"
    "\n\n"
    "A budget bounds what its tasks may cost in each of its periods. A task counts against "
    "every\n"
    "budget that fits it; without --tenant, --key and --intent that is every task. A period\n"
    "begins at a whole hour, day or month, UTC. A limit of 0 leaves routes that cost nothing.\n"
    "Amounts are US dollars with all nine digits of a nano-dollar, never rounded.\n\n"
    "  aion budgets set acme-day --limit 12.50 --period day --tenant acme\n"
    "  aion budgets set trial --limit 3000000nano --period total --key ak_2ohhnbkzkvz4",
    "show and set what tasks may cost", words, run};

struct budgets {
    struct cli_deed deed;
    const char *tenant, *key, *intent;
    int64_t limit; /* nano-USD; -1 = not given */
    int period;
};

static struct budgets *of(struct cli_deed *deed)
{
    return aion_container(deed, struct budgets, deed);
}

static const struct mesh_method *method(int index)
{
    return &aion_v1_budgets_type.methods[index];
}

/* -- printing ------------------------------------------------------------- */
static const struct cli_column columns[] = {
    {"BUDGET", false},      {"PERIOD", false},   {"LIMIT USD", true}, {"SPENT USD", true},
    {"RESERVED USD", true}, {"DOUBT USD", true}, {"LEFT USD", true},  {"TENANT", false},
    {"KEY", false},         {"INTENT", false},   {"SINCE", false},
};

static const char *any(const char *text)
{
    return text[0] != '\0' ? text : "any";
}

static void put(struct cli_table *table, const Aion__V1__Budget *budget)
{
    const int64_t sums[] = {budget->limit_nano_usd, budget->spent_nano_usd,
                            budget->reserved_nano_usd, budget->doubt_nano_usd,
                            budget->left_nano_usd};
    char text[CLI_MONEY_SIZE], period[CLI_CHOICE_SIZE];
    cli_choice_text(period, &aion__v1__budget__period__descriptor, "PERIOD_",
                    (int)budget->period);
    cli_table_text(table, budget->budget_id);
    cli_table_text(table, budget->removed ? "removed" : period);
    for (size_t i = 0; i < aion_countof(sums); i++)
        cli_table_text(table, cli_money_text(text, sums[i]));
    cli_table_text(table, any(budget->tenant));
    cli_table_text(table, any(budget->key_id));
    cli_table_text(table, any(budget->intent));
    cli_table_time(table, budget->period_start_s * 1000000);
}

static int print_one(const Aion__V1__Budget *budget)
{
    struct cli_table table;
    cli_table_init(&table, columns, aion_countof(columns));
    put(&table, budget);
    return cli_table_print(&table);
}

static int by_id(const void *a, const void *b)
{
    return strcmp((*(Aion__V1__Budget *const *)a)->budget_id,
                  (*(Aion__V1__Budget *const *)b)->budget_id);
}

/* -- verbs ---------------------------------------------------------------- */
static int list(struct cli_deed *deed)
{
    Aion__V1__ListBudgetsRequest request = AION__V1__LIST_BUDGETS_REQUEST__INIT;
    struct cli_table table;
    int status;
    if (of(deed)->tenant != NULL)
        request.tenant = (char *)(uintptr_t)of(deed)->tenant;
    const Aion__V1__ListBudgetsReply *reply = (const Aion__V1__ListBudgetsReply *)cli_ask(
        deed, method(AION_V1_BUDGETS_LIST_BUDGETS), &request.base, &status);
    if (reply == NULL)
        return status;
    if (reply->n_budgets > 0)
        qsort(reply->budgets, reply->n_budgets, sizeof(Aion__V1__Budget *), by_id);
    cli_table_init(&table, columns, aion_countof(columns));
    for (size_t i = 0; i < reply->n_budgets; i++)
        put(&table, reply->budgets[i]);
    return cli_table_print(&table);
}

static int get(struct cli_deed *deed)
{
    Aion__V1__BudgetRef request = AION__V1__BUDGET_REF__INIT;
    int status;
    request.budget_id = (char *)(uintptr_t)deed->ids[0];
    const ProtobufCMessage *reply =
        cli_ask(deed, method(AION_V1_BUDGETS_GET_BUDGET), &request.base, &status);
    return reply != NULL ? print_one((const Aion__V1__Budget *)reply) : status;
}

/* A budget for a key that no key has would bound nothing, and nobody would see it. */
static bool is_key_id(const char *text)
{
    return strlen(text) == 15 && strncmp(text, "ak_", 3) == 0 &&
           strspn(text + 3, "abcdefghijklmnopqrstuvwxyz234567") == 12;
}

static int check_set(struct cli_deed *deed)
{
    const struct budgets *budgets = of(deed);
    if (budgets->limit < 0)
        return cli_usage(&cli_budgets, "set needs --limit: US dollars of a period, as 12.50");
    if (budgets->period == 0)
        return cli_usage(&cli_budgets, "set needs --period hour, day, month or total");
    if (budgets->key != NULL && !is_key_id(budgets->key))
        return cli_usage(&cli_budgets,
                         "--key takes a key's id (ak_ and 12 of a-z 2-7, as `aion audit list` "
                         "and the gateway's log name it), never the key itself");
    return CLI_OK;
}

static int put_budget(struct cli_deed *deed, Aion__V1__Budget *request)
{
    int status;
    const ProtobufCMessage *reply =
        cli_ask(deed, method(AION_V1_BUDGETS_SET_BUDGET), &request->base, &status);
    return reply != NULL ? print_one((const Aion__V1__Budget *)reply) : status;
}

static int set(struct cli_deed *deed)
{
    const struct budgets *budgets = of(deed);
    Aion__V1__Budget request = AION__V1__BUDGET__INIT;
    request.budget_id = (char *)(uintptr_t)deed->ids[0];
    request.limit_nano_usd = budgets->limit;
    request.period = (Aion__V1__Budget__Period)budgets->period;
    if (budgets->tenant != NULL)
        request.tenant = (char *)(uintptr_t)budgets->tenant;
    if (budgets->key != NULL)
        request.key_id = (char *)(uintptr_t)budgets->key;
    if (budgets->intent != NULL)
        request.intent = (char *)(uintptr_t)budgets->intent;
    return put_budget(deed, &request);
}

/* As it is, but that it bounds nothing from now on. */
static int remove_budget(struct cli_deed *deed)
{
    Aion__V1__BudgetRef request = AION__V1__BUDGET_REF__INIT;
    struct aion_err err;
    request.budget_id = (char *)(uintptr_t)deed->ids[0];
    const Aion__V1__Budget *now = (const Aion__V1__Budget *)cli_call(
        &deed->client, "control", method(AION_V1_BUDGETS_GET_BUDGET), &request.base, 0, &err);
    if (now == NULL)
        return cli_error(&err);
    Aion__V1__Budget removed = *now;
    removed.removed = true;
    return put_budget(deed, &removed);
}

enum { LIST = 1 << 0, SET = 1 << 2 };

static const struct cli_verb verbs[] = {
    {.name = "list", .run = list},
    {.name = "get", .what = "a budget's id", .least = 1, .most = 1, .run = get},
    {.name = "set",
     .what = "a budget's id",
     .least = 1,
     .most = 1,
     .check = check_set,
     .run = set},
    {.name = "remove", .what = "a budget's id", .least = 1, .most = 1, .run = remove_budget},
};

static const struct cli_option options[] = {
    {.name = "--limit", .kind = CLI_MONEY, .at = offsetof(struct budgets, limit), .verbs = SET},
    {.name = "--period",
     .kind = CLI_CHOICE,
     .at = offsetof(struct budgets, period),
     .verbs = SET,
     .choices = &aion__v1__budget__period__descriptor,
     .prefix = "PERIOD_"},
    {.name = "--tenant",
     .kind = CLI_TEXT,
     .at = offsetof(struct budgets, tenant),
     .verbs = LIST | SET},
    {.name = "--key", .kind = CLI_TEXT, .at = offsetof(struct budgets, key), .verbs = SET},
    {.name = "--intent",
     .kind = CLI_TEXT,
     .at = offsetof(struct budgets, intent),
     .verbs = SET},
};

static int run(int argc, char **argv)
{
    static struct budgets budgets = {.limit = -1};
    static const struct cli_family family = {&cli_budgets, verbs, aion_countof(verbs), options,
                                             aion_countof(options)};
    return cli_family_run(&family, argc, argv, &budgets.deed);
}
