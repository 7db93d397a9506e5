/* The simulated file system's calls, with the errors that Linux gives. Every call that changes
 * something changes `now` and records what is pending. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "sim_fs_priv.h"

#define XATTR_MAX_LINUX 65536u

static struct sim_fs *fs_of(struct lb_vfs *v) {
    return LB_CONTAINER_OF(v, struct sim_fs, vfs);
}

static bool cold(struct sim_fs *fs) {
    return lb_prng_below(&fs->prng, 100) < fs->conf.cold_percent;
}

static void touch(struct sim_fs *fs, struct sim_inode *n) {
    n->now.mtime_ns = n->now.ctime_ns = sim_fs_stamp(fs);
}

static struct sim_change change_of(enum sim_change_kind kind, const struct sim_inode *n) {
    return (struct sim_change){
        .kind = kind, .ino = n->ino, .mtime_ns = n->now.mtime_ns, .ctime_ns = n->now.ctime_ns};
}

/* Sets or removes (ino 0) a name in `now` and fills the slot of the change that says so. */
static void set_name(struct sim_fs *fs, uint64_t dir, const char *name, uint64_t ino,
                     struct sim_slot *slot) {
    struct sim_inode *d = sim_inode(fs, dir);
    uint64_t old = sim_state_lookup(&d->now, name, strlen(name));
    *slot = (struct sim_slot){dir, sim_blob_new(name, strlen(name)), ino, false};
    sim_state_set_entry(&d->now, slot->name, ino);
    touch(fs, d);
    if (old) {
        struct sim_inode *n = sim_inode(fs, old);
        n->nlink--;
        n->now.ctime_ns = d->now.ctime_ns;
        fs->garbage++;
    }
    if (ino) {
        struct sim_inode *n = sim_inode(fs, ino);
        n->nlink++;
        n->now.ctime_ns = d->now.ctime_ns;
        if (n->type == LB_VFS_DIR)
            n->parent = dir;
    }
}

static void add_name_change(struct sim_fs *fs, struct sim_slot a, struct sim_slot b) {
    struct sim_change c = {.kind = SIM_CH_ENTRY, .slot = {a, b}};
    c.mtime_ns = c.ctime_ns = sim_inode(fs, a.dir)->now.mtime_ns;
    sim_pending_add(fs, c);
    sim_pending_collect(fs);
}

static int make(struct sim_fs *fs, const struct sim_walk *w, enum lb_vfs_type type,
                struct sim_inode **ret) {
    if (sim_inode(fs, w->dir)->nlink == 0)
        return -ENOENT; /* the directory was removed */
    struct sim_slot slot, none = {0};
    *ret = sim_inode_new(fs, type);
    (*ret)->parent = w->dir;
    touch(fs, *ret);
    (*ret)->disk.mtime_ns = (*ret)->disk.ctime_ns = (*ret)->now.mtime_ns;
    set_name(fs, w->dir, w->name, (*ret)->ino, &slot);
    add_name_change(fs, slot, none);
    return 0;
}

static void resize(struct sim_fs *fs, struct sim_inode *n, uint64_t size) {
    sim_pending_trim(fs, n->ino, size);
    sim_state_resize(&n->now, size);
    touch(fs, n);
    struct sim_change c = change_of(SIM_CH_SIZE, n);
    c.off = size;
    sim_pending_add(fs, c);
}

