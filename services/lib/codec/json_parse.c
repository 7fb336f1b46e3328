/* JSON to protobuf-c, by schema, in one pass. Objects and arrays inside one another recurse;
 * depth_max bounds them. */
#include "codec/json_private.h"
#include "codec/map_private.h"

ProtobufCMessage *codec_json_new(struct json_reader *reader, const struct codec_message *schema)
{
    ProtobufCMessage *made =
        aion_arena_alloc(reader->arena, schema->descriptor->sizeof_message);
    if (made == NULL)
        codec_json_refuse_memory(reader);
    else
        protobuf_c_message_init(schema->descriptor, made);
    return made;
}

/* -- one value ----------------------------------------------------------------------------- */

static bool read_bool(struct json_reader *reader, void *member)
{
    int c = json_peek(reader);
    if (c != 't' && c != 'f')
        return codec_json_expected(reader, "true or false");
    *(protobuf_c_boolean *)member = c == 't';
    return codec_json_literal(reader, c == 't' ? "true" : "false");
}

static enum json_got read_enum(struct json_reader *reader,
                               const ProtobufCFieldDescriptor *field,
                               const struct codec_field *about, void *member)
{
    struct json_number number;
    int c = json_peek(reader);
    if (c == '"') {
        aion_str text;
        bool owned;
        return codec_json_string(reader, &text, &owned)
                   ? codec_json_text_value(reader, field, about, text, true, member)
                   : JSON_BAD;
    }
    if (c == 'n' && about->enumeration->null_value) {
        *(int32_t *)member = 0;
        return codec_json_literal(reader, "null") ? JSON_VALUE : JSON_BAD;
    }
    if (c != '-' && (c < '0' || c > '9'))
        return codec_json_expected(reader, "the name or number of an enum value") ? JSON_VALUE
                                                                                  : JSON_BAD;
    return codec_json_number_take(reader, &number) &&
                   codec_json_number_store(reader, PROTOBUF_C_TYPE_INT32, &number, member)
               ? JSON_VALUE
               : JSON_BAD;
}

static bool read_number(struct json_reader *reader, const ProtobufCFieldDescriptor *field,
                        const struct codec_field *about, void *member)
{
    int c = json_peek(reader);
    if (c == '"') {
        aion_str text;
        bool owned;
        return codec_json_string(reader, &text, &owned) &&
               codec_json_text_value(reader, field, about, text, true, member) == JSON_VALUE;
    }
    if (c != '-' && (c < '0' || c > '9'))
        return codec_json_expected(reader, "a number");
    struct json_number number;
    return codec_json_number_take(reader, &number) &&
           codec_json_number_store(reader, field->type, &number, member);
}

static bool read_bytes(struct json_reader *reader, const ProtobufCFieldDescriptor *field,
                       const struct codec_field *about, void *member)
{
    aion_str text;
    bool owned;
    return codec_json_string(reader, &text, &owned) &&
           codec_json_text_value(reader, field, about, text, true, member) == JSON_VALUE;
}

static bool read_submessage(struct json_reader *reader, const struct codec_field *about,
                            ProtobufCMessage **member)
{
    ProtobufCMessage *made = codec_json_new(reader, about->message);
    if (made == NULL || !codec_json_read_message(reader, about->message, made))
        return false;
    *member = made;
    return true;
}

enum json_got codec_json_read_value(struct json_reader *reader,
                                    const ProtobufCFieldDescriptor *field,
                                    const struct codec_field *about, void *member)
{
    if (!codec_json_count(reader))
        return JSON_BAD;
    bool good;
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_STRING:
        good = codec_json_string_copy(reader, member);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        good = read_bytes(reader, field, about, member);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        good = read_bool(reader, member);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(reader, field, about, member);
    case PROTOBUF_C_TYPE_MESSAGE:
        good = read_submessage(reader, about, member);
        break;
    default:
        good = read_number(reader, field, about, member);
        break;
    }
    return good ? JSON_VALUE : JSON_BAD;
}

/* -- repeated fields ----------------------------------------------------------------------- */

