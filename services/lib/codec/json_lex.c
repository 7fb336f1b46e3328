/* Tokens of JSON, and the errors that name path, line and column. */
#include "codec/json_private.h"

#include <stdarg.h>

enum {
    ELEMENTS_DEFAULT = 1000000,
    DEPTH_MAX = 128, /* whatever the options say: the parser recurses */
};

void codec_json_reader_init(struct json_reader *reader, aion_str json,
                            const struct codec_json_read *options, struct aion_arena *arena,
                            struct aion_err *err)
{
    static const char nothing[1];
    const char *begin = json.data != NULL ? json.data : nothing;
    *reader = (struct json_reader){.at = begin, .begin = begin, .end = begin + json.size};
    if (options != NULL)
        reader->options = *options;
    uint32_t depth = reader->options.depth_max;
    reader->depth_left = depth == 0 ? CODEC_JSON_DEPTH : depth < DEPTH_MAX ? depth : DEPTH_MAX;
    uint32_t elements = reader->options.elements_max;
    reader->elements_left = elements > 0 ? elements : ELEMENTS_DEFAULT;
    reader->arena = arena;
    reader->err = err;
}

/* -- errors -------------------------------------------------------------------------------- */

/* The outermost place first: recursion as deep as the message, bounded by depth_max. */
static size_t write_path(const struct json_place *place, char *path, size_t size)
{
    if (place == NULL)
        return 0;
    size_t used = write_path(place->up, path, size);
    if (used >= size)
        return used;
    const char *dot = used > 0 ? "." : "";
    int n = place->field != NULL ? snprintf(path + used, size - used, "%s%s", dot, place->field)
            : place->name.data != NULL
                ? snprintf(path + used, size - used, "%s%.*s", dot, AION_STR_ARG(place->name))
                : snprintf(path + used, size - used, "[%zu]", place->index);
    return used + (n > 0 ? (size_t)n : 0);
}

static void write_position(const struct json_reader *reader, char *out, size_t size)
{
    size_t line = 1;
    const char *start = reader->begin;
    for (const char *at = reader->begin; at < reader->at; at++)
        if (*at == '\n') {
            line++;
            start = at + 1;
        }
    snprintf(out, size, " at %zu:%zu", line, (size_t)(reader->at - start) + 1);
}

void codec_json_scrub(char *text)
{
    aion_str all = aion_str_of(text);
    for (size_t pos = 0; pos < all.size;) {
        size_t before = pos;
        if (aion_utf8_next(all, &pos) == 0xfffd && pos - before == 1)
            text[before] = '?';
    }
}

bool codec_json_refuse(struct json_reader *reader, enum aion_code code, const char *fmt, ...)
{
    if (reader->err == NULL)
        return false;
    char path[sizeof(reader->err->field)] = "", words[160];
    write_path(reader->place, path, sizeof(path));
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof(words), fmt, args);
    va_end(args);
    codec_json_scrub(path);
    codec_json_scrub(words);
    char position[32] = "";
    if (reader->begin != NULL)
        write_position(reader, position, sizeof(position));
    aion_err_set(reader->err, "codec_json", code, "%s%s%s%s", path, path[0] != '\0' ? ": " : "",
                 words, position);
    aion_err_field(reader->err, "%s", path);
    return false;
}

bool codec_json_refuse_memory(struct json_reader *reader)
{
    return codec_json_refuse(reader, AION_EXHAUSTED, "the message does not fit in memory");
}

bool codec_json_expected(struct json_reader *reader, const char *what)
{
    int c = json_peek(reader);
    const char *found = c < 0                                ? "the end"
                        : c == '{'                           ? "an object"
                        : c == '['                           ? "an array"
                        : c == '"'                           ? "a string"
                        : c == 't' || c == 'f'               ? "a boolean"
                        : c == 'n'                           ? "null"
                        : c == '-' || (c >= '0' && c <= '9') ? "a number"
                                                             : NULL;
    if (found != NULL)
        return codec_json_refuse(reader, AION_INVALID, "expected %s, found %s", what, found);
    if (c > 0x20 && c < 0x7f)
        return codec_json_refuse(reader, AION_INVALID, "expected %s, found '%c'", what, c);
    return codec_json_refuse(reader, AION_INVALID, "expected %s, found byte 0x%02x", what,
                             (unsigned)c);
}

/* -- structure ----------------------------------------------------------------------------- */

bool codec_json_count(struct json_reader *reader)
{
    if (reader->elements_left == 0)
        return codec_json_refuse(reader, AION_EXHAUSTED, "too many values in one message");
    reader->elements_left--;
    return true;
}

