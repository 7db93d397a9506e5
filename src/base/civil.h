/* The proleptic Gregorian calendar in UTC, without the C library's locks and time zones. */
#ifndef LB_BASE_CIVIL_H
#define LB_BASE_CIVIL_H

#include "base/slice.h"

#define LB_CIVIL_BASIC_LEN 16 /* "19941106T084937Z", as in x-amz-date */

struct lb_civil {
    int64_t year;
    int month;   /* 1 to 12 */
    int day;     /* 1 to 31 */
    int weekday; /* 0 is Sunday */
    int hour, minute, second;
};

/* Days since 1970-01-01 of a date (month 1 to 12; day may run past the month's end). Years are
 * counted from March, so that a leap day is the last of its year. */
static inline int64_t lb_civil_days(int64_t year, int month, int day) {
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* The calendar date and time of day of a time in seconds since 1970. */
static inline struct lb_civil lb_civil_from_seconds(int64_t seconds) {
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    int of_day = (int)(seconds - days * 86400);
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = (int)(day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
    int month_from_march = (5 * day_of_year + 2) / 153;
    int month = month_from_march + (month_from_march < 10 ? 3 : -9);
    return (struct lb_civil){
        .year = year_of_era + era * 400 + (month <= 2),
        .month = month,
        .day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
        .weekday = (int)(((days + 4) % 7 + 7) % 7),
        .hour = of_day / 3600,
        .minute = of_day / 60 % 60,
        .second = of_day % 60,
    };
}

/* Seconds since 1970 of a date and time; the weekday is not looked at, and a leap second is the
 * first second of the next minute. Returns 0, or -EINVAL when there is no such date or time. */
int lb_civil_to_seconds(const struct lb_civil *c, int64_t *ret_s);

/* Writes the last n decimal digits of v. Returns where they end. */
char *lb_civil_digits(char *to, int64_t v, int n);

/* Writes the basic form of a time, exactly LB_CIVIL_BASIC_LEN bytes and no NUL; years 0 to 9999. */
void lb_civil_basic(int64_t seconds, char *ret);

/* Reads what the former writes, and nothing else. Returns 0 or -EINVAL. */
int lb_civil_parse_basic(struct lb_slice s, int64_t *ret_s);

#endif
