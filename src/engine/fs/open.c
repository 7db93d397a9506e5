/* Finding an object, and opening it through the loop's cache. */
#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "engine/fs/cache_priv.h"
#include "engine/fs/versions_priv.h"

/* Errors of open that mean that no object is there: nothing, a file where a directory is wanted, a
 * symlink that leads out or around, a socket or a device without a driver. */
static bool means_absent(int err) {
    switch (-err) {
    case ENOENT:
    case ENOTDIR:
    case EXDEV:
    case ELOOP:
    case ENXIO:
    case ENODEV:
    case EISDIR:
    case ENAMETOOLONG:
        return true;
    default:
        return false;
    }
}

/* One stat answers for nearly every bucket; only a symlink is followed, beneath the root. */
int fs_bucket_check(struct fs_engine *fs, struct lb_slice bucket) {
    char path[FS_PATH_MAX];
    struct lb_vfs_stat st;
    if (!fs_bucket_name_ok(fs, bucket))
        return LB_ERR_NO_SUCH_BUCKET;
    if (fs->conf.single_bucket)
        return 0;
    fs_bucket_path(fs, bucket, path);
    int err = fs->vfs->ops->stat(fs->vfs, fs->root, path, &st);
    if (!err && st.type == LB_VFS_DIR)
        return 0;
    if (err || st.type != LB_VFS_SYMLINK)
        return !err || means_absent(err) ? LB_ERR_NO_SUCH_BUCKET : err;
    int fd = fs->vfs->ops->open(fs->vfs, fs->root, path, O_PATH | O_DIRECTORY, 0);
    if (fd < 0)
        return means_absent(fd) ? LB_ERR_NO_SUCH_BUCKET : fd;
    fs->vfs->ops->close(fs->vfs, fd);
    return 0;
}

int fs_describe(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key, unsigned flags,
                struct lb_buf *blob, struct fs_found *f) {
    int err = fs->vfs->ops->fstat(fs->vfs, f->fd, &f->st);
    if (err)
        return err;
    if (f->st.type != LB_VFS_FILE)
        return -ENOENT;
    err = fs_attrs_load(fs, bucket, f->fd, &f->st, flags & LB_VFS_CACHED, blob, &f->attrs);
    if (err && err != -ENODATA)
        return err;
    f->has_attrs = !err;
    if (err)
        return fs_object_info(&f->st, NULL, &f->info);
    /* Another program may have given the file another name, with all that it knows. */
    if (!lb_slice_eq(f->attrs.key, key))
        f->attrs.version = (struct fs_version){0};
    if (f->attrs.mtime_ns == f->st.mtime_ns)
        f->version = f->attrs.version;
    return fs_object_info(&f->st, &f->attrs, &f->info);
}

int fs_damaged_info(struct fs_found *f) {
    int err = fs_object_info(&f->st, NULL, &f->info);
    fs_version_id(&f->version, &f->info.version);
    return err;
}

int fs_find_at(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key, const char *path,
               unsigned flags, struct lb_buf *blob, struct fs_found *ret) {
    struct lb_vfs *v = fs->vfs;
    struct fs_found f = {.fd = v->ops->open(v, fs->root, path, O_RDONLY | flags, 0)};
    if (f.fd == -EACCES || f.fd == -EPERM)
        return LB_ERR_ACCESS_DENIED;
    if (f.fd < 0)
        return means_absent(f.fd) ? -ENOENT : f.fd;
    int err = fs_describe(fs, bucket, key, flags, blob, &f);
    if (err) {
        v->ops->close(v, f.fd);
        f.fd = -1;
    }
    *ret = f;
    return err;
}

static int find_hidden(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                       unsigned flags, struct lb_buf *blob, struct fs_found *ret) {
    char path[FS_PATH_MAX];
    if (!fs_keys_loaded(fs, FS_KEYS_HIDDEN, bucket)) {
        if (flags & LB_VFS_CACHED)
            return -EAGAIN;
        int err = fs_keys_load(fs, FS_KEYS_HIDDEN, bucket);
        if (err)
            return err;
    }
    if (!fs_keys_maybe(fs, FS_KEYS_HIDDEN, bucket, key))
        return -ENOENT;
    fs_hidden_path(fs, bucket, key, path);
    int err = fs_find_at(fs, bucket, key, path, flags, blob, ret);
    ret->hidden = true;
    if (err)
        return err;
    if (!ret->has_attrs || !lb_slice_eq(ret->attrs.key, key)) {
        fs->vfs->ops->close(fs->vfs, ret->fd);
        ret->fd = -1;
        return LB_ERR_CORRUPT;
    }
    return 0;
}

/* As fs_find, but -ENOENT whether the key or its bucket is not there. flags: LB_VFS_CACHED from a
 * loop (then -EAGAIN when it would block), 0 on a worker. */
