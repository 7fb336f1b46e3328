/* Between the scan and the unpacking. */
#ifndef CODEC_SCAN_PRIVATE_H
#define CODEC_SCAN_PRIVATE_H

#include "base/arena.h"
#include "codec/scan.h"

enum codec_wire {
    CODEC_WIRE_VARINT = 0,
    CODEC_WIRE_64 = 1,
    CODEC_WIRE_BYTES = 2,
    CODEC_WIRE_START = 3,
    CODEC_WIRE_END = 4,
    CODEC_WIRE_32 = 5,
};

/* Whether a known field may come in this wire type; else it is an unknown field. */
bool codec_wire_fits(const ProtobufCFieldDescriptor *field, uint32_t wire);

/* codec_scan; *ret_rewrite: valid protobuf that protobuf-c would refuse or get wrong as it
 * stands. */
bool codec_scan_form(const struct codec_message *message, aion_str wire,
                     const struct codec_scan_limits *limits, bool *ret_rewrite,
                     struct aion_err *err) AION_MUST_CHECK;

/* The same message in a form protobuf-c unpacks rightly: sub-messages that come in parts are
 * put together (it merges them wrongly), unknown groups and known fields of a wrong wire type
 * are left out (it refuses them). Only after codec_scan_form said so. False: the arena's limit.
 */
bool codec_rewrite(const struct codec_message *message, aion_str *wire,
                   struct aion_arena *arena) AION_MUST_CHECK;

#endif
