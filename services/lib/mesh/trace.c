/* traceparent both ways, and the ring of finished spans. */
#include "mesh/trace.h"

#include "base/base64.h"
#include "base/rand.h"
#include "mesh/trace_private.h"

#include <pthread.h>

/* Ids need to be unique, not secret: a generator per thread, seeded by the kernel once. */
static void random_bytes(uint8_t *out, size_t size)
{
    static _Thread_local struct aion_rand rand;
    static _Thread_local bool seeded;
    if (!seeded) {
        uint64_t seed;
        aion_rand_secret(&seed, sizeof(seed));
        aion_rand_seed(&rand, seed);
        seeded = true;
    }
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = aion_rand_u64(&rand) | 1; /* never all zero, which means "none" */
        memcpy(out + i, &word, 8);
    }
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* Lower-case hex only (W3C Trace Context, 3.2.2). */
static bool lower_hex(uint8_t *out, size_t size, aion_str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] >= 'A' && text.data[i] <= 'F')
            return false;
    return aion_unhex(out, size, text);
}

/* version "-" trace-id "-" parent-id "-" flags; a version above 00 may go on behind another
 * "-". */
static bool parse(aion_str header, struct mesh_trace *trace)
{
    uint8_t version, flags;
    if (header.size < MESH_TRACEPARENT_SIZE - 1 || header.data[2] != '-' ||
        header.data[35] != '-' || header.data[52] != '-')
        return false;
    if (!lower_hex(&version, 1, aion_str_n(header.data, 2)) || version == 0xff ||
        !lower_hex(trace->trace_id, 16, aion_str_n(header.data + 3, 32)) ||
        !lower_hex(trace->parent_id, 8, aion_str_n(header.data + 36, 16)) ||
        !lower_hex(&flags, 1, aion_str_n(header.data + 53, 2)))
        return false;
    bool longer = header.size > MESH_TRACEPARENT_SIZE - 1;
    if (longer && (version == 0 || header.data[55] != '-'))
        return false;
    trace->sampled = (flags & 1) != 0;
    return !all_zero(trace->trace_id, 16) && !all_zero(trace->parent_id, 8);
}

void mesh_trace_begin(struct mesh_trace *trace, aion_str traceparent)
{
    if (traceparent.size == 0 || !parse(traceparent, trace)) {
        random_bytes(trace->trace_id, 16);
        memset(trace->parent_id, 0, 8);
        trace->sampled = true;
    }
    random_bytes(trace->span_id, 8);
}

void mesh_trace_child(struct mesh_trace *trace, const struct mesh_trace *parent)
{
    memcpy(trace->trace_id, parent->trace_id, 16);
    memcpy(trace->parent_id, parent->span_id, 8);
    trace->sampled = parent->sampled;
    random_bytes(trace->span_id, 8);
}

void mesh_trace_header(const struct mesh_trace *trace, char out[MESH_TRACEPARENT_SIZE])
{
    memcpy(out, "00-", 3);
    aion_hex(out + 3, trace->trace_id, 16);
    out[35] = '-';
    aion_hex(out + 36, trace->span_id, 8);
    out[52] = '-';
    memcpy(out + 53, trace->sampled ? "01" : "00", 3);
}

/* -- spans ---------------------------------------------------------------- */

enum { SPANS = 1024 };

static struct {
    pthread_mutex_t lock;
    struct mesh_span spans[SPANS];
    uint64_t count; /* ever recorded */
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER};

void mesh_span_record(const struct mesh_span *span)
{
    pthread_mutex_lock(&ring.lock);
    ring.spans[ring.count++ % SPANS] = *span;
    pthread_mutex_unlock(&ring.lock);
}

static void write_span(struct aion_buf *out, const struct mesh_span *span)
{
    char trace_id[33], span_id[17], parent_id[17];
    aion_hex(trace_id, span->trace.trace_id, 16);
    aion_hex(span_id, span->trace.span_id, 8);
    aion_hex(parent_id, span->trace.parent_id, 8);
    aion_buf_printf(
        out,
        "{\"trace_id\":\"%s\",\"span_id\":\"%s\",\"parent_id\":\"%s\",\"name\":\"%s\","
        "\"kind\":\"%s\",\"start_utc_us\":%lld,\"duration_us\":%lld,\"code\":%d}",
        trace_id, span_id, parent_id, span->name, span->server ? "server" : "client",
        (long long)span->start_utc_us, (long long)span->duration_us, span->code);
}

void mesh_spans_write(struct aion_buf *out)
{
    pthread_mutex_lock(&ring.lock);
    uint64_t first = ring.count > SPANS ? ring.count - SPANS : 0;
    aion_buf_text(out, "{\"spans\":[");
    for (uint64_t i = ring.count; i > first; i--) {
        if (i != ring.count)
            aion_buf_char(out, ',');
        write_span(out, &ring.spans[(i - 1) % SPANS]);
    }
    aion_buf_text(out, "]}\n");
    pthread_mutex_unlock(&ring.lock);
}
