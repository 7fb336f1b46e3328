#include "cli_filter.h"

bool cli_filter_narrows(const struct cli_filter *filter)
{
    return filter->tenant != NULL || filter->intent != NULL || filter->module != NULL ||
           filter->error != NULL || filter->since_us != 0 || filter->until_us != 0;
}

Google__Protobuf__Timestamp *cli_stamp(int64_t utc_us, Google__Protobuf__Timestamp *out)
{
    if (utc_us == 0)
        return NULL;
    google__protobuf__timestamp__init(out);
    out->seconds = utc_us / 1000000;
    out->nanos = (int32_t)(utc_us % 1000000 * 1000);
    return out;
}

int64_t cli_stamp_us(const Google__Protobuf__Timestamp *stamp)
{
    return stamp != NULL ? stamp->seconds * 1000000 + stamp->nanos / 1000 : 0;
}

static void set(char **to, const char *text)
{
    if (text != NULL)
        *to = (char *)(uintptr_t)text;
}

void cli_filter_fill(const struct cli_filter *filter, const char *const *ids, size_t id_count,
                     struct cli_filter_wire *ret_wire)
{
    Aion__V1__TaskFilter *out = &ret_wire->filter;
    aion__v1__task_filter__init(out);
    set(&out->tenant, filter->tenant);
    set(&out->intent, filter->intent);
    set(&out->module, filter->module);
    set(&out->reason, filter->error);
    out->all = filter->all;
    out->created_after = cli_stamp(filter->since_us, &ret_wire->since);
    out->created_before = cli_stamp(filter->until_us, &ret_wire->until);
    out->task_ids = (char **)(uintptr_t)ids;
    out->n_task_ids = id_count;
}
