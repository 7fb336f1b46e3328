#include "sdk/frame.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

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

/* 1 = all read, 0 = end of file before the first byte, -1 = error or cut short. */
static int read_all(int fd, void *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, (char *)out + done, size - done);
        if (n == 0)
            return done == 0 ? 0 : -1;
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0)
            done += (size_t)n;
    }
    return 1;
}

bool module_frame_read(int fd, struct aion_buf *payload, struct aion_err *err)
{
    uint8_t head[MODULE_FRAME_HEAD];
    int got = read_all(fd, head, sizeof(head));
    if (got == 0)
        return aion_fail(err, AION_OK, "the host closed the pipe");
    size_t length = length_of(head);
    if (got < 0 || length > MODULE_FRAME_MAX)
        return aion_fail(err, AION_DATA_LOSS, "no frame from the host");
    aion_buf_reset(payload);
    char *out = aion_buf_reserve(payload, length);
    if (out == NULL)
        return aion_fail(err, AION_EXHAUSTED, "a frame of %zu bytes does not fit", length);
    if (length > 0 && read_all(fd, out, length) != 1)
        return aion_fail(err, AION_DATA_LOSS, "a frame of the host was cut short");
    payload->size = length;
    return true;
}

bool module_frame_write(int fd, aion_str payload, struct aion_err *err)
{
    uint8_t head[MODULE_FRAME_HEAD];
    module_frame_head(head, payload.size);
    size_t total = sizeof(head) + payload.size;
    for (size_t done = 0; done < total;) {
        size_t in_head = done < sizeof(head) ? sizeof(head) - done : 0;
        size_t in_body = done < sizeof(head) ? 0 : done - sizeof(head);
        char *body = (char *)(uintptr_t)payload.data + in_body;
        struct iovec parts[2] = {{head + (sizeof(head) - in_head), in_head},
                                 {body, payload.size - in_body}};
        ssize_t n = writev(fd, parts, 2);
        if (n < 0 && errno != EINTR)
            return aion_fail_errno(err, AION_UNAVAILABLE, "the host does not read");
        if (n > 0)
            done += (size_t)n;
    }
    return true;
}
