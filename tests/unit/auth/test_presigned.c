/* Presigned URLs: derived from one good URL, each changed in one way. */
#include "request.h"

#include "auth/sigv4_priv.h"
#include "base/err.h"

#define GOOD_SIGNATURE "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
#define ALGORITHM "X-Amz-Algorithm=AWS4-HMAC-SHA256"
#define CREDENTIAL \
    "&X-Amz-Credential=" TEST_ACCESS_KEY "%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
#define DATE "&X-Amz-Date=" TEST_DATE
#define EXPIRES "&X-Amz-Expires=86400"
#define NAMES "&X-Amz-SignedHeaders=host"
#define SIGNATURE "&X-Amz-Signature=" GOOD_SIGNATURE
#define GOOD ALGORITHM CREDENTIAL DATE EXPIRES NAMES SIGNATURE

static struct lb_auth_key_cache cache;

static int verify(const char *query, const char *header, int64_t now_s,
                  struct lb_auth_result *ret) {
    struct lb_creds *creds = test_creds(1);
    struct test_request r;
    struct lb_arena arena;
    lb_arena_init(&arena, 1u << 20);
    test_request_line(&r, LB_S("GET /test.txt"));
    r.auth.query = lb_slice_cstr(query);
    test_header(&r, LB_S("Host"), LB_S("examplebucket.s3.amazonaws.com"));
    if (header) {
        struct lb_slice value = lb_slice_cstr(header);
        struct lb_slice name = lb_slice_cut(&value, ':');
        test_header(&r, name, value);
    }
    int err = lb_sigv4_verify(&r.auth, creds, &cache, &arena, now_s, ret);
    if (err == 0)
        ret->cred = NULL; /* goes with the set */
    lb_arena_fini(&arena);
    lb_creds_unref(creds);
    return err;
}

static void good_url(void **state) {
    struct lb_auth_result result = {0};
    assert_int_equal(verify(GOOD, NULL, TEST_NOW_S, &result), 0);
    assert_true(result.presigned);
    assert_int_equal(result.payload, LB_AUTH_PAYLOAD_UNSIGNED);
    assert_int_equal(verify(GOOD, "User-Agent: x", TEST_NOW_S, &result), 0);
    assert_int_equal(verify(GOOD, "x-amz-date: " TEST_DATE, TEST_NOW_S, &result), 0);
}

static void life_time(void **state) {
    struct lb_auth_result result;
    assert_int_equal(verify(GOOD, NULL, TEST_NOW_S + 86399, &result), 0);
    assert_int_equal(verify(GOOD, NULL, TEST_NOW_S + 86400, &result), LB_ERR_REQUEST_EXPIRED);
    assert_int_equal(verify(GOOD, NULL, TEST_NOW_S - 900, &result), 0);
    assert_int_equal(verify(GOOD, NULL, TEST_NOW_S - 901, &result), LB_ERR_TIME_SKEWED);
}

