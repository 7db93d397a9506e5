/* The ordered cursor over plain keys.
 *
 * Invariants:
 * 1. frames[0] is the directory of the prefix; each next frame is the directory named by the frame
 *    before it at its `at`. key[0 .. base_len) of the top frame is the path of its directory.
 * 2. Names sort with a directory's '/', so that everything beneath it comes between its neighbours.
 * 3. No directory is its own ancestor (symlinks), and no key is longer than LB_KEY_MAX: both bound
 *    the depth. */
#include "engine/fs/walk_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static bool is_absent(int err) {
    return err == -ENOENT || err == -ENOTDIR || err == -EXDEV || err == -ELOOP || err == -EACCES ||
           err == -ENXIO;
}

static struct fs_walk_frame *top(struct fs_walk *w) {
    return &w->frames[w->depth - 1];
}

/* The path of a key prefix that is empty or ends in '/': its directory. */
static void dir_path(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice base,
                     char ret[FS_PATH_MAX]) {
    if (base.len == 0)
        fs_bucket_path(fs, bucket, ret);
    else
        fs_plain_path(fs, bucket, lb_slice_first(base, base.len - 1), ret);
}

static void close_fd(struct fs_walk *w) {
    if (w->fd >= 0)
        w->fs->vfs->ops->close(w->fs->vfs, w->fd);
    w->fd = -1;
}

static void pop(struct fs_walk *w) {
    close_fd(w);
    fs_dirs_unref(w->fs, top(w)->dir);
    w->depth--;
}

static bool is_ancestor(const struct fs_walk *w, const struct fs_dir *dir) {
    for (size_t i = 0; i < w->depth; i++) {
        if (w->frames[i].dir->st.ino == dir->st.ino && w->frames[i].dir->st.dev == dir->st.dev)
            return true;
    }
    return false;
}

static int grow(struct fs_walk *w) {
    if (w->depth < w->cap)
        return 0;
    size_t cap = w->cap ? w->cap * 2 : 8;
    struct fs_walk_frame *frames = realloc(w->frames, cap * sizeof(*frames));
    if (!frames)
        return -ENOMEM;
    w->frames = frames;
    w->cap = cap;
    return 0;
}

