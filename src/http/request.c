/* One pass over the head from left to right. A refusal depends only on the bytes up to it, so a
 * head that arrives in pieces meets the same fate as one that arrives whole. */
#include "http/request.h"

#include "base/err.h"
#include "http/token_priv.h"

/* What a step over the bytes came to; errors are negative. */
enum { STEP_MORE = 0, STEP_OK = 1, STEP_END = 2 };

enum { SEEN_HOST = 1, SEEN_LENGTH = 2, SEEN_TE = 4, SEEN_CLOSE = 8, SEEN_KEEP_ALIVE = 16 };

struct parser {
    const char *at, *end;
    struct lb_http_request *r;
    unsigned seen;
    bool absolute;        /* the target names the host */
    struct lb_slice host; /* the Host field */
};

/* Steps over CRLF. */
static int step_crlf(struct parser *p) {
    if (p->at == p->end)
        return STEP_MORE;
    if (*p->at != '\r')
        return LB_ERR_BAD_REQUEST;
    if (p->end - p->at < 2)
        return STEP_MORE;
    if (p->at[1] != '\n')
        return LB_ERR_BAD_REQUEST;
    p->at += 2;
    return STEP_OK;
}

static enum lb_http_method method_of(struct lb_slice name) {
    static const struct {
        struct lb_slice name;
        enum lb_http_method method;
    } methods[] = {
        {{"GET", 3}, LB_HTTP_GET},       {{"PUT", 3}, LB_HTTP_PUT},
        {{"HEAD", 4}, LB_HTTP_HEAD},     {{"POST", 4}, LB_HTTP_POST},
        {{"DELETE", 6}, LB_HTTP_DELETE}, {{"OPTIONS", 7}, LB_HTTP_OPTIONS},
    };
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (lb_slice_eq(methods[i].name, name))
            return methods[i].method;
    }
    return LB_HTTP_OTHER;
}

static bool host_valid(struct lb_slice host) {
    return lb_http_all(host, LB_HTTP_HOST);
}

/* "http://authority/path?query" (RFC 9112, 3.2.2): what a client sends to a proxy. */
static int split_absolute(struct parser *p, struct lb_slice target) {
    static const struct lb_slice schemes[] = {{"http://", 7}, {"https://", 8}};
    size_t skip = 0;
    for (int i = 0; i < 2; i++) {
        if (lb_slice_eq_nocase(lb_slice_first(target, schemes[i].len), schemes[i]))
            skip = schemes[i].len;
    }
    if (skip == 0)
        return LB_ERR_BAD_REQUEST;
    struct lb_slice rest = lb_slice_from(target, skip);
    size_t n = 0;
    while (n < rest.len && rest.ptr[n] != '/' && rest.ptr[n] != '?')
        n++;
    p->r->host = lb_slice_first(rest, n);
    if (n == 0 || !host_valid(p->r->host))
        return LB_ERR_BAD_REQUEST;
    p->absolute = true;
    p->r->target = lb_slice_from(rest, n);
    return STEP_OK;
}

static int split_target(struct parser *p, struct lb_slice target) {
    struct lb_http_request *r = p->r;
    r->target = target;
    r->host = lb_slice(NULL, 0);
    if (lb_slice_eq(target, LB_S("*"))) {
        r->path = LB_S("/");
        r->query = lb_slice(NULL, 0);
        return r->method == LB_HTTP_OPTIONS ? STEP_OK : LB_ERR_BAD_REQUEST;
    }
    if (target.ptr[0] != '/') {
        int rc = split_absolute(p, target);
        if (rc < 0)
            return rc;
    }
    r->query = r->target;
    r->path = lb_slice_cut(&r->query, '?');
    if (r->path.len == 0)
        r->path = LB_S("/");
    return STEP_OK;
}

static int step_version(struct parser *p) {
    const char *v = p->at;
    if (p->end - v < 8)
        return STEP_MORE;
    if (memcmp(v, "HTTP/", 5) != 0 || v[5] < '0' || v[5] > '9' || v[6] != '.' || v[7] < '0' ||
        v[7] > '9')
        return LB_ERR_BAD_REQUEST;
    if (v[5] != '1' || v[7] > '1')
        return LB_ERR_HTTP_VERSION;
    p->r->minor_version = v[7] - '0';
    p->at += 8;
    return step_crlf(p);
}

