/* Figures and times as a person reads and writes them. */
#ifndef LB_CTL_FORMAT_H
#define LB_CTL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LB_FORMAT_MAX 40 /* bytes that any of these needs, with the NUL */

/* All write a NUL-terminated text to ret, which has LB_FORMAT_MAX bytes, and return ret. */

/* "0 B", "1023 B", "1.2 GiB". */
char *lb_format_bytes(uint64_t bytes, char *ret);
/* "12,345". */
char *lb_format_count(uint64_t n, char *ret);
/* A count a second: "0", "0.4", "12.5", "12,345". */
char *lb_format_rate(double per_s, char *ret);
/* Local time: "2026-11-22 10:00:00"; 0: "-". */
char *lb_format_time(int64_t seconds, char *ret);
/* "45s", "12m 5s", "3h 4m", "2d". */
char *lb_format_duration(int64_t seconds, char *ret);
/* Microseconds: "850us", "1.2ms", "3.4s"; not finite or negative: "-". */
char *lb_format_latency(double us, char *ret);

/* Parses "90s", "15m", "12h", "30d", "2w" into seconds, at most a hundred years. Returns 0 or
 * -EINVAL. */
int lb_parse_duration(const char *text, int64_t *ret);

/* Parses a moment: a duration (that long after now_s), "2027-01-31", "2027-01-31 12:00",
 * "2027-01-31T12:00:00" (local time, or UTC with a "Z" behind), or "never", which is 0. Returns 0
 * or -EINVAL. */
int lb_parse_moment(const char *text, int64_t now_s, int64_t *ret);

/* The time that a quotient q (0 to 1) of requests took at most, in microseconds, interpolated
 * within its bucket. bounds: n upper bounds, ascending; counts: n + 1, the last above all bounds.
 * Returns -1 without requests, INFINITY for a time above all bounds. */
double lb_percentile(const uint64_t *bounds, const uint64_t *counts, size_t n, double q);

#endif
