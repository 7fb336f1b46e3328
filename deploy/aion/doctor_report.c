#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>

void doctor_report(struct doctor *doctor, enum doctor_verdict verdict, const char *what,
                   const char *fmt, ...)
{
    static const char *const names[] = {"ok  ", "warn", "FAIL"};
    va_list args;
    printf("%s  %-14s ", names[verdict], what);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    doctor->warnings += verdict == DOCTOR_WARN;
    doctor->failures += verdict == DOCTOR_FAIL;
}
