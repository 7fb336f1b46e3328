/* Parameters of a task: google.protobuf.Struct, read by name. */
#include "sdk/module.h"

#include <math.h>

const Google__Protobuf__Value *module_param(const Aion__V1__HostCommand__Execute *task,
                                            const char *name)
{
    if (task->params == NULL)
        return NULL;
    for (size_t i = 0; i < task->params->n_fields; i++)
        if (strcmp(task->params->fields[i]->key, name) == 0)
            return task->params->fields[i]->value;
    return NULL;
}

bool module_param_text(const Aion__V1__HostCommand__Execute *task, const char *name,
                       aion_str *ret_text)
{
    const Google__Protobuf__Value *value = module_param(task, name);
    *ret_text = (aion_str){0};
    if (value == NULL)
        return true;
    if (value->kind_case != GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE)
        return false;
    *ret_text = aion_str_of(value->string_value);
    return true;
}

bool module_param_int(const Aion__V1__HostCommand__Execute *task, const char *name, int64_t min,
                      int64_t max, int64_t fallback, int64_t *ret_value)
{
    const Google__Protobuf__Value *value = module_param(task, name);
    *ret_value = fallback;
    if (value == NULL)
        return true;
    if (value->kind_case != GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE)
        return false;
    double number = value->number_value;
    if (!(number >= (double)min && number <= (double)max) || floor(number) < number)
        return false;
    *ret_value = (int64_t)number;
    return true;
}
