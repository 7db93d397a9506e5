/* The meta blob: what goes in comes out; damage is found; what is newer is skipped. */
#include "lib/check.h"

#include "base/err.h"
#include "engine/engine.h"
#include "s3/meta_priv.h"

static struct lb_arena arena;
static struct lb_buf blob;

static int setup(void **state) {
    lb_arena_init(&arena, 4u << 20);
    lb_buf_init(&blob, 1u << 20);
    return 0;
}

static int teardown(void **state) {
    lb_arena_fini(&arena);
    lb_buf_fini(&blob);
    return 0;
}

static void test_empty(void **state) {
    struct s3_meta m;
    s3_meta_init(&m);
    s3_meta_encode(&m, &blob);
    assert_int_equal(blob.len, 0);
    assert_int_equal(s3_meta_decode(&arena, lb_buf_slice(&blob), &m), 0);
    assert_int_equal(m.checksum_kind, LB_HASH_KINDS);
    assert_int_equal(m.user_n + m.tags_n + m.parts_n, 0);
}

static void fill(struct s3_meta *m) {
    static struct s3_meta_pair user[2], tags[1];
    static struct s3_meta_part parts[3];
    s3_meta_init(m);
    user[0] = (struct s3_meta_pair){LB_S("colour"), LB_S("blue")};
    user[1] = (struct s3_meta_pair){LB_S("empty"), LB_S("")};
    tags[0] = (struct s3_meta_pair){LB_S("project"), LB_S("x y")};
    m->fields[S3_META_CONTENT_TYPE] = LB_S("text/plain");
    m->fields[S3_META_REDIRECT_LOCATION] = LB_S("/elsewhere");
    m->user = user;
    m->user_n = 2;
    m->tags = tags;
    m->tags_n = 1;
    m->checksum_kind = LB_HASH_CRC32C;
    m->checksum_type = S3_CHECKSUM_COMPOSITE;
    m->checksum = (struct lb_digest){{1, 2, 3, 4}, 4};
    for (uint8_t i = 0; i < 3; i++)
        parts[i] = (struct s3_meta_part){5000000000u + i, {{i, 9, 9, i}, 4}};
    m->parts = parts;
    m->parts_n = 3;
    m->acl = LB_S3_ACL_AUTHENTICATED_READ;
    m->initiator = (struct s3_meta_pair){LB_S("alice"), LB_S("Alice")};
}

static void test_round_trip(void **state) {
    struct s3_meta in, out;
    fill(&in);
    s3_meta_encode(&in, &blob);
    assert_int_equal(s3_meta_decode(&arena, lb_buf_slice(&blob), &out), 0);
    CHECK_SLICE(out.fields[S3_META_CONTENT_TYPE], "text/plain");
    CHECK_SLICE(out.fields[S3_META_CACHE_CONTROL], "");
    CHECK_SLICE(out.fields[S3_META_REDIRECT_LOCATION], "/elsewhere");
    assert_int_equal(out.user_n, 2);
    CHECK_SLICE(out.user[0].name, "colour");
    CHECK_SLICE(out.user[0].value, "blue");
    CHECK_SLICE(out.user[1].name, "empty");
    CHECK_SLICE(out.user[1].value, "");
    assert_int_equal(out.tags_n, 1);
    CHECK_SLICE(out.tags[0].name, "project");
    CHECK_SLICE(out.tags[0].value, "x y");
    assert_int_equal(out.acl, LB_S3_ACL_AUTHENTICATED_READ);
    CHECK_SLICE(out.initiator.name, "alice");
    CHECK_SLICE(out.initiator.value, "Alice");
    assert_int_equal(out.checksum_kind, LB_HASH_CRC32C);
    assert_int_equal(out.checksum_type, S3_CHECKSUM_COMPOSITE);
    assert_int_equal(out.checksum.len, 4);
    assert_memory_equal(out.checksum.bytes, in.checksum.bytes, 4);
    assert_int_equal(out.parts_n, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(out.parts[i].size, 5000000000u + (unsigned)i);
        assert_int_equal(out.parts[i].checksum.len, 4);
        assert_memory_equal(out.parts[i].checksum.bytes, in.parts[i].checksum.bytes, 4);
    }
}

/* An upload remembers which checksum is wanted before there is one. */
static void test_kind_without_digest(void **state) {
    struct s3_meta in, out;
    s3_meta_init(&in);
    in.checksum_kind = LB_HASH_SHA256;
    in.checksum_type = S3_CHECKSUM_COMPOSITE;
    s3_meta_encode(&in, &blob);
    assert_int_equal(s3_meta_decode(&arena, lb_buf_slice(&blob), &out), 0);
    assert_int_equal(out.checksum_kind, LB_HASH_SHA256);
    assert_int_equal(out.checksum_type, S3_CHECKSUM_COMPOSITE);
    assert_int_equal(out.checksum.len, 0);
}

