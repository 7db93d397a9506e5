/* Every folder of tests/vectors/sigv4: the canonical request, the string to sign, the signature and
 * the verdict must be what botocore made of the request. */
#include "request.h"

#include "auth/sigv4_priv.h"
#include "base/err.h"
#include "hash/hash.h"

#include <dirent.h>

#define VECTORS LB_TEST_DIR "/vectors/sigv4"
#define VECTORS_MIN 60 /* fewer means that the folder was not found whole */
#define CHUNK_MAX 65536

struct vector {
    const char *name;
    struct lb_arena arena;
    struct test_request request;
    struct auth_claim claim;
    struct auth_signed names;
};

static bool read_file(struct vector *v, const char *file, struct lb_slice *ret) {
    char path[1024];
    snprintf(path, sizeof(path), VECTORS "/%s/%s", v->name, file);
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    char *bytes = lb_arena_alloc(&v->arena, 65536);
    assert_non_null(bytes);
    size_t len = fread(bytes, 1, 65536, f);
    assert_true(feof(f));
    fclose(f);
    *ret = lb_slice(bytes, len);
    return true;
}

static struct lb_slice must_read(struct vector *v, const char *file) {
    struct lb_slice s = {0};
    if (!read_file(v, file, &s))
        fail_msg("%s/%s can't be read", v->name, file);
    return s;
}

static void check_eq(const struct vector *v, const char *what, struct lb_slice got,
                     struct lb_slice want) {
    if (!lb_slice_eq(got, want))
        fail_msg("%s: %s is\n%.*s\nnot\n%.*s", v->name, what, LB_SLICE_ARG(got),
                 LB_SLICE_ARG(want));
}

static void check_canonical(struct vector *v) {
    struct lb_slice want = must_read(v, "canonical-request");
    unsigned raw = 0;
    if (strncmp(v->name, "as-sent-path", 12) == 0)
        raw = AUTH_RAW_PATH;
    else if (strncmp(v->name, "as-sent-query", 13) == 0)
        raw = AUTH_RAW_QUERY;
    else if (strncmp(v->name, "as-sent-both", 12) == 0)
        raw = AUTH_RAW_BOTH;
    struct lb_slice got;
    assert_int_equal(
        auth_canonical_request(&v->request.auth, &v->names, v->claim.payload, raw, &v->arena, &got),
        0);
    check_eq(v, "canonical request", got, want);

    char hex[65], string[AUTH_STRING_TO_SIGN_MAX];
    auth_sha256_hex(got, hex);
    const struct auth_string parts = {LB_S(AUTH_ALGORITHM), lb_slice(v->claim.date, AUTH_DATE_LEN),
                                      v->claim.scope, lb_slice(hex, 64)};
    size_t len = auth_string_to_sign(&parts, string);
    check_eq(v, "string to sign", lb_slice(string, len), must_read(v, "string-to-sign"));
}

/* Our own signer must come to botocore's signature where both sign the same headers. Returns
 * whether they do. */
static bool check_sign(struct vector *v) {
    struct lb_cred cred = {.access_key = TEST_ACCESS_KEY, .secret_key = TEST_SECRET_KEY};
    struct lb_slice got, scope = v->claim.scope;
    struct lb_slice want = must_read(v, "authorization");
    if (v->claim.presigned || strncmp(v->name, "as-sent", 7) == 0)
        return false;
    lb_slice_cut(&scope, '/');
    assert_int_equal(lb_sigv4_sign(&v->request.auth, &cred, lb_slice_cut(&scope, '/'),
                                   LB_S(TEST_DATE), v->claim.payload, &v->arena, &got),
                     0);
    if (!lb_slice_starts_with(got, lb_slice_first(want, want.len - 64)))
        return false;
    check_eq(v, "authorization", got, want);
    return true;
}

static void check_chunks(struct vector *v, struct lb_auth_stream *stream) {
    static char data[CHUNK_MAX];
    struct lb_slice lines, trailer;
    if (!read_file(v, "chunks", &lines))
        return;
    memset(data, 'a', sizeof(data));
    while (lines.len) {
        struct lb_slice line = lb_slice_cut(&lines, '\n');
        struct lb_digest digest;
        uint64_t size;
        assert_int_equal(lb_slice_to_u64(lb_slice_cut(&line, ' '), &size), 0);
        lb_hash_once(LB_HASH_SHA256, lb_slice(data, size), &digest);
        struct lb_auth_stream before = *stream;
        digest.bytes[0] ^= 1;
        assert_int_equal(lb_sigv4_chunk(stream, digest.bytes, line), LB_ERR_SIGNATURE_MISMATCH);
        assert_memory_equal(&before, stream, sizeof(before));
        digest.bytes[0] ^= 1;
        assert_int_equal(lb_sigv4_chunk(stream, digest.bytes, line), 0);
        assert_memory_equal(stream->previous, line.ptr, 64);
    }
    if (!read_file(v, "trailer", &trailer))
        return;
    struct lb_slice signature = must_read(v, "trailer-signature");
    assert_int_equal(lb_sigv4_trailer(stream, LB_S("x:y\n"), signature), LB_ERR_SIGNATURE_MISMATCH);
    assert_int_equal(lb_sigv4_trailer(stream, trailer, signature), 0);
}

static void check_verdict(struct vector *v) {
    struct lb_creds *creds = test_creds(1);
    struct lb_auth_key_cache *cache = calloc(1, sizeof(*cache));
    struct lb_auth_result result;
    for (int cached = 0; cached < 2; cached++) {
        int err = lb_sigv4_verify(&v->request.auth, creds, cache, &v->arena, TEST_NOW_S, &result);
        if (err != 0)
            fail_msg("%s: %s", v->name, lb_err_name(err));
        assert_non_null(result.cred);
        assert_string_equal(result.cred->access_key, TEST_ACCESS_KEY);
        assert_int_equal(result.presigned, v->claim.presigned);
    }
    check_chunks(v, &result.stream);

    /* One different byte in the path must be refused. */
    struct lb_slice path = v->request.auth.path;
    assert_int_equal(lb_arena_printf(&v->arena, &v->request.auth.path, "%.*sX", LB_SLICE_ARG(path)),
                     0);
    assert_int_equal(
        lb_sigv4_verify(&v->request.auth, creds, cache, &v->arena, TEST_NOW_S, &result),
        LB_ERR_SIGNATURE_MISMATCH);
    free(cache);
    lb_creds_unref(creds);
}

static void vectors_agree(void **state) {
    DIR *dir = opendir(VECTORS);
    int vectors_n = 0, signed_n = 0;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct vector *v = calloc(1, sizeof(*v));
        struct auth_headers headers;
        if (entry->d_name[0] != '.') {
            v->name = entry->d_name;
            lb_arena_init(&v->arena, 1u << 20);
            test_request_parse(&v->request, must_read(v, "request"));
            assert_int_equal(auth_headers_find(&v->request.auth, &headers), 0);
            assert_int_equal(auth_claim_parse(&v->request.auth, &headers, &v->arena, &v->claim), 1);
            assert_int_equal(auth_signed_split(v->claim.signed_headers, &v->names), 0);
            check_canonical(v);
            signed_n += check_sign(v);
            check_verdict(v);
            lb_arena_fini(&v->arena);
            vectors_n++;
        }
        free(v);
    }
    closedir(dir);
    assert_true(vectors_n >= VECTORS_MIN);
    assert_true(signed_n >= VECTORS_MIN / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(vectors_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