bool codec_json_enter(struct json_reader *reader, char open)
{
    if (json_peek(reader) != (unsigned char)open)
        return codec_json_expected(reader, open == '{' ? "an object" : "an array");
    if (reader->depth_left == 0)
        return codec_json_refuse(reader, AION_EXHAUSTED,
                                 "objects and arrays are nested too deeply");
    reader->depth_left--;
    reader->at++;
    return true;
}

bool codec_json_literal(struct json_reader *reader, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(reader->end - reader->at) < size || memcmp(reader->at, word, size) != 0)
        return codec_json_refuse(reader, AION_INVALID, "expected %s", word);
    reader->at += size;
    return true;
}

bool codec_json_end(struct json_reader *reader)
{
    return json_peek(reader) < 0 ||
           codec_json_refuse(reader, AION_INVALID, "something stands behind the value");
}

/* -- strings ------------------------------------------------------------------------------- */

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is a word's lowest");

/* High bits of the bytes that are quote, backslash or control; exact up to the lowest one. */
static uint64_t special_bytes(uint64_t word)
{
    uint64_t quote = word ^ ONES * '"', slash = word ^ ONES * '\\';
    return (((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) |
            ((word - ONES * 0x20) & ~word)) &
           HIGHS;
}

/* From `at` to the first quote, backslash or control character, or `end`. Gathers the high bits
 * met. */
static const char *plain_run(const char *at, const char *end, uint64_t *high)
{
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        uint64_t special = special_bytes(word);
        if (special != 0) {
            unsigned bytes = (unsigned)__builtin_ctzll(special) / 8;
            *high |= bytes > 0 ? word << (64 - 8 * bytes) : 0;
            return at + bytes;
        }
        *high |= word;
        at += 8;
    }
    for (; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\' || c < 0x20)
            break;
        *high |= c;
    }
    return at;
}

/* What stands between the quotes, unchanged; the reader is moved behind the closing one. */
static bool string_extent(struct json_reader *reader, aion_str *ret_raw, bool *ret_escaped)
{
    if (json_peek(reader) != '"')
        return codec_json_expected(reader, "a string");
    const char *begin = reader->at + 1, *at = begin;
    uint64_t high = 0;
    *ret_escaped = false;
    for (;;) {
        at = plain_run(at, reader->end, &high);
        if (at == reader->end)
            return codec_json_refuse(reader, AION_INVALID, "a string without an end");
        if (*at == '"')
            break;
        if (*at != '\\' || reader->end - at < 2) {
            reader->at = at;
            return codec_json_refuse(reader, AION_INVALID,
                                     "a control character or the end in a string");
        }
        *ret_escaped = true;
        at += 2;
    }
    *ret_raw = aion_str_n(begin, (size_t)(at - begin));
    if ((high & HIGHS) != 0 && !aion_utf8_valid(begin, ret_raw->size))
        return codec_json_refuse(reader, AION_INVALID, "a string that is not valid UTF-8");
    reader->at = at + 1;
    return true;
}

static int hex4(const char *at)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* The code point of \uXXXX (or a pair of surrogates) at *at, behind which it is moved; -1 =
 * none. */
static int32_t unicode_escape(const char **at, const char *end)
{
    int32_t first = end - *at >= 6 ? hex4(*at + 2) : -1;
    *at += 6;
    if (first < 0xd800 || first > 0xdfff)
        return first;
    if (first > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return -1;
    int32_t second = hex4(*at + 2);
    *at += 6;
    if (second < 0xdc00 || second > 0xdfff)
        return -1;
    return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(((0xf00 >> size) & 0xff) | c);
    return size;
}

static int32_t simple_escape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c == '"' || c == '\\' || c == '/' ? c : -1;
    }
}

/* Unescapes into `out`, which has room for raw.size bytes (no escape is shorter than what it
 * means), or only checks when out is NULL. Returns the size, SIZE_MAX = refused. */
static size_t unescape(struct json_reader *reader, aion_str raw, char *out)
{
    const char *at = raw.data, *end = raw.data + raw.size;
    size_t size = 0;
    while (at < end) {
        char scratch[4];
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((slash != NULL ? slash : end) - at);
        if (out != NULL && plain > 0)
            memcpy(out + size, at, plain);
        size += plain;
        if (slash == NULL)
            break;
        int32_t c;
        at = slash;
        if (at[1] == 'u') {
            c = unicode_escape(&at, end);
        } else {
            c = simple_escape(at[1]);
            at += 2;
        }
        if (c < 0 || (c == 0 && !reader->options.allow_nul)) {
            reader->at = slash;
            codec_json_refuse(reader, AION_INVALID,
                              c == 0 ? "U+0000 in a string" : "an invalid escape");
            return SIZE_MAX;
        }
        size += put_utf8(out != NULL ? out + size : scratch, (uint32_t)c);
    }
    return size;
}

