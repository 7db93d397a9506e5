/* Whole requests on objects: put, get, head, delete, ranges, conditions, metadata. */
#include "lib/s3_harness.h"

#include "base/err.h"

static struct s3_harness h;
static struct s3_call c;

static int setup(void **state) {
    s3_harness_init(&h, 0);
    return 0;
}

static int teardown(void **state) {
    s3_harness_fini(&h);
    return 0;
}

/* A request line and headers; the status. The response stays in c until the next. */
static int call(const char *head, struct lb_slice body) {
    s3_call_fini(&c);
    return s3_call(&h, &c, head, body);
}

static int get(const char *line_and_headers) {
    return call(line_and_headers, LB_S(""));
}

#define HOST " HTTP/1.1\r\nHost: localhost\r\n"
#define HEADER(name) s3_call_header(&c, LB_S(name))
#define RECEIVED lb_buf_slice(&c.received)

static int put(const char *target, const char *headers, struct lb_slice body) {
    struct lb_buf b;
    lb_buf_init(&b, 65536);
    lb_buf_printf(&b, "PUT %s" HOST "Content-Length: %zu\r\n%s", target, body.len, headers);
    lb_buf_append_char(&b, '\0');
    int status = call(b.ptr, body);
    lb_buf_fini(&b);
    return status;
}

