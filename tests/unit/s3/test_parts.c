/* UploadPart, and GET and HEAD by part. */
#include "lib/s3_harness.h"

#include <stdio.h>

#include "base/err.h"

static struct s3_harness h;
static struct s3_call c;
static char upload[LB_UPLOAD_ID_MAX + 1];

#define HOST " HTTP/1.1\r\nHost: localhost\r\n"
#define HEADER(name) s3_call_header(&c, LB_S(name))

static int run(const char *method, const char *target, const char *headers, struct lb_slice data) {
    struct lb_buf head;
    lb_buf_init(&head, 65536);
    lb_buf_printf(&head, "%s %s" HOST "Content-Length: %zu\r\n%s", method, target, data.len,
                  headers);
    s3_call_fini(&c);
    c = (struct s3_call){.head = lb_buf_slice(&head), .body = data};
    s3_call_run(&h, &c);
    lb_buf_fini(&head);
    return c.status;
}

static void begin(const char *headers) {
    assert_int_equal(run("POST", "/bucket/k?uploads", headers, LB_S("")), 200);
    struct lb_slice text = lb_buf_slice(&c.received);
    ptrdiff_t at = lb_slice_find_slice(text, LB_S("<UploadId>"));
    assert_true(at > 0);
    text = lb_slice_from(text, (size_t)at + 10);
    text = lb_slice_cut(&text, '<');
    assert_in_range(text.len, 1, LB_UPLOAD_ID_MAX);
    memcpy(upload, text.ptr, text.len);
    upload[text.len] = '\0';
}

static int setup(void **state) {
    s3_harness_init(&h, 0);
    return 0;
}

static int teardown(void **state) {
    s3_call_fini(&c);
    s3_harness_fini(&h);
    return 0;
}

static int put_part(const char *number, const char *headers, struct lb_slice data) {
    char target[256];
    snprintf(target, sizeof(target), "/bucket/k?partNumber=%s&uploadId=%s", number, upload);
    return run("PUT", target, headers, data);
}

static void test_numbers(void **state) {
    static const char *const wrong[] = {"0", "10001", "-1", "x", "", "1x"};
    begin("");
    for (size_t i = 0; i < CHECK_COUNT(wrong); i++) {
        assert_int_equal(put_part(wrong[i], "", LB_S("x")), 400);
        assert_true(s3_call_has(&c, "<Code>InvalidArgument</Code>"));
        assert_int_equal(c.reads, 0);
    }
    assert_int_equal(put_part("10000", "", LB_S("x")), 200);
    CHECK_SLICE(HEADER("ETag"), "\"9dd4e461268c8034f5c8564e155c67a6\"");
    assert_int_equal(run("PUT", "/bucket/k?partNumber=1", "", LB_S("x")), 404);
    assert_int_equal(run("PUT", "/bucket/k?partNumber=1&uploadId=none", "", LB_S("x")), 404);
    assert_true(s3_call_has(&c, "<Code>NoSuchUpload</Code>"));
    assert_int_equal(c.reads, 0);
}

/* The upload's algorithm holds for its parts: computed when a part brings none, refused when
 * another. */
static void test_checksums(void **state) {
    begin("x-amz-checksum-algorithm: CRC32\r\n");
    assert_int_equal(put_part("1", "", LB_S("hello")), 200);
    CHECK_SLICE(HEADER("x-amz-checksum-crc32"), "NhCmhg==");
    assert_int_equal(put_part("2", "x-amz-checksum-crc32: NhCmhg==\r\n", LB_S("hello")), 200);
    assert_int_equal(put_part("2", "x-amz-checksum-crc32c: mnG7TA==\r\n", LB_S("hello")), 400);
    assert_true(s3_call_has(&c, "<Code>InvalidRequest</Code>"));
}

static void test_get_by_part(void **state) {
    char complete[512];
    h.conf.part_size_min = 1;
    begin("");
    assert_int_equal(put_part("1", "", LB_S("hello")), 200);
    assert_int_equal(put_part("2", "", LB_S("x")), 200);
    snprintf(complete, sizeof(complete),
             "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
             "<ETag>5d41402abc4b2a76b9719d911017c592</ETag></Part><Part><PartNumber>2</PartNumber>"
             "<ETag>9dd4e461268c8034f5c8564e155c67a6</ETag></Part></CompleteMultipartUpload>");
    char target[256];
    snprintf(target, sizeof(target), "/bucket/k?uploadId=%s", upload);
    assert_int_equal(run("POST", target, "", lb_slice_cstr(complete)), 200);
    assert_int_equal(run("GET", "/bucket/k", "", LB_S("")), 200);
    CHECK_SLICE(lb_buf_slice(&c.received), "hellox");
    assert_int_equal(run("GET", "/bucket/k?partNumber=2", "", LB_S("")), 206);
    CHECK_SLICE(lb_buf_slice(&c.received), "x");
    CHECK_SLICE(HEADER("Content-Range"), "bytes 5-5/6");
    CHECK_SLICE(HEADER("x-amz-mp-parts-count"), "2");
    assert_int_equal(run("HEAD", "/bucket/k?partNumber=1", "", LB_S("")), 206);
    assert_int_equal(c.length, 5);
    CHECK_SLICE(HEADER("x-amz-mp-parts-count"), "2");
    assert_int_equal(run("GET", "/bucket/k?partNumber=3", "", LB_S("")), 400);
    assert_true(s3_call_has(&c, "<Code>InvalidPart</Code>"));
}

