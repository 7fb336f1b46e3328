/* Protobuf's wire form by hand, where a message is made many times a second: varints, tags,
 * length-delimited fields. */
#ifndef OPS_WIRE_H
#define OPS_WIRE_H

#include "base/buf.h"

enum { OPS_WIRE_VARINT = 0, OPS_WIRE_BYTES = 2, OPS_WIRE_VARINT_MAX = 10 };

static inline size_t ops_wire_varint_size(uint64_t value)
{
    return value < 128 ? 1 : (size_t)(70 - __builtin_clzll(value)) / 7;
}

/* Writes to memory that has room; returns what is behind it. */
static inline char *ops_wire_varint(char *at, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        *at++ = (char)(value | 0x80);
    *at++ = (char)value;
    return at;
}

static inline char *ops_wire_tag(char *at, unsigned field, unsigned type)
{
    return ops_wire_varint(at, (uint64_t)field << 3 | type);
}

/* Left out when 0, as proto3 does. */
static inline char *ops_wire_u64(char *at, unsigned field, uint64_t value)
{
    return value == 0 ? at : ops_wire_varint(ops_wire_tag(at, field, OPS_WIRE_VARINT), value);
}

static inline char *ops_wire_str(char *at, unsigned field, aion_str s)
{
    if (s.size == 0)
        return at;
    at = ops_wire_varint(ops_wire_tag(at, field, OPS_WIRE_BYTES), s.size);
    memcpy(at, s.data, s.size);
    return at + s.size;
}

/* The same into a buffer; what does not fit sets its overflow. */
static inline void ops_wire_add_u64(struct aion_buf *out, unsigned field, uint64_t value)
{
    char room[2 * OPS_WIRE_VARINT_MAX];
    aion_buf_add(out, room, (size_t)(ops_wire_u64(room, field, value) - room));
}

static inline void ops_wire_add_head(struct aion_buf *out, unsigned field, size_t size)
{
    char room[2 * OPS_WIRE_VARINT_MAX];
    char *end = ops_wire_varint(ops_wire_tag(room, field, OPS_WIRE_BYTES), size);
    aion_buf_add(out, room, (size_t)(end - room));
}

static inline uint64_t ops_wire_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

#endif
