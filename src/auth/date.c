/* The two forms that a signature's date has. Here and not in http/, which auth may not include. */
#include "auth/sigv4_priv.h"
#include "base/civil.h"

#include <errno.h>

/* The number that the n digits at offset `at` make, or -1. */
static int digits(struct lb_slice s, size_t at, size_t n) {
    int value = 0;
    for (size_t i = at; i < at + n; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return -1;
        value = 10 * value + (s.ptr[i] - '0');
    }
    return value;
}

static bool parse_basic(struct lb_slice s, struct lb_civil *ret) {
    if (s.len != AUTH_DATE_LEN || s.ptr[8] != 'T' || s.ptr[15] != 'Z')
        return false;
    ret->year = digits(s, 0, 4);
    ret->month = digits(s, 4, 2);
    ret->day = digits(s, 6, 2);
    ret->hour = digits(s, 9, 2);
    ret->minute = digits(s, 11, 2);
    ret->second = digits(s, 13, 2);
    return true;
}

/* "Fri, 24 May 2013 00:00:00 GMT" (RFC 9110, 5.6.7), or with the zone as botocore writes it:
 * "-0000". The day's name is not looked at. */
static bool parse_imf(struct lb_slice s, struct lb_civil *ret) {
    static const char form[] = "---, -- --- ---- --:--:-- ";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct lb_slice zone = lb_slice_from(s, sizeof(form) - 1);
    if (!lb_slice_eq(zone, LB_S("GMT")) && !lb_slice_eq(zone, LB_S("-0000")) &&
        !lb_slice_eq(zone, LB_S("+0000")))
        return false;
    for (size_t i = 0; i < sizeof(form) - 1; i++)
        if (form[i] != '-' && form[i] != s.ptr[i])
            return false;
    ret->month = 0;
    for (int i = 0; i < 12; i++)
        if (memcmp(s.ptr + 8, months + 3 * i, 3) == 0)
            ret->month = i + 1;
    ret->year = digits(s, 12, 4);
    ret->day = digits(s, 5, 2);
    ret->hour = digits(s, 17, 2);
    ret->minute = digits(s, 20, 2);
    ret->second = digits(s, 23, 2);
    return true;
}

/* Seconds since 1970 of a date of the calendar, or -1. */
static int64_t seconds_of(const struct lb_civil *d) {
    if (d->year < 1970 || d->month < 1 || d->month > 12 || d->day < 1 || d->hour < 0 ||
        d->minute < 0 || d->second < 0)
        return -1;
    int64_t days = lb_civil_days(d->year, d->month, d->day);
    int64_t seconds = ((days * 24 + d->hour) * 60 + d->minute) * 60 + d->second;
    struct lb_civil back = lb_civil_from_seconds(seconds);
    bool real = back.month == d->month && back.day == d->day && back.hour == d->hour &&
                back.minute == d->minute && back.second == d->second;
    return real ? seconds : -1;
}

static char *put_digits(char *p, int64_t value, int n) {
    for (int i = n - 1; i >= 0; i--, value /= 10)
        p[i] = (char)('0' + value % 10);
    return p + n;
}

int auth_date_parse(struct lb_slice s, char ret_basic[AUTH_DATE_LEN + 1], int64_t *ret_s) {
    struct lb_civil d;
    if (!parse_basic(s, &d) && !parse_imf(s, &d))
        return -EINVAL;
    int64_t seconds = seconds_of(&d);
    if (seconds < 0)
        return -EINVAL;
    char *p = put_digits(ret_basic, d.year, 4);
    p = put_digits(p, d.month, 2);
    p = put_digits(p, d.day, 2);
    *p++ = 'T';
    p = put_digits(p, d.hour, 2);
    p = put_digits(p, d.minute, 2);
    p = put_digits(p, d.second, 2);
    *p++ = 'Z';
    *p = 0;
    *ret_s = seconds;
    return 0;
}
