/* Percent-coding and query strings (RFC 3986), as S3 uses them. */
#ifndef LB_HTTP_URI_H
#define LB_HTTP_URI_H

#include "base/arena.h"
#include "base/buf.h"

/* Decodes %XX once; plus: also '+' to space (queries only). Returns 0 and a copy in the arena (or s
 * itself when there is nothing to decode); INVALID_URI for a bad escape; -ENOMEM. */
int lb_uri_decode(struct lb_arena *a, struct lb_slice s, bool plus, struct lb_slice *ret);

/* Appends s with every byte but A-Z a-z 0-9 - . _ ~ (and '/' when keep_slash) as %XX, upper case:
 * SigV4's UriEncode and S3's encoding-type=url. */
void lb_uri_encode(struct lb_buf *b, struct lb_slice s, bool keep_slash);

/* Is s well-formed UTF-8 (RFC 3629) without NUL? */
bool lb_utf8_valid(struct lb_slice s);

#define LB_QUERY_MAX 64

struct lb_query_param {
    struct lb_slice name;  /* decoded */
    struct lb_slice value; /* decoded; ptr NULL when there was no '=' */
};

struct lb_query {
    size_t n;
    struct lb_query_param params[LB_QUERY_MAX];
};

/* Splits and decodes a query string ('+' is a space). Returns 0; INVALID_URI for a bad escape or
 * too many parameters; -ENOMEM. */
int lb_query_parse(struct lb_arena *a, struct lb_slice query, struct lb_query *ret);

/* The first parameter of that name, or NULL. Names are compared with case. */
const struct lb_query_param *lb_query_find(const struct lb_query *q, struct lb_slice name);

#endif