static int step_request_line(struct parser *p) {
    const char *start = p->at;
    const char *space = lb_http_skip(start, p->end, LB_HTTP_TCHAR);
    if (space == p->end)
        return STEP_MORE;
    if (*space != ' ' || space == start)
        return LB_ERR_BAD_REQUEST;
    p->r->method_name = lb_slice(start, (size_t)(space - start));
    p->r->method = method_of(p->r->method_name);
    start = space + 1;
    space = lb_http_skip(start, p->end, LB_HTTP_TARGET);
    if (space == p->end)
        return STEP_MORE;
    if (*space != ' ' || space == start)
        return LB_ERR_BAD_REQUEST;
    int rc = split_target(p, lb_slice(start, (size_t)(space - start)));
    if (rc < 0)
        return rc;
    p->at = space + 1;
    return step_version(p);
}

static int on_content_length(struct parser *p, struct lb_slice value) {
    uint64_t n;
    if (p->seen & SEEN_LENGTH || lb_slice_to_u64(value, &n) < 0 || n > INT64_MAX)
        return LB_ERR_BAD_REQUEST;
    p->seen |= SEEN_LENGTH;
    p->r->content_length = n;
    return STEP_OK;
}

/* RFC 9112, 6.1 and 6.3: chunked comes last and once, else the length is unknowable; any other
 * coding before it is understood to be one, but not ours. */
static int on_transfer_encoding(struct parser *p, struct lb_slice value) {
    if (p->seen & SEEN_TE || p->r->minor_version == 0)
        return LB_ERR_BAD_REQUEST;
    p->seen |= SEEN_TE;
    p->r->chunked = true;
    if (lb_slice_eq_nocase(value, LB_S("chunked")))
        return STEP_OK;
    int codings = 0, chunked = 0;
    bool last = false;
    while (value.ptr) {
        struct lb_slice coding = lb_slice_trim(lb_slice_cut(&value, ','));
        if (coding.len == 0)
            return LB_ERR_BAD_REQUEST;
        last = lb_slice_eq_nocase(coding, LB_S("chunked"));
        chunked += last;
        codings++;
    }
    return last && chunked == 1 && codings > 1 ? LB_ERR_MALFORMED_TRANSFER_ENCODING
                                               : LB_ERR_BAD_REQUEST;
}

static int on_connection(struct parser *p, struct lb_slice value) {
    while (value.ptr) {
        struct lb_slice option = lb_slice_trim(lb_slice_cut(&value, ','));
        if (lb_slice_eq_nocase(option, LB_S("close")))
            p->seen |= SEEN_CLOSE;
        else if (lb_slice_eq_nocase(option, LB_S("keep-alive")))
            p->seen |= SEEN_KEEP_ALIVE;
    }
    return STEP_OK;
}

static int on_host(struct parser *p, struct lb_slice value) {
    if (p->seen & SEEN_HOST || !host_valid(value))
        return LB_ERR_BAD_REQUEST;
    p->seen |= SEEN_HOST;
    p->host = value;
    return STEP_OK;
}

static int on_expect(struct parser *p, struct lb_slice value) {
    /* RFC 9110, 10.1.1: ignored in HTTP/1.0, and an expectation that is not known may be. Clients
     * send odd ones. */
    if (p->r->minor_version == 1 && lb_slice_eq_nocase(value, LB_S("100-continue")))
        p->r->expect_continue = true;
    return STEP_OK;
}

