/* A source and a sink that do what a test says. One thread; nothing happens by itself: each
 * operation waits until the script is told to go on. */
#ifndef EVENTS_SCRIPT_H
#define EVENTS_SCRIPT_H

#include "events/events.h"

/* -- source ------------------------------------------------------------------------- */
/* Rows and cursors in memory. What is handed out is copied into the read's arena, so that use
 * after its end is found. */
struct events_script_source;

struct events_script_source *events_script_source_new(void);
void events_script_source_free(struct events_script_source *script);
struct events_source *events_script_source(struct events_script_source *script);
/* Rows that were read, ever, and those that had to be looked at. */
uint64_t events_script_looked(const struct events_script_source *script);
/* Copies a task's row; its sequence must be above the lane's newest. */
void events_script_add(struct events_script_source *script, const struct events_row *row);
/* Completes what waits, oldest first; returns how many operations that were. */
size_t events_script_complete(struct events_script_source *script);
/* The next `count` operations end with this error instead, or (at once) are refused with it. */
void events_script_source_fail(struct events_script_source *script, size_t count, bool at_once,
                               enum aion_code code);
uint64_t events_script_cursor(const struct events_script_source *script, const char *name,
                              uint32_t lane);

/* -- sink --------------------------------------------------------------------------- */
struct events_script_sink;

/* A record as the sink has it for good, in the order of its arrival. */
struct events_script_record {
    enum events_topic topic;
    char key[128];
    uint64_t sequence;
    char *value;
};

struct events_script_sink *events_script_sink_new(size_t queue_max);
struct events_sink *events_script_sink(struct events_script_sink *script);
void events_script_sink_free(struct events_script_sink *script);
/* Acknowledges (keeps) up to `count` of what waits, oldest first; returns how many. */
size_t events_script_acknowledge(struct events_script_sink *script, size_t count);
/* Keeps up to `count` of what waits without a word: as if the process died before the answer.
 */
size_t events_script_keep(struct events_script_sink *script, size_t count);
/* The oldest that waits ends with this error, and later ones of its key after it. */
void events_script_refuse(struct events_script_sink *script, enum aion_code code);
/* send is refused with this code, AION_OK = taken again. */
void events_script_send_fails(struct events_script_sink *script, enum aion_code code);
/* Ends a reset: what waited comes back with an error. Does nothing when none is under way. */
void events_script_reset_done(struct events_script_sink *script);
size_t events_script_waiting(const struct events_script_sink *script);
size_t events_script_resets(const struct events_script_sink *script);
size_t events_script_kept(const struct events_script_sink *script);
const struct events_script_record *events_script_at(const struct events_script_sink *script,
                                                    size_t index);

#endif
