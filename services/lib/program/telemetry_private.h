/* A program's telemetry: once a second what the process measures becomes an OpsReport and goes
 * to control.
 *
 * telemetry.c (when, and to whom), telemetry_metrics.c (metric families and edges → samples, by
 * one table), telemetry_process.c (what the kernel says, read on a worker), telemetry_events.c
 * (what happened). It never waits: what control does not take at once is dropped and counted.
 * I/O thread but where said. */
#ifndef PROGRAM_TELEMETRY_PRIVATE_H
#define PROGRAM_TELEMETRY_PRIVATE_H

#include "aion/v1/ops.mesh.h"
#include "base/list.h"
#include "base/map.h"
#include "base/metric.h"
#include "program/program.h"

enum {
    TELEMETRY_SLOTS_MAX = 4000, /* samples; control takes 4096 of a report */
    TELEMETRY_EVENTS_MAX = 256, /* within a second */
    TELEMETRY_COUNTERS = 3,
    TELEMETRY_GAUGES = 3,
};

/* Gauges of the process that metrics tell. */
enum { TELEMETRY_WORKERS = 0, TELEMETRY_MEMORY = 1 };

/* -- samples (telemetry_metrics.c) --------------------------------------------------- */
struct telemetry_source; /* a row of the table */

/* One sample in the making; lives as long as the process. */
struct telemetry_slot {
    struct aion_link link;
    Aion__V1__OpsKind kind;
    char *key;                                                /* "3:AionTasks.Submit" in */
    const char *name;                                         /* ... the map; the name in it */
    int64_t counters[TELEMETRY_COUNTERS];                     /* of this second */
    int64_t gauges[TELEMETRY_GAUGES], told[TELEMETRY_GAUGES]; /* now, and as reported last */
    uint32_t *buckets;                                        /* of this second; NULL = none */
    unsigned low, high;                                       /* buckets touched: [low, high) */
    int64_t seen[TELEMETRY_COUNTERS];                         /* of an edge: counts so far */
    uint32_t *seen_buckets;
    bool edge, alive;
    bool used; /* something of it was not 0 once: methods that nobody calls are not told */
};

struct telemetry_samples {
    struct aion_map by_key;
    struct aion_link slots;
    struct aion_link series;           /* of metrics that some source takes */
    size_t series_known;               /* aion_metric_made() when they were looked through */
    int64_t process[TELEMETRY_GAUGES]; /* gauges of the sources of kind PROCESS */
};

void telemetry_samples_init(struct telemetry_samples *samples);
void telemetry_samples_done(struct telemetry_samples *samples);
/* Reads everything anew: what came since the last time, what stands now. */
void telemetry_samples_read(struct telemetry_samples *samples, struct mesh_loop *loop);
/* The slot of a key, made when it is new; NULL: there are too many. */
struct telemetry_slot *telemetry_slot(struct telemetry_samples *samples, Aion__V1__OpsKind kind,
                                      const char *name);
/* Samples of what moved, of all when `whole`. False: the arena is full. */
bool telemetry_samples_put(struct telemetry_samples *samples, bool whole,
                           Aion__V1__OpsReport *report, struct aion_arena *arena);

/* -- the process (telemetry_process.c) ----------------------------------------------- */
struct telemetry_process {
    const char *cert_file; /* NULL = none */
    int64_t cpu_us;        /* so far */
    int64_t rss_bytes, threads, fds;
    int64_t machine_cpu_ppm, machine_memory_bytes;
    uint64_t machine_busy, machine_all; /* ticks so far */
    int64_t cert_expires_s;             /* 0 = not known */
    unsigned reads;
};
/* On a worker. */
void telemetry_process_read(struct telemetry_process *process);

/* -- events (telemetry_events.c) ------------------------------------------------------ */
struct telemetry_events {
    struct aion_arena arena; /* of their texts, until they are sent */
    Aion__V1__OpsEvent *events[TELEMETRY_EVENTS_MAX];
    size_t count;
    uint64_t dropped;
};
void telemetry_events_init(struct telemetry_events *events);
void telemetry_events_done(struct telemetry_events *events);
/* A copy; beyond the bound it is dropped and counted. */
void telemetry_event_add(struct telemetry_events *events, const Aion__V1__OpsEvent *event);
void telemetry_events_forget(struct telemetry_events *events);
/* The end of an audited call, as an event. */
void telemetry_audit(void *events, const struct mesh_audit *audit);

/* -- life (telemetry.c) ---------------------------------------------------------------- */
struct program_telemetry;
struct program_telemetry *telemetry_new(struct program *program, int64_t started_s);
/* The program has started: reports go from now on, if somebody wants them. */
void telemetry_begin(struct program_telemetry *telemetry);
void telemetry_state(struct program_telemetry *telemetry, Aion__V1__OpsProcessState state);
void telemetry_address(struct program_telemetry *telemetry, const char *address);
/* The stream ends, no report goes any more: before the channel closes. */
void telemetry_end(struct program_telemetry *telemetry);
void telemetry_free(struct program_telemetry *telemetry); /* NULL fine; after the loop ended */

#endif
