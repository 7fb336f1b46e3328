/* Borrowed strings: pointer and length, passed by value, never owned. `data` need not end in
 * NUL and may be NULL only when size is 0. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct aion_str {
    const char *data;
    size_t size;
} aion_str;

#define AION_STR(literal) ((aion_str){(literal), sizeof(literal) - 1})
/* For printf: "%.*s", AION_STR_ARG(s). */
#define AION_STR_ARG(s) (int)(s).size, (s).size ? (s).data : ""

static inline aion_str aion_str_of(const char *text)
{
    return (aion_str){text, text != NULL ? strlen(text) : 0};
}
static inline aion_str aion_str_n(const void *data, size_t size)
{
    return (aion_str){(const char *)data, size};
}
static inline bool aion_str_eq(aion_str a, aion_str b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
static inline bool aion_str_is(aion_str a, const char *text)
{
    return aion_str_eq(a, aion_str_of(text));
}
bool aion_str_caseeq(aion_str a, aion_str b); /* ASCII only */
int aion_str_cmp(aion_str a, aion_str b);     /* by bytes, then by length */
bool aion_str_starts(aion_str s, aion_str prefix);
bool aion_str_ends(aion_str s, aion_str suffix);
/* Index of the first `c`, or SIZE_MAX. */
size_t aion_str_index(aion_str s, char c);
/* SP and HTAB off both ends. */
aion_str aion_str_trim(aion_str s);
/* Cuts the part before the first `sep` off *rest and returns it; the last part leaves *rest
 * with data == NULL. Use: while (rest.data != NULL) { part = aion_str_cut(&rest, ','); ... } */
aion_str aion_str_cut(aion_str *rest, char sep);
/* Decimal, whole string, no sign for u64, no leading '+', no overflow; false leaves *ret alone.
 */
bool aion_str_u64(aion_str s, uint64_t *ret_value);
bool aion_str_i64(aion_str s, int64_t *ret_value);
/* "1500us", "20ms", "3s", "5m", "2h", "7d" → microseconds; a bare number is refused. */
bool aion_str_duration(aion_str s, int64_t *ret_us);
/* "64", "64KiB", "4MiB", "1GiB" → bytes. */
bool aion_str_bytes(aion_str s, uint64_t *ret_bytes);
/* Copies with a NUL into out[size]; false (and out holds a cut copy) when it does not fit. */
bool aion_str_copy(char *out, size_t size, aion_str s);
/* Valid UTF-8 (RFC 3629: shortest form, no surrogates, <= U+10FFFF). */
bool aion_utf8_valid(const void *data, size_t size);
/* Decodes one code point at *pos < size and steps over it; an invalid byte gives U+FFFD and one
 * step. */
uint32_t aion_utf8_next(aion_str s, size_t *pos);
/* Equal length compare in constant time, for secrets. */
bool aion_str_secret_eq(aion_str a, aion_str b);
/* Edit distance, for "did you mean": <= 64 bytes each, longer gives SIZE_MAX. */
size_t aion_str_distance(aion_str a, aion_str b);

#endif
