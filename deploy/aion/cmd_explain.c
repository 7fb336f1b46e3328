/* aion explain: why a task went where it went, what it went through, what it cost. */
#include "cli_filter.h"
#include "cli_money.h"
#include "cli_quote.h"
#include "cli_rows.h"
#include "cli_table.h"

#include "aion/v1/router.mesh.h"
#include "aion/v1/tasks.mesh.h"
#include "format.h"

#include <stdio.h>
#include <string.h>

static const char *const words[] = {"-o", "--home", NULL};
static int run(int argc, char **argv);
const struct cli_command cli_explain = {"explain",
                                        "TASK [-o json|table] [--home DIR]"
                                        "\n\n"
                                        "The decision that routed the task, with the rule or "
                                        "route of the policy as it stood then;\n"
                                        "its attempts, what happened to it, and what it cost."
                                        "\n\n"
                                        "  aion explain "
                                        "019bd2cc-51a0-7c6e-8f3a-d1f0a2b7c901",
                                        "say why a task went where it went", words, run};

/* -- the decision --------------------------------------------------------- */
static void print_field(const char *name, const char *text)
{
    printf("%-10s ", name);
    cli_print_clean(text);
    printf("\n");
}

static void print_quote(aion_str item)
{
    aion_str rest = item;
    while (rest.data != NULL) {
        char line[512];
        aion_str_copy(line, sizeof(line), aion_str_cut(&rest, '\n'));
        printf("           | ");
        cli_print_clean(line);
        printf("\n");
    }
}

/* Of the revision that decided, not of the one in force. Without the router the place alone
 * must do. */
static void quote_policy(struct cli_deed *deed, const Aion__V1__Engine *engine)
{
    Aion__V1__GetPolicyRequest request = AION__V1__GET_POLICY_REQUEST__INIT;
    struct aion_err err;
    aion_str file;
    unsigned line;
    if (engine->policy_revision == NULL || !cli_quote_place(engine->reason, &file, &line))
        return;
    request.ordinal = engine->policy_revision->ordinal;
    const Aion__V1__Policy *policy = (const Aion__V1__Policy *)cli_call(
        &deed->client, "router", &aion_v1_router_type.methods[AION_V1_ROUTER_GET_POLICY],
        &request.base, 0, &err);
    if (policy == NULL)
        fprintf(stderr, "aion: the policy cannot be quoted: %s\n", err.text);
    for (size_t i = 0; policy != NULL && i < policy->n_files; i++)
        if (aion_str_is(file, policy->files[i]->path))
            print_quote(cli_quote_item(aion_str_of(policy->files[i]->content), line));
}

static void print_decision(struct cli_deed *deed, const Aion__V1__Engine *engine)
{
    if (engine == NULL) {
        print_field("route", "none yet: the task is not routed");
        return;
    }
    printf("%-10s %s by %s: ", "route", engine->route, engine->chosen_by);
    cli_print_clean(engine->reason);
    printf("\n");
    quote_policy(deed, engine);
    printf("%-10s %s, tier %s\n", "module", engine->module, engine->tier);
    if (engine->policy_revision != NULL)
        printf("%-10s revision %llu %s\n", "policy",
               (unsigned long long)engine->policy_revision->ordinal,
               engine->policy_revision->digest);
    print_field("decision", engine->decision_id);
}

/* -- what it went through ------------------------------------------------- */
static const struct cli_column attempt_columns[] = {
    {"ATTEMPT", true},  {"HOST", false}, {"MODULE", false},
    {"STARTED", false}, {"TOOK", true},  {"ENDED WITH", false},
};

static void put_attempt(struct cli_table *table, const Aion__V1__Attempt *attempt)
{
    char took[TUI_FORMAT_SIZE] = "";
    if (attempt->ended_at != NULL)
        tui_format(took, TUI_US,
                   cli_stamp_us(attempt->ended_at) - cli_stamp_us(attempt->started_at));
    cli_table_cell(table, "%u", attempt->attempt);
    cli_table_text(table, attempt->host_id);
    cli_table_text(table, attempt->module);
    cli_table_time(table, cli_stamp_us(attempt->started_at));
    cli_table_text(table, took);
    if (attempt->error != NULL)
        cli_table_cell(table, "%s: %s", attempt->error->reason, attempt->error->message);
    else
        cli_table_text(table, attempt->ended_at != NULL ? "a result" : "it runs");
}

