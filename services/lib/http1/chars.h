/* Character classes of RFC 9110 §5.5, §5.6.2 and RFC 9112 §3.2; private to http1. */
#ifndef HTTP1_CHARS_H
#define HTTP1_CHARS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    HTTP1_TOKEN = 1,  /* tchar */
    HTTP1_VALUE = 2,  /* field-vchar, SP, HTAB */
    HTTP1_URI = 4,    /* visible ASCII but '#': a fragment is never sent */
    HTTP1_HOST = 8,   /* reg-name, and what stands inside an IP literal */
    HTTP1_DIGIT = 16, /* 0-9 */
};

extern const uint8_t http1_class[256];

static inline bool http1_is(char c, unsigned classes)
{
    return (http1_class[(unsigned char)c] & classes) != 0;
}

#endif
