#include "lib/check.h"

#include "http/response.h"

#define NOW (784111777 * (int64_t)1000000000)
#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: lobos\r\n"

static struct lb_buf b;

static struct lb_slice head(int status, uint64_t length, bool keep_alive, int minor_version) {
    lb_buf_clear(&b);
    lb_http_response_head(&b, status, LB_S("ETag: \"x\"\r\n"), length, keep_alive, minor_version,
                          NOW);
    assert_int_equal(b.err, 0);
    return lb_buf_slice(&b);
}

static void test_heads(void **state) {
    lb_buf_init(&b, 65536);
    CHECK_SLICE(head(200, 5, true, 1),
                "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 5\r\nETag: \"x\"\r\n\r\n");
    CHECK_SLICE(head(404, 0, false, 1), "HTTP/1.1 404 Not Found\r\n" DATE "Connection: close\r\n"
                                        "Content-Length: 0\r\nETag: \"x\"\r\n\r\n");
    CHECK_SLICE(head(206, UINT64_MAX - 1, true, 0),
                "HTTP/1.1 206 Partial Content\r\n" DATE "Connection: keep-alive\r\n"
                "Content-Length: 18446744073709551614\r\nETag: \"x\"\r\n\r\n");
    CHECK_SLICE(head(204, 0, true, 1), "HTTP/1.1 204 No Content\r\n" DATE "ETag: \"x\"\r\n\r\n");
    CHECK_SLICE(head(304, 5, true, 1), "HTTP/1.1 304 Not Modified\r\n" DATE "ETag: \"x\"\r\n\r\n");
    CHECK_SLICE(head(304, 0, true, 0),
                "HTTP/1.1 304 Not Modified\r\n" DATE "Connection: keep-alive\r\n"
                "ETag: \"x\"\r\n\r\n");
    CHECK_SLICE(head(100, 0, true, 1), "HTTP/1.1 100 Continue\r\nETag: \"x\"\r\n\r\n");
    CHECK_SLICE(head(299, 0, true, 1),
                "HTTP/1.1 299 Unknown\r\n" DATE "Content-Length: 0\r\nETag: \"x\"\r\n\r\n");
    lb_buf_fini(&b);
}

static void test_headers(void **state) {
    lb_buf_init(&b, 100);
    lb_http_header_add(&b, LB_S("x-amz-meta-a"), LB_S("b c"));
    lb_http_header_add(&b, LB_S("Empty"), lb_slice(NULL, 0));
    lb_http_header_add_u64(&b, LB_S("N"), 42);
    CHECK_SLICE(lb_buf_slice(&b), "x-amz-meta-a: b c\r\nEmpty: \r\nN: 42\r\n");
    lb_buf_clear(&b);
    lb_http_header_add(&b, LB_S("X"), LB_S("a\r\nSet-Cookie: b\0c"));
    CHECK_SLICE(lb_buf_slice(&b), "X: a  Set-Cookie: b c\r\n");
    lb_http_header_add(&b, LB_S("X"), lb_slice(b.ptr, 90));
    assert_true(b.err < 0);
    lb_buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
