/* Module drip, of the tests: a known text, a line at a time, with a pause behind each.
 *
 * params.lines 1..100000, default 20; params.pause_ms 0..10000, default 50;
 * params.width 8..65536, bytes of a line, default 32. The result is all lines together when
 * they fit into 1 MiB, else their number: what a test compares the stream with. */
#include "base/buf.h"
#include "sdk/module.h"

#include <stdio.h>
#include <time.h>

enum { RESULT_MAX = 1024 * 1024, WIDTH_MAX = 65536 };

static void pause_ms(int64_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (ms > 0 && nanosleep(&time, &time) != 0)
        continue;
}

static aion_str line_of(char *line, int64_t number, int64_t width)
{
    int head = snprintf(line, WIDTH_MAX, "%06lld ", (long long)number);
    for (int64_t i = head; i < width - 1; i++)
        line[i] = (char)('a' + (number + i) % 26);
    line[width - 1] = '\n';
    return aion_str_n(line, (size_t)width);
}

static void drip(struct module_job *job, const Aion__V1__HostCommand__Execute *task)
{
    int64_t lines, pause, width;
    if (!module_param_int(task, "lines", 1, 100000, 20, &lines) ||
        !module_param_int(task, "pause_ms", 0, 10000, 50, &pause) ||
        !module_param_int(task, "width", 8, WIDTH_MAX, 32, &width)) {
        module_fail(job, AION_INVALID, "PARAM_INVALID", false,
                    "params: lines 1..100000, pause_ms 0..10000, width 8..65536");
        return;
    }
    static char line[WIDTH_MAX];
    struct aion_buf all;
    aion_buf_init(&all, RESULT_MAX);
    for (int64_t i = 0; i < lines; i++) {
        aion_str text = line_of(line, i, width);
        module_chunk_text(job, text);
        aion_buf_str(&all, text);
        pause_ms(pause);
    }
    if (all.overflow) {
        aion_buf_reset(&all);
        aion_buf_i64(&all, lines);
    }
    module_result_text(job, aion_str_n(all.data, all.size), "text/plain; charset=utf-8");
    aion_buf_done(&all);
}

int main(void)
{
    return module_serve(drip);
}
