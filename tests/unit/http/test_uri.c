#include "lib/check.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "http/uri.h"

static struct lb_arena arena;

static int set_up(void **state) {
    lb_arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    lb_arena_fini(&arena);
    return 0;
}

static int decode(struct lb_slice s, bool plus, struct lb_slice *ret) {
    static char *copy;
    free(copy);
    copy = check_dup(s);
    return lb_uri_decode(&arena, lb_slice(copy, s.len), plus, ret);
}

static void test_decode(void **state) {
    static const struct {
        struct lb_slice in, plain, plus;
    } cases[] = {
        {LB_S(""), LB_S(""), LB_S("")},
        {LB_S("abc/d"), LB_S("abc/d"), LB_S("abc/d")},
        {LB_S("a+b"), LB_S("a+b"), LB_S("a b")},
        {LB_S("%2b%2F%2520"), LB_S("+/%20"), LB_S("+/%20")},
        {LB_S("%00x%ff"), LB_S("\0x\xff"), LB_S("\0x\xff")},
        {LB_S("a%20"), LB_S("a "), LB_S("a ")},
        {LB_S("%2e%2E/%E2%82%ac"), LB_S("../\xe2\x82\xac"), LB_S("../\xe2\x82\xac")},
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        struct lb_slice out;
        assert_int_equal(decode(cases[i].in, false, &out), 0);
        assert_true(lb_slice_eq(out, cases[i].plain));
        assert_int_equal(decode(cases[i].in, true, &out), 0);
        assert_true(lb_slice_eq(out, cases[i].plus));
    }
}

static void test_decode_bad(void **state) {
    static const struct lb_slice cases[] = {LB_S("%"),      LB_S("a%2"),  LB_S("%g0"),
                                            LB_S("%0g"),    LB_S("%%20"), LB_S("%-1"),
                                            LB_S("%u0041"), LB_S("% 1"),  LB_S("%\0\0")};
    struct lb_slice out = LB_S("before");
    for (size_t i = 0; i < CHECK_COUNT(cases); i++)
        assert_int_equal(decode(cases[i], false, &out), LB_ERR_INVALID_URI);
    CHECK_SLICE(out, "before");
    struct lb_arena none;
    lb_arena_init(&none, 2);
    assert_int_equal(lb_uri_decode(&none, LB_S("%20"), false, &out), -ENOMEM);
    lb_arena_fini(&none);
}

static void test_encode(void **state) {
    struct lb_buf b;
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    lb_buf_init(&b, 4096);
    lb_uri_encode(&b, LB_S("a/b c~-._+\xc3\xa4"), true);
    CHECK_SLICE(lb_buf_slice(&b), "a/b%20c~-._%2B%C3%A4");
    lb_buf_clear(&b);
    lb_uri_encode(&b, LB_S("a/b"), false);
    CHECK_SLICE(lb_buf_slice(&b), "a%2Fb");
    lb_buf_clear(&b);
    lb_uri_encode(&b, lb_slice(NULL, 0), false);
    assert_int_equal(b.len, 0);
    lb_uri_encode(&b, lb_slice(all, 256), false);
    assert_int_equal(b.len, 66 + 190 * 3);
    struct lb_slice back;
    assert_int_equal(decode(lb_buf_slice(&b), true, &back), 0);
    assert_true(lb_slice_eq(back, lb_slice(all, 256)));
    lb_buf_fini(&b);
}

static void test_utf8(void **state) {
    static const struct lb_slice good[] = {
        LB_S(""),
        LB_S("a"),
        LB_S("0123456789abcdef"),
        LB_S("0123456\xc3\xa4 0123456\x7f"),
        LB_S("\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\xe2\x82\xac"),
    };
    static const struct lb_slice bad[] = {
        LB_S("\0"),
        LB_S("01234567\0"),
        LB_S("0123\0"
             "567"),
        LB_S("0123456\0"),
        LB_S("\xc0\x80"),
        LB_S("0123456789\xff"),
        LB_S("\xed\xa0\x80"),
        LB_S("01234567\xc3"),
        LB_S("\x80"),
        LB_S("\xf4\x90\x80\x80"),
        LB_S("\x01\0\x01\x01\x01\x01\x01\x01"),
    };
    for (size_t i = 0; i < CHECK_COUNT(good); i++) {
        char *copy = check_dup(good[i]);
        assert_true(lb_utf8_valid(lb_slice(copy, good[i].len)));
        free(copy);
    }
    for (size_t i = 0; i < CHECK_COUNT(bad); i++) {
        char *copy = check_dup(bad[i]);
        assert_false(lb_utf8_valid(lb_slice(copy, bad[i].len)));
        free(copy);
    }
    assert_true(lb_utf8_valid(lb_slice(NULL, 0)));
}

static void test_query(void **state) {
    struct lb_query q;
    assert_int_equal(lb_query_parse(&arena, lb_slice(NULL, 0), &q), 0);
    assert_int_equal(q.n, 0);
    assert_int_equal(lb_query_parse(&arena, LB_S("&&"), &q), 0);
    assert_int_equal(q.n, 0);
    assert_int_equal(
        lb_query_parse(&arena, LB_S("uploads&prefix=a+b%2Bc&&x==y&empty=&p%3dq=%26&x=2&"), &q), 0);
    assert_int_equal(q.n, 6);
    assert_null(lb_query_find(&q, LB_S("uploads"))->value.ptr);
    CHECK_SLICE(lb_query_find(&q, LB_S("prefix"))->value, "a b+c");
    CHECK_SLICE(lb_query_find(&q, LB_S("x"))->value, "=y");
    assert_non_null(lb_query_find(&q, LB_S("empty"))->value.ptr);
    assert_int_equal(lb_query_find(&q, LB_S("empty"))->value.len, 0);
    CHECK_SLICE(lb_query_find(&q, LB_S("p=q"))->value, "&");
    assert_null(lb_query_find(&q, LB_S("Prefix")));
    assert_int_equal(lb_query_parse(&arena, LB_S("a=%2"), &q), LB_ERR_INVALID_URI);
    assert_int_equal(lb_query_parse(&arena, LB_S("%zz=1"), &q), LB_ERR_INVALID_URI);
}

static void test_query_bound(void **state) {
    struct lb_query q;
    char text[LB_QUERY_MAX * 4 + 8];
    size_t n = 0;
    for (int i = 0; i < LB_QUERY_MAX; i++)
        n += (size_t)sprintf(text + n, "a=1&");
    assert_int_equal(lb_query_parse(&arena, lb_slice(text, n), &q), 0);
    assert_int_equal(q.n, LB_QUERY_MAX);
    n += (size_t)sprintf(text + n, "b");
    assert_int_equal(lb_query_parse(&arena, lb_slice(text, n), &q), LB_ERR_INVALID_URI);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode), cmocka_unit_test(test_decode_bad),
        cmocka_unit_test(test_encode), cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_query),  cmocka_unit_test(test_query_bound),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
