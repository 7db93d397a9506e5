#include "lib/check.h"

#include <errno.h>

#include "base/arena.h"

static void test_alignment_and_contents(void **state) {
    struct lb_arena a;
    char *blocks[200];
    lb_arena_init(&a, 1 << 20);
    for (int i = 0; i < 200; i++) {
        blocks[i] = lb_arena_alloc(&a, (size_t)i);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], i, (size_t)i);
    }
    for (int i = 0; i < 200; i++) {
        for (int j = 0; j < i; j++)
            assert_int_equal((unsigned char)blocks[i][j], i);
    }
    lb_arena_fini(&a);
}

static void test_zalloc_is_zero_after_reset(void **state) {
    struct lb_arena a;
    lb_arena_init(&a, 1 << 20);
    memset(lb_arena_alloc(&a, 1000), 0xff, 1000);
    lb_arena_reset(&a);
    assert_int_equal(a.used, 0);
    char *p = lb_arena_zalloc(&a, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    lb_arena_fini(&a);
}

static void test_bound(void **state) {
    struct lb_arena a;
    struct lb_slice s;
    lb_arena_init(&a, 10000);
    assert_non_null(lb_arena_alloc(&a, 10000));
    assert_null(lb_arena_alloc(&a, 1));
    assert_int_equal(lb_arena_copy(&a, LB_S("x"), &s), -ENOMEM);
    assert_int_equal(lb_arena_printf(&a, &s, "%d", 5), -ENOMEM);
    lb_arena_reset(&a);
    assert_non_null(lb_arena_alloc(&a, 6000));
    assert_null(lb_arena_alloc(&a, SIZE_MAX));
    assert_null(lb_arena_zalloc(&a, 6000));
    lb_arena_fini(&a);
}

static void test_strings(void **state) {
    struct lb_arena a;
    struct lb_slice s;
    lb_arena_init(&a, 1 << 20);
    assert_int_equal(lb_arena_copy(&a, lb_slice("a\0b", 3), &s), 0);
    assert_int_equal(s.len, 3);
    assert_memory_equal(s.ptr, "a\0b", 4);
    assert_int_equal(lb_arena_copy(&a, lb_slice(NULL, 0), &s), 0);
    assert_string_equal(s.ptr, "");
    assert_int_equal(lb_arena_printf(&a, &s, "%s-%d", "x", 42), 0);
    CHECK_SLICE(s, "x-42");
    assert_string_equal(s.ptr, "x-42");
    lb_arena_fini(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment_and_contents),
        cmocka_unit_test(test_zalloc_is_zero_after_reset),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
