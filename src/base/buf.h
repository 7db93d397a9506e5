/* A growing byte buffer with a maximum. Errors stick: append as much as you like, ask once. */
#ifndef LB_BASE_BUF_H
#define LB_BASE_BUF_H

#include "base/budget.h"
#include "base/slice.h"

struct lb_buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t cap_max;
    int err; /* 0, -ENOMEM (or no budget), or -EMSGSIZE once an append would pass cap_max */
    struct lb_budget *budget; /* borrowed; pays for what is larger than LB_BUDGET_FREE. NULL: none.
                                 Set it before the first byte */
};

/* An empty buffer that may grow to cap_max bytes. Allocates nothing yet. */
void lb_buf_init(struct lb_buf *b, size_t cap_max);

/* Frees the bytes. The buffer may be used again as after lb_buf_init. */
void lb_buf_fini(struct lb_buf *b);

/* Forgets the bytes and the error, keeps the memory. */
void lb_buf_clear(struct lb_buf *b);

/* Makes room for n more bytes and returns where they go, or NULL (and b->err is set).
 * The caller writes there and adds what it wrote to b->len. */
char *lb_buf_reserve(struct lb_buf *b, size_t n);

void lb_buf_append(struct lb_buf *b, struct lb_slice s);
void lb_buf_append_char(struct lb_buf *b, char c);
void lb_buf_append_u64(struct lb_buf *b, uint64_t v);
void lb_buf_printf(struct lb_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline struct lb_slice lb_buf_slice(const struct lb_buf *b) {
    return lb_slice(b->ptr, b->len);
}

#endif
