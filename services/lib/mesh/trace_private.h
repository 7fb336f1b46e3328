/* The ring of spans, as the admin port shows it. */
#ifndef MESH_TRACE_PRIVATE_H
#define MESH_TRACE_PRIVATE_H

#include "base/buf.h"

/* All kept spans as JSON, newest first. Any thread. */
void mesh_spans_write(struct aion_buf *out);

#endif