static int print_attempts(const Aion__V1__Task *task)
{
    struct cli_table table;
    if (task->n_attempts == 0)
        return CLI_OK;
    printf("\n");
    cli_table_init(&table, attempt_columns, aion_countof(attempt_columns));
    for (size_t i = 0; i < task->n_attempts; i++)
        put_attempt(&table, task->attempts[i]);
    return cli_table_print(&table);
}

static const struct cli_column event_columns[] = {
    {"AFTER", true}, {"EVENT", false}, {"STATE", false}, {"ATTEMPT", true}, {"NOTE", false},
};

static int print_events(const Aion__V1__Task *task)
{
    struct cli_table table;
    char after[TUI_FORMAT_SIZE];
    printf("\n");
    cli_table_init(&table, event_columns, aion_countof(event_columns));
    for (size_t i = 0; i < task->n_events; i++) {
        const Aion__V1__TaskEvent *event = task->events[i];
        tui_format(after, TUI_US, cli_stamp_us(event->at) - cli_stamp_us(task->created_at));
        cli_table_text(&table, after);
        cli_table_text(&table, event->kind);
        cli_table_text(&table, cli_state_name(event->state));
        cli_table_cell(&table, "%u", event->attempt);
        cli_table_text(&table, event->note);
    }
    return cli_table_print(&table);
}

/* -- what it cost --------------------------------------------------------- */
static void print_usage(const Aion__V1__Usage *usage)
{
    char whole[TUI_FORMAT_SIZE], queue[TUI_FORMAT_SIZE], ran[TUI_FORMAT_SIZE];
    char cost[CLI_MONEY_SIZE];
    if (usage == NULL)
        return;
    tui_format(whole, TUI_US, usage->latency_us);
    tui_format(queue, TUI_US, usage->queue_us);
    tui_format(ran, TUI_US, usage->run_us);
    printf("%-10s %s: %s in the queue, %s in the module\n", "took", whole, queue, ran);
    printf("%-10s %s USD", "cost", cli_money_text(cost, usage->cost_nano_usd));
    if (usage->tokens_in > 0 || usage->tokens_out > 0)
        printf(", %llu tokens in, %llu out", (unsigned long long)usage->tokens_in,
               (unsigned long long)usage->tokens_out);
    printf("\n");
}

static void print_relations(const Aion__V1__Task *task)
{
    const struct {
        const char *name, *text;
    } rows[] = {{"repeats", task->replay_of},
                {"repeated", task->replayed_as},
                {"held by", task->hold_id}};
    for (size_t i = 0; i < aion_countof(rows); i++)
        if (rows[i].text[0] != '\0')
            print_field(rows[i].name, rows[i].text);
}

static int explain(struct cli_deed *deed)
{
    Aion__V1__GetTaskRequest request = AION__V1__GET_TASK_REQUEST__INIT;
    int status;
    request.task_id = (char *)(uintptr_t)deed->ids[0];
    const Aion__V1__Task *task = (const Aion__V1__Task *)cli_ask(
        deed, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_GET_TASK], &request.base,
        &status);
    if (task == NULL)
        return status;
    printf("%-10s %s %s, %s of tenant %s\n", "task", task->task_id, cli_state_name(task->state),
           task->intent, task->tenant);
    if (task->error != NULL) {
        printf("%-10s %s: ", "error", task->error->reason);
        cli_print_clean(task->error->message);
        printf("\n");
    }
    print_decision(deed, task->engine);
    print_relations(task);
    print_usage(task->usage);
    status = print_attempts(task);
    return status == CLI_OK ? print_events(task) : status;
}

/* -- the command ---------------------------------------------------------- */
static const struct cli_verb verbs[] = {
    {.name = "", .what = "a task's id", .least = 1, .most = 1, .run = explain},
};

static int run(int argc, char **argv)
{
    static struct cli_deed deed;
    static const struct cli_family family = {&cli_explain, verbs, aion_countof(verbs), NULL, 0};
    return cli_family_run(&family, argc, argv, &deed);
}
