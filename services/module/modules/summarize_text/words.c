/* Words of sentences as numbers: folded, stop words dropped, plural s off. */
#include "base/map.h"
#include "summarize_private.h"

#include <stdlib.h>

enum { WORD_BYTES_MAX = 64, SENTENCE_WORDS_MAX = 400, VOCABULARY_MAX = 200000 };

bool summarize_stop_word(aion_str word)
{
    /* The commonest function words of English; in other languages their weight is low by their
     * number of sentences alone (see rank.c). Sorted. */
    static const char *const stop[] = {
        "about",   "above", "after", "again", "against", "all",     "also",  "am",     "an",
        "and",     "any",   "are",   "as",    "at",      "be",      "been",  "before", "being",
        "between", "both",  "but",   "by",    "can",     "could",   "did",   "do",     "does",
        "down",    "each",  "few",   "for",   "from",    "further", "had",   "has",    "have",
        "he",      "her",   "here",  "him",   "his",     "how",     "if",    "in",     "into",
        "is",      "it",    "its",   "just",  "may",     "me",      "more",  "most",   "must",
        "my",      "no",    "nor",   "not",   "of",      "off",     "on",    "only",   "or",
        "other",   "our",   "out",   "over",  "own",     "same",    "shall", "she",    "should",
        "so",      "some",  "such",  "than",  "that",    "the",     "their", "them",   "then",
        "there",   "these", "they",  "this",  "those",   "through", "to",    "too",    "under",
        "until",   "up",    "upon",  "us",    "very",    "was",     "we",    "were",   "what",
        "when",    "where", "which", "while", "who",     "whom",    "why",   "will",   "with",
        "would",   "you",   "your",
    };
    size_t low = 0, high = aion_countof(stop);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = aion_str_cmp(word, aion_str_of(stop[middle]));
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return word.size < 2;
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | (c >> 6));
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | (c >> 12));
        out[1] = (char)(0x80 | ((c >> 6) & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (c >> 18));
    out[1] = (char)(0x80 | ((c >> 12) & 0x3f));
    out[2] = (char)(0x80 | ((c >> 6) & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* "laws" and "law" are one word; "congress" keeps its s. */
static aion_str singular(aion_str word)
{
    if (word.size > 3 && word.data[word.size - 1] == 's' && word.data[word.size - 2] != 's' &&
        word.data[word.size - 2] != 'u')
        word.size--;
    return word;
}

/* The next word from *pos on, folded into out; empty at the end. An ideograph makes a word with
 * the one behind it, and the walk goes on one further. */
static aion_str next_word(aion_str text, size_t *pos, char out[WORD_BYTES_MAX])
{
    size_t size = 0;
    while (*pos < text.size) {
        size_t before = *pos;
        uint32_t c = aion_utf8_next(text, pos);
        enum summarize_class class = summarize_class_of(c);
        if (class == SUMMARIZE_IDEOGRAPH) {
            if (size > 0) {
                *pos = before;
                break;
            }
            size = put_utf8(out, c);
            size_t peek = *pos;
            uint32_t next = peek < text.size ? aion_utf8_next(text, &peek) : 0;
            if (summarize_class_of(next) == SUMMARIZE_IDEOGRAPH)
                size += put_utf8(out + size, next);
            break;
        }
        if (class == SUMMARIZE_LETTER || class == SUMMARIZE_DIGIT) {
            if (size + 4 <= WORD_BYTES_MAX)
                size += put_utf8(out + size, summarize_fold(c));
        } else if (size > 0) {
            break;
        }
    }
    return aion_str_n(out, size);
}

struct vocabulary {
    struct aion_map map; /* word → number + 1, as a pointer */
    struct aion_arena *arena;
    uint32_t count;
};

/* The word's number; false: no memory or VOCABULARY_MAX words. */
static bool number_of(struct vocabulary *vocabulary, aion_str word, uint32_t *ret_id)
{
    void *known = aion_map_get(&vocabulary->map, word);
    if (known == NULL) {
        aion_str key = aion_arena_str(vocabulary->arena, word);
        known = (void *)(uintptr_t)(vocabulary->count + 1);
        if (key.data == NULL || !aion_map_put(&vocabulary->map, key, known))
            return false;
        vocabulary->count++;
    }
    *ret_id = (uint32_t)(uintptr_t)known - 1;
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t unique(uint32_t *ids, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (kept == 0 || ids[kept - 1] != ids[i])
            ids[kept++] = ids[i];
    return kept;
}

static bool index_sentence(struct vocabulary *vocabulary, aion_str sentence,
                           struct summarize_words *words)
{
    uint32_t ids[SENTENCE_WORDS_MAX];
    uint32_t count = 0;
    char out[WORD_BYTES_MAX];
    for (size_t pos = 0; pos < sentence.size && count < SENTENCE_WORDS_MAX;) {
        aion_str word = next_word(sentence, &pos, out);
        if (word.size == 0 || summarize_stop_word(word))
            continue;
        if (!number_of(vocabulary, singular(word), &ids[count]))
            return false;
        count++;
    }
    if (count > 0)
        qsort(ids, count, sizeof(ids[0]), by_number);
    count = unique(ids, count);
    words->ids = aion_arena_array(vocabulary->arena, count, sizeof(ids[0]));
    if (words->ids == NULL)
        return false;
    memcpy(words->ids, ids, count * sizeof(ids[0]));
    words->count = count;
    return true;
}

bool summarize_index(const aion_str *sentences, size_t count, struct aion_arena *arena,
                     struct summarize_words **ret_words, uint32_t *ret_vocabulary)
{
    struct vocabulary vocabulary = {.arena = arena};
    aion_map_init(&vocabulary.map, VOCABULARY_MAX);
    struct summarize_words *words = aion_arena_array(arena, count, sizeof(*words));
    bool good = words != NULL;
    for (size_t i = 0; good && i < count; i++)
        good = index_sentence(&vocabulary, sentences[i], &words[i]);
    aion_map_done(&vocabulary.map);
    *ret_words = words;
    *ret_vocabulary = vocabulary.count;
    return good;
}
