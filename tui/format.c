#include "format.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { SECOND_US = 1000000, DAY_S = 86400, CHANGE_WIDTH = 5 };

#define YEAR_9999_S INT64_C(253402300799) /* its last second */

/* -- pieces: a number is a few of them, and a printf for each would be half of a drawing --- */

static size_t put_text(char *out, const char *text)
{
    size_t size = strlen(text);
    memcpy(out, text, size + 1);
    return size;
}

/* With zeros in front up to so many digits. */
static size_t put_number(char *out, uint64_t number, size_t digits)
{
    char text[20];
    size_t size = 0;
    for (; number > 0 || size < digits; number /= 10)
        text[size++] = (char)('0' + number % 10);
    for (size_t i = 0; i < size; i++)
        out[i] = text[size - 1 - i];
    out[size] = '\0';
    return size;
}

/* "12unit34unit": two numbers, the second one of so many digits. */
static size_t put_two(char *out, uint64_t first, const char *between, uint64_t second,
                      size_t digits, const char *after)
{
    size_t size = put_number(out, first, 1);
    size += put_text(out + size, between);
    size += put_number(out + size, second, digits);
    return size + put_text(out + size, after);
}

static size_t put_one(char *out, uint64_t number, const char *after)
{
    size_t size = put_number(out, number, 1);
    return size + put_text(out + size, after);
}

/* Three digits that matter: value / unit with 2, 1 or 0 places. */
static size_t three(char *out, uint64_t value, uint64_t unit, const char *after)
{
    uint64_t whole = value / unit, rest = value % unit;
    if (whole >= 100 || unit == 1)
        return put_one(out, whole, after);
    if (whole >= 10)
        return put_two(out, whole, ".", rest * 10 / unit, 1, after);
    return put_two(out, whole, ".", rest * 100 / unit, 2, after);
}

static size_t count(char *out, uint64_t value)
{
    if (value < 1000)
        return put_one(out, value, "");
    if (value < 100000)
        return put_two(out, value / 1000, " ", value % 1000, 3, "");
    if (value < 1000000)
        return three(out, value, 1000, "k");
    if (value < UINT64_C(1000000000))
        return three(out, value, 1000000, "M");
    return three(out, value, UINT64_C(1000000000), "G");
}

static size_t rate(char *out, uint64_t milli)
{
    if (milli == 0)
        return put_text(out, "0");
    if (milli < 10000)
        return put_two(out, milli / 1000, ".", milli % 1000 / 100, 1, "");
    return count(out, milli / 1000);
}

static size_t long_span(char *out, uint64_t seconds)
{
    if (seconds < 3600)
        return put_two(out, seconds / 60, "m", seconds % 60, 2, "");
    if (seconds < 2 * DAY_S)
        return put_two(out, seconds / 3600, "h", seconds % 3600 / 60, 2, "");
    return put_one(out, seconds / DAY_S, "d");
}

static size_t span(char *out, uint64_t us)
{
    if (us < 1000)
        return put_one(out, us, "us");
    if (us < 1000000)
        return three(out, us, 1000, "ms");
    return us < 120 * UINT64_C(1000000) ? three(out, us, 1000000, "s")
                                        : long_span(out, us / 1000000);
}

static size_t age(char *out, uint64_t us)
{
    if (us < 10 * UINT64_C(1000000) && us % 1000000 != 0)
        return put_two(out, us / 1000000, ".", us % 1000000 / 100000, 1, "s");
    if (us < 120 * UINT64_C(1000000))
        return put_one(out, us / 1000000, "s");
    return long_span(out, us / 1000000);
}

static size_t bytes(char *out, uint64_t value)
{
    static const char *const units[] = {"", "K", "M", "G", "T", "P"};
    uint64_t unit = 1;
    size_t i = 0;
    while (i + 1 < aion_countof(units) && value / unit >= 1000) {
        unit *= 1024;
        i++;
    }
    return three(out, value, unit, units[i]);
}

static size_t share(char *out, uint64_t ppm)
{
    if (ppm == 0)
        return put_text(out, "0%");
    if (ppm < 1000)
        return put_text(out, "<0.1%");
    if (ppm < 100000)
        return put_two(out, ppm / 10000, ".", ppm % 10000 / 1000, 1, "%");
    return put_one(out, ppm / 10000, "%");
}

static size_t usd(char *out, uint64_t nano_per_s)
{
    uint64_t micro_per_h =
        nano_per_s > UINT64_MAX / 3600 ? UINT64_MAX / 1000 : nano_per_s * 3600 / 1000;
    return put_text(out, "$") + three(out + 1, micro_per_h, 1000000, "/h");
}

/* What clocks of this machine's zone are ahead of UTC at that time. */
static int64_t ahead_us(int64_t utc_us, bool local)
{
    time_t seconds = (time_t)(utc_us / SECOND_US);
    struct tm there;
    if (!local || seconds > YEAR_9999_S || localtime_r(&seconds, &there) == NULL)
        return 0;
    return (int64_t)there.tm_gmtoff * SECOND_US;
}

size_t tui_format_clock(char out[TUI_FORMAT_SIZE], int64_t utc_us, bool local)
{
    int64_t second = (utc_us + ahead_us(utc_us, local)) / SECOND_US % DAY_S;
    return (size_t)snprintf(out, TUI_FORMAT_SIZE, "%02d:%02d:%02d", (int)(second / 3600),
                            (int)(second / 60 % 60), (int)(second % 60));
}