static void test_put_get(void **state) {
    assert_int_equal(put("/bucket/a%20b", "", LB_S("hello")), 200);
    CHECK_SLICE(HEADER("ETag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    assert_int_equal(HEADER("x-amz-request-id").len, 16);
    assert_int_equal(get("GET /bucket/a%20b" HOST), 200);
    CHECK_SLICE(RECEIVED, "hello");
    CHECK_SLICE(HEADER("ETag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    CHECK_SLICE(HEADER("Content-Type"), "binary/octet-stream");
    CHECK_SLICE(HEADER("Accept-Ranges"), "bytes");
    assert_int_equal(HEADER("Last-Modified").len, 29);
    assert_int_equal(get("HEAD /bucket/a%20b" HOST), 200);
    assert_int_equal(c.length, 5);
    assert_int_equal(c.received.len, 0);
    assert_int_equal(put("/bucket/empty", "", LB_S("")), 200);
    CHECK_SLICE(HEADER("ETag"), "\"d41d8cd98f00b204e9800998ecf8427e\"");
    assert_int_equal(get("GET /bucket/empty" HOST), 200);
    assert_int_equal(c.length, 0);
}

static void test_delete(void **state) {
    assert_int_equal(put("/bucket/k", "", LB_S("hello")), 200);
    assert_int_equal(get("DELETE /bucket/k" HOST "If-Match: \"other\"\r\n"), 412);
    assert_int_equal(get("DELETE /bucket/k" HOST "x-amz-if-match-size: 4\r\n"), 412);
    assert_int_equal(get("DELETE /bucket/k" HOST "x-amz-if-match-size: x\r\n"), 400);
    assert_int_equal(get("DELETE /bucket/k" HOST "x-amz-if-match-size: 5\r\n"), 204);
    assert_int_equal(get("DELETE /bucket/k" HOST), 204);
    assert_int_equal(get("GET /bucket/k" HOST), 404);
    assert_int_equal(get("DELETE /other/k" HOST), 404);
}

static void test_errors(void **state) {
    assert_int_equal(get("GET /bucket/a%26b" HOST), 404);
    assert_true(s3_call_has(&c, "<Code>NoSuchKey</Code>"));
    assert_true(s3_call_has(&c, "<Resource>/bucket/a%26b</Resource>"));
    assert_true(s3_call_has(&c, "<RequestId>"));
    assert_int_equal(c.length, c.received.len);
    assert_int_equal(c.err, LB_ERR_NO_SUCH_KEY);
    CHECK_SLICE(HEADER("Content-Type"), "application/xml");
    struct lb_slice id = HEADER("x-amz-request-id");
    assert_true(lb_slice_find_slice(RECEIVED, id) > 0);
    assert_int_equal(HEADER("x-amz-id-2").len, 16);
    assert_int_equal(get("HEAD /bucket/none" HOST), 404);
    assert_int_equal(c.received.len, 0);
    assert_int_equal(get("GET /none/k" HOST), 404);
    assert_true(s3_call_has(&c, "<Code>NoSuchBucket</Code>"));
    assert_int_equal(get("GET /bucket/%zz" HOST), 400);
    assert_int_equal(get("GET /bucket/<&>?policy" HOST), 501);
    assert_true(s3_call_has(&c, "&lt;&amp;&gt;"));
    assert_int_equal(get("POST /bucket/k" HOST), 405);
    assert_int_equal(get("BREW /bucket/k" HOST), 501);
    assert_int_equal(get("GET /bucket/k?versionId=0123456789abcdef" HOST), 404);
    assert_true(s3_call_has(&c, "<Code>NoSuchVersion</Code>"));
    assert_int_equal(get("GET /bucket/k?versionId=abc" HOST), 400);
    assert_true(s3_call_has(&c, "<Code>InvalidArgument</Code>"));
    assert_int_equal(get("GET /bucket/k?versionId=" HOST), 400);
}

static void test_unsupported_headers(void **state) {
    static const char *const refused[] = {
        "x-amz-server-side-encryption: AES256\r\n",
        "X-Amz-Server-Side-Encryption-Customer-Algorithm: AES256\r\n",
        "x-amz-object-lock-mode: GOVERNANCE\r\n",
        "x-amz-acl: aws-exec-read\r\n",
        "x-amz-grant-read: id=1\r\n",
        "x-amz-checksum-sha512: AAAA\r\n",
        "x-amz-write-offset-bytes: 5\r\n",
    };
    for (size_t i = 0; i < CHECK_COUNT(refused); i++) {
        assert_int_equal(put("/bucket/k", refused[i], LB_S("x")), 501);
        assert_int_equal(c.reads, 0);
    }
    assert_int_equal(put("/bucket/k?x-amz-server-side-encryption=AES256", "", LB_S("x")), 501);
    assert_int_equal(get("GET /bucket/k" HOST), 404);
    assert_int_equal(put("/bucket/k",
                         "x-amz-acl: private\r\nx-amz-sdk-invocation-id: 1\r\n"
                         "amz-sdk-request: attempt=1\r\nx-amz-user-agent: a\r\n",
                         LB_S("x")),
                     200);
}

static void test_ranges(void **state) {
    assert_int_equal(put("/bucket/r", "", LB_S("0123456789")), 200);
    assert_int_equal(get("GET /bucket/r" HOST "Range: bytes=2-4\r\n"), 206);
    CHECK_SLICE(RECEIVED, "234");
    CHECK_SLICE(HEADER("Content-Range"), "bytes 2-4/10");
    assert_int_equal(get("GET /bucket/r" HOST "Range: bytes=-3\r\n"), 206);
    CHECK_SLICE(RECEIVED, "789");
    assert_int_equal(get("GET /bucket/r" HOST "Range: bytes=8-100\r\n"), 206);
    CHECK_SLICE(HEADER("Content-Range"), "bytes 8-9/10");
    assert_int_equal(get("GET /bucket/r" HOST "Range: bytes=0-9\r\n"), 206);
    assert_int_equal(get("HEAD /bucket/r" HOST "Range: bytes=2-4\r\n"), 206);
    assert_int_equal(c.length, 3);
    assert_int_equal(get("GET /bucket/r" HOST "Range: lines=1-2\r\n"), 200);
    CHECK_SLICE(RECEIVED, "0123456789");
    assert_int_equal(get("GET /bucket/r" HOST "Range: bytes=10-\r\n"), 416);
    CHECK_SLICE(HEADER("Content-Range"), "bytes */10");
    assert_true(s3_call_has(&c, "<Code>InvalidRange</Code>"));
    assert_true(s3_call_has(&c, "<ActualObjectSize>10</ActualObjectSize>"));
    assert_int_equal(put("/bucket/r0", "", LB_S("")), 200);
    assert_int_equal(get("GET /bucket/r0" HOST "Range: bytes=0-8388607\r\n"), 416);
    assert_true(s3_call_has(&c, "<ActualObjectSize>0</ActualObjectSize>"));
    assert_int_equal(get("GET /bucket/r0?partNumber=1" HOST), 200);
}

static void test_if_range(void **state) {
    assert_int_equal(put("/bucket/r", "", LB_S("0123456789")), 200);
    assert_int_equal(get("GET /bucket/r" HOST "Range: bytes=2-4\r\n"
                         "If-Range: \"781e5e245d69b566979b86e28d23f2c7\"\r\n"),
                     206);
    assert_int_equal(get("GET /bucket/r" HOST "Range: bytes=2-4\r\nIf-Range: \"other\"\r\n"), 200);
    assert_int_equal(get("GET /bucket/r" HOST "Range: bytes=2-4\r\n"
                         "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
                     200);
}

static void test_part_of_plain_object(void **state) {
    assert_int_equal(put("/bucket/r", "", LB_S("0123456789")), 200);
    assert_int_equal(get("GET /bucket/r?partNumber=1" HOST), 206);
    CHECK_SLICE(RECEIVED, "0123456789");
    CHECK_SLICE(HEADER("Content-Range"), "bytes 0-9/10");
    assert_null(HEADER("x-amz-mp-parts-count").ptr);
    assert_int_equal(get("GET /bucket/r?partNumber=2" HOST), 400);
    assert_true(s3_call_has(&c, "<Code>InvalidPart</Code>"));
    assert_int_equal(get("GET /bucket/r?partNumber=0" HOST), 400);
    assert_int_equal(get("GET /bucket/r?partNumber=1" HOST "Range: bytes=0-1\r\n"), 400);
}

static void test_conditional_get(void **state) {
    assert_int_equal(put("/bucket/k", "Cache-Control: max-age=5\r\n", LB_S("hello")), 200);
    assert_int_equal(get("GET /bucket/k" HOST "If-None-Match: \"5d41402abc4b2a76b9719d911017c592\""
                         "\r\n"),
                     304);
    assert_int_equal(c.received.len, 0);
    CHECK_SLICE(HEADER("ETag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    CHECK_SLICE(HEADER("Cache-Control"), "max-age=5");
    assert_int_equal(get("GET /bucket/k" HOST "If-Match: \"no\"\r\n"), 412);
    assert_null(HEADER("ETag").ptr);
    assert_true(s3_call_has(&c, "<Code>PreconditionFailed</Code>"));
}

static void test_conditional_put(void **state) {
    assert_int_equal(put("/bucket/n", "If-Match: *\r\n", LB_S("a")), 404);
    assert_int_equal(put("/bucket/n", "If-None-Match: *\r\n", LB_S("a")), 200);
    assert_int_equal(put("/bucket/n", "If-None-Match: *\r\n", LB_S("b")), 412);
    assert_int_equal(put("/bucket/n", "If-Match: \"no\"\r\n", LB_S("b")), 412);
    assert_int_equal(
        put("/bucket/n", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", LB_S("b")), 501);
    assert_int_equal(get("GET /bucket/n" HOST), 200);
    CHECK_SLICE(RECEIVED, "a");
}

static void test_metadata(void **state) {
    assert_int_equal(put("/bucket/m",
                         "Content-Type: text/x; charset=utf-8\r\nContent-Encoding: gzip\r\n"
                         "Content-Disposition: inline\r\nContent-Language: de\r\n"
                         "Expires: Thu, 01 Dec 1994 16:00:00 GMT\r\nX-Amz-Meta-Colour: Blue\r\n"
                         "x-amz-meta-a: 1\r\nx-amz-meta-A: 2\r\nx-amz-storage-class: GLACIER\r\n"
                         "x-amz-tagging: a=1&b=x%20y\r\n",
                         LB_S("x")),
                     200);
    assert_int_equal(get("HEAD /bucket/m" HOST), 200);
    CHECK_SLICE(HEADER("Content-Type"), "text/x; charset=utf-8");
    CHECK_SLICE(HEADER("Content-Encoding"), "gzip");
    CHECK_SLICE(HEADER("Content-Disposition"), "inline");
    CHECK_SLICE(HEADER("Content-Language"), "de");
    CHECK_SLICE(HEADER("Expires"), "Thu, 01 Dec 1994 16:00:00 GMT");
    CHECK_SLICE(HEADER("x-amz-meta-colour"), "Blue");
    CHECK_SLICE(HEADER("x-amz-meta-a"), "1,2");
    CHECK_SLICE(HEADER("x-amz-storage-class"), "GLACIER");
    CHECK_SLICE(HEADER("x-amz-tagging-count"), "2");
    assert_int_equal(get("GET /bucket/m?response-content-type=text%2Fplain&response-expires=now&"
                         "response-cache-control=none" HOST),
                     200);
    CHECK_SLICE(HEADER("Content-Type"), "text/plain");
    CHECK_SLICE(HEADER("Expires"), "now");
    CHECK_SLICE(HEADER("Cache-Control"), "none");
    CHECK_SLICE(HEADER("Content-Language"), "de");
}

static void test_metadata_refused(void **state) {
    struct lb_buf b;
    lb_buf_init(&b, 65536);
    lb_buf_printf(&b, "x-amz-meta-a: %02040d\r\n", 1);
    lb_buf_append_char(&b, '\0');
    assert_int_equal(put("/bucket/m", b.ptr, LB_S("x")), 200); /* 2041 bytes */
    lb_buf_clear(&b);
    lb_buf_printf(&b, "x-amz-meta-abcdefghi: %02040d\r\n", 1);
    lb_buf_append_char(&b, '\0');
    assert_int_equal(put("/bucket/m", b.ptr, LB_S("x")), 400); /* 2049 bytes */
    assert_true(s3_call_has(&c, "<Code>MetadataTooLarge</Code>"));
    lb_buf_fini(&b);
    assert_int_equal(put("/bucket/m", "x-amz-storage-class: cheap\r\n", LB_S("x")), 400);
    assert_int_equal(put("/bucket/m", "x-amz-tagging: a=1&a=2\r\n", LB_S("x")), 400);
    assert_int_equal(put("/bucket/m", "x-amz-tagging: =1\r\n", LB_S("x")), 400);
    assert_int_equal(put("/bucket/m", "x-amz-tagging: a&b&c&d&e&f&g&h&i&j&k\r\n", LB_S("x")), 400);
    assert_true(s3_call_has(&c, "<Code>InvalidTag</Code>"));
}

static void test_foreign_file(void **state) {
    mem_engine_foreign(h.engine, LB_S("bucket"), LB_S("d/page.html"), LB_S("<p>"));
    assert_int_equal(get("GET /bucket/d/page.html" HOST), 200);
    CHECK_SLICE(HEADER("Content-Type"), "text/html");
    assert_int_equal(put("/bucket/d/page.html", "", LB_S("<p>")), 200);
    assert_int_equal(get("GET /bucket/d/page.html" HOST), 200);
    CHECK_SLICE(HEADER("Content-Type"), "binary/octet-stream");
}

static void test_large_get(void **state) {
    size_t n = 1000001;
    char *data = malloc(n);
    assert_non_null(data);
    for (size_t i = 0; i < n; i++)
        data[i] = (char)(i * 31 >> 3);
    assert_int_equal(put("/bucket/large", "", lb_slice(data, n)), 200);
    assert_int_equal(get("GET /bucket/large" HOST), 200);
    assert_true(lb_slice_eq(RECEIVED, lb_slice(data, n)));
    assert_int_equal(get("GET /bucket/large" HOST "Range: bytes=99999-900000\r\n"), 206);
    assert_true(lb_slice_eq(RECEIVED, lb_slice(data + 99999, 800002)));
    free(data);
}

/* The client goes away in the middle: the reader is closed all the same. */
static void test_client_gone(void **state) {
    assert_int_equal(put("/bucket/k", "", LB_S("hello")), 200);
    s3_call_fini(&c);
    c = (struct s3_call){.head = LB_S("GET /bucket/k" HOST), .sent_err = LB_ERR_CANCELED};
    s3_call_run(&h, &c);
    assert_int_equal(c.err, LB_ERR_CANCELED);
}

static void test_buckets(void **state) {
    assert_int_equal(get("PUT /second.bucket" HOST), 200);
    CHECK_SLICE(HEADER("Location"), "/second.bucket");
    assert_int_equal(get("PUT /second.bucket" HOST), 200);
    assert_int_equal(get("PUT /Second" HOST), 400);
    assert_true(s3_call_has(&c, "<Code>InvalidBucketName</Code>"));
    assert_int_equal(get("HEAD /second.bucket" HOST), 200);
    CHECK_SLICE(HEADER("x-amz-bucket-region"), "us-east-1");
    assert_int_equal(get("HEAD /none" HOST), 404);
    assert_int_equal(get("GET /second.bucket?location" HOST), 200);
    assert_true(s3_call_has(&c, "<LocationConstraint xmlns="));
    assert_int_equal(get("GET /second.bucket?versioning" HOST), 200);
    assert_true(s3_call_has(&c, "<VersioningConfiguration xmlns="));
    assert_int_equal(get("GET /none?versioning" HOST), 404);
    assert_int_equal(put("/second.bucket/k", "", LB_S("x")), 200);
    assert_int_equal(get("DELETE /second.bucket" HOST), 409);
    assert_int_equal(get("DELETE /second.bucket/k" HOST), 204);
    assert_int_equal(get("DELETE /second.bucket" HOST), 204);
    assert_int_equal(get("DELETE /second.bucket" HOST), 404);
    h.conf.region = LB_S("eu-west-1");
    assert_int_equal(get("PUT /bucket" HOST), 200);
    assert_int_equal(get("GET /bucket?location" HOST), 200);
    assert_true(s3_call_has(&c, ">eu-west-1</LocationConstraint>"));
}

#define CONFIG(body) LB_S("<CreateBucketConfiguration>" body "</CreateBucketConfiguration>")

static void test_location_constraint(void **state) {
    assert_int_equal(put("/b-1", "", CONFIG("<LocationConstraint>ap-1</LocationConstraint>")), 200);
    assert_int_equal(put("/b-2", "", CONFIG("<LocationConstraint>a/b</LocationConstraint>")), 400);
    assert_true(s3_call_has(&c, "<Code>IllegalLocationConstraintException</Code>"));
    assert_int_equal(put("/b-2", "", CONFIG("")), 200);
    assert_int_equal(put("/b-3", "", LB_S("<Other/>")), 400);
    assert_int_equal(put("/b-3", "", LB_S("not XML")), 400);
    assert_true(s3_call_has(&c, "<Code>MalformedXML</Code>"));
    assert_int_equal(get("HEAD /b-3" HOST), 404);
}

static int free_call(void **state) {
    s3_call_fini(&c);
    return teardown(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, free_call)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_put_get),
        TEST(test_delete),
        TEST(test_errors),
        TEST(test_unsupported_headers),
        TEST(test_ranges),
        TEST(test_if_range),
        TEST(test_part_of_plain_object),
        TEST(test_conditional_get),
        TEST(test_conditional_put),
        TEST(test_metadata),
        TEST(test_metadata_refused),
        TEST(test_foreign_file),
        TEST(test_large_get),
        TEST(test_client_gone),
        TEST(test_buckets),
        TEST(test_location_constraint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
