#include "lib/seeds.h"

#include <stdio.h>

#include "base/prng.h"
#include "engine/volume/order.h"
#include "no_memory.h"

#define NUMBERS_MAX 40000

/* The tree beside a sorted array of the same. */
struct pair {
    struct vol_slab slab;
    struct vol_order order;
    uint64_t keys[NUMBERS_MAX];
    uint32_t numbers[NUMBERS_MAX];
    size_t n;
    struct lb_prng prng;
};
static struct pair pair;

static int compare(const void *piece, const void *key) {
    uint64_t a = *(const uint64_t *)piece, b = *(const uint64_t *)key;
    return (a > b) - (a < b);
}

static void begin(uint64_t seed) {
    pair.n = 0;
    lb_prng_seed(&pair.prng, seed);
    assert_int_equal(vol_slab_init(&pair.slab), 0);
    vol_order_init(&pair.order, &pair.slab, compare);
}

static void end(void) {
    vol_slab_fini(&pair.slab);
}

/* The first in the array at or after the key. */
static size_t find(uint64_t key) {
    size_t low = 0, high = pair.n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (pair.keys[mid] < key)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static uint32_t piece_of(uint64_t key) {
    uint32_t number = vol_slab_take(&pair.slab, sizeof(key));
    if (number)
        memcpy(vol_slab_at(&pair.slab, number), &key, sizeof(key));
    return number;
}

static void add(uint64_t key) {
    size_t i = find(key);
    if (pair.n == NUMBERS_MAX || (i < pair.n && pair.keys[i] == key))
        return;
    uint32_t number = piece_of(key);
    assert_int_not_equal(number, 0);
    if (i == pair.n && lb_prng_below(&pair.prng, 2))
        assert_int_equal(vol_order_append(&pair.order, number), 0);
    else
        assert_int_equal(vol_order_add(&pair.order, number, &key), 0);
    memmove(&pair.keys[i + 1], &pair.keys[i], (pair.n - i) * sizeof(pair.keys[0]));
    memmove(&pair.numbers[i + 1], &pair.numbers[i], (pair.n - i) * sizeof(pair.numbers[0]));
    pair.keys[i] = key;
    pair.numbers[i] = number;
    pair.n++;
}

static const char *take_out(uint64_t key) {
    size_t i = find(key);
    bool there = i < pair.n && pair.keys[i] == key;
    uint32_t next = 0, number = vol_order_remove(&pair.order, &key, &next);
    if (number != (there ? pair.numbers[i] : 0))
        return "remove took another";
    if (!there)
        return "";
    if (next != (i + 1 < pair.n ? pair.numbers[i + 1] : 0))
        return "remove named another as the next";
    vol_slab_give(&pair.slab, number, sizeof(key));
    pair.n--;
    memmove(&pair.keys[i], &pair.keys[i + 1], (pair.n - i) * sizeof(pair.keys[0]));
    memmove(&pair.numbers[i], &pair.numbers[i + 1], (pair.n - i) * sizeof(pair.numbers[0]));
    return "";
}

static const char *set(uint64_t key) {
    size_t i = find(key);
    bool there = i < pair.n && pair.keys[i] == key;
    uint32_t number = piece_of(key), old = vol_order_set(&pair.order, &key, number);
    if (old != (there ? pair.numbers[i] : 0))
        return "set replaced another";
    vol_slab_give(&pair.slab, there ? old : number, sizeof(key));
    if (there)
        pair.numbers[i] = number;
    return "";
}

/* Seeks and walks on for some steps. */
static const char *walk(uint64_t key, size_t steps) {
    struct vol_order_at place;
    size_t i = find(key);
    uint32_t number = vol_order_seek(&pair.order, &key, &place);
    for (; number && steps; steps--) {
        if (i == pair.n || number != pair.numbers[i++])
            return "the order is not that of the array";
        number = vol_order_next(&pair.order, &place);
    }
    return steps && i != pair.n ? "the walk ended early" : "";
}

static const char *check(bool all) {
    if (!vol_order_check(&pair.order))
        return "the structure is broken";
    struct vol_order_at place;
    if (vol_order_first(&pair.order, &place) != (pair.n ? pair.numbers[0] : 0))
        return "another comes first";
    return all ? walk(0, SIZE_MAX) : "";
}

static const char *step(uint64_t key, uint64_t adding) {
    uint64_t what = lb_prng_below(&pair.prng, 100);
    if (what < adding)
        add(key);
    else if (what < 95)
        return take_out(key);
    else if (what < 97)
        return set(key);
    else
        return walk(key, 300);
    return "";
}

static const char *empty(void) {
    const char *failure = "";
    while (pair.n && !failure[0]) {
        failure = take_out(pair.keys[lb_prng_below(&pair.prng, pair.n)]);
        if (!failure[0] && (pair.n < 500 || pair.n % 16 == 0))
            failure = check(false);
    }
    return failure;
}

/* Grows and shrinks by turns, over few keys or many. */
static const char *run(uint64_t seed, uint64_t rounds) {
    static const uint64_t ranges[] = {300, 5000, 1000000};
    const char *failure = "";
    begin(seed);
    for (uint64_t i = 0; i < rounds && !failure[0]; i++) {
        uint64_t range = ranges[seed % 3], key = 1 + lb_prng_below(&pair.prng, range);
        bool growing = i * 6 / rounds % 2 == 0;
        if (lb_prng_below(&pair.prng, 2) && pair.n)
            key = pair.keys[lb_prng_below(&pair.prng, pair.n)];
        if (seed % 4 == 0 && growing)
            key = range + i; /* always behind the last */
        failure = step(key, growing ? 80 : 15);
        if (!failure[0] && (pair.n < 500 || i % 16 == 0))
            failure = check(i % 64 == 0);
    }
    if (!failure[0])
        failure = empty();
    end();
    return failure;
}

static void test_model(void **state) {
    seeds_each(24, 12000, run);
}

/* Three levels, filled by appending, emptied from either end. */
static void test_append(void **state) {
    for (int front = 0; front < 2; front++) {
        begin(1);
        for (uint64_t key = 1; key <= NUMBERS_MAX; key++) {
            uint32_t number = piece_of(key);
            assert_int_equal(vol_order_append(&pair.order, number), 0);
            pair.keys[pair.n] = key;
            pair.numbers[pair.n++] = number;
        }
        assert_true(pair.order.memory < NUMBERS_MAX * 42 / 10);
        assert_string_equal(check(true), "");
        while (pair.n) {
            assert_string_equal(take_out(pair.keys[front ? 0 : pair.n - 1]), "");
            if (pair.n % 256 == 0)
                assert_string_equal(check(true), "");
        }
        end();
    }
}

static void test_empty(void **state) {
    uint64_t key = 5;
    uint32_t next;
    struct vol_order_at place;
    begin(1);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(vol_order_seek(&pair.order, &key, &place), 0);
        assert_int_equal(vol_order_first(&pair.order, &place), 0);
        assert_int_equal(vol_order_remove(&pair.order, &key, &next), 0);
        assert_int_equal(vol_order_set(&pair.order, &key, 1), 0);
        assert_true(vol_order_check(&pair.order));
        add(7);
        assert_string_equal(take_out(7), "");
    }
    end();
}

