/* The simulated file system as a test sees it: making one, counting and failing calls, shorthands.
 */
#include "sim_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_fs_priv.h"

#define TICK_NS UINT64_C(4000000)
#define PENDING_MAX 8192u
#define WALL_START_NS INT64_C(1767225600000000000) /* 2026-01-01 */

struct sim_fs *sim_fs_empty(const struct sim_fs_conf *conf) {
    struct sim_fs *fs = sim_grow(NULL, 1, sizeof(*fs));
    memset(fs, 0, sizeof(*fs));
    fs->vfs.ops = &sim_vfs_ops;
    fs->conf = *conf;
    if (!fs->conf.tick_ns)
        fs->conf.tick_ns = TICK_NS;
    if (!fs->conf.direct_align)
        fs->conf.direct_align = SIM_SECTOR;
    if (!fs->conf.pending_max)
        fs->conf.pending_max = PENDING_MAX;
    fs->stamp_ns = WALL_START_NS;
    lb_prng_seed(&fs->prng, fs->conf.seed);
    lb_list_init(&fs->pending);
    return fs;
}

struct sim_fs *sim_fs_new(const struct sim_fs_conf *conf) {
    struct sim_fs *fs = sim_fs_empty(conf);
    sim_inode_new(fs, LB_VFS_FILE); /* 0 is no inode */
    struct sim_inode *root = sim_inode_new(fs, LB_VFS_DIR);
    root->parent = root->ino;
    root->nlink = 1;
    root->now.mtime_ns = root->now.ctime_ns = sim_fs_stamp(fs);
    sim_state_copy(&root->disk, &root->now);
    return fs;
}

void sim_fs_free(struct sim_fs *fs) {
    if (!fs)
        return;
    sim_pending_clear(fs);
    for (size_t i = 0; i < fs->inodes_n; i++)
        sim_inode_free(fs, i);
    free(fs->inodes);
    free(fs->files);
    free(fs);
}

struct lb_vfs *sim_fs_vfs(struct sim_fs *fs) {
    return &fs->vfs;
}

struct sim_inode *sim_inode(const struct sim_fs *fs, uint64_t ino) {
    if (ino >= fs->inodes_n || !fs->inodes[ino]) {
        fprintf(stderr, "sim: inode %llu is gone\n", (unsigned long long)ino);
        abort();
    }
    return fs->inodes[ino];
}

struct sim_inode *sim_inode_new(struct sim_fs *fs, enum lb_vfs_type type) {
    size_t ino = 0;
    while (ino < fs->inodes_n && fs->inodes[ino])
        ino++;
    if (ino == fs->inodes_n)
        fs->inodes = sim_grow(fs->inodes, ++fs->inodes_n, sizeof(*fs->inodes));
    struct sim_inode *n = sim_grow(NULL, 1, sizeof(*n));
    memset(n, 0, sizeof(*n));
    n->ino = ino;
    n->type = type;
    return fs->inodes[ino] = n;
}

void sim_inode_free(struct sim_fs *fs, uint64_t ino) {
    struct sim_inode *n = fs->inodes[ino];
    if (!n)
        return;
    sim_state_fini(&n->now);
    sim_state_fini(&n->disk);
    sim_blob_unref(n->target);
    free(n);
    fs->inodes[ino] = NULL;
}

struct sim_file *sim_file(const struct sim_fs *fs, int fd) {
    size_t i = (size_t)(fd - SIM_FD_MIN);
    if (fd < SIM_FD_MIN || i >= fs->files_n || !fs->files[i].ino) {
        fprintf(stderr, "sim: descriptor %d is not open\n", fd);
        abort();
    }
    return &fs->files[i];
}

void sim_fs_clock(struct sim_fs *fs, int64_t (*wall_ns)(void *ctx), void *ctx) {
    fs->wall_ns = wall_ns;
    fs->wall_ctx = ctx;
}

int64_t sim_fs_stamp(struct sim_fs *fs) {
    int64_t t = fs->wall_ns ? fs->wall_ns(fs->wall_ctx) : fs->stamp_ns;
    t -= t % (int64_t)fs->conf.tick_ns;
    if (t > fs->stamp_ns)
        fs->stamp_ns = t;
    return fs->stamp_ns;
}

void sim_fs_hook(struct sim_fs *fs, unsigned calls, void (*fn)(void *ctx, enum sim_call call),
                 void *ctx) {
    fs->hook = fn;
    fs->hook_calls = fn ? calls : 0;
    fs->hook_ctx = ctx;
}

void sim_fs_fail(struct sim_fs *fs, unsigned calls, uint64_t nth, int err, bool sticky) {
    fs->fail_calls = calls;
    fs->fail_in = nth;
    fs->fail_err = err;
    fs->fail_sticky = sticky;
    fs->failed = 0;
    fs->failed_calls = 0;
}

uint64_t sim_fs_failed(const struct sim_fs *fs) {
    return fs->failed;
}

unsigned sim_fs_failed_calls(const struct sim_fs *fs) {
    return fs->failed_calls;
}

uint64_t sim_fs_calls(const struct sim_fs *fs, unsigned calls) {
    uint64_t n = 0;
    for (int i = 0; i < SIM_CALLS; i++)
        n += calls & SIM_BIT(i) ? fs->calls[i] : 0;
    return n;
}