/* Takes note of the fields that frame the message. */
static int on_header(struct parser *p, struct lb_http_header *h) {
    switch (h->name.len) {
    case 4:
        return lb_slice_eq_nocase(h->name, LB_S("host")) ? on_host(p, h->value) : STEP_OK;
    case 6:
        return lb_slice_eq_nocase(h->name, LB_S("expect")) ? on_expect(p, h->value) : STEP_OK;
    case 10:
        return lb_slice_eq_nocase(h->name, LB_S("connection")) ? on_connection(p, h->value)
                                                               : STEP_OK;
    case 14:
        return lb_slice_eq_nocase(h->name, LB_S("content-length")) ? on_content_length(p, h->value)
                                                                   : STEP_OK;
    case 17:
        return lb_slice_eq_nocase(h->name, LB_S("transfer-encoding"))
                   ? on_transfer_encoding(p, h->value)
                   : STEP_OK;
    default:
        return STEP_OK;
    }
}

/* Steps over one field line, or over the empty line (STEP_END). */
static int step_header(struct parser *p) {
    struct lb_http_request *r = p->r;
    const char *start = p->at;
    const char *colon = lb_http_skip(start, p->end, LB_HTTP_TCHAR);
    if (colon == p->end)
        return STEP_MORE;
    if (colon == start) {
        int rc = step_crlf(p);
        return rc == STEP_OK ? STEP_END : rc;
    }
    if (*colon != ':')
        return LB_ERR_BAD_REQUEST;
    p->at = lb_http_skip_text(colon + 1, p->end);
    const char *value_end = p->at;
    int rc = step_crlf(p);
    if (rc != STEP_OK)
        return rc;
    if (r->headers_n == LB_HTTP_HEADERS_MAX)
        return LB_ERR_HEADERS_TOO_LARGE;
    struct lb_http_header *h = &r->headers[r->headers_n++];
    h->name = lb_slice(start, (size_t)(colon - start));
    h->value = lb_slice_trim(lb_slice(colon + 1, (size_t)(value_end - colon - 1)));
    return on_header(p, h);
}

/* What only the whole head shows. */
static int check_head(struct parser *p) {
    struct lb_http_request *r = p->r;
    if ((p->seen & SEEN_LENGTH) && (p->seen & SEEN_TE))
        return LB_ERR_BAD_REQUEST;
    if (r->minor_version == 1 && !(p->seen & SEEN_HOST))
        return LB_ERR_BAD_REQUEST;
    if (!p->absolute)
        r->host = p->host;
    r->keep_alive =
        !(p->seen & SEEN_CLOSE) && (r->minor_version == 1 || (p->seen & SEEN_KEEP_ALIVE));
    if (!r->chunked && r->content_length == LB_HTTP_LENGTH_NONE)
        r->expect_continue = false;
    return STEP_OK;
}

static int parse(struct parser *p) {
    int rc = STEP_OK;
    for (int i = 0; i < 2 && rc == STEP_OK; i++) {
        if (p->at == p->end)
            return STEP_MORE;
        if (*p->at != '\r')
            break;
        rc = step_crlf(p);
    }
    if (rc == STEP_OK)
        rc = step_request_line(p);
    while (rc == STEP_OK)
        rc = step_header(p);
    return rc == STEP_END ? check_head(p) : rc;
}

int lb_http_request_parse(struct lb_slice data, struct lb_http_request *ret) {
    if (data.len == 0)
        return 0;
    size_t n = data.len < LB_HTTP_HEAD_SIZE_MAX ? data.len : LB_HTTP_HEAD_SIZE_MAX;
    struct parser p = {.at = data.ptr, .end = data.ptr + n, .r = ret};
    ret->expect_continue = false;
    ret->chunked = false;
    ret->content_length = LB_HTTP_LENGTH_NONE;
    ret->headers_n = 0;
    int rc = parse(&p);
    if (rc == STEP_MORE)
        return n == LB_HTTP_HEAD_SIZE_MAX ? LB_ERR_HEADERS_TOO_LARGE : 0;
    return rc < 0 ? rc : (int)(p.at - data.ptr);
}

struct lb_slice lb_http_request_header(const struct lb_http_request *r, struct lb_slice name) {
    for (size_t i = 0; i < r->headers_n; i++) {
        if (lb_slice_eq_nocase(r->headers[i].name, name))
            return r->headers[i].value;
    }
    return lb_slice(NULL, 0);
}
