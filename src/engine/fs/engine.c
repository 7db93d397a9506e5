/* The filesystem engine as a whole: opening a directory for it, and its ports. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/fs/dircache_priv.h"

#define OPEN_FILES_DEFAULT 1024u
#define LIST_CACHE_DEFAULT (64u << 20)
#define DETACH_TURN_NS 10000000u

static int attach(struct lb_engine *e, struct lb_io *io, struct lb_pool *pool,
                  struct lb_engine_port **ret) {
    struct fs_engine *fs = LB_CONTAINER_OF(e, struct fs_engine, engine);
    struct fs_port *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    *p = (struct fs_port){.port = {.ops = e->ops, .io = io, .pool = pool}, .fs = fs};
    p->counters = &fs->counters[atomic_fetch_add(&fs->ports, 1) % FS_COUNTERS];
    p->cache = fs_cache_new(fs, io, fs->conf.open_files_max);
    if (!p->cache) {
        free(p);
        return -ENOMEM;
    }
    *ret = &p->port;
    return 0;
}

static void detach(struct lb_engine_port *port) {
    if (!port)
        return;
    struct fs_port *p = LB_CONTAINER_OF(port, struct fs_port, port);
    while (p->background)
        lb_io_turn(port->io, DETACH_TURN_NS);
    fs_durable_detach(p->fs);
    fs_cache_free(p->cache);
    free(p);
}

static void close_fd(struct fs_engine *fs, int fd) {
    if (fd >= 0)
        fs->vfs->ops->close(fs->vfs, fd);
}

static void engine_free(struct lb_engine *e) {
    if (!e)
        return;
    struct fs_engine *fs = LB_CONTAINER_OF(e, struct fs_engine, engine);
    fs_durable_free(fs->durable);
    fs_keysets_free(fs->keysets);
    fs_dirs_free(fs->dirs);
    for (size_t i = 0; i < FS_LOCKS; i++)
        pthread_mutex_destroy(&fs->key_locks[i]);
    pthread_rwlock_destroy(&fs->bucket_lock);
    close_fd(fs, fs->lock);
    close_fd(fs, fs->root);
    free((char *)fs->conf.dir);
    free((char *)fs->conf.single_bucket);
    free(fs);
}

/* Objects are not counted: other programs add and remove them. */
static int stats(struct lb_engine *e, struct lb_storage_stats *ret) {
    struct fs_engine *fs = LB_CONTAINER_OF(e, struct fs_engine, engine);
    struct lb_storage_stats s = {.objects = LB_STORAGE_UNKNOWN,
                                 .object_bytes = LB_STORAGE_UNKNOWN,
                                 .read_only = fs_read_only(fs)};
    int err = fs->vfs->ops->space(fs->vfs, fs->root, &s.size_bytes, &s.free_bytes);
    if (err < 0)
        return err;
    for (size_t i = 0; i < FS_COUNTERS; i++) {
        const struct fs_counters *c = &fs->counters[i];
        s.reads += lb_counter_get(&c->reads);
        s.read_bytes += lb_counter_get(&c->read_bytes);
        s.writes += lb_counter_get(&c->writes);
        s.write_bytes += lb_counter_get(&c->written_bytes);
    }
    fs_durable_stats(fs, &s);
    *ret = s;
    return 0;
}

static const struct lb_engine_ops fs_ops = {
    .name = "filesystem",
    .attach = attach,
    .detach = detach,
    .free = engine_free,
    .stats = stats,
    .bucket_create = fs_bucket_create,
    .bucket_delete = fs_bucket_delete,
    .bucket_head = fs_bucket_head,
    .bucket_set = fs_bucket_set,
    .bucket_list = fs_bucket_list,
    .bucket_known = fs_bucket_known,
    .open = fs_open,
    .read = fs_read,
    .reader_close = fs_reader_close,
    .head = fs_head,
    .create = fs_create,
    .write = fs_write,
    .append = fs_append,
    .commit = fs_commit,
    .abort = fs_abort,
    .remove = fs_remove,
    .set_meta = fs_set_meta,
    .list = fs_list,
    .upload_create = fs_upload_create,
    .upload_head = fs_upload_head,
    .upload_list = fs_upload_list,
    .upload_parts = fs_upload_parts,
    .upload_complete = fs_upload_complete,
    .upload_abort = fs_upload_abort,
};

