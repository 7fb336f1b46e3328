#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t aion_clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t aion_clock_boot_us(void)
{
    return read_us(CLOCK_BOOTTIME);
}

int64_t aion_clock_utc_us(void)
{
    return read_us(CLOCK_REALTIME);
}

int64_t aion_clock_thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

enum { DAY_S = 86400 };

/* Days since 1970-01-01 of a proleptic Gregorian date (Hinnant, "days from civil"). */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year_of = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of + year_of / 4 - year_of / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    *day = of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = year_of + era * 400 + (*month <= 2);
}

/* `count` digits, then `mark`. By hand: each log line has a time, and printf would be a third
 * of its cost. */
static char *number(char *at, int64_t value, int count, char mark)
{
    for (int i = count; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    at[count] = mark;
    return at + count + 1;
}

size_t aion_clock_rfc3339(char out[AION_RFC3339_SIZE], int64_t seconds, int32_t nanos)
{
    int64_t days = (seconds >= 0 ? seconds : seconds - (DAY_S - 1)) / DAY_S;
    int64_t rest = seconds - days * DAY_S;
    int64_t year, month, day;
    date_of(days, &year, &month, &day);
    if (year < 1 || year > 9999 || nanos < 0 || nanos > 999999999)
        return 0;
    char *at = number(out, year, 4, '-');
    at = number(at, month, 2, '-');
    at = number(at, day, 2, 'T');
    at = number(at, rest / 3600, 2, ':');
    at = number(at, rest / 60 % 60, 2, ':');
    at = number(at, rest % 60, 2, nanos != 0 ? '.' : 'Z');
    if (nanos != 0 && nanos % 1000000 == 0)
        at = number(at, nanos / 1000000, 3, 'Z');
    else if (nanos != 0 && nanos % 1000 == 0)
        at = number(at, nanos / 1000, 6, 'Z');
    else if (nanos != 0)
        at = number(at, nanos, 9, 'Z');
    *at = '\0';
    return (size_t)(at - out);
}

/* `count` digits at *pos, then `mark` (0 = none). */
static bool digits(aion_str text, size_t *pos, int count, char mark, int64_t *ret_value)
{
    int64_t value = 0;
    for (int i = 0; i < count; i++, (*pos)++) {
        if (*pos >= text.size || text.data[*pos] < '0' || text.data[*pos] > '9')
            return false;
        value = value * 10 + (text.data[*pos] - '0');
    }
    *ret_value = value;
    return mark == 0 || (*pos < text.size && text.data[(*pos)++] == mark);
}

static bool fraction(aion_str text, size_t *pos, int32_t *ret_nanos)
{
    *ret_nanos = 0;
    if (*pos >= text.size || text.data[*pos] != '.')
        return true;
    int32_t scale = 100000000;
    size_t first = ++*pos;
    for (; *pos < text.size && text.data[*pos] >= '0' && text.data[*pos] <= '9'; (*pos)++) {
        if (scale == 0)
            return false;
        *ret_nanos += (text.data[*pos] - '0') * scale;
        scale /= 10;
    }
    return *pos > first;
}

static bool offset(aion_str text, size_t pos, int64_t *ret_seconds)
{
    *ret_seconds = 0;
    if (pos + 1 == text.size && text.data[pos] == 'Z')
        return true;
    if (pos + 6 != text.size || (text.data[pos] != '+' && text.data[pos] != '-'))
        return false;
    int64_t sign = text.data[pos++] == '-' ? -1 : 1;
    int64_t hours, minutes;
    if (!digits(text, &pos, 2, ':', &hours) || !digits(text, &pos, 2, 0, &minutes))
        return false;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return hours < 24 && minutes < 60;
}

static bool date_valid(int64_t year, int64_t month, int64_t day)
{
    static const char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= lengths[month - 1] + (month == 2 && leap);
}

bool aion_clock_parse(aion_str text, int64_t *ret_seconds, int32_t *ret_nanos)
{
    size_t pos = 0;
    int64_t year, month, day, hour, minute, second, shift;
    int32_t nanos;
    if (!digits(text, &pos, 4, '-', &year) || !digits(text, &pos, 2, '-', &month) ||
        !digits(text, &pos, 2, 'T', &day) || !digits(text, &pos, 2, ':', &hour) ||
        !digits(text, &pos, 2, ':', &minute) || !digits(text, &pos, 2, 0, &second) ||
        !fraction(text, &pos, &nanos) || !offset(text, pos, &shift))
        return false;
    if (!date_valid(year, month, day) || hour > 23 || minute > 59 || second > 59)
        return false;
    *ret_seconds =
        days_of(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - shift;
    *ret_nanos = nanos;
    return true;
}
