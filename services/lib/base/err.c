#include "base/err.h"

#include <errno.h>
#include <string.h>

static const char *const names[] = {
    [AION_OK] = "OK",
    [AION_CANCELLED] = "CANCELLED",
    [AION_UNKNOWN] = "UNKNOWN",
    [AION_INVALID] = "INVALID_ARGUMENT",
    [AION_DEADLINE] = "DEADLINE_EXCEEDED",
    [AION_NOT_FOUND] = "NOT_FOUND",
    [AION_EXISTS] = "ALREADY_EXISTS",
    [AION_DENIED] = "PERMISSION_DENIED",
    [AION_EXHAUSTED] = "RESOURCE_EXHAUSTED",
    [AION_PRECONDITION] = "FAILED_PRECONDITION",
    [AION_ABORTED] = "ABORTED",
    [AION_RANGE] = "OUT_OF_RANGE",
    [AION_UNIMPLEMENTED] = "UNIMPLEMENTED",
    [AION_INTERNAL] = "INTERNAL",
    [AION_UNAVAILABLE] = "UNAVAILABLE",
    [AION_DATA_LOSS] = "DATA_LOSS",
    [AION_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

enum aion_code aion_err_setv(struct aion_err *err, const char *where, enum aion_code code,
                             const char *fmt, va_list args)
{
    if (err == NULL)
        return code;
    err->code = code;
    err->retriable = code == AION_UNAVAILABLE;
    err->reason[0] = '\0';
    err->retry_after_ms = 0;
    err->where = where;
    err->field[0] = '\0';
    err->detail[0] = '\0';
    vsnprintf(err->text, sizeof(err->text), fmt, args);
    return code;
}

enum aion_code aion_err_set(struct aion_err *err, const char *where, enum aion_code code,
                            const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    aion_err_setv(err, where, code, fmt, args);
    va_end(args);
    return code;
}

void aion_err_none(struct aion_err *err)
{
    err->code = AION_OK;
    err->retriable = false;
    err->reason[0] = err->field[0] = err->text[0] = err->detail[0] = '\0';
    err->retry_after_ms = 0;
    err->where = NULL;
}

void aion_err_detail(struct aion_err *err, const char *fmt, ...)
{
    if (err == NULL)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->detail, sizeof(err->detail), fmt, args);
    va_end(args);
}

void aion_err_field(struct aion_err *err, const char *fmt, ...)
{
    if (err == NULL)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->field, sizeof(err->field), fmt, args);
    va_end(args);
}

void aion_err_errno(struct aion_err *err)
{
    char buffer[128];
    int number = errno;
    /* The GNU form: returns the text, which may not be in the buffer. */
    aion_err_detail(err, "%s (errno %d)", strerror_r(number, buffer, sizeof(buffer)), number);
}

const char *aion_code_name(enum aion_code code)
{
    return (unsigned)code < aion_countof(names) ? names[code] : "UNKNOWN";
}

bool aion_code_parse(const char *name, enum aion_code *ret_code)
{
    for (unsigned i = 0; i < aion_countof(names); i++)
        if (strcmp(names[i], name) == 0) {
            *ret_code = (enum aion_code)i;
            return true;
        }
    return false;
}

enum aion_code aion_code_of(int64_t number)
{
    return number >= 0 && number <= AION_UNAUTHENTICATED ? (enum aion_code)number
                                                         : AION_UNKNOWN;
}
