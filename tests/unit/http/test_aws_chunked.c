#include "lib/check.h"

#include <stdio.h>

#include "base/err.h"
#include "http/chunked.h"

#define SIG "0123456789abcdef0123456789abcdef0123456789ABCDEF0123456789abcdef"

/* Events as text: "[5 sig]" or "[5]" begins a chunk, "]" ends it, "{name=value}" is a trailer, "$"
 * is the end, "!" and a number an error; payload stands as it is. */
struct transcript {
    struct lb_aws_chunked d;
    bool over;
    size_t left; /* of the last input */
    size_t len;
    char text[8192];
};

static void note(struct transcript *t, const char *before, struct lb_slice s, const char *after) {
    t->len += (size_t)snprintf(t->text + t->len, sizeof(t->text) - t->len, "%s%.*s%s", before,
                               LB_SLICE_ARG(s), after);
    assert_true(t->len < sizeof(t->text));
}

static void note_event(struct transcript *t, int event) {
    char number[30];
    switch (event) {
    case LB_AWS_CHUNK_BEGIN:
        snprintf(number, sizeof(number), "[%llu", (unsigned long long)t->d.chunk_len);
        note(t, number, lb_slice_cstr(t->d.signature[0] ? " sig" : ""), " ");
        if (t->d.signature[0])
            assert_string_equal(t->d.signature, SIG);
        break;
    case LB_AWS_CHUNK_DATA:
        assert_true(t->d.data.len > 0);
        note(t, "", t->d.data, "");
        break;
    case LB_AWS_CHUNK_END:
        note(t, "]", LB_S(""), "");
        break;
    case LB_AWS_CHUNK_TRAILER:
        note(t, "{", t->d.name, "=");
        note(t, "", t->d.value, "}");
        break;
    case LB_AWS_CHUNK_DONE:
        note(t, "$", LB_S(""), "");
        t->over = true;
        break;
    default:
        assert_true(event < 0);
        note(t, event == LB_ERR_INVALID_CHUNK ? "!chunk" : "!trailer", LB_S(""), "");
        assert_true(event == LB_ERR_INVALID_CHUNK || event == LB_ERR_MALFORMED_TRAILER);
        t->over = true;
    }
}

static void feed(struct transcript *t, struct lb_slice piece) {
    char *copy = check_dup(piece);
    struct lb_slice in = lb_slice(copy, piece.len);
    while (!t->over) {
        int event = lb_aws_chunked_next(&t->d, &in);
        if (event == LB_AWS_CHUNK_MORE) {
            assert_int_equal(in.len, 0);
            break;
        }
        note_event(t, event);
    }
    t->left = in.len;
    free(copy);
}

/* The transcript of in, which must be the same wherever it is split and byte by byte. */
static struct transcript *decode(struct lb_slice in) {
    static struct transcript whole, other;
    memset(&whole, 0, sizeof(whole));
    feed(&whole, in);
    for (size_t at = 0; at <= in.len; at++) {
        memset(&other, 0, sizeof(other));
        feed(&other, lb_slice_first(in, at));
        if (!other.over)
            feed(&other, lb_slice_from(in, at));
        assert_string_equal(other.text, whole.text);
    }
    memset(&other, 0, sizeof(other));
    for (size_t at = 0; at < in.len && !other.over; at++)
        feed(&other, lb_slice_first(lb_slice_from(in, at), 1));
    assert_string_equal(other.text, whole.text);
    return &whole;
}

