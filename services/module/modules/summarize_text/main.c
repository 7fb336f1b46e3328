/* Module summarize_text: the most telling sentences of a text, streamed one a chunk.
 *
 * params.text (or input, UTF-8) is the document; params.length the number of sentences, 1..100,
 * default 5. The result is the chunks put together. */
#include "base/buf.h"
#include "sdk/module.h"
#include "summarize.h"

enum { LENGTH_DEFAULT = 5, RESULT_MAX = 4 * 1024 * 1024 };

static bool bad_param(struct module_job *job, const char *text)
{
    module_fail(job, AION_INVALID, "PARAM_INVALID", false, text);
    return false;
}

static bool read_params(struct module_job *job, const Aion__V1__HostCommand__Execute *task,
                        aion_str *ret_text, int64_t *ret_length)
{
    if (!module_param_text(task, "text", ret_text))
        return bad_param(job, "params.text: expected a string");
    if (!module_param_int(task, "length", 1, SUMMARIZE_LENGTH_MAX, LENGTH_DEFAULT, ret_length))
        return bad_param(job, "params.length: expected a whole number of sentences, 1..100");
    if (ret_text->data == NULL)
        *ret_text = aion_str_n(task->input.data, task->input.len);
    if (ret_text->size == 0)
        return bad_param(job, "params.text or input: expected the text to summarize");
    return true;
}

/* A sentence on one line: its line breaks and runs of blanks are single spaces. */
static bool add_sentence(struct aion_buf *out, aion_str sentence, bool first)
{
    bool gap = !first;
    for (size_t i = 0; i < sentence.size; i++) {
        char c = sentence.data[i];
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
            gap = true;
            continue;
        }
        if (gap)
            aion_buf_char(out, ' ');
        gap = false;
        aion_buf_char(out, c);
    }
    return !out->overflow;
}

static void send_summary(struct module_job *job, const struct summarize_result *summary)
{
    struct aion_buf out;
    aion_buf_init(&out, RESULT_MAX);
    bool good = true;
    for (size_t i = 0; good && i < summary->count; i++) {
        size_t before = out.size;
        good = add_sentence(&out, summary->sentences[i].text, i == 0);
        if (good)
            module_chunk_text(job, aion_str_n(out.data + before, out.size - before));
    }
    if (good)
        module_result_text(job, aion_buf_view(&out), "text/plain; charset=utf-8");
    else
        module_fail(job, AION_EXHAUSTED, "RESULT_TOO_LARGE", false,
                    "the summary exceeds 4 MiB");
    aion_buf_done(&out);
}

static void summarize_task(struct module_job *job, const Aion__V1__HostCommand__Execute *task)
{
    aion_str text;
    int64_t length;
    struct summarize_result summary;
    struct aion_err err;
    if (!read_params(job, task, &text, &length))
        return;
    if (summarize(text, (size_t)length, module_arena(job), &summary, &err))
        send_summary(job, &summary);
    else
        module_fail(job, err.code, "SUMMARY_FAILED", false, err.text);
}

int main(void)
{
    return module_serve(summarize_task);
}
