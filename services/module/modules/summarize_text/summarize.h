/* Extractive summary by TextRank (Mihalcea, Tarau 2004): the sentences that the others vote
 * for.
 *
 * Pure: text in, sentences out, no I/O. Any language whose sentences end in . ! ? … 。 ！ ？;
 * words are runs of letters (CJK: pairs of characters), folded to lower case for Latin, Greek
 * and Cyrillic. */
#ifndef SUMMARIZE_H
#define SUMMARIZE_H

#include "base/arena.h"
#include "base/err.h"

enum {
    SUMMARIZE_SENTENCES_MAX =
        4000,                   /* of the document; the rest of a longer one is not ranked */
    SUMMARIZE_LENGTH_MAX = 100, /* sentences of a summary */
};

struct summarize_sentence {
    aion_str text;  /* of the document, trimmed, line breaks as they stand there */
    uint32_t index; /* place in the document, from 0 */
    double rank;    /* mean over all sentences is 1 */
};

struct summarize_result {
    struct summarize_sentence *sentences; /* in document order */
    size_t count;
    size_t total; /* sentences of the document */
};

/* The `length` best sentences, in the order of the document; nearly equal ones are taken once.
 * Fewer when the document has fewer. Everything lives in the arena; text is borrowed.
 * AION_INVALID: no UTF-8, or no sentence in it; AION_EXHAUSTED: arena. */
bool summarize(aion_str text, size_t length, struct aion_arena *arena,
               struct summarize_result *ret_result, struct aion_err *err) AION_MUST_CHECK;

#endif