static void test_good(void **state) {
    static const struct {
        struct lb_slice in;
        const char *text;
    } cases[] = {
        {LB_S("0\r\n\r\n"), "[0 ]$"},
        {LB_S("5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"), "[5 hello][10 0123456789][0 ]$"},
        {LB_S("5;chunk-signature=" SIG "\r\nhello\r\n0;chunk-signature=" SIG "\r\n\r\n"),
         "[5 sig hello][0 sig ]$"},
        /* unsigned, with a trailer: boto3, the C++ and Java SDKs */
        {LB_S("2\r\nhi\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"),
         "[2 hi][0 ]{x-amz-checksum-crc32=AAAAAA==}$"},
        /* signed, with a signed trailer */
        {LB_S("2;chunk-signature=" SIG "\r\nhi\r\n0;chunk-signature=" SIG
              "\r\nx-amz-checksum-crc32c: sOO8/Q== \r\nx-amz-trailer-signature:" SIG "\r\n\r\n"),
         "[2 sig hi][0 sig ]{x-amz-checksum-crc32c=sOO8/Q==}{x-amz-trailer-signature=" SIG "}$"},
        /* a trailer that ends in LF, then CRLF, then its signature: Go SDKs and S3's own example */
        {LB_S("0;chunk-signature=" SIG
              "\r\nx-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:" SIG "\r\n\r\n"),
         "[0 sig ]{x-amz-checksum-crc32c=sOO8/Q==}{x-amz-trailer-signature=" SIG "}$"},
        /* the same, unsigned */
        {LB_S("1\r\nx\r\n0\r\nx-amz-checksum-sha1:abc=\n\r\n\r\n"),
         "[1 x][0 ]{x-amz-checksum-sha1=abc=}$"},
        {LB_S("0\r\na:1\nb:2\nc:\n\r\n\r\n"), "[0 ]{a=1}{b=2}{c=}$"},
        /* payload that looks like framing */
        {LB_S("0000000000000007\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n"), "[7 0\r\n\r\n\r\n][0 ]$"},
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        struct transcript *t = decode(cases[i].in);
        assert_string_equal(t->text, cases[i].text);
        assert_int_equal(t->left, 0);
    }
}

static void test_rest_is_left(void **state) {
    struct transcript *t = decode(LB_S("0\r\n\r\nmore"));
    assert_string_equal(t->text, "[0 ]$");
    assert_int_equal(t->left, 4);
    struct lb_slice in = LB_S("x");
    assert_int_equal(lb_aws_chunked_next(&t->d, &in), LB_AWS_CHUNK_DONE);
    assert_int_equal(in.len, 1);
}

static void test_not_yet(void **state) {
    assert_string_equal(decode(LB_S("5\r\nhel"))->text, "[5 hel");
    assert_string_equal(decode(LB_S("5\r\nhello"))->text, "[5 hello");
    assert_string_equal(decode(LB_S("5\r\nhello\r"))->text, "[5 hello");
    assert_string_equal(decode(LB_S("0\r\n"))->text, "[0 ]");
    assert_string_equal(decode(LB_S("0\r\na:b\r\n"))->text, "[0 ]{a=b}");
    assert_string_equal(decode(LB_S("0\r\na:b\n\r\n"))->text, "[0 ]{a=b}");
    assert_string_equal(decode(LB_S("7fffffffffffffff\r\nx"))->text, "[9223372036854775807 x");
}

static void test_bad_chunks(void **state) {
    static const struct lb_slice cases[] = {
        LB_S("\r\n"),
        LB_S("x\r\n"),
        LB_S("-1\r\n"),
        LB_S("+1\r\n"),
        LB_S("0x1\r\n"),
        LB_S(" 1\r\n"),
        LB_S("1 \r\n"),
        LB_S("1\n"),
        LB_S("1\r\r\n"),
        LB_S("1;\r\n"),
        LB_S("1;chunk-signature\r\n"),
        LB_S("1;chunk-signature=\r\n"),
        LB_S("1;chunk-signature=abc\r\n"),
        LB_S("1;chunk-signature=" SIG "0\r\n"),
        LB_S("1;chunk-signature=" SIG ";x\r\n"),
        LB_S("1;chunk-signature=g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
             "\r\n"),
        LB_S("1;Chunk-Signature=" SIG "\r\n"),
        LB_S("1;other=" SIG "\r\n"),
        LB_S("1; chunk-signature=" SIG "\r\n"),
        LB_S("8000000000000000\r\n"),
        LB_S("10000000000000000\r\n"),
        LB_S("00000000000000001\r\n"),
        LB_S("1\0\r\n"),
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++)
        assert_string_equal(decode(cases[i])->text, "!chunk");
    assert_string_equal(decode(LB_S("1\r\nxy\r\n"))->text, "[1 x!chunk");
    assert_string_equal(decode(LB_S("1\r\nx\n0\r\n"))->text, "[1 x!chunk");
    assert_string_equal(decode(LB_S("1\r\nx\rX"))->text, "[1 x!chunk");
    assert_string_equal(decode(LB_S("1\r\nx\r\n\r\n"))->text, "[1 x]!chunk");
}

