/* The two forms that a signature's date has. The longer one is not http/'s, which auth may not
 * include, and knows zones besides. */
#include "auth/sigv4_priv.h"

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

int auth_date_parse(struct lb_slice s, char ret_basic[AUTH_DATE_LEN + 1], int64_t *ret_s) {
    struct lb_civil d;
    int64_t seconds;
    if (lb_civil_parse_basic(s, &seconds) < 0 &&
        (!parse_imf(s, &d) || lb_civil_to_seconds(&d, &seconds) < 0))
        return -EINVAL;
    if (seconds < 0)
        return -EINVAL;
    lb_civil_basic(seconds, ret_basic);
    ret_basic[AUTH_DATE_LEN] = '\0';
    *ret_s = seconds;
    return 0;
}
