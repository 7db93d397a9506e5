/* With authentication on: who is let in, in which order things happen, and signed streaming bodies.
 */
#include "unit/s3/body_env.h"

#include <stdio.h>

#include "base/civil.h"
#include "base/err.h"

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define STREAM "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"

static int setup_signed(void **state) {
    setup(state);
    s3_harness_auth(&h);
    return 0;
}

static int signed_call(const char *method, const char *target, const char *headers,
                       const char *payload, struct lb_slice data) {
    lb_buf_clear(&head);
    s3_harness_sign(&h, method, target, headers, payload, &head);
    return run(lb_buf_slice(&head), data);
}

static void check_stored(struct lb_slice data) {
    assert_int_equal(signed_call("GET", "/bucket/k", "", "UNSIGNED-PAYLOAD", LB_S("")), 200);
    assert_true(lb_slice_eq(lb_buf_slice(&c.received), data));
}

static void check_absent(void) {
    assert_int_equal(signed_call("GET", "/bucket/k", "", "UNSIGNED-PAYLOAD", LB_S("")), 404);
}

static void test_anonymous(void **state) {
    static const char *const lines[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET /bucket/k HTTP/1.1\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "PUT /new HTTP/1.1\r\nHost: a\r\n",
        "GET /bucket?list-type=2 HTTP/1.1\r\nHost: a\r\n",
        "PUT /none/k?x HTTP/1.1\r\nHost: a\r\n",
        "GET /bucket/k?acl HTTP/1.1\r\nHost: a\r\n",
        "GET /bucket/k?response-content-type=a HTTP/1.1\r\nHost: a\r\n",
        "OPTIONS /bucket/k HTTP/1.1\r\nHost: a\r\nOrigin: b\r\n",
    };
    for (size_t i = 0; i < CHECK_COUNT(lines); i++) {
        assert_int_equal(run(lb_slice_cstr(lines[i]), LB_S("")), 403);
        check_error("<Code>AccessDenied</Code>");
    }
    assert_int_equal(run(LB_S("GET /none/k HTTP/1.1\r\nHost: a\r\n"), LB_S("")), 404);
    check_error("<Code>NoSuchBucket</Code>");
    assert_int_equal(run(LB_S("OPTIONS /bucket/k HTTP/1.1\r\nHost: a\r\n"), LB_S("")), 400);
    check_error("<Code>BadRequest</Code>");
}

/* 100 Continue is sent by the first read: never to who may not write, or where there is no bucket.
 */
