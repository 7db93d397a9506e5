/* The users file on the disk: read at start, replaced by each write. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/users_priv.h"

#define FILE_MAX ((uint64_t)1 << 30)
#define NAME_SIZE 256

int users_store_init(struct users_store *st, struct lb_vfs *vfs, const char *path) {
    char lock[NAME_SIZE];
    *st = (struct users_store){.vfs = vfs, .dir = -1, .lock = -1, .path = strdup(path)};
    if (!st->path)
        return -ENOMEM;
    char *slash = strrchr(st->path, '/');
    st->name = slash ? slash + 1 : st->path;
    if (snprintf(lock, sizeof(lock), "%s.lock", st->name) >= (int)sizeof(lock))
        return -ENAMETOOLONG;
    char *dir =
        slash ? strndup(path, slash == st->path ? 1 : (size_t)(slash - st->path)) : strdup(".");
    if (!dir)
        return -ENOMEM;
    st->dir = vfs->ops->open(vfs, -1, dir, O_RDONLY | O_DIRECTORY, 0);
    free(dir);
    if (st->dir < 0)
        return st->dir;
    st->lock = vfs->ops->open(vfs, st->dir, lock, O_RDWR | O_CREAT, 0600);
    return st->lock < 0 ? st->lock : vfs->ops->lock(vfs, st->lock);
}

void users_store_fini(struct users_store *st) {
    if (st->lock >= 0)
        st->vfs->ops->close(st->vfs, st->lock);
    if (st->dir >= 0)
        st->vfs->ops->close(st->vfs, st->dir);
    free(st->path);
    st->path = NULL;
}

static int read_all(struct users_store *st, int fd, struct lb_buf *ret) {
    struct lb_vfs *v = st->vfs;
    struct lb_vfs_stat stat;
    int err = v->ops->fstat(v, fd, &stat);
    if (err < 0)
        return err;
    if (stat.type != LB_VFS_FILE || stat.size > FILE_MAX)
        return -EBADMSG;
    char *to = lb_buf_reserve(ret, stat.size + 1);
    if (!to)
        return ret->err;
    for (size_t at = 0;;) {
        int64_t n = v->ops->pread(v, fd, to + at, stat.size + 1 - at, at);
        if (n <= 0) {
            ret->len += at;
            return (int)n;
        }
        at += (size_t)n;
        if (at > stat.size)
            return -EBADMSG; /* it grows while it is read */
    }
}

int users_store_read(struct users_store *st, struct lb_buf *ret) {
    int fd = st->vfs->ops->open(st->vfs, st->dir, st->name, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    int err = read_all(st, fd, ret);
    st->vfs->ops->close(st->vfs, fd);
    return err;
}

static int write_all(struct users_store *st, int fd, struct lb_slice file) {
    for (size_t at = 0; at < file.len;) {
        int64_t n = st->vfs->ops->pwrite(st->vfs, fd, file.ptr + at, file.len - at, at);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        at += (size_t)n;
    }
    return st->vfs->ops->fsync(st->vfs, fd, false);
}

/* A new file of that name; what a crash left is not written into. */
static int write_new(struct users_store *st, const char *name, struct lb_slice file) {
    struct lb_vfs *v = st->vfs;
    int err = v->ops->unlink(v, st->dir, name);
    if (err < 0 && err != -ENOENT)
        return err;
    int fd = v->ops->open(v, st->dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return fd;
    err = write_all(st, fd, file);
    v->ops->close(v, fd);
    return err;
}

int users_store_write(struct users_store *st, struct lb_slice file) {
    char tmp[NAME_SIZE];
    struct lb_vfs *v = st->vfs;
    if (st->broken)
        return -EROFS;
    snprintf(tmp, sizeof(tmp), "%s.tmp", st->name);
    int err = write_new(st, tmp, file);
    if (err == 0)
        err = v->ops->rename(v, st->dir, tmp, st->dir, st->name, 0);
    if (err < 0) {
        v->ops->unlink(v, st->dir, tmp);
        return err;
    }
    err = v->ops->fsync(v, st->dir, false);
    st->broken = err < 0; /* in place, but a power loss may undo it */
    return err;
}
