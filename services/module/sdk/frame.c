#include "sdk/frame.h"

#include <errno.h>
#include <unistd.h>

enum { READ_SIZE = 65536 };

static size_t length_of(const uint8_t *head)
{
    return (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 |
           (size_t)head[3] << 24;
}

int module_frame_next(aion_str bytes, aion_str *ret_payload, size_t *ret_size)
{
    if (bytes.size < MODULE_FRAME_HEAD)
        return 0;
    size_t length = length_of((const uint8_t *)bytes.data);
    if (length > MODULE_FRAME_MAX)
        return -1;
    if (bytes.size - MODULE_FRAME_HEAD < length)
        return 0;
    *ret_payload = aion_str_n(bytes.data + MODULE_FRAME_HEAD, length);
    *ret_size = MODULE_FRAME_HEAD + length;
    return 1;
}

void module_frame_head(uint8_t out[MODULE_FRAME_HEAD], size_t payload_size)
{
    for (int i = 0; i < MODULE_FRAME_HEAD; i++)
        out[i] = (uint8_t)(payload_size >> (8 * i));
}

void module_reader_init(struct module_reader *reader, int fd)
{
    *reader = (struct module_reader){.fd = fd};
    aion_buf_init(&reader->bytes, MODULE_FRAME_MAX + MODULE_FRAME_HEAD + READ_SIZE);
}

void module_reader_done(struct module_reader *reader)
{
    aion_buf_done(&reader->bytes);
}

/* Reads on. False: the end of the file, or an error. */
static bool read_more(struct module_reader *reader, struct aion_err *err)
{
    char *room = aion_buf_reserve(&reader->bytes, READ_SIZE);
    ssize_t n;
    if (room == NULL)
        return aion_fail(err, AION_EXHAUSTED, "out of memory for a frame of the host");
    do
        n = read(reader->fd, room, READ_SIZE);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        reader->bytes.size += (size_t)n;
        return true;
    }
    if (n == 0 && reader->bytes.size == 0)
        return aion_fail(err, AION_OK, "the host closed the pipe");
    return aion_fail(err, AION_DATA_LOSS, "a frame of the host was cut short");
}

bool module_frame_read(struct module_reader *reader, aion_str *ret_payload,
                       struct aion_err *err)
{
    for (;;) {
        struct aion_buf *bytes = &reader->bytes;
        size_t size = 0, left = bytes->size - reader->used;
        int found = left > 0 ? module_frame_next(aion_str_n(bytes->data + reader->used, left),
                                                 ret_payload, &size)
                             : 0;
        if (found < 0)
            return aion_fail(err, AION_DATA_LOSS, "no frame from the host");
        reader->used += size;
        if (found > 0)
            return true;
        aion_buf_consume(bytes, reader->used);
        reader->used = 0;
        if (!read_more(reader, err))
            return false;
    }
}

bool module_frames_write(int fd, aion_str frames, struct aion_err *err)
{
    for (size_t done = 0; done < frames.size;) {
        ssize_t n = write(fd, frames.data + done, frames.size - done);
        if (n < 0 && errno != EINTR)
            return aion_fail_errno(err, AION_UNAVAILABLE, "the host does not read");
        if (n > 0)
            done += (size_t)n;
    }
    return true;
}
