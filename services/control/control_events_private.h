/* Events to the outside: the relay to Kafka, the embedded log's readers, metrics. Included by
 * control_private.h.
 *
 * control_events.c (life, hooks, figures), control_events_store.c and control_events_audit.c
 * (the store as a source of rows), control_events_calls.c (the service Events). */
#ifndef CONTROL_EVENTS_PRIVATE_H
#define CONTROL_EVENTS_PRIVATE_H

#include "aion/v1/events.mesh.h"
#include "events/events.h"
#include "store/store.h"

struct control;
struct control_events;

/* -- life (control_events.c) -------------------------------------------------------- */
/* Aborts without memory. */
void control_events_init(struct control *control);
/* Opens Kafka's producer when brokers are configured; does not wait for them. INVALID: an
 * option. Before the loop runs. */
bool control_events_open(struct control *control, struct aion_err *err) AION_MUST_CHECK;
void control_events_begin(struct control *control); /* its shards are relayed from now on */
/* Sends what is under way, marks it, at most a second long; then `done`. */
void control_events_drain(struct control *control, void (*done)(struct control *control));
/* After the loop ended, before store_close: joins the producer's threads. */
void control_events_stop(struct control *control);
void control_events_done(struct control *control); /* after store_close */

/* Shards whose tasks go on here from now on; shards that are not ours any more. */
void control_events_take(struct control *control, uint64_t set);
void control_events_leave(struct control *control, uint64_t set);
/* A write with an event was committed. */
void control_events_wrote(struct control *control, const struct store_write *write);
/* A component's second, for aion.metrics.runtime: its sequence is set here. */
void control_events_metrics(struct control *control, Aion__V1__RuntimeMetrics *metrics);

/* -- the store as a source (control_events_store.c, control_events_audit.c) ---------- */
struct events_source *control_events_tasks_new(struct control *control);
/* Lanes are writers, in the order in which they were met; their places under a cursor are kept
 * one by one as "NAME-audit:WRITER". */
struct events_source *control_events_audit_new(struct control *control);
void control_events_source_free(struct events_source *source); /* NULL fine */
/* Asks which writers there are, unless that is being asked. */
void control_events_audit_look(struct events_source *source);
/* The lane of a writer that is known, or -1; its name, or "". */
int control_events_audit_lane(const struct events_source *source, aion_str writer);
const char *control_events_audit_writer(const struct events_source *source, uint32_t lane);

/* -- for the calls ------------------------------------------------------------------- */
struct events_source *control_events_source(const struct control *control,
                                            enum events_topic topic); /* NULL: the metrics */
struct events_spool *control_events_spool(const struct control *control);
bool control_events_relayed(const struct control *control); /* to Kafka */
/* Calls that wait for news; control_events_calls.c. */
struct aion_link *control_events_waiting(const struct control *control);
void control_events_calls_wake(struct control *control); /* something new is there */
void control_events_calls_end(struct control *control);

void control_read_events(struct mesh_call *call, const Aion__V1__ReadEventsRequest *request);
void control_commit_events(struct mesh_call *call,
                           const Aion__V1__CommitEventsRequest *request);
void control_forget_reader(struct mesh_call *call,
                           const Aion__V1__ForgetReaderRequest *request);

#endif
