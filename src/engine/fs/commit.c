/* From a finished temporary to a visible object.
 *
 * Invariants: attributes are with the file before it gets its name, and say its size and mtime; the
 * name changes by one rename; what a precondition is decided on can't be changed by this server
 * before that rename (the key's lock). Another program may change the tree at any moment: then
 * whoever renames last wins, and a reader sees one or the other, whole. */
#include "engine/fs/versions_priv.h"

int fs_storage_err(int64_t res) {
    if (res == -ENOSPC || res == -EDQUOT || res == -EFBIG)
        return LB_ERR_STORAGE_FULL;
    return res == -EROFS ? LB_ERR_READ_ONLY : (int)res;
}

int fs_record(struct fs_engine *fs, struct lb_slice bucket, int fd, struct fs_attrs *a, bool sync,
              bool cached) {
    struct lb_vfs_stat st;
    int rc = fs->vfs->ops->fstat(fs->vfs, fd, &st);
    if (rc < 0)
        return rc;
    a->size = st.size;
    a->mtime_ns = st.mtime_ns;
    rc = fs_attrs_store(fs, bucket, fd, &st, a, sync);
    if (rc == 0 && sync && (cached || !fs->journaled))
        rc = fs_file_sync(fs, fd);
    return rc;
}

int fs_precond_decide(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                      const struct lb_precond *pre) {
    struct fs_found found;
    struct lb_buf blob;
    if (!fs_precond_any(pre))
        return 0;
    lb_buf_init(&blob, FS_ATTRS_MAX);
    int rc = fs_find(fs, bucket, key, &blob, &found);
    if (rc == 0) {
        rc = lb_precond_check(pre, &found.info);
        fs->vfs->ops->close(fs->vfs, found.fd);
    } else if (rc == LB_ERR_NO_SUCH_KEY) {
        rc = lb_precond_check(pre, NULL);
    }
    lb_buf_fini(&blob);
    return rc;
}

/* Holds the file dir/name when it has a sidecar: while it is open its inode's number, which is the
 * sidecar's name, can't be given to another file. Returns a descriptor, or -1. */
static int sidecar_hold(struct fs_engine *fs, struct lb_slice bucket, int dir, const char *name,
                        uint64_t *ret_ino) {
    struct lb_vfs *v = fs->vfs;
    struct lb_vfs_stat st, side;
    char path[FS_PATH_MAX];
    if (!atomic_load_explicit(&fs->sidecars, memory_order_relaxed))
        return -1;
    if (v->ops->stat(v, dir, name, &st) < 0 || st.type != LB_VFS_FILE)
        return -1;
    fs_attrs_path(fs, bucket, st.ino, path);
    if (v->ops->stat(v, fs->root, path, &side) < 0)
        return -1;
    int fd = v->ops->open(v, dir, name, O_PATH, 0);
    if (fd < 0)
        return -1;
    /* Under a second name, another program's link, the file stays. */
    if (v->ops->fstat(v, fd, &st) < 0 || st.nlink > 1) {
        v->ops->close(v, fd);
        return -1;
    }
    *ret_ino = st.ino;
    return fd;
}

