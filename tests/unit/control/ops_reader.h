/* A console of a test: it reads Ops.Watch and keeps what came. */
#ifndef CONTROL_OPS_READER_H
#define CONTROL_OPS_READER_H

#include "control_private.h"
#include "ops_model.h"

enum { OPS_READER_SECONDS_MAX = 64 };

/* What one has got. */
struct ops_reader {
    struct mesh_rpc *rpc; /* NULL = the call is over */
    struct ops_model model;
    bool hello, read_only, gap;
    char subject[64];
    size_t frames, whole, beside;
    struct { /* cells as they were at the ends of seconds */
        int64_t at_us;
        uint64_t hash;
    } seconds[OPS_READER_SECONDS_MAX];
    size_t second_count;
    uint64_t dropped, counted, sampled, events;
    char what[256]; /* of events, "accepted rule started ..." */
    struct aion_err err;
};

void ops_reader_init(struct ops_reader *reader);
void ops_reader_done(struct ops_reader *reader);
/* Opens its call; principal may be NULL. */
void ops_reader_open(struct ops_reader *reader, struct mesh_channel *channel,
                     const Aion__V1__OpsWatchRequest *request,
                     const struct mesh_principal *principal);
/* A cell of a row; INT64_MIN: there is none. */
int64_t ops_reader_cell(const struct ops_reader *reader, enum ops_kind kind, const char *key,
                        unsigned column);

#endif
