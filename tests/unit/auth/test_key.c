/* Signing keys and their cache. */
#include "request.h"

#include "auth/sigv4_priv.h"
#include "base/err.h"

static const struct lb_cred alice = {
    .access_key = TEST_ACCESS_KEY, .secret_key = TEST_SECRET_KEY, .epoch = 1};

/* Expected is what Python's hmac makes of the same four steps. */
static void key_is_derived(void **state) {
    uint8_t key[LB_AUTH_KEY_LEN];
    char hex[65];
    auth_key_derive(&alice, LB_S("20130524/us-east-1/s3/aws4_request"), key);
    lb_hex_encode(key, sizeof(key), hex);
    assert_string_equal(hex, "dbb893acc010964918f1fd433add87c70e8b0db6be30c1fbeafefa5ec6ba8378");
}

static void cache_tells_credentials_apart(void **state) {
    static struct lb_auth_key_cache cache;
    struct lb_slice scope = LB_S("20130524/r/s3/aws4_request");
    struct lb_cred other_epoch = alice, other_key = alice;
    uint8_t key[LB_AUTH_KEY_LEN] = {1}, got[LB_AUTH_KEY_LEN];
    other_epoch.epoch = 2;
    other_key.access_key[0] = 'B';
    assert_false(auth_key_cached(&cache, &alice, scope, got));
    auth_key_remember(&cache, &alice, scope, key);
    assert_true(auth_key_cached(&cache, &alice, scope, got));
    assert_memory_equal(got, key, sizeof(key));
    assert_false(auth_key_cached(&cache, &other_epoch, scope, got));
    assert_false(auth_key_cached(&cache, &other_key, scope, got));
    assert_false(auth_key_cached(&cache, &alice, LB_S("20130525/r/s3/aws4_request"), got));
    assert_false(auth_key_cached(&cache, &alice, lb_slice_first(scope, scope.len - 1), got));
}

/* More keys than slots: the last stays, and each slot holds one key whole. */
static void cache_forgets_the_oldest(void **state) {
    static struct lb_auth_key_cache cache;
    char text[64];
    int kept = 0;
    for (int i = 0; i < 1000; i++) {
        uint8_t key[LB_AUTH_KEY_LEN], got[LB_AUTH_KEY_LEN];
        memset(key, i & 255, sizeof(key));
        snprintf(text, sizeof(text), "20130524/r%d/s3/aws4_request", i);
        auth_key_remember(&cache, &alice, lb_slice_cstr(text), key);
        assert_true(auth_key_cached(&cache, &alice, lb_slice_cstr(text), got));
        assert_memory_equal(got, key, sizeof(key));
    }
    for (int i = 0; i < 1000; i++) {
        uint8_t key[LB_AUTH_KEY_LEN], got[LB_AUTH_KEY_LEN];
        memset(key, i & 255, sizeof(key));
        snprintf(text, sizeof(text), "20130524/r%d/s3/aws4_request", i);
        if (auth_key_cached(&cache, &alice, lb_slice_cstr(text), got)) {
            assert_memory_equal(got, key, sizeof(key));
            kept++;
        }
    }
    assert_int_equal(kept, LB_AUTH_KEY_CACHE_N);
}

static int verify(const struct lb_creds *creds, struct lb_auth_key_cache *cache,
                  const char *authorization) {
    struct test_request r;
    struct lb_arena arena;
    struct lb_auth_result result;
    lb_arena_init(&arena, 1u << 16);
    test_request_line(&r, LB_S("GET /b/k"));
    test_header(&r, LB_S("Host"), LB_S("h"));
    test_header(&r, LB_S("x-amz-date"), LB_S(TEST_DATE));
    test_header(&r, LB_S("x-amz-content-sha256"), LB_S("UNSIGNED-PAYLOAD"));
    struct lb_slice value = lb_slice_cstr(authorization);
    if (!authorization)
        assert_int_equal(lb_sigv4_sign(&r.auth, &alice, LB_S("r"), LB_S(TEST_DATE),
                                       LB_S("UNSIGNED-PAYLOAD"), &arena, &value),
                         0);
    test_header(&r, LB_S("Authorization"), value);
    int err = lb_sigv4_verify(&r.auth, creds, cache, &arena, TEST_NOW_S, &result);
    lb_arena_fini(&arena);
    return err;
}

/* A secret that changed must not be served by the old secret's key; a forged signature must leave
 * the cache as it is. */
static void cache_follows_the_epoch(void **state) {
    static struct lb_auth_key_cache cache, empty;
    struct lb_creds *creds = test_creds(1), *changed = lb_creds_new();
    struct lb_cred cred = {.access_key = TEST_ACCESS_KEY, .secret_key = "changed", .epoch = 2};
    assert_int_equal(lb_creds_add(changed, &cred), 0);
    assert_int_equal(verify(creds, &cache,
                            "AWS4-HMAC-SHA256 Credential=" TEST_ACCESS_KEY
                            "/20130524/r/s3/aws4_request,"
                            "SignedHeaders=host,Signature=" TEST_EMPTY_SHA256),
                     LB_ERR_SIGNATURE_MISMATCH);
    assert_memory_equal(&cache, &empty, sizeof(cache));
    assert_int_equal(verify(creds, &cache, NULL), 0);
    assert_memory_not_equal(&cache, &empty, sizeof(cache));
    assert_int_equal(verify(creds, &cache, NULL), 0);
    assert_int_equal(verify(changed, &cache, NULL), LB_ERR_SIGNATURE_MISMATCH);
    lb_creds_unref(creds);
    lb_creds_unref(changed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_is_derived),
        cmocka_unit_test(cache_tells_credentials_apart),
        cmocka_unit_test(cache_forgets_the_oldest),
        cmocka_unit_test(cache_follows_the_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
