/* aion dead list|replay|status|stop: tasks whose every attempt failed. */
#include "cli_filter.h"
#include "cli_rows.h"

#include "aion/v1/tasks.mesh.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PAGE_MAX = 1000, SHOWN = 50, RATE_MAX = 10000, LOOK_US = 200000 };

static const char *const words[] = {
    "list",    "replay",  "status",  "stop",     "--intent", "--tenant",  "--module",
    "--error", "--since", "--until", "--limit",  "--all",    "--dry-run", "--rate",
    "--route", "--max",   "--wait",  "--reason", "-o",       "--home",    NULL};
static int run(int argc, char **argv);
const struct cli_command cli_dead = {
    "dead",
    "list [FILTER] [--limit N] [-o json|table] [--home DIR]\n"
    "       aion dead replay TASK... | FILTER | --all   [--dry-run] [--rate N] [--max N] "
    "[--route "
    "NAME] [--reason TEXT] [--wait]\n"
    "       aion dead status REPLAY | stop REPLAY"
    "\n\n"
    "FILTER: --intent NAME, --tenant NAME, --module NAME, --error REASON, --since TIME, "
    "--until\n"
    "TIME; all that is given must match. --error is the last error's reason: MODULE_CRASHED.\n"
    "replay: submits dead tasks anew, each once, as new tasks with the same request. "
    "--dry-run\n"
    "counts them. It goes on by itself at --rate tasks a second (10 unless said); --wait "
    "follows "
    "it\n"
    "and ends with status 1 when some were refused. --route takes another route than the "
    "policy\n"
    "would, where it allows that; else the policy in force decides, as for a new task.\n"
    "TIME: 11:55, 2026-11-23T11:55:07Z, or how long ago: 90s, 5m, 2h, 7d.\n\n"
    "  aion dead list --error MODULE_CRASHED --since 1h\n"
    "  aion dead replay --intent summarize_text --dry-run\n"
    "  aion dead replay --all --rate 50 --route spare --reason \"the module is mended\" --wait",
    "list and replay tasks whose every attempt failed", words, run};

struct dead {
    struct cli_deed deed;
    struct cli_filter filter;
    int64_t limit, rate, most;
    const char *route, *reason;
    bool dry_run, wait;
};

static struct dead *of(struct cli_deed *deed)
{
    return aion_container(deed, struct dead, deed);
}

static const struct mesh_method *method(int index)
{
    return &aion_v1_aion_tasks_type.methods[index];
}

/* -- list ----------------------------------------------------------------- */
static bool add_page(struct cli_deed *deed, Aion__V1__ListDeadLettersRequest *request,
                     Aion__V1__ListDeadLettersReply *whole, struct aion_err *err)
{
    size_t wanted = (size_t)of(deed)->limit;
    request->page->size = (uint32_t)(wanted - whole->n_tasks);
    const Aion__V1__ListDeadLettersReply *page =
        (const Aion__V1__ListDeadLettersReply *)cli_call(
            &deed->client, "control", method(AION_V1_AION_TASKS_LIST_DEAD_LETTERS),
            &request->base, 0, err);
    if (page == NULL)
        return false;
    for (size_t i = 0; i < page->n_tasks && whole->n_tasks < wanted; i++)
        whole->tasks[whole->n_tasks++] = page->tasks[i];
    request->page->token = whole->next_page_token = page->next_page_token;
    return whole->n_tasks < wanted && page->next_page_token[0] != '\0';
}

/* The filter is laid over each page: one may be empty and not the last. */
static int list(struct cli_deed *deed)
{
    struct dead *dead = of(deed);
    Aion__V1__ListDeadLettersRequest request = AION__V1__LIST_DEAD_LETTERS_REQUEST__INIT;
    Aion__V1__ListDeadLettersReply whole = AION__V1__LIST_DEAD_LETTERS_REPLY__INIT;
    Aion__V1__Page page = AION__V1__PAGE__INIT;
    Aion__V1__Task *tasks[PAGE_MAX];
    struct cli_filter_wire wire;
    struct aion_err err = {.code = AION_OK};
    dead->filter.all = true;
    cli_filter_fill(&dead->filter, NULL, 0, &wire);
    request.filter = &wire.filter;
    request.page = &page;
    whole.tasks = tasks;
    while (add_page(deed, &request, &whole, &err)) {
    }
    if (err.code != AION_OK)
        return cli_error(&err);
    if (deed->json)
        return cli_print_json(&aion__v1__list_dead_letters_reply__schema, &whole.base);
    int status = cli_rows_print(tasks, whole.n_tasks, true);
    cli_list_more(whole.next_page_token);
    return status;
}

