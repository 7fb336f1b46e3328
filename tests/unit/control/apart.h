/* Tests that wait for the real clock's seconds: each in a process of its own, several at a
 * time. */
#ifndef CONTROL_APART_H
#define CONTROL_APART_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Runs this program anew with each test's name as its argument, which it must run alone; prints
 * what each wrote. How many failed. */
int apart_run(const struct CMUnitTest *tests, size_t count);

#endif
