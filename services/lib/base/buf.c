#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 256 };

void aion_buf_init(struct aion_buf *buf, size_t max)
{
    *buf = (struct aion_buf){.max = max};
}

void aion_buf_done(struct aion_buf *buf)
{
    free(buf->data);
    *buf = (struct aion_buf){.max = buf->max};
}

void aion_buf_reset(struct aion_buf *buf)
{
    buf->size = 0;
    buf->overflow = false;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

/* Doubles up to max; one byte more is kept for the NUL. */
static bool grow(struct aion_buf *buf, size_t need)
{
    if (need > buf->max - buf->size || buf->overflow) {
        buf->overflow = true;
        return false;
    }
    size_t want = buf->size + need;
    if (want <= buf->capacity)
        return true;
    size_t capacity = buf->capacity > 0           ? buf->capacity
                      : buf->max < FIRST_CAPACITY ? buf->max
                                                  : FIRST_CAPACITY;
    while (capacity < want)
        capacity = capacity > buf->max / 2 ? buf->max : capacity * 2;
    char *data = realloc(buf->data, capacity + 1);
    if (data == NULL) {
        buf->overflow = true;
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

char *aion_buf_reserve(struct aion_buf *buf, size_t size)
{
    if (!grow(buf, size))
        return NULL;
    if (buf->data == NULL && !grow(buf, size > 0 ? size : buf->max > 0))
        return NULL;
    return buf->data != NULL ? buf->data + buf->size : NULL;
}

bool aion_buf_add(struct aion_buf *buf, const void *data, size_t size)
{
    if (size == 0)
        return !buf->overflow;
    if (!grow(buf, size))
        return false;
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
    return true;
}

bool aion_buf_str(struct aion_buf *buf, aion_str s)
{
    return aion_buf_add(buf, s.data, s.size);
}

bool aion_buf_text(struct aion_buf *buf, const char *text)
{
    return aion_buf_add(buf, text, strlen(text));
}

bool aion_buf_char(struct aion_buf *buf, char c)
{
    return aion_buf_put(buf, &c, 1);
}

bool aion_buf_u64(struct aion_buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do
        digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    return aion_buf_put(buf, digits + at, sizeof(digits) - at);
}

bool aion_buf_i64(struct aion_buf *buf, int64_t value)
{
    if (value >= 0)
        return aion_buf_u64(buf, (uint64_t)value);
    return aion_buf_char(buf, '-') && aion_buf_u64(buf, 0 - (uint64_t)value);
}

bool aion_buf_vprintf(struct aion_buf *buf, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (size < 0 || !grow(buf, (size_t)size))
        return false;
    if (size > 0) {
        vsnprintf(buf->data + buf->size, (size_t)size + 1, fmt, args);
        buf->size += (size_t)size;
    }
    return true;
}

bool aion_buf_printf(struct aion_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    bool good = aion_buf_vprintf(buf, fmt, args);
    va_end(args);
    return good;
}

/* The escape of a byte that may not stand raw in a JSON string; NULL = raw. */
static const char *json_escape(unsigned char c, char hex[7])
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        if (c >= 0x20 && c != 0x7f)
            return NULL;
        snprintf(hex, 7, "\\u%04x", c);
        return hex;
    }
}

/* Whether all eight bytes of `word` stand raw in a JSON string and are ASCII: none is below a
 * space, above '~', a quote or a backslash. In each byte the top bit of (x - n) & ~x tells that
 * x < n, for the word as a whole: a borrow only ever comes from a byte that is told itself. */
static bool eight_plain(uint64_t word)
{
    const uint64_t ones = UINT64_MAX / 0xff, tops = ones * 0x80;
    uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\', del = word ^ ones * 0x7f;
    uint64_t told = word | ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) |
                    ((slash - ones) & ~slash) | ((del - ones) & ~del);
    return (told & tops) == 0;
}

/* How many bytes from `pos` stand raw in a JSON string: most texts are such a run as a whole.
 */
static size_t plain_run(aion_str s, size_t pos)
{
    size_t end = pos;
    uint64_t word;
    for (; s.size - end >= sizeof(word); end += sizeof(word)) {
        memcpy(&word, s.data + end, sizeof(word));
        if (!eight_plain(word))
            break;
    }
    while (end < s.size) {
        unsigned char c = (unsigned char)s.data[end];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            break;
        end++;
    }
    return end - pos;
}

bool aion_buf_json(struct aion_buf *buf, aion_str s)
{
    char hex[7];
    AION_BUF_PUT(buf, "\"");
    for (size_t pos = 0; pos < s.size;) {
        size_t run = plain_run(s, pos);
        if (run > 0) {
            aion_buf_put(buf, s.data + pos, run);
            pos += run;
            continue;
        }
        size_t before = pos;
        uint32_t c = aion_utf8_next(s, &pos);
        const char *escape = c < 0x80 ? json_escape((unsigned char)c, hex) : NULL;
        if (escape != NULL)
            aion_buf_text(buf, escape);
        else if (c == 0xfffd && pos - before == 1)
            aion_buf_text(buf, "\\ufffd");
        else
            aion_buf_add(buf, s.data + before, pos - before);
    }
    return AION_BUF_PUT(buf, "\"");
}

void aion_buf_consume(struct aion_buf *buf, size_t count)
{
    if (count >= buf->size) {
        buf->size = 0;
    } else if (count > 0) {
        memmove(buf->data, buf->data + count, buf->size - count);
        buf->size -= count;
    }
    if (buf->data != NULL)
        buf->data[buf->size] = '\0';
}
