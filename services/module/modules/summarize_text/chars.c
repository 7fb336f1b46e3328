/* Classes and case of characters: as much of Unicode as ranking sentences needs, without tables
 * of it. */
#include "summarize_private.h"

struct range {
    uint32_t first, last;
};

/* Punctuation, symbols and spaces above ASCII; everything else above 0x7f counts as a letter.
 */
static const struct range other[] = {
    {0x80, 0xa9},     {0xab, 0xb4},     {0xb6, 0xb9},     {0xbb, 0xbf},       {0xd7, 0xd7},
    {0xf7, 0xf7},     {0x2b0, 0x36f},   {0x2000, 0x206f}, {0x20a0, 0x20cf},   {0x2190, 0x2bff},
    {0x2e00, 0x2e7f}, {0x3000, 0x3004}, {0x3008, 0x3020}, {0xfe30, 0xfe6f},   {0xff00, 0xff0f},
    {0xff1a, 0xff20}, {0xff3b, 0xff40}, {0xff5b, 0xff65}, {0x1f000, 0x1faff},
};

static const struct range ideographs[] = {
    {0x3040, 0x30ff}, {0x3400, 0x4dbf}, {0x4e00, 0x9fff}, {0xf900, 0xfaff}, {0x20000, 0x3134f},
};

static bool in_ranges(uint32_t c, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count && c >= ranges[i].first; i++)
        if (c <= ranges[i].last)
            return true;
    return false;
}

enum summarize_class summarize_class_of(uint32_t c)
{
    if (c < 0x80) {
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            return SUMMARIZE_LETTER;
        return c >= '0' && c <= '9' ? SUMMARIZE_DIGIT : SUMMARIZE_OTHER;
    }
    if (in_ranges(c, ideographs, aion_countof(ideographs)))
        return SUMMARIZE_IDEOGRAPH;
    return in_ranges(c, other, aion_countof(other)) ? SUMMARIZE_OTHER : SUMMARIZE_LETTER;
}

/* Lower case of Latin-1, Latin Extended-A, Greek and Cyrillic; others have none or keep theirs.
 */
uint32_t summarize_fold(uint32_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c + 32;
    if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) ||
        (c >= 0x410 && c <= 0x42f))
        return c + 32;
    if (c >= 0x400 && c <= 0x40f)
        return c + 80;
    if (c >= 0x100 && c <= 0x137)
        return c | 1;
    return c;
}