/* -- replays -------------------------------------------------------------- */
static const struct cli_column columns[] = {
    {"REPLAY", false},  {"STATE", false},  {"MATCHED", true},
    {"REPLAYED", true}, {"REFUSED", true}, {"LAST REFUSAL", false},
};

static const char *state_of(const Aion__V1__Replay *replay)
{
    if (replay->replay_id[0] == '\0')
        return "dry run";
    return replay->running ? "running" : "ended";
}

static int print(const struct cli_deed *deed, const Aion__V1__Replay *replay)
{
    struct cli_table table;
    if (deed->json)
        return cli_print_json(&aion__v1__replay__schema, &replay->base);
    cli_table_init(&table, columns, aion_countof(columns));
    cli_table_text(&table, replay->replay_id);
    cli_table_text(&table, state_of(replay));
    cli_table_cell(&table, "%llu", (unsigned long long)replay->matched);
    cli_table_cell(&table, "%llu", (unsigned long long)replay->replayed);
    cli_table_cell(&table, "%llu", (unsigned long long)replay->refused);
    if (replay->error != NULL)
        cli_table_cell(&table, "%s: %s", replay->error->reason, replay->error->message);
    else
        cli_table_text(&table, "");
    return cli_table_print(&table);
}

static const Aion__V1__Replay *look(struct cli_deed *deed, const char *replay_id, bool stop,
                                    struct aion_err *err)
{
    Aion__V1__GetReplayRequest request = AION__V1__GET_REPLAY_REQUEST__INIT;
    request.replay_id = (char *)(uintptr_t)replay_id;
    request.stop = stop;
    return (const Aion__V1__Replay *)cli_call(
        &deed->client, "control", method(AION_V1_AION_TASKS_GET_REPLAY), &request.base, 0, err);
}

static int look_at(struct cli_deed *deed, bool stop)
{
    struct aion_err err;
    const Aion__V1__Replay *replay = look(deed, deed->ids[0], stop, &err);
    return replay != NULL ? print(deed, replay) : cli_error(&err);
}

static int status(struct cli_deed *deed)
{
    return look_at(deed, false);
}

static int stop(struct cli_deed *deed)
{
    return look_at(deed, true);
}

/* To its end; on a terminal with how far it is. A control that goes away takes it along. */
static const Aion__V1__Replay *follow(struct cli_deed *deed, const Aion__V1__Replay *replay,
                                      struct aion_err *err)
{
    bool terminal = isatty(STDERR_FILENO) == 1;
    char id[64];
    aion_str_copy(id, sizeof(id), aion_str_of(replay->replay_id));
    while (replay != NULL && replay->running) {
        if (terminal)
            fprintf(stderr, "\r%llu replayed, %llu refused",
                    (unsigned long long)replay->replayed, (unsigned long long)replay->refused);
        usleep(LOOK_US);
        aion_arena_reset(&deed->client.arena);
        replay = look(deed, id, false, err);
    }
    if (terminal)
        fprintf(stderr, "\r\033[K");
    return replay;
}

static int check_replay(struct cli_deed *deed)
{
    const struct dead *dead = of(deed);
    bool named = deed->id_count > 0 || cli_filter_narrows(&dead->filter);
    if (!named && !dead->filter.all)
        return cli_usage(
            &cli_dead,
            "replay needs tasks' ids or a filter, or --all to mean every dead letter");
    if (named && dead->filter.all)
        return cli_usage(&cli_dead, "replay takes --all, or ids and a filter, not both");
    if (dead->dry_run && dead->wait)
        return cli_usage(&cli_dead, "--wait: a dry run ends by itself");
    return CLI_OK;
}

