/* A task's output: the newest chunks in memory, the rest in the store. Pure; I/O thread.
 *
 * Chunks are appended as they come from the host and shown to readers only when they are
 * committed, so that a cursor that was seen can never be given to other bytes. In memory stay
 * the chunks that are not committed yet and LOG_TAIL_BYTES of the newest committed ones; a
 * reader further behind reads from the store. */
#ifndef CONTROL_TASK_LOG_H
#define CONTROL_TASK_LOG_H

#include "base/str.h"

enum {
    LOG_TAIL_BYTES = 65536,
    CHUNK_BYTES_MAX = 32768 /* payload of one chunk, as readers get it */
};

enum control_chunk_kind { CHUNK_DATA, CHUNK_TEXT, CHUNK_RESTART };

struct control_chunk {
    struct control_chunk *next;
    uint64_t cursor;
    uint64_t sequence; /* of its attempt, from 1; restart: 0 */
    uint32_t attempt;
    enum control_chunk_kind kind;
    uint64_t discard_from;          /* CHUNK_RESTART */
    aion_str content_type, payload; /* behind the struct */
};

struct control_log {
    struct control_chunk *first, *last; /* in memory, oldest first */
    struct control_chunk *pending;      /* the first not committed, NULL = none */
    uint64_t cursor;                    /* the newest given */
    uint64_t committed;                 /* the newest that readers may see */
    uint64_t dropped;                   /* chunks up to here are not in memory */
    uint64_t acked;                     /* chunks up to here are gone for good */
    uint64_t sequence;                  /* the newest of the running attempt */
    uint64_t attempt_from; /* first cursor of output since the last restart, 0 = none */
    size_t bytes;          /* of memory */
    size_t pending_bytes;  /* of it not committed */
    bool keeps;            /* nothing is stored before the end: all of it stays in memory */
};

/* What is stored already of a task that is loaded. */
void control_log_load(struct control_log *log, uint64_t cursor, uint64_t acked,
                      uint64_t sequence);
void control_log_done(struct control_log *log);
/* The next chunk of the attempt; payload and type are copied. sequence is checked by the
 * caller. */
struct control_chunk *control_log_append(struct control_log *log, uint32_t attempt,
                                         uint64_t sequence, enum control_chunk_kind kind,
                                         aion_str content_type, aion_str payload);
/* A new attempt begins: readers are told to forget the output of the one before. NULL: there
 * was none. */
struct control_chunk *control_log_restart(struct control_log *log, uint32_t attempt);
/* Everything up to `cursor` is on disk; what memory need not keep is freed. */
void control_log_commit(struct control_log *log, uint64_t cursor);
void control_log_ack(struct control_log *log, uint64_t cursor);
/* The first chunk that the store does not have, and those behind it. */
static inline const struct control_chunk *control_log_unsaved(const struct control_log *log)
{
    return log->keeps ? log->first : log->pending;
}
/* The first visible chunk after the cursor. NULL and *ret_stored: the store has it; NULL alone:
 * there is none yet. */
const struct control_chunk *control_log_after(const struct control_log *log, uint64_t cursor,
                                              bool *ret_stored);

#endif
