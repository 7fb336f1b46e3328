#include "cli_money.h"

#include <inttypes.h>
#include <stdio.h>

enum { NANO = 1000000000, DIGITS = 9 };

static bool take_digits(aion_str text, uint64_t *ret)
{
    return text.size > 0 && aion_str_u64(text, ret) && *ret <= INT64_MAX;
}

/* "5" behind the point is 500,000,000 nano-dollars. */
static bool take_fraction(aion_str text, uint64_t *ret)
{
    if (text.size > DIGITS || !take_digits(text, ret))
        return false;
    for (size_t i = text.size; i < DIGITS; i++)
        *ret *= 10;
    return true;
}

bool cli_money_parse(aion_str text, int64_t *ret_nano)
{
    const aion_str suffix = AION_STR("nano");
    uint64_t whole = 0, fraction = 0;
    if (aion_str_ends(text, suffix)) {
        if (!take_digits(aion_str_n(text.data, text.size - suffix.size), &whole))
            return false;
        *ret_nano = (int64_t)whole;
        return true;
    }
    if (text.size > 0 && text.data[0] == '$')
        text = aion_str_n(text.data + 1, text.size - 1);
    aion_str rest = text, dollars = aion_str_cut(&rest, '.');
    if (!take_digits(dollars, &whole) || (rest.data != NULL && !take_fraction(rest, &fraction)))
        return false;
    if (whole > INT64_MAX / NANO || whole * NANO > INT64_MAX - fraction)
        return false;
    *ret_nano = (int64_t)(whole * NANO + fraction);
    return true;
}

const char *cli_money_text(char out[CLI_MONEY_SIZE], int64_t nano)
{
    uint64_t size = nano < 0 ? 0 - (uint64_t)nano : (uint64_t)nano;
    snprintf(out, CLI_MONEY_SIZE, "%s%" PRIu64 ".%09" PRIu64, nano < 0 ? "-" : "", size / NANO,
             size % NANO);
    return out;
}
