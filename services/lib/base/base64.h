/* Base64 (RFC 4648) and hex, for metadata, JSON bytes and tokens. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/str.h"

/* Bytes needed for the text of `size` bytes, with padding and NUL. */
static inline size_t aion_base64_size(size_t size)
{
    return (size + 2) / 3 * 4 + 1;
}
/* Standard alphabet with padding; returns the length without NUL. */
size_t aion_base64_encode(char *out, const void *data, size_t size);
/* Standard or URL-safe alphabet, padding optional; out has room for size/4*3+3 bytes.
 * False: a character or length that is no base64, or stray bits. */
bool aion_base64_decode(uint8_t *out, size_t *ret_size, aion_str text);
void aion_hex(char *out /* 2 * size + 1 */, const void *data, size_t size);
bool aion_unhex(uint8_t *out, size_t size, aion_str text); /* exactly 2 * size digits */

#endif
