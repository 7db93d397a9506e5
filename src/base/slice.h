/* Borrowed bytes, passed by value. Nothing here allocates. */
#ifndef LB_BASE_SLICE_H
#define LB_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct lb_slice {
    const char *ptr;
    size_t len;
};

/* A slice of a string literal. */
#define LB_S(lit) ((struct lb_slice){"" lit, sizeof(lit) - 1})

/* For printf: "%.*s", LB_SLICE_ARG(s). */
#define LB_SLICE_ARG(s) (int)(s).len, (s).ptr

static inline struct lb_slice lb_slice(const void *ptr, size_t len) {
    return (struct lb_slice){(const char *)ptr, len};
}

/* Borrows a NUL-terminated string; NULL is the empty slice. */
static inline struct lb_slice lb_slice_cstr(const char *s) {
    return (struct lb_slice){s, s ? strlen(s) : 0};
}

static inline bool lb_slice_eq(struct lb_slice a, struct lb_slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Equality that ignores the case of ASCII letters. */
static inline bool lb_slice_eq_nocase(struct lb_slice a, struct lb_slice b) {
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

/* Byte order; a prefix sorts before what it is a prefix of. Returns <0, 0, >0. */
static inline int lb_slice_cmp(struct lb_slice a, struct lb_slice b) {
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

static inline bool lb_slice_starts_with(struct lb_slice s, struct lb_slice prefix) {
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool lb_slice_ends_with(struct lb_slice s, struct lb_slice suffix) {
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* What is left of s from byte n on; empty when n is past the end. */
static inline struct lb_slice lb_slice_from(struct lb_slice s, size_t n) {
    if (n > s.len)
        n = s.len;
    return lb_slice(n ? s.ptr + n : s.ptr, s.len - n);
}

/* The first n bytes of s, or all of it. */
static inline struct lb_slice lb_slice_first(struct lb_slice s, size_t n) {
    return lb_slice(s.ptr, n < s.len ? n : s.len);
}

/* Offset of the first c in s, or -1. */
ptrdiff_t lb_slice_find(struct lb_slice s, char c);

/* Offset of the first needle in s, or -1. An empty needle is found at 0. */
ptrdiff_t lb_slice_find_slice(struct lb_slice s, struct lb_slice needle);

/* s without leading and trailing spaces and tabs (OWS of RFC 9110, 5.6.3). */
struct lb_slice lb_slice_trim(struct lb_slice s);

/* Cuts s at the first c: returns what stands before it and leaves in *s what stands after it.
 * Without a c, returns all of *s and leaves it empty with ptr NULL. */
struct lb_slice lb_slice_cut(struct lb_slice *s, char c);

/* Parses all of s as a decimal number without sign. Returns 0; -EINVAL for an empty slice or
 * a byte that is no digit; -ERANGE beyond UINT64_MAX. */
int lb_slice_to_u64(struct lb_slice s, uint64_t *ret);

/* Bytes of the well-formed UTF-8 sequence (RFC 3629) that s begins with: 1 to 4; 0 for an empty or
 * malformed beginning. NUL counts as a sequence of 1. */
size_t lb_utf8_len(struct lb_slice s);

/* Value of a hexadecimal digit, or -1. */
int lb_hex_digit(char c);

/* Decodes 2 * n hexadecimal digits (either case). Returns 0, or -EINVAL when s is not exactly that.
 */
int lb_hex_decode(struct lb_slice s, uint8_t *ret, size_t n);

/* Writes 2 * n lower-case digits and a NUL to ret. */
void lb_hex_encode(const uint8_t *bytes, size_t n, char *ret);

#endif
