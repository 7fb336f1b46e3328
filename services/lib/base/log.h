/* Structured log: one JSON object a line on a file descriptor (stderr unless set), written in
 * batches by a writer thread. Only the mesh and mains log. Lines that do not fit in the bounded
 * queue are counted and the count is logged; logging never blocks the caller.
 *
 *   aion_log(AION_LOG_INFO, "listening", LOG_STR("addr", addr), LOG_I64("port", port));
 *
 * {"ts":"2026-11-23T10:00:00.123456Z","level":"info","service":"control","msg":"listening",...}
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/str.h"

enum aion_log_level { AION_LOG_DEBUG, AION_LOG_INFO, AION_LOG_WARN, AION_LOG_ERROR };

struct aion_log_field {
    const char *name;
    enum { AION_LOG_STR, AION_LOG_WORD, AION_LOG_I64, AION_LOG_U64, AION_LOG_BOOL } kind;
    aion_str str;
    int64_t i64;
    uint64_t u64;
};
#define LOG_TEXT(n, v)                                           \
    (struct aion_log_field)                                      \
    {                                                            \
        .name = (n), .kind = AION_LOG_STR, .str = aion_str_of(v) \
    }
#define LOG_STR(n, v)                                 \
    (struct aion_log_field)                           \
    {                                                 \
        .name = (n), .kind = AION_LOG_STR, .str = (v) \
    }
/* A text of ours, or one that was checked: nothing in it needs an escape. */
#define LOG_WORD(n, v)                                 \
    (struct aion_log_field)                            \
    {                                                  \
        .name = (n), .kind = AION_LOG_WORD, .str = (v) \
    }
#define LOG_I64(n, v)                                 \
    (struct aion_log_field)                           \
    {                                                 \
        .name = (n), .kind = AION_LOG_I64, .i64 = (v) \
    }
#define LOG_U64(n, v)                                 \
    (struct aion_log_field)                           \
    {                                                 \
        .name = (n), .kind = AION_LOG_U64, .u64 = (v) \
    }
#define LOG_BOOL(n, v)                                 \
    (struct aion_log_field)                            \
    {                                                  \
        .name = (n), .kind = AION_LOG_BOOL, .i64 = (v) \
    }

/* Before aion_log_start lines are written at once, unbatched. `service` is borrowed for ever,
 * and a word, as all `msg` are: nothing in them needs an escape. */
void aion_log_start(const char *service, int fd, enum aion_log_level least);
void aion_log_stop(void);                       /* writes what is queued, joins the writer */
void aion_log_flush(void);                      /* waits until what is queued now is written */
void aion_log_least(enum aion_log_level least); /* nothing below it from now on */
bool aion_log_on(enum aion_log_level level);
uint64_t aion_log_dropped(void);
void aion_log_line(enum aion_log_level level, const char *msg, size_t count,
                   const struct aion_log_field *fields);
#define aion_log(level, msg, ...)                                                            \
    do {                                                                                     \
        if (aion_log_on(level)) {                                                            \
            const struct aion_log_field aion_log_fields_[] = {__VA_ARGS__};                  \
            aion_log_line((level), (msg), aion_countof(aion_log_fields_), aion_log_fields_); \
        }                                                                                    \
    } while (0)

#endif
