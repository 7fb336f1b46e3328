#include "cli_rows.h"

#include "cli_filter.h"
#include "google/protobuf/struct.schema.h"

#include <stdio.h>
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

int cli_result_print(const Aion__V1__TaskResult *result)
{
    if (result->body_case == AION__V1__TASK_RESULT__BODY_JSON)
        return cli_print_json(&google__protobuf__struct__schema, &result->json->base);
    if (result->body_case == AION__V1__TASK_RESULT__BODY_TEXT)
        printf("%s\n", result->text);
    else if (result->body_case == AION__V1__TASK_RESULT__BODY_DATA)
        fwrite(result->data.data, 1, result->data.len, stdout);
    return CLI_OK;
}
