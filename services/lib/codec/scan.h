/* The check before unpacking: protobuf-c recurses without limit and takes any bytes for a
 * string.
 *
 * Walks the wire form by descriptor, without recursion, and refuses what must not reach a
 * handler. One pass, no allocation beyond a fixed stack of CODEC_SCAN_DEPTH levels. */
#ifndef CODEC_SCAN_H
#define CODEC_SCAN_H

#include "base/err.h"
#include "codec/schema.h"

enum { CODEC_SCAN_DEPTH = 100 };

struct codec_scan_limits {
    size_t bytes_max;      /* whole message; 0 = no bound here */
    uint32_t depth_max;    /* messages inside one another, <= CODEC_SCAN_DEPTH; 0 = that */
    uint32_t elements_max; /* fields and elements of repeated fields in all; 0 = 1,000,000 */
    bool allow_nul;        /* U+0000 in strings; default refused: C strings would be cut */
};

/* True: codec_unpack fails on these bytes for want of memory only.
 * AION_INVALID: malformed varint, tag, length or group; invalid UTF-8 or NUL in a string:
 * err->field names the path ("params.fields[3].value"). Unknown fields are checked for form
 * only; a known field of a wrong wire type is an unknown field. AION_EXHAUSTED: deeper than
 * depth_max, more than elements_max or larger than bytes_max. */
bool codec_scan(const struct codec_message *message, aion_str wire,
                const struct codec_scan_limits *limits, struct aion_err *err) AION_MUST_CHECK;

#endif
