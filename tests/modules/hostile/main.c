/* Module hostile, of the tests: does what a bad module does, as params.text says.
 *
 * crash: abort. leave: exit without an answer. spin: no answer, all CPU. sleep: no answer, deaf
 * to SIGTERM, with a child that outlives it unless the whole group is killed (its pid is the
 * first chunk). eat: allocates until refused, then says how much it had. garbage: bytes that
 * are no frame. flood: chunks without an end. chatter: lines on stderr without an end. open: as
 * many files as it may. */
#include "sdk/module.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(struct module_job *job, const char *what, long long number)
{
    char text[64];
    snprintf(text, sizeof(text), "%s%lld", what, number);
    module_result_text(job, aion_str_of(text), "text/plain; charset=utf-8");
}

static void crash(struct module_job *job)
{
    (void)job;
    abort();
}

static void leave(struct module_job *job)
{
    (void)job;
    _exit(7);
}

static void spin(struct module_job *job)
{
    (void)job;
    for (volatile unsigned n = 0;; n++)
        continue;
}

static void deaf_sleep(struct module_job *job)
{
    signal(SIGTERM, SIG_IGN);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGTERM, SIG_IGN);
        sleep(600);
        _exit(0);
    }
    char text[32];
    snprintf(text, sizeof(text), "%d", child);
    module_chunk_text(job, aion_str_of(text));
    sleep(600);
}

static void eat(struct module_job *job)
{
    enum { PIECE = 1024 * 1024, MOST = 4096 };
    long long pieces = 0;
    char *piece;
    while (pieces < MOST && (piece = malloc(PIECE)) != NULL) {
        memset(piece, 1, PIECE); /* kept: the process ends with the test */
        pieces++;
    }
    say(job, "MiB: ", pieces);
}

static void garbage(struct module_job *job)
{
    (void)job;
    static const char bytes[] = "\377\377\377\377this is no frame";
    for (int i = 0; i < 1000; i++)
        if (write(STDOUT_FILENO, bytes, sizeof(bytes)) < 0)
            break;
    sleep(600);
}

static void flood(struct module_job *job)
{
    char text[4096];
    memset(text, 'x', sizeof(text));
    for (;;)
        module_chunk_text(job, aion_str_n(text, sizeof(text)));
}

static void chatter(struct module_job *job)
{
    (void)job;
    char lines[4096];
    memset(lines, '\n', sizeof(lines));
    for (;;)
        if (write(STDERR_FILENO, lines, sizeof(lines)) < 0)
            break;
}

static void open_files(struct module_job *job)
{
    long long files = 0;
    while (files < 100000 && open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
        files++;
    say(job, "files: ", files);
}

static void hostile(struct module_job *job, const Aion__V1__HostCommand__Execute *task)
{
    static const struct {
        const char *name;
        void (*run)(struct module_job *job);
    } deeds[] = {
        {"crash", crash},      {"leave", leave},     {"spin", spin},
        {"sleep", deaf_sleep}, {"eat", eat},         {"garbage", garbage},
        {"flood", flood},      {"open", open_files}, {"chatter", chatter},
    };
    aion_str text = {0};
    module_param_text(task, "text", &text);
    for (size_t i = 0; i < aion_countof(deeds); i++)
        if (aion_str_is(text, deeds[i].name)) {
            deeds[i].run(job);
            return;
        }
    module_fail(job, AION_INVALID, "PARAM_INVALID", false, "params.text: what to do");
}

int main(void)
{
    return module_serve(hostile);
}
