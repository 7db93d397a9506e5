#include "lib/check.h"

#include <stdio.h>

#include "base/err.h"
#include "http/request.h"

static struct lb_http_request r;

/* Parses a copy of exactly the bytes. The request borrows from it until the next call. */
static int parse(struct lb_slice head) {
    static char *copy;
    free(copy);
    copy = check_dup(head);
    return lb_http_request_parse(lb_slice(copy, head.len), &r);
}

/* Parses lines behind a good request line and Host. */
static int parse_fields(const char *fields) {
    static char head[70000];
    int n = snprintf(head, sizeof(head), "PUT /k HTTP/1.1\r\nHost: h\r\n%s\r\n", fields);
    int rc = parse(lb_slice(head, (size_t)n));
    assert_true(rc < 0 || rc == n);
    return rc;
}

static void test_plain(void **state) {
    struct lb_slice head =
        LB_S("GET /b/a%20b?list-type=2&prefix= HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
             "Accept:*/*\r\nX-Empty:\r\nX-Pad: \t a b\t \r\n\r\nGET /next");
    assert_int_equal(parse(head), head.len - 9);
    assert_int_equal(r.method, LB_HTTP_GET);
    CHECK_SLICE(r.method_name, "GET");
    CHECK_SLICE(r.target, "/b/a%20b?list-type=2&prefix=");
    CHECK_SLICE(r.path, "/b/a%20b");
    CHECK_SLICE(r.query, "list-type=2&prefix=");
    CHECK_SLICE(r.host, "127.0.0.1:8080");
    assert_int_equal(r.minor_version, 1);
    assert_true(r.keep_alive);
    assert_false(r.chunked);
    assert_false(r.expect_continue);
    assert_true(r.content_length == LB_HTTP_LENGTH_NONE);
    assert_int_equal(r.headers_n, 4);
    CHECK_SLICE(r.headers[1].name, "Accept");
    CHECK_SLICE(r.headers[1].value, "*/*");
    CHECK_SLICE(r.headers[2].value, "");
    CHECK_SLICE(lb_http_request_header(&r, LB_S("x-pad")), "a b");
    assert_null(lb_http_request_header(&r, LB_S("x-pa")).ptr);
    assert_non_null(lb_http_request_header(&r, LB_S("X-EMPTY")).ptr);
}

static void test_methods(void **state) {
    static const struct {
        const char *name;
        enum lb_http_method method;
    } cases[] = {{"GET", LB_HTTP_GET},     {"HEAD", LB_HTTP_HEAD},     {"PUT", LB_HTTP_PUT},
                 {"POST", LB_HTTP_POST},   {"DELETE", LB_HTTP_DELETE}, {"OPTIONS", LB_HTTP_OPTIONS},
                 {"PATCH", LB_HTTP_OTHER}, {"get", LB_HTTP_OTHER},     {"M-SEARCH", LB_HTTP_OTHER}};
    char head[100];
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        int n = snprintf(head, sizeof(head), "%s / HTTP/1.1\r\nHost:\r\n\r\n", cases[i].name);
        assert_int_equal(parse(lb_slice(head, (size_t)n)), n);
        assert_int_equal(r.method, cases[i].method);
        assert_true(lb_slice_eq(r.method_name, lb_slice_cstr(cases[i].name)));
    }
}

