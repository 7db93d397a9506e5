/* An object's attributes: encoded, checked, and kept in one xattr or in a sidecar file.
 *
 * The xattr rules: while it is there and not empty, a sidecar of the same inode means nothing. So
 * either form replaces the other in one step: a sidecar takes effect when the xattr is emptied, an
 * xattr when it is set. The format by byte offset is in README.md. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "engine/fs/bytes_priv.h"
#include "engine/fs/fs_priv.h"

#define HEAD 32u
#define HEAD_VERSION 56u /* with a version */
#define CRC_FROM 8u
#define MAGIC "LbA1"
#define MAGIC_VERSION "LbA2"
#define MD5_LEN 16
enum { ETAG_TEXT = 0, ETAG_MD5 = 1 };
enum { FLAG_NULL = 1, FLAG_MARKER = 2 };
#define XATTR_FIRST 1024u /* bytes tried at first */
#define XATTR_MAX 65536u  /* the kernel's own limit */

/* An MD5 is kept as its 16 bytes: with no more than a checksum beside it, the attributes then fit
 * into the inode of an ordinary ext4 (64 bytes), and cost no block of their own. */
static bool etag_is_md5(const struct lb_etag *e) {
    if (e->len != 2 * MD5_LEN)
        return false;
    for (size_t i = 0; i < e->len; i++) {
        if (lb_hex_digit(e->text[i]) < 0 || (e->text[i] >= 'A' && e->text[i] <= 'F'))
            return false;
    }
    return true;
}

static void encode_version(const struct fs_attrs *a, char *head) {
    memcpy(head, MAGIC_VERSION, 4);
    fs_put_le(head + 32, a->version.order, 8);
    fs_put_le(head + 40, a->version.salt, 4);
    head[44] = (char)((a->version.null ? FLAG_NULL : 0) | (a->version.marker ? FLAG_MARKER : 0));
    fs_put_le(head + 48, (uint64_t)a->shown_mtime_ns, 8);
}

void fs_attrs_encode(const struct fs_attrs *a, struct lb_buf *ret) {
    assert(a->etag.len <= sizeof(a->etag.text) && a->key.len <= LB_KEY_MAX);
    uint8_t md5[MD5_LEN];
    struct lb_slice etag = lb_etag_slice(&a->etag);
    size_t at = ret->len, head_len = a->version.order ? HEAD_VERSION : HEAD;
    char *head = lb_buf_reserve(ret, head_len);
    if (!head)
        return;
    memset(head, 0, head_len);
    memcpy(head, MAGIC, 4);
    if (a->version.order)
        encode_version(a, head);
    fs_put_le(head + 8, a->size, 8);
    fs_put_le(head + 16, (uint64_t)a->mtime_ns, 8);
    fs_put_le(head + 24, a->meta.len, 4);
    fs_put_le(head + 28, a->key.len, 2);
    if (etag_is_md5(&a->etag)) {
        lb_hex_decode(etag, md5, MD5_LEN);
        etag = lb_slice(md5, MD5_LEN);
        head[31] = ETAG_MD5;
    }
    head[30] = (char)etag.len;
    ret->len += head_len;
    lb_buf_append(ret, etag);
    lb_buf_append(ret, a->key);
    lb_buf_append(ret, a->meta);
    if (ret->err)
        return;
    struct lb_slice whole = lb_slice_from(lb_buf_slice(ret), at);
    fs_put_le(ret->ptr + at + 4, fs_crc32c(lb_slice_from(whole, CRC_FROM)), 4);
}

/* Every ETag has one form only. */
static int decode_etag(struct lb_slice bytes, int form, struct lb_etag *ret) {
    char hex[2 * MD5_LEN + 1];
    if (form == ETAG_MD5 && bytes.len == MD5_LEN) {
        lb_hex_encode((const uint8_t *)bytes.ptr, MD5_LEN, hex);
        memcpy(ret->text, hex, 2 * MD5_LEN);
        ret->len = 2 * MD5_LEN;
        return 0;
    }
    if (form != ETAG_TEXT || bytes.len > sizeof(ret->text))
        return LB_ERR_CORRUPT;
    memcpy(ret->text, bytes.ptr, bytes.len);
    ret->len = (uint8_t)bytes.len;
    return etag_is_md5(ret) ? LB_ERR_CORRUPT : 0;
}

/* The length of the head, or 0 when that is none. */
static size_t head_of(struct lb_slice blob) {
    if (blob.len >= HEAD && memcmp(blob.ptr, MAGIC, 4) == 0)
        return HEAD;
    if (blob.len >= HEAD_VERSION && memcmp(blob.ptr, MAGIC_VERSION, 4) == 0)
        return HEAD_VERSION;
    return 0;
}

