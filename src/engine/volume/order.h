/* An ordered set of 32-bit numbers, compared by the caller's function: a B+ tree. One user at a
 * time. */
#ifndef LB_ENGINE_VOLUME_ORDER_H
#define LB_ENGINE_VOLUME_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Orders what number `a` stands for against a key: negative, 0 or positive. */
typedef int (*vol_order_fn)(const void *ctx, uint32_t a, const void *key);

struct vol_order;

/* A place in the set; good until it changes. */
struct vol_order_at {
    const void *leaf; /* NULL: behind the last */
    unsigned i;
};

/* Empty; owned; NULL without memory. */
struct vol_order *vol_order_new(vol_order_fn compare, const void *ctx);
void vol_order_free(struct vol_order *t);

/* Adds a number whose key is not in the set. Returns 0 or -ENOMEM (then nothing has changed). */
int vol_order_add(struct vol_order *t, uint32_t number, const void *key);
/* Removes the number whose key compares equal. Returns 0 or -ENOENT. */
int vol_order_remove(struct vol_order *t, const void *key);
/* Adds a number behind all others: its key is the greatest. Returns 0 or -ENOMEM. */
int vol_order_append(struct vol_order *t, uint32_t number);

/* The first number at or after the key. Returns 0 at the end; *ret may be NULL. */
uint32_t vol_order_seek(const struct vol_order *t, const void *key, struct vol_order_at *ret);
/* The number after a place, which moves there. Returns 0 at the end. */
uint32_t vol_order_next(struct vol_order_at *at);

/* Bytes of memory it takes. */
size_t vol_order_memory(const struct vol_order *t);
/* Checks the structure (for tests). */
bool vol_order_check(const struct vol_order *t);

#endif