#define HELLO "5d41402abc4b2a76b9719d911017c592" /* MD5 of hello */

/* A Part element. */
#define PART(number, etag) "<Part><PartNumber>" number "</PartNumber><ETag>" etag "</ETag></Part>"

static int complete(const char *headers, const char *parts) {
    char target[256], document[2048];
    snprintf(target, sizeof(target), "/bucket/k?uploadId=%s", upload);
    snprintf(document, sizeof(document), "<CompleteMultipartUpload>%s</CompleteMultipartUpload>",
             parts);
    return run("POST", target, headers, lb_slice_cstr(document));
}

/* A part that was sent again is named twice: the later one counts. */
static void test_named_twice(void **state) {
    begin("");
    assert_int_equal(put_part("1", "", LB_S("hello")), 200);
    assert_int_equal(complete("", PART("1", HELLO) PART("1", "1234")), 400);
    assert_true(s3_call_has(&c, "<Code>InvalidPart</Code>"));
    assert_int_equal(complete("", PART("1", HELLO) PART("2", HELLO) PART("1", HELLO)), 400);
    assert_true(s3_call_has(&c, "<Code>InvalidPartOrder</Code>"));
    assert_int_equal(complete("", PART("1", "1234") PART("1", HELLO)), 200);
    assert_int_equal(run("GET", "/bucket/k", "", LB_S("")), 200);
    CHECK_SLICE(lb_buf_slice(&c.received), "hello");
}

static void test_no_upload(void **state) {
    strcpy(upload, "none");
    assert_int_equal(complete("", PART("1", "1234")), 404);
    assert_true(s3_call_has(&c, "<Code>NoSuchUpload</Code>"));
    assert_int_equal(complete("", PART("1", HELLO HELLO)), 404);
    assert_int_equal(complete("", PART("1", HELLO)), 404);
    assert_int_equal(complete("", ""), 400);
    begin("");
    assert_int_equal(complete("", PART("1", HELLO HELLO)), 400);
    assert_true(s3_call_has(&c, "<Code>InvalidPart</Code>"));
}

/* The checksum headers of a completion are the object's, not the document's. */
static void test_claims(void **state) {
    static const char parts[] = PART("1", HELLO) PART("2", HELLO);
    h.conf.part_size_min = 1;
    begin("x-amz-checksum-algorithm: CRC32\r\n");
    assert_int_equal(put_part("1", "", LB_S("hello")), 200);
    assert_int_equal(put_part("2", "", LB_S("hello")), 200);
    assert_int_equal(complete("x-amz-checksum-crc32: NhCmhg==\r\n", parts), 400);
    assert_true(s3_call_has(&c, "<Code>BadDigest</Code>"));
    assert_int_equal(complete("x-amz-checksum-crc32: hV2X6w==-3\r\n", parts), 400);
    assert_int_equal(complete("x-amz-checksum-crc32c: hV2X6w==-2\r\n", parts), 400);
    assert_int_equal(complete("x-amz-checksum-crc32: hV2X6w==-2\r\n", parts), 200);
    assert_true(s3_call_has(&c, "<ChecksumCRC32>hV2X6w==-2</ChecksumCRC32>"));
    /* Who missed the answer gets it again. */
    assert_int_equal(complete("x-amz-checksum-crc32: hV2X6w==-2\r\n", parts), 200);
    assert_true(s3_call_has(&c, "<ChecksumCRC32>hV2X6w==-2</ChecksumCRC32>"));
    assert_int_equal(
        run("GET", "/bucket/k?partNumber=1", "x-amz-checksum-mode: ENABLED\r\n", LB_S("")), 206);
    CHECK_SLICE(HEADER("x-amz-checksum-crc32"), "NhCmhg==");
    CHECK_SLICE(HEADER("x-amz-checksum-type"), "COMPOSITE");
    begin("x-amz-checksum-algorithm: CRC32\r\nx-amz-checksum-type: FULL_OBJECT\r\n");
    assert_int_equal(put_part("1", "", LB_S("hello")), 200);
    assert_int_equal(put_part("2", "", LB_S("hello")), 200);
    assert_int_equal(complete("x-amz-checksum-crc32: 9YyXaA==-2\r\n", parts), 400);
    assert_int_equal(complete("x-amz-checksum-crc32: 9YyXaA==\r\n", parts), 200);
}

/* A client checks its parts by itself, in an upload that has no checksum. */
static void test_part_checksums_alone(void **state) {
    static const char parts[] = PART("1", HELLO) PART("2", HELLO);
    h.conf.part_size_min = 1;
    begin("");
    assert_int_equal(put_part("1", "x-amz-checksum-crc32: NhCmhg==\r\n", LB_S("hello")), 200);
    assert_int_equal(put_part("2", "x-amz-checksum-crc32: NhCmhg==\r\n", LB_S("hello")), 200);
    assert_int_equal(complete("", parts), 200);
    assert_int_equal(run("GET", "/bucket/k?attributes",
                         "x-amz-object-attributes: ObjectParts, Checksum\r\n", LB_S("")),
                     200);
    assert_true(s3_call_has(&c, "<PartsCount>2</PartsCount>"));
    assert_true(s3_call_has(&c, "<PartNumber>2</PartNumber><Size>5</Size>"));
    assert_false(s3_call_has(&c, "Checksum"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_numbers),
        TEST(test_checksums),
        TEST(test_get_by_part),
        TEST(test_named_twice),
        TEST(test_no_upload),
        TEST(test_claims),
        TEST(test_part_checksums_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
