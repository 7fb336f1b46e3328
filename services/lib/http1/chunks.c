/* The chunked coding (RFC 9112 §7.1), one state for each place between two bytes.
 *
 * Extensions and trailers are checked and dropped. White space around a size, a size of more
 * than 15 digits and bare CR or LF are refused: readers differ on them. */
#include "http1/chars.h"
#include "http1/head.h"

enum state {
    SIZE_FIRST, /* before the first digit */
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* at the start of a line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    DONE,
};

enum { SIZE_DIGITS_MAX = 15 };

void http1_chunks_init(struct http1_chunks *chunks)
{
    *chunks = (struct http1_chunks){.state = SIZE_FIRST};
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Goes on to `next`; -1 when the byte is not the wanted one. */
static int expect(char c, char wanted, int next)
{
    return c == wanted ? next : -1;
}

static int size_byte(struct http1_chunks *chunks, char c)
{
    int digit = hex_value(c);
    if (digit >= 0) {
        chunks->left = chunks->left * 16 + (uint64_t)digit;
        return ++chunks->line <= SIZE_DIGITS_MAX ? SIZE : -1;
    }
    if (chunks->state == SIZE_FIRST)
        return -1;
    if (c == ';')
        return EXTENSION;
    return expect(c, '\r', SIZE_LF);
}

static int extension_byte(struct http1_chunks *chunks, char c)
{
    if (c == '\r')
        return SIZE_LF;
    if (++chunks->line > HTTP1_EXTENSION_MAX || ++chunks->overhead > HTTP1_OVERHEAD_MAX)
        return -1;
    return http1_is(c, HTTP1_VALUE) ? EXTENSION : -1;
}

/* The size line is over: data follows, or after the last chunk the trailers. */
static int size_end(struct http1_chunks *chunks, char c)
{
    chunks->line = 0;
    return expect(c, '\n', chunks->left > 0 ? DATA : TRAILER);
}

static int trailer_byte(struct http1_chunks *chunks, char c)
{
    if (c == '\r')
        return chunks->state == TRAILER         ? LAST_LF
               : chunks->state == TRAILER_VALUE ? TRAILER_LF
                                                : -1;
    if (++chunks->overhead > HTTP1_OVERHEAD_MAX)
        return -1;
    if (chunks->state == TRAILER_VALUE)
        return http1_is(c, HTTP1_VALUE) ? TRAILER_VALUE : -1;
    if (c == ':' && chunks->state == TRAILER_NAME)
        return TRAILER_VALUE;
    return http1_is(c, HTTP1_TOKEN) ? TRAILER_NAME : -1;
}

static int step(struct http1_chunks *chunks, char c)
{
    switch ((enum state)chunks->state) {
    case SIZE_FIRST:
    case SIZE:
        return size_byte(chunks, c);
    case EXTENSION:
        return extension_byte(chunks, c);
    case SIZE_LF:
        return size_end(chunks, c);
    case DATA_CR:
        return expect(c, '\r', DATA_LF);
    case DATA_LF:
        return expect(c, '\n', SIZE_FIRST);
    case TRAILER:
    case TRAILER_NAME:
    case TRAILER_VALUE:
        return trailer_byte(chunks, c);
    case TRAILER_LF:
        return expect(c, '\n', TRAILER);
    case LAST_LF:
        return expect(c, '\n', DONE);
    case DATA:
    case DONE:
    default:
        return -1;
    }
}

static aion_str take_data(struct http1_chunks *chunks, aion_str *in)
{
    size_t size = chunks->left < in->size ? (size_t)chunks->left : in->size;
    aion_str data = aion_str_n(in->data, size);
    *in = aion_str_n(in->data + size, in->size - size);
    chunks->left -= size;
    if (chunks->left == 0)
        chunks->state = DATA_CR;
    return data;
}

enum http1_result http1_chunks_next(struct http1_chunks *chunks, aion_str *in,
                                    aion_str *ret_data, const char **ret_why)
{
    *ret_data = aion_str_n(in->data, 0);
    while (chunks->state != DONE && in->size > 0) {
        if (chunks->state == DATA) {
            *ret_data = take_data(chunks, in);
            return HTTP1_MORE;
        }
        int next = step(chunks, in->data[0]);
        if (next < 0) {
            *ret_why = "the chunked body is malformed";
            return HTTP1_BAD;
        }
        chunks->state = next;
        *in = aion_str_n(in->data + 1, in->size - 1);
    }
    return chunks->state == DONE ? HTTP1_DONE : HTTP1_MORE;
}
