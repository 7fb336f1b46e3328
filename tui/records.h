/* What happened: the newest events, and exact counts of all. A ring in bounded space; an event
 * that falls out is still counted. */
#ifndef TUI_RECORDS_H
#define TUI_RECORDS_H

#include "kinds.h"

#include "aion/v1/ops.schema.h"
#include "aion/v1/tasks.schema.h"
#include "base/map.h"

enum tui_record_kind {
    TUI_NO_RECORD,
    TUI_TASK_EVENT,
    TUI_DECISION,
    TUI_AUDIT,
    TUI_HOST_EVENT,
    TUI_POLICY_EVENT,
    TUI_RECORD_KINDS,
};
/* Values of TaskState. */
enum { TUI_TASK_STATES = 12, TUI_TASK_FINAL = 7, TUI_RECORDS_MAX = 4096 };

struct tui_word tui_task_word(int state);
/* UTC µs, cut to the years 1 to 9999; 0 for none. */
int64_t tui_stamp_us(const Google__Protobuf__Timestamp *stamp);

struct tui_record {
    enum tui_record_kind kind;
    int state; /* of the task after it; 0 = none */
    unsigned attempt;
    uint64_t ordinal;  /* 1, 2, ... as this console heard of it */
    uint64_t sequence; /* control's; begins anew when control does */
    int64_t at_us, latency_us, cost_nano_usd;
    aion_str what, task_id, tenant, intent, route, host, actor, reason, note;
};

struct tui_records {
    struct tui_record *ring[TUI_RECORDS_MAX]; /* each one piece of memory */
    uint8_t kinds[TUI_RECORDS_MAX];           /* theirs, to be looked through at once */
    size_t kept[TUI_RECORD_KINDS];            /* in the ring, by kind */
    size_t first, count, bytes;
    uint64_t heard;   /* records ever: the newest one's ordinal */
    uint64_t version; /* grows with every change */
    uint64_t counts[TUI_RECORD_KINDS][TUI_TASK_STATES];
    uint64_t sampled; /* counted, not sent: more than a reader wants */
};

void tui_records_done(struct tui_records *records);
void tui_records_add(struct tui_records *records, const Aion__V1__OpsEvents *events);
/* 0 = the newest; NULL beyond the oldest. */
const struct tui_record *tui_records_at(const struct tui_records *records, size_t back);
/* Those whose kind has its bit in `kinds`, the newest first, at most `max` that are not after
 * until_us; returns how many. */
size_t tui_records_of(const struct tui_records *records, unsigned kinds, int64_t until_us,
                      const struct tui_record **out, size_t max);
/* All of a kind, in all states. */
uint64_t tui_records_total(const struct tui_records *records, enum tui_record_kind kind);

/* -- tasks, as the events tell them ---------------------------------------- */
struct tui_task {
    aion_str id, tenant, intent, route, host, note;
    int state;
    unsigned attempt;
    int64_t first_us, at_us, latency_us, cost_nano_usd;
};

/* The tasks that the events up to at_us (INT64_MAX: all) and the listed ones (may be NULL) tell
 * of, the newest first; at most `max`, of those the ones with the newest events. Texts are
 * borrowed from both. */
size_t tui_tasks_fold(const struct tui_records *records, const Aion__V1__ListTasksReply *listed,
                      int64_t at_us, struct tui_task *out, size_t max);

#endif
