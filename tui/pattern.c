#include "pattern.h"

#include "base/library.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

/* clang-format off */
#define FUNCTIONS(X) \
    X(pcre2_code_free_8) X(pcre2_compile_8) X(pcre2_get_error_message_8) X(pcre2_match_8) \
    X(pcre2_match_context_create_8) X(pcre2_match_context_free_8) \
    X(pcre2_match_data_create_8) X(pcre2_match_data_free_8) \
    X(pcre2_set_heap_limit_8) X(pcre2_set_match_limit_8)

/* clang-format on */
#define NAME(name) #name,
#define SLOT(name) __typeof__(name) *name;
static const char *const names[] = {FUNCTIONS(NAME)};
static struct {
    FUNCTIONS(SLOT)
} pcre;
_Static_assert(sizeof(pcre) == aion_countof(names) * sizeof(void *), "a slot a name");

enum { HEAP_KIB = 1024 };

struct tui_pattern {
    pcre2_code_8 *code;
    pcre2_match_data_8 *data;
    pcre2_match_context_8 *limits;
    unsigned unjudged; /* texts */
};

static bool load(struct aion_err *err)
{
    static struct aion_library library =
        AION_LIBRARY("libpcre2-8.so.0", "libpcre2-8-0", names, pcre);
    return aion_library_load(&library, err);
}

static bool compile(struct tui_pattern *pattern, aion_str text, struct aion_err *err)
{
    const uint32_t options =
        PCRE2_CASELESS | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    char why[120];
    size_t at;
    int code;
    pattern->code =
        pcre.pcre2_compile_8((const uint8_t *)text.data, text.size, options, &code, &at, NULL);
    if (pattern->code != NULL)
        return true;
    pcre.pcre2_get_error_message_8(code, (uint8_t *)why, sizeof(why));
    return aion_fail(err, AION_INVALID, "\"%.*s\": %s at character %zu", AION_STR_ARG(text),
                     why, at);
}

static bool make(struct tui_pattern *pattern, aion_str text, struct aion_err *err)
{
    if (!compile(pattern, text, err))
        return false;
    pattern->data = pcre.pcre2_match_data_create_8(1, NULL);
    pattern->limits = pcre.pcre2_match_context_create_8(NULL);
    if (pattern->data == NULL || pattern->limits == NULL)
        return aion_fail(err, AION_UNAVAILABLE, "out of memory");
    pcre.pcre2_set_match_limit_8(pattern->limits, TUI_PATTERN_STEPS);
    pcre.pcre2_set_heap_limit_8(pattern->limits, HEAP_KIB);
    return true;
}

struct tui_pattern *tui_pattern_new(aion_str text, struct aion_err *err)
{
    if (!load(err))
        return NULL;
    struct tui_pattern *pattern = calloc(1, sizeof(*pattern));
    if (pattern == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    if (make(pattern, text, err))
        return pattern;
    tui_pattern_free(pattern);
    return NULL;
}

enum tui_verdict tui_pattern_match(struct tui_pattern *pattern, aion_str text)
{
    const char *data = text.size > 0 ? text.data : "";
    if (tui_pattern_gave_up(pattern))
        return TUI_UNJUDGED;
    int code = pcre.pcre2_match_8(pattern->code, (const uint8_t *)data, text.size, 0, 0,
                                  pattern->data, pattern->limits);
    if (code >= 0)
        return TUI_YES;
    if (code == PCRE2_ERROR_NOMATCH)
        return TUI_NO;
    pattern->unjudged++;
    return TUI_UNJUDGED;
}

bool tui_pattern_gave_up(const struct tui_pattern *pattern)
{
    return pattern->unjudged >= TUI_PATTERN_TRIES;
}

void tui_pattern_free(struct tui_pattern *pattern)
{
    if (pattern == NULL)
        return;
    pcre.pcre2_match_context_free_8(pattern->limits);
    pcre.pcre2_match_data_free_8(pattern->data);
    pcre.pcre2_code_free_8(pattern->code);
    free(pattern);
}
