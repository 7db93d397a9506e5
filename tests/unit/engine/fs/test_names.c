/* Where keys live. */
#include "engine/fs/fs_priv.h"
#include "lib/check.h"

static const struct fs_engine many = {.conf = {.dir = "x"}};
static const struct fs_engine one = {.conf = {.dir = "x", .single_bucket = "photos"}};

static void repeat(char *at, char c, size_t n) {
    memset(at, c, n);
    at[n] = '\0';
}

static void test_plain(void **state) {
    static const char *plain[] = {"a",        "a/b",        "a b",     ".a",   "a./..b",
                                  "...",      "x/.lobos",   ".lobosx", "a\\b", "a/b/c.d",
                                  "\xc3\xa4", "x/.lobos/y", "-",       "*?",   "a\nb"};
    static const char *hidden[] = {"",    "/",    "/a",     "a/",    "a//b",        ".",
                                   "..",  "a/..", "../a",   "a/./b", ".lobos",      ".lobos/x",
                                   "a/.", "./a",  "a/../b", "//",    ".lobos/tmp/x"};
    for (size_t i = 0; i < CHECK_COUNT(plain); i++)
        assert_true(fs_key_is_plain(lb_slice_cstr(plain[i])));
    for (size_t i = 0; i < CHECK_COUNT(hidden); i++)
        assert_false(fs_key_is_plain(lb_slice_cstr(hidden[i])));
    assert_false(fs_key_is_plain(LB_S("a\0b")));
}

static void test_plain_lengths(void **state) {
    char key[LB_KEY_MAX + 2];
    repeat(key, 'k', 255);
    assert_true(fs_key_is_plain(lb_slice_cstr(key)));
    repeat(key, 'k', 256);
    assert_false(fs_key_is_plain(lb_slice_cstr(key)));
    key[200] = '/';
    assert_true(fs_key_is_plain(lb_slice_cstr(key)));
    repeat(key, 'k', LB_KEY_MAX);
    for (size_t i = 200; i < LB_KEY_MAX; i += 200)
        key[i] = '/';
    assert_true(fs_key_is_plain(lb_slice(key, LB_KEY_MAX)));
    assert_false(fs_key_is_plain(lb_slice(key, LB_KEY_MAX + 1)));
}

static void test_paths(void **state) {
    char path[FS_PATH_MAX];
    fs_plain_path(&many, LB_S("b"), LB_S("a/c"), path);
    assert_string_equal(path, "b/a/c");
    fs_plain_path(&one, LB_S("photos"), LB_S("a/c"), path);
    assert_string_equal(path, "a/c");
    fs_bucket_path(&many, LB_S("b"), path);
    assert_string_equal(path, "b");
    fs_bucket_path(&one, LB_S("photos"), path);
    assert_string_equal(path, ".");
    fs_reserved_path(&many, LB_S("b"), "tmp/1", path);
    assert_string_equal(path, "b/.lobos/tmp/1");
    fs_reserved_path(&one, LB_S("photos"), "tmp", path);
    assert_string_equal(path, ".lobos/tmp");
    fs_attrs_path(&many, LB_S("b"), UINT64_MAX, path);
    assert_string_equal(path, "b/.lobos/attrs/ffffffffffffffff");
}

static void test_version_names(void **state) {
    static const char *good[] = {"000000000000000100000000", "ffffffffffffffffffffffff.n",
                                 "0123456789abcdef01234567.m", "0123456789abcdef01234567.nm"};
    static const char *bad[] = {"",
                                "null",
                                "00000000000000000000000a",
                                "0123456789abcdef0123456",
                                "0123456789abcdef012345678",
                                "0123456789ABCDEF01234567",
                                "0123456789abcdeg01234567",
                                "0123456789abcdef01234567.",
                                "0123456789abcdef01234567.mn",
                                "0123456789abcdef01234567.mm",
                                "0123456789abcdef01234567m",
                                "0123456789abcdef01234567.n "};
    struct fs_version v;
    char name[FS_VERSION_NAME_MAX];
    for (size_t i = 0; i < CHECK_COUNT(good); i++) {
        assert_true(fs_version_name_parse(lb_slice_cstr(good[i]), &v));
        fs_version_name(&v, name);
        assert_string_equal(name, good[i]);
    }
    assert_true(v.null && v.marker);
    assert_int_equal(v.order, 0x0123456789abcdef);
    assert_int_equal(v.salt, 0x01234567);
    for (size_t i = 0; i < CHECK_COUNT(bad); i++) {
        v.order = 77;
        assert_false(fs_version_name_parse(lb_slice_cstr(bad[i]), &v));
        assert_int_equal(v.order, 77);
    }
    assert_true(fs_version_parse(LB_S("null"), &v));
    assert_true(v.null && v.order == 0);
    assert_true(fs_version_parse(lb_slice_cstr(good[0]), &v));
    assert_false(fs_version_parse(lb_slice_cstr(good[1]), &v));
    assert_false(fs_version_parse(LB_S("nulls"), &v));
}

