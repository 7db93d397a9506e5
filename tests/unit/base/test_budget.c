/* A bound that arenas and buffers share. */
#include "lib/check.h"

#include <errno.h>
#include <pthread.h>

#include "base/arena.h"
#include "base/buf.h"

#define MAX (100u * 1024u)

static struct lb_budget budget;

static int setup(void **state) {
    lb_budget_init(&budget, MAX);
    return 0;
}

static void test_take_and_give(void **state) {
    assert_true(lb_budget_take(&budget, MAX - 1));
    assert_false(lb_budget_take(&budget, 2));
    assert_false(lb_budget_take(&budget, SIZE_MAX));
    assert_true(lb_budget_take(&budget, 1));
    assert_false(lb_budget_take(&budget, 1));
    lb_budget_give(&budget, MAX);
    assert_int_equal(budget.used, 0);
}

static void test_arena(void **state) {
    struct lb_arena a, b;
    lb_arena_init(&a, 1u << 20);
    lb_arena_init(&b, 1u << 20);
    a.budget = b.budget = &budget;
    assert_non_null(lb_arena_alloc(&a, 6000));
    assert_int_equal(budget.used, 0);
    assert_non_null(lb_arena_alloc(&a, 60000));
    assert_in_range(budget.used, 60000, 62000);
    /* The other gets no more than is left, but always a little. */
    assert_non_null(lb_arena_alloc(&b, 6000));
    assert_null(lb_arena_alloc(&b, 60000));
    assert_null(lb_arena_alloc(&b, 30000));
    lb_arena_reset(&a);
    assert_int_equal(budget.used, 0);
    assert_non_null(lb_arena_alloc(&b, 30000));
    assert_in_range(budget.used, 30000, 32000);
    assert_non_null(lb_arena_alloc(&b, 60000));
    lb_arena_fini(&b);
    assert_int_equal(budget.used, 0);
    assert_non_null(lb_arena_alloc(&b, 60000)); /* it is still the budget's */
    assert_null(lb_arena_alloc(&a, 60000));
    lb_arena_reset(&b);
    lb_arena_fini(&a);
    assert_int_equal(budget.used, 0);
    lb_arena_fini(&b);
}

static void test_buf(void **state) {
    static const char bytes[60000];
    struct lb_buf a, b;
    lb_buf_init(&a, 1u << 20);
    lb_buf_init(&b, 1u << 20);
    a.budget = b.budget = &budget;
    lb_buf_append(&a, lb_slice(bytes, LB_BUDGET_FREE));
    assert_int_equal(budget.used, 0);
    lb_buf_append(&a, lb_slice(bytes, sizeof(bytes)));
    assert_int_equal(budget.used, a.cap);
    assert_true(a.cap >= sizeof(bytes) + LB_BUDGET_FREE);
    lb_buf_append(&b, LB_S("a little"));
    lb_buf_append(&b, lb_slice(bytes, sizeof(bytes)));
    assert_int_equal(b.err, -ENOMEM);
    CHECK_SLICE(lb_buf_slice(&b), "a little");
    lb_buf_fini(&b);
    assert_int_equal(budget.used, a.cap);
    lb_buf_fini(&a);
    assert_int_equal(budget.used, 0);
    lb_buf_append(&b, lb_slice(bytes, sizeof(bytes))); /* it is still the budget's */
    assert_int_equal(budget.used, b.cap);
    lb_buf_fini(&b);
    assert_int_equal(budget.used, 0);
}

/* However many gather, the reply of one of them finds room; and one may be large by itself. */
static void test_arenas_leave_room(void **state) {
    struct lb_arena arenas[20], large;
    struct lb_buf reply;
    unsigned got = 0;
    lb_arena_init(&large, 1u << 20);
    large.budget = &budget;
    for (int i = 0; i < 20; i++) {
        lb_arena_init(&arenas[i], 1u << 20);
        arenas[i].budget = &budget;
        assert_non_null(lb_arena_alloc(&arenas[i], 6000));
        got += lb_arena_alloc(&arenas[i], 15000) != NULL;
    }
    assert_int_equal(got, 3);
    assert_in_range(budget.in_arenas, 45000, MAX / 2);
    lb_buf_init(&reply, 1u << 20);
    reply.budget = &budget;
    assert_non_null(lb_buf_reserve(&reply, MAX / 2));
    lb_buf_fini(&reply);
    assert_null(lb_arena_alloc(&large, 20000));
    assert_non_null(lb_arena_alloc(&large, 50000));
    assert_null(lb_arena_alloc(&large, MAX));
    lb_arena_fini(&large);
    for (int i = 0; i < 20; i++)
        lb_arena_fini(&arenas[i]);
    assert_int_equal(budget.in_arenas, 0);
    assert_int_equal(budget.used, 0);
}

static void *take_and_give(void *arg) {
    unsigned *taken = arg;
    for (int i = 0; i < 100000; i++) {
        if (!lb_budget_take(&budget, MAX / 2))
            continue;
        ++*taken;
        assert_in_range(budget.used, MAX / 2, MAX);
        lb_budget_give(&budget, MAX / 2);
    }
    return NULL;
}

static void test_threads(void **state) {
    pthread_t threads[4];
    unsigned taken[4] = {0};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &taken[i]), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(taken[i] > 0);
    }
    assert_int_equal(budget.used, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_take_and_give, setup),
        cmocka_unit_test_setup(test_arena, setup),
        cmocka_unit_test_setup(test_buf, setup),
        cmocka_unit_test_setup(test_arenas_leave_room, setup),
        cmocka_unit_test_setup(test_threads, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
