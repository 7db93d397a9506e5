/* Addressing: which bucket and key a Host and a path mean. */
#include "lib/check.h"

#include <stdio.h>

#include "base/err.h"
#include "s3/address_priv.h"

static bool known(void *ctx, struct lb_slice bucket) {
    return lb_slice_eq(bucket, LB_S("photos")) || lb_slice_eq(bucket, LB_S("cache"));
}

static int address(const struct lb_s3_conf *conf, const char *host, const char *path, char *ret) {
    struct lb_arena arena;
    struct s3_address a;
    lb_arena_init(&arena, 1u << 20);
    int err = s3_address(&arena, conf, known, NULL, lb_slice_cstr(host), lb_slice_cstr(path), &a);
    if (err == 0)
        snprintf(ret, 256, "%.*s|%.*s|%d", LB_SLICE_ARG(a.bucket), LB_SLICE_ARG(a.key), a.level);
    lb_arena_fini(&arena);
    return err;
}

struct row {
    const char *host, *path;
    const char *expected; /* bucket|key|level */
};

static void check_rows(const struct lb_s3_conf *conf, const struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char got[256] = "";
        int err = address(conf, rows[i].host, rows[i].path, got);
        if (err < 0 || strcmp(got, rows[i].expected) != 0)
            fail_msg("%s %s: %s (%d), not %s", rows[i].host, rows[i].path, got, err,
                     rows[i].expected);
    }
}

static void test_styles(void **state) {
    static const struct lb_s3_conf conf = {.domain = {"s3.example.com", 14}};
    static const struct row rows[] = {
        {"127.0.0.1:8080", "/", "||0"},
        {"127.0.0.1:8080", "/photos", "photos||1"},
        {"127.0.0.1", "/photos/", "photos||1"},
        {"127.0.0.1", "/photos/a", "photos|a|2"},
        {"[::1]:8080", "/photos/a/b", "photos|a/b|2"},
        {"localhost", "/photos//a", "photos|/a|2"},
        {"localhost", "/photos/a/../b/./c//", "photos|a/../b/./c//|2"},
        {"localhost", "/photos/%61%2Fb%20+%2B", "photos|a/b ++|2"},
        {"localhost", "/photos/%2561", "photos|%61|2"},
        {"localhost", "/photos/\xc3\xa9%C3%A9", "photos|\xc3\xa9\xc3\xa9|2"},
        {"LOCALHOST:1", "/new/k", "new|k|2"},
        {"", "/photos/a", "photos|a|2"},
        /* virtual hosts */
        {"photos.localhost:8080", "/a/b", "photos|a/b|2"},
        {"new.localhost", "/", "new||1"},
        {"photos.s3.example.com", "/a", "photos|a|2"},
        {"Photos.S3.Example.Com.:80", "/a", "photos|a|2"},
        {"my.dotted.s3.example.com", "/a", "my.dotted|a|2"},
        {"s3.example.com", "/photos/a", "photos|a|2"},
        {"photos.anything.net", "/cache/a", "photos|cache/a|2"},
        {"other.anything.net", "/photos/a", "photos|a|2"},
        /* a Host of one label that is a bucket; the path goes first */
        {"photos:9000", "/a", "photos|a|2"},
        {"photos:9000", "/", "photos||1"},
        {"photos:9000", "/cache/a", "cache|a|2"},
        {"minio:9000", "/photos/a", "photos|a|2"},
    };
    check_rows(&conf, rows, CHECK_COUNT(rows));
}

static void test_single_bucket(void **state) {
    static const struct lb_s3_conf conf = {.default_bucket = {"cache", 5}};
    static const struct row rows[] = {
        {"127.0.0.1:8080", "/", "cache||1"},
        {"127.0.0.1:8080", "/model%401%402", "cache|model@1@2|2"},
        {"127.0.0.1", "/a/b", "cache|a/b|2"},
        {"127.0.0.1", "/photos/b", "photos|b|2"},
        {"127.0.0.1", "/cache/b", "cache|b|2"},
        {"localhost", "//b", "cache|/b|2"},
        {"[::1]", "/photo", "cache|photo|2"},
        {"unknown.host", "/a", "cache|a|2"},
        {"photos.unknown", "/cache/a", "photos|cache/a|2"},
        {"new.localhost", "/a", "new|a|2"},
    };
    check_rows(&conf, rows, CHECK_COUNT(rows));
}

static void check_error(const char *path, int expected) {
    static const struct lb_s3_conf conf;
    char got[256];
    int err = address(&conf, "localhost", path, got);
    if (err != expected)
        fail_msg("%s: %d, not %d", path, err, expected);
}

static void test_refused(void **state) {
    check_error("*", LB_ERR_INVALID_URI);
    check_error("", LB_ERR_INVALID_URI);
    check_error("/b/%", LB_ERR_INVALID_URI);
    check_error("/b/%4", LB_ERR_INVALID_URI);
    check_error("/b/%zz", LB_ERR_INVALID_URI);
    check_error("/b/%ff", LB_ERR_INVALID_URI);
    check_error("/b/a%00b", LB_ERR_INVALID_URI);
    check_error("/b/%ed%a0%80", LB_ERR_INVALID_URI);
    check_error("//k", LB_ERR_INVALID_BUCKET_NAME);
    check_error("/./k", LB_ERR_INVALID_BUCKET_NAME);
    check_error("/../k", LB_ERR_INVALID_BUCKET_NAME);
    check_error("/%2e%2e/k", LB_ERR_INVALID_BUCKET_NAME);
    check_error("/.lobos/k", LB_ERR_INVALID_BUCKET_NAME);
    check_error("/a%2fb/k", LB_ERR_INVALID_BUCKET_NAME);
    check_error("/a%5cb", LB_ERR_INVALID_BUCKET_NAME);
    check_error("/a%20b", LB_ERR_INVALID_BUCKET_NAME);
}

static void test_key_length(void **state) {
    char path[2048] = "/b/";
    char got[256];
    static const struct lb_s3_conf conf;
    memset(path + 3, 'k', 1024);
    assert_int_equal(address(&conf, "localhost", path, got), 0);
    path[3 + 1024] = 'k';
    assert_int_equal(address(&conf, "localhost", path, got), LB_ERR_KEY_TOO_LONG);
}

static void test_bucket_names(void **state) {
    static const char *const valid[] = {"abc",         "a-b",  "a.b",      "1ab",
                                        "my.bucket-1", "a--b", "0.0.0.256"};
    static const char *const invalid[] = {"",       "ab",        "Abc",  "a_b",  "-ab",  "ab-",
                                          ".ab",    "ab.",       "a..b", "a.-b", "a-.b", "1.2.3.4",
                                          "xn--ab", "a-s3alias", "a b",  "a/b"};
    char long_name[65];
    for (size_t i = 0; i < CHECK_COUNT(valid); i++)
        if (!lb_s3_bucket_name_valid(lb_slice_cstr(valid[i])))
            fail_msg("%s is valid", valid[i]);
    for (size_t i = 0; i < CHECK_COUNT(invalid); i++)
        if (lb_s3_bucket_name_valid(lb_slice_cstr(invalid[i])))
            fail_msg("%s is not valid", invalid[i]);
    memset(long_name, 'a', sizeof(long_name));
    assert_true(lb_s3_bucket_name_valid(lb_slice(long_name, 63)));
    assert_false(lb_s3_bucket_name_valid(lb_slice(long_name, 64)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_styles),       cmocka_unit_test(test_single_bucket),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_key_length),
        cmocka_unit_test(test_bucket_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
