/* The only place where compiler extensions are named. */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

#include <stddef.h>

#define AION_MUST_CHECK       __attribute__((warn_unused_result))
#define AION_CLEANUP(fn)      __attribute__((cleanup(fn)))
#define AION_PRINTF(fmt, arg) __attribute__((format(printf, fmt, arg)))
#define AION_UNUSED           __attribute__((unused))
#define AION_COLD             __attribute__((cold))
#define AION_NORETURN         __attribute__((noreturn))
#define aion_likely(x)        __builtin_expect(!!(x), 1)
#define aion_unlikely(x)      __builtin_expect(!!(x), 0)

/* Which lock guards a member: for the reader. (clang's analysis wants its own mutex type.) */
#define AION_GUARDED_BY(lock)

/* The structure that holds `member` at address `ptr`. */
#define aion_container(ptr, type, member) \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define aion_countof(array) (sizeof(array) / sizeof((array)[0]))

/* An object handed over through gRPC's completion queue: its atomics are invisible to TSan. */
#if defined(AION_TSAN)
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#define aion_tsan_acquire(addr) __tsan_acquire(addr)
#define aion_tsan_release(addr) __tsan_release(addr)
#else
#define aion_tsan_acquire(addr) ((void)(addr))
#define aion_tsan_release(addr) ((void)(addr))
#endif

#endif
