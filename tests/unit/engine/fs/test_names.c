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
        cmocka_unit_test(test_hidden_path),
        cmocka_unit_test(test_longest_path_fits),
        cmocka_unit_test(test_bucket_names),
        cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
