/* What a stream of the mesh upstream hands on: messages are formatted where they are borrowed,
 * on the mesh's thread, and go to the gateway's loop as events. What is on its way to one
 * client is bounded by those who call here (upstream_streams.c, watch.c). */
#include "upstream_private.h"

#include "base/buf.h"
#include "codec/json.h"

#include <stdlib.h>

enum {
    EVENT_BYTES_MAX = 12 << 20, /* an 8 MiB message as base64 in JSON */
};

/* -- events ------------------------------------------------------------------------------- */

static void deliver(struct aion_job *job)
{
    struct gw_event *event = aion_container(job, struct gw_event, job);
    event->sink(event->user, event);
}

static struct gw_event *event_new(const struct gw_feed *feed, aion_str bytes)
{
    struct gw_event *event = malloc(sizeof(*event) + bytes.size);
    if (event == NULL)
        abort(); /* bounded by windows and pauses: nothing sensible is left to do */
    memset(event, 0, sizeof(*event));
    event->job.run = deliver;
    event->sink = feed->sink;
    event->user = feed->user;
    event->stream_id = feed->id;
    event->size = bytes.size;
    if (bytes.size > 0)
        memcpy(event->bytes, bytes.data, bytes.size);
    return event;
}

/* JSON never holds a raw line end, so one data line is enough. */
static bool format(const struct gw_feed *feed, const struct codec_message *schema,
                   const ProtobufCMessage *message, uint64_t cursor, const char *name,
                   struct aion_buf *out, struct aion_err *err)
{
    struct codec_json_write options = {0};
    if (feed->format == GW_SSE && cursor > 0)
        aion_buf_printf(out, "id: %llu\n", (unsigned long long)cursor);
    if (feed->format == GW_SSE && name != NULL)
        aion_buf_printf(out, "event: %s\n", name);
    if (feed->format == GW_SSE)
        aion_buf_text(out, "data: ");
    if (!codec_json_print(schema, message, &options, out, err))
        return false;
    aion_buf_text(out, feed->format == GW_SSE ? "\n\n" : feed->format == GW_NDJSON ? "\n" : "");
    return !out->overflow ||
           aion_fail(err, AION_EXHAUSTED, "a message is too large to be shown");
}

uint32_t gw_feed_message(struct gw_feed *feed, const struct codec_message *schema,
                         const ProtobufCMessage *message, uint64_t cursor, uint32_t credit,
                         bool final, const char *name)
{
    struct aion_buf out;
    struct aion_err err;
    aion_buf_init(&out, EVENT_BYTES_MAX);
    if (format(feed, schema, message, cursor, name, &out, &err)) {
        struct gw_event *event = event_new(feed, aion_buf_view(&out));
        event->cursor = cursor;
        event->credit = credit = credit > 0 ? credit : (uint32_t)event->size;
        event->final = final;
        aion_exec_post(feed->self->gateway, &event->job);
    } else {
        gw_feed_end(feed, AION_INTERNAL, "NOT_JSON", err.text);
        credit = 0;
    }
    aion_buf_done(&out);
    return credit;
}

void gw_feed_end(struct gw_feed *feed, enum aion_code code, const char *reason,
                 const char *text)
{
    struct gw_event *event = event_new(feed, (aion_str){0});
    event->closed = true;
    event->code = code;
    aion_str_copy(event->reason, sizeof(event->reason), aion_str_of(reason));
    aion_str_copy(event->text, sizeof(event->text), aion_str_of(text));
    aion_exec_post(feed->self->gateway, &event->job);
}

void gw_feed_free(struct gw_feed *feed)
{
    aion_map_remove(&feed->self->feeds, gw_feed_key(&feed->id));
    aion_arena_done(&feed->arena);
    free(feed);
}
