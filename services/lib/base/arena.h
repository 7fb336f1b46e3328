/* Bump allocation with a limit; everything is freed at once. One thread at a time.
 * Under the address sanitizer each piece is its own malloc, so that overruns are found. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

#include <stdarg.h>

struct aion_arena_block;

struct aion_arena {
    char *next;
    char *end;
    struct aion_arena_block *blocks; /* newest first */
    size_t used;                     /* bytes handed out since the last reset */
    size_t limit;                    /* aion_arena_alloc gives NULL beyond */
    void *first;                     /* caller's first block, kept over resets */
    size_t first_size;
};

/* `first` (may be NULL) is memory of the caller for the first `first_size` bytes. */
void aion_arena_init(struct aion_arena *arena, size_t limit, void *first, size_t first_size);
void aion_arena_reset(struct aion_arena *arena); /* frees all pieces; keeps the first block */
void aion_arena_done(struct aion_arena *arena);
/* Aligned for any type; NULL when the limit is reached or memory is out. size 0 gives a valid
 * pointer. Not cleared. */
void *aion_arena_alloc(struct aion_arena *arena, size_t size);
void *aion_arena_zalloc(struct aion_arena *arena, size_t size);
/* count * size with overflow check, cleared. */
void *aion_arena_array(struct aion_arena *arena, size_t count, size_t size);
/* A copy with a NUL behind it. */
char *aion_arena_text(struct aion_arena *arena, aion_str s);
aion_str aion_arena_str(struct aion_arena *arena, aion_str s);
char *aion_arena_printf(struct aion_arena *arena, const char *fmt, ...) AION_PRINTF(2, 3);
char *aion_arena_vprintf(struct aion_arena *arena, const char *fmt, va_list args)
    AION_PRINTF(2, 0);

#endif
