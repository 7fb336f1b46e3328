/* The steps of a summary: split → words → graph → rank → select. */
#ifndef SUMMARIZE_PRIVATE_H
#define SUMMARIZE_PRIVATE_H

#include "summarize.h"

/* One sentence as a set of word numbers, ascending, each once. */
struct summarize_words {
    uint32_t *ids;
    uint32_t count;
};

/* Cuts the text into trimmed sentences, at most SUMMARIZE_SENTENCES_MAX; false: arena. */
bool summarize_split(aion_str text, struct aion_arena *arena, aion_str **ret_sentences,
                     size_t *ret_count);

/* Numbers the words of all sentences from 0; stop words are left out. False: arena or too many
 * words. */
bool summarize_index(const aion_str *sentences, size_t count, struct aion_arena *arena,
                     struct summarize_words **ret_words, uint32_t *ret_vocabulary);

/* TextRank over the sentences' common words. ranks[count], mean 1; false: arena. */
bool summarize_rank(const struct summarize_words *words, size_t count, uint32_t vocabulary,
                    struct aion_arena *arena, double *ranks);

/* Words both have. */
uint32_t summarize_overlap(const struct summarize_words *a, const struct summarize_words *b);

bool summarize_stop_word(aion_str word); /* folded */
uint32_t summarize_fold(uint32_t code_point);
enum summarize_class {
    SUMMARIZE_OTHER,
    SUMMARIZE_LETTER,
    SUMMARIZE_IDEOGRAPH,
    SUMMARIZE_DIGIT
};
enum summarize_class summarize_class_of(uint32_t code_point);

#endif
