#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static bool open_failed(const char *path, struct aion_err *err)
{
    if (errno == ENOENT)
        return aion_fail_errno(err, AION_NOT_FOUND, "%s: no such file", path);
    if (errno == EACCES || errno == EPERM)
        return aion_fail_errno(err, AION_DENIED, "%s: not readable by this user", path);
    return aion_fail_errno(err, AION_UNAVAILABLE, "%s: cannot be opened", path);
}

bool aion_file_read(const char *path, struct aion_buf *buf, struct aion_err *err)
{
    AION_CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return open_failed(path, err);
    for (;;) {
        char chunk[8192];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n == 0)
            return true;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return aion_fail_errno(err, AION_UNAVAILABLE, "%s: cannot be read", path);
        if (!aion_buf_add(buf, chunk, (size_t)n))
            return aion_fail(err, AION_EXHAUSTED, "%s: larger than %zu bytes", path, buf->max);
    }
}

static bool write_all(int fd, aion_str content)
{
    for (size_t done = 0; done < content.size;) {
        ssize_t n = write(fd, content.data + done, content.size - done);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            done += (size_t)n;
    }
    return fsync(fd) == 0;
}

static bool sync_folder(const char *path)
{
    char copy[PATH_MAX];
    if (!aion_str_copy(copy, sizeof(copy), aion_str_of(path)))
        return false;
    AION_CLEANUP(close_fd) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}

bool aion_file_replace(const char *path, aion_str content, mode_t mode, struct aion_err *err)
{
    char temporary[PATH_MAX];
    int size = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    if (size < 0 || (size_t)size >= sizeof(temporary))
        return aion_fail(err, AION_INVALID, "%.64s...: the path is too long", path);
    AION_CLEANUP(close_fd) int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return aion_fail_errno(err, AION_UNAVAILABLE, "%s: cannot be written", path);
    if (!write_all(fd, content) || fchmod(fd, mode) != 0 || rename(temporary, path) != 0 ||
        !sync_folder(path)) {
        aion_err_set(err, __func__, AION_UNAVAILABLE, "%s: cannot be written", path);
        aion_err_errno(err);
        unlink(temporary);
        return false;
    }
    return true;
}

bool aion_file_mkdirs(const char *path, mode_t mode, struct aion_err *err)
{
    char part[PATH_MAX];
    if (!aion_str_copy(part, sizeof(part), aion_str_of(path)))
        return aion_fail(err, AION_INVALID, "%.64s...: the path is too long", path);
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char kept = *at;
        *at = '\0';
        if (mkdir(part, mode) != 0 && errno != EEXIST)
            return aion_fail_errno(err, errno == EACCES ? AION_DENIED : AION_UNAVAILABLE,
                                   "%s: cannot be made", part);
        *at = kept;
        if (kept == '\0')
            return true;
    }
}
