/* An ordered set of the numbers of a slab's pieces, compared by the caller's function: a B+ tree,
 * itself in the slab. One user at a time. */
#ifndef LB_ENGINE_VOLUME_ORDER_H
#define LB_ENGINE_VOLUME_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/volume/slab.h"

/* Orders what is at `piece` against a key: negative, 0 or positive. */
typedef int (*vol_order_fn)(const void *piece, const void *key);

struct vol_order {
    vol_order_fn compare;
    struct vol_slab *slab;
    uint32_t root; /* 0: empty */
    size_t memory; /* bytes of its nodes */
};

/* A place in the set; good until the set changes. */
struct vol_order_at {
    uint32_t leaf;
    unsigned i;
};

/* An empty set; borrows the slab. Its nodes live in the slab and end with it. */
void vol_order_init(struct vol_order *t, struct vol_slab *slab, vol_order_fn compare);

/* Adds a number whose key is not in the set. Returns 0 or -ENOMEM (then the set is as before). */
int vol_order_add(struct vol_order *t, uint32_t number, const void *key);
/* As add: the key is greater than all others. What is added so fills the nodes. */
int vol_order_append(struct vol_order *t, uint32_t number);
/* The number whose key compares equal gives way to another with an equal key. Returns the former,
 * or 0 when there is none. */
uint32_t vol_order_set(struct vol_order *t, const void *key, uint32_t number);
/* Removes the number whose key compares equal. Returns it, and in *ret_next the one after it (0:
 * none); or 0 when there is none. What it names must still be there. */
uint32_t vol_order_remove(struct vol_order *t, const void *key, uint32_t *ret_next);

/* The first number at or after the key. Returns 0 at the end, with *ret as it was. */
uint32_t vol_order_seek(const struct vol_order *t, const void *key, struct vol_order_at *ret);
/* The number after a place, which moves there. Returns 0 at the end: the place stays. */
uint32_t vol_order_next(const struct vol_order *t, struct vol_order_at *at);
/* The first number of all, or 0. */
uint32_t vol_order_first(const struct vol_order *t, struct vol_order_at *ret);

/* Checks the structure (for tests). */
bool vol_order_check(const struct vol_order *t);

#endif
