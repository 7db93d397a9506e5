#include "lib/check.h"

#include <stdio.h>

#include "base/err.h"
#include "http/chunked.h"

/* What came of decoding input fed in two pieces. */
struct outcome {
    int rc;
    size_t used;
    size_t len;
    char payload[40000];
};

static void feed(struct lb_http_chunked *d, struct lb_slice piece, struct outcome *o) {
    size_t used = 0, len = 0;
    char *copy = check_dup(piece);
    o->rc = lb_http_chunked_decode(d, copy, piece.len, &used, &len);
    if (o->rc >= 0) {
        assert_true(len <= used && used <= piece.len);
        assert_true(o->rc == 1 || used == piece.len);
        memcpy(o->payload + o->len, copy, len);
        o->used += used;
        o->len += len;
    }
    free(copy);
}

static void decode_split(struct lb_slice in, size_t at, struct outcome *o) {
    struct lb_http_chunked d = {0};
    *o = (struct outcome){0};
    feed(&d, lb_slice_first(in, at), o);
    if (o->rc == 0)
        feed(&d, lb_slice_from(in, at), o);
}

/* The outcome of in, which must be the same wherever it is split. */
static struct outcome *decode(struct lb_slice in) {
    static struct outcome whole, split;
    decode_split(in, in.len, &whole);
    for (size_t at = 0; at < in.len && in.len < 1000; at++) {
        decode_split(in, at, &split);
        assert_int_equal(split.rc, whole.rc);
        if (whole.rc >= 0) {
            assert_int_equal(split.used, whole.used);
            assert_int_equal(split.len, whole.len);
            assert_memory_equal(split.payload, whole.payload, whole.len);
        }
    }
    /* And byte by byte. */
    struct lb_http_chunked d = {0};
    split = (struct outcome){0};
    for (size_t at = 0; at < in.len && split.rc == 0; at++)
        feed(&d, lb_slice_first(lb_slice_from(in, at), 1), &split);
    assert_int_equal(split.rc, whole.rc);
    return &whole;
}

static void test_good(void **state) {
    static const struct {
        struct lb_slice in, payload;
        size_t rest;
    } cases[] = {
        {LB_S("0\r\n\r\n"), LB_S(""), 0},
        {LB_S("5\r\nhello\r\n0\r\n\r\n"), LB_S("hello"), 0},
        {LB_S("5\r\nhello\r\n6\r\n world\r\n000\r\n\r\nGET /"), LB_S("hello world"), 5},
        {LB_S("1;a\r\nx\r\n1;a=b;c=\"d \"\r\ny\r\n1 ;a\r\nz\r\n0;last\r\n\r\n"), LB_S("xyz"), 0},
        {LB_S("1\r\nx\r\n0\r\nX-T: v\r\nY:\r\n\r\n"), LB_S("x"), 0},
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        struct outcome *o = decode(cases[i].in);
        assert_int_equal(o->rc, 1);
        assert_int_equal(o->used, cases[i].in.len - cases[i].rest);
        assert_true(lb_slice_eq(lb_slice(o->payload, o->len), cases[i].payload));
    }
}

static void test_bad(void **state) {
    static const struct lb_slice cases[] = {
        LB_S("\r\n"),
        LB_S("x\r\n"),
        LB_S("-5\r\n"),
        LB_S("+5\r\n"),
        LB_S("0x5\r\n"),
        LB_S(" 5\r\n"),
        LB_S(";a\r\n"),
        LB_S("5 \r\nhello\r\n"),
        LB_S("5\t\r\nhello\r\n"),
        LB_S("5 5\r\nhello\r\n"),
        LB_S("5\nhello\r\n"),
        LB_S("5\r\r\nhello\r\n"),
        LB_S("5\rhello\r\n"),
        LB_S("5;a\nhello\r\n"),
        LB_S("5;a\x01\r\nhello\r\n"),
        LB_S("5;a\0\r\nhello\r\n"),
        LB_S("5\r\nhelloX\r\n"),
        LB_S("5\r\nhello\n0\r\n\r\n"),
        LB_S("5\r\nhello\rX"),
        LB_S("5\r\nhello0\r\n\r\n"),
        LB_S("00000000000000005\r\n"),
        LB_S("8000000000000000\r\n"),
        LB_S("FFFFFFFFFFFFFFFFF\r\n"),
        LB_S("0\r\n\n"),
        LB_S("0\r\n\rX"),
        LB_S("0\r\nX y: z\r\n\r\n"),
        LB_S("0\r\n: z\r\n\r\n"),
        LB_S("0\r\nX\r\n\r\n"),
        LB_S("0\r\nX: a\r\n b\r\n\r\n"),
        LB_S("0\r\nX: a\nY: b\r\n\r\n"),
        LB_S("0\r\nX: a\x02\r\n\r\n"),
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        int rc = decode(cases[i])->rc;
        if (rc != LB_ERR_BAD_REQUEST)
            print_error("case %zu: %d\n", i, rc);
        assert_int_equal(rc, LB_ERR_BAD_REQUEST);
    }
}

static void test_digits(void **state) {
    struct outcome *o = decode(LB_S("000000000000000a\r\n0123456789\r\n0000000000000000\r\n\r\n"));
    assert_int_equal(o->rc, 1);
    assert_int_equal(o->len, 10);
    o = decode(LB_S("7fffffffffffffff\r\nabc"));
    assert_int_equal(o->rc, 0);
    assert_int_equal(o->len, 3);
    o = decode(LB_S("A\r\n0123456789\r\na\r\n0123456789\r\n"));
    assert_int_equal(o->rc, 0);
    assert_int_equal(o->len, 20);
}

/* Extensions and trailers are bounded over the whole body, however they are spread. */
static void test_bounds(void **state) {
    static char in[40000];
    size_t n = (size_t)sprintf(in, "1;");
    memset(in + n, 'e', 16000);
    n += 16000;
    n += (size_t)sprintf(in + n, "\r\nx\r\n0\r\n");
    size_t trailers = n;
    n += (size_t)sprintf(in + n, "X: %0200d\r\n\r\n", 0);
    assert_int_equal(decode(lb_slice(in, n))->rc, 1);
    n = trailers + (size_t)sprintf(in + trailers, "X: %0400d\r\n\r\n", 0);
    assert_int_equal(decode(lb_slice(in, n))->rc, LB_ERR_BAD_REQUEST);
    n = 0;
    for (int i = 0; i < 3500; i++)
        n += (size_t)sprintf(in + n, "1;abcd\r\nx\r\n");
    assert_int_equal(decode(lb_slice(in, n))->rc, LB_ERR_BAD_REQUEST);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
