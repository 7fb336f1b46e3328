/* A request message out of body, path and query, as google/api/http.proto says. */
#include "base/base64.h"
#include "codec/http_rule.h"
#include "codec/json_private.h"
#include "codec/map_private.h"
#include "codec/message.h"

enum { PATH_DEPTH_MAX = 8, PARAMETERS_MAX = 256 };

/* -- percent-encoding ---------------------------------------------------------------------- */

bool codec_percent_decode(aion_str text, bool plus_is_space, bool keep_slash,
                          struct aion_arena *arena, aion_str *ret_text)
{
    char *out = aion_arena_alloc(arena, text.size + 1);
    size_t used = 0;
    if (out == NULL)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '%') {
            uint8_t byte;
            if (text.size - i <= 2 || !aion_unhex(&byte, 1, aion_str_n(text.data + i + 1, 2)))
                return false;
            if (byte != '/' || !keep_slash) {
                c = (char)byte;
                i += 2;
            }
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[used++] = c;
    }
    out[used] = '\0';
    *ret_text = aion_str_n(out, used);
    return true;
}

/* -- fields by path ------------------------------------------------------------------------ */

/* "sla.max_cost" as indexes, outermost first. */
struct field_path {
    uint16_t indexes[PATH_DEPTH_MAX];
    unsigned depth;
};

struct request {
    struct json_reader reader; /* of texts: for its arena, options and errors */
    const struct codec_message *schema;
    ProtobufCMessage *message;
    struct field_path bound[PARAMETERS_MAX]; /* singular fields that have their value */
    size_t bound_count;
};

static bool same_path(const struct field_path *a, const struct field_path *b)
{
    return a->depth == b->depth &&
           memcmp(a->indexes, b->indexes, a->depth * sizeof(a->indexes[0])) == 0;
}

/* False: no such field; nothing is refused yet. */
static bool resolve(const struct codec_message *schema, aion_str name,
                    struct field_path *ret_path)
{
    ret_path->depth = 0;
    while (name.data != NULL) {
        aion_str part = aion_str_cut(&name, '.');
        int index = schema != NULL && schema->wkt == CODEC_WKT_NONE
                        ? codec_field_index(schema, part)
                        : -1;
        if (index < 0 || ret_path->depth == PATH_DEPTH_MAX)
            return false;
        ret_path->indexes[ret_path->depth++] = (uint16_t)index;
        schema = schema->fields[index].map ? NULL : schema->fields[index].message;
    }
    return true;
}

/* Sets the oneof's case. A path variable replaces what the body said; a query parameter does
 * not. */
static bool claim(struct request *request, const ProtobufCFieldDescriptor *field,
                  ProtobufCMessage *message, bool replace)
{
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
        return true;
    uint32_t *quantifier = json_member(message, field->quantifier_offset);
    if (*quantifier == field->id)
        return true;
    if (*quantifier != 0 && !replace)
        return codec_json_refuse(&request->reader, AION_INVALID,
                                 "another member of the same oneof is set already");
    memset(json_member(message, field->offset), 0, sizeof(void *));
    *quantifier = field->id;
    return true;
}

/* The message that holds the path's last field; those on the way are made. NULL: refused. */
static ProtobufCMessage *descend(struct request *request, const struct field_path *path,
                                 const struct codec_message **ret_schema, bool replace)
{
    const struct codec_message *schema = request->schema;
    ProtobufCMessage *message = request->message;
    for (unsigned i = 0; i + 1 < path->depth; i++) {
        const ProtobufCFieldDescriptor *field = &schema->descriptor->fields[path->indexes[i]];
        ProtobufCMessage **member = json_member(message, field->offset);
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            codec_json_refuse(&request->reader, AION_INVALID, "inside a repeated field");
            return NULL;
        }
        if (!claim(request, field, message, replace))
            return NULL;
        schema = schema->fields[path->indexes[i]].message;
        if (*member == NULL)
            *member = codec_json_new(&request->reader, schema);
        if (*member == NULL)
            return NULL;
        message = *member;
    }
    *ret_schema = schema;
    return message;
}

/* One element more; the array doubles when its count is a power of two. */
static void *append(struct request *request, const ProtobufCFieldDescriptor *field,
                    ProtobufCMessage *message)
{
    enum { WIDEST = sizeof(ProtobufCBinaryData) };
    size_t *count = json_member(message, field->quantifier_offset);
    char **elements = json_member(message, field->offset);
    if ((*count & (*count - 1)) == 0) {
        char *wider = aion_arena_alloc(request->reader.arena, (2 * *count + 1) * WIDEST);
        if (wider == NULL) {
            codec_json_refuse_memory(&request->reader);
            return NULL;
        }
        if (*count > 0)
            memcpy(wider, *elements, *count * codec_element_width(field->type));
        *elements = wider;
    }
    return *elements + (*count)++ * codec_element_width(field->type);
}

/* Path variables come before the query, so whoever comes second is refused. */
static bool bind_once(struct request *request, const struct field_path *path)
{
    for (size_t i = 0; i < request->bound_count; i++)
        if (same_path(&request->bound[i], path))
            return codec_json_refuse(&request->reader, AION_INVALID, "given twice");
    if (request->bound_count == PARAMETERS_MAX)
        return codec_json_refuse(&request->reader, AION_EXHAUSTED, "too many parameters");
    request->bound[request->bound_count++] = *path;
    return true;
}

/* An unknown enum name is passed over: the field is as if it were not named. */
static void undo(const ProtobufCFieldDescriptor *field, ProtobufCMessage *message)
{
    void *quantifier = json_member(message, field->quantifier_offset);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        (*(size_t *)quantifier)--;
    else if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        *(uint32_t *)quantifier = 0;
}