/* A growing array in the arena. What it outgrows stays behind, at most as much again. */
struct vector {
    char *data;
    size_t count, capacity, width;
};

static void *vector_add(struct json_reader *reader, struct vector *vector)
{
    if (vector->count == vector->capacity) {
        size_t capacity = vector->capacity > 0 ? 2 * vector->capacity : 4;
        char *data = aion_arena_alloc(reader->arena, capacity * vector->width);
        if (data == NULL) {
            codec_json_refuse_memory(reader);
            return NULL;
        }
        if (vector->count > 0)
            memcpy(data, vector->data, vector->count * vector->width);
        vector->data = data;
        vector->capacity = capacity;
    }
    return vector->data + vector->count++ * vector->width;
}

static void vector_store(const struct vector *vector, const ProtobufCFieldDescriptor *field,
                         ProtobufCMessage *into)
{
    *(size_t *)json_member(into, field->quantifier_offset) = vector->count;
    *(void **)json_member(into, field->offset) = vector->data;
}

static bool read_elements(struct json_reader *reader, const ProtobufCFieldDescriptor *field,
                          const struct codec_field *about, struct vector *vector)
{
    struct json_place place = {.up = reader->place};
    reader->place = &place;
    do {
        void *element = vector_add(reader, vector);
        if (element == NULL)
            return false;
        enum json_got got = codec_json_read_value(reader, field, about, element);
        if (got == JSON_BAD)
            return false;
        vector->count -= got == JSON_NOTHING;
        place.index++;
    } while (json_take(reader, ','));
    reader->place = place.up;
    return true;
}

bool codec_json_read_list(struct json_reader *reader, const struct codec_message *schema,
                          int index, ProtobufCMessage *into)
{
    const ProtobufCFieldDescriptor *field = &schema->descriptor->fields[index];
    struct vector vector = {.width = codec_element_width(field->type)};
    if (!codec_json_enter(reader, '['))
        return false;
    if (json_peek(reader) != ']' &&
        !read_elements(reader, field, &schema->fields[index], &vector))
        return false;
    if (!json_take(reader, ']'))
        return codec_json_expected(reader, "',' or ']'");
    json_leave(reader);
    vector_store(&vector, field, into);
    return true;
}

/* -- maps ---------------------------------------------------------------------------------- */

/* Few entries are compared with each other as they come; many are sorted at the end, aside. */
static bool check_keys(struct json_reader *reader, const struct vector *vector)
{
    struct codec_map sorted;
    if (!codec_map_sort((void *)vector->data, vector->count, reader->arena, &sorted))
        return codec_json_refuse_memory(reader);
    return sorted.count == vector->count ||
           codec_json_refuse(reader, AION_INVALID, "a key stands twice in the object");
}

static bool check_key(struct json_reader *reader, const struct vector *vector)
{
    ProtobufCMessage *const *entries = (void *)vector->data;
    size_t last = vector->count - 1;
    for (size_t i = 0; i < last && last < CODEC_MAP_FEW; i++)
        if (codec_map_same_key(entries[i], entries[last]))
            return codec_json_refuse(reader, AION_INVALID,
                                     "the key stands twice in the object");
    return true;
}

/* The key is part of the path from here on. */
static bool read_key(struct json_reader *reader, const struct codec_message *schema,
                     ProtobufCMessage *entry, struct json_place *place)
{
    const ProtobufCFieldDescriptor *field = &schema->descriptor->fields[0];
    void *member = json_member(entry, field->offset);
    bool owned;
    if (!codec_json_string(reader, &place->name, &owned))
        return false;
    reader->place = place;
    if (owned && field->type == PROTOBUF_C_TYPE_STRING) {
        memcpy(member, &place->name.data, sizeof(char *));
        return true;
    }
    return codec_json_text_value(reader, field, &schema->fields[0], place->name, false,
                                 member) == JSON_VALUE;
}

