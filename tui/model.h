/* What the console knows: a pure fold over what control sent. No RPC, no terminal; time comes
 * in with every call. One thread.
 *
 * `live` follows the stream; the history keeps its whole seconds of the last 15 minutes. What
 * the views show is `shown`: the live picture, or the one of a chosen instant, and all views
 * move together because they all look at this. */
#ifndef TUI_MODEL_H
#define TUI_MODEL_H

#include "fold.h"
#include "history.h"
#include "records.h"

/* Both clocks of this machine. */
struct tui_time {
    int64_t mono_us, utc_us;
};

enum tui_fresh {
    TUI_CONNECTING, /* nothing came yet */
    TUI_FRESH,
    TUI_STALE,        /* the stream stands, but says nothing */
    TUI_DISCONNECTED, /* there is no stream */
};

struct tui_hello {
    char control[32], instance[64], environment[32], subject[64], roles[96], tenant[64];
    int64_t oldest_us;
    bool read_only;
};

struct tui_model {
    struct tui_entities entities;
    struct tui_picture live, seen, base;
    const struct tui_picture *shown; /* &live or &seen */
    bool comparing;                  /* with base */
    int64_t wanted_us;               /* asked of control, not here yet; 0 = none */
    struct tui_history history;
    struct tui_series near, far; /* far: around an instant before the history */
    int64_t far_us;              /* the instant far was filled for; 0 = none */
    bool window_far;             /* which of them the window fills */
    struct tui_records records;
    struct tui_hello hello;
    struct tui_ids live_ids, window_ids;
    struct tui_picture window; /* of the frames that fill a series */

    bool open;                 /* a stream has said something and has not ended */
    int64_t heard_us, lost_us; /* mono: its last word; since when there is none */
    int64_t offset_us;         /* server's clock - ours */
    int64_t lag_us;            /* how old a frame is when it comes */
    uint64_t dropped;          /* frames control did not send us, by its own word ... */
    uint64_t dropped_before;   /* ... of them, in streams before this one */
    uint64_t version;          /* grows with everything that may change the screen */
};

bool tui_model_init(struct tui_model *model, size_t history_bytes_max); /* false: memory */
void tui_model_done(struct tui_model *model);

/* -- the live stream ------------------------------------------------------- */
void tui_model_opened(struct tui_model *model, struct tui_time now);
void tui_model_reply(struct tui_model *model, const Aion__V1__OpsWatchReply *reply,
                     struct tui_time now);
void tui_model_closed(struct tui_model *model, struct tui_time now);
/* `silence_us`: what is no longer normal between two frames. */
enum tui_fresh tui_model_fresh(const struct tui_model *model, struct tui_time now,
                               int64_t silence_us);
/* The server's clock. */
int64_t tui_model_now(const struct tui_model *model, struct tui_time now);

/* -- time ------------------------------------------------------------------ */
static inline bool tui_model_is_live(const struct tui_model *model)
{
    return model->shown == &model->live;
}
/* UTC of what is shown; 0 = nothing yet. */
static inline int64_t tui_model_at(const struct tui_model *model)
{
    return model->shown->at_us;
}
/* Holds what is shown now; the stream goes on behind it. */
void tui_model_pause(struct tui_model *model);
void tui_model_go_live(struct tui_model *model);
/* Shows the second at_us, cut to what exists. False: it is not kept here; wanted_us is set and
 * tui_model_frame is to be called with control's answer. */
bool tui_model_seek(struct tui_model *model, int64_t at_us);
/* Ops.GetAt's answer for wanted_us. */
void tui_model_frame(struct tui_model *model, const Aion__V1__OpsFrame *frame);
void tui_model_not_kept(struct tui_model *model); /* ... or its refusal */
/* Compares what is shown with the instant that is shown now, until called again. */
void tui_model_compare(struct tui_model *model, bool on);

/* -- windows of the past --------------------------------------------------- */
/* Which series graphs of the shown instant are made of. */
const struct tui_series *tui_model_series(const struct tui_model *model);
/* A stream of past frames begins: for the near series (at_us 0), or the far one. */
void tui_model_window(struct tui_model *model, int64_t at_us);
void tui_model_window_reply(struct tui_model *model, const Aion__V1__OpsWatchReply *reply);

#endif