static bool set_text(struct request *request, const struct field_path *path, aion_str text,
                     bool replace)
{
    struct json_reader *reader = &request->reader;
    const struct codec_message *schema;
    ProtobufCMessage *message = descend(request, path, &schema, replace);
    if (message == NULL)
        return false;
    uint16_t index = path->indexes[path->depth - 1];
    const ProtobufCFieldDescriptor *field = &schema->descriptor->fields[index];
    if (schema->fields[index].map)
        return codec_json_refuse(reader, AION_INVALID, "a map cannot be given as text");
    if (!aion_utf8_valid(text.data, text.size) || memchr(text.data, 0, text.size) != NULL)
        return codec_json_refuse(reader, AION_INVALID, "not valid UTF-8, or with U+0000");
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    void *member = json_member(message, field->offset);
    if (!repeated && (!bind_once(request, path) || !claim(request, field, message, replace)))
        return false;
    if (repeated && (member = append(request, field, message)) == NULL)
        return false;
    enum json_got got =
        codec_json_text_value(reader, field, &schema->fields[index], text, false, member);
    if (got == JSON_NOTHING)
        undo(field, message);
    return got != JSON_BAD;
}

/* -- the three sources --------------------------------------------------------------------- */

static bool is_blank(aion_str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (memchr(" \t\r\n", text.data[i], 4) == NULL)
            return false;
    return true;
}

static ProtobufCMessage *read_body(const char *rule_body, const struct codec_message *schema,
                                   aion_str body, const struct codec_json_read *options,
                                   struct aion_arena *arena, struct aion_err *err)
{
    bool blank = is_blank(body);
    if (!blank && strcmp(rule_body, "*") == 0)
        return codec_json_parse(schema, body, options, arena, err);
    if (!blank && rule_body[0] == '\0')
        return aion_fail_null(err, AION_INVALID, "this method takes no body");
    ProtobufCMessage *message = codec_message_new(schema, arena);
    if (message == NULL)
        return aion_fail_null(err, AION_EXHAUSTED, "the message does not fit in memory");
    int index = codec_field_index(schema, aion_str_of(rule_body));
    if (!blank && !codec_json_parse_field(schema, message, index, body, options, arena, err))
        return NULL;
    return message;
}

static bool decode(struct request *request, aion_str text, bool query, bool multi,
                   aion_str *ret_text)
{
    struct aion_arena *arena = request->reader.arena;
    if (codec_percent_decode(text, query, multi, arena, ret_text))
        return true;
    if (aion_arena_alloc(arena, text.size + 1) == NULL) /* what it had asked for */
        return codec_json_refuse_memory(&request->reader);
    return codec_json_refuse(&request->reader, AION_INVALID, "an invalid percent-escape");
}

static bool take_variables(struct request *request, const struct codec_http_match *match)
{
    for (size_t i = 0; i < match->var_count; i++) {
        const struct codec_http_var *var = &match->vars[i];
        struct json_place place = {.field = var->field_path};
        struct field_path path;
        aion_str text;
        request->reader.place = &place;
        if (!resolve(request->schema, aion_str_of(var->field_path), &path))
            return codec_json_refuse(&request->reader, AION_INVALID, "no such field");
        if (!decode(request, var->value, false, var->multi, &text) ||
            !set_text(request, &path, text, true))
            return false;
    }
    request->reader.place = NULL;
    return true;
}

/* Whether the rule leaves the field to the query. */
static bool check_free(struct request *request, const char *rule_body,
                       const struct field_path *path)
{
    bool all = strcmp(rule_body, "*") == 0;
    if (!all &&
        codec_field_index(request->schema, aion_str_of(rule_body)) != (int)path->indexes[0])
        return true;
    return codec_json_refuse(&request->reader, AION_INVALID,
                             "belongs in the body, not in the query");
}

static bool take_parameter(struct request *request, const char *rule_body, aion_str part)
{
    aion_str rest = part, name = aion_str_cut(&rest, '='), value;
    if (rest.data == NULL)
        rest = aion_str_n("", 0);
    if (!decode(request, name, true, false, &name))
        return false;
    struct json_place place = {.name = name};
    struct field_path path;
    request->reader.place = &place;
    if (!resolve(request->schema, name, &path)) {
        if (!request->reader.options.ignore_unknown)
            return codec_json_refuse(&request->reader, AION_INVALID, "no such query parameter");
    } else if (!check_free(request, rule_body, &path) ||
               !decode(request, rest, true, false, &value) ||
               !set_text(request, &path, value, false)) {
        return false;
    }
    request->reader.place = NULL;
    return true;
}

static bool take_query(struct request *request, const char *rule_body, aion_str query)
{
    while (query.data != NULL && query.size > 0) {
        aion_str part = aion_str_cut(&query, '&');
        if (part.size > 0 &&
            (!codec_json_count(&request->reader) || !take_parameter(request, rule_body, part)))
            return false;
    }
    return true;
}

ProtobufCMessage *codec_http_request(const struct codec_http_match *match,
                                     const struct codec_message *schema, aion_str query,
                                     aion_str body, const struct codec_json_read *options,
                                     struct aion_arena *arena, struct aion_err *err)
{
    const char *rule_body = match->rule->body != NULL ? match->rule->body : "";
    struct request request;
    codec_json_reader_init(&request.reader, AION_STR(""), options, arena, err);
    request.reader.begin = NULL;
    request.schema = schema;
    request.bound_count = 0;
    request.message = read_body(rule_body, schema, body, options, arena, err);
    if (request.message == NULL || !take_variables(&request, match) ||
        !take_query(&request, rule_body, query))
        return NULL;
    return request.message;
}