static int find(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key, unsigned flags,
                struct lb_buf *blob, struct fs_found *ret) {
    char path[FS_PATH_MAX];
    int err = -ENOENT;
    if (!fs_bucket_name_ok(fs, bucket))
        return LB_ERR_NO_SUCH_BUCKET;
    if (fs_key_is_plain(key)) {
        fs_plain_path(fs, bucket, key, path);
        err = fs_find_at(fs, bucket, key, path, flags, blob, ret);
    }
    if (err == -ENOENT)
        err = find_hidden(fs, bucket, key, flags, blob, ret);
    if (err == LB_ERR_CORRUPT)
        lb_error("an object is damaged", LB_LOG_S("bucket", bucket), LB_LOG_S("key", key));
    return err;
}

int fs_find(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key, struct lb_buf *blob,
            struct fs_found *ret) {
    int err = find(fs, bucket, key, 0, blob, ret);
    if (err != -ENOENT)
        return err;
    err = fs_bucket_check(fs, bucket);
    return err ? err : LB_ERR_NO_SUCH_KEY;
}

/* ---- the engine's operations ---- */

static struct fs_cache *cache_of(struct lb_engine_port *p) {
    return LB_CONTAINER_OF(p, struct fs_port, port)->cache;
}

static int find_work(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct fs_engine *fs = fs_of(p);
    struct fs_found found;
    struct lb_buf blob;
    lb_buf_init(&blob, FS_ATTRS_MAX);
    int err =
        op->version.len ? LB_ERR_NO_SUCH_KEY : fs_find(fs, op->bucket, op->key, &blob, &found);
    if (err == LB_ERR_NO_SUCH_KEY &&
        (op->version.len || fs_versions_maybe(fs, op->bucket, op->key)))
        err = fs_version_find(fs, op, &blob, &found);
    if (!err) {
        op->state = fs_entry_new(fs, op->bucket, op->key, &found, op->run.wall_ns);
        err = op->state ? 0 : -ENOMEM;
    }
    lb_buf_fini(&blob);
    return err;
}

/* The entry of op's object when that can be said without blocking; else -EAGAIN. */
static int find_inline(struct lb_engine_port *p, struct lb_engine_op *op, struct fs_entry **ret) {
    struct fs_engine *fs = fs_of(p);
    struct fs_cache *c = cache_of(p);
    struct fs_found found;
    if (op->version.len)
        return -EAGAIN;
    struct fs_entry *e = fs_cache_get(c, op->bucket, op->key);
    if (!e) {
        int err = find(fs, op->bucket, op->key, LB_VFS_CACHED, &c->blob, &found);
        /* A marker may have to be told of. */
        if (err == -ENOENT && fs_versions_maybe(fs, op->bucket, op->key))
            return -EAGAIN;
        if (err == -ENOENT)
            err = fs_bucket_known(p, op->bucket) ? LB_ERR_NO_SUCH_KEY : LB_ERR_NO_SUCH_BUCKET;
        if (err)
            return err;
        e = fs_entry_new(fs, op->bucket, op->key, &found, lb_io_wall_ns(p->io));
        if (!e)
            return -ENOMEM;
        fs_cache_put(c, e);
    }
    *ret = e;
    return 0;
}

/* Finds op's object, then runs then() on the loop with the entry, referenced, in op->state. */
static void find_then(struct lb_engine_port *p, struct lb_engine_op *op, fs_then_fn finish,
                      fs_then_fn worked) {
    struct fs_entry *e = NULL;
    int err = find_inline(p, op, &e);
    if (err == -EAGAIN) {
        fs_work_then(p, op, find_work, worked);
        return;
    }
    op->state = e;
    fs_complete(p, op, finish(p, op, err));
}

static int open_finish(struct lb_engine_port *p, struct lb_engine_op *op, int err) {
    if (err)
        return err;
    struct fs_reader *r = fs_reader_new(p, op->state);
    if (!r)
        return -ENOMEM;
    op->reader = &r->reader;
    op->info = r->reader.info;
    return 0;
}

static int head_finish(struct lb_engine_port *p, struct lb_engine_op *op, int err) {
    if (err)
        return err;
    struct fs_entry *e = op->state;
    struct lb_object_info info = e->info;
    err = lb_arena_copy(op->arena, e->info.meta, &info.meta);
    fs_cache_unref(cache_of(p), e);
    if (!err)
        op->info = info;
    return err;
}

static int open_worked(struct lb_engine_port *p, struct lb_engine_op *op, int err) {
    if (!err && op->version.len == 0)
        fs_cache_put(cache_of(p), op->state);
    return open_finish(p, op, err);
}

static int head_worked(struct lb_engine_port *p, struct lb_engine_op *op, int err) {
    if (!err && op->version.len == 0)
        fs_cache_put(cache_of(p), op->state);
    return head_finish(p, op, err);
}

void fs_open(struct lb_engine_port *p, struct lb_engine_op *op) {
    find_then(p, op, open_finish, open_worked);
}

void fs_head(struct lb_engine_port *p, struct lb_engine_op *op) {
    find_then(p, op, head_finish, head_worked);
}
