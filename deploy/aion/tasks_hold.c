/* aion tasks hold|release|holds: tasks that are taken and kept, but not started. */
#include "cli_table.h"
#include "tasks.h"

#include "aion/v1/tasks.mesh.h"

#include <stdio.h>

static const struct cli_column columns[] = {
    {"HOLD", false},  {"TENANT", false},  {"INTENT", false},
    {"HELD", true},   {"RELEASED", true}, {"STATE", false},
    {"SINCE", false}, {"BY", false},      {"REASON", false},
};

static const char *any(const char *text)
{
    return text[0] != '\0' ? text : "any";
}

static void put(struct cli_table *table, const Aion__V1__Hold *hold)
{
    const Aion__V1__TaskFilter *filter = hold->filter;
    cli_table_text(table, hold->hold_id);
    cli_table_text(table, any(filter != NULL ? filter->tenant : ""));
    cli_table_text(table, any(filter != NULL ? filter->intent : ""));
    cli_table_cell(table, "%llu", (unsigned long long)hold->held);
    cli_table_cell(table, "%llu", (unsigned long long)hold->released);
    cli_table_text(table, hold->releasing ? "releasing" : "holding");
    cli_table_time(table, cli_stamp_us(hold->held_at));
    cli_table_text(table, hold->held_by);
    cli_table_text(table, hold->reason);
}

static int print(Aion__V1__Hold *const *holds, size_t count)
{
    struct cli_table table;
    cli_table_init(&table, columns, aion_countof(columns));
    for (size_t i = 0; i < count; i++)
        put(&table, holds[i]);
    return cli_table_print(&table);
}

static int ask(struct cli_deed *deed, int index, const ProtobufCMessage *request)
{
    int status;
    const ProtobufCMessage *reply = cli_ask(deed, cli_tasks_method(index), request, &status);
    if (reply == NULL)
        return status;
    return print((Aion__V1__Hold *const[]){(Aion__V1__Hold *)(uintptr_t)reply}, 1);
}

/* All there is, by a slip of the hand, is too much to stop. */
int cli_tasks_check_hold(struct cli_deed *deed)
{
    const struct cli_filter *filter = &cli_tasks_of(deed)->filter;
    if (!filter->all && !cli_filter_narrows(filter))
        return cli_usage(&cli_tasks,
                         "hold needs --intent or --tenant, or --all to mean every task");
    if (filter->all && cli_filter_narrows(filter))
        return cli_usage(&cli_tasks, "hold takes --all, or --intent and --tenant, not both");
    return CLI_OK;
}

int cli_tasks_hold(struct cli_deed *deed)
{
    const struct cli_tasks_wish *wish = cli_tasks_of(deed);
    Aion__V1__HoldQueueRequest request = AION__V1__HOLD_QUEUE_REQUEST__INIT;
    struct cli_filter_wire wire;
    cli_filter_fill(&wish->filter, NULL, 0, &wire);
    request.filter = &wire.filter;
    if (wish->reason != NULL)
        request.reason = (char *)(uintptr_t)wish->reason;
    return ask(deed, AION_V1_AION_TASKS_HOLD_QUEUE, &request.base);
}

int cli_tasks_release(struct cli_deed *deed)
{
    const struct cli_tasks_wish *wish = cli_tasks_of(deed);
    Aion__V1__ReleaseQueueRequest request = AION__V1__RELEASE_QUEUE_REQUEST__INIT;
    struct cli_filter_wire wire;
    request.hold_id = (char *)(uintptr_t)deed->ids[0];
    request.per_second = (uint32_t)wish->rate;
    request.count_max = (uint64_t)wish->most;
    cli_filter_fill(&wish->filter, deed->ids + 1, deed->id_count - 1, &wire);
    if (cli_filter_narrows(&wish->filter) || deed->id_count > 1)
        request.filter = &wire.filter;
    if (wish->reason != NULL)
        request.reason = (char *)(uintptr_t)wish->reason;
    return ask(deed, AION_V1_AION_TASKS_RELEASE_QUEUE, &request.base);
}

int cli_tasks_holds(struct cli_deed *deed)
{
    Aion__V1__ListHoldsRequest request = AION__V1__LIST_HOLDS_REQUEST__INIT;
    int status;
    const Aion__V1__ListHoldsReply *reply = (const Aion__V1__ListHoldsReply *)cli_ask(
        deed, cli_tasks_method(AION_V1_AION_TASKS_LIST_HOLDS), &request.base, &status);
    return reply != NULL ? print(reply->holds, reply->n_holds) : status;
}