static int decode_version(const char *head, struct fs_attrs *ret) {
    uint8_t flags = (uint8_t)head[44];
    ret->version = (struct fs_version){.order = fs_get_le(head + 32, 8),
                                       .salt = (uint32_t)fs_get_le(head + 40, 4),
                                       .null = flags & FLAG_NULL,
                                       .marker = flags & FLAG_MARKER};
    ret->shown_mtime_ns = (int64_t)fs_get_le(head + 48, 8);
    bool ok = ret->version.order && (flags & ~(FLAG_NULL | FLAG_MARKER)) == 0 &&
              fs_get_le(head + 45, 3) == 0;
    return ok ? 0 : LB_ERR_CORRUPT;
}

int fs_attrs_decode(struct lb_slice blob, struct fs_attrs *ret) {
    size_t head = head_of(blob);
    if (!head)
        return LB_ERR_CORRUPT;
    size_t meta_len = fs_get_le(blob.ptr + 24, 4);
    size_t key_len = fs_get_le(blob.ptr + 28, 2);
    size_t etag_len = (uint8_t)blob.ptr[30];
    if (key_len > LB_KEY_MAX || meta_len > LB_META_MAX ||
        head + etag_len + key_len + meta_len != blob.len)
        return LB_ERR_CORRUPT;
    if (fs_get_le(blob.ptr + 4, 4) != fs_crc32c(lb_slice_from(blob, CRC_FROM)))
        return LB_ERR_CORRUPT;
    struct fs_attrs a = {.size = fs_get_le(blob.ptr + 8, 8),
                         .mtime_ns = (int64_t)fs_get_le(blob.ptr + 16, 8),
                         .key = lb_slice(blob.ptr + head + etag_len, key_len),
                         .meta = lb_slice(blob.ptr + head + etag_len + key_len, meta_len)};
    int err = decode_etag(lb_slice(blob.ptr + head, etag_len), blob.ptr[31], &a.etag);
    if (!err && head == HEAD_VERSION)
        err = decode_version(blob.ptr, &a);
    if (!err)
        *ret = a;
    return err;
}

void fs_attrs_path(const struct fs_engine *fs, struct lb_slice bucket, uint64_t ino,
                   char ret[FS_PATH_MAX]) {
    char rest[sizeof("attrs/") + 16];
    snprintf(rest, sizeof(rest), "attrs/%llx", (unsigned long long)ino);
    fs_reserved_path(fs, bucket, rest, ret);
}

void fs_attrs_drop(struct fs_engine *fs, struct lb_slice bucket, uint64_t ino) {
    char path[FS_PATH_MAX];
    fs_attrs_path(fs, bucket, ino, path);
    fs->vfs->ops->unlink(fs->vfs, fs->root, path);
}

/* Errors of setxattr that mean "not this value here": too large for the filesystem's xattrs. Out of
 * space is said in the same words; then the sidecar fails, too, and says so. */
static bool xattr_unfit(int err) {
    return err == -ENOSPC || err == -E2BIG || err == -ERANGE || err == -EOPNOTSUPP ||
           err == -EDQUOT;
}

static int store_sidecar(struct fs_engine *fs, struct lb_slice bucket, int fd, uint64_t ino,
                         struct lb_slice blob, bool sync) {
    char path[FS_PATH_MAX];
    fs_attrs_path(fs, bucket, ino, path);
    atomic_store(&fs->sidecars, true);
    int err = fs_reserved_make(fs, bucket, "attrs");
    /* A journal keeps an xattr in front of the rename that follows, not the bytes of a sidecar:
     * were they lost, what is left of a relaxed object would pass for another program's file. */
    if (!err)
        err = fs_reserved_replace(fs, bucket, path, blob, sync || fs->journaled);
    if (err || fs->no_xattr)
        return err;
    /* Emptied, it points to the sidecar. Where there never was one (a bucket may be a filesystem of
     * its own, without any) nothing needs emptying. */
    int64_t has = fs->vfs->ops->getxattr(fs->vfs, fd, FS_XATTR, NULL, 0);
    if (has == -ENODATA || has == -EOPNOTSUPP)
        return 0;
    return fs->vfs->ops->setxattr(fs->vfs, fd, FS_XATTR, "", 0);
}

int fs_attrs_store(struct fs_engine *fs, struct lb_slice bucket, int fd,
                   const struct lb_vfs_stat *st, const struct fs_attrs *a, bool sync) {
    struct lb_vfs *v = fs->vfs;
    struct lb_buf blob;
    lb_buf_init(&blob, FS_ATTRS_MAX);
    fs_attrs_encode(a, &blob);
    int err = blob.err;
    if (err)
        goto out;
    err = -EOPNOTSUPP;
    if (!fs->no_xattr && blob.len <= XATTR_MAX) {
        bool had_sidecar = v->ops->getxattr(v, fd, FS_XATTR, NULL, 0) == 0;
        err = v->ops->setxattr(v, fd, FS_XATTR, blob.ptr, blob.len);
        /* Without a journal to keep the order, the xattr must last before the sidecar goes. */
        if (!err && had_sidecar && !fs->journaled)
            err = v->ops->fsync(v, fd, false);
        if (!err && had_sidecar)
            fs_attrs_drop(fs, bucket, st->ino);
    }
    if (err && xattr_unfit(err))
        err = store_sidecar(fs, bucket, fd, st->ino, lb_buf_slice(&blob), sync);
out:
    lb_buf_fini(&blob);
    return err;
}