/* Enters the directory of key[0 .. base_len). Returns 1; 0 when it is not there or an ancestor. */
static int push(struct fs_walk *w, size_t base_len) {
    char path[FS_PATH_MAX];
    struct fs_dir *dir;
    dir_path(w->fs, w->bucket, lb_slice(w->key, base_len), path);
    int err = grow(w);
    if (err)
        return err;
    int fd = w->fs->vfs->ops->open(w->fs->vfs, w->fs->root, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return is_absent(fd) ? 0 : fd;
    err = fs_dirs_get(w->fs, path, fd, base_len == 0, w->wall_ns, &dir);
    if (err || is_ancestor(w, dir)) {
        w->fs->vfs->ops->close(w->fs->vfs, fd);
        if (!err)
            fs_dirs_unref(w->fs, dir);
        return err;
    }
    close_fd(w);
    w->fd = fd;
    w->frames[w->depth++] = (struct fs_walk_frame){.dir = dir, .base_len = base_len};
    return 1;
}

int fs_walk_init(struct fs_walk *w, struct fs_engine *fs, struct lb_slice bucket,
                 struct lb_slice prefix, bool shallow, int64_t wall_ns) {
    *w = (struct fs_walk){.fs = fs,
                          .bucket = bucket,
                          .prefix = prefix,
                          .wall_ns = wall_ns,
                          .shallow = shallow,
                          .fd = -1};
    size_t base_len = prefix.len;
    while (base_len && prefix.ptr[base_len - 1] != '/')
        base_len--;
    if (base_len && !fs_key_is_plain(lb_slice_first(prefix, base_len - 1)))
        return 0;
    if (base_len)
        memcpy(w->key, prefix.ptr, base_len);
    int pushed = push(w, base_len);
    return pushed < 0 ? pushed : fs_walk_seek(w, prefix, true);
}

void fs_walk_fini(struct fs_walk *w) {
    while (w->depth)
        pop(w);
    free(w->frames);
    w->frames = NULL;
}

/* Puts the top frame at the first name that may be or hold a key past target, which begins with the
 * frame's base. Returns the name's length when that is a directory in whose midst target lies. */
static size_t seek_in(struct fs_walk *w, struct lb_slice target, bool inclusive) {
    struct fs_walk_frame *f = top(w);
    struct lb_slice rest = lb_slice_from(target, f->base_len);
    ptrdiff_t slash = lb_slice_find(rest, '/');
    if (slash >= 0)
        rest = lb_slice_first(rest, (size_t)slash + 1);
    f->at = fs_dir_seek(f->dir, rest);
    if (f->at == f->dir->n || !lb_slice_eq(fs_dir_name(f->dir, f->at), rest))
        return 0;
    if (slash >= 0)
        return rest.len;
    f->at += !inclusive;
    return 0;
}

int fs_walk_seek(struct fs_walk *w, struct lb_slice target, bool inclusive) {
    while (w->depth > 1 && !lb_slice_starts_with(target, lb_slice(w->key, top(w)->base_len)))
        pop(w);
    if (w->depth == 0)
        return 0;
    struct lb_slice base = lb_slice(w->key, top(w)->base_len);
    if (!lb_slice_starts_with(target, base)) {
        top(w)->at = lb_slice_cmp(target, base) < 0 ? 0 : top(w)->dir->n;
        return 0;
    }
    for (;;) {
        size_t base_len = top(w)->base_len;
        size_t len = seek_in(w, target, inclusive);
        if (len == 0)
            return 0;
        if (base_len + len >= LB_KEY_MAX) {
            top(w)->at++;
            return 0;
        }
        memcpy(w->key + base_len, target.ptr + base_len, len);
        int pushed = push(w, base_len + len);
        if (pushed < 0)
            return pushed;
        if (pushed == 0) {
            top(w)->at++;
            return 0;
        }
    }
}

/* Enters or answers the directory at the top frame's current name. Returns 1 when it is an answer,
 * 0 to look on, or -errno. */
static int visit_dir(struct fs_walk *w) {
    int found;
    if (w->shallow && w->depth == 1) {
        found =
            fs_any_object(w->fs, w->bucket, lb_slice(w->key, w->key_len), &top(w)->dir->st, false);
        if (found == 0)
            top(w)->at++;
        return found;
    }
    found = push(w, w->key_len);
    if (found == 0)
        top(w)->at++;
    return found < 0 ? found : 0;
}

int fs_walk_peek(struct fs_walk *w, struct lb_slice *ret_key, bool *ret_prefix) {
    while (w->depth) {
        struct fs_walk_frame *f = top(w);
        if (f->at == f->dir->n) {
            pop(w);
            if (w->depth)
                top(w)->at++;
            continue;
        }
        struct lb_slice name = fs_dir_name(f->dir, f->at);
        bool is_dir = name.ptr[name.len - 1] == '/';
        if (f->base_len + name.len + is_dir > LB_KEY_MAX) {
            f->at++;
            continue;
        }
        memcpy(w->key + f->base_len, name.ptr, name.len);
        w->key_len = f->base_len + name.len;
        if (!lb_slice_starts_with(lb_slice(w->key, w->key_len), w->prefix))
            return 0;
        int found = is_dir ? visit_dir(w) : 1;
        if (found == 0)
            continue;
        *ret_key = lb_slice(w->key, w->key_len);
        *ret_prefix = is_dir;
        return found;
    }
    return 0;
}

void fs_walk_step(struct fs_walk *w) {
    assert(w->depth);
    top(w)->at++;
}

int fs_walk_open(struct fs_walk *w) {
    struct lb_vfs *v = w->fs->vfs;
    struct fs_walk_frame *f = top(w);
    char path[FS_PATH_MAX];
    if (w->fd < 0) {
        dir_path(w->fs, w->bucket, lb_slice(w->key, f->base_len), path);
        w->fd = v->ops->open(v, w->fs->root, path, O_RDONLY | O_DIRECTORY, 0);
        if (w->fd < 0)
            return w->fd;
    }
    int fd = v->ops->open(v, w->fd, f->dir->names + f->dir->offs[f->at], O_RDONLY, 0);
    if (fd != -EXDEV && fd != -ELOOP)
        return fd;
    /* A symlink out of this directory; it may still stay inside the root. */
    fs_plain_path(w->fs, w->bucket, lb_slice(w->key, w->key_len), path);
    return v->ops->open(v, w->fs->root, path, O_RDONLY, 0);
}