static void test_bad_trailers(void **state) {
    static const struct lb_slice cases[] = {
        LB_S("0\r\nnocolon\r\n"), LB_S("0\r\n:v\r\n"),     LB_S("0\r\na b:v\r\n"),
        LB_S("0\r\na :v\r\n"),    LB_S("0\r\n a:v\r\n"),   LB_S("0\r\na:v\x01\r\n"),
        LB_S("0\r\na:v\0\r\n"),   LB_S("0\r\na:v\rw\r\n"), LB_S("0\r\n\n"),
        LB_S("0\r\na:v\r\r\n"),
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++)
        assert_string_equal(decode(cases[i])->text, "[0 ]!trailer");
}

static void test_bounds(void **state) {
    static char in[3000];
    memset(in, '0', sizeof(in));
    assert_string_equal(decode(lb_slice(in, 1025))->text, "!chunk");
    assert_string_equal(decode(lb_slice(in, 1024))->text, "");
    size_t n = (size_t)sprintf(in, "0\r\na:%0*d\r\n\r\n", LB_AWS_CHUNK_LINE_MAX - 4, 0);
    struct transcript *t = decode(lb_slice(in, n));
    assert_int_equal(t->text[t->len - 1], '$');
    n = (size_t)sprintf(in, "0\r\na:%0*d\r\n\r\n", LB_AWS_CHUNK_LINE_MAX - 3, 0);
    assert_string_equal(decode(lb_slice(in, n))->text, "[0 ]!trailer");
    n = (size_t)sprintf(in, "0\r\n");
    for (int i = 0; i < 16; i++)
        n += (size_t)sprintf(in + n, "t%d:v\r\n", i);
    t = decode(lb_slice(in, n + (size_t)sprintf(in + n, "\r\n")));
    assert_int_equal(t->text[t->len - 1], '$');
    t = decode(lb_slice(in, n + (size_t)sprintf(in + n, "t:v\r\n\r\n")));
    assert_int_equal(t->text[t->len - 1], 'r');
}

/* The C++ SDK for a body of unknown length, which NIXL sends: HTTP chunks around aws-chunked, with
 * a CRC64NVME trailer, the borders of the two framings wherever they fall. */
static void test_double_framing(void **state) {
    struct lb_slice inner =
        LB_S("6\r\nKV KV \r\n5\r\ncache\r\n0\r\nx-amz-checksum-crc64nvme:rosUhgp5mIg=\r\n\r\n");
    for (size_t cut = 1; cut < inner.len; cut++) {
        char wire[300];
        int n =
            snprintf(wire, sizeof(wire), "%zx\r\n%.*s\r\n%zX\r\n%.*s\r\n0\r\n\r\n", cut, (int)cut,
                     inner.ptr, inner.len - cut, (int)(inner.len - cut), inner.ptr + cut);
        for (size_t step = 1; step <= (size_t)n; step++) {
            static struct transcript t;
            struct lb_http_chunked outer = {0};
            size_t used, len;
            int rc = 0;
            memset(&t, 0, sizeof(t));
            for (size_t at = 0; at < (size_t)n; at += step) {
                struct lb_slice piece = lb_slice_first(lb_slice(wire + at, (size_t)n - at), step);
                char *copy = check_dup(piece);
                assert_int_equal(rc, 0);
                rc = lb_http_chunked_decode(&outer, copy, piece.len, &used, &len);
                assert_int_equal(used, piece.len);
                feed(&t, lb_slice(copy, len));
                free(copy);
            }
            assert_int_equal(rc, 1);
            assert_string_equal(t.text, "[6 KV KV ][5 cache][0 ]"
                                        "{x-amz-checksum-crc64nvme=rosUhgp5mIg=}$");
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),           cmocka_unit_test(test_rest_is_left),
        cmocka_unit_test(test_not_yet),        cmocka_unit_test(test_bad_chunks),
        cmocka_unit_test(test_bad_trailers),   cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_double_framing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
