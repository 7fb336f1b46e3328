/* aion tasks get|list|cancel; the other verbs: tasks_watch.c, tasks_hold.c, tasks_resolve.c. */
#include "cli_rows.h"
#include "tasks.h"

#include "aion/v1/tasks.mesh.h"

#include <stdio.h>

enum { PAGE_MAX = 1000, SHOWN = 50 };

static const char *const words[] = {
    "get",      "list",     "cancel",   "watch",   "hold",    "release",   "holds",
    "resolve",  "--intent", "--tenant", "--state", "--limit", "--since",   "--until",
    "--module", "--error",  "--all",    "--rate",  "--max",   "--outcome", "--result",
    "--cost",   "--reason", "-o",       "--home",  NULL};
static int run(int argc, char **argv);
const struct cli_command cli_tasks = {
    "tasks",
    "list [--state STATE] [--intent NAME] [--tenant NAME|*] [--since TIME] [--until TIME] "
    "[--limit N] [-o json|table] [--home DIR]\n"
    "       aion tasks get ID | watch ID | cancel ID [--reason TEXT]\n"
    "       aion tasks watch [--state STATE] [--intent NAME] [--tenant NAME|*] [--since TIME]\n"
    "       aion tasks holds | hold [--intent NAME] [--tenant NAME] [--all] [--reason TEXT]\n"
    "       aion tasks release HOLD [TASK]... [--rate N] [--max N] [FILTER] [--reason TEXT]\n"
    "       aion tasks resolve ID --outcome did-not-run|succeeded|failed [--result TEXT] "
    "[--cost "
    "USD] [--reason TEXT]"
    "\n\n"
    "watch: a task's output as it comes, or what happens to all tasks.\n"
    "hold: tasks that match are taken and kept, but not started: those that wait and those "
    "that\n"
    "come. release: lets them go, at N a second with --rate, and ends the hold; with --max, "
    "TASK\n"
    "or FILTER (--intent, --tenant, --module, --error, --since, --until) some go and the hold "
    "stays.\n"
    "resolve: says what became of a task in doubt, whose attempt nobody knows the end of.\n"
    "TIME: 11:55, 2026-11-23T11:55:07Z, or how long ago: 90s, 5m, 2h, 7d.\n\n"
    "  aion tasks list --state held\n"
    "  aion tasks hold --intent summarize_text --reason \"the model is being changed\"\n"
    "  aion tasks release 019bd2cc-51a0-7c6e-8f3a-d1f0a2b7c901 --rate 50\n"
    "  aion tasks resolve 019bd2cc-6a11-7b20-9c55-03e2f4a6b802 --outcome succeeded --cost 0.02",
    "show, follow, hold, resolve and cancel tasks", words, run};

const struct mesh_method *cli_tasks_method(int index)
{
    return &aion_v1_aion_tasks_type.methods[index];
}

/* -- get ------------------------------------------------------------------ */
static void print_line(const char *before, const char *text)
{
    fputs(before, stdout);
    cli_print_clean(text);
}

static int print_task(const Aion__V1__Task *task)
{
    cli_rows_print((Aion__V1__Task *const[]){(Aion__V1__Task *)(uintptr_t)task}, 1, false);
    for (size_t i = 0; i < task->n_events; i++) {
        printf("  %-10s %-10s attempt %u ", task->events[i]->kind,
               cli_state_name(task->events[i]->state), task->events[i]->attempt);
        print_line("", task->events[i]->note);
        printf("\n");
    }
    if (task->error != NULL) {
        print_line("  error ", task->error->reason);
        print_line(": ", task->error->message);
        printf("\n");
    }
    return task->result != NULL ? cli_result_print(task->result) : CLI_OK;
}

static int get(struct cli_deed *deed)
{
    Aion__V1__GetTaskRequest request = AION__V1__GET_TASK_REQUEST__INIT;
    int status;
    request.task_id = (char *)(uintptr_t)deed->ids[0];
    const ProtobufCMessage *reply =
        cli_ask(deed, cli_tasks_method(AION_V1_AION_TASKS_GET_TASK), &request.base, &status);
    return reply != NULL ? print_task((const Aion__V1__Task *)reply) : status;
}

/* -- list ----------------------------------------------------------------- */
/* Adds a page to the whole; false: it was the last, or err. */
static bool add_page(struct cli_deed *deed, Aion__V1__ListTasksRequest *request,
                     Aion__V1__ListTasksReply *whole, struct aion_err *err)
{
    size_t wanted = (size_t)cli_tasks_of(deed)->limit;
    request->page_size = (uint32_t)(wanted - whole->n_tasks);
    const Aion__V1__ListTasksReply *page = (const Aion__V1__ListTasksReply *)cli_call(
        &deed->client, "control", cli_tasks_method(AION_V1_AION_TASKS_LIST_TASKS),
        &request->base, 0, err);
    if (page == NULL)
        return false;
    for (size_t i = 0; i < page->n_tasks && whole->n_tasks < wanted; i++)
        whole->tasks[whole->n_tasks++] = page->tasks[i];
    request->page_token = whole->next_page_token = page->next_page_token;
    return whole->n_tasks < wanted && page->next_page_token[0] != '\0';
}

/* A page may hold fewer than asked for and not be the last: held tasks are found among those
 * that wait. */
