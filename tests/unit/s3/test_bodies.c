/* Upload bodies: framings, digests, checksums, trailers, windows, and what happens when they are
 * wrong. */
#include "unit/s3/body_env.h"

#include <stdio.h>

#include "base/err.h"
#include "s3/body_priv.h"

#define HOST " HTTP/1.1\r\nHost: localhost\r\n"
#define HEADER(name) s3_call_header(&c, LB_S(name))
#define UNSIGNED "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n"

/* PUT /bucket/k with headers (Content-Length is added). */
static int put(const char *headers, struct lb_slice data) {
    lb_buf_clear(&head);
    lb_buf_printf(&head, "PUT /bucket/k" HOST "Content-Length: %zu\r\n%s", data.len, headers);
    return run(lb_buf_slice(&head), data);
}

static int put_chunked(const char *headers, struct lb_slice data, size_t piece) {
    lb_buf_clear(&head);
    lb_buf_printf(&head, "PUT /bucket/k" HOST "Transfer-Encoding: chunked\r\n%s", headers);
    return run_in_pieces(lb_buf_slice(&head), data, piece);
}

static void check_absent(void) {
    assert_int_equal(run(LB_S("GET /bucket/k" HOST), LB_S("")), 404);
}

static void check_stored(struct lb_slice data) {
    assert_int_equal(run(LB_S("GET /bucket/k" HOST "x-amz-checksum-mode: enabled\r\n"), LB_S("")),
                     200);
    assert_true(lb_slice_eq(lb_buf_slice(&c.received), data));
}

static char *pattern(size_t n) {
    char *data = malloc(n);
    assert_non_null(data);
    for (size_t i = 0; i < n; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    return data;
}

static void test_content_md5(void **state) {
    assert_int_equal(put("Content-MD5: XUFAKrxLKna5cZ2REBfFkg==\r\n", LB_S("hello")), 200);
    check_stored(LB_S("hello"));
    assert_int_equal(put("Content-MD5: XUFAKrxLKna5cZ2REBfFkg==\r\n", LB_S("hallo")), 400);
    check_error("<Code>BadDigest</Code>");
    check_stored(LB_S("hello"));
    assert_int_equal(put("Content-MD5: YWJyYWNhZGFicmE=\r\n", LB_S("hello")), 400);
    check_error("<Code>InvalidDigest</Code>");
    assert_int_equal(c.reads, 0);
    assert_int_equal(put("Content-MD5:\r\n", LB_S("hello")), 400);
    check_error("<Code>InvalidDigest</Code>");
}

static void test_checksum_header(void **state) {
    assert_int_equal(put("x-amz-checksum-crc32: NhCmhg==\r\n", LB_S("hello")), 200);
    CHECK_SLICE(HEADER("x-amz-checksum-crc32"), "NhCmhg==");
    CHECK_SLICE(HEADER("x-amz-checksum-type"), "FULL_OBJECT");
    check_stored(LB_S("hello"));
    CHECK_SLICE(HEADER("x-amz-checksum-crc32"), "NhCmhg==");
    assert_int_equal(run(LB_S("GET /bucket/k" HOST), LB_S("")), 200);
    assert_null(HEADER("x-amz-checksum-crc32").ptr);
    assert_int_equal(
        run(LB_S("GET /bucket/k" HOST "x-amz-checksum-mode: ENABLED\r\nRange: bytes=0-1\r\n"),
            LB_S("")),
        206);
    assert_null(HEADER("x-amz-checksum-crc32").ptr);
    assert_int_equal(put("x-amz-checksum-crc32: NhCmhQ==\r\n", LB_S("hello")), 400);
    check_error("<Code>BadDigest</Code>");
}

static void test_checksum_refused(void **state) {
    static const char *const headers[] = {
        "x-amz-checksum-crc32: NhCmhg==\r\nx-amz-checksum-crc32c: NhCmhg==\r\n",
        "x-amz-checksum-crc32: NhCmhg==\r\nx-amz-sdk-checksum-algorithm: SHA1\r\n",
        "x-amz-sdk-checksum-algorithm: ROT13\r\n",
        "x-amz-trailer: x-amz-checksum-crc32\r\n", /* but no framing that could have one */
        UNSIGNED "x-amz-trailer: x-amz-checksum-rot13\r\n",
        UNSIGNED "x-amz-trailer: x-amz-checksum-crc32, x-amz-checksum-sha1\r\n",
    };
    for (size_t i = 0; i < CHECK_COUNT(headers); i++) {
        if (put(headers[i], LB_S("hello")) != 400)
            fail_msg("%s: %d", headers[i], c.status);
        check_error("<Code>InvalidRequest</Code>");
        assert_int_equal(c.reads, 0);
    }
    assert_int_equal(put("x-amz-checksum-crc32: bad\r\n", LB_S("hello")), 400);
    check_error("<Code>BadDigest</Code>");
    assert_int_equal(put("x-amz-checksum-sha256: NhCmhg==\r\n", LB_S("hello")), 400);
    check_error("<Code>BadDigest</Code>");
    assert_int_equal(c.reads, 0);
    check_absent();
}

/* An algorithm alone asks for the checksum to be computed. */
static void test_checksum_computed(void **state) {
    static const char *const rows[][3] = {
        {"CRC32", "x-amz-checksum-crc32", "NhCmhg=="},
        {"CRC32C", "x-amz-checksum-crc32c", "mnG7TA=="},
        {"SHA1", "x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="},
        {"SHA256", "x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="},
    };
    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        char headers[128];
        snprintf(headers, sizeof(headers), "x-amz-sdk-checksum-algorithm: %s\r\n", rows[i][0]);
        assert_int_equal(put(headers, LB_S("hello")), 200);
        struct lb_slice value = s3_call_header(&c, lb_slice_cstr(rows[i][1]));
        assert_true(lb_slice_eq(value, lb_slice_cstr(rows[i][2])));
    }
}

