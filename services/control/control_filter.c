#include "control_filter.h"

#include <stdlib.h>

static bool refuse(struct aion_err *err, const char *field, const char *text)
{
    aion_err_set(err, __func__, AION_INVALID, "%s", text);
    aion_err_field(err, "filter.%s", field);
    return false;
}

static bool take(char *out, size_t size, const char *text, const char *field,
                 struct aion_err *err)
{
    return aion_str_copy(out, size, aion_str_of(text)) ||
           refuse(err, field, "the text is longer than any that could fit");
}

static int64_t time_of(const Google__Protobuf__Timestamp *stamp)
{
    return stamp != NULL ? stamp->seconds * 1000000 + stamp->nanos / 1000 : 0;
}

static bool good_time(const Google__Protobuf__Timestamp *stamp)
{
    return stamp == NULL || (stamp->seconds >= 0 && stamp->seconds <= 253402300799 &&
                             stamp->nanos >= 0 && stamp->nanos <= 999999999);
}

static bool take_ids(struct control_filter *filter, const Aion__V1__TaskFilter *from,
                     struct aion_err *err)
{
    if (from->n_task_ids == 0)
        return true;
    if (from->n_task_ids > FILTER_IDS_MAX)
        return refuse(err, "task_ids", "more than 1000 ids: ask in parts");
    filter->ids = calloc(from->n_task_ids, sizeof(*filter->ids));
    if (filter->ids == NULL)
        return aion_fail(err, AION_EXHAUSTED, "control is out of memory");
    for (size_t i = 0; i < from->n_task_ids; i++)
        if (!aion_uuid_parse(aion_str_of(from->task_ids[i]), &filter->ids[i])) {
            aion_err_set(err, __func__, AION_INVALID, "task_id \"%.80s\" is not a UUID",
                         from->task_ids[i]);
            aion_err_field(err, "filter.task_ids");
            return false;
        }
    filter->id_count = from->n_task_ids;
    return true;
}

static bool sets_anything(const Aion__V1__TaskFilter *from)
{
    return from->all || from->n_task_ids > 0 || from->tenant[0] != '\0' ||
           from->intent[0] != '\0' || from->reason[0] != '\0' || from->module[0] != '\0' ||
           from->created_after != NULL || from->created_before != NULL;
}

static bool take_tenant(struct control_filter *filter, const char *wanted, aion_str tenant,
                        bool admin, struct aion_err *err)
{
    if (admin)
        return take(filter->tenant, sizeof(filter->tenant), wanted, "tenant", err);
    if (wanted[0] != '\0' && !aion_str_is(tenant, wanted))
        return aion_fail(err, AION_DENIED, "only an admin may name another tenant");
    aion_str_copy(filter->tenant, sizeof(filter->tenant), tenant);
    return true;
}

static bool read_all(struct control_filter *filter, const Aion__V1__TaskFilter *from,
                     aion_str tenant, bool admin, struct aion_err *err)
{
    if (!sets_anything(from))
        return refuse(err, "all", "the filter names nothing: set `all` to mean every task");
    if (!good_time(from->created_after) || !good_time(from->created_before))
        return refuse(err, "created_after", "a time is between 1970 and 9999");
    filter->after_us = time_of(from->created_after);
    filter->before_us = time_of(from->created_before);
    return take_tenant(filter, from->tenant, tenant, admin, err) &&
           take(filter->intent, sizeof(filter->intent), from->intent, "intent", err) &&
           take(filter->module, sizeof(filter->module), from->module, "module", err) &&
           take(filter->reason, sizeof(filter->reason), from->reason, "reason", err) &&
           take_ids(filter, from, err);
}

bool control_filter_read(const Aion__V1__TaskFilter *from, aion_str tenant, bool admin,
                         struct control_filter *ret_filter, struct aion_err *err)
{
    *ret_filter = (struct control_filter){.ids = NULL};
    if (from == NULL)
        return take_tenant(ret_filter, "", tenant, admin, err);
    if (read_all(ret_filter, from, tenant, admin, err))
        return true;
    control_filter_free(ret_filter);
    return false;
}

void control_filter_free(struct control_filter *filter)
{
    free(filter->ids);
    filter->ids = NULL;
}

static bool is_or_any(const char *wanted, aion_str value)
{
    return wanted[0] == '\0' || aion_str_is(value, wanted);
}

static bool names_id(const struct control_filter *filter, const struct aion_uuid *id)
{
    for (size_t i = 0; i < filter->id_count; i++)
        if (aion_uuid_eq(&filter->ids[i], id))
            return true;
    return filter->id_count == 0;
}

bool control_filter_fits(const struct control_filter *filter,
                         const struct control_subject *subject)
{
    return is_or_any(filter->tenant, subject->tenant) &&
           is_or_any(filter->intent, subject->intent) &&
           is_or_any(filter->module, subject->module) &&
           is_or_any(filter->reason, subject->reason) &&
           (filter->after_us == 0 || subject->created_us >= filter->after_us) &&
           (filter->before_us == 0 || subject->created_us < filter->before_us) &&
           names_id(filter, &subject->id);
}
