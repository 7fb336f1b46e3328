#include "cast.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CAST_MAX = 64 * 1024 * 1024, SECOND_US = 1000000 };

/* -- files ----------------------------------------------------------------- */

static int new_file(const char *path, struct aion_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    aion_err_set(err, __func__, errno == EEXIST ? AION_EXISTS : AION_INVALID, "%.200s: %s",
                 path, errno == EEXIST ? "there is a file of this name" : strerror(errno));
    return -1;
}

static bool write_all(int fd, aion_str bytes)
{
    while (bytes.size > 0) {
        ssize_t size = write(fd, bytes.data, bytes.size);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return false;
        bytes = aion_str_n(bytes.data + size, bytes.size - (size_t)size);
    }
    return true;
}

bool tui_file_save(const char *path, aion_str bytes, struct aion_err *err)
{
    int fd = new_file(path, err);
    if (fd < 0)
        return false;
    bool good = write_all(fd, bytes) ||
                aion_fail(err, AION_UNAVAILABLE, "%.200s: %s", path, strerror(errno));
    close(fd);
    return good;
}

/* -- recordings ------------------------------------------------------------ */

void tui_cast_end(struct tui_cast *cast)
{
    if (cast->fd >= 0)
        close(cast->fd);
    cast->fd = -1;
}

bool tui_cast_begin(struct tui_cast *cast, const char *path, int rows, int cols,
                    struct tui_time now, struct aion_err *err)
{
    char head[160];
    *cast = (struct tui_cast){.fd = new_file(path, err), .began_us = now.mono_us};
    if (cast->fd < 0)
        return false;
    int size =
        snprintf(head, sizeof(head),
                 "{\"version\": 2, \"width\": %d, \"height\": %d, \"timestamp\": %lld}\n", cols,
                 rows, (long long)(now.utc_us / SECOND_US));
    if (write_all(cast->fd, aion_str_n(head, (size_t)size)))
        return true;
    aion_err_set(err, __func__, AION_UNAVAILABLE, "%.200s: %s", path, strerror(errno));
    tui_cast_end(cast);
    return false;
}

static bool add_event(struct tui_cast *cast, char code, aion_str data, struct tui_time now)
{
    struct aion_buf line;
    int64_t at = now.mono_us - cast->began_us;
    aion_buf_init(&line, CAST_MAX);
    aion_buf_printf(&line, "[%lld.%06lld, \"%c\", ", (long long)(at / SECOND_US),
                    (long long)(at % SECOND_US), code);
    aion_buf_json(&line, data);
    aion_buf_text(&line, "]\n");
    cast->bytes += line.size;
    bool good = cast->bytes <= CAST_MAX && write_all(cast->fd, aion_buf_view(&line));
    aion_buf_done(&line);
    if (!good)
        tui_cast_end(cast);
    return good;
}

bool tui_cast_frame(struct tui_cast *cast, aion_str bytes, struct tui_time now)
{
    return bytes.size == 0 || add_event(cast, 'o', bytes, now);
}

bool tui_cast_size(struct tui_cast *cast, int rows, int cols, struct tui_time now)
{
    char size[32];
    int length = snprintf(size, sizeof(size), "%dx%d", cols, rows);
    return add_event(cast, 'r', aion_str_n(size, (size_t)length), now);
}
