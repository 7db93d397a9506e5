/* A cache of sorted directory contents.
 *
 * Invariants:
 * 1. Contents are used only while the directory's dev, ino, mtime and ctime are what they were just
 *    before it was read, and every symlink in it still leads to the same type.
 * 2. Contents read within FS_RACY_NS of the directory's last change are used once and not kept.
 * 3. The lock is held for look-ups alone, never across a system call.
 * 4. Contents older than list_age_max_s, if it is set, are read again.
 * 5. What is kept has at most bytes_max bytes together; what is larger is used once. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "engine/fs/dircache_priv.h"

#define LINKS_MAX 65536u /* bytes of symlinks' names in a directory that is kept */

struct fs_dirs {
    pthread_mutex_t lock;
    struct lb_map map;
    struct lb_list lru; /* newest first */
    size_t bytes;
    size_t bytes_max;
};

static bool dir_eq(const struct lb_map_node *node, const void *key) {
    return lb_slice_eq(LB_CONTAINER_OF(node, struct fs_dir, node)->path,
                       *(const struct lb_slice *)key);
}

struct fs_dirs *fs_dirs_new(size_t bytes_max) {
    struct fs_dirs *d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    pthread_mutex_init(&d->lock, NULL);
    lb_map_init(&d->map, dir_eq);
    lb_list_init(&d->lru);
    d->bytes_max = bytes_max;
    return d;
}

static void dir_free(struct fs_dir *dir) {
    free(dir->offs);
    free(dir->names);
    free(dir->links);
    free((char *)dir->path.ptr);
    free(dir);
}

/* With the lock held. */
static void take_out(struct fs_dirs *d, struct fs_dir *dir) {
    lb_map_remove(&d->map, &dir->node);
    lb_list_remove(&dir->lru);
    d->bytes -= dir->bytes;
    dir->in_map = false;
    if (dir->refs == 0)
        dir_free(dir);
}

