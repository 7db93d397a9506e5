/* The chained hash table, and SipHash-1-3 (Aumasson and Bernstein) with a key of the process. */
#include "base/map.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/prng.h"

#define SLOTS_MIN 16

void lb_map_init(struct lb_map *m, bool (*eq)(const struct lb_map_node *node, const void *key)) {
    *m = (struct lb_map){.eq = eq};
}

void lb_map_fini(struct lb_map *m) {
    free(m->slots);
    lb_map_init(m, m->eq);
}

static struct lb_map_node **slot_of(const struct lb_map *m, uint64_t hash) {
    return &m->slots[hash & (m->slots_n - 1)];
}

struct lb_map_node *lb_map_find(const struct lb_map *m, uint64_t hash, const void *key) {
    if (m->len == 0)
        return NULL;
    for (struct lb_map_node *node = *slot_of(m, hash); node; node = node->next) {
        if (node->hash == hash && m->eq(node, key))
            return node;
    }
    return NULL;
}

static int grow(struct lb_map *m) {
    size_t slots_n = m->slots_n ? m->slots_n * 2 : SLOTS_MIN;
    struct lb_map_node **slots = calloc(slots_n, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    struct lb_map old = *m;
    m->slots = slots;
    m->slots_n = slots_n;
    for (size_t i = 0; i < old.slots_n; i++) {
        for (struct lb_map_node *node = old.slots[i]; node;) {
            struct lb_map_node *next = node->next;
            struct lb_map_node **slot = slot_of(m, node->hash);
            node->next = *slot;
            *slot = node;
            node = next;
        }
    }
    free(old.slots);
    return 0;
}

int lb_map_add(struct lb_map *m, struct lb_map_node *node) {
    if (m->len >= m->slots_n && grow(m) < 0 && m->slots_n == 0)
        return -ENOMEM;
    struct lb_map_node **slot = slot_of(m, node->hash);
    node->next = *slot;
    *slot = node;
    m->len++;
    return 0;
}

void lb_map_remove(struct lb_map *m, struct lb_map_node *node) {
    assert(m->len > 0);
    struct lb_map_node **at = slot_of(m, node->hash);
    while (*at != node) {
        assert(*at); /* the node must be in the map */
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    m->len--;
}

static struct lb_map_node *first_from(const struct lb_map *m, size_t slot) {
    for (; slot < m->slots_n; slot++) {
        if (m->slots[slot])
            return m->slots[slot];
    }
    return NULL;
}

struct lb_map_node *lb_map_first(const struct lb_map *m) {
    return first_from(m, 0);
}

struct lb_map_node *lb_map_next(const struct lb_map *m, const struct lb_map_node *node) {
    if (node->next)
        return node->next;
    return first_from(m, (node->hash & (m->slots_n - 1)) + 1);
}

static uint64_t hash_key[2];
static atomic_bool hash_key_set;
static pthread_once_t hash_key_once = PTHREAD_ONCE_INIT;

static void draw_hash_key(void) {
    if (atomic_load_explicit(&hash_key_set, memory_order_acquire))
        return;
    lb_random_bytes(hash_key, sizeof(hash_key));
    atomic_store_explicit(&hash_key_set, true, memory_order_release);
}

void lb_hash_bytes_seed(uint64_t k0, uint64_t k1) {
    hash_key[0] = k0;
    hash_key[1] = k1;
    atomic_store_explicit(&hash_key_set, true, memory_order_release);
}

static inline uint64_t rotl(uint64_t x, int by) {
    return (x << by) | (x >> (64 - by));
}

static inline void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] = rotl(v[2], 32);
}

static uint64_t load_le64(const char *p, size_t n) {
    uint64_t word = 0;
    memcpy(&word, p, n);
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(word) : word;
}

uint64_t lb_hash_bytes(struct lb_slice s) {
    if (!atomic_load_explicit(&hash_key_set, memory_order_acquire))
        pthread_once(&hash_key_once, draw_hash_key);
    uint64_t v[4] = {
        hash_key[0] ^ 0x736f6d6570736575u,
        hash_key[1] ^ 0x646f72616e646f6du,
        hash_key[0] ^ 0x6c7967656e657261u,
        hash_key[1] ^ 0x7465646279746573u,
    };
    size_t at = 0;
    for (; s.len - at >= 8; at += 8) {
        uint64_t word = load_le64(s.ptr + at, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)s.len << 56;
    if (at < s.len)
        last |= load_le64(s.ptr + at, s.len - at);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
