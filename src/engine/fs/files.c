/* The engine's own small files and directories: making, replacing and removing them. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>

#include "engine/fs/fs_priv.h"

static int write_all(struct lb_vfs *v, int fd, struct lb_slice bytes) {
    uint64_t off = 0;
    while (off < bytes.len) {
        int64_t n = v->ops->pwrite(v, fd, bytes.ptr + off, bytes.len - off, off);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        off += (uint64_t)n;
    }
    return 0;
}

int fs_file_write(struct fs_engine *fs, const char *path, struct lb_slice bytes, bool sync) {
    struct lb_vfs *v = fs->vfs;
    int fd = v->ops->open(v, fs->root, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0)
        return fd;
    int err = write_all(v, fd, bytes);
    if (!err && sync)
        err = v->ops->fsync(v, fd, false);
    v->ops->close(v, fd);
    if (err)
        v->ops->unlink(v, fs->root, path);
    return err;
}

int fs_dir_sync(struct fs_engine *fs, const char *path) {
    struct lb_vfs *v = fs->vfs;
    int fd = v->ops->open(v, fs->root, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    int err = v->ops->fsync(v, fd, false);
    v->ops->close(v, fd);
    return err;
}

/* Makes a directory and, when it is new, makes it last. */
static int make_dir(struct fs_engine *fs, const char *path) {
    struct lb_vfs *v = fs->vfs;
    char parent[FS_PATH_MAX];
    int err = v->ops->mkdir(v, fs->root, path, 0755);
    if (err == -EEXIST)
        return 0;
    if (err == -ENOENT)
        return LB_ERR_NO_SUCH_BUCKET;
    if (err)
        return err;
    const char *slash = strrchr(path, '/');
    snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    return fs_dir_sync(fs, parent);
}

int fs_reserved_make(struct fs_engine *fs, struct lb_slice bucket, const char *sub) {
    char path[FS_PATH_MAX];
    fs_reserved_path(fs, bucket, sub, path);
    struct lb_vfs_stat st;
    if (fs->vfs->ops->stat(fs->vfs, fs->root, path, &st) == 0 && st.type == LB_VFS_DIR)
        return 0;
    size_t top = strlen(path) - strlen(sub) - 1;
    for (size_t i = top; path[i]; i++) {
        if (path[i] != '/')
            continue;
        path[i] = '\0';
        int err = make_dir(fs, path);
        path[i] = '/';
        if (err)
            return err;
    }
    return make_dir(fs, path);
}

int fs_reserved_replace(struct fs_engine *fs, struct lb_slice bucket, const char *path,
                        struct lb_slice bytes, bool sync) {
    static atomic_uint_fast64_t count;
    struct lb_vfs *v = fs->vfs;
    char rest[64], tmp[FS_PATH_MAX], parent[FS_PATH_MAX];
    snprintf(rest, sizeof(rest), "tmp/small-%llx", (unsigned long long)atomic_fetch_add(&count, 1));
    fs_reserved_path(fs, bucket, rest, tmp);
    int err = fs_reserved_make(fs, bucket, "tmp");
    if (!err)
        err = fs_file_write(fs, tmp, bytes, sync);
    if (err)
        return err;
    err = v->ops->rename(v, fs->root, tmp, fs->root, path, 0);
    if (err) {
        v->ops->unlink(v, fs->root, tmp);
        return err;
    }
    snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
    return sync ? fs_dir_sync(fs, parent) : 0;
}

/* ---- removing a tree ---- */

struct names {
    struct lb_buf buf; /* of: type byte, name, NUL */
};

static int collect(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct names *n = ctx;
    lb_buf_append_char(&n->buf, (char)type);
    lb_buf_append(&n->buf, lb_slice(name, len));
    lb_buf_append_char(&n->buf, '\0');
    return n->buf.err;
}

static int remove_in(struct lb_vfs *v, int dir, const char *name, unsigned depth);

static int empty_dir(struct lb_vfs *v, int fd, unsigned depth) {
    struct names n;
    lb_buf_init(&n.buf, SIZE_MAX / 2);
    int err = v->ops->readdir(v, fd, collect, &n);
    for (size_t at = 0; !err && at < n.buf.len; at += 2 + strlen(n.buf.ptr + at + 1)) {
        const char *name = n.buf.ptr + at + 1;
        int gone = -EISDIR;
        if (n.buf.ptr[at] != LB_VFS_DIR)
            gone = v->ops->unlink(v, fd, name);
        if (gone == -EISDIR || gone == -EPERM)
            gone = remove_in(v, fd, name, depth + 1);
        err = gone == -ENOENT ? 0 : gone;
    }
    lb_buf_fini(&n.buf);
    return err;
}

static int remove_in(struct lb_vfs *v, int dir, const char *name, unsigned depth) {
    struct lb_vfs_stat st;
    if (depth > FS_TREE_DEPTH_MAX)
        return -ELOOP;
    int err = v->ops->stat(v, dir, name, &st);
    if (err)
        return err;
    if (st.type != LB_VFS_DIR)
        return v->ops->unlink(v, dir, name);
    int fd = v->ops->open(v, dir, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    err = empty_dir(v, fd, depth);
    v->ops->close(v, fd);
    return err ? err : v->ops->rmdir(v, dir, name);
}

int fs_tree_remove(struct fs_engine *fs, const char *path) {
    int err = remove_in(fs->vfs, fs->root, path, 0);
    return err == -ENOENT ? 0 : err;
}
