/* Is there any object beneath a directory? Looks at the files of a directory before its folders,
 * and ends with the first object. */
#include <errno.h>
#include <fcntl.h>

#include "engine/fs/walk_priv.h"

/* A directory that is being looked into, and those it lies in. */
struct level {
    const struct level *up;
    uint64_t dev, ino;
};

struct any {
    struct fs_engine *fs;
    struct lb_slice bucket;
    bool strict;
    struct lb_buf *later; /* names to look into: type, name, NUL */
    size_t base_len;
    char key[LB_KEY_MAX + 1];
    char path[FS_PATH_MAX];
};

static int look_at(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct any *a = ctx;
    if (a->base_len == 0 && lb_slice_eq(lb_slice(name, len), LB_S(FS_RESERVED)))
        return 0;
    bool can_be_key = a->base_len + len <= LB_KEY_MAX && fs_utf8_ok(lb_slice(name, len));
    if (type != LB_VFS_DIR && (a->strict || (can_be_key && type == LB_VFS_FILE)))
        return 1;
    if (!can_be_key && !a->strict)
        return 0;
    lb_buf_append_char(a->later, (char)type);
    lb_buf_append(a->later, lb_slice(name, len + 1));
    return a->later->err;
}

static int look_into(struct any *a, const struct level *up);

/* Looks at one name that was put off; a->key[0 .. base_len) is its directory's. */
static int look_later(struct any *a, enum lb_vfs_type type, const char *name, size_t base_len,
                      const struct level *up) {
    size_t len = strlen(name);
    if (base_len + len + 1 >= LB_KEY_MAX)
        return a->strict ? 1 : 0;
    memcpy(a->key + base_len, name, len + 1);
    if (type != LB_VFS_DIR) {
        fs_plain_path(a->fs, a->bucket, lb_slice(a->key, base_len + len), a->path);
        type = fs_type_of(a->fs, a->path);
    }
    if (type != LB_VFS_DIR)
        return type == LB_VFS_FILE;
    a->key[base_len + len] = '/';
    a->base_len = base_len + len + 1;
    return look_into(a, up);
}

static int look_into(struct any *a, const struct level *up) {
    struct lb_vfs *v = a->fs->vfs;
    size_t base_len = a->base_len;
    struct lb_vfs_stat st;
    struct lb_buf later;
    if (base_len == 0)
        fs_bucket_path(a->fs, a->bucket, a->path);
    else
        fs_plain_path(a->fs, a->bucket, lb_slice(a->key, base_len - 1), a->path);
    int fd = v->ops->open(v, a->fs->root, a->path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd == -EACCES && a->strict ? 1 : 0;
    lb_buf_init(&later, UINT32_MAX);
    a->later = &later;
    int found = v->ops->fstat(v, fd, &st);
    const struct level here = {.up = up, .dev = st.dev, .ino = st.ino};
    for (const struct level *l = up; l && !found; l = l->up) {
        if (l->ino == here.ino && l->dev == here.dev)
            goto out;
    }
    if (!found)
        found = v->ops->readdir(v, fd, look_at, a);
out:
    v->ops->close(v, fd);
    for (size_t at = 0; !found && at < later.len; at += 2 + strlen(later.ptr + at + 1))
        found = look_later(a, (enum lb_vfs_type)later.ptr[at], later.ptr + at + 1, base_len, &here);
    lb_buf_fini(&later);
    return found;
}

int fs_any_object(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice base,
                  const struct lb_vfs_stat *within, bool strict) {
    struct any a = {.fs = fs, .bucket = bucket, .strict = strict, .base_len = base.len};
    struct level up = {0};
    if (base.len)
        memcpy(a.key, base.ptr, base.len);
    if (within)
        up = (struct level){.dev = within->dev, .ino = within->ino};
    return look_into(&a, within ? &up : NULL);
}
