/* The scripted sink: keeps records in memory and answers when the test says so. */
#include "events/script/script.h"

#include <assert.h>
#include <stdlib.h>

enum { KEPT_MAX = 30000 };

enum { REFUSED_MAX = 64 };

/* A copy of what was sent, as the record's strings are borrowed. */
struct script_sent {
    struct events_post *post;
    struct events_script_record record;
};

struct events_script_sink {
    struct events_sink sink;
    size_t queue_max;
    struct script_sent *waiting;
    size_t waiting_count;
    struct events_script_record *kept;
    size_t kept_count;
    enum aion_code send_code;
    /* Keys with a record refused since the last reset: their later ones fail, too, as behind
     * a gap. */
    char refused[REFUSED_MAX][128];
    size_t refused_count;
    bool resetting;
    size_t resets;
};

static char *copy_text(aion_str text)
{
    char *copy = malloc(text.size + 1);
    if (copy == NULL)
        abort();
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

static bool script_send(struct events_sink *sink, struct events_post *post,
                        struct aion_err *err)
{
    struct events_script_sink *script = aion_container(sink, struct events_script_sink, sink);
    if (script->resetting)
        return aion_fail(err, AION_UNAVAILABLE, "begins anew");
    if (script->send_code != AION_OK)
        return aion_fail(err, script->send_code, "the script says so");
    if (script->waiting_count == script->queue_max)
        return aion_fail(err, AION_EXHAUSTED, "%zu records wait", script->waiting_count);
    struct script_sent *sent = &script->waiting[script->waiting_count++];
    sent->post = post;
    sent->record = (struct events_script_record){.topic = post->record.topic,
                                                 .sequence = post->record.sequence,
                                                 .value = copy_text(post->record.value)};
    bool fits = aion_str_copy(sent->record.key, sizeof(sent->record.key), post->record.key);
    assert(fits);
    (void)fits;
    return true;
}

/* Takes the oldest off the queue; its strings are the caller's. */
static struct script_sent take_oldest(struct events_script_sink *script)
{
    struct script_sent sent = script->waiting[0];
    script->waiting_count--;
    memmove(&script->waiting[0], &script->waiting[1],
            script->waiting_count * sizeof(script->waiting[0]));
    return sent;
}

static void keep(struct events_script_sink *script, const struct events_script_record *record)
{
    assert(script->kept_count < KEPT_MAX);
    script->kept[script->kept_count++] = *record;
}

static void give_back(struct script_sent *sent, enum aion_code code)
{
    struct aion_err err;
    free(sent->record.value);
    aion_err_set(&err, __func__, code, "the script says so");
    sent->post->done(sent->post, &err);
}

static bool behind_gap(const struct events_script_sink *script, const char *key)
{
    for (size_t i = 0; i < script->refused_count; i++)
        if (strcmp(script->refused[i], key) == 0)
            return true;
    return false;
}

size_t events_script_acknowledge(struct events_script_sink *script, size_t count)
{
    size_t done = 0;
    for (; done < count && script->waiting_count > 0; done++) {
        struct script_sent sent = take_oldest(script);
        if (behind_gap(script, sent.record.key)) {
            give_back(&sent, AION_ABORTED);
            continue;
        }
        keep(script, &sent.record);
        sent.post->done(sent.post, NULL);
    }
    return done;
}

size_t events_script_keep(struct events_script_sink *script, size_t count)
{
    size_t done = 0;
    for (; done < count && script->waiting_count > 0; done++) {
        struct script_sent sent = take_oldest(script);
        if (behind_gap(script, sent.record.key))
            free(sent.record.value);
        else
            keep(script, &sent.record);
    }
    return done;
}

void events_script_refuse(struct events_script_sink *script, enum aion_code code)
{
    assert(script->waiting_count > 0 && script->refused_count < REFUSED_MAX);
    struct script_sent sent = take_oldest(script);
    memcpy(script->refused[script->refused_count++], sent.record.key, sizeof(sent.record.key));
    give_back(&sent, code);
}

void events_script_send_fails(struct events_script_sink *script, enum aion_code code)
{
    script->send_code = code;
}

void events_script_reset_done(struct events_script_sink *script)
{
    if (!script->resetting)
        return;
    while (script->waiting_count > 0) {
        struct script_sent sent = take_oldest(script);
        give_back(&sent, AION_UNAVAILABLE);
    }
    script->refused_count = 0;
    script->resetting = false;
}

size_t events_script_waiting(const struct events_script_sink *script)
{
    return script->waiting_count;
}
size_t events_script_resets(const struct events_script_sink *script)
{
    return script->resets;
}
size_t events_script_kept(const struct events_script_sink *script)
{
    return script->kept_count;
}
const struct events_script_record *events_script_at(const struct events_script_sink *script,
                                                    size_t index)
{
    assert(index < script->kept_count);
    return &script->kept[index];
}

/* -- life --------------------------------------------------------------------------- */
static void script_reset(struct events_sink *sink)
{
    struct events_script_sink *script = aion_container(sink, struct events_script_sink, sink);
    script->resetting = true;
    script->resets++;
}

static void script_stop(struct events_sink *sink)
{
    (void)sink; /* it has no thread */
}

static void script_free(struct events_sink *sink)
{
    events_script_sink_free(aion_container(sink, struct events_script_sink, sink));
}

static const struct events_sink_ops ops = {.name = "script",
                                           .send = script_send,
                                           .reset = script_reset,
                                           .stop = script_stop,
                                           .free = script_free};

struct events_script_sink *events_script_sink_new(size_t queue_max)
{
    struct events_script_sink *script = calloc(1, sizeof(*script));
    if (script == NULL)
        abort();
    script->sink.ops = &ops;
    script->queue_max = queue_max;
    script->waiting = calloc(queue_max, sizeof(*script->waiting));
    script->kept = calloc(KEPT_MAX, sizeof(*script->kept));
    if (script->waiting == NULL || script->kept == NULL)
        abort();
    return script;
}

struct events_sink *events_script_sink(struct events_script_sink *script)
{
    return &script->sink;
}

void events_script_sink_free(struct events_script_sink *script)
{
    for (size_t i = 0; i < script->waiting_count; i++)
        free(script->waiting[i].record.value);
    for (size_t i = 0; i < script->kept_count; i++)
        free(script->kept[i].value);
    free(script->waiting);
    free(script->kept);
    free(script);
}