/* Reads the xattr into the empty blob. Returns 0 (perhaps still empty) or -errno. */
static int load_xattr(struct fs_engine *fs, int fd, struct lb_buf *blob) {
    for (size_t cap = XATTR_FIRST; cap <= XATTR_MAX; cap *= XATTR_MAX / XATTR_FIRST) {
        char *to = lb_buf_reserve(blob, cap);
        if (!to)
            return blob->err;
        int64_t n = fs->vfs->ops->getxattr(fs->vfs, fd, FS_XATTR, to, cap);
        if (n >= 0)
            blob->len = (size_t)n;
        if (n == -ENODATA || n == -EOPNOTSUPP)
            return 0;
        if (n != -ERANGE)
            return n < 0 ? (int)n : 0;
    }
    return LB_ERR_CORRUPT;
}

static int read_sidecar(struct lb_vfs *v, int fd, struct lb_buf *blob) {
    struct lb_vfs_stat st;
    int err = v->ops->fstat(v, fd, &st);
    if (err)
        return err;
    if (st.size == 0 || st.size > FS_ATTRS_MAX)
        return LB_ERR_CORRUPT;
    char *to = lb_buf_reserve(blob, st.size);
    if (!to)
        return blob->err;
    while (blob->len < st.size) {
        int64_t n = v->ops->pread(v, fd, to + blob->len, st.size - blob->len, blob->len);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return LB_ERR_CORRUPT;
        blob->len += (size_t)n;
    }
    return 0;
}

static int load_sidecar(struct fs_engine *fs, struct lb_slice bucket, uint64_t ino,
                        bool cached_only, struct lb_buf *blob) {
    struct lb_vfs *v = fs->vfs;
    char path[FS_PATH_MAX];
    fs_attrs_path(fs, bucket, ino, path);
    int fd = v->ops->open(v, fs->root, path, O_RDONLY | (cached_only ? LB_VFS_CACHED : 0), 0);
    if (fd == -ENOENT)
        return -ENODATA;
    if (fd < 0)
        return fd;
    int err = cached_only ? -EAGAIN : read_sidecar(v, fd, blob);
    v->ops->close(v, fd);
    return err;
}

int fs_attrs_load(struct fs_engine *fs, struct lb_slice bucket, int fd,
                  const struct lb_vfs_stat *st, bool cached_only, struct lb_buf *blob,
                  struct fs_attrs *ret) {
    lb_buf_clear(blob);
    int err = fs->no_xattr ? 0 : load_xattr(fs, fd, blob);
    if (!err && blob->len == 0)
        err = load_sidecar(fs, bucket, st->ino, cached_only, blob);
    return err ? err : fs_attrs_decode(lb_buf_slice(blob), ret);
}

/* An ETag for a file that another program wrote: it changes whenever the file is seen to change,
 * and its "-0" keeps clients from taking it for an MD5. */
static void opaque_etag(const struct lb_vfs_stat *st, struct lb_etag *ret) {
    char identity[24];
    struct lb_digest d;
    fs_put_le(identity, st->ino, 8);
    fs_put_le(identity + 8, st->size, 8);
    fs_put_le(identity + 16, (uint64_t)st->mtime_ns, 8);
    lb_hash_once(LB_HASH_SHA256, lb_slice(identity, sizeof(identity)), &d);
    lb_hex_encode(d.bytes, 16, ret->text);
    memcpy(ret->text + 32, "-0", 2);
    ret->len = 34;
}

int fs_object_info(const struct lb_vfs_stat *st, const struct fs_attrs *attrs,
                   struct lb_object_info *ret) {
    bool same_time = attrs && attrs->mtime_ns == st->mtime_ns;
    if (same_time && attrs->size != st->size)
        return LB_ERR_CORRUPT;
    *ret = (struct lb_object_info){.size = st->size, .mtime_ns = st->mtime_ns};
    if (same_time) {
        ret->etag = attrs->etag;
        ret->meta = attrs->meta;
        if (attrs->shown_mtime_ns)
            ret->mtime_ns = attrs->shown_mtime_ns;
    } else {
        opaque_etag(st, &ret->etag);
    }
    fs_version_id(same_time ? &attrs->version : NULL, &ret->version);
    return 0;
}
