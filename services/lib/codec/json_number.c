/* Numbers of JSON: the grammar, exact integers, correctly rounded doubles, shortest texts.
 * Nothing here looks at the process's locale. */
#include "codec/json_private.h"

#include <assert.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

enum {
    EXPONENT_MAX = 1000000, /* beyond, every double is 0 or infinite */
    TEXT_SMALL = 128,
};

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* -- taking apart -------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits met so far; places are counted from the first one, zeros at either end included. */
struct digits {
    uint64_t value;
    bool overflow;
    int32_t places,
        last; /* places: met; last: of the last digit that is not 0, from 1; 0 = none */
};

static void add_digit(struct digits *digits, unsigned digit)
{
    for (int32_t i = digits->value != 0 ? digits->last : digits->places - 1;
         i < digits->places && !digits->overflow; i++)
        digits->overflow = __builtin_mul_overflow(digits->value, 10, &digits->value);
    digits->overflow =
        digits->overflow || __builtin_add_overflow(digits->value, digit, &digits->value);
    digits->last = digits->places;
}

static const char *take_digits(const char *at, const char *end, struct digits *digits)
{
    for (; at < end && is_digit(*at); at++) {
        digits->places += digits->places < INT32_MAX;
        if (*at != '0')
            add_digit(digits, (unsigned)(*at - '0'));
    }
    return at;
}

static const char *take_exponent(const char *at, const char *end, int32_t *ret_exponent)
{
    bool negative = at < end && *at == '-';
    int32_t exponent = 0;
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end || !is_digit(*at))
        return NULL;
    for (; at < end && is_digit(*at); at++)
        if (exponent < EXPONENT_MAX)
            exponent = exponent * 10 + (*at - '0');
    *ret_exponent = negative ? -exponent : exponent;
    return at;
}

bool codec_json_number_scan(const char *begin, const char *end, struct json_number *ret)
{
    struct digits digits = {0};
    int32_t exponent = 0;
    const char *at = begin;
    ret->negative = at < end && *at == '-';
    at += ret->negative;
    if (at == end || !is_digit(*at) || (*at == '0' && end - at > 1 && is_digit(at[1])))
        return false;
    at = take_digits(at, end, &digits);
    int32_t whole = digits.places;
    if (at < end && *at == '.') {
        if (++at == end || !is_digit(*at))
            return false;
        at = take_digits(at, end, &digits);
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at = take_exponent(at + 1, end, &exponent);
        if (at == NULL)
            return false;
    }
    ret->text = aion_str_n(begin, (size_t)(at - begin));
    ret->digits = digits.value;
    ret->exponent = digits.last == 0 ? 0 : whole - digits.last + exponent;
    ret->exact = !digits.overflow;
    return true;
}

bool codec_json_number_take(struct json_reader *reader, struct json_number *ret)
{
    int c = json_peek(reader);
    if (c != '-' && (c < '0' || c > '9'))
        return codec_json_expected(reader, "a value");
    if (!codec_json_number_scan(reader->at, reader->end, ret))
        return codec_json_refuse(reader, AION_INVALID, "a malformed number");
    reader->at += ret->text.size;
    return true;
}

/* -- integers ------------------------------------------------------------------------------ */

bool codec_json_number_u64(const struct json_number *number, uint64_t most, uint64_t *ret)
{
    uint64_t value = number->digits;
    if (!number->exact || number->exponent < 0 || (value != 0 && number->exponent > 20))
        return false;
    for (int32_t i = 0; i < number->exponent; i++)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    if (value > most || (number->negative && value != 0))
        return false;
    *ret = value;
    return true;
}

bool codec_json_number_i64(const struct json_number *number, int64_t least, int64_t most,
                           int64_t *ret)
{
    struct json_number positive = *number;
    positive.negative = false;
    uint64_t value, bound = number->negative ? 0 - (uint64_t)least : (uint64_t)most;
    if (!codec_json_number_u64(&positive, bound, &value))
        return false;
    *ret = (int64_t)(number->negative ? 0 - value : value);
    return true;
}

/* -- floating point ------------------------------------------------------------------------ */

/* The "C" locale is static in the C library: made without memory and never freed. */
static locale_t c_locale(void)
{
    locale_t locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    assert(locale != (locale_t)0);
    return locale;
}

/* The number's text with a NUL, in `small` or on the heap. */
static char *text_of(const struct json_number *number, char small[TEXT_SMALL])
{
    char *text = number->text.size < TEXT_SMALL ? small : malloc(number->text.size + 1);
    if (text != NULL) {
        memcpy(text, number->text.data, number->text.size);
        text[number->text.size] = '\0';
    }
    return text;
}

bool codec_json_number_double(const struct json_number *number, double *ret)
{
    /* Both operands are exact doubles, so one operation rounds correctly (Clinger 1990). */
    if (number->exact && number->digits <= UINT64_C(1) << 53 && number->exponent >= -22 &&
        number->exponent <= 22) {
        double value = (double)number->digits;
        value = number->exponent < 0 ? value / powers[-number->exponent]
                                     : value * powers[number->exponent];
        *ret = number->negative ? -value : value;
        return true;
    }
    char small[TEXT_SMALL];
    char *text = text_of(number, small);
    if (text == NULL)
        return false;
    *ret = strtod_l(text, NULL, c_locale());
    if (text != small)
        free(text);
    return isfinite(*ret);
}

