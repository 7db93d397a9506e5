#include "lib/check.h"

#include <errno.h>

#include "base/buf.h"

static void test_appends(void **state) {
    struct lb_buf b;
    lb_buf_init(&b, 1 << 20);
    lb_buf_append(&b, LB_S("ab"));
    lb_buf_append(&b, lb_slice(NULL, 0));
    lb_buf_append_char(&b, '-');
    lb_buf_append_u64(&b, 0);
    lb_buf_append_char(&b, ' ');
    lb_buf_append_u64(&b, UINT64_MAX);
    lb_buf_printf(&b, " %d %s", -5, "x");
    CHECK_SLICE(lb_buf_slice(&b), "ab-0 18446744073709551615 -5 x");
    assert_int_equal(b.err, 0);
    lb_buf_clear(&b);
    assert_int_equal(b.len, 0);
    lb_buf_fini(&b);
    lb_buf_append(&b, LB_S("again"));
    CHECK_SLICE(lb_buf_slice(&b), "again");
    lb_buf_fini(&b);
}

static void test_growth_keeps_bytes(void **state) {
    struct lb_buf b;
    lb_buf_init(&b, 100000);
    for (int i = 0; i < 100000; i++)
        lb_buf_append_char(&b, (char)('a' + i % 26));
    assert_int_equal(b.err, 0);
    assert_int_equal(b.len, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(b.ptr[i], 'a' + i % 26);
    lb_buf_fini(&b);
}

static void test_error_sticks(void **state) {
    struct lb_buf b;
    lb_buf_init(&b, 8);
    lb_buf_append(&b, LB_S("12345678"));
    assert_int_equal(b.err, 0);
    lb_buf_append_char(&b, '9');
    assert_int_equal(b.err, -EMSGSIZE);
    lb_buf_clear(&b);
    lb_buf_append(&b, LB_S("123456"));
    lb_buf_append(&b, LB_S("too long"));
    lb_buf_append(&b, LB_S("1"));
    assert_int_equal(b.err, -EMSGSIZE);
    CHECK_SLICE(lb_buf_slice(&b), "123456");
    assert_null(lb_buf_reserve(&b, 1));
    lb_buf_clear(&b);
    assert_null(lb_buf_reserve(&b, SIZE_MAX));
    lb_buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_growth_keeps_bytes),
        cmocka_unit_test(test_error_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
