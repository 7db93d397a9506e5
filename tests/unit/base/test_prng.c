#include "lib/check.h"

#include "base/prng.h"

/* The state that splitmix64 makes of the seed 0, and what xoshiro256** makes of the state 1 2 3 4:
 * published values of both. */
static void test_known_values(void **state) {
    static const uint64_t seeded[] = {0xe220a8397b1dcdafu, 0x6e789e6aa1b965f4u, 0x06c45d188009454fu,
                                      0xf88bb8a8724c81ecu};
    static const uint64_t expected[] = {11520u, 0u, 1509978240u, 1215971899390074240u};
    struct lb_prng p;
    lb_prng_seed(&p, 0);
    for (int i = 0; i < 4; i++)
        assert_true(p.s[i] == seeded[i]);
    p = (struct lb_prng){{1, 2, 3, 4}};
    for (int i = 0; i < 4; i++)
        assert_true(lb_prng_next(&p) == expected[i]);
}

static void test_seed_repeats(void **state) {
    struct lb_prng a, b, c;
    int differs = 0;
    lb_prng_seed(&a, 42);
    lb_prng_seed(&b, 42);
    lb_prng_seed(&c, 43);
    for (int i = 0; i < 100; i++) {
        uint64_t v = lb_prng_next(&a);
        assert_true(v == lb_prng_next(&b));
        differs += v != lb_prng_next(&c);
    }
    assert_int_equal(differs, 100);
}

static void test_below(void **state) {
    struct lb_prng p;
    int counts[6] = {0};
    lb_prng_seed(&p, 7);
    for (int i = 0; i < 60000; i++)
        counts[lb_prng_below(&p, 6)]++;
    for (int i = 0; i < 6; i++)
        assert_in_range(counts[i], 9500, 10500);
    assert_int_equal(lb_prng_below(&p, 1), 0);
    /* Two thirds of the range: without rejection the lower half would come up twice as often. */
    uint64_t n = UINT64_MAX / 3 * 2;
    int low = 0;
    for (int i = 0; i < 10000; i++) {
        uint64_t v = lb_prng_below(&p, n);
        assert_true(v < n);
        low += v < n / 2;
    }
    assert_in_range(low, 4700, 5300);
}

static void test_random_bytes(void **state) {
    uint8_t a[300], b[300];
    lb_random_bytes(a, sizeof(a));
    lb_random_bytes(b, sizeof(b));
    lb_random_bytes(b, 0);
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_seed_repeats),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