bool codec_json_number_float(const struct json_number *number, float *ret)
{
    if (number->exact && number->digits <= 1 << 24 && number->exponent >= -10 &&
        number->exponent <= 10) {
        float value = (float)number->digits;
        value = number->exponent < 0 ? value / (float)powers[-number->exponent]
                                     : value * (float)powers[number->exponent];
        *ret = number->negative ? -value : value;
        return true;
    }
    char small[TEXT_SMALL];
    char *text = text_of(number, small);
    if (text == NULL)
        return false;
    *ret = strtof_l(text, NULL, c_locale());
    if (text != small)
        free(text);
    return isfinite(*ret);
}

/* -- printing ------------------------------------------------------------------------------ */

size_t codec_json_print_u64(char *out, uint64_t value)
{
    static const char pairs[] = "0001020304050607080910111213141516171819"
                                "2021222324252627282930313233343536373839"
                                "4041424344454647484950515253545556575859"
                                "6061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    char digits[20];
    size_t at = sizeof(digits);
    for (; value >= 100; value /= 100) {
        at -= 2;
        memcpy(digits + at, pairs + 2 * (value % 100), 2);
    }
    if (value >= 10) {
        at -= 2;
        memcpy(digits + at, pairs + 2 * value, 2);
    } else {
        digits[--at] = (char)('0' + value);
    }
    memcpy(out, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}

/* `digits` with `places` of them behind the point. */
static size_t print_fixed(char *out, uint64_t digits, unsigned places)
{
    char text[20];
    size_t size = codec_json_print_u64(text, digits), used = 0;
    if (size <= places) {
        out[used++] = '0';
        out[used++] = '.';
        for (size_t i = size; i < places; i++)
            out[used++] = '0';
        memcpy(out + used, text, size);
        return used + size;
    }
    memcpy(out, text, size - places);
    used = size - places;
    out[used++] = '.';
    memcpy(out + used, text + size - places, places);
    return used + places;
}

/* What snprintf of this thread writes in the "C" locale, whatever the thread's own is. */
static size_t print_digits(char out[JSON_NUMBER_MAX], int precision, double value)
{
    locale_t before = uselocale(c_locale());
    int size = snprintf(out, JSON_NUMBER_MAX, "%.*g", precision, value);
    uselocale(before);
    return (size_t)size;
}

/* Most doubles people write are integers or have a few decimals: m / 10^k with both exact is
 * what a reader computes, so the first k that gives the value back is the shortest. 0 = not one
 * of these. */
static size_t print_simple(char *out, double value)
{
    if (value >= 0x1p53 || value < 1e-5)
        return value == 0 ? codec_json_print_u64(out, 0) : 0;
    uint64_t whole = (uint64_t)value;
    if ((double)whole == value)
        return codec_json_print_u64(out, whole);
    for (unsigned places = 1; places <= 17; places++) {
        double scaled = value * powers[places];
        if (scaled >= 0x1p53)
            return 0;
        uint64_t digits = (uint64_t)(scaled + 0.5);
        if ((double)digits / powers[places] == value)
            return print_fixed(out, digits, places);
    }
    return 0;
}

size_t codec_json_print_double(char out[JSON_NUMBER_MAX], double value)
{
    size_t sign = signbit(value) ? 1 : 0;
    out[0] = '-';
    size_t size = print_simple(out + sign, fabs(value));
    if (size > 0)
        return sign + size;
    for (int precision = 15; precision < 17; precision++) {
        size = print_digits(out, precision, value);
        if (strtod_l(out, NULL, c_locale()) == value)
            return size;
    }
    return print_digits(out, 17, value);
}

static size_t print_simple_float(char *out, float value)
{
    if (value >= 0x1p24F || value < 1e-5F)
        return value == 0 ? codec_json_print_u64(out, 0) : 0;
    uint64_t whole = (uint64_t)value;
    if ((float)whole == value)
        return codec_json_print_u64(out, whole);
    for (unsigned places = 1; places <= 10; places++) {
        double scaled = (double)value * powers[places];
        if (scaled >= 0x1p24)
            return 0;
        uint64_t digits = (uint64_t)(scaled + 0.5);
        if ((float)digits / (float)powers[places] == value)
            return print_fixed(out, digits, places);
    }
    return 0;
}

size_t codec_json_print_float(char out[JSON_NUMBER_MAX], float value)
{
    size_t sign = signbit(value) ? 1 : 0;
    out[0] = '-';
    size_t size = print_simple_float(out + sign, fabsf(value));
    if (size > 0)
        return sign + size;
    for (int precision = 6; precision < 9; precision++) {
        size = print_digits(out, precision, (double)value);
        if (strtof_l(out, NULL, c_locale()) == value)
            return size;
    }
    return print_digits(out, 9, (double)value);
}
