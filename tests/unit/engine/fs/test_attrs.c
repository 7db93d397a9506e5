/* Attributes: their encoding, where they are kept, and what they say about a file. */
#include "fs_env.h"

static struct lb_etag etag_of(const char *text) {
    struct lb_etag e = {.len = (uint8_t)strlen(text)};
    memcpy(e.text, text, e.len);
    return e;
}

static struct fs_attrs sample(void) {
    return (struct fs_attrs){.size = 0x0102030405060708,
                             .mtime_ns = -2,
                             .etag = etag_of("d41d8cd98f00b204e9800998ecf8427e-10000"),
                             .key = LB_S("the key"),
                             .meta = LB_S("meta\0blob")};
}

static void assert_attrs_equal(const struct fs_attrs *a, const struct fs_attrs *b) {
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->mtime_ns, b->mtime_ns);
    assert_true(lb_slice_eq(lb_etag_slice(&a->etag), lb_etag_slice(&b->etag)));
    assert_true(lb_slice_eq(a->key, b->key));
    assert_true(lb_slice_eq(a->meta, b->meta));
    assert_int_equal(fs_version_cmp(&a->version, &b->version), 0);
    assert_int_equal(a->version.null, b->version.null);
    assert_int_equal(a->version.marker, b->version.marker);
    assert_int_equal(a->shown_mtime_ns, b->shown_mtime_ns);
}

static struct fs_attrs version_sample(void) {
    struct fs_attrs a = sample();
    a.version = (struct fs_version){.order = 0x0102030405060708, .salt = 0x090a0b0c, .null = true};
    a.shown_mtime_ns = -3;
    return a;
}

