/* Percent-coding, UTF-8 validation and query strings. */
#include "http/uri.h"

#include <errno.h>

#include "base/err.h"

/* Decodes s to `to`, which has room for s.len bytes. Returns the bytes written, or INVALID_URI. */
static ptrdiff_t decode_to(struct lb_slice s, bool plus, char *to) {
    char *start = to;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            int high = i + 2 < s.len ? lb_hex_digit(s.ptr[i + 1]) : -1;
            int low = i + 2 < s.len ? lb_hex_digit(s.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return LB_ERR_INVALID_URI;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        *to++ = c;
    }
    return to - start;
}

int lb_uri_decode(struct lb_arena *a, struct lb_slice s, bool plus, struct lb_slice *ret) {
    if (lb_slice_find(s, '%') < 0 && !(plus && lb_slice_find(s, '+') >= 0)) {
        *ret = s;
        return 0;
    }
    char *to = lb_arena_alloc(a, s.len);
    if (!to)
        return -ENOMEM;
    ptrdiff_t n = decode_to(s, plus, to);
    if (n < 0)
        return (int)n;
    *ret = lb_slice(to, (size_t)n);
    return 0;
}

static bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void lb_uri_encode(struct lb_buf *b, struct lb_slice s, bool keep_slash) {
    static const char digits[] = "0123456789ABCDEF";
    while (s.len) {
        size_t n = 0;
        while (n < s.len && (is_unreserved(s.ptr[n]) || (s.ptr[n] == '/' && keep_slash)))
            n++;
        lb_buf_append(b, lb_slice_first(s, n));
        s = lb_slice_from(s, n);
        if (s.len) {
            uint8_t c = (uint8_t)s.ptr[0];
            lb_buf_append(b, lb_slice((char[]){'%', digits[c >> 4], digits[c & 15]}, 3));
            s = lb_slice_from(s, 1);
        }
    }
}

bool lb_utf8_valid(struct lb_slice s) {
    const uint64_t ones = 0x0101010101010101u;
    while (s.len) {
        uint64_t word = 0;
        if (s.len >= 8)
            memcpy(&word, s.ptr, 8);
        /* Eight ASCII bytes at once; a zero borrows into its high bit. */
        if (((word | (word - ones)) & ones * 0x80) == 0) {
            s = lb_slice_from(s, 8);
            continue;
        }
        size_t n = lb_utf8_len(s);
        if (n == 0 || s.ptr[0] == '\0')
            return false;
        s = lb_slice_from(s, n);
    }
    return true;
}

int lb_query_parse(struct lb_arena *a, struct lb_slice query, struct lb_query *ret) {
    ret->n = 0;
    while (query.ptr) {
        struct lb_slice value = lb_slice_cut(&query, '&');
        if (value.len == 0)
            continue;
        if (ret->n == LB_QUERY_MAX)
            return LB_ERR_INVALID_URI;
        struct lb_query_param *param = &ret->params[ret->n];
        struct lb_slice name = lb_slice_cut(&value, '=');
        int rc = lb_uri_decode(a, name, true, &param->name);
        if (rc == 0)
            rc = lb_uri_decode(a, value, true, &param->value);
        if (rc < 0)
            return rc;
        ret->n++;
    }
    return 0;
}

const struct lb_query_param *lb_query_find(const struct lb_query *q, struct lb_slice name) {
    for (size_t i = 0; i < q->n; i++) {
        if (lb_slice_eq(q->params[i].name, name))
            return &q->params[i];
    }
    return NULL;
}