/* Makes last what was done to name in dir. */
static int entry_sync(struct fs_engine *fs, int dir, const char *name) {
    struct lb_vfs *v = fs->vfs;
    char path[FS_PATH_MAX];
    const char *slash = strrchr(name, '/');
    snprintf(path, sizeof(path), "%.*s", slash ? (int)(slash - name) : 1, slash ? name : ".");
    int fd = v->ops->open(v, dir, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    int rc = fs_file_sync(fs, fd);
    v->ops->close(v, fd);
    return rc;
}

/* After the file held has lost its name (rc 0). Its sidecar goes only when that can't be undone by
 * a power loss: else the file would be back without it. A journal keeps that order by itself. What
 * stays behind is swept. */
static void sidecar_release(struct fs_engine *fs, struct lb_slice bucket, int fd, uint64_t ino,
                            int rc, int dir, const char *name) {
    if (fd < 0)
        return;
    if (rc == 0 && !fs->journaled && dir >= 0)
        rc = entry_sync(fs, dir, name);
    if (rc == 0)
        fs_attrs_drop(fs, bucket, ino);
    fs->vfs->ops->close(fs->vfs, fd);
}

int fs_rename_over(struct fs_engine *fs, struct lb_slice bucket, const char *tmp, int dir,
                   const char *name) {
    uint64_t ino = 0;
    int held = sidecar_hold(fs, bucket, dir, name, &ino);
    int rc = fs->vfs->ops->rename(fs->vfs, fs->root, tmp, dir, name, 0);
    sidecar_release(fs, bucket, held, ino, rc, dir, name);
    return rc;
}

int fs_unlink_with(struct fs_engine *fs, struct lb_slice bucket, int dir, const char *name,
                   bool last) {
    uint64_t ino = 0;
    int held = sidecar_hold(fs, bucket, dir, name, &ino);
    int rc = fs->vfs->ops->unlink(fs->vfs, dir, name);
    sidecar_release(fs, bucket, held, ino, rc, last ? dir : -1, name);
    return rc;
}

int fs_unlink_form(struct fs_engine *fs, struct lb_slice bucket, char *path) {
    const char *name;
    int dir;
    int rc = fs_dir_open(fs, bucket, path, false, &dir, &name);
    if (rc == 0) {
        rc = fs_unlink_with(fs, bucket, dir, name, true);
        fs_dir_close(fs, dir);
    }
    if (rc == -ENOENT || rc == -ENOTDIR || rc == -EISDIR)
        return 0;
    return rc < 0 ? rc : 1;
}

int fs_hidden_clear(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                    struct fs_touched *t) {
    char path[FS_PATH_MAX];
    if (!fs_keys_maybe(fs, FS_KEYS_HIDDEN, bucket, key))
        return 0;
    if (fs_keys_load(fs, FS_KEYS_HIDDEN, bucket) == 0 &&
        !fs_keys_maybe(fs, FS_KEYS_HIDDEN, bucket, key))
        return 0;
    fs_hidden_path(fs, bucket, key, path);
    int rc = fs_unlink_form(fs, bucket, path);
    if (rc < 0)
        return rc;
    fs_keys_remove(fs, FS_KEYS_HIDDEN, bucket, key);
    return rc ? fs_touch(fs, bucket, t, path) : 0;
}

/* Renames to path. -ENOENT: the temporary or the bucket is gone, or there is a way to path that
 * leads nowhere. */
static int rename_to(struct fs_engine *fs, const struct fs_install *in, char *path) {
    int rc = -ENOENT;
    for (int i = 0; i < FS_TRIES && rc == -ENOENT; i++) {
        const char *name;
        int dir;
        rc = fs_dir_open(fs, in->bucket, path, true, &dir, &name);
        if (rc < 0)
            continue;
        /* It must not go into a directory that a power loss takes away. */
        if (in->last && !fs->journaled)
            rc = fs_path_settle(fs, in->bucket, path);
        if (rc == 0)
            rc = fs_rename_over(fs, in->bucket, in->tmp, dir, name);
        fs_dir_close(fs, dir);
    }
    return rc;
}

/* What -ENOENT of an install means. */
static int missing(struct fs_engine *fs, const struct fs_install *in) {
    struct lb_vfs_stat st;
    int rc = fs_bucket_check(fs, in->bucket);
    if (rc == 0 && fs->vfs->ops->stat(fs->vfs, fs->root, in->tmp, &st) == -ENOENT)
        rc = LB_ERR_NO_SUCH_BUCKET; /* removed and made again meanwhile */
    return rc ? rc : -ENOTDIR;      /* a symlink to nowhere is in the way */
}

/* -ENOTDIR: something else is in the way, the key must be hidden. */
static int place_plain(struct fs_engine *fs, const struct fs_install *in, struct fs_touched *t) {
    char path[FS_PATH_MAX];
    fs_plain_path(fs, in->bucket, in->key, path);
    int rc = rename_to(fs, in, path);
    if (rc == -ENOENT)
        return missing(fs, in);
    if (rc == -EISDIR || rc == -ENOTEMPTY || rc == -EEXIST || rc == -EXDEV || rc == -ENAMETOOLONG)
        return -ENOTDIR;
    if (rc < 0)
        return rc;
    rc = fs_touch(fs, in->bucket, t, path);
    /* Without a journal to keep the order, the plain file must last before the hidden one goes. */
    if (rc == 0 && !fs->journaled && fs_keys_maybe(fs, FS_KEYS_HIDDEN, in->bucket, in->key))
        rc = fs_path_settle(fs, in->bucket, path);
    /* A hidden file that stays behind is harmless: the plain one is found first. */
    if (rc == 0 && fs_hidden_clear(fs, in->bucket, in->key, t) < 0)
        lb_warn("an object's hidden file could not be removed", LB_LOG_S("key", in->key));
    return rc;
}

static int place_hidden(struct fs_engine *fs, const struct fs_install *in, struct fs_touched *t) {
    char path[FS_PATH_MAX];
    fs_hidden_path(fs, in->bucket, in->key, path);
    int rc = rename_to(fs, in, path);
    if (rc == -ENOENT)
        rc = missing(fs, in);
    if (rc < 0)
        return rc;
    rc = fs_touch(fs, in->bucket, t, path);
    fs_keys_add(fs, FS_KEYS_HIDDEN, in->bucket, in->key);
    return rc;
}

int fs_upload_check(struct fs_engine *fs, const struct fs_install *in) {
    char path[FS_OWN_PATH_MAX];
    struct lb_vfs_stat st;
    if (!in->upload_id)
        return 0;
    fs_own_path(fs, in->bucket, "uploads", in->upload_id, NULL, path);
    int rc = fs->vfs->ops->stat(fs->vfs, fs->root, path, &st);
    return rc == -ENOENT ? LB_ERR_NO_SUCH_UPLOAD : rc;
}

int fs_place(struct fs_engine *fs, const struct fs_install *in, struct fs_attrs *a,
             struct fs_touched *t) {
    if (!fs_key_is_plain(in->key))
        return place_hidden(fs, in, t);
    int rc = place_plain(fs, in, t);
    if (rc != -ENOTDIR)
        return rc;
    rc = 0;
    if (a->key.len == 0) {
        a->key = in->key;
        rc = fs_record(fs, in->bucket, in->fd, a, in->sync, false);
    }
    return rc ? rc : place_hidden(fs, in, t);
}

void fs_installed(const struct fs_attrs *a, struct lb_object_info *ret) {
    *ret = (struct lb_object_info){.size = a->size, .mtime_ns = a->mtime_ns, .etag = a->etag};
    fs_version_id(a->version.order ? &a->version : NULL, &ret->version);
}

int fs_install(struct fs_engine *fs, const struct fs_install *in, struct fs_touched *t,
               struct lb_object_info *ret_info) {
    struct fs_attrs a = {.etag = in->etag, .meta = in->meta};
    if (in->versioning != LB_VERSIONING_OFF)
        return fs_install_version(fs, in, t, ret_info);
    if (!fs_key_is_plain(in->key))
        a.key = in->key;
    int rc = fs_record(fs, in->bucket, in->fd, &a, in->sync, in->cached);
    if (rc < 0)
        return rc;
    pthread_mutex_t *lock = fs_key_lock(fs, in->bucket, in->key);
    pthread_rwlock_rdlock(&fs->bucket_lock);
    pthread_mutex_lock(lock);
    rc = fs_upload_check(fs, in);
    if (rc == 0)
        rc = fs_precond_decide(fs, in->bucket, in->key, in->precond);
    if (rc == 0)
        rc = fs_place(fs, in, &a, t);
    pthread_mutex_unlock(lock);
    pthread_rwlock_unlock(&fs->bucket_lock);
    if (rc == 0)
        fs_installed(&a, ret_info);
    return rc;
}
