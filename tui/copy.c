#include "copy.h"

/* Of a field's value in its struct, or in the array of a repeated one. */
static const uint8_t sizes[] = {
    [PROTOBUF_C_TYPE_INT32] = 4,
    [PROTOBUF_C_TYPE_SINT32] = 4,
    [PROTOBUF_C_TYPE_SFIXED32] = 4,
    [PROTOBUF_C_TYPE_INT64] = 8,
    [PROTOBUF_C_TYPE_SINT64] = 8,
    [PROTOBUF_C_TYPE_SFIXED64] = 8,
    [PROTOBUF_C_TYPE_UINT32] = 4,
    [PROTOBUF_C_TYPE_FIXED32] = 4,
    [PROTOBUF_C_TYPE_UINT64] = 8,
    [PROTOBUF_C_TYPE_FIXED64] = 8,
    [PROTOBUF_C_TYPE_FLOAT] = 4,
    [PROTOBUF_C_TYPE_DOUBLE] = 8,
    [PROTOBUF_C_TYPE_BOOL] = sizeof(protobuf_c_boolean),
    [PROTOBUF_C_TYPE_ENUM] = sizeof(int),
    [PROTOBUF_C_TYPE_STRING] = sizeof(char *),
    [PROTOBUF_C_TYPE_BYTES] = sizeof(ProtobufCBinaryData),
    [PROTOBUF_C_TYPE_MESSAGE] = sizeof(ProtobufCMessage *),
};

/* Its value points elsewhere. */
static bool is_far(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_BYTES ||
           field->type == PROTOBUF_C_TYPE_MESSAGE;
}

static bool own_text(char **text, const void *default_value, struct aion_arena *arena)
{
    if (*text == NULL || *text == default_value)
        return true;
    *text = aion_arena_text(arena, aion_str_of(*text));
    return *text != NULL;
}

static bool own_bytes(ProtobufCBinaryData *bytes, struct aion_arena *arena)
{
    const uint8_t *from = bytes->data;
    bytes->data = bytes->len > 0 ? aion_arena_alloc(arena, bytes->len) : NULL;
    if (bytes->data != NULL)
        memcpy(bytes->data, from, bytes->len);
    return bytes->data != NULL || bytes->len == 0;
}

/* What a value points to becomes the copy's own. */
static bool own_value(const ProtobufCFieldDescriptor *field, void *value,
                      struct aion_arena *arena)
{
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return own_text(value, field->default_value, arena);
    if (field->type == PROTOBUF_C_TYPE_BYTES)
        return own_bytes(value, arena);
    ProtobufCMessage **message = value;
    if (*message == NULL)
        return true;
    *message = tui_message_copy(*message, arena);
    return *message != NULL;
}

static bool own_list(const ProtobufCFieldDescriptor *field, void **list, size_t count,
                     struct aion_arena *arena)
{
    const void *from = *list;
    size_t size = sizes[field->type];
    *list = count > 0 ? aion_arena_alloc(arena, count * size) : NULL;
    if (*list == NULL)
        return count == 0;
    memcpy(*list, from, count * size);
    for (size_t i = 0; is_far(field) && i < count; i++)
        if (!own_value(field, (char *)*list + i * size, arena))
            return false;
    return true;
}

static bool own_field(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                      struct aion_arena *arena)
{
    void *value = (char *)message + field->offset;
    const void *quantifier = (const char *)message + field->quantifier_offset;
    size_t count;
    uint32_t which;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        memcpy(&count, quantifier, sizeof(count));
        return own_list(field, value, count, arena);
    }
    if (!is_far(field))
        return true;
    memcpy(&which, quantifier, sizeof(which));
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 && which != field->id)
        return true; /* another one's value stands there */
    return own_value(field, value, arena);
}

ProtobufCMessage *tui_message_copy(const ProtobufCMessage *from, struct aion_arena *arena)
{
    const ProtobufCMessageDescriptor *type = from->descriptor;
    ProtobufCMessage *message = aion_arena_alloc(arena, type->sizeof_message);
    if (message == NULL)
        return NULL;
    memcpy(message, from, type->sizeof_message);
    message->n_unknown_fields = 0;
    message->unknown_fields = NULL;
    for (unsigned i = 0; i < type->n_fields; i++)
        if (!own_field(message, &type->fields[i], arena))
            return NULL;
    return message;
}
