/* Texts in an arena, and the one encoding of URIs that SigV4 knows (UriEncode). */
#include "auth/sigv4_priv.h"

#include <assert.h>

/* Bytes that UriEncode leaves alone (RFC 3986, 2.3: unreserved). */
static const uint8_t unreserved[256] = {
    ['-'] = 1,         ['.'] = 1,         ['_'] = 1,         ['~'] = 1,
    ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

char *auth_text_reserve(struct auth_text *t, size_t n) {
    if (t->failed)
        return NULL;
    if (n > t->cap - t->len) {
        assert(t->arena);
        size_t cap = 2 * t->cap + n;
        char *ptr = lb_arena_alloc(t->arena, cap);
        if (!ptr) {
            t->failed = true;
            return NULL;
        }
        if (t->len)
            memcpy(ptr, t->ptr, t->len);
        t->ptr = ptr;
        t->cap = cap;
    }
    return t->ptr + t->len;
}

void auth_text_add(struct auth_text *t, struct lb_slice s) {
    char *p = auth_text_reserve(t, s.len);
    if (!p || !s.len)
        return;
    memcpy(p, s.ptr, s.len);
    t->len += s.len;
}

void auth_text_add_char(struct auth_text *t, char c) {
    char *p = auth_text_reserve(t, 1);
    if (!p)
        return;
    *p = c;
    t->len++;
}

bool auth_is_unreserved(struct lb_slice s) {
    for (size_t i = 0; i < s.len; i++)
        if (!unreserved[(uint8_t)s.ptr[i]])
            return false;
    return true;
}

/* The byte that s begins with once decoded; *ret_used is how many bytes it took. */
static uint8_t decode_byte(struct lb_slice s, bool plus, size_t *ret_used) {
    *ret_used = 1;
    if (s.ptr[0] == '+' && plus)
        return ' ';
    if (s.ptr[0] == '%' && s.len >= 3) {
        int high = lb_hex_digit(s.ptr[1]);
        int low = lb_hex_digit(s.ptr[2]);
        if (high >= 0 && low >= 0) {
            *ret_used = 3;
            return (uint8_t)(high << 4 | low);
        }
    }
    return (uint8_t)s.ptr[0];
}

void auth_text_add_recoded(struct auth_text *t, struct lb_slice s, bool plus, bool keep_slash) {
    static const char digits[] = "0123456789ABCDEF";
    char *p = auth_text_reserve(t, 3 * s.len);
    if (!p)
        return;
    char *begin = p;
    while (s.len) {
        size_t used;
        uint8_t c = decode_byte(s, plus, &used);
        s = lb_slice_from(s, used);
        if (unreserved[c] || (c == '/' && keep_slash)) {
            *p++ = (char)c;
        } else {
            *p++ = '%';
            *p++ = digits[c >> 4];
            *p++ = digits[c & 15];
        }
    }
    t->len += (size_t)(p - begin);
}

void auth_text_add_decoded(struct auth_text *t, struct lb_slice s) {
    char *p = auth_text_reserve(t, s.len);
    if (!p)
        return;
    char *begin = p;
    while (s.len) {
        size_t used;
        *p++ = (char)decode_byte(s, true, &used);
        s = lb_slice_from(s, used);
    }
    t->len += (size_t)(p - begin);
}