static void test_targets(void **state) {
    assert_true(parse(LB_S("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")) > 0);
    assert_null(r.query.ptr);
    assert_true(parse(LB_S("GET /a? HTTP/1.1\r\nHost: h\r\n\r\n")) > 0);
    assert_non_null(r.query.ptr);
    assert_int_equal(r.query.len, 0);
    assert_true(parse(LB_S("GET //a//?x?y HTTP/1.1\r\nHost: h\r\n\r\n")) > 0);
    CHECK_SLICE(r.path, "//a//");
    CHECK_SLICE(r.query, "x?y");
    assert_true(parse(LB_S("GET HTTP://h2:80/p?q HTTP/1.1\r\nHost: h\r\n\r\n")) > 0);
    CHECK_SLICE(r.host, "h2:80");
    CHECK_SLICE(r.target, "/p?q");
    CHECK_SLICE(r.path, "/p");
    assert_true(parse(LB_S("GET https://[::1] HTTP/1.1\r\nHost: h\r\n\r\n")) > 0);
    CHECK_SLICE(r.host, "[::1]");
    CHECK_SLICE(r.path, "/");
    assert_true(parse(LB_S("GET http://h2?q HTTP/1.1\r\nHost: h\r\n\r\n")) > 0);
    CHECK_SLICE(r.host, "h2");
    CHECK_SLICE(r.path, "/");
    CHECK_SLICE(r.query, "q");
    assert_true(parse(LB_S("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")) > 0);
    CHECK_SLICE(r.target, "*");
    CHECK_SLICE(r.path, "/");
    assert_null(r.query.ptr);
}

static void test_bad_request_lines(void **state) {
    static const struct lb_slice lines[] = {
        LB_S("GET  / HTTP/1.1"),
        LB_S("GET / HTTP/1.1 "),
        LB_S("GET /  HTTP/1.1"),
        LB_S(" GET / HTTP/1.1"),
        LB_S("GET\t/ HTTP/1.1"),
        LB_S("GET /"),
        LB_S("GET"),
        LB_S("G(T / HTTP/1.1"),
        LB_S("GET / http/1.1"),
        LB_S("GET / HTTP/1"),
        LB_S("GET / HTTP/11.1"),
        LB_S("GET / HTTP/1.11"),
        LB_S("GET / HTTP/1.x"),
        LB_S("GET /a b HTTP/1.1"),
        LB_S("GET /a\x01 HTTP/1.1"),
        LB_S("GET /a\0 HTTP/1.1"),
        LB_S("GET /a\x7f HTTP/1.1"),
        LB_S("GET /a#b HTTP/1.1"),
        LB_S("GET a HTTP/1.1"),
        LB_S("GET * HTTP/1.1"),
        LB_S("GET ftp://h/ HTTP/1.1"),
        LB_S("GET http:///a HTTP/1.1"),
        LB_S("GET http://u@h/a HTTP/1.1"),
        LB_S("CONNECT h:80 HTTP/1.1"),
        LB_S("\x16\x03\x01\x02"),
    };
    for (size_t i = 0; i < CHECK_COUNT(lines); i++) {
        char head[200];
        memcpy(head, lines[i].ptr, lines[i].len);
        memcpy(head + lines[i].len, "\r\nHost: h\r\n\r\n", 13);
        int rc = parse(lb_slice(head, lines[i].len + 13));
        if (rc != LB_ERR_BAD_REQUEST)
            print_error("line %zu: %d\n", i, rc);
        assert_int_equal(rc, LB_ERR_BAD_REQUEST);
    }
}

static void test_versions(void **state) {
    assert_int_equal(parse(LB_S("GET / HTTP/2.0\r\nHost: h\r\n\r\n")), LB_ERR_HTTP_VERSION);
    assert_int_equal(parse(LB_S("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")), LB_ERR_BAD_REQUEST);
    assert_int_equal(parse(LB_S("GET / HTTP/1.2\r\nHost: h\r\n\r\n")), LB_ERR_HTTP_VERSION);
    assert_int_equal(parse(LB_S("GET / HTTP/0.9\r\n\r\n")), LB_ERR_HTTP_VERSION);
    assert_true(parse(LB_S("GET / HTTP/1.0\r\n\r\n")) > 0);
    assert_int_equal(r.minor_version, 0);
    assert_false(r.keep_alive);
    assert_int_equal(r.host.len, 0);
}