static int usual_error(enum sim_call call) {
    switch (call) {
    case SIM_OPEN:
    case SIM_ACCEPT:
        return EMFILE;
    case SIM_CREATE:
    case SIM_WRITE:
    case SIM_ALLOCATE:
    case SIM_CLONE:
    case SIM_SETXATTR:
    case SIM_RENAME:
    case SIM_MKDIR:
        return ENOSPC;
    case SIM_LINK:
        return EPERM;
    case SIM_RECV:
        return ECONNRESET;
    case SIM_SEND:
    case SIM_SENDFILE:
        return EPIPE;
    default:
        return EIO;
    }
}

int sim_fs_enter(struct sim_fs *fs, enum sim_call call) {
    if ((fs->hook_calls & SIM_BIT(call)) && !fs->in_hook) {
        fs->in_hook = true;
        fs->hook(fs->hook_ctx, call);
        fs->in_hook = false;
    }
    fs->calls[call]++;
    if (!(fs->fail_calls & SIM_BIT(call)) || fs->fail_in == 0 || --fs->fail_in > 0)
        return 0;
    fs->fail_in = fs->fail_sticky ? 1 : 0;
    fs->failed++;
    fs->failed_calls |= SIM_BIT(call);
    return -(fs->fail_err ? fs->fail_err : usual_error(call));
}

size_t sim_fs_open_count(const struct sim_fs *fs) {
    size_t n = 0;
    for (size_t i = 0; i < fs->files_n; i++)
        n += fs->files[i].ino != 0;
    return n;
}

size_t sim_fs_pending_count(const struct sim_fs *fs) {
    return fs->pending_n;
}

uint64_t sim_fs_used(const struct sim_fs *fs) {
    uint64_t pages = 0;
    for (size_t i = 0; i < fs->inodes_n; i++) {
        const struct sim_inode *n = fs->inodes[i];
        if (n && (n->nlink > 0 || n->opens > 0))
            pages += sim_state_pages(&n->now);
    }
    return pages * SIM_PAGE;
}

void sim_fs_resize(struct sim_fs *fs, uint64_t size) {
    fs->conf.size = size;
}

static uint64_t mix(uint64_t h, const void *bytes, size_t len) {
    h = (h ^ len) * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
    return h ^ (h >> 29);
}

/* Entries and attributes are summed up, so that their order does not count. */
static uint64_t digest(const struct sim_fs *fs, uint64_t ino, unsigned depth) {
    const struct sim_inode *n = sim_inode(fs, ino);
    uint64_t h = mix(n->type, &n->now.size, sizeof(n->now.size)), sum = 0;
    uint8_t page[SIM_PAGE];
    if (n->target)
        h = mix(h, n->target->bytes, n->target->len);
    for (uint64_t off = 0; off < n->now.size; off += SIM_PAGE)
        h = mix(h, page, sim_state_read(&n->now, off, page, sizeof(page)));
    for (size_t i = 0; i < n->now.xattrs_n; i++) {
        const struct sim_xattr *x = &n->now.xattrs[i];
        sum += mix(mix(1, x->name->bytes, x->name->len), x->value->bytes, x->value->len);
    }
    for (size_t i = 0; i < n->now.entries_n && depth < SIM_PATH_MAX / 2; i++) {
        const struct sim_entry *e = &n->now.entries[i];
        sum += mix(digest(fs, e->ino, depth + 1), e->name->bytes, e->name->len);
    }
    return mix(h, &sum, sizeof(sum));
}

uint64_t sim_fs_digest(const struct sim_fs *fs) {
    return digest(fs, SIM_ROOT, 0);
}

int sim_fs_put(struct sim_fs *fs, const char *path, const void *data, size_t len) {
    struct lb_vfs *v = &fs->vfs;
    int fd = v->ops->open(v, -1, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0)
        return fd;
    int64_t n = len ? v->ops->pwrite(v, fd, data, len, 0) : 0;
    v->ops->close(v, fd);
    return n < 0 ? (int)n : (size_t)n < len ? -ENOSPC : 0;
}

int64_t sim_fs_get(struct sim_fs *fs, const char *path, void *buf, size_t cap) {
    struct lb_vfs *v = &fs->vfs;
    int fd = v->ops->open(v, -1, path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    int64_t n = v->ops->pread(v, fd, buf, cap, 0);
    v->ops->close(v, fd);
    return n;
}

int sim_fs_symlink(struct sim_fs *fs, const char *target, const char *path) {
    struct sim_walk w;
    int err = sim_path_walk(fs, SIM_ROOT, path, 0, &w);
    if (err)
        return err;
    if (w.ino)
        return -EEXIST;
    struct sim_inode *n = sim_inode_new(fs, LB_VFS_SYMLINK);
    n->target = sim_blob_new(target, strlen(target));
    n->nlink = 1;
    n->parent = w.dir;
    n->now.mtime_ns = n->now.ctime_ns = n->disk.mtime_ns = n->disk.ctime_ns = sim_fs_stamp(fs);
    struct sim_change c = {.kind = SIM_CH_ENTRY,
                           .slot = {{w.dir, sim_blob_new(w.name, strlen(w.name)), n->ino, false}}};
    struct sim_inode *d = sim_inode(fs, w.dir);
    sim_state_set_entry(&d->now, c.slot[0].name, n->ino);
    c.mtime_ns = c.ctime_ns = d->now.mtime_ns = d->now.ctime_ns = sim_fs_stamp(fs);
    sim_pending_add(fs, c);
    return 0;
}
