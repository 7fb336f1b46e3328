#include "diff.h"

#include <stdlib.h>

enum { LINES_MAX = 8192, TABLE_MAX = 1024 * 1024, CONTEXT = 3 };

struct text {
    aion_str lines[LINES_MAX];
    size_t count;
    bool cut; /* there are more */
};

/* What happens to a line, in the order of the result. */
struct edit {
    char sign; /* ' ', '-', '+' */
    aion_str line;
};

struct edits {
    struct edit list[2 * LINES_MAX];
    size_t count;
};

static void split(aion_str all, struct text *text)
{
    while (all.data != NULL && text->count < LINES_MAX)
        text->lines[text->count++] = aion_str_cut(&all, '\n');
    text->cut = all.data != NULL && all.size > 0;
    if (text->count > 0 && text->lines[text->count - 1].size == 0)
        text->count--; /* behind the last line end */
}

static void add(struct edits *edits, char sign, aion_str line)
{
    edits->list[edits->count++] = (struct edit){sign, line};
}

/* Longest common subsequence by the table of lengths, from the end. */
static void middle(struct edits *edits, const aion_str *a, size_t a_count, const aion_str *b,
                   size_t b_count)
{
    size_t width = b_count + 1, i = 0, k = 0;
    uint16_t *length = (a_count + 1) * width <= TABLE_MAX
                           ? calloc((a_count + 1) * width, sizeof(*length))
                           : NULL;
    for (size_t row = a_count; length != NULL && row-- > 0;)
        for (size_t column = b_count; column-- > 0;) {
            size_t below = length[(row + 1) * width + column],
                   right = length[row * width + column + 1];
            length[row * width + column] =
                aion_str_eq(a[row], b[column])
                    ? (uint16_t)(length[(row + 1) * width + column + 1] + 1)
                    : (uint16_t)(below > right ? below : right);
        }
    while (i < a_count || k < b_count) {
        if (length != NULL && i < a_count && k < b_count && aion_str_eq(a[i], b[k])) {
            add(edits, ' ', a[i++]);
            k++;
        } else if (i < a_count && (length == NULL || k == b_count ||
                                   length[(i + 1) * width + k] >= length[i * width + k + 1])) {
            add(edits, '-', a[i++]);
        } else {
            add(edits, '+', b[k++]);
        }
    }
    free(length);
}

static void compare(const struct text *a, const struct text *b, struct edits *edits)
{
    size_t head = 0, tail = 0;
    while (head < a->count && head < b->count && aion_str_eq(a->lines[head], b->lines[head]))
        head++;
    while (tail < a->count - head && tail < b->count - head &&
           aion_str_eq(a->lines[a->count - 1 - tail], b->lines[b->count - 1 - tail]))
        tail++;
    for (size_t i = 0; i < head; i++)
        add(edits, ' ', a->lines[i]);
    middle(edits, a->lines + head, a->count - head - tail, b->lines + head,
           b->count - head - tail);
    for (size_t i = a->count - tail; i < a->count; i++)
        add(edits, ' ', a->lines[i]);
}

/* Is a changed line within CONTEXT of this one? */
static bool is_near(const struct edits *edits, size_t at)
{
    size_t from = at > CONTEXT ? at - CONTEXT : 0;
    for (size_t i = from; i <= at + CONTEXT && i < edits->count; i++)
        if (edits->list[i].sign != ' ')
            return true;
    return false;
}

static void show(const struct edits *edits, bool cut, struct tui_lines *out)
{
    size_t before = 0, changed = 0;
    for (size_t i = 0; i < edits->count; i++) {
        const struct edit *edit = &edits->list[i];
        changed += edit->sign != ' ';
        if (!is_near(edits, i))
            continue;
        if (i > 0 && before + 1 != i)
            tui_line_add(out, TUI_DIM, 0, AION_STR("..."));
        before = i;
        tui_line_addf(out,
                      edit->sign == '+'   ? TUI_ADDED
                      : edit->sign == '-' ? TUI_REMOVED
                                          : TUI_PLAIN,
                      0, "%c %.*s", edit->sign, AION_STR_ARG(edit->line));
    }
    if (cut)
        tui_line_addf(out, TUI_WARN, 0, "only the first %d lines were compared", LINES_MAX);
    else if (changed == 0)
        tui_line_add(out, TUI_DIM, 0, AION_STR("no difference"));
}

void tui_diff(aion_str before, aion_str after, struct tui_lines *out)
{
    struct text *texts = calloc(2, sizeof(*texts));
    struct edits *edits = calloc(1, sizeof(*edits));
    if (texts != NULL && edits != NULL) {
        split(before, &texts[0]);
        split(after, &texts[1]);
        compare(&texts[0], &texts[1], edits);
        show(edits, texts[0].cut || texts[1].cut, out);
    }
    free(texts);
    free(edits);
}
