/* Writes that must reach the disk, and readers of output. Included by control_private.h. */
#ifndef CONTROL_IO_PRIVATE_H
#define CONTROL_IO_PRIVATE_H

#include "control_private.h"

/* -- writes (control_write.c) ------------------------------------------------------- */
/* A write that must reach the disk: repeated until it does. */
struct control_write {
    union {
        struct store_write write;
        struct store_route route;
        struct store_start start;
        struct store_mark mark;
        struct store_chunks chunks;
        struct store_retry retry;
        struct store_finish finish;
    } as;
    enum store_kind kind;
    struct control *control;
    struct control_task *task; /* one reference */
    struct aion_link link;
    struct mesh_timer again;
    int64_t begun_us;
    bool before_start;          /* submitted while the attempt's start was not on disk yet */
    uint64_t cursor;            /* newest chunk in it */
    struct store_chunk *chunks; /* owned */
    struct store_outbox event;
    uint8_t usage[96]; /* what the event of an end points into: wire form of aion.v1.Usage */
    struct store_entry *entries; /* owned: what as.write.entries points to */
    struct aion_link lingers;    /* a start that is not submitted yet */
    int64_t linger_until_us;
    struct store_begin begin; /* what as.*.begin points to: the start goes with the end */
    /* What as.start and as.mark point into: they may outlive their host. */
    char host[64], module[64], module_digest[80];
    char route[128];                              /* what as.route points into */
    struct control_error error;                   /* what as.*.error points into */
    void (*prepare)(struct control_write *write); /* control_write_end: last touches */
    void (*done)(struct control_write *write);    /* committed; the write is freed after it */
};
struct control_write *control_write_new(struct control *control, struct control_task *task,
                                        enum store_kind kind,
                                        void (*done)(struct control_write *write));
/* The task's uncommitted output; for the kinds that carry chunks. */
void control_write_chunks(struct control_write *write, const struct store_chunk **ret_chunks,
                          size_t *ret_count);
void control_write_submit(struct control_write *write);
/* A start that may wait a little: it goes with the attempt's end if that comes first, else
 * alone.
 */
void control_write_linger(struct control_write *write);
/* The task's lingering start goes now, before what needs it there. */
void control_write_start_now(struct control_task *task);
void control_writes_hurry(struct control *control); /* all of them: the process ends */
/* Submits the end of an attempt, once the chunks under way are on disk: what they carry must
 * not come twice, nor after. */
void control_write_end(struct control_write *write);
/* The task's chunks under way are on disk. */
void control_write_chunks_done(struct control_task *task);
/* The task is another control's: its writes that were not submitted will not be. */
void control_writes_forget(struct control_task *task);
void control_writes_abandon(struct control *control); /* at the end of the process */

/* -- events (control_event.c) ------------------------------------------------------- */
/* Sets the write's event, but for its sequence. */
void control_event_fill(struct control_write *write);
void control_event_accept(struct control *control, const struct store_accept *accept,
                          struct store_outbox *event);

/* -- output (control_stream.c, control_follow.c) ------------------------------------ */
/* A reader of one task's output: from memory and the store while the task is ours, else from
 * the control that owns it. A task that moves is followed. */
struct control_watcher {
    struct aion_link link; /* in the task's watchers */
    struct control *control;
    struct control_task *task; /* one reference; NULL: it is looked for, or read elsewhere */
    uint64_t cursor;           /* newest one sent */
    bool reading;              /* chunks are being read from the store */
    bool closed;               /* nothing more may be sent; freed when nothing is under way */
    bool gap;                  /* chunks it asked for are gone: say so with the next one */
    bool gaps;                 /* a cursor that is too old is told so, instead of refused */
    bool handed_on;            /* its call came from another control: it goes no further */

    /* -- of control_follow.c ----------------------------------------------------- */
    struct aion_uuid id;
    struct mesh_principal principal;
    char *texts;               /* of the principal; owned */
    bool finding;              /* the task is looked for */
    bool moved;                /* it has left: looked for again when reading ends */
    bool ever;                 /* it was found before: trouble is waited out */
    struct mesh_rpc *upstream; /* to the owner's Stream */
    struct control_flight flight;
    bool paused, final;       /* upstream: no room here; its last chunk has come */
    int64_t since_us;         /* of the last thing that went well */
    struct control_park park; /* while the shard moves */

    /* Bytes of payload that may be sent now; 0 = wait: the owner pumps when there is room
     * again. */
    size_t (*room)(struct control_watcher *watcher);
    void (*send)(struct control_watcher *watcher, const Aion__V1__StreamChunk *chunk,
                 size_t payload);
    /* After the final chunk, or with an error: the owner tells its client and closes the
     * watcher. */
    void (*ended)(struct control_watcher *watcher, const struct aion_err *err);
    void (*free)(struct control_watcher *watcher); /* the owner's memory */
};
/* The owner made it and set control, cursor, gaps, handed_on and the functions. The task is
 * found, and read until its end; ended may run before this returns: NOT_FOUND, CURSOR_TOO_OLD.
 */
void control_follow(struct control_watcher *watcher, const struct aion_uuid *id,
                    const struct mesh_principal *principal);
/* Their task is another control's from now on. */
void control_watchers_move(struct control_task *task);
/* What control_stream.c is to control_follow.c, and it to that. */
void control_watch(struct control_watcher *watcher, struct control_task *task);
void control_follow_again(struct control_watcher *watcher);
void control_watcher_free(struct control_watcher *watcher);
void control_watcher_pump(struct control_watcher *watcher);
void control_watcher_close(
    struct control_watcher *watcher); /* frees it, now or when its read is over */
/* New output is visible, or the task is final. */
void control_watchers_wake(struct control_task *task);

void control_watches_forget(struct control *control); /* at the end of the process */
void control_watches_end(
    struct control *control); /* calls of WatchStreams, when control stops */

#endif