static void test_payload_hash(void **state) {
    assert_int_equal(put("x-amz-content-sha256: "
                         "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\r\n",
                         LB_S("hello")),
                     200);
    assert_int_equal(put("x-amz-content-sha256: "
                         "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\r\n",
                         LB_S("hallo")),
                     400);
    check_error("<Code>XAmzContentSHA256Mismatch</Code>");
    check_stored(LB_S("hello"));
}

static void test_lengths(void **state) {
    assert_int_equal(run(LB_S("PUT /bucket/k" HOST), LB_S("")), 411);
    check_error("<Code>MissingContentLength</Code>");
    assert_int_equal(run(LB_S("PUT /bucket/k" HOST "Content-Length: 60000000000000\r\n"), LB_S("")),
                     400);
    check_error("<Code>EntityTooLarge</Code>");
    assert_int_equal(c.reads, 0);
    assert_int_equal(run(LB_S("PUT /bucket/k" HOST "Content-Length: 9\r\n"), LB_S("hello")), 400);
    check_error("<Code>IncompleteBody</Code>");
    check_absent();
    assert_int_equal(put_chunked("", LB_S("5\r\nhello\r\n0\r\n\r\n"), 0), 200);
    check_stored(LB_S("hello"));
}

static void test_client_gone(void **state) {
    s3_call_fini(&c);
    c = (struct s3_call){.head = LB_S("PUT /bucket/k" HOST "Content-Length: 900000\r\n"),
                         .body_err = LB_ERR_CANCELED,
                         .sent_err = LB_ERR_CANCELED};
    char *data = pattern(600000);
    c.body = lb_slice(data, 600000);
    s3_call_run(&h, &c);
    assert_int_equal(c.err, LB_ERR_CANCELED);
    free(data);
    check_absent();
}

/* The writes are multiples of a unit but for the last, side by side, within the window. */
static void test_window(void **state) {
    size_t n = 3 * S3_BODY_BUF + 12345;
    char *data = pattern(n);
    assert_int_equal(put("", lb_slice(data, n)), 200);
    assert_false(mem_engine_test(h.engine)->unaligned);
    assert_in_range(mem_engine_test(h.engine)->writes_max, 1, 2);
    assert_int_equal(mem_engine_test(h.engine)->hint, n);
    check_stored(lb_slice(data, n));
    free(data);
}

