/* A request head: whatever is accepted is unambiguous, and a prefix never says otherwise. */
#include <assert.h>
#include <stdlib.h>

#include "http/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct lb_slice s, const char *start, size_t n) {
    return s.len == 0 || (s.ptr >= start && s.ptr + s.len <= start + n);
}

static void check(const struct lb_http_request *r, const char *start, size_t n) {
    size_t lengths = 0, codings = 0;
    assert(r->headers_n <= LB_HTTP_HEADERS_MAX && r->path.ptr[0] == '/');
    assert(inside(r->target, start, n) && inside(r->query, start, n) && inside(r->host, start, n));
    for (size_t i = 0; i < r->headers_n; i++) {
        const struct lb_http_header *h = &r->headers[i];
        assert(h->name.len > 0 && inside(h->name, start, n) && inside(h->value, start, n));
        assert(lb_slice_find(h->name, ' ') < 0 && lb_slice_find(h->value, '\n') < 0);
        assert(lb_slice_find(h->value, '\r') < 0 && lb_slice_find(h->value, '\0') < 0);
        lengths += lb_slice_eq_nocase(h->name, LB_S("content-length"));
        codings += lb_slice_eq_nocase(h->name, LB_S("transfer-encoding"));
    }
    assert(lengths + codings <= 1 && r->chunked == (codings == 1));
    assert((r->content_length != LB_HTTP_LENGTH_NONE) == (lengths == 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct lb_http_request whole, part;
    if (size == 0)
        return 0;
    int rc = lb_http_request_parse(lb_slice(data, size), &whole);
    assert(rc <= (int)size);
    if (rc > 0)
        check(&whole, (const char *)data, (size_t)rc);
    /* A prefix, whose length the input itself chooses, on memory of its own. */
    size_t n = (size_t)(data[0] * 257u + data[size - 1]) % size;
    char *copy = malloc(n + 1);
    memcpy(copy, data, n);
    int first = lb_http_request_parse(lb_slice(copy, n), &part);
    if (rc > 0)
        assert(first == ((size_t)rc <= n ? rc : 0));
    else
        assert(first == 0 || first == rc);
    free(copy);
    return 0;
}
