/* The whole of a summary: split, index, rank, select. */
#include "summarize.h"

#include "summarize_private.h"

#include <math.h>
#include <stdlib.h>

/* Two sentences that have this share of all their words in common say the same. */
static const double same_share = 0.6;

uint32_t summarize_overlap(const struct summarize_words *a, const struct summarize_words *b)
{
    uint32_t common = 0;
    for (uint32_t i = 0, j = 0; i < a->count && j < b->count;) {
        if (a->ids[i] == b->ids[j])
            common++, i++, j++;
        else if (a->ids[i] < b->ids[j])
            i++;
        else
            j++;
    }
    return common;
}

static int by_rank(const void *a, const void *b)
{
    const struct summarize_sentence *x = a, *y = b;
    if (x->rank < y->rank || x->rank > y->rank)
        return x->rank < y->rank ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

static int by_place(const void *a, const void *b)
{
    const struct summarize_sentence *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

static bool said_already(const struct summarize_words *words, uint32_t candidate,
                         const struct summarize_sentence *taken, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct summarize_words *a = &words[candidate], *b = &words[taken[i].index];
        uint32_t common = summarize_overlap(a, b), all = a->count + b->count - common;
        if (all > 0 && common >= same_share * all)
            return true;
    }
    return false;
}

/* Takes the best `length` of the ranked sentences to the front and puts them in document order.
 */
static size_t select_best(struct summarize_sentence *ranked, size_t count, size_t length,
                          const struct summarize_words *words)
{
    qsort(ranked, count, sizeof(*ranked), by_rank);
    size_t taken = 0;
    for (size_t i = 0; i < count && taken < length; i++)
        if (!said_already(words, ranked[i].index, ranked, taken))
            ranked[taken++] = ranked[i];
    qsort(ranked, taken, sizeof(*ranked), by_place);
    return taken;
}

bool summarize(aion_str text, size_t length, struct aion_arena *arena,
               struct summarize_result *ret_result, struct aion_err *err)
{
    if (!aion_utf8_valid(text.data, text.size))
        return aion_fail(err, AION_INVALID, "the text is not valid UTF-8");
    aion_str *sentences;
    size_t count;
    struct summarize_words *words;
    uint32_t vocabulary;
    if (!summarize_split(text, arena, &sentences, &count))
        return aion_fail(err, AION_EXHAUSTED, "the text is too large to summarize");
    if (count == 0)
        return aion_fail(err, AION_INVALID, "the text has no sentence");
    double *ranks = aion_arena_array(arena, count, sizeof(*ranks));
    struct summarize_sentence *ranked = aion_arena_array(arena, count, sizeof(*ranked));
    if (ranks == NULL || ranked == NULL ||
        !summarize_index(sentences, count, arena, &words, &vocabulary) ||
        !summarize_rank(words, count, vocabulary, arena, ranks))
        return aion_fail(err, AION_EXHAUSTED, "the text is too large to summarize");
    for (size_t i = 0; i < count; i++)
        ranked[i] = (struct summarize_sentence){sentences[i], (uint32_t)i, ranks[i]};
    ret_result->sentences = ranked;
    ret_result->count = select_best(ranked, count, length, words);
    ret_result->total = count;
    return true;
}
