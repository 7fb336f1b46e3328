/* What host and module say to each other over the module's stdin and stdout: frames of a
 * little-endian uint32 length and that many bytes of protobuf, aion.v1.HostCommand towards the
 * module, aion.v1.HostMessage back. */
#ifndef MODULE_FRAME_H
#define MODULE_FRAME_H

#include "base/buf.h"
#include "base/err.h"

enum { MODULE_FRAME_HEAD = 4, MODULE_FRAME_MAX = 8 * 1024 * 1024 };

/* The first whole frame of `bytes`: its payload (borrowed) and its size with head. 1 = there is
 * one, 0 = more bytes are needed, -1 = longer than MODULE_FRAME_MAX. */
int module_frame_next(aion_str bytes, aion_str *ret_payload, size_t *ret_size);
void module_frame_head(uint8_t out[MODULE_FRAME_HEAD], size_t payload_size);

/* Blocking, for the module's side. False at end of file (err->code AION_OK) or on an error. */
bool module_frame_read(int fd, struct aion_buf *payload, struct aion_err *err);
bool module_frame_write(int fd, aion_str payload, struct aion_err *err);

#endif
