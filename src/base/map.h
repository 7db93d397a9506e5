/* Intrusive hash table: chained, grows by doubling, keys compared by the caller's function. */
#ifndef LB_BASE_MAP_H
#define LB_BASE_MAP_H

#include "base/slice.h"

struct lb_map_node {
    struct lb_map_node *next;
    uint64_t hash;
};

struct lb_map {
    struct lb_map_node **slots; /* a power of two of them */
    size_t slots_n;
    size_t len;
    bool (*eq)(const struct lb_map_node *node, const void *key);
};

/* An empty map. Allocates nothing yet. */
void lb_map_init(struct lb_map *m, bool (*eq)(const struct lb_map_node *node, const void *key));

/* Frees the table, not the nodes. */
void lb_map_fini(struct lb_map *m);

/* The node with this hash whose key is equal, or NULL. */
struct lb_map_node *lb_map_find(const struct lb_map *m, uint64_t hash, const void *key);

/* Adds a node (node->hash set, its key not in the map). Returns 0, or -ENOMEM before the first add.
 * A failure to grow later only makes chains longer. */
int lb_map_add(struct lb_map *m, struct lb_map_node *node);

/* Removes a node that is in the map. */
void lb_map_remove(struct lb_map *m, struct lb_map_node *node);

/* Iteration in no order; the current node may be removed: for (n = first; n; n = lb_map_next(m,
 * n)). The next node must be taken before the current is removed. */
struct lb_map_node *lb_map_first(const struct lb_map *m);
struct lb_map_node *lb_map_next(const struct lb_map *m, const struct lb_map_node *node);

/* A keyed 64-bit hash (SipHash-1-3 with a key drawn once per process from the system's random
 * source), safe against chosen keys. lb_hash_bytes_seed makes it repeatable for simulation; call it
 * before any other use. */
uint64_t lb_hash_bytes(struct lb_slice s);
void lb_hash_bytes_seed(uint64_t k0, uint64_t k1);

#endif
