/* A growing byte buffer, born with a maximum. Writing past the maximum sets `overflow` and
 * drops the rest, so that a run of writes is checked once at its end. Memory comes from malloc.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/str.h"

#include <stdarg.h>

struct aion_buf {
    char *data; /* data[size] is NUL whenever data is not NULL */
    size_t size;
    size_t capacity;
    size_t max;
    bool overflow; /* a write did not fit in max, or malloc failed */
};

void aion_buf_init(struct aion_buf *buf, size_t max);
void aion_buf_done(struct aion_buf *buf);  /* frees; may be called twice */
void aion_buf_reset(struct aion_buf *buf); /* size 0, overflow off, memory kept */
bool aion_buf_add(struct aion_buf *buf, const void *data, size_t size);
bool aion_buf_str(struct aion_buf *buf, aion_str s);
bool aion_buf_text(struct aion_buf *buf, const char *text);
bool aion_buf_char(struct aion_buf *buf, char c);
bool aion_buf_u64(struct aion_buf *buf, uint64_t value);
bool aion_buf_i64(struct aion_buf *buf, int64_t value);
bool aion_buf_printf(struct aion_buf *buf, const char *fmt, ...) AION_PRINTF(2, 3);
bool aion_buf_vprintf(struct aion_buf *buf, const char *fmt, va_list args) AION_PRINTF(2, 0);
/* JSON string with quotes: control characters and invalid UTF-8 escaped, never raw. */
bool aion_buf_json(struct aion_buf *buf, aion_str s);
/* Room for `size` more bytes at data + size, to be written by the caller, who then adds to
 * size; NULL sets overflow. */
char *aion_buf_reserve(struct aion_buf *buf, size_t size);
/* Drops the first `count` bytes (moves the rest down). */
void aion_buf_consume(struct aion_buf *buf, size_t count);
/* aion_buf_add without a call when there is room: for the places that write most, such as a
 * log line's fixed parts, whose sizes the compiler knows. */
static inline bool aion_buf_put(struct aion_buf *buf, const void *data, size_t size)
{
    if (size == 0 || size > buf->capacity - buf->size || buf->overflow)
        return aion_buf_add(buf, data, size);
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
    return true;
}
#define AION_BUF_PUT(buf, literal) aion_buf_put((buf), (literal), sizeof(literal) - 1)
static inline aion_str aion_buf_view(const struct aion_buf *buf)
{
    return (aion_str){buf->data, buf->size};
}

#endif
