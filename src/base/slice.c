/* Searching, trimming and number parsing on slices. */
#include "base/slice.h"

#include <errno.h>

ptrdiff_t lb_slice_find(struct lb_slice s, char c) {
    const char *p = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return p ? p - s.ptr : -1;
}

ptrdiff_t lb_slice_find_slice(struct lb_slice s, struct lb_slice needle) {
    if (needle.len == 0)
        return 0;
    const char *p = s.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
    return p ? p - s.ptr : -1;
}

static bool is_ows(char c) {
    return c == ' ' || c == '\t';
}

struct lb_slice lb_slice_trim(struct lb_slice s) {
    while (s.len && is_ows(s.ptr[0]))
        s = lb_slice_from(s, 1);
    while (s.len && is_ows(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

struct lb_slice lb_slice_cut(struct lb_slice *s, char c) {
    ptrdiff_t at = lb_slice_find(*s, c);
    struct lb_slice head = *s;
    if (at < 0) {
        *s = lb_slice(NULL, 0);
        return head;
    }
    head.len = (size_t)at;
    *s = lb_slice_from(*s, (size_t)at + 1);
    return head;
}

int lb_slice_to_u64(struct lb_slice s, uint64_t *ret) {
    uint64_t v = 0;
    if (s.len == 0)
        return -EINVAL;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.ptr[i] - '0'), &v))
            return -ERANGE;
    }
    *ret = v;
    return 0;
}

/* Bytes in the sequence that first begins, or 0; *low and *high: what the second byte may be (table
 * 3-7 of the Unicode standard). */
static size_t utf8_lead(uint8_t first, uint8_t *low, uint8_t *high) {
    *low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    *high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

size_t lb_utf8_len(struct lb_slice s) {
    const uint8_t *p = (const uint8_t *)s.ptr;
    uint8_t low, high;
    size_t n = s.len ? utf8_lead(p[0], &low, &high) : 0;
    if (n < 2)
        return n;
    if (s.len < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return n;
}

int lb_hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int lb_hex_decode(struct lb_slice s, uint8_t *ret, size_t n) {
    if (s.len != 2 * n)
        return -EINVAL;
    for (size_t i = 0; i < s.len; i++) {
        if (lb_hex_digit(s.ptr[i]) < 0)
            return -EINVAL;
    }
    for (size_t i = 0; i < n; i++)
        ret[i] = (uint8_t)(lb_hex_digit(s.ptr[2 * i]) << 4 | lb_hex_digit(s.ptr[2 * i + 1]));
    return 0;
}

void lb_hex_encode(const uint8_t *bytes, size_t n, char *ret) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        ret[2 * i] = digits[bytes[i] >> 4];
        ret[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret[2 * n] = '\0';
}
