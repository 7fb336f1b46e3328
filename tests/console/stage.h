/* The app on a stage: a world that answers its calls, a clock that stands until it is moved, no
 * terminal and no threads. What a test does here happens the same way every time. */
#ifndef STAGE_H
#define STAGE_H

#include "world.h"

#include "app.h"

enum { STAGE_STREAMS = 16, STAGE_CALLS = 64, STAGE_TEXT = 4096 };

struct stage_stream {
    uint64_t id; /* 0 = free */
    bool watch, window, output, live;
    struct world_reader reader;
    unsigned rate_hz, kinds;
    int64_t next_us, until_us; /* windows: the next frame, the last one */
    uint32_t span_ms;
    int64_t events_us; /* sent up to here */
    char task_id[64];
    uint64_t cursor;
};

struct stage {
    struct world world;
    struct tui_app app;
    struct tui_port port;
    struct tui_time now;
    struct stage_stream streams[STAGE_STREAMS];
    struct aion_arena arena;
    bool down;   /* control cannot be reached */
    bool silent; /* control says nothing */
    bool read_only;
    int64_t began_us; /* UTC of the oldest second that is kept */
    char cancelled[64];
    int64_t cancelled_us;
    char copied[STAGE_TEXT], saved_path[256], saved[STAGE_TEXT]; /* what came out */
    unsigned calls, cancels, drains, reloads;
    unsigned audits;  /* times the log was asked for */
    char tenant[64];  /* whose events alone the live stream is to bring; "" = everybody's */
    unsigned renewed; /* connections to control that were given up */
    char reason[256];
};

/* 2026-11-23 12:00:00 UTC. */
#define STAGE_START_US INT64_C(1795435200000000)

void stage_init(struct stage *stage, const struct world_conf *conf);
void stage_done(struct stage *stage);
/* Moves the clock on; frames, events, chunks and answers come when they are due. */
void stage_run(struct stage *stage, int64_t us);
/* Keys by their names: "2", "tab", "ctrl-d". */
void stage_key(struct stage *stage, const char *name);
void stage_type(struct stage *stage, const char *text);

#endif