/* The numbers on disk are for ever. */
static void test_layout(void **state) {
    static const char expected[] = "\x01"
                                   "\x01\x0a\x00\x00\x00text/plain"
                                   "\x10\x07\x00\x00\x00\x01\x00zblue"
                                   "\x12\x06\x00\x00\x00\x04\x00\x01\x02\x03\x04";
    struct s3_meta m;
    struct s3_meta_pair user = {LB_S("z"), LB_S("blue")};
    s3_meta_init(&m);
    m.fields[S3_META_CONTENT_TYPE] = LB_S("text/plain");
    m.user = &user;
    m.user_n = 1;
    m.checksum_kind = LB_HASH_CRC32C;
    m.checksum = (struct lb_digest){{1, 2, 3, 4}, 4};
    s3_meta_encode(&m, &blob);
    assert_int_equal(blob.len, sizeof(expected) - 1);
    assert_memory_equal(blob.ptr, expected, blob.len);
}

/* Every cut either ends between fields or is found; none reads past its end. */
static void test_truncated(void **state) {
    struct s3_meta m;
    unsigned whole = 0;
    fill(&m);
    s3_meta_encode(&m, &blob);
    for (size_t n = 1; n < blob.len; n++) {
        char *cut = check_dup(lb_slice(blob.ptr, n));
        int err = s3_meta_decode(&arena, lb_slice(cut, n), &m);
        assert_true(err == 0 || err == LB_ERR_CORRUPT);
        whole += err == 0;
        free(cut);
    }
    assert_int_equal(whole, 9); /* the version alone, and after each field but the last */
}

static void check_corrupt(const char *bytes, size_t n) {
    struct s3_meta m;
    char *copy = check_dup(lb_slice(bytes, n));
    assert_int_equal(s3_meta_decode(&arena, lb_slice(copy, n), &m), LB_ERR_CORRUPT);
    free(copy);
}

#define CHECK_CORRUPT(literal) check_corrupt(literal, sizeof(literal) - 1)

static void test_damaged(void **state) {
    CHECK_CORRUPT("\x02");                              /* version */
    CHECK_CORRUPT("\x01\x01\xff\xff\xff\xff");          /* length */
    CHECK_CORRUPT("\x01\x10\x01\x00\x00\x00\x00");      /* pair without name */
    CHECK_CORRUPT("\x01\x10\x03\x00\x00\x00\x02\x00z"); /* name past the end */
    CHECK_CORRUPT("\x01\x12\x02\x00\x00\x00\x00\x00");  /* kind 0 */
    CHECK_CORRUPT("\x01\x12\x02\x00\x00\x00\x09\x00");  /* kind 9 */
    CHECK_CORRUPT("\x01\x12\x02\x00\x00\x00\x04\x02");  /* type 2 */
    CHECK_CORRUPT("\x01\x12\x03\x00\x00\x00\x04\x00z"); /* digest of one byte */
    CHECK_CORRUPT("\x01\x13\x00\x00\x00\x00");          /* parts without length */
    CHECK_CORRUPT("\x01\x13\x01\x00\x00\x00\x00");      /* no parts */
    CHECK_CORRUPT("\x01\x13\x02\x00\x00\x00\x00z");     /* half a part */
    CHECK_CORRUPT("\x01\x13\x09\x00\x00\x00\xff\x01\x02\x03\x04\x05\x06\x07\x08");
}

static void test_unknown_field_is_skipped(void **state) {
    static const char newer[] = "\x01\x7f\x03\x00\x00\x00new\x01\x01\x00\x00\x00t";
    struct s3_meta m;
    assert_int_equal(s3_meta_decode(&arena, lb_slice(newer, sizeof(newer) - 1), &m), 0);
    CHECK_SLICE(m.fields[S3_META_CONTENT_TYPE], "t");
}

/* Ten thousand parts with SHA-256 would be more than engines keep: sizes stay, checksums go. */
static void test_many_parts(void **state) {
    struct s3_meta m;
    struct s3_meta_part *parts = calloc(LB_PARTS_MAX, sizeof(*parts));
    assert_non_null(parts);
    s3_meta_init(&m);
    m.parts = parts;
    m.parts_n = LB_PARTS_MAX;
    for (unsigned i = 0; i < LB_PARTS_MAX; i++)
        parts[i] = (struct s3_meta_part){i, {{1}, 32}};
    s3_meta_encode(&m, &blob);
    assert_int_equal(blob.err, 0);
    assert_true(blob.len < LB_META_MAX);
    assert_int_equal(s3_meta_decode(&arena, lb_buf_slice(&blob), &m), 0);
    assert_int_equal(m.parts_n, LB_PARTS_MAX);
    assert_int_equal(m.parts[9999].size, 9999);
    assert_int_equal(m.parts[9999].checksum.len, 0);
    free(parts);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_empty),
        TEST(test_round_trip),
        TEST(test_kind_without_digest),
        TEST(test_layout),
        TEST(test_truncated),
        TEST(test_damaged),
        TEST(test_unknown_field_is_skipped),
        TEST(test_many_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
