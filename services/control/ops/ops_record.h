/* Records of the files that keep frames: a head of 40 bytes with checksums, and a payload. A
 * torn or foreign record is told from a whole one, and nothing behind it is believed. Pure. */
#ifndef OPS_RECORD_H
#define OPS_RECORD_H

#include "base/buf.h"

enum ops_record_type {
    OPS_RECORD_FRAME = 1, /* a packed OpsFrame */
    OPS_RECORD_FIRST = 2, /* the same, with ids of its own from here on */
    OPS_RECORD_BLOCK = 3, /* a block of frames */
};

enum { OPS_RECORD_HEAD = 40, OPS_RECORD_BYTES_MAX = 64 << 20 };

struct ops_record {
    enum ops_record_type type;
    uint32_t size; /* of the payload */
    uint32_t check;
    uint32_t frames;
    int64_t first_us, last_us; /* ends of its first and last frame */
};

/* Adds head and payload. */
void ops_record_write(struct aion_buf *out, const struct ops_record *about, aion_str payload);
/* The head of the record at the beginning of `bytes`. False: there is none, or it is torn. */
bool ops_record_head(aion_str bytes, struct ops_record *ret_record) AION_MUST_CHECK;
/* The payload is what the head says. */
bool ops_record_holds(const struct ops_record *record, aion_str payload) AION_MUST_CHECK;

#endif
