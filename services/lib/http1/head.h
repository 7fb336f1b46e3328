/* HTTP/1.1 message heads and chunked bodies, strict by RFC 9112; shared by the gateway and the
 * admin port.
 *
 * Pure functions over bytes: no I/O, no allocation, borrowed strings. Whatever is ambiguous is
 * refused, so that no two readers of one stream can disagree (request smuggling): bare CR or
 * LF, obs-fold, NUL, space before the colon, two lengths, Content-Length with
 * Transfer-Encoding, a missing or second Host, ... */
#ifndef HTTP1_HEAD_H
#define HTTP1_HEAD_H

#include "base/str.h"

enum {
    HTTP1_FIELDS_MAX = 64,
    HTTP1_LINE_MAX =
        8 *
        1024, /* request line or field, without CRLF; the whole head is the caller's to bound */
    HTTP1_EXTENSION_MAX = 256,      /* a chunk's size line */
    HTTP1_OVERHEAD_MAX = 16 * 1024, /* all extensions and trailers of one body */
};

struct http1_field {
    aion_str name;  /* as sent; compare with aion_str_caseeq */
    aion_str value; /* trimmed */
};

struct http1_head {
    aion_str method; /* token */
    aion_str target; /* as sent */
    aion_str path,
        query; /* of origin-form or absolute-form; query without '?' ; "*" for OPTIONS * */
    aion_str host;
    int minor;       /* HTTP/1.minor: 0 or 1 */
    bool keep_alive; /* by version and Connection */
    bool chunked;    /* Transfer-Encoding: chunked */
    bool has_length;
    uint64_t length; /* Content-Length */
    bool expect_continue;
    bool upgrade; /* Connection: upgrade was sent */
    size_t field_count;
    struct http1_field fields[HTTP1_FIELDS_MAX];
};

enum http1_result {
    HTTP1_MORE = 0, /* incomplete: read more */
    HTTP1_DONE = 1,
    HTTP1_BAD = -1,     /* 400 and close */
    HTTP1_LARGE = -2,   /* 431: more fields than HTTP1_FIELDS_MAX or a line over the bound */
    HTTP1_VERSION = -3, /* 505 */
    HTTP1_METHOD = -4,  /* 501: a Transfer-Encoding other than chunked; CONNECT */
    HTTP1_TARGET = -5,  /* 414: the request line is over the bound */
    HTTP1_EXPECT = -6,  /* 417: an expectation other than 100-continue */
};

/* Parses from the start of `bytes`. `*scanned` (0 at first) remembers how far a MORE looked, so
 * that slow arrival costs linear time. DONE: *ret_size is the head's length; the strings borrow
 * `bytes`. BAD and the others: *ret_why is a static text. */
enum http1_result http1_head_parse(aion_str bytes, size_t *scanned, struct http1_head *head,
                                   size_t *ret_size, const char **ret_why);
/* The status line's code for a result below MORE: 400, 431, 505, 501, 414, 417. */
int http1_result_status(enum http1_result result);
/* The value of the first field of that name, data NULL when absent. */
aion_str http1_field_get(const struct http1_head *head, const char *name);

/* Chunked decoding, in place of any chunk extensions and trailers (read, checked, dropped). */
struct http1_chunks {
    int state;
    uint64_t left;
    uint32_t line;     /* bytes of the current size or trailer line */
    uint32_t overhead; /* bytes of all extensions and trailers so far */
};
void http1_chunks_init(struct http1_chunks *chunks);
/* Takes from *in what it can: the next piece of body is *ret_data (borrowed, may be empty).
 * DONE: the last chunk and its trailers are read; *in starts behind them. MORE: *in is used up
 * or a piece was given. BAD. */
enum http1_result http1_chunks_next(struct http1_chunks *chunks, aion_str *in,
                                    aion_str *ret_data, const char **ret_why);

#endif