bool codec_json_string(struct json_reader *reader, aion_str *ret_text, bool *ret_owned)
{
    bool escaped;
    *ret_owned = false;
    if (!string_extent(reader, ret_text, &escaped))
        return false;
    if (!escaped)
        return true;
    char *copy = aion_arena_alloc(reader->arena, ret_text->size + 1);
    if (copy == NULL)
        return codec_json_refuse_memory(reader);
    size_t size = unescape(reader, *ret_text, copy);
    if (size == SIZE_MAX)
        return false;
    copy[size] = '\0';
    *ret_text = aion_str_n(copy, size);
    *ret_owned = true;
    return true;
}

bool codec_json_string_copy(struct json_reader *reader, char **ret_text)
{
    aion_str text;
    bool escaped;
    if (!string_extent(reader, &text, &escaped))
        return false;
    char *copy = aion_arena_alloc(reader->arena, text.size + 1);
    if (copy == NULL)
        return codec_json_refuse_memory(reader);
    size_t size = text.size;
    if (escaped)
        size = unescape(reader, text, copy);
    else
        memcpy(copy, text.data, text.size);
    if (size == SIZE_MAX)
        return false;
    copy[size] = '\0';
    *ret_text = copy;
    return true;
}

static bool skip_string(struct json_reader *reader)
{
    aion_str raw;
    bool escaped;
    return string_extent(reader, &raw, &escaped) &&
           (!escaped || unescape(reader, raw, NULL) != SIZE_MAX);
}

/* -- skipping ------------------------------------------------------------------------------ */

static bool skip_scalar(struct json_reader *reader)
{
    struct json_number number;
    switch (json_peek(reader)) {
    case '"':
        return skip_string(reader);
    case 't':
        return codec_json_literal(reader, "true");
    case 'f':
        return codec_json_literal(reader, "false");
    case 'n':
        return codec_json_literal(reader, "null");
    default:
        return codec_json_number_take(reader, &number);
    }
}

static bool skip_key(struct json_reader *reader)
{
    return skip_string(reader) &&
           (json_take(reader, ':') || codec_json_expected(reader, "':'"));
}

/* One bit a level: 1 = object. */
struct skip_stack {
    uint64_t objects[(DEPTH_MAX + 63) / 64];
    uint32_t depth;
};

static void push(struct skip_stack *stack, bool object)
{
    uint64_t bit = UINT64_C(1) << stack->depth % 64, *word = &stack->objects[stack->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    stack->depth++;
}

static bool inside_object(const struct skip_stack *stack)
{
    uint32_t top = stack->depth - 1;
    return (stack->objects[top / 64] >> top % 64 & 1) != 0;
}

/* Behind a value: closes what ends here; *ret_more: another value follows. */
static bool skip_after(struct json_reader *reader, struct skip_stack *stack, bool *ret_more)
{
    while (stack->depth > 0) {
        bool object = inside_object(stack);
        if (json_take(reader, ',')) {
            *ret_more = true;
            return !object || skip_key(reader);
        }
        if (!json_take(reader, object ? '}' : ']'))
            return codec_json_expected(reader, object ? "',' or '}'" : "',' or ']'");
        stack->depth--;
        json_leave(reader);
    }
    *ret_more = false;
    return true;
}

bool codec_json_skip(struct json_reader *reader)
{
    struct skip_stack stack = {.depth = 0};
    bool more = true;
    while (more) {
        int c = json_peek(reader);
        if (!codec_json_count(reader))
            return false;
        if (c != '{' && c != '[') {
            if (!skip_scalar(reader) || !skip_after(reader, &stack, &more))
                return false;
            continue;
        }
        if (!codec_json_enter(reader, (char)c))
            return false;
        push(&stack, c == '{');
        if (json_peek(reader) == (c == '{' ? '}' : ']')) {
            if (!skip_after(reader, &stack, &more))
                return false;
        } else if (c == '{' && !skip_key(reader)) {
            return false;
        }
    }
    return true;
}

bool codec_json_check(aion_str json, uint32_t depth_max, struct aion_err *err)
{
    const struct codec_json_read options = {.depth_max = depth_max, .allow_nul = true};
    struct json_reader reader;
    codec_json_reader_init(&reader, json, &options, NULL, err);
    return codec_json_skip(&reader) && codec_json_end(&reader);
}
