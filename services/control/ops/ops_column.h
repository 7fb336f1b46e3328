/* A column of a block of frames, up to 64 integers, in as few bits as its nature allows. Pure.
 *
 * Telemetry is noise around a level, counts in thousands, or one value all along; quantiles are
 * bounds of histogram buckets. So a column is written in the cheapest of four forms, all of
 * them as Rice codes of what differs, divided by the greatest common divisor of it; bounds of
 * buckets as numbers of buckets, when that is cheaper. Measured beside zstd: see the README. */
#ifndef OPS_COLUMN_H
#define OPS_COLUMN_H

#include "base/buf.h"

enum { OPS_BLOCK_FRAMES = 64 };

struct ops_bits_out {
    struct aion_buf *out;
    uint64_t held;
    unsigned count; /* bits in `held` */
};
void ops_bits_put(struct ops_bits_out *bits, uint64_t value, unsigned count); /* <= 64 */
void ops_bits_flush(struct ops_bits_out *bits); /* up to a whole byte */

struct ops_bits_in {
    const unsigned char *next, *end;
    uint64_t held;
    unsigned count;
    bool bad; /* read beyond the end: zeros came */
};
uint64_t ops_bits_get(struct ops_bits_in *bits, unsigned count); /* <= 64 */

/* count 1..OPS_BLOCK_FRAMES. */
unsigned ops_column_cost(const int64_t *values, size_t count); /* bits */
void ops_column_write(struct ops_bits_out *bits, const int64_t *values, size_t count);
/* False: no column. */
bool ops_column_read(struct ops_bits_in *bits, int64_t *ret_values,
                     size_t count) AION_MUST_CHECK;

#endif