static int list(struct cli_deed *deed)
{
    const struct cli_tasks_wish *wish = cli_tasks_of(deed);
    Aion__V1__ListTasksRequest request = AION__V1__LIST_TASKS_REQUEST__INIT;
    Aion__V1__ListTasksReply whole = AION__V1__LIST_TASKS_REPLY__INIT;
    Google__Protobuf__Timestamp since, until;
    Aion__V1__Task *tasks[PAGE_MAX];
    Aion__V1__TaskState state = (Aion__V1__TaskState)wish->state;
    struct aion_err err = {.code = AION_OK};
    whole.tasks = tasks;
    if (wish->filter.intent != NULL)
        request.intent = (char *)(uintptr_t)wish->filter.intent;
    if (wish->filter.tenant != NULL)
        request.tenant = (char *)(uintptr_t)wish->filter.tenant;
    request.created_after = cli_stamp(wish->filter.since_us, &since);
    request.created_before = cli_stamp(wish->filter.until_us, &until);
    request.states = &state;
    request.n_states = wish->state != 0;
    while (add_page(deed, &request, &whole, &err)) {
    }
    if (err.code != AION_OK)
        return cli_error(&err);
    if (deed->json)
        return cli_print_json(&aion__v1__list_tasks_reply__schema, &whole.base);
    int status = cli_rows_print(tasks, whole.n_tasks, false);
    cli_list_more(whole.next_page_token);
    return status;
}

/* -- cancel --------------------------------------------------------------- */
static int cancel(struct cli_deed *deed)
{
    const char *reason = cli_tasks_of(deed)->reason;
    Aion__V1__CancelRequest request = AION__V1__CANCEL_REQUEST__INIT;
    int status;
    request.task_id = (char *)(uintptr_t)deed->ids[0];
    request.reason =
        (char *)(uintptr_t)(reason != NULL ? reason : "cancelled by aion tasks cancel");
    const ProtobufCMessage *reply =
        cli_ask(deed, cli_tasks_method(AION_V1_AION_TASKS_CANCEL), &request.base, &status);
    return reply != NULL ? print_task((const Aion__V1__Task *)reply) : status;
}

/* -- the tables ----------------------------------------------------------- */
enum {
    LIST = 1 << 0,
    WATCH = 1 << 2,
    CANCEL = 1 << 3,
    HOLD = 1 << 5,
    RELEASE = 1 << 6,
    RESOLVE = 1 << 7,
    MATCH = LIST | WATCH | HOLD | RELEASE,
};

static const struct cli_verb verbs[] = {
    {.name = "list", .run = list},
    {.name = "get", .what = "a task's id", .least = 1, .most = 1, .run = get},
    {.name = "watch",
     .what = "a task's id",
     .most = 1,
     .check = cli_tasks_check_watch,
     .run = cli_tasks_watch},
    {.name = "cancel", .what = "a task's id", .least = 1, .most = 1, .run = cancel},
    {.name = "holds", .run = cli_tasks_holds},
    {.name = "hold", .check = cli_tasks_check_hold, .run = cli_tasks_hold},
    {.name = "release",
     .what = "a hold's id",
     .least = 1,
     .most = CLI_IDS_MAX,
     .run = cli_tasks_release},
    {.name = "resolve",
     .what = "a task's id",
     .least = 1,
     .most = 1,
     .check = cli_tasks_check_resolve,
     .run = cli_tasks_resolve},
};

#define AT(member) .at = offsetof(struct cli_tasks_wish, member)
static const struct cli_option options[] = {
    CLI_FILTER_ROW(struct cli_tasks_wish, filter, "--intent", intent, MATCH),
    CLI_FILTER_ROW(struct cli_tasks_wish, filter, "--tenant", tenant, MATCH),
    CLI_FILTER_ROW(struct cli_tasks_wish, filter, "--module", module, RELEASE),
    CLI_FILTER_ROW(struct cli_tasks_wish, filter, "--error", error, RELEASE),
    CLI_FILTER_TIME(struct cli_tasks_wish, filter, "--since", since_us, LIST | WATCH | RELEASE),
    CLI_FILTER_TIME(struct cli_tasks_wish, filter, "--until", until_us, LIST | RELEASE),
    {.name = "--all", .kind = CLI_FLAG, AT(filter.all), .verbs = HOLD},
    {.name = "--state",
     .kind = CLI_CHOICE,
     AT(state),
     .verbs = LIST | WATCH,
     .choices = &aion__v1__task_state__descriptor,
     .prefix = "TASK_STATE_"},
    {.name = "--limit",
     .kind = CLI_NUMBER,
     AT(limit),
     .verbs = LIST,
     .least = 1,
     .most = PAGE_MAX},
    {.name = "--rate",
     .kind = CLI_NUMBER,
     AT(rate),
     .verbs = RELEASE,
     .least = 1,
     .most = 1000000},
    {.name = "--max",
     .kind = CLI_NUMBER,
     AT(most),
     .verbs = RELEASE,
     .least = 1,
     .most = INT64_MAX},
    {.name = "--outcome",
     .kind = CLI_CHOICE,
     AT(outcome),
     .verbs = RESOLVE,
     .choices = &aion__v1__resolve_doubt_request__outcome__descriptor,
     .prefix = "OUTCOME_"},
    {.name = "--result", .kind = CLI_TEXT, AT(result), .verbs = RESOLVE},
    {.name = "--cost", .kind = CLI_MONEY, AT(cost_nano_usd), .verbs = RESOLVE},
    {.name = "--reason",
     .kind = CLI_TEXT,
     AT(reason),
     .verbs = CANCEL | HOLD | RELEASE | RESOLVE},
};

static int run(int argc, char **argv)
{
    static struct cli_tasks_wish wish = {.limit = SHOWN};
    static const struct cli_family family = {&cli_tasks, verbs, aion_countof(verbs), options,
                                             aion_countof(options)};
    return cli_family_run(&family, argc, argv, &wish.deed);
}
