/* W3C Trace Context (traceparent, tracestate) and spans. */
#ifndef MESH_TRACE_H
#define MESH_TRACE_H

#include "base/str.h"

enum { MESH_TRACEPARENT_SIZE = 56, MESH_TRACESTATE_MAX = 512 };

struct mesh_trace {
    uint8_t trace_id[16]; /* all zero = no trace */
    uint8_t span_id[8];   /* this hop's span */
    uint8_t parent_id[8]; /* the caller's span; zero = root */
    bool sampled;
};

/* A child of the header's span, or a new root when the header is absent or malformed (never an
 * error). */
void mesh_trace_begin(struct mesh_trace *trace, aion_str traceparent);
/* A child span of `parent`. */
void mesh_trace_child(struct mesh_trace *trace, const struct mesh_trace *parent);
/* "00-...-...-01" that names this span as parent. */
void mesh_trace_header(const struct mesh_trace *trace, char out[MESH_TRACEPARENT_SIZE]);

/* One finished span; kept in a bounded ring per process, newest over oldest, shown under
 * /debug/spans. */
struct mesh_span {
    struct mesh_trace trace;
    const char *name; /* static: the method's path */
    int64_t start_utc_us, duration_us;
    int code;
    bool server;
};
void mesh_span_record(const struct mesh_span *span); /* any thread */

#endif
