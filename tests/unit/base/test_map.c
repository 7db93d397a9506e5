#include "lib/check.h"

#include "base/list.h"
#include "base/map.h"
#include "base/prng.h"

struct entry {
    struct lb_map_node node;
    uint64_t key;
    bool in;
    bool seen;
};

static struct entry *entry_of(const struct lb_map_node *node) {
    return LB_CONTAINER_OF(node, struct entry, node);
}

static bool entry_eq(const struct lb_map_node *node, const void *key) {
    return entry_of(node)->key == *(const uint64_t *)key;
}

/* A poor hash on purpose: chains are long, and equal hashes have different keys. */
static uint64_t hash_of(uint64_t key) {
    return key / 3;
}

#define ENTRIES 1000

static void check_all(const struct lb_map *m, struct entry *entries) {
    size_t n = 0;
    for (uint64_t i = 0; i < ENTRIES; i++) {
        struct lb_map_node *found = lb_map_find(m, hash_of(i), &i);
        assert_true(entries[i].in ? found == &entries[i].node : found == NULL);
        entries[i].seen = false;
        n += entries[i].in;
    }
    assert_int_equal(m->len, n);
    for (struct lb_map_node *it = lb_map_first(m); it; it = lb_map_next(m, it)) {
        assert_true(entry_of(it)->in && !entry_of(it)->seen);
        entry_of(it)->seen = true;
        n--;
    }
    assert_int_equal(n, 0);
}

static void test_against_flags(void **state) {
    static struct entry entries[ENTRIES];
    struct lb_map m;
    struct lb_prng prng;
    lb_map_init(&m, entry_eq);
    lb_prng_seed(&prng, 1);
    assert_null(lb_map_first(&m));
    for (uint64_t i = 0; i < ENTRIES; i++) {
        entries[i].key = i;
        entries[i].node.hash = hash_of(i);
    }
    for (int round = 0; round < 20; round++) {
        for (int step = 0; step < 400; step++) {
            struct entry *e = &entries[lb_prng_below(&prng, ENTRIES)];
            if (e->in)
                lb_map_remove(&m, &e->node);
            else
                assert_int_equal(lb_map_add(&m, &e->node), 0);
            e->in = !e->in;
        }
        check_all(&m, entries);
    }
    assert_true(m.slots_n >= m.len / 2);
    lb_map_fini(&m);
    assert_int_equal(m.len, 0);
    uint64_t key = 1;
    assert_null(lb_map_find(&m, hash_of(key), &key));
}

static void test_remove_while_iterating(void **state) {
    static struct entry entries[100];
    struct lb_map m;
    lb_map_init(&m, entry_eq);
    for (uint64_t i = 0; i < 100; i++) {
        entries[i].key = i;
        entries[i].node.hash = hash_of(i);
        assert_int_equal(lb_map_add(&m, &entries[i].node), 0);
    }
    int n = 0;
    for (struct lb_map_node *it = lb_map_first(&m), *next; it; it = next, n++) {
        next = lb_map_next(&m, it);
        lb_map_remove(&m, it);
    }
    assert_int_equal(n, 100);
    assert_int_equal(m.len, 0);
    lb_map_fini(&m);
}

/* Repeatable by key, and different in every byte and length: SipHash-1-3 with the key 00..0f, over
 * 0, 1, 2... as an independent implementation computes it. */
static void test_siphash(void **state) {
    static const uint64_t expected[] = {
        0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d, 0x8bf80ab8e7ddf7fb,
        0xcf75576088d38328, 0xdef9d52f49533b67, 0xc50d2b50c59f22a7, 0xd3927d989bb11140,
        0x369095118d299a8e, 0x25a48eb36c063de4, 0x79de85ee92ff097f, 0x70c118c1f94dc352,
        0x78a384b157b4d9a2, 0x306f760c1229ffa7, 0x605aa111c0f95d34, 0xd320d86d2a519956,
        0xcc4fdd1a7d908b66, 0x9cf2689063dbd80c, 0x8ffc389cb473e63e, 0xf21f9de58d297d1c,
        0xc0dc2f46a6cce040, 0xb992abfe2b45f844, 0x7ffe7b9ba320872e, 0x525a0e7fdae6c123,
    };
    char bytes[CHECK_COUNT(expected)];
    lb_hash_bytes_seed(0x0706050403020100u, 0x0f0e0d0c0b0a0908u);
    for (size_t n = 0; n < CHECK_COUNT(expected); n++) {
        bytes[n] = (char)n;
        char *copy = check_dup(lb_slice(bytes, n));
        assert_true(lb_hash_bytes(lb_slice(copy, n)) == expected[n]);
        free(copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_flags),
        cmocka_unit_test(test_remove_while_iterating),
        cmocka_unit_test(test_siphash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
