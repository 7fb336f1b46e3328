#include "noop_request.h"

#include <stdlib.h>
#include <string.h>

void bench_noop_request(Aion__V1__TaskRequest *ret_request, size_t bytes)
{
    static Google__Protobuf__Struct params = GOOGLE__PROTOBUF__STRUCT__INIT;
    static Google__Protobuf__Struct__FieldsEntry entry =
        GOOGLE__PROTOBUF__STRUCT__FIELDS_ENTRY__INIT;
    static Google__Protobuf__Struct__FieldsEntry *entries[1] = {&entry};
    static Google__Protobuf__Value value = GOOGLE__PROTOBUF__VALUE__INIT;
    static char intent[] = "noop", key[] = "text";
    char *text = calloc(1, bytes + 1);
    if (text == NULL)
        abort();
    memset(text, 'x', bytes);
    value.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
    value.string_value = text;
    entry.key = key;
    entry.value = &value;
    params.n_fields = 1;
    params.fields = entries;
    aion__v1__task_request__init(ret_request);
    ret_request->intent = intent;
    ret_request->params = &params;
}