/* The bytes as README.md has them. */
static void test_format(void **state) {
    struct fs_attrs a = sample(), back;
    struct lb_buf b;
    lb_buf_init(&b, FS_ATTRS_MAX);
    fs_attrs_encode(&a, &b);
    assert_int_equal(b.err, 0);
    assert_int_equal(b.len, 32 + a.etag.len + 7 + 9);
    assert_memory_equal(b.ptr, "LbA1", 4);
    assert_memory_equal(b.ptr + 8, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    assert_memory_equal(b.ptr + 16, "\xfe\xff\xff\xff\xff\xff\xff\xff", 8);
    assert_memory_equal(b.ptr + 24, "\x09\x00\x00\x00\x07\x00", 6);
    assert_int_equal((uint8_t)b.ptr[30], a.etag.len);
    assert_int_equal(b.ptr[31], 0);
    assert_memory_equal(b.ptr + 32, a.etag.text, a.etag.len);
    assert_memory_equal(b.ptr + 32 + a.etag.len, "the keymeta\0blob", 16);
    assert_int_equal(fs_attrs_decode(lb_buf_slice(&b), &back), 0);
    assert_attrs_equal(&a, &back);
    lb_buf_fini(&b);
}

static void test_version_format(void **state) {
    struct fs_attrs a = version_sample(), back;
    struct lb_buf b;
    lb_buf_init(&b, FS_ATTRS_MAX);
    fs_attrs_encode(&a, &b);
    assert_int_equal(b.len, 56 + a.etag.len + 7 + 9);
    assert_memory_equal(b.ptr, "LbA2", 4);
    assert_memory_equal(b.ptr + 8, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    assert_memory_equal(b.ptr + 24, "\x09\x00\x00\x00\x07\x00", 6);
    assert_memory_equal(b.ptr + 32, "\x08\x07\x06\x05\x04\x03\x02\x01\x0c\x0b\x0a\x09", 12);
    assert_memory_equal(b.ptr + 44, "\x01\x00\x00\x00\xfd\xff\xff\xff\xff\xff\xff\xff", 12);
    assert_memory_equal(b.ptr + 56 + a.etag.len, "the keymeta\0blob", 16);
    assert_int_equal(fs_attrs_decode(lb_buf_slice(&b), &back), 0);
    assert_attrs_equal(&a, &back);
    a.version.marker = true;
    lb_buf_clear(&b);
    fs_attrs_encode(&a, &b);
    assert_int_equal(b.ptr[44], 3);
    assert_int_equal(fs_attrs_decode(lb_buf_slice(&b), &back), 0);
    assert_attrs_equal(&a, &back);
    lb_buf_fini(&b);
}

/* An MD5 is kept in binary; a checksum's meta beside it fits an ext4 inode of the usual size. */
static void test_md5_format(void **state) {
    struct fs_attrs a = {.size = 1,
                         .etag = etag_of("d41d8cd98f00b204e9800998ecf8427e"),
                         .meta = LB_S("sixteen bytes...")},
                    back;
    struct lb_buf b;
    lb_buf_init(&b, FS_ATTRS_MAX);
    fs_attrs_encode(&a, &b);
    assert_int_equal(b.len, 64);
    assert_memory_equal(b.ptr + 30, "\x10\x01\xd4\x1d\x8c\xd9", 6);
    assert_int_equal(fs_attrs_decode(lb_buf_slice(&b), &back), 0);
    assert_attrs_equal(&a, &back);
    static const char *const others[] = {"", "D41D8CD98F00B204E9800998ECF8427E", "sixteen bytes...",
                                         "d41d8cd98f00b204e9800998ecf8427",
                                         "d41d8cd98f00b204e9800998ecf8427g"};
    for (size_t i = 0; i < CHECK_COUNT(others); i++) {
        a.etag = etag_of(others[i]);
        lb_buf_clear(&b);
        fs_attrs_encode(&a, &b);
        assert_int_equal(b.ptr[31], 0);
        assert_int_equal(fs_attrs_decode(lb_buf_slice(&b), &back), 0);
        assert_attrs_equal(&a, &back);
    }
    lb_buf_fini(&b);
}

static void check_damage(const struct fs_attrs *a) {
    struct fs_attrs back = {.size = 77};
    struct lb_buf b;
    lb_buf_init(&b, FS_ATTRS_MAX);
    fs_attrs_encode(a, &b);
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        b.ptr[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(fs_attrs_decode(lb_buf_slice(&b), &back), LB_ERR_CORRUPT);
        b.ptr[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t len = 0; len < b.len; len++) {
        char *cut = check_dup(lb_slice_first(lb_buf_slice(&b), len));
        assert_int_equal(fs_attrs_decode(lb_slice(cut, len), &back), LB_ERR_CORRUPT);
        free(cut);
    }
    lb_buf_append_char(&b, '\0');
    assert_int_equal(fs_attrs_decode(lb_buf_slice(&b), &back), LB_ERR_CORRUPT);
    assert_int_equal(back.size, 77); /* untouched on failure */
    lb_buf_fini(&b);
}

static void test_every_damaged_bit_is_seen(void **state) {
    struct fs_attrs a = sample(), v = version_sample();
    check_damage(&a);
    check_damage(&v);
}

static void test_what_a_file_looks_like(void **state) {
    struct lb_vfs_stat st = {.ino = 5, .size = 100, .mtime_ns = 1000};
    struct fs_attrs a = {.size = 100, .mtime_ns = 1000, .etag = etag_of("e"), .meta = LB_S("m")};
    struct lb_object_info own, other, again;
    assert_int_equal(fs_object_info(&st, &a, &own), 0);
    CHECK_SLICE(lb_etag_slice(&own.etag), "e");
    CHECK_SLICE(own.meta, "m");

    CHECK_SLICE(lb_version_slice(&own.version), "null");
    a.version = (struct fs_version){.order = 0x10, .salt = 2};
    a.shown_mtime_ns = 900;
    assert_int_equal(fs_object_info(&st, &a, &own), 0);
    CHECK_SLICE(lb_version_slice(&own.version), "000000000000001000000002");
    assert_int_equal(own.mtime_ns, 900);

    st.mtime_ns = 2000; /* written by another program since */
    assert_int_equal(fs_object_info(&st, &a, &other), 0);
    assert_int_equal(other.etag.len, 34);
    CHECK_SLICE(lb_slice_from(lb_etag_slice(&other.etag), 32), "-0");
    assert_int_equal(other.meta.len, 0);
    assert_int_equal(other.mtime_ns, 2000);
    CHECK_SLICE(lb_version_slice(&other.version), "null");

    assert_int_equal(fs_object_info(&st, NULL, &again), 0);
    assert_memory_equal(again.etag.text, other.etag.text, 34);
    st.size = 101;
    assert_int_equal(fs_object_info(&st, &a, &again), 0);
    assert_memory_not_equal(again.etag.text, other.etag.text, 32);

    st.mtime_ns = 1000; /* the same time, another size: torn */
    assert_int_equal(fs_object_info(&st, &a, &again), LB_ERR_CORRUPT);
}

/* ---- where they are kept ---- */

struct file {
    int fd;
    struct lb_vfs_stat st;
};

static struct file file_new(struct fs_env *e) {
    struct file f;
    char path[FS_PATH_MAX];
    struct lb_vfs *v = lb_vfs_posix();
    foreign_write(e, "b/file", "text");
    foreign_path(e, "b/file", path);
    f.fd = open(path, O_RDWR);
    assert_true(f.fd >= 0);
    assert_int_equal(v->ops->fstat(v, f.fd, &f.st), 0);
    return f;
}

static bool sidecar_there(struct fs_env *e, const struct file *f) {
    char path[FS_PATH_MAX];
    struct lb_vfs_stat st;
    fs_attrs_path(fs_env_fs(e), LB_S("b"), f->st.ino, path);
    return lb_vfs_posix()->ops->stat(lb_vfs_posix(), fs_env_fs(e)->root, path, &st) == 0;
}

/* Stores a meta of this length and checks that it comes back. */
static void round_trip(struct fs_env *e, const struct file *f, size_t meta_len, bool sidecar) {
    struct fs_attrs a = sample(), back;
    struct lb_buf blob;
    char *meta = malloc(meta_len + 1);
    memset(meta, 'm', meta_len + 1);
    a.meta = lb_slice(meta, meta_len);
    lb_buf_init(&blob, FS_ATTRS_MAX);
    assert_int_equal(fs_attrs_store(fs_env_fs(e), LB_S("b"), f->fd, &f->st, &a, true), 0);
    assert_int_equal(sidecar_there(e, f), sidecar);
    int err = fs_attrs_load(fs_env_fs(e), LB_S("b"), f->fd, &f->st, true, &blob, &back);
    assert_int_equal(err, sidecar ? -EAGAIN : 0);
    assert_int_equal(fs_attrs_load(fs_env_fs(e), LB_S("b"), f->fd, &f->st, false, &blob, &back), 0);
    assert_attrs_equal(&a, &back);
    lb_buf_fini(&blob);
    free(meta);
}

static void test_xattr_and_sidecar_replace_each_other(void **state) {
    struct fs_env *e = *state;
    struct file f = file_new(e);
    if (fs_env_fs(e)->no_xattr) {
        print_message("no extended attributes in %s\n", e->dir);
        skip();
    }
    round_trip(e, &f, 100, false);
    round_trip(e, &f, LB_META_MAX, true);
    round_trip(e, &f, 200000, true);
    round_trip(e, &f, 0, false);
    round_trip(e, &f, 1500, false); /* more than is read at first */
    close(f.fd);
}

static void test_sidecar_without_xattrs(void **state) {
    struct fs_env *e = *state;
    struct file f = file_new(e);
    fs_env_fs(e)->no_xattr = true;
    round_trip(e, &f, 100, true);
    round_trip(e, &f, LB_META_MAX, true);
    fs_attrs_drop(fs_env_fs(e), LB_S("b"), f.st.ino);
    assert_false(sidecar_there(e, &f));
    fs_attrs_drop(fs_env_fs(e), LB_S("b"), f.st.ino);
    close(f.fd);
}

static void test_none_and_damaged(void **state) {
    struct fs_env *e = *state;
    struct file f = file_new(e);
    struct lb_vfs *v = lb_vfs_posix();
    struct fs_attrs back;
    struct lb_buf blob;
    char path[FS_PATH_MAX];
    lb_buf_init(&blob, FS_ATTRS_MAX);
    assert_int_equal(fs_attrs_load(fs_env_fs(e), LB_S("b"), f.fd, &f.st, false, &blob, &back),
                     -ENODATA);
    fs_env_fs(e)->no_xattr = true;
    round_trip(e, &f, 10, true);
    fs_attrs_path(fs_env_fs(e), LB_S("b"), f.st.ino, path);
    foreign_write(e, path, "no attributes at all, but as long as some");
    assert_int_equal(fs_attrs_load(fs_env_fs(e), LB_S("b"), f.fd, &f.st, false, &blob, &back),
                     LB_ERR_CORRUPT);
    foreign_write(e, path, "");
    assert_int_equal(fs_attrs_load(fs_env_fs(e), LB_S("b"), f.fd, &f.st, false, &blob, &back),
                     LB_ERR_CORRUPT);
    fs_env_fs(e)->no_xattr = false;
    assert_int_equal(v->ops->setxattr(v, f.fd, FS_XATTR, "junk", 4), 0);
    assert_int_equal(fs_attrs_load(fs_env_fs(e), LB_S("b"), f.fd, &f.st, false, &blob, &back),
                     LB_ERR_CORRUPT);
    lb_buf_fini(&blob);
    close(f.fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_version_format),
        cmocka_unit_test(test_md5_format),
        cmocka_unit_test(test_every_damaged_bit_is_seen),
        cmocka_unit_test(test_what_a_file_looks_like),
        cmocka_unit_test_setup_teardown(test_xattr_and_sidecar_replace_each_other, fs_setup,
                                        fs_teardown),
        cmocka_unit_test_setup_teardown(test_sidecar_without_xattrs, fs_setup, fs_teardown),
        cmocka_unit_test_setup_teardown(test_none_and_damaged, fs_setup, fs_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
