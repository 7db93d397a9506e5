#include "lib/check.h"

#include <errno.h>

static void test_equality_and_order(void **state) {
    struct lb_slice empty = lb_slice(NULL, 0);
    assert_true(lb_slice_eq(empty, LB_S("")));
    assert_true(lb_slice_eq(LB_S("ab"), LB_S("ab")));
    assert_false(lb_slice_eq(LB_S("ab"), LB_S("aB")));
    assert_true(lb_slice_eq_nocase(LB_S("aB"), LB_S("Ab")));
    assert_false(lb_slice_eq_nocase(LB_S("ab"), LB_S("abc")));
    assert_true(lb_slice_cmp(LB_S("a"), LB_S("ab")) < 0);
    assert_true(lb_slice_cmp(LB_S("b"), LB_S("ab")) > 0);
    assert_true(lb_slice_cmp(LB_S("\xff"), LB_S("a")) > 0);
    assert_int_equal(lb_slice_cmp(empty, LB_S("")), 0);
    assert_int_equal(lb_slice_cstr(NULL).len, 0);
}

static void test_prefix_and_parts(void **state) {
    assert_true(lb_slice_starts_with(LB_S("abc"), LB_S("ab")));
    assert_true(lb_slice_starts_with(LB_S(""), lb_slice(NULL, 0)));
    assert_false(lb_slice_starts_with(LB_S("a"), LB_S("ab")));
    assert_true(lb_slice_ends_with(LB_S("abc"), LB_S("bc")));
    assert_false(lb_slice_ends_with(LB_S("c"), LB_S("bc")));
    CHECK_SLICE(lb_slice_from(LB_S("abc"), 1), "bc");
    CHECK_SLICE(lb_slice_from(LB_S("abc"), 9), "");
    assert_null(lb_slice_from(lb_slice(NULL, 0), 0).ptr);
    CHECK_SLICE(lb_slice_first(LB_S("abc"), 2), "ab");
    CHECK_SLICE(lb_slice_first(LB_S("abc"), 9), "abc");
}

static void test_find_trim_cut(void **state) {
    assert_int_equal(lb_slice_find(LB_S("abcb"), 'b'), 1);
    assert_int_equal(lb_slice_find(LB_S("abc"), 'x'), -1);
    assert_int_equal(lb_slice_find(lb_slice(NULL, 0), 'x'), -1);
    assert_int_equal(lb_slice_find_slice(LB_S("abcabd"), LB_S("abd")), 3);
    assert_int_equal(lb_slice_find_slice(LB_S("abc"), LB_S("abcd")), -1);
    assert_int_equal(lb_slice_find_slice(LB_S("abc"), LB_S("")), 0);
    CHECK_SLICE(lb_slice_trim(LB_S(" \ta b\t ")), "a b");
    CHECK_SLICE(lb_slice_trim(LB_S(" \t ")), "");
    CHECK_SLICE(lb_slice_trim(LB_S("\va")), "\va");

    struct lb_slice s = LB_S("a,,b");
    CHECK_SLICE(lb_slice_cut(&s, ','), "a");
    CHECK_SLICE(lb_slice_cut(&s, ','), "");
    CHECK_SLICE(lb_slice_cut(&s, ','), "b");
    assert_null(s.ptr);
    s = LB_S("a,");
    CHECK_SLICE(lb_slice_cut(&s, ','), "a");
    assert_non_null(s.ptr);
    assert_int_equal(s.len, 0);
}

static void test_numbers(void **state) {
    uint64_t v = 7;
    assert_int_equal(lb_slice_to_u64(LB_S("0"), &v), 0);
    assert_int_equal(v, 0);
    assert_int_equal(lb_slice_to_u64(LB_S("18446744073709551615"), &v), 0);
    assert_true(v == UINT64_MAX);
    v = 7;
    assert_int_equal(lb_slice_to_u64(LB_S("18446744073709551616"), &v), -ERANGE);
    assert_int_equal(lb_slice_to_u64(LB_S("99999999999999999999"), &v), -ERANGE);
    assert_int_equal(lb_slice_to_u64(LB_S(""), &v), -EINVAL);
    assert_int_equal(lb_slice_to_u64(LB_S("-1"), &v), -EINVAL);
    assert_int_equal(lb_slice_to_u64(LB_S("+1"), &v), -EINVAL);
    assert_int_equal(lb_slice_to_u64(LB_S("1 "), &v), -EINVAL);
    assert_int_equal(lb_slice_to_u64(LB_S("0x1"), &v), -EINVAL);
    assert_int_equal(v, 7);
}

static void test_hex(void **state) {
    uint8_t bytes[3] = {0};
    char text[7];
    assert_int_equal(lb_hex_decode(LB_S("00fFa9"), bytes, 3), 0);
    assert_memory_equal(bytes, "\x00\xff\xa9", 3);
    lb_hex_encode(bytes, 3, text);
    assert_string_equal(text, "00ffa9");
    assert_int_equal(lb_hex_decode(LB_S("00ff"), bytes, 3), -EINVAL);
    assert_int_equal(lb_hex_decode(LB_S("00ffag"), bytes, 3), -EINVAL);
    assert_int_equal(lb_hex_digit('/'), -1);
    assert_int_equal(lb_hex_digit(':'), -1);
    assert_int_equal(lb_hex_digit('@'), -1);
    assert_int_equal(lb_hex_digit('`'), -1);
}

static void test_utf8(void **state) {
    static const struct {
        struct lb_slice s;
        size_t len;
    } cases[] = {
        {{"", 0}, 0},
        {{"\0", 1}, 1},
        {{"a", 1}, 1},
        {{"\xc3\xa4z", 3}, 2},
        {{"\xe2\x82\xac", 3}, 3},
        {{"\xf0\x9f\x98\x80", 4}, 4},
        {{"\xf4\x8f\xbf\xbf", 4}, 4},
        {{"\x80", 1}, 0},             /* a continuation alone */
        {{"\xc0\x80", 2}, 0},         /* overlong NUL */
        {{"\xc1\xbf", 2}, 0},         /* overlong */
        {{"\xe0\x9f\xbf", 3}, 0},     /* overlong */
        {{"\xf0\x8f\xbf\xbf", 4}, 0}, /* overlong */
        {{"\xed\xa0\x80", 3}, 0},     /* surrogate */
        {{"\xf4\x90\x80\x80", 4}, 0}, /* past U+10FFFF */
        {{"\xf5\x80\x80\x80", 4}, 0},
        {{"\xc3", 1}, 0},
        {{"\xe2\x82", 2}, 0},
        {{"\xe2\x82z", 3}, 0},
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        char *copy = check_dup(cases[i].s);
        assert_int_equal(lb_utf8_len(lb_slice(copy, cases[i].s.len)), cases[i].len);
        free(copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equality_and_order),
        cmocka_unit_test(test_prefix_and_parts),
        cmocka_unit_test(test_find_trim_cut),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
