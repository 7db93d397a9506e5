/* The verdict on requests that are wrong in one way each, and on the edges of what is right. */
#include "request.h"

#include "auth/sigv4_priv.h"
#include "base/err.h"

struct fixture {
    struct lb_creds *creds;
    struct lb_auth_key_cache *cache;
    struct lb_arena arena;
    struct test_request request;
    struct lb_auth_result result;
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    f->creds = test_creds(1);
    f->cache = calloc(1, sizeof(*f->cache));
    lb_arena_init(&f->arena, 1u << 20);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    lb_creds_unref(f->creds);
    lb_arena_fini(&f->arena);
    free(f->cache);
    free(f);
    return 0;
}

static int verify_at(struct fixture *f, int64_t now_s) {
    return lb_sigv4_verify(&f->request.auth, f->creds, f->cache, &f->arena, now_s, &f->result);
}

static int verify(struct fixture *f) {
    return verify_at(f, TEST_NOW_S);
}

static void add(struct fixture *f, const char *name, const char *value) {
    test_header(&f->request, lb_slice_cstr(name), lb_slice_cstr(value));
}

static void begin(struct fixture *f, const char *line) {
    lb_arena_reset(&f->arena);
    test_request_line(&f->request, lb_slice_cstr(line));
    add(f, "Host", "127.0.0.1:8080");
    add(f, "x-amz-date", TEST_DATE);
}

/* Signs with the test's key, or with another secret or region. */
static void sign_as(struct fixture *f, const char *payload, const char *secret,
                    const char *region) {
    struct lb_cred cred = {.access_key = TEST_ACCESS_KEY};
    struct lb_slice authorization;
    snprintf(cred.secret_key, sizeof(cred.secret_key), "%s", secret);
    if (payload[0])
        add(f, "x-amz-content-sha256", payload);
    assert_int_equal(lb_sigv4_sign(&f->request.auth, &cred, lb_slice_cstr(region), LB_S(TEST_DATE),
                                   lb_slice_cstr(payload), &f->arena, &authorization),
                     0);
    test_header(&f->request, LB_S("authorization"), authorization);
}

static void sign(struct fixture *f, const char *payload) {
    sign_as(f, payload, TEST_SECRET_KEY, "us-east-1");
}

static struct lb_auth_pair *last_header(struct fixture *f) {
    return &f->request.headers[f->request.auth.headers_n - 1];
}

/* Replaces the Authorization header of a good request. */
static int verify_authorization(struct fixture *f, const char *value) {
    begin(f, "GET /b/k");
    sign(f, "UNSIGNED-PAYLOAD");
    last_header(f)->value = lb_slice_cstr(value);
    return verify(f);
}

static void anonymous_is_nobody(void **state) {
    struct fixture *f = *state;
    begin(f, "GET /b/k");
    assert_int_equal(verify(f), 0);
    assert_null(f->result.cred);
    assert_int_equal(f->result.payload, LB_AUTH_PAYLOAD_UNSIGNED);
    add(f, "x-amz-content-sha256", TEST_EMPTY_SHA256);
    add(f, "Authorization", "");
    assert_int_equal(verify(f), 0);
    assert_null(f->result.cred);
    assert_int_equal(f->result.payload, LB_AUTH_PAYLOAD_SHA256);
    assert_int_equal(f->result.sha256[0], 0xe3);
}

static void without_credentials_nothing_is_verified(void **state) {
    struct fixture *f = *state;
    begin(f, "PUT /b/k");
    add(f, "Authorization", "nonsense");
    add(f, "x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert_int_equal(
        lb_sigv4_verify(&f->request.auth, NULL, f->cache, &f->arena, TEST_NOW_S, &f->result), 0);
    assert_null(f->result.cred);
    assert_int_equal(f->result.payload, LB_AUTH_PAYLOAD_STREAM_UNSIGNED);
    last_header(f)->value = LB_S("bad");
    assert_int_equal(
        lb_sigv4_verify(&f->request.auth, NULL, f->cache, &f->arena, TEST_NOW_S, &f->result),
        LB_ERR_INVALID_ARGUMENT);
}

