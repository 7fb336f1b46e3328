/* What travels beside a message: SPIFFE ids, the principal, the trace, a status' details. Each
 * is taken or refused; a principal that is taken is the same after encoding it. */
#include "mesh/core_private.h"
#include "mesh/identity.h"
#include "mesh/trace.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void principal(aion_str wire)
{
    struct mesh_principal first, second;
    uint8_t out[4096];
    if (!mesh_principal_decode(wire, &first))
        return;
    size_t size = mesh_principal_encode(&first, out, sizeof(out));
    assert(size > 0 && mesh_principal_decode(aion_str_n(out, size), &second));
    assert(aion_str_eq(first.tenant, second.tenant) && first.role == second.role &&
           aion_str_eq(first.subject, second.subject) &&
           aion_str_eq(first.key_id, second.key_id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    aion_str input = aion_str_n(data, size);
    struct mesh_peer peer;
    struct mesh_principal speaks;
    struct mesh_trace trace;
    struct aion_err err = {.code = AION_OK};
    char header[MESH_TRACEPARENT_SIZE];
    mesh_spiffe_parse(input, "aion.local", &peer, &speaks);
    principal(input);
    mesh_trace_begin(&trace, input);
    mesh_trace_header(&trace, header);
    assert(strlen(header) == MESH_TRACEPARENT_SIZE - 1);
    mesh_status_read(input, &err);
    assert(memchr(err.reason, '\0', sizeof(err.reason)) != NULL);
    return 0;
}