static void fill(struct cli_deed *deed, struct cli_filter_wire *wire,
                 Aion__V1__ReplayDeadLettersRequest *request)
{
    const struct dead *dead = of(deed);
    cli_filter_fill(&dead->filter, deed->ids, deed->id_count, wire);
    request->filter = &wire->filter;
    request->per_second = (uint32_t)dead->rate;
    request->count_max = (uint32_t)dead->most;
    request->dry_run = dead->dry_run;
    if (dead->route != NULL)
        request->preferred_engine = (char *)(uintptr_t)dead->route;
    if (dead->reason != NULL)
        request->reason = (char *)(uintptr_t)dead->reason;
}

static int replay(struct cli_deed *deed)
{
    Aion__V1__ReplayDeadLettersRequest request = AION__V1__REPLAY_DEAD_LETTERS_REQUEST__INIT;
    struct cli_filter_wire wire;
    struct aion_err err;
    fill(deed, &wire, &request);
    const Aion__V1__Replay *begun = (const Aion__V1__Replay *)cli_call(
        &deed->client, "control", method(AION_V1_AION_TASKS_REPLAY_DEAD_LETTERS), &request.base,
        0, &err);
    if (begun != NULL && of(deed)->wait)
        begun = follow(deed, begun, &err);
    if (begun == NULL)
        return cli_error(&err);
    int printed = print(deed, begun);
    return begun->refused > 0 ? CLI_FAILED : printed;
}

/* -- the tables ----------------------------------------------------------- */
enum { LIST = 1 << 0, REPLAY = 1 << 1, MATCH = LIST | REPLAY };

static const struct cli_verb verbs[] = {
    {.name = "list", .run = list},
    {.name = "replay",
     .what = "tasks' ids",
     .most = CLI_IDS_MAX,
     .check = check_replay,
     .run = replay},
    {.name = "status", .what = "a replay's id", .least = 1, .most = 1, .run = status},
    {.name = "stop", .what = "a replay's id", .least = 1, .most = 1, .run = stop},
};

#define AT(member) .at = offsetof(struct dead, member)
static const struct cli_option options[] = {
    CLI_FILTER_ROW(struct dead, filter, "--intent", intent, MATCH),
    CLI_FILTER_ROW(struct dead, filter, "--tenant", tenant, MATCH),
    CLI_FILTER_ROW(struct dead, filter, "--module", module, MATCH),
    CLI_FILTER_ROW(struct dead, filter, "--error", error, MATCH),
    CLI_FILTER_TIME(struct dead, filter, "--since", since_us, MATCH),
    CLI_FILTER_TIME(struct dead, filter, "--until", until_us, MATCH),
    {.name = "--all", .kind = CLI_FLAG, AT(filter.all), .verbs = REPLAY},
    {.name = "--limit",
     .kind = CLI_NUMBER,
     AT(limit),
     .verbs = LIST,
     .least = 1,
     .most = PAGE_MAX},
    {.name = "--dry-run", .kind = CLI_FLAG, AT(dry_run), .verbs = REPLAY},
    {.name = "--rate",
     .kind = CLI_NUMBER,
     AT(rate),
     .verbs = REPLAY,
     .least = 1,
     .most = RATE_MAX},
    {.name = "--max",
     .kind = CLI_NUMBER,
     AT(most),
     .verbs = REPLAY,
     .least = 1,
     .most = UINT32_MAX},
    {.name = "--route", .kind = CLI_TEXT, AT(route), .verbs = REPLAY},
    {.name = "--reason", .kind = CLI_TEXT, AT(reason), .verbs = REPLAY},
    {.name = "--wait", .kind = CLI_FLAG, AT(wait), .verbs = REPLAY},
};

static int run(int argc, char **argv)
{
    static struct dead dead = {.limit = SHOWN};
    static const struct cli_family family = {&cli_dead, verbs, aion_countof(verbs), options,
                                             aion_countof(options)};
    return cli_family_run(&family, argc, argv, &dead.deed);
}