static void test_version_order(void **state) {
    struct fs_version a = {.order = 9, .salt = 7}, b = {.order = 10, .salt = 1}, c = b, none = {0};
    struct lb_version_id x, y;
    c.salt = 2;
    assert_true(fs_version_cmp(&a, &b) < 0 && fs_version_cmp(&b, &a) > 0);
    assert_true(fs_version_cmp(&b, &c) < 0 && fs_version_cmp(&c, &c) == 0);
    assert_true(fs_version_cmp(&none, &a) < 0);
    fs_version_id(&a, &x);
    fs_version_id(&b, &y);
    assert_true(lb_slice_cmp(lb_version_slice(&x), lb_version_slice(&y)) < 0);
    fs_version_id(&none, &x);
    CHECK_SLICE(lb_version_slice(&x), "null");
    b.null = true;
    fs_version_id(&b, &x);
    CHECK_SLICE(lb_version_slice(&x), "null");
}

static void test_hidden_path(void **state) {
    char path[FS_PATH_MAX];
    /* The digest is SHA-256 of "abc" in FIPS 180-2, appendix B.1. */
    fs_hidden_path(&many, LB_S("b"), LB_S("abc"), path);
    assert_string_equal(path, "b/.lobos/keys/ba/"
                              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_longest_path_fits(void **state) {
    char bucket[256], key[LB_KEY_MAX + 1], path[FS_PATH_MAX];
    repeat(bucket, 'b', 255);
    repeat(key, 'k', LB_KEY_MAX);
    fs_plain_path(&many, lb_slice_cstr(bucket), lb_slice_cstr(key), path);
    assert_int_equal(strlen(path), 255 + 1 + LB_KEY_MAX);
}

static void test_bucket_names(void **state) {
    char name[257];
    repeat(name, 'b', 256);
    assert_true(fs_bucket_name_ok(&many, lb_slice(name, 255)));
    assert_false(fs_bucket_name_ok(&many, lb_slice(name, 256)));
    assert_true(fs_bucket_name_ok(&many, LB_S("Not An S3 Name")));
    assert_false(fs_bucket_name_ok(&many, LB_S("")));
    assert_false(fs_bucket_name_ok(&many, LB_S(".")));
    assert_false(fs_bucket_name_ok(&many, LB_S("..")));
    assert_false(fs_bucket_name_ok(&many, LB_S(".lobos")));
    assert_false(fs_bucket_name_ok(&many, LB_S("a/b")));
    assert_false(fs_bucket_name_ok(&many, LB_S("a\0b")));
    assert_true(fs_bucket_name_ok(&one, LB_S("photos")));
    assert_false(fs_bucket_name_ok(&one, LB_S("photo")));
    assert_false(fs_bucket_name_ok(&one, LB_S("")));
}

static void test_utf8(void **state) {
    static const char *good[] = {"",
                                 "a",
                                 "\xc2\x80",
                                 "\xdf\xbf",
                                 "\xe0\xa0\x80",
                                 "\xed\x9f\xbf",
                                 "\xee\x80\x80",
                                 "\xef\xbf\xbf",
                                 "\xf0\x90\x80\x80",
                                 "\xf4\x8f\xbf\xbf",
                                 "x\xe2\x82\xacy"};
    static const char *bad[] = {"\x80",
                                "\xbf",
                                "\xc0\xaf",
                                "\xc1\xbf",
                                "\xc2",
                                "\xc2x",
                                "\xe0\x9f\xbf",
                                "\xed\xa0\x80",
                                "\xe2\x82",
                                "\xe2\x82x",
                                "\xf0\x8f\xbf\xbf",
                                "\xf4\x90\x80\x80",
                                "\xf5\x80\x80\x80",
                                "\xff",
                                "a\xf0\x90\x80",
                                "\xf0\x90\x80x"};
    for (size_t i = 0; i < CHECK_COUNT(good); i++) {
        char *copy = check_dup(lb_slice_cstr(good[i]));
        assert_true(fs_utf8_ok(lb_slice(copy, strlen(good[i]))));
        free(copy);
    }
    for (size_t i = 0; i < CHECK_COUNT(bad); i++) {
        char *copy = check_dup(lb_slice_cstr(bad[i]));
        assert_false(fs_utf8_ok(lb_slice(copy, strlen(bad[i]))));
        free(copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_plain_lengths),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_version_names),
        cmocka_unit_test(test_version_order),
        cmocka_unit_test(test_hidden_path),
        cmocka_unit_test(test_longest_path_fits),
        cmocka_unit_test(test_bucket_names),
        cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