static void payload_forms(void **state) {
    static const struct {
        const char *value;
        int err;
        enum lb_auth_payload payload;
    } cases[] = {
        {"UNSIGNED-PAYLOAD", 0, LB_AUTH_PAYLOAD_UNSIGNED},
        {TEST_EMPTY_SHA256, 0, LB_AUTH_PAYLOAD_SHA256},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", 0, LB_AUTH_PAYLOAD_STREAM},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", 0, LB_AUTH_PAYLOAD_STREAM_TRAILER},
        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", 0, LB_AUTH_PAYLOAD_STREAM_UNSIGNED},
        {"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", LB_ERR_UNSUPPORTED_SIGNATURE, 0},
        {"unsigned-payload", LB_ERR_INVALID_ARGUMENT, 0},
        {"e3b0c44298fc1c14", LB_ERR_INVALID_ARGUMENT, 0},
        {TEST_EMPTY_SHA256 "00", LB_ERR_INVALID_ARGUMENT, 0},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(f, "PUT /b/k");
        sign(f, cases[i].value);
        assert_int_equal(verify(f), cases[i].err);
        if (cases[i].err == 0)
            assert_int_equal(f->result.payload, cases[i].payload);
    }
    begin(f, "PUT /b/k");
    sign(f, "");
    assert_int_equal(verify(f), LB_ERR_MISSING_HEADER);
}