static void test_no_continue_before_decisions(void **state) {
    struct lb_slice text = LB_S("PUT /bucket/k HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                                "Expect: 100-continue\r\n");
    assert_int_equal(run(text, LB_S("hello")), 403);
    assert_int_equal(c.reads, 0);
    assert_int_equal(signed_call("PUT", "/none/k", "Content-Length: 5\r\nExpect: 100-continue\r\n",
                                 "UNSIGNED-PAYLOAD", LB_S("hello")),
                     404);
    assert_int_equal(c.reads, 0);
    assert_int_equal(signed_call("PUT", "/bucket/k",
                                 "Content-Length: 5\r\nExpect: 100-continue\r\n",
                                 "UNSIGNED-PAYLOAD", LB_S("hello")),
                     200);
    assert_true(c.reads > 0);
    check_stored(LB_S("hello"));
}

static void test_wrong_signature(void **state) {
    lb_buf_clear(&head);
    s3_harness_sign(&h, "GET", "/bucket/k", "", EMPTY_HASH, &head);
    char *at = memmem(head.ptr, head.len, "/bucket/k", 9);
    assert_non_null(at);
    at[8] = 'l';
    assert_int_equal(run(lb_buf_slice(&head), LB_S("")), 403);
    check_error("<Code>SignatureDoesNotMatch</Code>");
}

static void test_payload_hash(void **state) {
    assert_int_equal(
        signed_call("PUT", "/bucket/k", "Content-Length: 5\r\n", EMPTY_HASH, LB_S("hello")), 400);
    check_error("<Code>XAmzContentSHA256Mismatch</Code>");
    check_absent();
}

/* What a client does to sign chunks. */
struct signer {
    uint8_t key[32];
    char date[LB_CIVIL_BASIC_LEN + 1];
    char scope[64];
    char previous[65];
};

static void signer_init(struct signer *s, struct lb_slice signed_head) {
    static const char *const parts[] = {"us-east-1", "s3", "aws4_request"};
    char secret[128];
    lb_civil_basic(lb_io_wall_ns(h.io) / 1000000000, s->date);
    s->date[LB_CIVIL_BASIC_LEN] = '\0';
    ptrdiff_t at = lb_slice_find_slice(signed_head, LB_S("Signature="));
    assert_true(at > 0);
    memcpy(s->previous, signed_head.ptr + at + 10, 64);
    s->previous[64] = '\0';
    snprintf(s->scope, sizeof(s->scope), "%.8s/us-east-1/s3/aws4_request", s->date);
    snprintf(secret, sizeof(secret), "AWS4%s", S3_HARNESS_SECRET);
    lb_hmac_sha256(lb_slice_cstr(secret), lb_slice(s->date, 8), s->key);
    for (size_t i = 0; i < CHECK_COUNT(parts); i++) {
        uint8_t next[32];
        lb_hmac_sha256(lb_slice(s->key, 32), lb_slice_cstr(parts[i]), next);
        memcpy(s->key, next, 32);
    }
}

static void sign(struct signer *s, const char *text) {
    uint8_t mac[32];
    lb_hmac_sha256(lb_slice(s->key, 32), lb_slice_cstr(text), mac);
    lb_hex_encode(mac, 32, s->previous);
}

static void hex_hash(struct lb_slice data, char *hex) {
    struct lb_digest d;
    lb_hash_once(LB_HASH_SHA256, data, &d);
    lb_hex_encode(d.bytes, d.len, hex);
}

static void sign_chunk(struct signer *s, struct lb_slice data) {
    char hash[65], text[512];
    hex_hash(data, hash);
    snprintf(text, sizeof(text), "AWS4-HMAC-SHA256-PAYLOAD\n%s\n%s\n%s\n%s\n%s", s->date, s->scope,
             s->previous, EMPTY_HASH, hash);
    sign(s, text);
}

static void sign_trailer(struct signer *s, struct lb_slice canonical) {
    char hash[65], text[512];
    hex_hash(canonical, hash);
    snprintf(text, sizeof(text), "AWS4-HMAC-SHA256-TRAILER\n%s\n%s\n%s\n%s", s->date, s->scope,
             s->previous, hash);
    sign(s, text);
}

/* Builds the chunks of data behind a head that was signed; last: with the final chunk. */
static void frame(struct signer *s, struct lb_slice data, size_t chunk) {
    lb_buf_clear(&body);
    signer_init(s, lb_buf_slice(&head));
    for (;;) {
        struct lb_slice piece = lb_slice_first(data, chunk);
        sign_chunk(s, piece);
        lb_buf_printf(&body, "%zx;chunk-signature=%s\r\n", piece.len, s->previous);
        lb_buf_append(&body, piece);
        if (piece.len == 0)
            return;
        lb_buf_append(&body, LB_S("\r\n"));
        data = lb_slice_from(data, chunk);
    }
}

static void sign_stream(const char *headers, const char *payload) {
    lb_buf_clear(&head);
    s3_harness_sign(&h, "PUT", "/bucket/k", headers, payload, &head);
}

#define STREAM_HEADERS                                                \
    "Transfer-Encoding: chunked\r\nContent-Encoding: aws-chunked\r\n" \
    "x-amz-decoded-content-length: 100000\r\n"

/* The body in HTTP's chunked coding, as one chunk. */
static struct lb_slice outer(struct lb_buf *b) {
    lb_buf_clear(b);
    lb_buf_printf(b, "%zx\r\n", body.len);
    lb_buf_append(b, lb_buf_slice(&body));
    lb_buf_append(b, LB_S("\r\n0\r\n\r\n"));
    return lb_buf_slice(b);
}

static void test_signed_chunks(void **state) {
    static char data[100000];
    struct signer s;
    struct lb_buf wire;
    lb_buf_init(&wire, 16u << 20);
    memset(data, 'd', sizeof(data));
    sign_stream(STREAM_HEADERS, STREAM);
    frame(&s, lb_slice(data, sizeof(data)), 65536);
    lb_buf_append(&body, LB_S("\r\n"));
    assert_int_equal(run(lb_buf_slice(&head), outer(&wire)), 200);
    check_stored(lb_slice(data, sizeof(data)));

    /* One byte of the second chunk is another. */
    sign_stream(STREAM_HEADERS, STREAM);
    frame(&s, lb_slice(data, sizeof(data)), 65536);
    lb_buf_append(&body, LB_S("\r\n"));
    body.ptr[90000] = 'e';
    assert_int_equal(run(lb_buf_slice(&head), outer(&wire)), 403);
    check_error("<Code>SignatureDoesNotMatch</Code>");
    check_stored(lb_slice(data, sizeof(data)));

    /* Without signatures. */
    lb_buf_clear(&body);
    lb_buf_append(&body, LB_S("5\r\nhello\r\n0\r\n\r\n"));
    sign_stream("Transfer-Encoding: chunked\r\n", STREAM);
    assert_int_equal(run(lb_buf_slice(&head), outer(&wire)), 403);
    lb_buf_fini(&wire);
}

static void test_signed_trailer(void **state) {
    struct signer s;
    struct lb_buf wire;
    lb_buf_init(&wire, 1u << 20);
    for (int broken = 0; broken < 3; broken++) {
        sign_stream("Transfer-Encoding: chunked\r\nx-amz-trailer: x-amz-checksum-crc32\r\n",
                    STREAM "-TRAILER");
        frame(&s, LB_S("hello"), 3);
        sign_trailer(&s, LB_S("x-amz-checksum-crc32:NhCmhg==\n"));
        s.previous[0] = broken == 1 ? 'x' : s.previous[0];
        lb_buf_append(&body, LB_S("X-Amz-Checksum-Crc32: NhCmhg==\r\n"));
        if (broken < 2)
            lb_buf_printf(&body, "x-amz-trailer-signature:%s\r\n", s.previous);
        lb_buf_append(&body, LB_S("\r\n"));
        assert_int_equal(run(lb_buf_slice(&head), outer(&wire)), broken ? 403 : 200);
        if (broken)
            check_error("<Code>SignatureDoesNotMatch</Code>");
    }
    check_stored(LB_S("hello"));
    lb_buf_fini(&wire);
}

/* Without authentication, clients sign all the same; their signatures are let pass, not their
 * digests. */
static void test_signatures_ignored_when_off(void **state) {
    h.conf.creds = NULL;
    assert_int_equal(
        run(LB_S("PUT /bucket/k HTTP/1.1\r\nHost: a\r\nContent-Length: 104\r\n"
                 "x-amz-content-sha256: " STREAM "\r\nx-amz-decoded-content-length: 5\r\n"),
            LB_S("5;chunk-signature="
                 "0000000000000000000000000000000000000000000000000000000000000000\r\nhello\r\n"
                 "0\r\n\r\n")),
        200);
    assert_int_equal(run(LB_S("GET /bucket/k HTTP/1.1\r\nHost: a\r\n"), LB_S("")), 200);
    assert_int_equal(c.received.len, 5);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_signed, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_anonymous),
        TEST(test_no_continue_before_decisions),
        TEST(test_wrong_signature),
        TEST(test_payload_hash),
        TEST(test_signed_chunks),
        TEST(test_signed_trailer),
        TEST(test_signatures_ignored_when_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
