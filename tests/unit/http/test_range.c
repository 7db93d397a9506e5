#include "lib/check.h"

#include "base/err.h"
#include "http/range.h"

#define OK LB_RANGE_OK
#define NONE LB_RANGE_NONE
#define OVER LB_RANGE_UNSATISFIABLE

static void test_apply(void **state) {
    static const struct {
        struct lb_slice value;
        uint64_t size;
        enum lb_range_result result;
        uint64_t off, len;
    } cases[] = {
        {LB_S("bytes=0-0"), 10, OK, 0, 1},
        {LB_S("bytes=2-5"), 10, OK, 2, 4},
        {LB_S("BYTES=2-5"), 10, OK, 2, 4},
        {LB_S("bytes=0-9"), 10, OK, 0, 10},
        {LB_S("bytes=0-10"), 10, OK, 0, 10},
        {LB_S("bytes=9-"), 10, OK, 9, 1},
        {LB_S("bytes=0-"), 10, OK, 0, 10},
        {LB_S("bytes=-1"), 10, OK, 9, 1},
        {LB_S("bytes=-10"), 10, OK, 0, 10},
        {LB_S("bytes=-11"), 10, OK, 0, 10},
        {LB_S("bytes=-99999999999999999999999"), 10, OK, 0, 10},
        {LB_S("bytes=5-99999999999999999999999"), 10, OK, 5, 5},
        {LB_S("bytes=5-18446744073709551615"), 10, OK, 5, 5},
        {LB_S("bytes=0-18446744073709551615"), UINT64_MAX, OK, 0, UINT64_MAX},
        {LB_S("bytes=10-"), 10, OVER, 0, 0},
        {LB_S("bytes=10-20"), 10, OVER, 0, 0},
        {LB_S("bytes=99999999999999999999999-"), 10, OVER, 0, 0},
        {LB_S("bytes=-0"), 10, OVER, 0, 0},
        {LB_S("bytes=0-"), 0, OVER, 0, 0},
        {LB_S("bytes=0-0"), 0, OVER, 0, 0},
        {LB_S("bytes=-5"), 0, OVER, 0, 0},
        {LB_S(""), 10, NONE, 0, 0},
        {{NULL, 0}, 10, NONE, 0, 0},
        {LB_S("bytes"), 10, NONE, 0, 0},
        {LB_S("bytes="), 10, NONE, 0, 0},
        {LB_S("bytes=-"), 10, NONE, 0, 0},
        {LB_S("bytes=5"), 10, NONE, 0, 0},
        {LB_S("bytes=5-4"), 10, NONE, 0, 0},
        {LB_S("bytes=20-15"), 10, NONE, 0, 0},
        {LB_S("bytes=0-1,3-4"), 10, NONE, 0, 0},
        {LB_S("bytes=0-1,"), 10, NONE, 0, 0},
        {LB_S("bytes=--1"), 10, NONE, 0, 0},
        {LB_S("bytes=+1-2"), 10, NONE, 0, 0},
        {LB_S("bytes=1-2-3"), 10, NONE, 0, 0},
        {LB_S("bytes= 1-2"), 10, NONE, 0, 0},
        {LB_S("bytes=1 -2"), 10, NONE, 0, 0},
        {LB_S("bytes=0x1-2"), 10, NONE, 0, 0},
        {LB_S("bytes=99999999999999999999999x-"), 10, NONE, 0, 0},
        {LB_S("items=0-1"), 10, NONE, 0, 0},
        {LB_S("bytes 0-1"), 10, NONE, 0, 0},
        {LB_S("bytes=1-\0"), 10, NONE, 0, 0},
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        uint64_t off = 77, len = 77;
        char *copy = check_dup(cases[i].value);
        struct lb_slice value = lb_slice(copy, cases[i].value.len);
        enum lb_range_result result = lb_range_apply(value, cases[i].size, &off, &len);
        if (result != cases[i].result)
            print_error("case %zu: %d\n", i, (int)result);
        assert_int_equal(result, cases[i].result);
        assert_true(off == (result == OK ? cases[i].off : 77));
        assert_true(len == (result == OK ? cases[i].len : 77));
        free(copy);
    }
}

static void test_copy_source(void **state) {
    static const struct lb_slice bad[] = {
        LB_S("bytes=5-4"),     LB_S("bytes=5-"),
        LB_S("bytes=-5"),      LB_S("bytes=0-99999999999999999999999"),
        LB_S("0-5"),           LB_S("bytes=a-b"),
        LB_S("bytes=0-1,2-3"), LB_S(""),
    };
    static const struct lb_slice outside[] = {LB_S("bytes=0-10"), LB_S("bytes=10-10")};
    uint64_t off = 77, len = 77;
    for (size_t i = 0; i < CHECK_COUNT(bad); i++)
        assert_int_equal(lb_range_copy_source(bad[i], 10, &off, &len), LB_ERR_INVALID_RANGE_HEADER);
    for (size_t i = 0; i < CHECK_COUNT(outside); i++)
        assert_int_equal(lb_range_copy_source(outside[i], 10, &off, &len), LB_ERR_INVALID_RANGE);
    assert_int_equal(off, 77);
    assert_int_equal(len, 77);
    assert_int_equal(lb_range_copy_source(LB_S("bytes=0-0"), 0, &off, &len), LB_ERR_INVALID_RANGE);
    assert_int_equal(lb_range_copy_source(LB_S("bytes=3-9"), 10, &off, &len), 0);
    assert_int_equal(off, 3);
    assert_int_equal(len, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_copy_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
