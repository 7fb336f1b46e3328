#include "base/str.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool aion_str_caseeq(aion_str a, aion_str b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

int aion_str_cmp(aion_str a, aion_str b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    if (order != 0)
        return order;
    return (a.size > b.size) - (a.size < b.size);
}

bool aion_str_starts(aion_str s, aion_str prefix)
{
    return s.size >= prefix.size && aion_str_eq(aion_str_n(s.data, prefix.size), prefix);
}

bool aion_str_ends(aion_str s, aion_str suffix)
{
    return s.size >= suffix.size &&
           aion_str_eq(aion_str_n(s.data + (s.size - suffix.size), suffix.size), suffix);
}

size_t aion_str_index(aion_str s, char c)
{
    const char *at = s.size > 0 ? memchr(s.data, c, s.size) : NULL;
    return at != NULL ? (size_t)(at - s.data) : SIZE_MAX;
}

aion_str aion_str_trim(aion_str s)
{
    while (s.size > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = aion_str_n(s.data + 1, s.size - 1);
    while (s.size > 0 && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t'))
        s.size--;
    return s;
}

aion_str aion_str_cut(aion_str *rest, char sep)
{
    aion_str part = *rest;
    size_t at = aion_str_index(part, sep);
    if (at == SIZE_MAX) {
        *rest = (aion_str){0};
        return part;
    }
    *rest = aion_str_n(part.data + at + 1, part.size - at - 1);
    part.size = at;
    return part;
}

bool aion_str_u64(aion_str s, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (s.size == 0)
        return false;
    for (size_t i = 0; i < s.size; i++) {
        unsigned digit = (unsigned)(s.data[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *ret_value = value;
    return true;
}

bool aion_str_i64(aion_str s, int64_t *ret_value)
{
    bool negative = s.size > 0 && s.data[0] == '-';
    uint64_t magnitude;
    if (!aion_str_u64(negative ? aion_str_n(s.data + 1, s.size - 1) : s, &magnitude))
        return false;
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *ret_value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* Digits and one of the units; the product must fit in int64_t. */
static bool with_unit(aion_str s, const struct unit *units, size_t count, uint64_t *ret_value)
{
    size_t digits = 0;
    while (digits < s.size && s.data[digits] >= '0' && s.data[digits] <= '9')
        digits++;
    uint64_t value;
    if (!aion_str_u64(aion_str_n(s.data, digits), &value))
        return false;
    aion_str unit = aion_str_n(s.data + digits, s.size - digits);
    for (size_t i = 0; i < count; i++) {
        if (!aion_str_is(unit, units[i].name))
            continue;
        if (__builtin_mul_overflow(value, units[i].factor, &value) || value > INT64_MAX)
            return false;
        *ret_value = value;
        return true;
    }
    return false;
}

bool aion_str_duration(aion_str s, int64_t *ret_us)
{
    static const struct unit units[] = {
        {"us", 1},       {"ms", 1000},      {"s", 1000000},
        {"m", 60000000}, {"h", 3600000000}, {"d", 86400000000},
    };
    uint64_t value;
    if (!with_unit(s, units, aion_countof(units), &value))
        return false;
    *ret_us = (int64_t)value;
    return true;
}

bool aion_str_bytes(aion_str s, uint64_t *ret_bytes)
{
    static const struct unit units[] = {
        {"", 1}, {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
    };
    return with_unit(s, units, aion_countof(units), ret_bytes);
}

bool aion_str_copy(char *out, size_t size, aion_str s)
{
    size_t kept = s.size < size ? s.size : size - 1;
    if (kept > 0)
        memcpy(out, s.data, kept);
    out[kept] = '\0';
    return kept == s.size;
}

/* The length of the UTF-8 sequence at p (RFC 3629, table 3-7 of Unicode), 0 = invalid. */
static size_t sequence(const uint8_t *p, size_t left)
{
    uint8_t c = p[0];
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    size_t need = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (left < need)
        return 0;
    uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return need;
}

bool aion_utf8_valid(const void *data, size_t size)
{
    const uint8_t *p = data, *end = p + size;
    while (p < end) {
        /* eight ASCII bytes at a time */
        while (end - p >= 8) {
            uint64_t word;
            memcpy(&word, p, 8);
            if ((word & 0x8080808080808080u) != 0)
                break;
            p += 8;
        }
        if (p == end)
            break;
        size_t step = sequence(p, (size_t)(end - p));
        if (step == 0)
            return false;
        p += step;
    }
    return true;
}

uint32_t aion_utf8_next(aion_str s, size_t *pos)
{
    const uint8_t *p = (const uint8_t *)s.data + *pos;
    size_t step = sequence(p, s.size - *pos);
    if (step == 0) {
        (*pos)++;
        return 0xfffd;
    }
    *pos += step;
    if (step == 1)
        return p[0];
    uint32_t c = p[0] & (0x7fu >> step);
    for (size_t i = 1; i < step; i++)
        c = c << 6 | (p[i] & 0x3fu);
    return c;
}

bool aion_str_secret_eq(aion_str a, aion_str b)
{
    if (a.size != b.size)
        return false;
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < a.size; i++)
        difference = (uint8_t)(difference | (uint8_t)(a.data[i] ^ b.data[i]));
    return difference == 0;
}

size_t aion_str_distance(aion_str a, aion_str b)
{
    enum { MAX = 64 };
    size_t row[MAX + 1];
    if (a.size > MAX || b.size > MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t best = diagonal + (a.data[i - 1] != b.data[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.size];
}