static void wrong_urls(void **state) {
    static const struct {
        const char *query;
        const char *header;
        int err;
    } cases[] = {
        {GOOD "&a=1", NULL, LB_ERR_SIGNATURE_MISMATCH},
        {GOOD, "x-amz-acl: public-read", LB_ERR_ACCESS_DENIED},
        {GOOD, "x-amz-content-sha256: x", LB_ERR_INVALID_ARGUMENT},
        {GOOD, "x-amz-content-sha256: " TEST_EMPTY_SHA256, LB_ERR_SIGNATURE_MISMATCH},
        {GOOD, "Authorization: AWS4-HMAC-SHA256 x", LB_ERR_INVALID_ARGUMENT},
        {GOOD EXPIRES, NULL, LB_ERR_AUTH_QUERY_MALFORMED},
        {GOOD SIGNATURE, NULL, LB_ERR_AUTH_QUERY_MALFORMED},
        {CREDENTIAL DATE EXPIRES NAMES SIGNATURE, NULL, LB_ERR_AUTH_QUERY_MALFORMED},
        {ALGORITHM DATE EXPIRES NAMES SIGNATURE, NULL, LB_ERR_AUTH_QUERY_MALFORMED},
        {ALGORITHM CREDENTIAL EXPIRES NAMES SIGNATURE, NULL, LB_ERR_AUTH_QUERY_MALFORMED},
        {ALGORITHM CREDENTIAL DATE NAMES SIGNATURE, NULL, LB_ERR_AUTH_QUERY_MALFORMED},
        {ALGORITHM CREDENTIAL DATE EXPIRES SIGNATURE, NULL, LB_ERR_AUTH_QUERY_MALFORMED},
        {ALGORITHM CREDENTIAL DATE EXPIRES NAMES, NULL, LB_ERR_AUTH_QUERY_MALFORMED},
        {"X-Amz-Signature=", NULL, LB_ERR_AUTH_QUERY_MALFORMED},
        {"X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256" CREDENTIAL DATE EXPIRES NAMES SIGNATURE, NULL,
         LB_ERR_UNSUPPORTED_SIGNATURE},
        {"X-Amz-Algorithm=MD5" CREDENTIAL DATE EXPIRES NAMES SIGNATURE, NULL,
         LB_ERR_AUTH_QUERY_MALFORMED},
        {"AWSAccessKeyId=a&Signature=b&Expires=1", NULL, LB_ERR_UNSUPPORTED_SIGNATURE},
        {ALGORITHM CREDENTIAL DATE "&X-Amz-Expires=0" NAMES SIGNATURE, NULL,
         LB_ERR_REQUEST_EXPIRED},
        {ALGORITHM CREDENTIAL DATE "&X-Amz-Expires=604801" NAMES SIGNATURE, NULL,
         LB_ERR_ACCESS_DENIED},
        {ALGORITHM CREDENTIAL DATE "&X-Amz-Expires=99999999999999999999" NAMES SIGNATURE, NULL,
         LB_ERR_ACCESS_DENIED},
        {ALGORITHM CREDENTIAL DATE "&X-Amz-Expires=-7" NAMES SIGNATURE, NULL, LB_ERR_ACCESS_DENIED},
        {ALGORITHM CREDENTIAL DATE "&X-Amz-Expires=soon" NAMES SIGNATURE, NULL,
         LB_ERR_AUTH_QUERY_MALFORMED},
        {ALGORITHM CREDENTIAL DATE "&X-Amz-Expires=604800" NAMES SIGNATURE, NULL,
         LB_ERR_SIGNATURE_MISMATCH},
        {ALGORITHM CREDENTIAL "&X-Amz-Date=20130525T000000Z" EXPIRES NAMES SIGNATURE, NULL,
         LB_ERR_AUTH_QUERY_MALFORMED},
        {ALGORITHM CREDENTIAL "&X-Amz-Date=x" EXPIRES NAMES SIGNATURE, NULL,
         LB_ERR_AUTH_QUERY_MALFORMED},
        {ALGORITHM
         "&X-Amz-Credential=NOBODY%2F20130524%2Fr%2Fs3%2Faws4_request" DATE EXPIRES NAMES SIGNATURE,
         NULL, LB_ERR_INVALID_ACCESS_KEY},
        {ALGORITHM CREDENTIAL DATE EXPIRES "&X-Amz-SignedHeaders=x" SIGNATURE, NULL,
         LB_ERR_ACCESS_DENIED},
        {ALGORITHM CREDENTIAL DATE EXPIRES "&X-Amz-SignedHeaders=%3B" SIGNATURE, NULL,
         LB_ERR_AUTH_QUERY_MALFORMED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_auth_result result;
        int err = verify(cases[i].query, cases[i].header, TEST_NOW_S, &result);
        if (err != cases[i].err)
            fail_msg("%s (%s): %s, not %s", cases[i].query, cases[i].header ? cases[i].header : "",
                     lb_err_name(err), lb_err_name(cases[i].err));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_url),
        cmocka_unit_test(life_time),
        cmocka_unit_test(wrong_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
