#include "base/civil.h"

#include <errno.h>

char *lb_civil_digits(char *to, int64_t v, int n) {
    for (int i = n - 1; i >= 0; i--, v /= 10)
        to[i] = (char)('0' + v % 10);
    return to + n;
}

int lb_civil_to_seconds(const struct lb_civil *c, int64_t *ret_s) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;
    if (c->month < 1 || c->month > 12 || c->day < 1 ||
        c->day > days[c->month - 1] + (c->month == 2 && leap))
        return -EINVAL;
    if (c->hour < 0 || c->hour > 23 || c->minute < 0 || c->minute > 59 || c->second < 0 ||
        c->second > 60)
        return -EINVAL;
    *ret_s = lb_civil_days(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->minute * 60 +
             c->second;
    return 0;
}

void lb_civil_basic(int64_t seconds, char *ret) {
    struct lb_civil c = lb_civil_from_seconds(seconds);
    char *p = lb_civil_digits(ret, c.year, 4);
    p = lb_civil_digits(p, c.month, 2);
    p = lb_civil_digits(p, c.day, 2);
    *p++ = 'T';
    p = lb_civil_digits(p, c.hour, 2);
    p = lb_civil_digits(p, c.minute, 2);
    p = lb_civil_digits(p, c.second, 2);
    *p = 'Z';
}

/* The number that the next n digits make, or -1. */
static int scan(struct lb_slice *s, size_t n) {
    int value = 0;
    for (size_t i = 0; i < n; i++) {
        if (s->ptr[i] < '0' || s->ptr[i] > '9')
            return -1;
        value = 10 * value + (s->ptr[i] - '0');
    }
    *s = lb_slice_from(*s, n);
    return value;
}

int lb_civil_parse_basic(struct lb_slice s, int64_t *ret_s) {
    struct lb_civil c;
    if (s.len != LB_CIVIL_BASIC_LEN || s.ptr[8] != 'T' || s.ptr[15] != 'Z')
        return -EINVAL;
    c.year = scan(&s, 4);
    c.month = scan(&s, 2);
    c.day = scan(&s, 2);
    s = lb_slice_from(s, 1);
    c.hour = scan(&s, 2);
    c.minute = scan(&s, 2);
    c.second = scan(&s, 2);
    return c.year < 0 || c.second > 59 ? -EINVAL : lb_civil_to_seconds(&c, ret_s);
}
