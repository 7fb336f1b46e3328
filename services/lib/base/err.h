/* Errors: a code with gRPC's numbers, a text that may reach a client, a detail for the log.
 *
 * An aion_err lives on the caller's stack and is the last parameter. It is written only on
 * failure. Functions that fail return false, NULL or the code itself, as their header says.
 * Pass an error up unchanged or replace it; never log and return: only the mesh (one line per
 * call) and mains log. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/compiler.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Numbers: google.rpc.Code. */
enum aion_code {
    AION_OK = 0,
    AION_CANCELLED = 1,
    AION_UNKNOWN = 2,
    AION_INVALID = 3,
    AION_DEADLINE = 4,
    AION_NOT_FOUND = 5,
    AION_EXISTS = 6,
    AION_DENIED = 7,
    AION_EXHAUSTED = 8,
    AION_PRECONDITION = 9,
    AION_ABORTED = 10,
    AION_RANGE = 11,
    AION_UNIMPLEMENTED = 12,
    AION_INTERNAL = 13,
    AION_UNAVAILABLE = 14,
    AION_DATA_LOSS = 15,
    AION_UNAUTHENTICATED = 16,
};

struct aion_err {
    enum aion_code code;
    bool retriable;         /* the same call may succeed later, and nothing was done */
    char reason[48];        /* UPPER_SNAKE: google.rpc.ErrorInfo.reason; "" = none */
    int64_t retry_after_ms; /* 0 = none: google.rpc.RetryInfo, HTTP Retry-After */
    const char *where;      /* static: function that failed, for the log */
    char field[96];         /* "params.text": google.rpc.BadRequest; "" = none */
    char text[320];         /* may reach a client: what is wrong and how to mend it */
    char detail[320];       /* log only: the driver's own words */
};

/* Fills *err (may be NULL) and returns `code`. Clears the optional members. */
enum aion_code aion_err_set(struct aion_err *err, const char *where, enum aion_code code,
                            const char *fmt, ...) AION_PRINTF(4, 5) AION_COLD;
enum aion_code aion_err_setv(struct aion_err *err, const char *where, enum aion_code code,
                             const char *fmt, va_list args) AION_PRINTF(4, 0) AION_COLD;
void aion_err_none(struct aion_err *err); /* AION_OK, without any text */
/* The log-only part; err may be NULL. */
void aion_err_detail(struct aion_err *err, const char *fmt, ...) AION_PRINTF(2, 3) AION_COLD;
void aion_err_field(struct aion_err *err, const char *fmt, ...) AION_PRINTF(2, 3) AION_COLD;

static inline void aion_err_reason(struct aion_err *err, const char *reason)
{
    if (err != NULL)
        snprintf(err->reason, sizeof(err->reason), "%s", reason);
}

/* Fail in one statement. aion_fail returns false; aion_fail_null NULL; aion_fail_code the code.
 */
#define aion_fail(err, code, ...) (aion_err_set((err), __func__, (code), __VA_ARGS__), false)
#define aion_fail_null(err, code, ...) \
    (aion_err_set((err), __func__, (code), __VA_ARGS__), NULL)
#define aion_fail_code(err, code, ...) aion_err_set((err), __func__, (code), __VA_ARGS__)
/* The same with errno's text as detail. */
#define aion_fail_errno(err, code, ...) \
    (aion_err_set((err), __func__, (code), __VA_ARGS__), aion_err_errno(err), false)
void aion_err_errno(struct aion_err *err);

/* "INVALID_ARGUMENT" for AION_INVALID; "CODE_42" never: unknown numbers give "UNKNOWN". */
const char *aion_code_name(enum aion_code code);
/* The inverse of aion_code_name; false leaves *ret_code alone. */
bool aion_code_parse(const char *name, enum aion_code *ret_code);
/* A number from the wire; out of range = AION_UNKNOWN. */
enum aion_code aion_code_of(int64_t number);

#endif
