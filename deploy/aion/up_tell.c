/* The first word of a mesh: that it is ready, or why it cannot be. */
#include "up.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

static bool all_ready(const struct up *up)
{
    for (size_t i = 0; i < up->count; i++)
        if (!up->children[i].public->ready)
            return false;
    return true;
}

/* A detached start waits for it at the other end of the pipe, and for the pipe's end. */
static void tell_parent(struct up *up, const char *text)
{
    if (up->tell_fd < 0)
        return;
    ssize_t ignored = write(up->tell_fd, text, strlen(text));
    (void)ignored;
}

static void leave_parent(struct up *up)
{
    if (up->tell_fd >= 0)
        close(up->tell_fd);
    up->tell_fd = -1;
}

void up_tell_ready(struct up *up)
{
    char text[UP_TELL_MAX], url[CLI_URL_MAX];
    if (up->told || !all_ready(up))
        return;
    up->told = true;
    snprintf(text, sizeof(text),
             "ready: %s (key in %s), gRPC control 127.0.0.1:%d; stop: aion "
             "down --home %s\n",
             cli_run_url(&up->run, url), up->run.api_key_file, up->port_base + 1, up->run.home);
    tell_parent(up, text);
    leave_parent(up);
    if (up->quiet)
        return;
    fputs(text, stdout);
    fflush(stdout);
}

/* What the child's last log line says, or the line itself. The pipe ends with this process:
 * when the start has failed, nothing of it is left. */
void up_tell_failed(struct up *up)
{
    char text[UP_TELL_MAX];
    json_t *line = json_loads(up->failed->last, 0, NULL);
    const char *error = json_string_value(json_object_get(line, "error"));
    snprintf(text, sizeof(text), "failed: %s cannot start: %s\n", up->failed->public->name,
             error != NULL ? error : up->failed->last);
    json_decref(line);
    if (up->tell_fd < 0)
        fprintf(stderr, "aion up: %s", text + strlen("failed: "));
    tell_parent(up, text);
}