static int open_check(const struct sim_inode *n, const struct sim_walk *w, unsigned flags) {
    bool writes = (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH);
    if ((flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    if (n->type == LB_VFS_SYMLINK && !((flags & O_PATH) && (flags & O_NOFOLLOW)))
        return -ELOOP;
    if (n->type == LB_VFS_DIR && (writes || (flags & O_CREAT)))
        return -EISDIR;
    if (n->type != LB_VFS_DIR && ((flags & O_DIRECTORY) || w->slash))
        return -ENOTDIR;
    return 0;
}

static int fd_new(struct sim_fs *fs, struct sim_inode *n, unsigned flags) {
    fs->files = sim_grow(fs->files, fs->files_n + 1, sizeof(*fs->files));
    fs->files[fs->files_n] = (struct sim_file){n->ino, flags};
    n->opens++;
    return SIM_FD_MIN + (int)fs->files_n++;
}

/* What openat2 resolves the path to. */
static int open_walk(struct sim_fs *fs, int dir, const char *path, unsigned flags,
                     struct sim_walk *w) {
    unsigned how = dir == -1 ? 0 : SIM_WALK_BENEATH;
    uint64_t from;
    if ((flags & O_TMPFILE) == O_TMPFILE)
        return -EOPNOTSUPP;
    if (flags & O_CREAT)
        how |= SIM_WALK_CREATE;
    if (!(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL))
        how |= SIM_WALK_FOLLOW;
    int err = sim_path_start(fs, dir, path, &from);
    return err ? err : sim_path_walk(fs, from, path, how, w);
}

static int do_open(struct lb_vfs *v, int dir, const char *path, unsigned flags, unsigned mode) {
    struct sim_fs *fs = fs_of(v);
    struct sim_walk w;
    struct sim_inode *n;
    int err = sim_fs_enter(fs, flags & O_CREAT ? SIM_CREATE : SIM_OPEN);
    if (err)
        return err;
    if ((flags & LB_VFS_CACHED) && ((flags & (O_CREAT | O_TRUNC)) || cold(fs)))
        return -EAGAIN;
    if ((err = open_walk(fs, dir, path, flags, &w)))
        return err;
    if (!w.ino && !(flags & O_CREAT))
        return -ENOENT;
    if (!w.ino) {
        err = make(fs, &w, LB_VFS_FILE, &n);
        return err ? err : fd_new(fs, n, flags);
    }
    n = sim_inode(fs, w.ino);
    if ((err = open_check(n, &w, flags)))
        return err;
    if ((flags & O_TRUNC) && (flags & O_ACCMODE) != O_RDONLY && n->now.size > 0)
        resize(fs, n, 0);
    return fd_new(fs, n, flags);
}

static void do_close(struct lb_vfs *v, int fd) {
    struct sim_fs *fs = fs_of(v);
    struct sim_file *f = sim_file(fs, fd);
    struct sim_inode *n = sim_inode(fs, f->ino);
    if (n->lock_fd == fd)
        n->lock_fd = 0;
    n->opens--;
    f->ino = 0;
    fs->garbage++;
    sim_pending_collect(fs);
}

static void fill_stat(const struct sim_inode *n, struct lb_vfs_stat *ret) {
    *ret = (struct lb_vfs_stat){.dev = 1,
                                .ino = n->ino,
                                .size = n->target ? n->target->len : n->now.size,
                                .blocks = sim_state_pages(&n->now) * (SIM_PAGE / 512),
                                .mtime_ns = n->now.mtime_ns,
                                .ctime_ns = n->now.ctime_ns,
                                .nlink = n->type == LB_VFS_DIR ? 2 * n->nlink : n->nlink,
                                .type = n->type};
}

static int do_fstat(struct lb_vfs *v, int fd, struct lb_vfs_stat *ret) {
    struct sim_fs *fs = fs_of(v);
    int err = sim_fs_enter(fs, SIM_STAT);
    if (err)
        return err;
    fill_stat(sim_inode(fs, sim_file(fs, fd)->ino), ret);
    return 0;
}

static int walk(struct sim_fs *fs, int dir, const char *path, unsigned flags, struct sim_walk *w) {
    uint64_t from;
    int err = sim_path_start(fs, dir, path, &from);
    return err ? err : sim_path_walk(fs, from, path, flags, w);
}

static int do_stat(struct lb_vfs *v, int dir, const char *path, struct lb_vfs_stat *ret) {
    struct sim_fs *fs = fs_of(v);
    struct sim_walk w;
    int err = sim_fs_enter(fs, SIM_STAT);
    if (err || (err = walk(fs, dir, path, 0, &w)))
        return err;
    if (!w.ino)
        return -ENOENT;
    fill_stat(sim_inode(fs, w.ino), ret);
    return 0;
}

/* A regular file open for reading or writing, with O_DIRECT's alignment. */
static int data_check(struct sim_fs *fs, int fd, bool writes, const void *buf, size_t len,
                      uint64_t off) {
    const struct sim_file *f = sim_file(fs, fd);
    unsigned mode = f->flags & O_ACCMODE;
    if ((f->flags & O_PATH) || mode == (writes ? O_RDONLY : O_WRONLY))
        return -EBADF;
    if (sim_inode(fs, f->ino)->type == LB_VFS_DIR)
        return -EISDIR;
    if ((f->flags & O_DIRECT) && (((uintptr_t)buf | len | off) % fs->conf.direct_align))
        return -EINVAL;
    return 0;
}

static int64_t do_pread(struct lb_vfs *v, int fd, void *buf, size_t len, uint64_t off) {
    struct sim_fs *fs = fs_of(v);
    int err = sim_fs_enter(fs, SIM_READ);
    if (err || (err = data_check(fs, fd, false, buf, len, off)))
        return err;
    return (int64_t)sim_state_read(&sim_inode(fs, sim_file(fs, fd)->ino)->now, off, buf, len);
}

/* How much of a write there is room for. */
static size_t room(const struct sim_fs *fs, const struct sim_inode *n, size_t len, uint64_t off) {
    uint64_t used = fs->conf.size ? sim_fs_used(fs) : 0;
    uint64_t left = fs->conf.size > used ? fs->conf.size - used : 0;
    if (!fs->conf.size || sim_state_missing(&n->now, off, len) * SIM_PAGE <= left)
        return len;
    size_t fits = 0;
    while (fits < len) {
        size_t step = SIM_PAGE - (off + fits) % SIM_PAGE;
        if (sim_state_missing(&n->now, off, fits + step) * SIM_PAGE > left)
            break;
        fits += step;
    }
    return fits < len ? fits : len;
}

/* Writes to `now`; ordered: with the metadata, as O_DIRECT and reflinks are. */
static void write_now(struct sim_fs *fs, struct sim_inode *n, const void *buf, size_t len,
                      uint64_t off, bool ordered) {
    if (ordered)
        sim_pending_flush(fs, n->ino);
    sim_state_write(&n->now, off, buf, len, off + len);
    touch(fs, n);
    struct sim_change c = change_of(SIM_CH_WRITE, n);
    c.bytes = sim_blob_new(buf, len);
    c.off = off;
    c.ordered = ordered;
    sim_pending_add(fs, c);
}

static int64_t do_pwrite(struct lb_vfs *v, int fd, const void *buf, size_t len, uint64_t off) {
    struct sim_fs *fs = fs_of(v);
    int err = sim_fs_enter(fs, SIM_WRITE);
    if (err || (err = data_check(fs, fd, true, buf, len, off)))
        return err;
    struct sim_inode *n = sim_inode(fs, sim_file(fs, fd)->ino);
    bool direct = sim_file(fs, fd)->flags & O_DIRECT;
    size_t fits = room(fs, n, len, off);
    if (direct)
        fits -= fits % fs->conf.direct_align;
    if (fits == 0)
        return len ? -ENOSPC : 0;
    write_now(fs, n, buf, fits, off, direct);
    return (int64_t)fits;
}

static int do_fsync(struct lb_vfs *v, int fd, bool data_only) {
    struct sim_fs *fs = fs_of(v);
    const struct sim_file *f = sim_file(fs, fd);
    int err = sim_fs_enter(fs, SIM_FSYNC);
    if (f->flags & O_PATH)
        return -EBADF;
    if (!fs->conf.lies)
        sim_pending_sync(fs, f->ino, err != 0);
    return err;
}

static int do_truncate(struct lb_vfs *v, int fd, uint64_t size) {
    struct sim_fs *fs = fs_of(v);
    const struct sim_file *f = sim_file(fs, fd);
    int err = sim_fs_enter(fs, SIM_TRUNCATE);
    if (err)
        return err;
    if (f->flags & O_PATH)
        return -EBADF;
    if ((f->flags & O_ACCMODE) == O_RDONLY)
        return -EINVAL;
    resize(fs, sim_inode(fs, f->ino), size);
    return 0;
}

static int do_allocate(struct lb_vfs *v, int fd, uint64_t off, uint64_t len) {
    struct sim_fs *fs = fs_of(v);
    const struct sim_file *f = sim_file(fs, fd);
    int err = sim_fs_enter(fs, SIM_ALLOCATE);
    if (err)
        return err;
    if ((f->flags & O_PATH) || (f->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    struct sim_inode *n = sim_inode(fs, f->ino);
    if (room(fs, n, len, off) < len)
        return -ENOSPC;
    sim_state_allocate(&n->now, off, len);
    return 0;
}

/* As a write of zeros, which a crash may keep, lose or tear like any other. */
static int do_discard(struct lb_vfs *v, int fd, uint64_t off, uint64_t len) {
    struct sim_fs *fs = fs_of(v);
    int err = sim_fs_enter(fs, SIM_WRITE);
    if (err)
        return err;
    struct sim_inode *n = sim_inode(fs, sim_file(fs, fd)->ino);
    if (off >= n->now.size)
        return 0;
    if (len > n->now.size - off)
        len = n->now.size - off;
    uint8_t *zeros = sim_grow(NULL, len, 1);
    memset(zeros, 0, len);
    write_now(fs, n, zeros, len, off, sim_file(fs, fd)->flags & O_DIRECT);
    free(zeros);
    return 0;
}

static int do_clone(struct lb_vfs *v, int from, uint64_t from_off, int to, uint64_t to_off,
                    uint64_t len) {
    struct sim_fs *fs = fs_of(v);
    int err = sim_fs_enter(fs, SIM_CLONE);
    if (err)
        return err;
    if (fs->conf.clone == SIM_CLONE_NONE)
        return -EOPNOTSUPP;
    struct sim_inode *src = sim_inode(fs, sim_file(fs, from)->ino);
    struct sim_inode *dst = sim_inode(fs, sim_file(fs, to)->ino);
    if (src->type != LB_VFS_FILE || dst->type != LB_VFS_FILE || len == 0)
        return -EINVAL;
    if ((sim_file(fs, from)->flags & (O_PATH | O_ACCMODE)) == O_WRONLY ||
        (sim_file(fs, to)->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    if (from_off + len > src->now.size)
        return -EINVAL;
    if (room(fs, dst, len, to_off) < len)
        return -ENOSPC;
    bool aligned = (from_off | to_off) % SIM_PAGE == 0 &&
                   (len % SIM_PAGE == 0 || from_off + len == src->now.size);
    bool reflink = fs->conf.clone == SIM_CLONE_REFLINK && aligned;
    uint8_t *bytes = sim_grow(NULL, len, 1);
    sim_state_read(&src->now, from_off, bytes, len);
    if (reflink)
        sim_pending_flush(fs, src->ino);
    write_now(fs, dst, bytes, len, to_off, reflink);
    free(bytes);
    return 0;
}

static int64_t do_getxattr(struct lb_vfs *v, int fd, const char *name, void *buf, size_t cap) {
    struct sim_fs *fs = fs_of(v);
    const struct sim_file *f = sim_file(fs, fd);
    int err = sim_fs_enter(fs, SIM_GETXATTR);
    if (err)
        return err;
    if (f->flags & O_PATH)
        return -EBADF;
    if (fs->conf.xattr_max == 0)
        return -EOPNOTSUPP;
    const struct sim_xattr *x = sim_state_xattr(&sim_inode(fs, f->ino)->now, name);
    if (!x)
        return -ENODATA;
    if (cap == 0)
        return (int64_t)x->value->len;
    if (cap < x->value->len)
        return -ERANGE;
    memcpy(buf, x->value->bytes, x->value->len);
    return (int64_t)x->value->len;
}

static int do_setxattr(struct lb_vfs *v, int fd, const char *name, const void *buf, size_t len) {
    struct sim_fs *fs = fs_of(v);
    const struct sim_file *f = sim_file(fs, fd);
    int err = sim_fs_enter(fs, SIM_SETXATTR);
    if (err)
        return err;
    if (f->flags & O_PATH)
        return -EBADF;
    if (fs->conf.xattr_max == 0)
        return -EOPNOTSUPP;
    if (len > fs->conf.xattr_max)
        return len > XATTR_MAX_LINUX ? -E2BIG : -ENOSPC;
    struct sim_inode *n = sim_inode(fs, f->ino);
    n->now.ctime_ns = sim_fs_stamp(fs);
    struct sim_change c = change_of(SIM_CH_XATTR, n);
    c.name = sim_blob_new(name, strlen(name));
    c.bytes = sim_blob_new(buf, len);
    sim_state_set_xattr(&n->now, c.name, c.bytes);
    sim_pending_add(fs, c);
    return 0;
}

static bool is_within(const struct sim_fs *fs, uint64_t dir, uint64_t ancestor) {
    while (dir != ancestor && dir != SIM_ROOT)
        dir = sim_inode(fs, dir)->parent;
    return dir == ancestor;
}

/* In the order in which Linux looks. */
static int rename_names(const struct sim_walk *a, const struct sim_walk *b, unsigned flags) {
    if (!a->name[0] && !a->too_long)
        return -EBUSY;
    if (!b->name[0] && !b->too_long)
        return flags & LB_VFS_RENAME_NOREPLACE ? -EEXIST : -EBUSY;
    if (!a->ino)
        return a->too_long ? -ENAMETOOLONG : -ENOENT;
    if (b->too_long)
        return -ENAMETOOLONG;
    return b->ino && (flags & LB_VFS_RENAME_NOREPLACE) ? -EEXIST : 0;
}

static int replace_check(bool from_dir, const struct sim_inode *to) {
    bool to_dir = to->type == LB_VFS_DIR;
    if (from_dir != to_dir)
        return from_dir ? -ENOTDIR : -EISDIR;
    return to->now.entries_n > 0 ? -ENOTEMPTY : 0;
}

static int rename_kinds(const struct sim_fs *fs, const struct sim_walk *a,
                        const struct sim_walk *b) {
    const struct sim_inode *to = b->ino ? sim_inode(fs, b->ino) : NULL;
    bool from_dir = sim_inode(fs, a->ino)->type == LB_VFS_DIR;
    bool to_dir = to && to->type == LB_VFS_DIR;
    if (!from_dir && (a->slash || b->slash))
        return -ENOTDIR;
    if (from_dir && is_within(fs, b->dir, a->ino))
        return -EINVAL;
    if (to_dir && is_within(fs, a->dir, b->ino))
        return -ENOTEMPTY;
    if (sim_inode(fs, b->dir)->nlink == 0)
        return -ENOENT;
    return !to || a->ino == b->ino ? 0 : replace_check(from_dir, to);
}

static int do_rename(struct lb_vfs *v, int from_dir, const char *from, int to_dir, const char *to,
                     unsigned flags) {
    struct sim_fs *fs = fs_of(v);
    struct sim_walk a, b;
    struct sim_slot slots[2];
    int err = sim_fs_enter(fs, SIM_RENAME);
    if (err || (err = walk(fs, from_dir, from, SIM_WALK_PARENT, &a)) ||
        (err = walk(fs, to_dir, to, SIM_WALK_PARENT, &b)) || (err = rename_names(&a, &b, flags)) ||
        (err = rename_kinds(fs, &a, &b)))
        return err;
    if (a.ino == b.ino)
        return 0;
    set_name(fs, b.dir, b.name, a.ino, &slots[1]);
    set_name(fs, a.dir, a.name, 0, &slots[0]);
    add_name_change(fs, slots[0], slots[1]);
    return 0;
}

/* What is to get a second name must be there: Linux looks before it walks to that name. */
static int link_from(const struct sim_fs *fs, const struct sim_walk *a) {
    if (!a->ino)
        return a->too_long ? -ENAMETOOLONG : -ENOENT;
    return a->slash && sim_inode(fs, a->ino)->type != LB_VFS_DIR ? -ENOTDIR : 0;
}

static int link_to(const struct sim_fs *fs, const struct sim_walk *a, const struct sim_walk *b) {
    if (b->too_long)
        return -ENAMETOOLONG;
    if (!b->name[0] || b->ino)
        return -EEXIST;
    if (b->slash || sim_inode(fs, b->dir)->nlink == 0)
        return -ENOENT;
    return fs->conf.no_link || sim_inode(fs, a->ino)->type == LB_VFS_DIR ? -EPERM : 0;
}

static int do_link(struct lb_vfs *v, int from_dir, const char *from, int to_dir, const char *to) {
    struct sim_fs *fs = fs_of(v);
    struct sim_walk a, b;
    struct sim_slot slot, none = {0};
    int err = sim_fs_enter(fs, SIM_LINK);
    if (err || (err = walk(fs, from_dir, from, SIM_WALK_PARENT, &a)) || (err = link_from(fs, &a)) ||
        (err = walk(fs, to_dir, to, SIM_WALK_PARENT, &b)) || (err = link_to(fs, &a, &b)))
        return err;
    set_name(fs, b.dir, b.name, a.ino, &slot);
    add_name_change(fs, slot, none);
    return 0;
}

static void remove_name(struct sim_fs *fs, const struct sim_walk *w) {
    struct sim_slot slot, none = {0};
    set_name(fs, w->dir, w->name, 0, &slot);
    add_name_change(fs, slot, none);
}

static int do_unlink(struct lb_vfs *v, int dir, const char *name) {
    struct sim_fs *fs = fs_of(v);
    struct sim_walk w;
    int err = sim_fs_enter(fs, SIM_UNLINK);
    if (err || (err = walk(fs, dir, name, SIM_WALK_PARENT, &w)))
        return err;
    if (!w.ino)
        return w.too_long ? -ENAMETOOLONG : -ENOENT;
    if (!w.name[0] || sim_inode(fs, w.ino)->type == LB_VFS_DIR)
        return -EISDIR;
    if (w.slash)
        return -ENOTDIR;
    remove_name(fs, &w);
    return 0;
}

static int do_rmdir(struct lb_vfs *v, int dir, const char *name) {
    struct sim_fs *fs = fs_of(v);
    struct sim_walk w;
    int err = sim_fs_enter(fs, SIM_RMDIR);
    if (err || (err = walk(fs, dir, name, SIM_WALK_PARENT, &w)))
        return err;
    if (!w.ino)
        return w.too_long ? -ENAMETOOLONG : -ENOENT;
    if (!w.name[0])
        return w.ino == SIM_ROOT ? -EBUSY : -EINVAL;
    if (sim_inode(fs, w.ino)->type != LB_VFS_DIR)
        return -ENOTDIR;
    if (sim_inode(fs, w.ino)->now.entries_n > 0)
        return -ENOTEMPTY;
    remove_name(fs, &w);
    return 0;
}

static int do_mkdir(struct lb_vfs *v, int dir, const char *name, unsigned mode) {
    struct sim_fs *fs = fs_of(v);
    struct sim_walk w;
    struct sim_inode *n;
    int err = sim_fs_enter(fs, SIM_MKDIR);
    if (err || (err = walk(fs, dir, name, SIM_WALK_PARENT, &w)))
        return err;
    if (w.too_long)
        return -ENAMETOOLONG;
    return w.ino ? -EEXIST : make(fs, &w, LB_VFS_DIR, &n);
}

struct listed {
    uint64_t order;
    struct sim_blob *name;
};

static int listed_cmp(const void *a, const void *b) {
    uint64_t x = ((const struct listed *)a)->order, y = ((const struct listed *)b)->order;
    return (x > y) - (x < y);
}

/* Names in an order of the seed's, as hashed directories give them. */
static struct listed *list_names(const struct sim_fs *fs, const struct sim_state *s) {
    struct listed *names = sim_grow(NULL, s->entries_n, sizeof(*names));
    for (size_t i = 0; i < s->entries_n; i++) {
        uint64_t h = fs->conf.seed ^ 0xcbf29ce484222325u;
        for (size_t k = 0; k < s->entries[i].name->len; k++)
            h = (h ^ s->entries[i].name->bytes[k]) * 0x100000001b3u;
        names[i] = (struct listed){h, sim_blob_ref(s->entries[i].name)};
    }
    qsort(names, s->entries_n, sizeof(*names), listed_cmp);
    return names;
}

static int do_readdir(struct lb_vfs *v, int fd, lb_vfs_entry_fn fn, void *ctx) {
    struct sim_fs *fs = fs_of(v);
    uint64_t ino = sim_file(fs, fd)->ino;
    int err = sim_fs_enter(fs, SIM_READDIR);
    if (err)
        return err;
    if (sim_inode(fs, ino)->type != LB_VFS_DIR)
        return -ENOTDIR;
    if (sim_file(fs, fd)->flags & O_PATH)
        return -EBADF;
    size_t n = sim_inode(fs, ino)->now.entries_n;
    struct listed *names = list_names(fs, &sim_inode(fs, ino)->now);
    for (size_t i = 0; i < n; i++) {
        const struct sim_blob *name = names[i].name;
        uint64_t at =
            sim_state_lookup(&sim_inode(fs, ino)->now, (const char *)name->bytes, name->len);
        if (at && err == 0)
            err = fn(ctx, (const char *)name->bytes, name->len,
                     fs->conf.no_type ? LB_VFS_OTHER : sim_inode(fs, at)->type);
        sim_blob_unref(names[i].name);
    }
    free(names);
    return err;
}

static size_t do_resident(struct lb_vfs *v, int fd, uint64_t off, size_t len) {
    struct sim_fs *fs = fs_of(v);
    uint64_t size = sim_inode(fs, sim_file(fs, fd)->ino)->now.size;
    if (off >= size)
        return 0;
    if (len > size - off)
        len = size - off;
    return cold(fs) ? lb_prng_below(&fs->prng, len + 1) : len;
}

static int do_lock(struct lb_vfs *v, int fd) {
    struct sim_fs *fs = fs_of(v);
    struct sim_inode *n = sim_inode(fs, sim_file(fs, fd)->ino);
    int err = sim_fs_enter(fs, SIM_LOCK);
    if (err)
        return err;
    if (n->lock_fd && n->lock_fd != fd)
        return -EWOULDBLOCK;
    n->lock_fd = fd;
    return 0;
}

static int do_space(struct lb_vfs *v, int fd, uint64_t *ret_total, uint64_t *ret_free) {
    struct sim_fs *fs = fs_of(v);
    (void)sim_file(fs, fd);
    int err = sim_fs_enter(fs, SIM_SPACE);
    if (err)
        return err;
    uint64_t total = fs->conf.size ? fs->conf.size : UINT64_C(1) << 40, used = sim_fs_used(fs);
    *ret_total = total;
    *ret_free = total > used ? total - used : 0;
    return 0;
}

static bool do_journaled(struct lb_vfs *v, int fd) {
    (void)sim_file(fs_of(v), fd);
    return fs_of(v)->conf.journaled;
}

const struct lb_vfs_ops sim_vfs_ops = {
    .open = do_open,
    .close = do_close,
    .fstat = do_fstat,
    .stat = do_stat,
    .pread = do_pread,
    .pwrite = do_pwrite,
    .fsync = do_fsync,
    .truncate = do_truncate,
    .allocate = do_allocate,
    .discard = do_discard,
    .clone = do_clone,
    .getxattr = do_getxattr,
    .setxattr = do_setxattr,
    .rename = do_rename,
    .link = do_link,
    .unlink = do_unlink,
    .rmdir = do_rmdir,
    .mkdir = do_mkdir,
    .readdir = do_readdir,
    .resident = do_resident,
    .lock = do_lock,
    .space = do_space,
    .journaled = do_journaled,
};
