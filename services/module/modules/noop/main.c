/* Gives its input back: the probe that measures the mesh instead of a module. */
#include "sdk/module.h"

static void echo(struct module_job *job, const Aion__V1__HostCommand__Execute *task)
{
    aion_str text;
    if (!module_param_text(task, "text", &text)) {
        module_fail(job, AION_INVALID, "PARAM_INVALID", false,
                    "params.text: expected a string");
        return;
    }
    if (text.data == NULL)
        text = aion_str_n(task->input.data, task->input.len);
    if (!aion_utf8_valid(text.data, text.size)) {
        module_fail(job, AION_INVALID, "INPUT_INVALID", false, "input: expected UTF-8 text");
        return;
    }
    module_result_text(job, text, "text/plain; charset=utf-8");
}

/* Tasks that wait are taken together, and answered together. */
static void echo_all(struct module_job *const *jobs,
                     Aion__V1__HostCommand__Execute *const *tasks, size_t count)
{
    module_hold(jobs[0]);
    for (size_t i = 0; i < count; i++)
        echo(jobs[i], tasks[i]);
}

int main(void)
{
    return module_serve_batches(echo_all);
}