static bool read_entry(struct json_reader *reader, const struct codec_message *schema,
                       struct json_place *place, struct vector *vector)
{
    ProtobufCMessage *entry = codec_json_new(reader, schema);
    if (entry == NULL || !read_key(reader, schema, entry, place))
        return false;
    if (!json_take(reader, ':'))
        return codec_json_expected(reader, "':'");
    const ProtobufCFieldDescriptor *value = &schema->descriptor->fields[1];
    enum json_got got = codec_json_read_value(reader, value, &schema->fields[1],
                                              json_member(entry, value->offset));
    if (got != JSON_VALUE)
        return got == JSON_NOTHING;
    ProtobufCMessage **slot = vector_add(reader, vector);
    if (slot == NULL)
        return false;
    *slot = entry;
    return check_key(reader, vector);
}

bool codec_json_read_map(struct json_reader *reader, const struct codec_message *schema,
                         int index, ProtobufCMessage *into)
{
    struct vector vector = {.width = sizeof(void *)};
    struct json_place place = {.up = reader->place};
    if (!codec_json_enter(reader, '{'))
        return false;
    if (json_peek(reader) != '}') {
        do {
            if (!read_entry(reader, schema->fields[index].message, &place, &vector))
                return false;
            reader->place = place.up;
        } while (json_take(reader, ','));
    }
    if (!json_take(reader, '}'))
        return codec_json_expected(reader, "',' or '}'");
    json_leave(reader);
    vector_store(&vector, &schema->descriptor->fields[index], into);
    return vector.count <= CODEC_MAP_FEW || check_keys(reader, &vector);
}

/* -- messages ------------------------------------------------------------------------------ */

/* null leaves a field unset, except where null is a value. */
static bool null_is_value(const struct codec_field *about)
{
    return (about->message != NULL && about->message->wkt == CODEC_WKT_VALUE) ||
           (about->enumeration != NULL && about->enumeration->null_value);
}

static bool read_singular(struct json_reader *reader, const ProtobufCFieldDescriptor *field,
                          const struct codec_field *about, ProtobufCMessage *into)
{
    bool in_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    uint32_t *quantifier = json_member(into, field->quantifier_offset);
    if (in_oneof && *quantifier != 0 && *quantifier != field->id)
        return codec_json_refuse(reader, AION_INVALID,
                                 "another member of the same oneof is set already");
    enum json_got got =
        codec_json_read_value(reader, field, about, json_member(into, field->offset));
    if (got == JSON_VALUE && in_oneof)
        *quantifier = field->id;
    else if (got == JSON_VALUE && field->quantifier_offset != 0)
        *(protobuf_c_boolean *)json_member(into, field->quantifier_offset) = 1;
    return got != JSON_BAD;
}

bool codec_json_read_field(struct json_reader *reader, const struct codec_message *schema,
                           int index, ProtobufCMessage *into)
{
    const ProtobufCFieldDescriptor *field = &schema->descriptor->fields[index];
    const struct codec_field *about = &schema->fields[index];
    struct json_place place = {.up = reader->place, .field = field->name};
    reader->place = &place;
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    bool good;
    if (json_peek(reader) == 'n' && (repeated || !null_is_value(about)))
        good = codec_json_literal(reader, "null");
    else if (about->map)
        good = codec_json_read_map(reader, schema, index, into);
    else if (repeated)
        good = codec_json_read_list(reader, schema, index, into);
    else
        good = read_singular(reader, field, about, into);
    if (good)
        reader->place = place.up;
    return good;
}

static bool name_matches(const char *name, aion_str key)
{
    return strlen(name) == key.size && memcmp(name, key.data, key.size) == 0;
}

/* Writers keep the order of fields, so the one behind the last found is tried first. */
static int find_field(const struct codec_message *schema, aion_str key, unsigned *guess)
{
    unsigned count = schema->descriptor->n_fields;
    if (*guess < count && name_matches(schema->fields[*guess].json_name, key))
        return (int)(*guess)++;
    int index = codec_field_index(schema, key);
    if (index >= 0)
        *guess = (unsigned)index + 1;
    return index;
}

