/* The settings blob of a bucket: there and back, and what is made of blobs that are none. */
#include "lib/check.h"

#include <stdlib.h>

#include "base/err.h"
#include "s3/bucket_settings.h"
#include "s3/tagging_priv.h"

static struct lb_buf blob;
static struct lb_arena arena;

static int setup(void **state) {
    lb_buf_init(&blob, LB_S3_BUCKET_SETTINGS_MAX);
    lb_arena_init(&arena, 1u << 20);
    return 0;
}

static int teardown(void **state) {
    lb_buf_fini(&blob);
    lb_arena_fini(&arena);
    return 0;
}

static void check_default(struct lb_slice bytes) {
    struct lb_s3_bucket_settings s = {.acl = LB_S3_ACL_PUBLIC_READ, .owner_id = LB_S("x")};
    lb_s3_bucket_settings_decode(bytes, &s);
    assert_int_equal(s.acl, LB_S3_ACL_PRIVATE);
    assert_int_equal(s.owner_id.len + s.owner_name.len + s.location.len + s.tags.len, 0);
}

static void test_round_trip(void **state) {
    const struct lb_s3_bucket_settings in = {
        .owner_id = LB_S("alice"),
        .owner_name = LB_S("Alice"),
        .acl = LB_S3_ACL_AUTHENTICATED_READ,
        .location = LB_S("eu-west-1"),
        .tags = LB_S("tags"),
        .versioning = LB_VERSIONING_SUSPENDED,
        .durability = LB_S3_DURABILITY_RELAXED,
    };
    struct lb_s3_bucket_settings out;
    lb_s3_bucket_settings_encode(&in, &blob);
    lb_s3_bucket_settings_decode(lb_buf_slice(&blob), &out);
    CHECK_SLICE(out.owner_id, "alice");
    CHECK_SLICE(out.owner_name, "Alice");
    CHECK_SLICE(out.location, "eu-west-1");
    CHECK_SLICE(out.tags, "tags");
    assert_int_equal(out.acl, LB_S3_ACL_AUTHENTICATED_READ);
    assert_int_equal(out.versioning, LB_VERSIONING_SUSPENDED);
    assert_int_equal(out.durability, LB_S3_DURABILITY_RELAXED);
}

static void test_nothing(void **state) {
    const struct lb_s3_bucket_settings in = {.acl = LB_S3_ACL_PRIVATE};
    lb_s3_bucket_settings_encode(&in, &blob);
    assert_int_equal(blob.len, 0);
    check_default(LB_S(""));
}

/* Nobody gets into a bucket because its settings are not understood. */
static void test_not_understood(void **state) {
    static const struct lb_slice bad[] = {
        LB_S("\x01"),
        LB_S("\x02\x03\x01\0\0\0\x01"),                         /* another version */
        LB_S("\x01\x03\x01\0\0\0\x05"),                         /* an ACL that is none */
        LB_S("\x01\x03\x02\0\0\0\x01\x01"),                     /* one too long */
        LB_S("\x01\x03\0\0\0\0"),                               /* one too short */
        LB_S("\x01\x03\x01\0\0\0\x01\x01\x05\0\0\0\x61"),       /* cut short behind it */
        LB_S("\x01\x03\x01\0\0\0\x01\x01\xff\xff\xff\xff\x61"), /* a length of 4 GiB */
        LB_S("\x01\x03\x01\0\0\0\x01\x01"),
    };
    for (size_t i = 0; i < CHECK_COUNT(bad); i++) {
        char *copy = check_dup(bad[i]);
        check_default(lb_slice(copy, bad[i].len));
        free(copy);
    }
}

/* Nothing is lost because they are not understood. */
static void test_not_understood_keeps_versions(void **state) {
    static const struct {
        struct lb_slice blob;
        enum lb_versioning versioning;
    } rows[] = {
        {LB_S("\x01\x06\x01\0\0\0\x01"), LB_VERSIONING_ON},
        {LB_S("\x01\x06\x01\0\0\0\x02"), LB_VERSIONING_SUSPENDED},
        {LB_S("\x01\x06\x01\0\0\0\x03"), LB_VERSIONING_ON}, /* what is not known yet */
        {LB_S("\x02"), LB_VERSIONING_ON},
        {LB_S("\x01\x06\x01\0\0"), LB_VERSIONING_ON},
        {LB_S("\x01"), LB_VERSIONING_OFF},
        {LB_S("\x01\x07\x01\0\0\0\x02"), LB_VERSIONING_OFF},
    };
    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        struct lb_s3_bucket_settings s;
        lb_s3_bucket_settings_decode(rows[i].blob, &s);
        assert_int_equal(s.versioning, rows[i].versioning);
    }
}

static void test_durability(void **state) {
    struct lb_s3_bucket_settings s;
    lb_s3_bucket_settings_decode(LB_S("\x01\x07\x01\0\0\0\x02"), &s);
    assert_int_equal(s.durability, LB_S3_DURABILITY_RELAXED);
    lb_s3_bucket_settings_decode(LB_S("\x01\x07\x01\0\0\0\x03"), &s);
    assert_int_equal(s.durability, LB_S3_DURABILITY_SYNC); /* what promises more */
}

/* What is none of S3's canned ACLs, and set by the control plane alone. */
static void test_open_read(void **state) {
    const struct lb_s3_bucket_settings in = {.acl = LB_S3_ACL_OPEN_READ};
    struct lb_s3_bucket_settings out;
    lb_s3_bucket_settings_encode(&in, &blob);
    CHECK_SLICE(lb_buf_slice(&blob), "\x01\x03\x01\0\0\0\x04");
    lb_s3_bucket_settings_decode(lb_buf_slice(&blob), &out);
    assert_int_equal(out.acl, LB_S3_ACL_OPEN_READ);
}

static void test_unknown_tag(void **state) {
    struct lb_s3_bucket_settings s;
    lb_s3_bucket_settings_decode(LB_S("\x01\x77\x02\0\0\0ab\x01\x03\0\0\0bob\x03\x01\0\0\0\x02"),
                                 &s);
    CHECK_SLICE(s.owner_id, "bob");
    assert_int_equal(s.acl, LB_S3_ACL_PUBLIC_READ_WRITE);
}

static void test_tags(void **state) {
    const struct s3_meta_pair in[] = {{LB_S("a"), LB_S("")}, {LB_S("b"), LB_S("2")}};
    struct s3_meta_pair *out;
    size_t n;
    s3_bucket_tags_encode(in, 2, &blob);
    assert_int_equal(s3_bucket_tags_decode(&arena, lb_buf_slice(&blob), &out, &n), 0);
    assert_int_equal(n, 2);
    CHECK_SLICE(out[0].name, "a");
    assert_int_equal(out[0].value.len, 0);
    CHECK_SLICE(out[1].name, "b");
    CHECK_SLICE(out[1].value, "2");
    for (size_t len = 1; len < blob.len; len++) {
        bool whole = len == 11; /* of the first */
        assert_int_equal(
            s3_bucket_tags_decode(&arena, lb_slice_first(lb_buf_slice(&blob), len), &out, &n),
            whole ? 0 : LB_ERR_CORRUPT);
    }
    assert_int_equal(s3_bucket_tags_decode(&arena, LB_S(""), &out, &n), 0);
    assert_int_equal(n, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),  TEST(test_nothing),   TEST(test_not_understood),
        TEST(test_unknown_tag), TEST(test_tags),      TEST(test_not_understood_keeps_versions),
        TEST(test_durability),  TEST(test_open_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
