#include "codec/map_private.h"

#include <stdlib.h>

size_t codec_element_width(ProtobufCType type)
{
    switch ((int)type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    default:
        return 4;
    }
}

static uint64_t key_number(const ProtobufCMessage *entry)
{
    const ProtobufCFieldDescriptor *key = &entry->descriptor->fields[0];
    const void *member = (const char *)entry + key->offset;
    uint32_t narrow;
    uint64_t wide;
    if (codec_element_width(key->type) == 8) {
        memcpy(&wide, member, sizeof(wide));
        return wide;
    }
    memcpy(&narrow, member, sizeof(narrow));
    return narrow;
}

bool codec_map_same_key(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    const ProtobufCFieldDescriptor *key = &a->descriptor->fields[0];
    if (key->type != PROTOBUF_C_TYPE_STRING)
        return key_number(a) == key_number(b);
    const char *const *x = (const void *)((const char *)a + key->offset);
    const char *const *y = (const void *)((const char *)b + key->offset);
    return (*x)[0] == (*y)[0] &&
           strcmp(*x, *y) == 0; /* most keys differ in the first character */
}

int codec_map_compare(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    const ProtobufCFieldDescriptor *key = &a->descriptor->fields[0];
    if (key->type == PROTOBUF_C_TYPE_STRING) {
        const char *const *x = (const void *)((const char *)a + key->offset);
        const char *const *y = (const void *)((const char *)b + key->offset);
        return strcmp(*x, *y);
    }
    uint64_t x = key_number(a), y = key_number(b);
    return (x > y) - (x < y);
}

/* Equal keys stay in the order of the message: slots are places in one array. */
static int compare_slots(const void *a, const void *b)
{
    ProtobufCMessage *const *x = *(ProtobufCMessage *const *const *)a;
    ProtobufCMessage *const *y = *(ProtobufCMessage *const *const *)b;
    int order = codec_map_compare(*x, *y);
    return order != 0 ? order : (x > y) - (x < y);
}

bool codec_map_sort(ProtobufCMessage *const *entries, size_t count, struct aion_arena *arena,
                    struct codec_map *ret_map)
{
    ProtobufCMessage *const **slots = aion_arena_array(arena, count, sizeof(*slots));
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        slots[i] = &entries[i];
    qsort(slots, count, sizeof(*slots), compare_slots);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || codec_map_compare(*slots[i], *slots[i + 1]) != 0)
            slots[kept++] = slots[i];
    *ret_map = (struct codec_map){.slots = slots, .count = kept};
    return true;
}