static void test_write_fails(void **state) {
    size_t n = 3 * S3_BODY_BUF;
    char *data = pattern(n);
    mem_engine_test(h.engine)->fail_write = LB_ERR_STORAGE_FULL;
    assert_int_equal(put("", lb_slice(data, n)), 507);
    check_error("<Code>InsufficientStorage</Code>");
    free(data);
    check_absent();
}

static void append_chunk(struct lb_slice data) {
    lb_buf_printf(&body, "%zx\r\n", data.len);
    lb_buf_append(&body, data);
    if (data.len)
        lb_buf_append(&body, LB_S("\r\n"));
}

/* Frames data in chunks of some size, with a trailer ("" for none). */
static void frame(struct lb_slice data, size_t chunk, const char *trailer) {
    lb_buf_clear(&body);
    while (data.len) {
        append_chunk(lb_slice_first(data, chunk));
        data = lb_slice_from(data, chunk);
    }
    lb_buf_printf(&body, "0\r\n%s\r\n", trailer);
}

static void test_unsigned_trailer(void **state) {
    frame(LB_S("hello"), 3, "x-amz-checksum-crc32:NhCmhg==\r\n");
    assert_int_equal(put(UNSIGNED "x-amz-trailer: x-amz-checksum-crc32\r\n"
                                  "Content-Encoding: aws-chunked\r\n"
                                  "x-amz-decoded-content-length: 5\r\n",
                         lb_buf_slice(&body)),
                     200);
    CHECK_SLICE(HEADER("x-amz-checksum-crc32"), "NhCmhg==");
    CHECK_SLICE(HEADER("ETag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    assert_int_equal(mem_engine_test(h.engine)->hint, 5);
    check_stored(LB_S("hello"));
    CHECK_SLICE(HEADER("x-amz-checksum-crc32"), "NhCmhg==");
    assert_null(HEADER("Content-Encoding").ptr);
}

#define TRAILED UNSIGNED "x-amz-trailer: x-amz-checksum-crc32\r\n"

static void check_trailer(const char *trailer, int status, const char *code) {
    frame(LB_S("hello"), 3, trailer);
    if (put(TRAILED, lb_buf_slice(&body)) != status)
        fail_msg("%s: %d", trailer, c.status);
    check_error(code);
    check_absent();
}

static void test_trailer_refused(void **state) {
    check_trailer("x-amz-checksum-crc32:NhCmhQ==\r\n", 400, "<Code>BadDigest</Code>");
    check_trailer("", 400, "<Code>MalformedTrailerError</Code>");
    check_trailer("x-amz-checksum-crc32:bad\r\n", 400, "<Code>InvalidRequest</Code>");
    check_trailer("x-amz-checksum-crc32c:mnG7TA==\r\n", 400, "<Code>MalformedTrailerError</Code>");
    check_trailer("x-amz-other:1\r\n", 400, "<Code>MalformedTrailerError</Code>");
    check_trailer("x-amz-checksum-crc32:NhCmhg==\r\nx-amz-checksum-crc32:NhCmhg==\r\n", 400,
                  "<Code>MalformedTrailerError</Code>");
}

static void test_decoded_length(void **state) {
    frame(LB_S("hello"), 5, "");
    assert_int_equal(put(UNSIGNED "x-amz-decoded-content-length: 6\r\n", lb_buf_slice(&body)), 400);
    check_error("<Code>IncompleteBody</Code>");
    assert_int_equal(put(UNSIGNED "x-amz-decoded-content-length: 4\r\n", lb_buf_slice(&body)), 400);
    check_error("<Code>IncompleteBody</Code>");
    assert_int_equal(put(UNSIGNED "x-amz-decoded-content-length: 5x\r\n", lb_buf_slice(&body)),
                     400);
    check_error("<Code>InvalidArgument</Code>");
    check_absent();
    assert_int_equal(put(UNSIGNED, lb_buf_slice(&body)), 200);
    check_stored(LB_S("hello"));
}

static void test_bad_framing(void **state) {
    assert_int_equal(put(UNSIGNED, LB_S("hello\r\n")), 403);
    check_error("<Code>InvalidChunkSizeError</Code>");
    assert_int_equal(put(UNSIGNED, LB_S("5\r\nhello")), 400);
    check_error("<Code>IncompleteBody</Code>");
    assert_int_equal(put(UNSIGNED, LB_S("5\r\nhello\r\n")), 400);
    assert_int_equal(put(UNSIGNED, LB_S("")), 400);
    assert_int_equal(put(UNSIGNED, LB_S("5\r\nhello\r\n0\r\n\r\nmore")), 403);
    assert_int_equal(run_in_pieces(lb_buf_slice(&head), LB_S("5\r\nhello\r\n0\r\n\r\nmore"), 15),
                     403);
    check_absent();
}

/* Content-Encoding alone, as some clients send with UNSIGNED-PAYLOAD. */
static void test_content_encoding(void **state) {
    frame(LB_S("hello"), 5, "");
    assert_int_equal(put("Content-Encoding: aws-chunked,gzip\r\n", lb_buf_slice(&body)), 200);
    check_stored(LB_S("hello"));
    CHECK_SLICE(HEADER("Content-Encoding"), "gzip");
    frame(LB_S("hello"), 5, "");
    assert_int_equal(
        put("Content-Encoding: deflate, aws-chunked,gzip, br\r\n", lb_buf_slice(&body)), 200);
    check_stored(LB_S("hello"));
    CHECK_SLICE(HEADER("Content-Encoding"), "deflate,gzip, br");
}

/* aws-chunked inside HTTP's chunked, without any length: what NIXL sends. */
static void test_double_framing(void **state) {
    struct lb_buf outer;
    size_t n = 2 * S3_BODY_BUF + 4097;
    char *data = pattern(n);
    struct lb_slice payload = lb_slice(data, n);
    char trailer[64], text[S3_CHECKSUM_TEXT_MAX];
    struct lb_digest d;
    lb_hash_once(LB_HASH_CRC64NVME, payload, &d);
    snprintf(trailer, sizeof(trailer), "x-amz-checksum-crc64nvme:%.*s\r\n",
             LB_SLICE_ARG(s3_checksum_text(&d, text)));
    frame(payload, 65536, trailer);
    lb_buf_init(&outer, 64u << 20);
    for (struct lb_slice rest = lb_buf_slice(&body); rest.len; rest = lb_slice_from(rest, 10007)) {
        struct lb_slice piece = lb_slice_first(rest, 10007);
        lb_buf_printf(&outer, "%zx\r\n", piece.len);
        lb_buf_append(&outer, piece);
        lb_buf_append(&outer, LB_S("\r\n"));
    }
    lb_buf_append(&outer, LB_S("0\r\n\r\n"));
    static const size_t pieces[] = {0, 1000, 65536};
    for (size_t i = 0; i < CHECK_COUNT(pieces); i++) {
        assert_int_equal(put_chunked(UNSIGNED "Content-Encoding: aws-chunked\r\n"
                                              "x-amz-trailer: x-amz-checksum-crc64nvme\r\n"
                                              "Expect: 100-continue\r\n",
                                     lb_buf_slice(&outer), pieces[i]),
                         200);
        assert_true(HEADER("x-amz-checksum-crc64nvme").len == 12);
        assert_false(mem_engine_test(h.engine)->unaligned);
        assert_true(mem_engine_test(h.engine)->hint == LB_SIZE_UNKNOWN);
    }
    check_stored(payload);
    lb_buf_fini(&outer);
    free(data);
}

/* One byte at a time, every boundary of the framing is met. */
static void test_pieces(void **state) {
    frame(LB_S("hello"), 2, "x-amz-checksum-crc32:NhCmhg==\r\n");
    assert_int_equal(put(TRAILED, lb_buf_slice(&body)), 200);
    for (size_t piece = 1; piece < 12; piece++) {
        assert_int_equal(run_in_pieces(lb_buf_slice(&head), lb_buf_slice(&body), piece), 200);
        CHECK_SLICE(HEADER("ETag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    }
}

/* The framing comes off in the buffer that was read: no second one is needed. */
static void test_one_buffer(void **state) {
    size_t n = 200000;
    char *data = pattern(n);
    s3_harness_fini(&h);
    s3_harness_init(&h, 256u << 10);
    frame(lb_slice(data, n), 1000, "");
    char headers[128];
    snprintf(headers, sizeof(headers), UNSIGNED "x-amz-decoded-content-length: %zu\r\n", n);
    assert_int_equal(put(headers, lb_buf_slice(&body)), 200);
    check_stored(lb_slice(data, n));
    free(data);
}

/* Chunks and pieces of sizes that fit nothing. */
static void test_units(void **state) {
    static const size_t chunks[] = {1, 13, 4095, 4096, 4097, 70000};
    static const size_t pieces[] = {0, 64, 4096, 5000, 65536};
    size_t n = 4 * 4096 + 3 * 70000 + 1;
    char *data = pattern(n);
    for (size_t i = 0; i < CHECK_COUNT(chunks); i++) {
        frame(lb_slice(data, n), chunks[i], "");
        lb_buf_clear(&head);
        lb_buf_printf(&head, "PUT /bucket/k" HOST "Content-Length: %zu\r\n" UNSIGNED, body.len);
        for (size_t k = 0; k < CHECK_COUNT(pieces); k++) {
            assert_int_equal(run_in_pieces(lb_buf_slice(&head), lb_buf_slice(&body), pieces[k]),
                             200);
            assert_false(mem_engine_test(h.engine)->unaligned);
            check_stored(lb_slice(data, n));
        }
    }
    free(data);
}

/* A pool that is too small for the window makes a body wait, or refuses it; it never hangs. */
static void test_small_pool(void **state) {
    size_t n = 3 * S3_BODY_BUF;
    char *data = pattern(n);
    s3_harness_fini(&h);
    s3_harness_init(&h, 2u << 20);
    struct lb_pool_buf *held = lb_pool_get(h.pool, 1u << 20);
    assert_non_null(held);
    struct lb_pool_buf *more = lb_pool_get(h.pool, 512u << 10);
    assert_non_null(more);
    frame(lb_slice(data, n), 100000, "");
    lb_buf_clear(&head);
    lb_buf_printf(&head, "PUT /bucket/k" HOST "Content-Length: %zu\r\n" UNSIGNED, body.len);
    s3_call_fini(&c);
    c = (struct s3_call){
        .head = lb_buf_slice(&head), .body = lb_buf_slice(&body), .held = 3u << 19};
    s3_call_run(&h, &c);
    assert_int_equal(c.status, 200);
    struct lb_pool_buf *last = lb_pool_get(h.pool, 256u << 10);
    struct lb_pool_buf *rest = lb_pool_get(h.pool, 128u << 10);
    assert_non_null(rest);
    s3_call_fini(&c);
    c = (struct s3_call){
        .head = lb_buf_slice(&head), .body = lb_buf_slice(&body), .held = (3u << 19) + (3u << 17)};
    s3_call_run(&h, &c);
    assert_int_equal(c.status, 503);
    check_error("<Code>SlowDown</Code>");
    lb_pool_put(held);
    lb_pool_put(more);
    lb_pool_put(last);
    lb_pool_put(rest);
    free(data);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_content_md5),
        TEST(test_checksum_header),
        TEST(test_checksum_refused),
        TEST(test_checksum_computed),
        TEST(test_payload_hash),
        TEST(test_lengths),
        TEST(test_client_gone),
        TEST(test_window),
        TEST(test_write_fails),
        TEST(test_unsigned_trailer),
        TEST(test_trailer_refused),
        TEST(test_decoded_length),
        TEST(test_bad_framing),
        TEST(test_content_encoding),
        TEST(test_double_framing),
        TEST(test_pieces),
        TEST(test_small_pool),
        TEST(test_one_buffer),
        TEST(test_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