/* Adds a key with what memory there is. */
static int try_add(uint64_t key, bool append) {
    size_t i = find(key);
    uint32_t number = piece_of(key);
    if (!number)
        return -ENOMEM;
    int err =
        append ? vol_order_append(&pair.order, number) : vol_order_add(&pair.order, number, &key);
    if (err) {
        vol_slab_give(&pair.slab, number, sizeof(key));
        return err;
    }
    memmove(&pair.keys[i + 1], &pair.keys[i], (pair.n - i) * sizeof(pair.keys[0]));
    memmove(&pair.numbers[i + 1], &pair.numbers[i], (pair.n - i) * sizeof(pair.numbers[0]));
    pair.keys[i] = key;
    pair.numbers[i] = number;
    pair.n++;
    return 0;
}

/* Numbers can be had, but only so many leaves and inner nodes: what fails leaves the set whole. */
static void run_no_memory(size_t numbers, unsigned leaves, unsigned inner, bool append) {
    uint32_t spare[1000], leaf[4], node[4];
    begin(numbers);
    for (uint64_t key = 1; key <= numbers; key++)
        assert_int_equal(try_add(key * 1000, true), 0);
    for (size_t i = 0; i < CHECK_COUNT(spare); i++)
        spare[i] = piece_of(1);
    for (unsigned i = 0; i < 4; i++) {
        leaf[i] = vol_slab_take(&pair.slab, 512);
        node[i] = vol_slab_take(&pair.slab, 1016);
    }
    no_memory = true;
    while (vol_slab_take(&pair.slab, sizeof(uint64_t)))
        ;
    for (size_t i = 0; i < CHECK_COUNT(spare); i++)
        vol_slab_give(&pair.slab, spare[i], sizeof(uint64_t));
    for (unsigned i = 0; i < leaves; i++)
        vol_slab_give(&pair.slab, leaf[i], 512);
    for (unsigned i = 0; i < inner; i++)
        vol_slab_give(&pair.slab, node[i], 1016);
    uint64_t key = append ? 1000 * numbers : 1000 * (numbers / 2);
    int err = 0;
    size_t n = pair.n;
    while (err == 0 && pair.n < n + 900)
        err = try_add(++key, append);
    assert_int_equal(err, -ENOMEM);
    assert_true(pair.n <= n + 126u * (leaves + 1));
    assert_string_equal(check(true), "");
    no_memory = false;
    assert_int_equal(try_add(key, append), 0);
    assert_string_equal(check(true), "");
    end();
}

static void test_no_memory(void **state) {
    static const size_t sizes[] = {126, 126 * 63, 125 * 126 + 1, 125 * 125 + 126, 125 * 126};
    for (size_t i = 0; i < CHECK_COUNT(sizes); i++) {
        for (unsigned k = 0; k < 4 * 4 * 2; k++)
            run_no_memory(sizes[i], k % 4, k / 4 % 4, k / 16);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