static void stream_state_is_filled(void **state) {
    struct fixture *f = *state;
    begin(f, "PUT /b/k");
    sign_as(f, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", TEST_SECRET_KEY, "eu-west-3");
    struct lb_slice authorization = last_header(f)->value;
    assert_int_equal(verify(f), 0);
    assert_string_equal(f->result.stream.scope, "20130524/eu-west-3/s3/aws4_request");
    assert_string_equal(f->result.stream.date_basic, TEST_DATE);
    assert_memory_equal(f->result.stream.previous, authorization.ptr + authorization.len - 64, 64);
    assert_int_equal(lb_sigv4_chunk(&f->result.stream, f->result.sha256, LB_S("12")),
                     LB_ERR_SIGNATURE_MISMATCH);
}

#define CREDENTIAL "Credential=" TEST_ACCESS_KEY "/20130524/us-east-1/s3/aws4_request"
#define SIGNED "SignedHeaders=host;x-amz-content-sha256;x-amz-date"
#define SIGNATURE "Signature=" TEST_EMPTY_SHA256
#define V4 "AWS4-HMAC-SHA256 "

static void malformed_authorization(void **state) {
    static const struct {
        const char *value;
        int err;
    } cases[] = {
        {"AWS AKIA:c2ln", LB_ERR_UNSUPPORTED_SIGNATURE},
        {"Basic YTpi", LB_ERR_UNSUPPORTED_SIGNATURE},
        {"Bearer x", LB_ERR_UNSUPPORTED_SIGNATURE},
        {"AWS4-ECDSA-P256-SHA256 " CREDENTIAL, LB_ERR_UNSUPPORTED_SIGNATURE},
        {"AWS4-HMAC-SHA256", LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 CREDENTIAL "," SIGNED, LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 CREDENTIAL "," SIGNATURE, LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 SIGNED "," SIGNATURE, LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 CREDENTIAL "," SIGNED "," SIGNATURE "," SIGNATURE, LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 CREDENTIAL "," SIGNED "," SIGNATURE ",Other=1", LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 CREDENTIAL "," SIGNED ",Signature=", LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 CREDENTIAL ",SignedHeaders=host;," SIGNATURE, LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 CREDENTIAL ",SignedHeaders=;host," SIGNATURE, LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 CREDENTIAL ",SignedHeaders=host;range;Range," SIGNATURE, LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 "Credential=AK/20130524/us-east-1/s3/aws4," SIGNED "," SIGNATURE,
         LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 "Credential=AK/20130524/us-east-1/ec2/aws4_request," SIGNED "," SIGNATURE,
         LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 "Credential=AK/20130524//s3/aws4_request," SIGNED "," SIGNATURE,
         LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 "Credential=AK/2013052x/r/s3/aws4_request," SIGNED "," SIGNATURE,
         LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 "Credential=/20130524/r/s3/aws4_request," SIGNED "," SIGNATURE,
         LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 "Credential=r/s3/aws4_request," SIGNED "," SIGNATURE, LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 "Credential=AK/20130525/r/s3/aws4_request," SIGNED "," SIGNATURE,
         LB_ERR_AUTH_HEADER_MALFORMED},
        {V4 "Credential=NOBODY/20130524/r/s3/aws4_request," SIGNED "," SIGNATURE,
         LB_ERR_INVALID_ACCESS_KEY},
        {V4 CREDENTIAL "," SIGNED "," SIGNATURE, LB_ERR_SIGNATURE_MISMATCH},
        {V4 CREDENTIAL "," SIGNED ",Signature=abc", LB_ERR_SIGNATURE_MISMATCH},
        {V4 CREDENTIAL ",SignedHeaders=x-amz-date;x-amz-content-sha256," SIGNATURE,
         LB_ERR_ACCESS_DENIED},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int err = verify_authorization(f, cases[i].value);
        if (err != cases[i].err)
            fail_msg("%s: %s, not %s", cases[i].value, lb_err_name(err), lb_err_name(cases[i].err));
    }
}

static void long_names_are_refused(void **state) {
    struct fixture *f = *state;
    char long_region[256], value[1024];
    memset(long_region, 'r', sizeof(long_region));
    snprintf(value, sizeof(value),
             V4 "Credential=AK/20130524/%.103s/s3/aws4_request," SIGNED "," SIGNATURE, long_region);
    assert_int_equal(verify_authorization(f, value), LB_ERR_AUTH_HEADER_MALFORMED);
    begin(f, "GET /b/k");
    long_region[102] = 0;
    sign_as(f, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", TEST_SECRET_KEY, long_region);
    assert_int_equal(verify(f), 0);
    assert_int_equal(strlen(f->result.stream.scope), 127);

    char many[3 * AUTH_SIGNED_MAX + 3] = "";
    for (size_t i = 0; i <= AUTH_SIGNED_MAX; i++)
        memcpy(many + 2 * i, ";x", 3);
    assert_int_equal(lb_arena_printf(&f->arena, &last_header(f)->value,
                                     V4 CREDENTIAL ",SignedHeaders=host%s," SIGNATURE, many),
                     0);
    assert_int_equal(verify(f), LB_ERR_AUTH_HEADER_MALFORMED);
}

static void wrong_secret_or_changed_request(void **state) {
    struct fixture *f = *state;
    begin(f, "GET /b/k?a=1");
    sign_as(f, "UNSIGNED-PAYLOAD", "another", "us-east-1");
    assert_int_equal(verify(f), LB_ERR_SIGNATURE_MISMATCH);

    begin(f, "GET /b/k?a=1");
    sign(f, "UNSIGNED-PAYLOAD");
    assert_int_equal(verify(f), 0);
    f->request.auth.query = LB_S("a=2");
    assert_int_equal(verify(f), LB_ERR_SIGNATURE_MISMATCH);
    f->request.auth.query = LB_S("a=1");
    f->request.auth.method = LB_S("PUT");
    assert_int_equal(verify(f), LB_ERR_SIGNATURE_MISMATCH);
    f->request.auth.method = LB_S("GET");
    f->request.headers[0].value = LB_S("other:8080");
    assert_int_equal(verify(f), LB_ERR_SIGNATURE_MISMATCH);
}

/* "a%2Bb" and "a+b" name different things in a query: the signature of one isn't the other's. */
static void plus_is_not_the_encoded_plus(void **state) {
    struct fixture *f = *state;
    begin(f, "GET /b?prefix=a%2Bb");
    sign(f, "UNSIGNED-PAYLOAD");
    assert_int_equal(verify(f), 0);
    f->request.auth.query = LB_S("prefix=a+b");
    assert_int_equal(verify(f), LB_ERR_SIGNATURE_MISMATCH);
    f->request.auth.query = LB_S("prefix=a%2bb");
    assert_int_equal(verify(f), 0);
}

static void unsigned_headers(void **state) {
    struct fixture *f = *state;
    begin(f, "PUT /b/k");
    sign(f, "UNSIGNED-PAYLOAD");
    add(f, "User-Agent", "x");
    add(f, "x-amzn-trace-id", "x");
    assert_int_equal(verify(f), 0);
    add(f, "X-Amz-Meta-Late", "x");
    assert_int_equal(verify(f), LB_ERR_ACCESS_DENIED);
}

/* Signs host alone: what is covered otherwise is tolerated, what isn't is not. */
static void covered_headers_may_be_unsigned(void **state) {
    struct fixture *f = *state;
    struct lb_cred cred = {.access_key = TEST_ACCESS_KEY, .secret_key = TEST_SECRET_KEY};
    struct lb_slice authorization;
    begin(f, "GET /b/k");
    f->request.auth.headers_n = 1;
    assert_int_equal(lb_sigv4_sign(&f->request.auth, &cred, LB_S("r"), LB_S(TEST_DATE),
                                   LB_S("UNSIGNED-PAYLOAD"), &f->arena, &authorization),
                     0);
    f->request.auth.headers_n = 2;
    add(f, "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    test_header(&f->request, LB_S("Authorization"), authorization);
    assert_int_equal(verify(f), 0);
    f->request.headers[2].value = LB_S(TEST_EMPTY_SHA256);
    assert_int_equal(verify(f), LB_ERR_SIGNATURE_MISMATCH);
}

static void repeated_headers(void **state) {
    static const char *const names[] = {"Authorization", "X-AMZ-Date", "x-amz-content-sha256"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        begin(f, "GET /b/k");
        sign(f, "UNSIGNED-PAYLOAD");
        add(f, names[i], TEST_DATE);
        assert_int_equal(verify(f), LB_ERR_INVALID_ARGUMENT);
    }
}

static void clock_skew(void **state) {
    struct fixture *f = *state;
    begin(f, "GET /b/k");
    sign(f, "UNSIGNED-PAYLOAD");
    assert_int_equal(verify_at(f, TEST_NOW_S + 900), 0);
    assert_int_equal(verify_at(f, TEST_NOW_S - 900), 0);
    assert_int_equal(verify_at(f, TEST_NOW_S + 901), LB_ERR_TIME_SKEWED);
    assert_int_equal(verify_at(f, TEST_NOW_S - 901), LB_ERR_TIME_SKEWED);
}

static void dates(void **state) {
    static const struct {
        const char *text;
        int64_t seconds; /* -1: refused */
    } cases[] = {
        {"20130524T000000Z", 1369353600},
        {"20000229T235959Z", 951868799},
        {"19700101T000000Z", 0},
        {"Fri, 24 May 2013 00:00:00 GMT", 1369353600},
        {"Fri, 24 May 2013 00:00:00 -0000", 1369353600},
        {"Fri, 24 May 2013 00:00:00 +0200", -1},
        {"Fri, 24 Mai 2013 00:00:00 GMT", -1},
        {"Fri; 24 May 2013 00:00:00 GMT", -1},
        {"20130229T000000Z", -1},
        {"20131301T000000Z", -1},
        {"20130524T240000Z", -1},
        {"20130524T000060Z", -1},
        {"20130524 000000Z", -1},
        {"2013052xT000000Z", -1},
        {"19691231T235959Z", -1},
        {"20130524T000000", -1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char basic[AUTH_DATE_LEN + 1];
        int64_t seconds = -1;
        int err = auth_date_parse(lb_slice_cstr(cases[i].text), basic, &seconds);
        assert_int_equal(err == 0, cases[i].seconds >= 0);
        assert_int_equal(seconds, cases[i].seconds);
        if (seconds == TEST_NOW_S)
            assert_string_equal(basic, TEST_DATE);
    }
    struct fixture *f = *state;
    begin(f, "GET /b/k");
    sign(f, "UNSIGNED-PAYLOAD");
    f->request.headers[1].name = LB_S("other");
    assert_int_equal(verify(f), LB_ERR_ACCESS_DENIED);
    f->request.headers[1] = (struct lb_auth_pair){LB_S("x-amz-date"), LB_S("today")};
    assert_int_equal(verify(f), LB_ERR_ACCESS_DENIED);
}

static void too_many_parameters(void **state) {
    struct fixture *f = *state;
    char line[1024] = "GET /b?", *p = line + 7;
    for (int i = 0; i < AUTH_QUERY_MAX; i++)
        p += sprintf(p, "a%d&", i);
    begin(f, line);
    sign(f, "UNSIGNED-PAYLOAD");
    assert_int_equal(verify(f), 0);
    strcpy(p, "b");
    f->request.auth.query = lb_slice_cstr(line + 7);
    assert_int_equal(verify(f), LB_ERR_INVALID_URI);
}

static void memory_is_bounded(void **state) {
    struct fixture *f = *state;
    begin(f, "GET /b/k");
    sign(f, "UNSIGNED-PAYLOAD");
    struct lb_arena small;
    lb_arena_init(&small, 100);
    assert_true(
        lb_sigv4_verify(&f->request.auth, f->creds, f->cache, &small, TEST_NOW_S, &f->result) < 0);
    lb_arena_fini(&small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(anonymous_is_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(without_credentials_nothing_is_verified, setup, teardown),
        cmocka_unit_test_setup_teardown(payload_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(stream_state_is_filled, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_authorization, setup, teardown),
        cmocka_unit_test_setup_teardown(long_names_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_secret_or_changed_request, setup, teardown),
        cmocka_unit_test_setup_teardown(plus_is_not_the_encoded_plus, setup, teardown),
        cmocka_unit_test_setup_teardown(unsigned_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(covered_headers_may_be_unsigned, setup, teardown),
        cmocka_unit_test_setup_teardown(repeated_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(clock_skew, setup, teardown),
        cmocka_unit_test_setup_teardown(dates, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_parameters, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_is_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
