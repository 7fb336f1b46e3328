#include "base/arena.h"

#include "base/spare.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { ALIGN = 16, BLOCK_SIZE = 8192, SPARES_MAX = 32 };

struct aion_arena_block {
    struct aion_arena_block *next;
    size_t size; /* of what follows, for a reader in the debugger */
};

_Static_assert(sizeof(struct aion_arena_block) % ALIGN == 0, "pieces stay aligned");

/* -- blocks ------------------------------------------------------------------------- */
/* A loop makes and frees a block or two for every message: a thread keeps a few. */
static _Thread_local struct aion_spares spares = {sizeof(struct aion_arena_block) + BLOCK_SIZE,
                                                  SPARES_MAX, 0, NULL};
static pthread_key_t spares_key; /* frees them at a thread's end */
static pthread_once_t spares_once = PTHREAD_ONCE_INIT;

static void free_spares(void *of_thread)
{
    aion_spares_done(of_thread);
}

static void make_key(void)
{
    if (pthread_key_create(&spares_key, free_spares) != 0)
        abort();
}

static void free_block(struct aion_arena_block *block)
{
    if (block->size != BLOCK_SIZE) {
        free(block);
        return;
    }
    if (spares.first == NULL) {
        pthread_once(&spares_once, make_key);
        pthread_setspecific(spares_key, &spares);
    }
    aion_spares_give(&spares, block);
}

static void use_first(struct aion_arena *arena)
{
    uintptr_t begin = ((uintptr_t)arena->first + (ALIGN - 1)) & ~(uintptr_t)(ALIGN - 1);
    size_t lost = begin - (uintptr_t)arena->first;
    arena->next = arena->end = NULL;
#if !defined(AION_ARENA_MALLOC)
    if (arena->first != NULL && arena->first_size > lost) {
        arena->next = (char *)arena->first + lost;
        arena->end = (char *)arena->first + arena->first_size;
    }
#else
    (void)lost;
#endif
}

void aion_arena_init(struct aion_arena *arena, size_t limit, void *first, size_t first_size)
{
    *arena = (struct aion_arena){.limit = limit, .first = first, .first_size = first_size};
    use_first(arena);
}

void aion_arena_reset(struct aion_arena *arena)
{
    while (arena->blocks != NULL) {
        struct aion_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free_block(block);
    }
    arena->used = 0;
    use_first(arena);
}

void aion_arena_done(struct aion_arena *arena)
{
    aion_arena_reset(arena);
}

static char *new_block(struct aion_arena *arena, size_t size)
{
    struct aion_arena_block *block =
        size == BLOCK_SIZE ? aion_spares_take(&spares) : malloc(sizeof(*block) + size);
    if (block == NULL)
        return NULL;
    block->next = arena->blocks;
    block->size = size;
    arena->blocks = block;
    return (char *)(block + 1);
}

static void *from_new_block(struct aion_arena *arena, size_t size)
{
#if !defined(AION_ARENA_MALLOC)
    /* A large piece gets a block of its own and leaves the current one to the small. */
    if (size <= BLOCK_SIZE / 4) {
        char *data = new_block(arena, BLOCK_SIZE);
        if (data == NULL)
            return NULL;
        arena->next = data + size;
        arena->end = data + BLOCK_SIZE;
        return data;
    }
#endif
    return new_block(arena, size);
}

void *aion_arena_alloc(struct aion_arena *arena, size_t size)
{
#if defined(AION_ARENA_MALLOC)
    size_t rounded = size; /* exact, so that the sanitizer sees the first byte beyond */
#else
    size_t rounded = (size + (ALIGN - 1)) & ~(size_t)(ALIGN - 1);
#endif
    if (rounded < size || rounded > arena->limit - arena->used)
        return NULL;
    void *piece;
    if (arena->next != NULL && (size_t)(arena->end - arena->next) >= rounded) {
        piece = arena->next;
        arena->next += rounded;
    } else {
        piece = from_new_block(arena, rounded);
    }
    if (piece != NULL)
        arena->used += rounded;
    return piece;
}

void *aion_arena_zalloc(struct aion_arena *arena, size_t size)
{
    void *piece = aion_arena_alloc(arena, size);
    if (piece != NULL)
        memset(piece, 0, size);
    return piece;
}

void *aion_arena_array(struct aion_arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return aion_arena_zalloc(arena, total);
}

char *aion_arena_text(struct aion_arena *arena, aion_str s)
{
    char *copy = aion_arena_alloc(arena, s.size + 1);
    if (copy == NULL)
        return NULL;
    if (s.size > 0)
        memcpy(copy, s.data, s.size);
    copy[s.size] = '\0';
    return copy;
}

aion_str aion_arena_str(struct aion_arena *arena, aion_str s)
{
    char *copy = aion_arena_text(arena, s);
    return copy != NULL ? aion_str_n(copy, s.size) : (aion_str){0};
}

char *aion_arena_vprintf(struct aion_arena *arena, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    char *text = size >= 0 ? aion_arena_alloc(arena, (size_t)size + 1) : NULL;
    if (text != NULL)
        vsnprintf(text, (size_t)size + 1, fmt, args);
    return text;
}

char *aion_arena_printf(struct aion_arena *arena, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = aion_arena_vprintf(arena, fmt, args);
    va_end(args);
    return text;
}
