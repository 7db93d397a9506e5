/* base64, and the names of checksums. */
#include "lib/check.h"

#include <errno.h>

#include "s3/checksum_priv.h"
#include "s3/object_headers_priv.h"

/* RFC 4648, 10. */
static void test_base64(void **state) {
    static const char *const rows[][2] = {
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xef\xff", "++//"},
    };
    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        char text[16];
        uint8_t bytes[16];
        size_t n = strlen(rows[i][0]);
        assert_int_equal(s3_base64_encode((const uint8_t *)rows[i][0], n, text),
                         strlen(rows[i][1]));
        assert_string_equal(text, rows[i][1]);
        assert_int_equal(s3_base64_decode(lb_slice_cstr(rows[i][1]), bytes, n), 0);
        assert_memory_equal(bytes, rows[i][0], n);
    }
}

static void test_base64_refused(void **state) {
    static const char *const rows[] = {"",     "Zg",   "Zg=",  "Zg===", "Zh==", "Z===",    "====",
                                       "Zg=a", " Zg=", "Zm8=", "Zm9v",  "Z-==", "Zg==Zg=="};
    uint8_t byte;
    for (size_t i = 0; i < CHECK_COUNT(rows); i++)
        if (s3_base64_decode(lb_slice_cstr(rows[i]), &byte, 1) == 0)
            fail_msg("%s", rows[i]);
    uint8_t two[2];
    assert_int_equal(s3_base64_decode(LB_S("Zm9="), two, 2), -EINVAL); /* bits behind the end */
}

static void test_names(void **state) {
    assert_int_equal(s3_checksum_by_name(LB_S("crc64nvme")), LB_HASH_CRC64NVME);
    assert_int_equal(s3_checksum_by_name(LB_S("SHA1")), LB_HASH_SHA1);
    assert_int_equal(s3_checksum_by_name(LB_S("MD5")), LB_HASH_KINDS);
    assert_int_equal(s3_checksum_by_name(LB_S("")), LB_HASH_KINDS);
    assert_int_equal(s3_checksum_by_header(LB_S("X-Amz-Checksum-CRC32C")), LB_HASH_CRC32C);
    assert_int_equal(s3_checksum_by_header(LB_S("x-amz-checksum-mode")), LB_HASH_KINDS);
    assert_int_equal(s3_checksum_by_header(LB_S("")), LB_HASH_KINDS);
    assert_int_equal(s3_checksum_by_element(LB_S("ChecksumSHA256")), LB_HASH_SHA256);
    for (unsigned kind = LB_HASH_SHA1; kind < LB_HASH_KINDS; kind++) {
        assert_int_equal(s3_checksum_by_name(s3_checksum_name(kind)), kind);
        assert_int_equal(s3_checksum_by_header(s3_checksum_header(kind)), kind);
        assert_int_equal(s3_checksum_by_element(s3_checksum_element(kind)), kind);
    }
}

static void test_digests(void **state) {
    struct lb_digest d;
    char text[S3_CHECKSUM_TEXT_MAX];
    assert_int_equal(s3_checksum_parse(LB_HASH_CRC32, LB_S("AQIDBA=="), &d), 0);
    assert_int_equal(d.len, 4);
    assert_memory_equal(d.bytes, "\1\2\3\4", 4);
    CHECK_SLICE(s3_checksum_text(&d, text), "AQIDBA==");
    assert_int_equal(s3_checksum_parse(LB_HASH_CRC64NVME, LB_S("AQIDBA=="), &d), -EINVAL);
    assert_int_equal(s3_checksum_parse(LB_HASH_CRC32, LB_S("bad"), &d), -EINVAL);
}

static void test_content_types(void **state) {
    CHECK_SLICE(s3_content_type_of(LB_S("a/b.HTML")), "text/html");
    CHECK_SLICE(s3_content_type_of(LB_S("a.tar.gz")), "application/gzip");
    CHECK_SLICE(s3_content_type_of(LB_S("a.html/b")), "binary/octet-stream");
    CHECK_SLICE(s3_content_type_of(LB_S("html")), "binary/octet-stream");
    CHECK_SLICE(s3_content_type_of(LB_S("a.")), "binary/octet-stream");
    CHECK_SLICE(s3_content_type_of(LB_S("")), "binary/octet-stream");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),        cmocka_unit_test(test_base64_refused),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_digests),
        cmocka_unit_test(test_content_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
