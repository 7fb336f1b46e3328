#include "base/spare.h"

#include <stdlib.h>

void *aion_spares_take(struct aion_spares *spares)
{
    void **piece = spares->first;
    if (piece == NULL)
        return malloc(spares->size);
    spares->first = *piece;
    spares->count--;
    return piece;
}

void aion_spares_give(struct aion_spares *spares, void *piece)
{
#if defined(AION_ARENA_MALLOC)
    free(piece);
    (void)spares;
#else
    if (piece == NULL || spares->count >= spares->max) {
        free(piece);
        return;
    }
    *(void **)piece = spares->first;
    spares->first = piece;
    spares->count++;
#endif
}

void aion_spares_done(struct aion_spares *spares)
{
    while (spares->first != NULL) {
        void **piece = spares->first;
        spares->first = *piece;
        free(piece);
    }
    spares->count = 0;
}
