/* Writes and parses dates by hand: no locale, no time zone, no lock of the C library. */
#include "http/date.h"

#include <errno.h>

#include "base/civil.h"

#define NS_PER_S 1000000000

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char *const weekday_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                            "Thursday", "Friday", "Saturday"};

static int64_t floor_seconds(int64_t wall_ns) {
    return wall_ns / NS_PER_S - (wall_ns % NS_PER_S < 0);
}

static void put_time(char *to, const struct lb_civil *c) {
    lb_civil_digits(to, c->hour, 2);
    to[2] = ':';
    lb_civil_digits(to + 3, c->minute, 2);
    to[5] = ':';
    lb_civil_digits(to + 6, c->second, 2);
}

void lb_date_http(int64_t wall_ns, char *ret) {
    struct lb_civil c = lb_civil_from_seconds(floor_seconds(wall_ns));
    memcpy(ret, "Sun, 06 Nov 1994 08:49:37 GMT", LB_DATE_HTTP_LEN);
    memcpy(ret, weekday_names[c.weekday], 3);
    lb_civil_digits(ret + 5, c.day, 2);
    memcpy(ret + 8, month_names + (size_t)(c.month - 1) * 3, 3);
    lb_civil_digits(ret + 12, c.year, 4);
    put_time(ret + 17, &c);
}

void lb_date_iso(int64_t wall_ns, char *ret) {
    int64_t seconds = floor_seconds(wall_ns);
    struct lb_civil c = lb_civil_from_seconds(seconds);
    memcpy(ret, "1994-11-06T08:49:37.000Z", LB_DATE_ISO_LEN);
    lb_civil_digits(ret, c.year, 4);
    lb_civil_digits(ret + 5, c.month, 2);
    lb_civil_digits(ret + 8, c.day, 2);
    put_time(ret + 11, &c);
    lb_civil_digits(ret + 20, (wall_ns % NS_PER_S + NS_PER_S) % NS_PER_S / 1000000, 3);
}

enum field { YEAR = 1, MONTH, DAY, HOUR, MINUTE, SECOND, FIELDS };

/* Steps over one of the names of three letters. Returns its number from 1, or 0. */
static int scan_month(struct lb_slice *s) {
    for (int i = 0; i < 12; i++) {
        if (lb_slice_starts_with(*s, lb_slice(month_names + i * 3, 3))) {
            *s = lb_slice_from(*s, 3);
            return i + 1;
        }
    }
    return 0;
}

/* Steps over the name of a day: its first len letters, or (len 0) all of it. */
static bool scan_weekday(struct lb_slice *s, size_t len) {
    for (int i = 0; i < 7; i++) {
        struct lb_slice name = lb_slice_cstr(weekday_names[i]);
        if (len)
            name = lb_slice_first(name, len);
        if (lb_slice_starts_with(*s, name)) {
            *s = lb_slice_from(*s, name.len);
            return true;
        }
    }
    return false;
}

/* Steps over one byte: by the pattern's letter a digit of a field, the padding of a day, or itself.
 */
static bool scan_byte(struct lb_slice *s, char letter, int fields[FIELDS]) {
    char c = s->len ? s->ptr[0] : '\0';
    bool digit = c >= '0' && c <= '9';
    int field = letter == '_' ? DAY : letter - '0';
    if (digit && field >= YEAR && field < FIELDS)
        fields[field] = fields[field] * 10 + (c - '0');
    else if (digit || c != (letter == '_' ? ' ' : letter))
        return false;
    *s = lb_slice_from(*s, 1);
    return true;
}

/* Steps over what the pattern says: 1 to 6 a digit of that field, n the name of a month, w a short
 * and l a long name of a day, _ a digit of the day or a space; all else stands for itself. */
static bool scan(struct lb_slice *s, const char *pattern, int fields[FIELDS]) {
    bool ok = true;
    for (; ok && *pattern; pattern++) {
        if (*pattern == 'n') {
            fields[MONTH] = scan_month(s);
            ok = fields[MONTH] > 0;
        } else if (*pattern == 'w' || *pattern == 'l') {
            ok = scan_weekday(s, *pattern == 'w' ? 3 : 0);
        } else {
            ok = scan_byte(s, *pattern, fields);
        }
    }
    return ok;
}

static int to_seconds(const int fields[FIELDS], int64_t *ret) {
    const struct lb_civil c = {.year = fields[YEAR],
                               .month = fields[MONTH],
                               .day = fields[DAY],
                               .hour = fields[HOUR],
                               .minute = fields[MINUTE],
                               .second = fields[SECOND]};
    return lb_civil_to_seconds(&c, ret);
}

int lb_date_parse_http(struct lb_slice s, int64_t *ret_s) {
    static const char *const patterns[] = {
        "w, 33 n 1111 44:55:66 GMT", /* IMF-fixdate */
        "l, 33-n-11 44:55:66 GMT",   /* RFC 850 */
        "w n _3 44:55:66 1111",      /* asctime */
    };
    for (int i = 0; i < 3; i++) {
        int fields[FIELDS] = {0};
        struct lb_slice rest = s;
        if (!scan(&rest, patterns[i], fields) || rest.len)
            continue;
        if (i == 1)
            fields[YEAR] += fields[YEAR] < 70 ? 2000 : 1900;
        return to_seconds(fields, ret_s);
    }
    return -EINVAL;
}

/* Steps over 'Z' or an offset such as "+02:00"; *ret: seconds east of UTC. */
static bool scan_offset(struct lb_slice *s, int64_t *ret) {
    int fields[FIELDS] = {0};
    struct lb_slice rest = *s;
    *ret = 0;
    if (scan(s, "Z", fields))
        return true;
    bool east = lb_slice_starts_with(rest, LB_S("+"));
    if (!scan(&rest, east ? "+44:55" : "-44:55", fields) || fields[HOUR] > 23 ||
        fields[MINUTE] > 59)
        return false;
    *ret = (fields[HOUR] * 3600 + fields[MINUTE] * 60) * (east ? 1 : -1);
    *s = rest;
    return true;
}

int lb_date_parse_iso(struct lb_slice s, int64_t *ret_s) {
    int fields[FIELDS] = {0};
    int64_t offset, seconds;
    if (!scan(&s, "1111-22-33T44:55:66", fields))
        return -EINVAL;
    if (s.len && s.ptr[0] == '.') {
        size_t n = 1;
        while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
            n++;
        if (n == 1)
            return -EINVAL;
        s = lb_slice_from(s, n);
    }
    if (!scan_offset(&s, &offset) || s.len)
        return -EINVAL;
    int rc = to_seconds(fields, &seconds);
    if (rc == 0)
        *ret_s = seconds - offset;
    return rc;
}
