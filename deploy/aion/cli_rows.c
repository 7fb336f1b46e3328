#include "cli_rows.h"

#include "cli_filter.h"

#include <string.h>

const char *cli_state_name(Aion__V1__TaskState state)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&aion__v1__task_state__descriptor, (int)state);
    return value != NULL ? value->name + strlen("TASK_STATE_") : "UNKNOWN";
}

static const struct cli_column columns[] = {
    {"TASK", false},   {"STATE", false},   {"INTENT", false}, {"ROUTE", false},
    {"TENANT", false}, {"CREATED", false}, {"ERROR", false},
};

int cli_rows_print(Aion__V1__Task *const *tasks, size_t count, bool errors)
{
    struct cli_table table;
    cli_table_init(&table, columns, aion_countof(columns) - !errors);
    for (size_t i = 0; i < count; i++) {
        const Aion__V1__Task *task = tasks[i];
        cli_table_text(&table, task->task_id);
        cli_table_text(&table, cli_state_name(task->state));
        cli_table_text(&table, task->intent);
        cli_table_text(&table, task->engine != NULL ? task->engine->route : "");
        cli_table_text(&table, task->tenant);
        cli_table_time(&table, cli_stamp_us(task->created_at));
        if (!errors)
            continue;
        if (task->error != NULL)
            cli_table_cell(&table, "%s: %s", task->error->reason, task->error->message);
        else
            cli_table_text(&table, "");
    }
    return cli_table_print(&table);
}
