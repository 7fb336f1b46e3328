/* Rows to records: pure, the same row gives the same bytes. */
#ifndef EVENTS_ENCODE_H
#define EVENTS_ENCODE_H

#include "base/buf.h"
#include "events/events.h"

/* Scratch memory of one user. */
struct events_encoder {
    struct aion_arena arena;
    struct aion_buf values; /* JSON of the row's records, one after the other */
    struct events_record records[EVENTS_PER_ROW];
    char task_id[AION_UUID_TEXT];
};
void events_encoder_init(struct events_encoder *encoder);
void events_encoder_done(struct events_encoder *encoder);

/* The records of a row, into encoder->records, valid until the next call. A routed task's row
 * gives its decision and its lifecycle, in this order: who reads a QUEUED can look up why.
 *
 *  - DATA_LOSS: part of the row cannot be expressed (a decision that does not unpack); the
 *    records that can be are there all the same. */
bool events_encode(struct events_encoder *encoder, enum events_stream stream,
                   const struct events_row *row, size_t *ret_count,
                   struct aion_err *err) AION_MUST_CHECK;
/* A message of a topic as JSON, appended to out. */
bool events_encode_message(enum events_topic topic, const ProtobufCMessage *message,
                           struct aion_buf *out, struct aion_err *err) AION_MUST_CHECK;
/* An audit record's sequence: its number below, what tells writers apart above, so that lines
 * of two writers about one actor never have the same name. */
uint64_t events_audit_sequence(aion_str writer, uint64_t number);

#endif
