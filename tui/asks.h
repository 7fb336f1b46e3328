/* Questions besides the stream: what is listed, looked up, followed and done. Each has one
 * place; a new question takes the place of the old one, whose answer is then ignored. */
#ifndef TUI_ASKS_H
#define TUI_ASKS_H

#include "model.h"
#include "port.h"

#include "base/arena.h"

enum tui_ask {
    TUI_ASK_WATCH,        /* Ops.Watch: the live stream */
    TUI_ASK_AT,           /* Ops.GetAt */
    TUI_ASK_WINDOW,       /* Ops.Watch of the past */
    TUI_ASK_TASKS,        /* AionTasks.ListTasks */
    TUI_ASK_TASK,         /* AionTasks.GetTask of one */
    TUI_ASK_OUTPUT,       /* AionTasks.Stream of one */
    TUI_ASK_POLICY,       /* Router.GetPolicy */
    TUI_ASK_OTHER_POLICY, /* the same of another revision */
    TUI_ASK_DISK_POLICY,  /* the same of the router's files, as they are now */
    TUI_ASK_REVISIONS,    /* Router.ListPolicyRevisions */
    TUI_ASK_VALIDATE,     /* Router.ValidatePolicy of the files on disk */
    TUI_ASK_HOSTS,        /* Hosts.ListHosts */
    TUI_ASK_PLAN,         /* Retention.GetPlan */
    TUI_ASK_SWEEP,        /* Retention.Sweep, dry run */
    TUI_ASK_AUDIT,        /* Ops.ListAudit */
    TUI_ASK_VERIFY,       /* Ops.VerifyAudit */
    TUI_ASK_ACTION,       /* what a person confirmed */
    TUI_ASKS,
};

/* The newest answer to a question. */
struct tui_answer {
    const ProtobufCMessage *message; /* in the arena; NULL: none yet, or refused */
    struct aion_arena arena;
    struct aion_err err; /* code AION_OK: not refused */
    const struct mesh_method *method;
    bool pending;
    uint64_t id;      /* of the call that is under way or was the last */
    int64_t at_us;    /* mono: when it was asked */
    uint64_t version; /* grows with every answer */
    char about[64];   /* what it was asked of */
};

/* The output of one task, as its chunks tell it: bounded, the oldest part goes first. */
enum { TUI_OUTPUT_MAX = 256 * 1024, TUI_CHUNKS_MAX = 4096 };
struct tui_output {
    char *text;
    size_t size;
    struct {
        uint64_t cursor;
        size_t at; /* where its text begins */
    } chunks[TUI_CHUNKS_MAX];
    size_t chunk_count;
    uint64_t cursor, received; /* newest cursor; chunks in all */
    unsigned attempt;
    bool cut, ended; /* the oldest part is gone; the final chunk came */
    int state;       /* then: TaskState */
    char digest[80], reason[160];
};

struct tui_answers {
    struct tui_answer list[TUI_ASKS];
    struct tui_output output;
    uint64_t last_id;
    const struct tui_port *port;
};

void tui_answers_init(struct tui_answers *answers, const struct tui_port *port);
void tui_answers_done(struct tui_answers *answers);
/* Asks anew; `about` may be "". The old answer stays until the new one comes, unless it was
 * about something else. */
void tui_ask(struct tui_answers *answers, enum tui_ask ask, const ProtobufCMessage *request,
             const char *about, struct tui_time now);
/* TUI_ASK_ACTION, of any method. */
void tui_ask_action(struct tui_answers *answers, enum tui_peer peer,
                    const struct mesh_method *method, const ProtobufCMessage *request,
                    const char *about, struct tui_time now);
/* Cancels what is under way and forgets the answer. */
void tui_ask_drop(struct tui_answers *answers, enum tui_ask ask);
/* Which question a message or an end belongs to; TUI_ASKS: none that is still open. */
enum tui_ask tui_ask_of(const struct tui_answers *answers, uint64_t id);
/* A copy becomes the answer. */
void tui_ask_answered(struct tui_answers *answers, enum tui_ask ask,
                      const ProtobufCMessage *message);
void tui_ask_ended(struct tui_answers *answers, enum tui_ask ask, const struct aion_err *err);
/* A chunk of the task that TUI_ASK_OUTPUT follows. */
void tui_output_chunk(struct tui_output *output, const Aion__V1__StreamChunk *chunk);
void tui_output_reset(struct tui_output *output);

/* The answer, or NULL. */
static inline const ProtobufCMessage *tui_answer(const struct tui_answers *answers,
                                                 enum tui_ask ask)
{
    return answers->list[ask].message;
}

#endif
