/* Sentences of running text. A sentence ends at . ! ? … or their CJK forms, or at an empty
 * line; not at an abbreviation's full stop, an initial or inside a number. */
#include "summarize_private.h"

static bool cjk_end(uint32_t c)
{
    return c == 0x3002 || c == 0xff01 || c == 0xff1f || c == 0xff61;
}

static bool ends_sentence(uint32_t c)
{
    return c == '.' || c == '!' || c == '?' || c == 0x2026 || cjk_end(c);
}

/* Quotes and brackets that still belong to the sentence behind its full stop. */
static bool closes(uint32_t c)
{
    return c == '"' || c == '\'' || c == ')' || c == ']' || c == 0x2019 || c == 0x201d ||
           c == 0xbb || c == 0x300d || c == 0x300f || ends_sentence(c);
}

static bool space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The letters right before the full stop at `dot`. */
static aion_str word_before(aion_str text, size_t start, size_t dot)
{
    size_t begin = dot;
    while (begin > start && !space(text.data[begin - 1]) && text.data[begin - 1] != '(')
        begin--;
    return aion_str_n(text.data + begin, dot - begin);
}

/* "Mr", "e.g", "U.S", "J": a full stop behind them does not end a sentence. */
static bool abbreviation(aion_str word)
{
    static const char *const known[] = {
        "mr",  "mrs", "ms",  "dr",  "prof", "st",  "rev",    "gen",  "col", "capt",
        "lt",  "sgt", "hon", "vs",  "etc",  "inc", "ltd",    "co",   "jr",  "sr",
        "no",  "vol", "pp",  "fig", "ed",   "cf",  "art",    "sec",  "al",  "jan",
        "feb", "mar", "apr", "jun", "jul",  "aug", "sep",    "sept", "oct", "nov",
        "dec", "bzw", "ca",  "nr",  "usw",  "sog", "approx",
    };
    if (word.size == 1 && summarize_class_of((unsigned char)word.data[0]) == SUMMARIZE_LETTER)
        return true;
    if (word.size > 1 && aion_str_index(word, '.') != SIZE_MAX)
        return true;
    for (size_t i = 0; i < aion_countof(known); i++)
        if (aion_str_caseeq(word, aion_str_of(known[i])))
            return true;
    return false;
}

/* What follows a full stop decides too: a lower-case letter goes on with the sentence. */
static bool begins_sentence(aion_str text, size_t pos)
{
    while (pos < text.size && space(text.data[pos]))
        pos++;
    if (pos == text.size)
        return true;
    uint32_t c = aion_utf8_next(text, &pos);
    return summarize_class_of(c) != SUMMARIZE_LETTER || summarize_fold(c) != c || c > 0x24f;
}

/* The end of the sentence that has its mark at [mark, after), or 0 when it goes on. */
static size_t end_at(aion_str text, size_t start, size_t mark, size_t after, uint32_t c)
{
    size_t end = after;
    for (size_t next = end; next < text.size; end = next) {
        uint32_t follow = aion_utf8_next(text, &next);
        if (!closes(follow))
            break;
    }
    if (cjk_end(c) || end == text.size)
        return end;
    if (!space(text.data[end]))
        return 0;
    if (c == '.' && abbreviation(word_before(text, start, mark)))
        return 0;
    return begins_sentence(text, end) ? end : 0;
}

/* True at the first of two line breaks with nothing but blanks between them. */
static bool empty_line(aion_str text, size_t pos)
{
    if (text.data[pos] != '\n')
        return false;
    for (pos++; pos < text.size && space(text.data[pos]); pos++)
        if (text.data[pos] == '\n')
            return true;
    return false;
}

static size_t sentence_end(aion_str text, size_t start)
{
    for (size_t pos = start; pos < text.size;) {
        if (empty_line(text, pos))
            return pos;
        size_t mark = pos;
        uint32_t c = aion_utf8_next(text, &pos);
        size_t end = ends_sentence(c) ? end_at(text, start, mark, pos, c) : 0;
        if (end != 0)
            return end;
    }
    return text.size;
}

bool summarize_split(aion_str text, struct aion_arena *arena, aion_str **ret_sentences,
                     size_t *ret_count)
{
    aion_str *sentences = aion_arena_array(arena, SUMMARIZE_SENTENCES_MAX, sizeof(*sentences));
    if (sentences == NULL)
        return false;
    size_t count = 0;
    for (size_t pos = 0; pos < text.size && count < SUMMARIZE_SENTENCES_MAX;) {
        while (pos < text.size && space(text.data[pos]))
            pos++;
        size_t end = sentence_end(text, pos);
        if (end > pos)
            sentences[count++] = aion_str_n(text.data + pos, end - pos);
        pos = end;
    }
    *ret_sentences = sentences;
    *ret_count = count;
    return true;
}