void fs_dirs_free(struct fs_dirs *d) {
    if (!d)
        return;
    while (!lb_list_empty(&d->lru)) {
        struct fs_dir *dir = LB_CONTAINER_OF(d->lru.next, struct fs_dir, lru);
        assert(dir->refs == 0);
        take_out(d, dir);
    }
    lb_map_fini(&d->map);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

void fs_dirs_unref(struct fs_engine *fs, struct fs_dir *dir) {
    if (!dir)
        return;
    pthread_mutex_lock(&fs->dirs->lock);
    assert(dir->refs > 0);
    if (--dir->refs == 0 && !dir->in_map)
        dir_free(dir);
    pthread_mutex_unlock(&fs->dirs->lock);
}

/* ---- reading a directory ---- */

enum lb_vfs_type fs_type_of(struct fs_engine *fs, const char *path) {
    struct lb_vfs *v = fs->vfs;
    struct lb_vfs_stat st = {.type = LB_VFS_OTHER};
    int fd = v->ops->open(v, fs->root, path, O_PATH, 0);
    if (fd < 0)
        return LB_VFS_OTHER;
    if (v->ops->fstat(v, fd, &st) != 0 || st.type == LB_VFS_SYMLINK)
        st.type = LB_VFS_OTHER;
    v->ops->close(v, fd);
    return st.type;
}

struct build {
    struct fs_engine *fs;
    const char *path;
    int fd;
    bool top;
    struct lb_buf names; /* NUL-terminated, directories with '/' */
    struct lb_buf links;
    size_t n;
};

static enum lb_vfs_type type_in(struct fs_engine *fs, const char *dir, const char *name) {
    char path[FS_PATH_MAX];
    size_t dir_len = strlen(dir), len = strlen(name);
    if (dir_len + 1 + len >= sizeof(path))
        return LB_VFS_OTHER;
    memcpy(path, dir, dir_len);
    path[dir_len] = '/';
    memcpy(path + dir_len + 1, name, len + 1);
    return fs_type_of(fs, path);
}

static int add_name(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct build *b = ctx;
    struct lb_slice s = lb_slice(name, len);
    struct lb_vfs_stat st;
    if (!fs_utf8_ok(s) || (b->top && lb_slice_eq(s, LB_S(FS_RESERVED))))
        return 0;
    if (type == LB_VFS_OTHER && b->fs->vfs->ops->stat(b->fs->vfs, b->fd, name, &st) == 0)
        type = st.type;
    if (type == LB_VFS_SYMLINK) {
        type = type_in(b->fs, b->path, name);
        lb_buf_append_char(&b->links, (char)type);
        lb_buf_append(&b->links, lb_slice(name, len + 1));
    }
    if (type != LB_VFS_FILE && type != LB_VFS_DIR)
        return b->links.err;
    lb_buf_append(&b->names, s);
    if (type == LB_VFS_DIR)
        lb_buf_append_char(&b->names, '/');
    lb_buf_append_char(&b->names, '\0');
    b->n++;
    return b->names.err ? b->names.err : b->links.err;
}

struct sort_item {
    uint64_t head; /* the first bytes that differ at all, most significant first */
    const char *rest;
    uint32_t off;
};

static int item_cmp(const void *a, const void *b) {
    const struct sort_item *x = a, *y = b;
    if (x->head != y->head)
        return x->head < y->head ? -1 : 1;
    return strcmp(x->rest, y->rest);
}

/* Bytes that all names begin with. */
static size_t common_len(const char *names, size_t len) {
    size_t common = len ? strlen(names) : 0;
    for (size_t at = 0; at < len && common; at += strlen(names + at) + 1) {
        size_t i = 0;
        while (i < common && names[at + i] == names[i])
            i++;
        common = i;
    }
    return common;
}

static int sort_names(struct fs_dir *dir, size_t len) {
    struct sort_item *items = malloc(dir->n * sizeof(*items) + 1);
    dir->offs = malloc(dir->n * sizeof(*dir->offs) + 1);
    if (!items || !dir->offs) {
        free(items);
        return -ENOMEM;
    }
    size_t common = common_len(dir->names, len), at = 0;
    for (uint32_t i = 0; i < dir->n; i++) {
        const char *p = dir->names + at + common;
        items[i] = (struct sort_item){.off = (uint32_t)at};
        for (unsigned k = 0; k < 8; k++) {
            items[i].head = items[i].head << 8 | (uint8_t)*p;
            p += *p != '\0';
        }
        items[i].rest = p;
        at += strlen(dir->names + at) + 1;
    }
    if (dir->n)
        qsort(items, dir->n, sizeof(*items), item_cmp);
    for (uint32_t i = 0; i < dir->n; i++)
        dir->offs[i] = items[i].off;
    free(items);
    return 0;
}

static int take_contents(struct fs_dir *dir, struct build *b) {
    char *names = realloc(b->names.ptr, b->names.len + 1); /* gives back what was reserved */
    if (!names)
        return -ENOMEM;
    dir->names = names;
    dir->links = b->links.ptr;
    dir->links_len = b->links.len;
    dir->n = (uint32_t)b->n;
    size_t names_len = b->names.len;
    b->names.ptr = b->links.ptr = NULL;
    dir->keep = dir->keep && dir->links_len <= LINKS_MAX;
    dir->bytes =
        sizeof(*dir) + names_len + dir->n * sizeof(*dir->offs) + dir->links_len + dir->path.len;
    return sort_names(dir, names_len);
}

static int build(struct fs_engine *fs, const char *path, int fd, bool top, struct fs_dir **ret) {
    struct build b = {.fs = fs, .path = path, .fd = fd, .top = top};
    struct fs_dir *dir = calloc(1, sizeof(*dir));
    char *copy = strdup(path);
    int err = -ENOMEM;
    lb_buf_init(&b.names, UINT32_MAX);
    lb_buf_init(&b.links, UINT32_MAX);
    if (!dir || !copy)
        goto out;
    dir->refs = 1;
    dir->path = lb_slice_cstr(copy);
    dir->node.hash = lb_hash_bytes(dir->path);
    copy = NULL;
    lb_list_init(&dir->lru);
    err = fs->vfs->ops->fstat(fs->vfs, fd, &dir->st);
    dir->keep = true;
    if (!err)
        err = fs->vfs->ops->readdir(fs->vfs, fd, add_name, &b);
    if (!err)
        err = take_contents(dir, &b);
    if (!err) {
        *ret = dir;
        dir = NULL;
    }
out:
    lb_buf_fini(&b.names);
    lb_buf_fini(&b.links);
    free(copy);
    if (dir)
        dir_free(dir);
    return err;
}

/* ---- the cache ---- */

static struct fs_dir *find(struct fs_dirs *d, struct lb_slice path) {
    struct lb_map_node *node = lb_map_find(&d->map, lb_hash_bytes(path), &path);
    return node ? LB_CONTAINER_OF(node, struct fs_dir, node) : NULL;
}

static bool same_dir(const struct lb_vfs_stat *a, const struct lb_vfs_stat *b) {
    return a->ino == b->ino && a->dev == b->dev && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns;
}

/* Do all symlinks lead to what they led to? */
static bool links_hold(struct fs_engine *fs, const struct fs_dir *dir) {
    for (size_t at = 0; at < dir->links_len; at += 2 + strlen(dir->links + at + 1)) {
        if (type_in(fs, dir->path.ptr, dir->links + at + 1) != (enum lb_vfs_type)dir->links[at])
            return false;
    }
    return true;
}

/* Was it read too long ago? */
static bool is_old(const struct fs_engine *fs, const struct fs_dir *dir, int64_t wall_ns) {
    uint64_t age_max_s = fs->conf.list_age_max_s;
    return age_max_s && wall_ns - dir->read_ns >= (int64_t)(age_max_s * 1000000000);
}

static struct fs_dir *get_kept(struct fs_engine *fs, struct lb_slice path,
                               const struct lb_vfs_stat *st, int64_t wall_ns) {
    struct fs_dirs *d = fs->dirs;
    pthread_mutex_lock(&d->lock);
    struct fs_dir *dir = find(d, path);
    if (dir && (!same_dir(&dir->st, st) || is_old(fs, dir, wall_ns))) {
        take_out(d, dir);
        dir = NULL;
    }
    if (dir) {
        dir->refs++;
        lb_list_remove(&dir->lru);
        lb_list_prepend(&d->lru, &dir->lru);
    }
    pthread_mutex_unlock(&d->lock);
    if (dir && !links_hold(fs, dir)) {
        fs_dirs_unref(fs, dir);
        return NULL;
    }
    return dir;
}

static void keep(struct fs_dirs *d, struct fs_dir *dir) {
    if (!dir->keep || dir->bytes > d->bytes_max)
        return;
    pthread_mutex_lock(&d->lock);
    struct fs_dir *old = find(d, dir->path);
    if (old)
        take_out(d, old);
    while (d->bytes + dir->bytes > d->bytes_max)
        take_out(d, LB_CONTAINER_OF(d->lru.prev, struct fs_dir, lru));
    if (lb_map_add(&d->map, &dir->node) == 0) {
        dir->in_map = true;
        d->bytes += dir->bytes;
        lb_list_prepend(&d->lru, &dir->lru);
    }
    pthread_mutex_unlock(&d->lock);
}

int fs_dirs_get(struct fs_engine *fs, const char *path, int fd, bool top, int64_t wall_ns,
                struct fs_dir **ret) {
    struct lb_vfs_stat st;
    int err = fs->vfs->ops->fstat(fs->vfs, fd, &st);
    if (err)
        return err;
    struct fs_dir *dir = get_kept(fs, lb_slice_cstr(path), &st, wall_ns);
    if (!dir) {
        err = build(fs, path, fd, top, &dir);
        if (err)
            return err;
        dir->read_ns = wall_ns;
        int64_t changed = dir->st.mtime_ns > dir->st.ctime_ns ? dir->st.mtime_ns : dir->st.ctime_ns;
        dir->keep = dir->keep && wall_ns - changed >= FS_RACY_NS;
        keep(fs->dirs, dir);
    }
    *ret = dir;
    return 0;
}

uint32_t fs_dir_seek(const struct fs_dir *d, struct lb_slice s) {
    uint32_t from = 0, to = d->n;
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        if (lb_slice_cmp(fs_dir_name(d, mid), s) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}
