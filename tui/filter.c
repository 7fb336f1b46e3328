#include "filter.h"

#include "pattern.h"

#include <stdlib.h>

struct tui_term {
    bool negated;
    aion_str name, value;        /* into text */
    struct tui_pattern *pattern; /* of value; NULL: a plain word */
    char text[TUI_FILTER_MAX];
};

static void free_term(struct tui_term *term)
{
    tui_pattern_free(term->pattern);
    free(term);
}

void tui_filter_done(struct tui_filter *filter)
{
    for (size_t i = 0; i < filter->count; i++)
        free_term(filter->terms[i]);
    filter->count = 0;
    filter->text[0] = '\0';
}

/* -- parsing --------------------------------------------------------------- */

/* The next word of *rest, quotes taken off; false: there is none. It may be empty: "". */
static bool next_word(aion_str *rest, char out[TUI_FILTER_MAX])
{
    size_t used = 0, i = 0;
    bool quoted = false;
    while (i < rest->size && rest->data[i] == ' ')
        i++;
    bool found = i < rest->size;
    for (; i < rest->size && (quoted || rest->data[i] != ' '); i++) {
        if (rest->data[i] == '"')
            quoted = !quoted;
        else if (used + 1 < TUI_FILTER_MAX)
            out[used++] = rest->data[i];
    }
    out[used] = '\0';
    *rest = aion_str_n(rest->data + i, rest->size - i);
    return found;
}

static aion_str behind(aion_str text, size_t count)
{
    return aion_str_n(text.data + count, text.size - count);
}

static bool parse(struct tui_term *term, struct aion_err *err)
{
    aion_str rest = aion_str_of(term->text);
    if (rest.size > 1 && rest.data[0] == '!') {
        term->negated = true;
        rest = behind(rest, 1);
    }
    size_t colon = aion_str_index(rest, ':');
    size_t tilde = aion_str_index(rest, '~');
    if (colon != SIZE_MAX && colon > 0 && colon < tilde) {
        term->name = aion_str_n(rest.data, colon);
        rest = behind(rest, colon + 1);
    }
    term->value = rest;
    if (rest.size < 2 || rest.data[0] != '~')
        return true;
    term->value = behind(rest, 1);
    term->pattern = tui_pattern_new(term->value, err);
    return term->pattern != NULL;
}

static bool add_term(struct tui_filter *filter, const char *word, struct aion_err *err)
{
    if (filter->count == TUI_TERMS_MAX)
        return aion_fail(err, AION_INVALID, "a filter has at most %d terms", TUI_TERMS_MAX);
    struct tui_term *term = calloc(1, sizeof(*term));
    if (term == NULL)
        return aion_fail(err, AION_UNAVAILABLE, "out of memory");
    aion_str_copy(term->text, sizeof(term->text), aion_str_of(word));
    filter->terms[filter->count++] = term;
    return parse(term, err);
}

bool tui_filter_set(struct tui_filter *filter, aion_str text, struct aion_err *err)
{
    char word[TUI_FILTER_MAX];
    tui_filter_done(filter);
    if (text.size >= sizeof(filter->text))
        return aion_fail(err, AION_INVALID, "a filter has at most %d bytes",
                         TUI_FILTER_MAX - 1);
    aion_str_copy(filter->text, sizeof(filter->text), text);
    aion_str rest = aion_str_of(filter->text);
    while (next_word(&rest, word))
        if (word[0] != '\0' && !add_term(filter, word, err)) {
            tui_filter_done(filter);
            return false;
        }
    return true;
}

/* -- matching -------------------------------------------------------------- */

static char lower(char ch)
{
    return ch >= 'A' && ch <= 'Z' ? (char)(ch + 32) : ch;
}

static bool starts(aion_str text, aion_str with)
{
    for (size_t i = 0; i < with.size; i++)
        if (i >= text.size || lower(text.data[i]) != lower(with.data[i]))
            return false;
    return true;
}

bool tui_filter_holds(aion_str text, aion_str typed)
{
    for (size_t i = 0; i + typed.size <= text.size; i++)
        if (starts(behind(text, i), typed))
            return true;
    return false;
}

static enum tui_verdict field_matches(const struct tui_term *term, aion_str text)
{
    if (term->pattern != NULL)
        return tui_pattern_match(term->pattern, text);
    return tui_filter_holds(text, term->value) ? TUI_YES : TUI_NO;
}

static enum tui_verdict term_matches(const struct tui_term *term,
                                     const struct tui_field *fields, size_t count)
{
    enum tui_verdict verdict = TUI_NO;
    for (size_t i = 0; i < count && verdict != TUI_YES; i++) {
        if (term->name.size > 0 && !starts(aion_str_of(fields[i].name), term->name))
            continue;
        enum tui_verdict field = field_matches(term, fields[i].text);
        verdict = field == TUI_NO ? verdict : field;
    }
    return verdict;
}

/* What could not be judged is not hidden. */
bool tui_filter_match(const struct tui_filter *filter, const struct tui_field *fields,
                      size_t count)
{
    for (size_t i = 0; i < filter->count; i++) {
        const struct tui_term *term = filter->terms[i];
        if (term_matches(term, fields, count) == (term->negated ? TUI_YES : TUI_NO))
            return false;
    }
    return true;
}

bool tui_filter_slow(const struct tui_filter *filter)
{
    for (size_t i = 0; i < filter->count; i++)
        if (filter->terms[i]->pattern != NULL && tui_pattern_gave_up(filter->terms[i]->pattern))
            return true;
    return false;
}

aion_str tui_filter_value(const struct tui_filter *filter, const char *name)
{
    for (size_t i = 0; i < filter->count; i++) {
        const struct tui_term *term = filter->terms[i];
        if (!term->negated && term->pattern == NULL && aion_str_is(term->name, name))
            return term->value;
    }
    return (aion_str){0};
}

/* -- fuzzy ----------------------------------------------------------------- */

int tui_fuzzy(aion_str typed, aion_str text)
{
    int score = 0, run = 0;
    size_t at = 0;
    for (size_t i = 0; i < typed.size; i++) {
        size_t before = at;
        while (at < text.size && lower(text.data[at]) != lower(typed.data[i]))
            at++;
        if (at == text.size)
            return -1;
        run = at == before ? run + 1 : 0;
        bool begins = at == 0 || text.data[at - 1] == ' ' || text.data[at - 1] == '-';
        score += 10 + run * 5 + (begins ? 15 : 0) - (at - before > 9 ? 9 : (int)(at - before));
        at++;
    }
    return score > 0 ? score + (typed.size == text.size ? 20 : 0) : 0;
}
