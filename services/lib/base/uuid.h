/* UUIDv7 (RFC 9562): 16 bytes in the store, lower-case text on the wire, monotonic per process.
 */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include "base/str.h"

struct aion_uuid {
    uint8_t bytes[16];
};
enum { AION_UUID_TEXT = 37 }; /* 36 characters and NUL */

/* A new UUIDv7, greater than every one this process made before. Any thread. */
struct aion_uuid aion_uuid_new(void);
/* 8-4-4-4-12 hex digits, either case, any version; false leaves *ret alone. */
bool aion_uuid_parse(aion_str text, struct aion_uuid *ret_uuid);
void aion_uuid_text(const struct aion_uuid *uuid, char out[AION_UUID_TEXT]);
int64_t aion_uuid_ms(const struct aion_uuid *uuid); /* the v7 time, ms since 1970 */

/* A UUIDv7 that holds a moment to the microsecond (RFC 9562, 6.2, method 3: in the 10 bits
 * behind the version) and a number below 64 in its low six bits; 58 bits are random. Its
 * maker sees to it that no two have both in common. Any thread. */
struct aion_uuid aion_uuid_at(int64_t utc_us, unsigned low);
/* The moment in an id made by aion_uuid_at; 0 = it was not. (Of another's UUIDv7: some moment.)
 */
int64_t aion_uuid_us(const struct aion_uuid *uuid);
static inline bool aion_uuid_eq(const struct aion_uuid *a, const struct aion_uuid *b)
{
    return memcmp(a->bytes, b->bytes, 16) == 0;
}

#endif
