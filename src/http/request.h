/* The head of an HTTP/1.1 request, by RFC 9112, strictly: what could be read in two ways is
 * refused. Sans I/O: a pure function of the bytes. */
#ifndef LB_HTTP_REQUEST_H
#define LB_HTTP_REQUEST_H

#include "base/slice.h"

#define LB_HTTP_HEADERS_MAX 128
#define LB_HTTP_HEAD_SIZE_MAX \
    16384 /* bytes of request line and header section; more: HEADERS_TOO_LARGE */
#define LB_HTTP_LENGTH_NONE UINT64_MAX

enum lb_http_method {
    LB_HTTP_GET,
    LB_HTTP_HEAD,
    LB_HTTP_PUT,
    LB_HTTP_POST,
    LB_HTTP_DELETE,
    LB_HTTP_OPTIONS,
    LB_HTTP_OTHER, /* a valid token that is none of these */
};

struct lb_http_header {
    struct lb_slice name;  /* as sent; compare without case */
    struct lb_slice value; /* trimmed */
};

/* All slices borrow from the bytes that were parsed. */
struct lb_http_request {
    enum lb_http_method method;
    struct lb_slice method_name;
    struct lb_slice target; /* as sent: origin form, or the path and query of an absolute form */
    struct lb_slice path;   /* undecoded, starts with '/' */
    struct lb_slice query;  /* undecoded, without the '?'; ptr NULL when there was no '?' */
    struct lb_slice
        host; /* Host, or the authority of an absolute-form target, which wins (RFC 9112, 3.2.2) */
    int minor_version;       /* 1, or 0 for HTTP/1.0 */
    bool keep_alive;         /* what version and Connection say */
    bool expect_continue;    /* the client waits for "100 Continue" before it sends a body */
    bool chunked;            /* Transfer-Encoding: chunked */
    uint64_t content_length; /* LB_HTTP_LENGTH_NONE when absent */
    size_t headers_n;
    struct lb_http_header headers[LB_HTTP_HEADERS_MAX];
};

/* Parses the head at the start of data. Returns the bytes it takes, through the empty line (> 0); 0
 * when more is needed; or an error: BAD_REQUEST, HEADERS_TOO_LARGE, HTTP_VERSION,
 * MALFORMED_TRANSFER_ENCODING, after which the connection can't be kept.
 * Refused (BAD_REQUEST): bare CR or LF, obs-fold, white space before the colon, a control character
 * in a value or target, '#' in the target, both Content-Length and Transfer-Encoding, a repeated
 * Content-Length or a list in one, a Transfer-Encoding that does not end in its only "chunked" (one
 * that has other codings before it is MALFORMED_TRANSFER_ENCODING), missing Host in HTTP/1.1, a
 * repeated or malformed Host, Transfer-Encoding in HTTP/1.0. More headers than LB_HTTP_HEADERS_MAX
 * are HEADERS_TOO_LARGE. Empty lines before the request line are skipped (at most two). "OPTIONS *"
 * has the path "/". Unless the result is > 0, *ret is undefined. */
int lb_http_request_parse(struct lb_slice data, struct lb_http_request *ret);

/* The value of the first header of that name, in any case; ptr NULL when there is none. */
struct lb_slice lb_http_request_header(const struct lb_http_request *r, struct lb_slice name);

#endif
