/* Growing by doubling, up to the bound. */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void lb_buf_init(struct lb_buf *b, size_t cap_max) {
    *b = (struct lb_buf){.cap_max = cap_max};
}

/* What a capacity is charged. */
static size_t cost(const struct lb_buf *b, size_t cap) {
    return b->budget && cap > LB_BUDGET_FREE ? cap : 0;
}

void lb_buf_fini(struct lb_buf *b) {
    size_t charged = cost(b, b->cap);
    free(b->ptr);
    if (charged)
        lb_budget_give(b->budget, charged);
    *b = (struct lb_buf){.cap_max = b->cap_max, .budget = b->budget};
}

void lb_buf_clear(struct lb_buf *b) {
    b->len = 0;
    b->err = 0;
}

/* Moves the bytes to a capacity that is larger. */
static int grow(struct lb_buf *b, size_t cap) {
    size_t more = cost(b, cap) - cost(b, b->cap);
    if (more && !lb_budget_take(b->budget, more))
        return -ENOMEM;
    char *ptr = realloc(b->ptr, cap);
    if (!ptr) {
        if (more)
            lb_budget_give(b->budget, more);
        return -ENOMEM;
    }
    b->ptr = ptr;
    b->cap = cap;
    return 0;
}

char *lb_buf_reserve(struct lb_buf *b, size_t n) {
    if (b->err)
        return NULL;
    if (n > b->cap_max - b->len) {
        b->err = -EMSGSIZE;
        return NULL;
    }
    if (n > b->cap - b->len) {
        size_t cap = b->cap < 128 ? 256 : b->cap * 2;
        if (cap < b->len + n)
            cap = b->len + n;
        if (cap > b->cap_max)
            cap = b->cap_max;
        b->err = grow(b, cap);
        if (b->err)
            return NULL;
    }
    return b->ptr + b->len;
}

void lb_buf_append(struct lb_buf *b, struct lb_slice s) {
    char *to = s.len ? lb_buf_reserve(b, s.len) : NULL;
    if (!to)
        return;
    memcpy(to, s.ptr, s.len);
    b->len += s.len;
}

void lb_buf_append_char(struct lb_buf *b, char c) {
    lb_buf_append(b, lb_slice(&c, 1));
}

void lb_buf_append_u64(struct lb_buf *b, uint64_t v) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    lb_buf_append(b, lb_slice(digits + at, sizeof(digits) - at));
}

void lb_buf_printf(struct lb_buf *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *to = n < 0 ? NULL : lb_buf_reserve(b, (size_t)n + 1);
    if (!to)
        return;
    va_start(args, format);
    vsnprintf(to, (size_t)n + 1, format, args);
    va_end(args);
    b->len += (size_t)n;
}