size_t tui_format_date_time(char out[TUI_FORMAT_SIZE], int64_t utc_us, bool local)
{
    char text[AION_RFC3339_SIZE];
    if (aion_clock_rfc3339(text, (utc_us + ahead_us(utc_us, local)) / SECOND_US, 0) < 19)
        return (size_t)snprintf(out, TUI_FORMAT_SIZE, "-");
    text[10] = ' ';
    return (size_t)snprintf(out, TUI_FORMAT_SIZE, "%.19s", text);
}

static size_t date(char out[TUI_FORMAT_SIZE], int64_t utc_s)
{
    char text[AION_RFC3339_SIZE];
    if (aion_clock_rfc3339(text, utc_s, 0) < 10)
        return (size_t)snprintf(out, TUI_FORMAT_SIZE, "-");
    return (size_t)snprintf(out, TUI_FORMAT_SIZE, "%.10s", text);
}

size_t tui_format(char out[TUI_FORMAT_SIZE], enum tui_unit unit, int64_t number)
{
    uint64_t value = (uint64_t)number;
    if (number < 0)
        return put_text(out, "-");
    switch (unit) {
    case TUI_RATE:
        return rate(out, value);
    case TUI_US:
        return span(out, value);
    case TUI_AGE:
        return age(out, value);
    case TUI_SHARE:
        return share(out, value);
    case TUI_BYTES:
        return bytes(out, value);
    case TUI_USD:
        return usd(out, value);
    case TUI_TIME:
        return tui_format_clock(out, number, false);
    case TUI_DATE:
        return date(out, number);
    case TUI_TEXT:
    case TUI_COUNT:
    case TUI_STATE:
    case TUI_TREND:
        break;
    }
    return count(out, value);
}

/* Decimals that make a difference too wide for its column go: "29.7ms" is "29ms" there. */
static void shorten(char *text)
{
    char *point = strchr(text, '.');
    while (point != NULL && strlen(text) > CHANGE_WIDTH && point[1] >= '0' && point[1] <= '9') {
        char *last = point + 1;
        while (last[1] >= '0' && last[1] <= '9')
            last++;
        memmove(last, last + 1, strlen(last));
    }
    if (point != NULL && (point[1] < '0' || point[1] > '9'))
        memmove(point, point + 1, strlen(point));
}

size_t tui_format_change(char out[TUI_FORMAT_SIZE], enum tui_unit unit, int64_t change)
{
    char text[TUI_FORMAT_SIZE];
    if (change == 0)
        return (size_t)snprintf(out, TUI_FORMAT_SIZE, "0");
    tui_format(text, unit == TUI_TIME || unit == TUI_DATE ? TUI_COUNT : unit,
               change == INT64_MIN ? INT64_MAX
               : change < 0        ? -change
                                   : change);
    shorten(text);
    return (size_t)snprintf(out, TUI_FORMAT_SIZE, "%c%.30s", change < 0 ? '-' : '+', text);
}

/* -- times that were typed ------------------------------------------------- */

/* Two digits at *text, which is stepped over them and over `end` behind them. */
static bool two(aion_str *text, unsigned most, char end, unsigned *ret)
{
    if (text->size < 2 || text->data[0] < '0' || text->data[0] > '9' || text->data[1] < '0' ||
        text->data[1] > '9')
        return false;
    *ret = (unsigned)(text->data[0] - '0') * 10 + (unsigned)(text->data[1] - '0');
    *text = aion_str_n(text->data + 2, text->size - 2);
    if (text->size > 0) {
        if (text->data[0] != end)
            return false;
        *text = aion_str_n(text->data + 1, text->size - 1);
    }
    return *ret <= most;
}

/* By clocks that show now_us. */
static bool time_of_day(aion_str text, int64_t now_us, int64_t *ret_us)
{
    unsigned hour, minute, second = 0;
    if (text.size < 4 || !two(&text, 23, ':', &hour) || !two(&text, 59, ':', &minute))
        return false;
    if (text.size > 0 && (!two(&text, 59, 'Z', &second) || text.size > 0))
        return false;
    int64_t day = now_us / SECOND_US / DAY_S * DAY_S;
    int64_t at = day + (int64_t)hour * 3600 + (int64_t)minute * 60 + second;
    *ret_us = at * SECOND_US;
    if (*ret_us > now_us)
        *ret_us -= (int64_t)DAY_S * SECOND_US;
    return true;
}

bool tui_parse_time(aion_str text, int64_t now_us, bool local, int64_t *ret_us)
{
    int64_t seconds, ago_us, shown_us, ahead = ahead_us(now_us, local);
    int32_t nanos;
    text = aion_str_trim(text);
    if (time_of_day(text, now_us + ahead, &shown_us)) {
        *ret_us = shown_us - ahead_us(shown_us - ahead, local);
        return true;
    }
    if (aion_clock_parse(text, &seconds, &nanos) && seconds > 0) {
        *ret_us = seconds * SECOND_US;
        return true;
    }
    if (text.size > 0 && text.data[0] == '-')
        text = aion_str_n(text.data + 1, text.size - 1);
    if (!aion_str_duration(text, &ago_us) || ago_us > now_us)
        return false;
    *ret_us = (now_us - ago_us) / SECOND_US * SECOND_US;
    return true;
}
