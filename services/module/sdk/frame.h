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

/* Blocking, for the module's side. One read takes what is there, so that what came together
 * costs one system call. */
struct module_reader {
    int fd;
    size_t used; /* of bytes: of frames that were given out */
    struct aion_buf bytes;
};
void module_reader_init(struct module_reader *reader, int fd);
void module_reader_done(struct module_reader *reader);
/* The next frame's payload, borrowed until the next call. False at end of file (err->code
 * AION_OK) or on an error. */
bool module_frame_read(struct module_reader *reader, aion_str *ret_payload,
                       struct aion_err *err);
/* Frames, with their heads, as they stand. False on an error. */
bool module_frames_write(int fd, aion_str frames, struct aion_err *err);

#endif
