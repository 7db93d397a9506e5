#include "ctl/format.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/civil.h"
#include "base/slice.h"

#define MINUTE INT64_C(60)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define DURATION_MAX_S (36525 * DAY)

char *lb_format_bytes(uint64_t bytes, char *ret) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    int unit = -1;
    /* 1023.95 of a unit would be printed as 1024.0. */
    while (value >= (unit < 0 ? 1024 : 1023.95) && unit < 5) {
        value /= 1024;
        unit++;
    }
    if (unit < 0)
        snprintf(ret, LB_FORMAT_MAX, "%" PRIu64 " B", bytes);
    else
        snprintf(ret, LB_FORMAT_MAX, "%.1f %s", value, units[unit]);
    return ret;
}

char *lb_format_count(uint64_t n, char *ret) {
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
    char *to = ret;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return ret;
}

char *lb_format_rate(double per_s, char *ret) {
    if (per_s >= 99.95)
        return lb_format_count((uint64_t)(per_s + 0.5), ret);
    snprintf(ret, LB_FORMAT_MAX, per_s > 0 ? "%.1f" : "0", per_s);
    return ret;
}

char *lb_format_time(int64_t seconds, char *ret) {
    time_t t = (time_t)seconds;
    struct tm local;
    if (seconds == 0 || !localtime_r(&t, &local) ||
        strftime(ret, LB_FORMAT_MAX, "%Y-%m-%d %H:%M:%S", &local) == 0)
        snprintf(ret, LB_FORMAT_MAX, "-");
    return ret;
}

char *lb_format_duration(int64_t s, char *ret) {
    static const struct {
        int64_t seconds, below; /* of the unit, and of the one below it */
        char letter, below_letter;
    } units[] = {{DAY, HOUR, 'd', 'h'}, {HOUR, MINUTE, 'h', 'm'}, {MINUTE, 1, 'm', 's'}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (s < units[i].seconds)
            continue;
        int64_t rest = s % units[i].seconds / units[i].below;
        int n =
            snprintf(ret, LB_FORMAT_MAX, "%" PRId64 "%c", s / units[i].seconds, units[i].letter);
        if (rest > 0)
            snprintf(ret + n, (size_t)(LB_FORMAT_MAX - n), " %" PRId64 "%c", rest,
                     units[i].below_letter);
        return ret;
    }
    snprintf(ret, LB_FORMAT_MAX, "%" PRId64 "s", s > 0 ? s : 0);
    return ret;
}

char *lb_format_latency(double us, char *ret) {
    if (!isfinite(us) || us < 0)
        snprintf(ret, LB_FORMAT_MAX, "-");
    else if (us < 999.5)
        snprintf(ret, LB_FORMAT_MAX, "%.0fus", us);
    else if (us < 999950)
        snprintf(ret, LB_FORMAT_MAX, "%.1fms", us / 1e3);
    else
        snprintf(ret, LB_FORMAT_MAX, "%.1fs", us / 1e6);
    return ret;
}

int lb_parse_duration(const char *text, int64_t *ret) {
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', MINUTE}, {'h', HOUR}, {'d', DAY}, {'w', 7 * DAY}};
    struct lb_slice digits = lb_slice_cstr(text);
    if (digits.len == 0)
        return -EINVAL;
    char letter = digits.ptr[--digits.len];
    uint64_t n;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (letter != units[i].letter)
            continue;
        if (lb_slice_to_u64(digits, &n) < 0 || n > (uint64_t)(DURATION_MAX_S / units[i].seconds))
            return -EINVAL;
        *ret = (int64_t)n * units[i].seconds;
        return 0;
    }
    return -EINVAL;
}

/* Reads exactly n digits at *text, and steps behind them. */
static bool take_number(const char **text, int n, int min, int max, int *ret) {
    int value = 0;
    for (int i = 0; i < n; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        value = value * 10 + (**text - '0');
    }
    *ret = value;
    return value >= min && value <= max;
}

static bool take_char(const char **text, const char *any_of) {
    if (**text == '\0' || !strchr(any_of, **text))
        return false;
    (*text)++;
    return true;
}

static bool parse_civil(const char *text, struct tm *t, bool *utc) {
    bool date = take_number(&text, 4, 1970, 9999, &t->tm_year) && take_char(&text, "-") &&
                take_number(&text, 2, 1, 12, &t->tm_mon) && take_char(&text, "-") &&
                take_number(&text, 2, 1, 31, &t->tm_mday);
    if (!date)
        return false;
    if (take_char(&text, "T ")) {
        if (!take_number(&text, 2, 0, 23, &t->tm_hour) || !take_char(&text, ":") ||
            !take_number(&text, 2, 0, 59, &t->tm_min))
            return false;
        if (take_char(&text, ":") && !take_number(&text, 2, 0, 60, &t->tm_sec))
            return false;
    }
    *utc = take_char(&text, "Z");
    /* The day must be one of its month: the same date must come back. */
    int64_t days = lb_civil_days(t->tm_year, t->tm_mon, t->tm_mday);
    return *text == '\0' && lb_civil_from_seconds(days * DAY).day == t->tm_mday;
}

int lb_parse_moment(const char *text, int64_t now_s, int64_t *ret) {
    int64_t after;
    struct tm t = {.tm_isdst = -1};
    bool utc = false;
    if (strcmp(text, "never") == 0) {
        *ret = 0;
        return 0;
    }
    if (lb_parse_duration(text, &after) == 0) {
        *ret = now_s + after;
        return 0;
    }
    if (!parse_civil(text, &t, &utc))
        return -EINVAL;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    time_t moment = utc ? timegm(&t) : mktime(&t);
    if (moment <= 0)
        return -EINVAL;
    *ret = moment;
    return 0;
}

double lb_percentile(const uint64_t *bounds, const uint64_t *counts, size_t n, double q) {
    double total = 0, below = 0;
    for (size_t i = 0; i <= n; i++)
        total += (double)counts[i];
    if (total == 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        double here = (double)counts[i];
        if (here > 0 && below + here >= q * total) {
            double from = i > 0 ? (double)bounds[i - 1] : 0;
            return from + ((double)bounds[i] - from) * (q * total - below) / here;
        }
        below += here;
    }
    return INFINITY;
}
