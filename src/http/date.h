/* The date formats of HTTP and S3; SigV4's is in base/civil.h. Pure functions: time is an argument.
 * UTC throughout. */
#ifndef LB_HTTP_DATE_H
#define LB_HTTP_DATE_H

#include "base/slice.h"

#define LB_DATE_HTTP_LEN 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7) */
#define LB_DATE_ISO_LEN 24  /* "1994-11-06T08:49:37.000Z", as in S3's XML */

/* Each writes exactly its length and no NUL. wall_ns: nanoseconds since 1970. */
void lb_date_http(int64_t wall_ns, char *ret);
void lb_date_iso(int64_t wall_ns, char *ret);

/* Parse to seconds since 1970. -EINVAL when malformed or no real date. http: IMF-fixdate, RFC 850
 * and asctime forms, as a recipient must; two-digit years below 70 are of this century. The name of
 * the day is not compared with the date. */
int lb_date_parse_http(struct lb_slice s, int64_t *ret_s);
/* ISO 8601 with optional fraction and 'Z' or numeric offset. */
int lb_date_parse_iso(struct lb_slice s, int64_t *ret_s);

#endif
