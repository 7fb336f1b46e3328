/* Lines of the children: into logs/NAME.log, rotated, and prefixed to the terminal. */
#include "up.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool log_path(const struct up *up, const struct up_child *child, unsigned number,
                     char out[CLI_PATH_MAX])
{
    int size = number == 0 ? snprintf(out, CLI_PATH_MAX, "%s/logs/%s.log", up->run.home,
                                      child->public->name)
                           : snprintf(out, CLI_PATH_MAX, "%s/logs/%s.log.%u", up->run.home,
                                      child->public->name, number);
    return size > 0 && size < CLI_PATH_MAX;
}

bool up_log_open(struct up *up, struct up_child *child, struct aion_err *err)
{
    char path[CLI_PATH_MAX];
    struct stat about;
    if (!log_path(up, child, 0, path) || (child->log = fopen(path, "ae")) == NULL)
        return aion_fail_errno(err, AION_UNAVAILABLE, "%s: cannot be written", path);
    child->log_size = fstat(fileno(child->log), &about) == 0 ? (size_t)about.st_size : 0;
    return true;
}

static void rotate(struct up *up, struct up_child *child)
{
    char from[CLI_PATH_MAX], to[CLI_PATH_MAX];
    struct aion_err err;
    fclose(child->log);
    for (unsigned i = UP_LOG_KEEP; i > 0; i--)
        if (log_path(up, child, i - 1, from) && log_path(up, child, i, to))
            rename(from, to);
    if (!up_log_open(up, child, &err))
        child->log = NULL; /* the terminal still shows the lines */
}

static void put_line(struct up *up, struct up_child *child, aion_str line)
{
    aion_str_copy(child->last, sizeof(child->last), line);
    if (child->log != NULL) {
        fprintf(child->log, "%.*s\n", AION_STR_ARG(line));
        fflush(child->log);
        child->log_size += line.size + 1;
        if (child->log_size > UP_LOG_MAX)
            rotate(up, child);
    }
    if (up->quiet)
        return;
    if (up->colors)
        printf("\033[%dm%-9s\033[0m| %.*s\n", child->color, child->public->name,
               AION_STR_ARG(line));
    else
        printf("%-9s| %.*s\n", child->public->name, AION_STR_ARG(line));
    fflush(stdout);
}

void up_log_note(struct up *up, struct up_child *child, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    put_line(up, child, aion_str_of(text));
}

static void put_lines(struct up *up, struct up_child *child, bool end)
{
    aion_str rest = aion_buf_view(&child->line);
    size_t used = 0;
    while (used < rest.size) {
        aion_str left = aion_str_n(rest.data + used, rest.size - used);
        size_t line = aion_str_index(left, '\n');
        if (line == SIZE_MAX && !end && left.size < UP_LINE_MAX / 2)
            break;
        bool whole = line != SIZE_MAX;
        put_line(up, child, aion_str_n(left.data, whole ? line : left.size));
        used += whole ? line + 1 : left.size;
    }
    aion_buf_consume(&child->line, used);
}

void up_log_read(struct up *up, struct up_child *child)
{
    char chunk[UP_LINE_MAX / 2];
    ssize_t n = read(child->out_fd, chunk, sizeof(chunk));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0)
        aion_buf_add(&child->line, chunk, (size_t)n);
    put_lines(up, child, n <= 0);
    if (n > 0)
        return;
    close(child->out_fd);
    child->out_fd = -1;
}

void up_log_close(struct up_child *child)
{
    if (child->log != NULL)
        fclose(child->log);
    child->log = NULL;
    aion_buf_done(&child->line);
}