static bool read_unknown(struct json_reader *reader, aion_str key)
{
    struct json_place place = {.up = reader->place, .name = key};
    reader->place = &place;
    if (!reader->options.ignore_unknown)
        return codec_json_refuse(reader, AION_INVALID, "no such field");
    if (!codec_json_skip(reader))
        return false;
    reader->place = place.up;
    return true;
}

/* Bits of the fields seen, for duplicates. */
struct seen {
    uint64_t few[4];
    uint64_t *bits;
};

static bool seen_init(struct json_reader *reader, const struct codec_message *schema,
                      struct seen *seen)
{
    memset(seen->few, 0, sizeof(seen->few));
    seen->bits = seen->few;
    size_t words = schema->descriptor->n_fields / 64 + 1;
    if (words > aion_countof(seen->few))
        seen->bits = aion_arena_array(reader->arena, words, sizeof(uint64_t));
    return seen->bits != NULL || codec_json_refuse_memory(reader);
}

static bool seen_add(struct seen *seen, int index)
{
    uint64_t bit = UINT64_C(1) << index % 64, *word = &seen->bits[index / 64];
    bool first = (*word & bit) == 0;
    *word |= bit;
    return first;
}

static bool refuse_twice(struct json_reader *reader, const char *name)
{
    struct json_place place = {.up = reader->place, .field = name};
    reader->place = &place;
    return codec_json_refuse(reader, AION_INVALID, "the member stands twice");
}

static bool read_member(struct json_reader *reader, const struct codec_message *schema,
                        ProtobufCMessage *into, bool any, struct seen *seen, unsigned *guess)
{
    aion_str key;
    bool owned;
    if (!codec_json_string(reader, &key, &owned))
        return false;
    if (!json_take(reader, ':'))
        return codec_json_expected(reader, "':'");
    if (any && aion_str_eq(key, AION_STR("@type")))
        return codec_json_skip(reader);
    int index = find_field(schema, key, guess);
    if (index < 0)
        return read_unknown(reader, key);
    if (!seen_add(seen, index))
        return refuse_twice(reader, schema->descriptor->fields[index].name);
    return codec_json_read_field(reader, schema, index, into);
}

bool codec_json_read_members(struct json_reader *reader, const struct codec_message *schema,
                             ProtobufCMessage *into, bool any)
{
    struct seen seen;
    unsigned guess = 0;
    if (!codec_json_enter(reader, '{') || !seen_init(reader, schema, &seen))
        return false;
    if (json_peek(reader) != '}') {
        do {
            if (!read_member(reader, schema, into, any, &seen, &guess))
                return false;
        } while (json_take(reader, ','));
    }
    if (!json_take(reader, '}'))
        return codec_json_expected(reader, "',' or '}'");
    json_leave(reader);
    return true;
}

bool codec_json_read_message(struct json_reader *reader, const struct codec_message *schema,
                             ProtobufCMessage *into)
{
    return schema->wkt == CODEC_WKT_NONE ? codec_json_read_members(reader, schema, into, false)
                                         : codec_json_read_wkt(reader, schema, into);
}

/* -- the contract -------------------------------------------------------------------------- */

ProtobufCMessage *codec_json_parse(const struct codec_message *message, aion_str json,
                                   const struct codec_json_read *options,
                                   struct aion_arena *arena, struct aion_err *err)
{
    struct json_reader reader;
    codec_json_reader_init(&reader, json, options, arena, err);
    ProtobufCMessage *made = codec_json_new(&reader, message);
    if (made == NULL || !codec_json_count(&reader) ||
        !codec_json_read_message(&reader, message, made) || !codec_json_end(&reader))
        return NULL;
    return made;
}

bool codec_json_parse_field(const struct codec_message *message, ProtobufCMessage *into,
                            int field_index, aion_str json,
                            const struct codec_json_read *options, struct aion_arena *arena,
                            struct aion_err *err)
{
    struct json_reader reader;
    codec_json_reader_init(&reader, json, options, arena, err);
    return codec_json_read_field(&reader, message, field_index, into) &&
           codec_json_end(&reader);
}
