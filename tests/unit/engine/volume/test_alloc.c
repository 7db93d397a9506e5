#include "lib/check.h"

#include <errno.h>

#include "base/prng.h"
#include "engine/volume/alloc.h"

#define FIRST 100
#define UNITS 2000

static void test_whole(void **state) {
    struct vol_alloc *a = vol_alloc_new(FIRST, UNITS);
    struct vol_extent e[4];
    assert_int_equal(vol_alloc_take(a, UNITS + 1, 0, 0, e, 4), -ENOSPC);
    assert_int_equal(vol_alloc_take(a, UNITS, 0, 1, e, 4), -ENOSPC);
    assert_int_equal(vol_alloc_take(a, UNITS, 0, 0, e, 4), 1);
    assert_int_equal(e[0].first, FIRST);
    assert_int_equal(e[0].n, UNITS);
    assert_int_equal(vol_alloc_free_units(a), 0);
    assert_int_equal(vol_alloc_take(a, 1, 0, 0, e, 4), -ENOSPC);
    vol_alloc_give(a, e[0]);
    assert_int_equal(vol_alloc_longest(a), UNITS);
    assert_int_equal(vol_alloc_check(a), 0);
    vol_alloc_free(a);
}

static void test_claim(void **state) {
    struct vol_alloc *a = vol_alloc_new(FIRST, UNITS);
    assert_int_equal(vol_alloc_claim(a, (struct vol_extent){FIRST - 1, 1}), -EEXIST);
    assert_int_equal(vol_alloc_claim(a, (struct vol_extent){FIRST + UNITS - 1, 2}), -EEXIST);
    assert_int_equal(vol_alloc_claim(a, (struct vol_extent){UINT64_MAX, 2}), -EEXIST);
    assert_int_equal(vol_alloc_claim(a, (struct vol_extent){FIRST, UINT64_MAX}), -EEXIST);
    assert_int_equal(vol_alloc_claim(a, (struct vol_extent){FIRST, 0}), -EEXIST);
    assert_int_equal(vol_alloc_claim(a, (struct vol_extent){FIRST + 10, 10}), 0);
    assert_int_equal(vol_alloc_claim(a, (struct vol_extent){FIRST + 19, 1}), -EEXIST);
    assert_int_equal(vol_alloc_claim(a, (struct vol_extent){FIRST + 5, 6}), -EEXIST);
    assert_int_equal(vol_alloc_claim(a, (struct vol_extent){FIRST, 10}), 0);
    assert_int_equal(vol_alloc_claim(a, (struct vol_extent){FIRST + 20, UNITS - 20}), 0);
    assert_int_equal(vol_alloc_free_units(a), 0);
    vol_alloc_free(a);
}

/* The shortest extent that fits is taken, and a writer goes on where it was. */
static void test_choice(void **state) {
    struct vol_alloc *a = vol_alloc_new(FIRST, UNITS);
    struct vol_extent e[2];
    assert_int_equal(vol_alloc_claim(a, (struct vol_extent){FIRST + 10, 1}), 0);
    assert_int_equal(vol_alloc_claim(a, (struct vol_extent){FIRST + 16, 1}), 0);
    assert_int_equal(vol_alloc_take(a, 4, 0, 0, e, 2), 1);
    assert_int_equal(e[0].first, FIRST + 11);
    assert_int_equal(vol_alloc_take(a, 7, FIRST + 100, 0, e, 2), 1);
    assert_int_equal(e[0].first, FIRST + 100);
    assert_int_equal(vol_alloc_take(a, 7, FIRST + 107, 0, e, 2), 1);
    assert_int_equal(e[0].first, FIRST + 107);
    vol_alloc_free(a);
}

static void test_pieces(void **state) {
    struct vol_alloc *a = vol_alloc_new(FIRST, 99);
    struct vol_extent e[50];
    for (uint64_t i = 1; i < 99; i += 2)
        assert_int_equal(vol_alloc_claim(a, (struct vol_extent){FIRST + i, 1}), 0);
    assert_int_equal(vol_alloc_take(a, 50, 0, 0, e, 49), -EMLINK);
    assert_int_equal(vol_alloc_free_units(a), 50);
    assert_int_equal(vol_alloc_check(a), 0);
    assert_int_equal(vol_alloc_take(a, 50, 0, 0, e, 50), 50);
    vol_alloc_free(a);
}

/* What a record frees stays taken until that record is safe. */
static void test_later(void **state) {
    struct vol_alloc *a = vol_alloc_new(FIRST, 30);
    struct vol_extent e[1];
    assert_int_equal(vol_alloc_take(a, 30, 0, 0, e, 1), 1);
    assert_int_equal(vol_alloc_give_later(a, (struct vol_extent){FIRST, 10}, 7), 0);
    assert_int_equal(vol_alloc_give_later(a, (struct vol_extent){FIRST + 10, 10}, 8), 0);
    assert_int_equal(vol_alloc_later_units(a), 20);
    vol_alloc_settled(a, 6);
    assert_int_equal(vol_alloc_take(a, 1, 0, 0, e, 1), -ENOSPC);
    vol_alloc_settled(a, 7);
    assert_int_equal(vol_alloc_free_units(a), 10);
    assert_int_equal(vol_alloc_later_units(a), 10);
    vol_alloc_settled(a, 100);
    assert_int_equal(vol_alloc_longest(a), 20);
    vol_alloc_free(a);
}

/* Against a map of units. */
static void test_model(void **state) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct vol_alloc *a = vol_alloc_new(FIRST, UNITS);
        static struct vol_extent held[UNITS];
        bool taken[UNITS] = {false};
        size_t n = 0, used = 0;
        struct lb_prng p;
        lb_prng_seed(&p, seed);
        for (int step = 0; step < 4000; step++) {
            struct vol_extent got[8];
            uint64_t want = 1 + lb_prng_below(&p, 40);
            if (lb_prng_below(&p, 100) < 55) {
                int k = vol_alloc_take(a, want, FIRST + lb_prng_below(&p, UNITS), 0, got, 8);
                uint64_t sum = 0;
                assert_true(k > 0 || (k == -ENOSPC && used + want > UNITS) || k == -EMLINK);
                for (int i = 0; i < k; i++) {
                    for (uint64_t u = got[i].first; u < got[i].first + got[i].n; u++) {
                        assert_false(taken[u - FIRST]);
                        taken[u - FIRST] = true;
                    }
                    sum += got[i].n;
                    held[n++] = got[i];
                }
                assert_true(k <= 0 || sum == want);
                used += sum;
            } else if (n) {
                size_t i = lb_prng_below(&p, n);
                for (uint64_t u = held[i].first; u < held[i].first + held[i].n; u++)
                    taken[u - FIRST] = false;
                used -= held[i].n;
                vol_alloc_give(a, held[i]);
                held[i] = held[--n];
            }
            assert_int_equal(vol_alloc_free_units(a), UNITS - used);
            assert_int_equal(vol_alloc_check(a), 0);
        }
        vol_alloc_free(a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),  cmocka_unit_test(test_claim), cmocka_unit_test(test_choice),
        cmocka_unit_test(test_pieces), cmocka_unit_test(test_later), cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
