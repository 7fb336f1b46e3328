/* Chunked bodies: the same data and the same end, whole and byte by byte. */
#include "http1/head.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum http1_result result;
    size_t used;
    uint64_t bytes, sum; /* of the body: length and a position-dependent checksum */
};

static void take(struct outcome *outcome, aion_str piece)
{
    for (size_t i = 0; i < piece.size; i++)
        outcome->sum = outcome->sum * 31 + (unsigned char)piece.data[i];
    outcome->bytes += piece.size;
}

static struct outcome decode(const uint8_t *data, size_t size, size_t step)
{
    struct http1_chunks chunks;
    struct outcome outcome = {.result = HTTP1_MORE};
    const char *why = NULL;
    http1_chunks_init(&chunks);
    while (outcome.result == HTTP1_MORE && outcome.used < size) {
        size_t left = size - outcome.used;
        aion_str in = aion_str_n(data + outcome.used, left < step ? left : step), piece;
        size_t before = in.size;
        outcome.result = http1_chunks_next(&chunks, &in, &piece, &why);
        outcome.used += before - in.size;
        if (outcome.result != HTTP1_BAD)
            take(&outcome, piece);
        if (outcome.result == HTTP1_MORE && before == in.size)
            abort(); /* no progress */
    }
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole = decode(data, size, size), parted = decode(data, size, 1);
    if (whole.result != parted.result)
        abort();
    if (whole.result != HTTP1_BAD &&
        (whole.used != parted.used || whole.sum != parted.sum || whole.bytes != parted.bytes))
        abort();
    return 0;
}
