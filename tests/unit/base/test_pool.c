#include "lib/check.h"

#include "base/asan.h"
#include "base/pool.h"
#include "base/prng.h"

#define MIB ((size_t)1024 * 1024)

static void test_sizes(void **state) {
    struct lb_pool *p = lb_pool_new(8 * MIB);
    static const size_t sizes[][2] = {{0, 4096},     {1, 4096},      {4096, 4096},   {4097, 8192},
                                      {8193, 16384}, {65536, 65536}, {MIB - 1, MIB}, {MIB, MIB}};
    for (size_t i = 0; i < CHECK_COUNT(sizes); i++) {
        struct lb_pool_buf *b = lb_pool_get(p, sizes[i][0]);
        assert_non_null(b);
        assert_int_equal(b->cap, sizes[i][1]);
        assert_int_equal(b->len, 0);
        assert_int_equal((uintptr_t)b->ptr % 4096, 0);
        assert_int_equal((uintptr_t)b->ptr % b->cap, 0);
        assert_ptr_equal(b->pool, p);
        assert_int_equal(lb_pool_used(p), b->cap);
        memset(b->ptr, 1, b->cap);
        lb_pool_put(b);
        assert_int_equal(lb_pool_used(p), 0);
    }
    lb_pool_put(NULL);
    lb_pool_free(p);
    lb_pool_free(NULL);
}

static void test_bound(void **state) {
    struct lb_pool *p = lb_pool_new(3 * MIB);
    struct lb_pool_buf *a = lb_pool_get(p, MIB), *b = lb_pool_get(p, MIB), *c = lb_pool_get(p, MIB);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    assert_null(lb_pool_get(p, 1));
    assert_int_equal(lb_pool_used(p), 3 * MIB);
    assert_int_equal(lb_pool_held(p), 4 * MIB);
    lb_pool_put(b);
    assert_non_null(b = lb_pool_get(p, 4096));
    assert_null(lb_pool_get(p, MIB));
    lb_pool_put(a);
    lb_pool_put(b);
    lb_pool_put(c);
    lb_pool_free(p);
}

static void test_regions_return(void **state) {
    struct lb_pool *p = lb_pool_new(64 * MIB);
    struct lb_pool_buf *bufs[64];
    for (int i = 0; i < 64; i++)
        assert_non_null(bufs[i] = lb_pool_get(p, MIB));
    assert_int_equal(lb_pool_held(p), 64 * MIB);
    for (int i = 0; i < 64; i++)
        lb_pool_put(bufs[i]);
    assert_int_equal(lb_pool_held(p), 16 * MIB);
    assert_int_equal(lb_pool_used(p), 0);
    lb_pool_free(p);
    p = lb_pool_new(1024 * MIB);
    for (int i = 0; i < 64; i++)
        assert_non_null(bufs[i] = lb_pool_get(p, MIB));
    for (int i = 0; i < 64; i++)
        lb_pool_put(bufs[i]);
    assert_int_equal(lb_pool_held(p), 32 * MIB);
    lb_pool_free(p);
}

/* Random sizes in random order: no two buffers overlap, contents stay, all merges back. */
static void test_random(void **state) {
    struct lb_pool *p = lb_pool_new(32 * MIB);
    struct lb_pool_buf *out[300] = {0};
    struct lb_prng prng;
    size_t used = 0;
    lb_prng_seed(&prng, 3);
    for (int step = 0; step < 20000; step++) {
        size_t i = lb_prng_below(&prng, CHECK_COUNT(out));
        if (out[i]) {
            assert_int_equal(*(int *)(void *)out[i]->ptr, (int)i);
            assert_int_equal(out[i]->ptr[out[i]->cap - 1], (char)i);
            used -= out[i]->cap;
            lb_pool_put(out[i]);
            out[i] = NULL;
            continue;
        }
        out[i] = lb_pool_get(p, (size_t)1 << lb_prng_below(&prng, 21));
        if (!out[i])
            continue;
        used += out[i]->cap;
        *(int *)(void *)out[i]->ptr = (int)i;
        out[i]->ptr[out[i]->cap - 1] = (char)i;
        assert_int_equal(lb_pool_used(p), used);
        assert_true(lb_pool_held(p) <= 32 * MIB);
    }
    for (size_t i = 0; i < CHECK_COUNT(out); i++)
        lb_pool_put(out[i]);
    assert_int_equal(lb_pool_used(p), 0);
    assert_true(lb_pool_held(p) <= 8 * MIB);
    struct lb_pool_buf *whole[32];
    for (int i = 0; i < 32; i++)
        assert_non_null(whole[i] = lb_pool_get(p, MIB));
    for (int i = 0; i < 32; i++)
        lb_pool_put(whole[i]);
    lb_pool_free(p);
}

struct waiter {
    struct lb_pool_waiter w;
    struct lb_pool *pool;
    size_t size;
    struct lb_pool_buf *got;
    int calls;
};

static void try_again(struct lb_pool_waiter *w) {
    struct waiter *me = LB_CONTAINER_OF(w, struct waiter, w);
    assert_true(lb_list_empty(&w->link));
    me->calls++;
    me->got = lb_pool_get(me->pool, me->size);
    if (!me->got)
        lb_pool_wait(me->pool, w);
}

static void test_waiters(void **state) {
    struct lb_pool *p = lb_pool_new(2 * MIB);
    struct lb_pool_buf *a = lb_pool_get(p, MIB);
    struct lb_pool_buf *small[2] = {lb_pool_get(p, MIB / 2), lb_pool_get(p, MIB / 2)};
    struct waiter big = {{.fn = try_again}, p, MIB, NULL, 0}, gone = big, last = big;
    last.size = 4096;
    lb_pool_wait(p, &big.w);
    lb_pool_wait(p, &gone.w);
    lb_pool_wait(p, &last.w);
    lb_list_remove(&gone.w.link);
    lb_pool_put(small[0]);
    /* Too little for the first, which keeps its place: the last must not take it away. */
    assert_null(big.got);
    assert_int_equal(big.calls, 1);
    assert_int_equal(last.calls, 0);
    lb_pool_put(small[1]);
    assert_non_null(big.got);
    assert_int_equal(big.calls, 2);
    assert_int_equal(last.calls, 1);
    assert_null(last.got);
    lb_pool_put(a);
    assert_non_null(last.got);
    assert_int_equal(gone.calls, 0);
    lb_pool_put(big.got);
    lb_pool_put(last.got);
    lb_pool_free(p);
}

static void test_freed_bytes_are_poisoned(void **state) {
#if LB_ASAN
    struct lb_pool *p = lb_pool_new(2 * MIB);
    struct lb_pool_buf *b = lb_pool_get(p, 4096);
    assert_false(__asan_address_is_poisoned(b->ptr));
    assert_true(__asan_address_is_poisoned(b->ptr + 4096));
    char *bytes = b->ptr;
    lb_pool_put(b);
    assert_true(__asan_address_is_poisoned(bytes));
    lb_pool_free(p);
#else
    print_message("not built with AddressSanitizer\n");
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),          cmocka_unit_test(test_bound),
        cmocka_unit_test(test_regions_return), cmocka_unit_test(test_random),
        cmocka_unit_test(test_waiters),        cmocka_unit_test(test_freed_bytes_are_poisoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
