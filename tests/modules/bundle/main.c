/* Module bundle, of the tests: takes tasks together, at a cost per call and not per task, as a
 * model does. The result of each says in how many it was: "3 together". params.pause_ms
 * 0..10000 of the first, default 20: the cost; a task with params.text "crash" ends the
 * process. */
#include "sdk/module.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void pause_ms(int64_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (ms > 0 && nanosleep(&time, &time) != 0)
        continue;
}

static void bundle(struct module_job *const *jobs, Aion__V1__HostCommand__Execute *const *tasks,
                   size_t count)
{
    int64_t pause = 20;
    aion_str text;
    char answer[32];
    (void)module_param_int(tasks[0], "pause_ms", 0, 10000, 20, &pause);
    pause_ms(pause);
    int size = snprintf(answer, sizeof(answer), "%zu together", count);
    for (size_t i = 0; i < count; i++) {
        if (module_param_text(tasks[i], "text", &text) && aion_str_is(text, "crash"))
            _exit(9);
        module_chunk_text(jobs[i], aion_str_n(answer, (size_t)size));
    }
    for (size_t i = count; i-- > 0;) /* in any order */
        module_result_text(jobs[i], aion_str_n(answer, (size_t)size), "text/plain");
}

int main(void)
{
    return module_serve_batches(bundle);
}