/* A bucket's deletion comes to its turn among commits without end. */
static void bucket_lock_init(struct fs_engine *fs) {
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&fs->bucket_lock, &attr);
    pthread_rwlockattr_destroy(&attr);
}

/* An engine in memory, with nothing opened. */
static struct fs_engine *engine_new(const struct lb_fs_conf *conf, struct lb_vfs *vfs) {
    struct fs_engine *fs = calloc(1, sizeof(*fs));
    if (!fs)
        return NULL;
    fs->engine.ops = &fs_ops;
    fs->vfs = vfs;
    fs->root = fs->lock = -1;
    bucket_lock_init(fs);
    for (size_t i = 0; i < FS_LOCKS; i++)
        pthread_mutex_init(&fs->key_locks[i], NULL);
    fs->conf = *conf;
    if (fs->conf.open_files_max == 0)
        fs->conf.open_files_max = OPEN_FILES_DEFAULT;
    if (fs->conf.list_cache_max == 0)
        fs->conf.list_cache_max = LIST_CACHE_DEFAULT;
    fs->conf.dir = strdup(conf->dir);
    fs->conf.single_bucket = conf->single_bucket ? strdup(conf->single_bucket) : NULL;
    fs->keysets = fs_keysets_new();
    fs->dirs = fs_dirs_new(fs->conf.list_cache_max);
    if (!fs->conf.dir || (conf->single_bucket && !fs->conf.single_bucket) || !fs->keysets ||
        !fs->dirs) {
        engine_free(&fs->engine);
        return NULL;
    }
    return fs;
}

static int make_dir(struct fs_engine *fs, int dir, const char *path) {
    int err = fs->vfs->ops->mkdir(fs->vfs, dir, path, 0755);
    return err == -EEXIST ? 0 : err;
}

/* The name of the data root must last, or all that is in it is lost with it. Where the directory
 * above may not be read there is nothing to be done. */
static int sync_above(struct fs_engine *fs) {
    struct lb_vfs *v = fs->vfs;
    char path[PATH_MAX];
    size_t len = strlen(fs->conf.dir);
    while (len > 0 && fs->conf.dir[len - 1] == '/')
        len--;
    while (len > 0 && fs->conf.dir[len - 1] != '/')
        len--;
    snprintf(path, sizeof(path), "%.*s", len ? (int)len : 1, len ? fs->conf.dir : ".");
    int fd = v->ops->open(v, -1, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd == -EACCES || fd == -EPERM ? 0 : fd;
    int err = v->ops->fsync(v, fd, false);
    v->ops->close(v, fd);
    return err;
}

/* Opens the root and takes the lock in it. */
static int open_root(struct fs_engine *fs) {
    struct lb_vfs *v = fs->vfs;
    int err = make_dir(fs, -1, fs->conf.dir);
    fs->root = v->ops->open(v, -1, fs->conf.dir, O_RDONLY | O_DIRECTORY, 0);
    if (fs->root < 0)
        return err ? err : fs->root;
    err = sync_above(fs);
    if (!err)
        err = make_dir(fs, fs->root, FS_RESERVED);
    if (!err)
        err = make_dir(fs, fs->root, FS_TRASH);
    if (err)
        return err;
    fs->lock = v->ops->open(v, fs->root, FS_RESERVED "/lock", O_RDWR | O_CREAT, 0644);
    return fs->lock < 0 ? fs->lock : v->ops->lock(v, fs->lock);
}

/* What the filesystem can do: asked of the lock's file. */
static void probe(struct fs_engine *fs) {
    struct lb_vfs *v = fs->vfs;
    fs->no_xattr = v->ops->setxattr(v, fs->lock, FS_XATTR, "", 0) == -EOPNOTSUPP;
    fs->journaled = v->ops->journaled && v->ops->journaled(v, fs->root);
    if (fs->no_xattr)
        lb_warn("no extended attributes here; metadata goes to files of its own",
                LB_LOG_C("dir", fs->conf.dir));
}

int lb_fs_open(const struct lb_fs_conf *conf, struct lb_vfs *vfs, struct lb_engine **ret) {
    struct fs_engine *fs = engine_new(conf, vfs);
    if (!fs)
        return -ENOMEM;
    int err = open_root(fs);
    if (!err) {
        probe(fs);
        fs->durable = fs_durable_new(fs);
        err = fs->durable ? fs_sweep(fs) : -ENOMEM;
    }
    if (err) {
        engine_free(&fs->engine);
        return err;
    }
    *ret = &fs->engine;
    return 0;
}