static void test_line_ends(void **state) {
    static const struct lb_slice bad[] = {
        LB_S("GET / HTTP/1.1\nHost: h\r\n\r\n"),
        LB_S("GET / HTTP/1.1\r\nHost: h\n\r\n"),
        LB_S("GET / HTTP/1.1\r\nHost: h\r\n\n"),
        LB_S("GET / HTTP/1.1\rHost: h\r\n\r\n"),
        LB_S("GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n"),
        LB_S("GET / HTTP/1.1\r\nHost: h\r\n\rX"),
        LB_S("GET / HTTP/1.1\r\nHost: h\r\r\n\r\n"),
        LB_S("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        LB_S("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        LB_S("\r\rGET"),
    };
    for (size_t i = 0; i < CHECK_COUNT(bad); i++)
        assert_int_equal(parse(bad[i]), LB_ERR_BAD_REQUEST);
    struct lb_slice good = LB_S("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(parse(good), good.len);
}

static void test_bad_fields(void **state) {
    static const char *const bad[] = {
        "X: a\r\n b\r\n",                                           /* obs-fold */
        "X: a\r\n\tb\r\n",                                          /* obs-fold */
        "X : a\r\n",                                                /* space before the colon */
        "X\t: a\r\n",                                               /* tab before the colon */
        " X: a\r\n",                                                /* space before the name */
        ": a\r\n",                                                  /* no name */
        "X\r\n",                                                    /* no colon */
        "X(y): a\r\n",                                              /* not a token */
        "X\x80: a\r\n",                                             /* not a token */
        "X: a\x01\r\n",                                             /* control characters */
        "X: \x7f\r\n",     "X: 12345678\x1b\r\n", "X: a\nY: b\r\n", /* bare LF */
        "X: a\rY: b\r\n",                                           /* bare CR */
    };
    for (size_t i = 0; i < CHECK_COUNT(bad); i++)
        assert_int_equal(parse_fields(bad[i]), LB_ERR_BAD_REQUEST);
    assert_int_equal(parse(LB_S("GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n")),
                     LB_ERR_BAD_REQUEST);
    assert_int_equal(parse(LB_S("GET / HTTP/1.1\r\nHost: h\r\nX\0: ab\r\n\r\n")),
                     LB_ERR_BAD_REQUEST);
    assert_true(parse_fields("X: tab\there, \x80\xff \"quoted\"\r\n") > 0);
}

/* Every byte at every place of a value that is longer than a machine word. */
static void test_value_bytes(void **state) {
    char head[] = "GET / HTTP/1.1\r\nHost: h\r\nX: .................\r\n\r\n";
    for (size_t at = 28; at < 45; at++) {
        for (int c = 0; c < 256; c++) {
            head[at] = (char)c;
            bool text = c == '\t' || (c >= 0x20 && c != 0x7f);
            int rc = parse(lb_slice(head, sizeof(head) - 1));
            assert_int_equal(rc, text ? (int)sizeof(head) - 1 : LB_ERR_BAD_REQUEST);
        }
        head[at] = '.';
    }
}

static void test_content_length(void **state) {
    static const char *const bad[] = {
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\ncontent-length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5,5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length: 5;\r\n",
        "Content-Length:\r\n",
        "Content-Length: \xb2\r\n",
        "Content-Length: 9223372036854775808\r\n",
        "Content-Length: 18446744073709551615\r\n",
        "Content-Length: 18446744073709551621\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
    };
    for (size_t i = 0; i < CHECK_COUNT(bad); i++)
        assert_int_equal(parse_fields(bad[i]), LB_ERR_BAD_REQUEST);
    assert_true(parse_fields("cOnTeNt-LeNgTh:\t0005 \r\n") > 0);
    assert_int_equal(r.content_length, 5);
    assert_true(parse_fields("Content-Length: 9223372036854775807\r\n") > 0);
    assert_true(r.content_length == INT64_MAX);
    assert_true(parse_fields("Content-Lengthx: 7\r\nXContent-Length: 7\r\n") > 0);
    assert_true(r.content_length == LB_HTTP_LENGTH_NONE);
}

static void test_transfer_encoding(void **state) {
    static const struct {
        const char *fields;
        int rc;
    } bad[] = {
        {"Transfer-Encoding: chunked, chunked\r\n", LB_ERR_BAD_REQUEST},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", LB_ERR_BAD_REQUEST},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", LB_ERR_BAD_REQUEST},
        {"Transfer-Encoding: xchunked\r\n", LB_ERR_BAD_REQUEST},
        {"Transfer-Encoding: chunkedx\r\n", LB_ERR_BAD_REQUEST},
        {"Transfer-Encoding: \"chunked\"\r\n", LB_ERR_BAD_REQUEST},
        {"Transfer-Encoding: chunked;q=1\r\n", LB_ERR_BAD_REQUEST},
        {"Transfer-Encoding: chunked, identity\r\n", LB_ERR_BAD_REQUEST},
        {"Transfer-Encoding: identity\r\n", LB_ERR_BAD_REQUEST},
        {"Transfer-Encoding: gzip\r\n", LB_ERR_BAD_REQUEST},
        {"Transfer-Encoding:\r\n", LB_ERR_BAD_REQUEST},
        {"Transfer-Encoding: ,chunked\r\n", LB_ERR_BAD_REQUEST},
        {"Transfer-Encoding: chunked,\r\n", LB_ERR_BAD_REQUEST},
        {"Transfer-Encoding: \vchunked\r\n", LB_ERR_BAD_REQUEST},
        {"Transfer-Encoding : chunked\r\n", LB_ERR_BAD_REQUEST},
        {"Transfer-Encoding: gzip, chunked\r\n", LB_ERR_MALFORMED_TRANSFER_ENCODING},
    };
    for (size_t i = 0; i < CHECK_COUNT(bad); i++)
        assert_int_equal(parse_fields(bad[i].fields), bad[i].rc);
    assert_true(parse_fields("transfer-encoding: CHUNKED\t\r\n") > 0);
    assert_true(r.chunked);
    assert_true(r.content_length == LB_HTTP_LENGTH_NONE);
    assert_int_equal(parse(LB_S("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")),
                     LB_ERR_BAD_REQUEST);
}

static void test_host(void **state) {
    assert_int_equal(parse(LB_S("GET / HTTP/1.1\r\n\r\n")), LB_ERR_BAD_REQUEST);
    assert_int_equal(parse(LB_S("GET http://h/ HTTP/1.1\r\n\r\n")), LB_ERR_BAD_REQUEST);
    assert_int_equal(parse_fields("Host: h\r\n"), LB_ERR_BAD_REQUEST);
    assert_int_equal(parse(LB_S("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n")),
                     LB_ERR_BAD_REQUEST);
    static const struct lb_slice bad[] = {
        LB_S("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        LB_S("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        LB_S("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
        LB_S("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
        LB_S("GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n"),
        LB_S("GET / HTTP/1.1\r\nHost: a#b\r\n\r\n"),
        LB_S("GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n"),
    };
    for (size_t i = 0; i < CHECK_COUNT(bad); i++)
        assert_int_equal(parse(bad[i]), LB_ERR_BAD_REQUEST);
    assert_true(parse(LB_S("GET / HTTP/1.1\r\nhOST:a-b_c.x:80\r\n\r\n")) > 0);
    CHECK_SLICE(r.host, "a-b_c.x:80");
}

static void test_connection(void **state) {
    assert_true(parse_fields("Connection: close\r\n") > 0 && !r.keep_alive);
    assert_true(parse_fields("Connection: TE, Close\r\n") > 0 && !r.keep_alive);
    assert_true(parse_fields("Connection: keep-alive\r\nConnection: close\r\n") > 0 &&
                !r.keep_alive);
    assert_true(parse_fields("Connection: closed\r\n") > 0 && r.keep_alive);
    assert_true(parse_fields("User-Agent: close\r\n") > 0 && r.keep_alive);
    assert_true(parse(LB_S("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")) > 0 &&
                r.keep_alive);
    assert_true(parse(LB_S("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n")) > 0 &&
                !r.keep_alive);
}

static void test_expect(void **state) {
    assert_true(parse_fields("Expect: 100-Continue\r\nContent-Length: 1\r\n") > 0 &&
                r.expect_continue);
    assert_true(parse_fields("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n") > 0 &&
                r.expect_continue);
    assert_true(parse_fields("Expect: 100-continue\r\n") > 0 && !r.expect_continue);
    assert_true(parse_fields("Expect: 100-continue\r\nContent-Length: 0\r\n") > 0 &&
                r.expect_continue);
    assert_true(parse_fields("Expect: 100-continued\r\nContent-Length: 1\r\n") > 0 &&
                !r.expect_continue);
    assert_true(parse_fields("Expect:\r\nContent-Length: 1\r\n") > 0 && !r.expect_continue);
    assert_true(parse(LB_S("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")) >
                    0 &&
                !r.expect_continue);
}

static void test_limits(void **state) {
    static char fields[70000];
    size_t n = 0;
    for (int i = 0; i < LB_HTTP_HEADERS_MAX - 1; i++)
        n += (size_t)sprintf(fields + n, "X-%d: v\r\n", i);
    assert_true(parse_fields(fields) > 0);
    assert_int_equal(r.headers_n, LB_HTTP_HEADERS_MAX);
    sprintf(fields + n, "Y: v\r\n");
    assert_int_equal(parse_fields(fields), LB_ERR_HEADERS_TOO_LARGE);

    struct lb_slice fixed = LB_S("PUT /k HTTP/1.1\r\nHost: h\r\nX: \r\n\r\n");
    size_t fits = LB_HTTP_HEAD_SIZE_MAX - fixed.len;
    n = (size_t)sprintf(fields, "X: %0*d\r\n", (int)fits, 7);
    assert_int_equal(parse_fields(fields), LB_HTTP_HEAD_SIZE_MAX);
    sprintf(fields, "X: %0*d\r\n", (int)fits + 1, 7);
    assert_int_equal(parse_fields(fields), LB_ERR_HEADERS_TOO_LARGE);

    memset(fields, 'a', sizeof(fields));
    assert_int_equal(parse(lb_slice(fields, LB_HTTP_HEAD_SIZE_MAX - 1)), 0);
    assert_int_equal(parse(lb_slice(fields, LB_HTTP_HEAD_SIZE_MAX)), LB_ERR_HEADERS_TOO_LARGE);
}

/* Any prefix of a good head wants more; a prefix of a bad one wants more until it is refused, and
 * then every longer one is refused for the same reason. */
static void check_prefixes(struct lb_slice head) {
    int whole = parse(head), seen = 0;
    for (size_t n = 0; n <= head.len; n++) {
        int rc = parse(lb_slice_first(head, n));
        if (whole > 0)
            assert_int_equal(rc, n < (size_t)whole ? 0 : whole);
        else
            assert_true(rc == whole || (rc == 0 && seen == 0));
        seen = rc;
    }
    assert_int_equal(seen, whole);
}

static void test_every_prefix(void **state) {
    check_prefixes(
        LB_S("\r\nPUT http://h/b/k?partNumber=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
             "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello"));
    check_prefixes(LB_S("GET / HTTP/1.0\r\n\r\n"));
    check_prefixes(
        LB_S("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"));
    check_prefixes(LB_S("GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n"));
    check_prefixes(LB_S("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: a, chunked\r\n\r\n"));
    check_prefixes(LB_S("GET / HTTP/1.1\r\nX: y\r\n\r\n"));
    check_prefixes(LB_S("GET / HTTP/3.1\r\nX: y\r\n\r\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),          cmocka_unit_test(test_methods),
        cmocka_unit_test(test_targets),        cmocka_unit_test(test_bad_request_lines),
        cmocka_unit_test(test_versions),       cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_bad_fields),     cmocka_unit_test(test_value_bytes),
        cmocka_unit_test(test_content_length), cmocka_unit_test(test_transfer_encoding),
        cmocka_unit_test(test_host),           cmocka_unit_test(test_connection),
        cmocka_unit_test(test_expect),         cmocka_unit_test(test_limits),
        cmocka_unit_test(test_every_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
