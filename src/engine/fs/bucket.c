/* Buckets: directories of the root, with their settings in "<bucket>/.lobos/bucket". A directory
 * without that file is a bucket, too. The file's format by byte offset is in README.md. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/fs/bytes_priv.h"
#include "engine/fs/walk_priv.h"

#define HEAD 20u
#define CRC_FROM 8u
#define MAGIC "LbB1"
#define KNOWN_NS 1000000000u

/* ---- the settings file ---- */

static int settings_write(struct fs_engine *fs, struct lb_slice bucket, int64_t created_ns,
                          struct lb_slice settings) {
    char path[FS_PATH_MAX], head[HEAD] = MAGIC;
    struct lb_buf b;
    if (settings.len > LB_META_MAX)
        return -EMSGSIZE;
    lb_buf_init(&b, HEAD + LB_META_MAX);
    fs_put_le(head + 8, (uint64_t)created_ns, 8);
    fs_put_le(head + 16, settings.len, 4);
    lb_buf_append(&b, lb_slice(head, HEAD));
    lb_buf_append(&b, settings);
    int err = b.err;
    if (!err) {
        fs_put_le(b.ptr + 4, fs_crc32c(lb_slice_from(lb_buf_slice(&b), CRC_FROM)), 4);
        fs_reserved_path(fs, bucket, "bucket", path);
        err = fs_reserved_replace(fs, bucket, path, lb_buf_slice(&b), true);
    }
    lb_buf_fini(&b);
    return err;
}

static int settings_decode(struct lb_slice bytes, struct lb_bucket_info *ret) {
    if (bytes.len < HEAD || memcmp(bytes.ptr, MAGIC, 4) != 0 ||
        fs_get_le(bytes.ptr + 16, 4) != bytes.len - HEAD ||
        fs_get_le(bytes.ptr + 4, 4) != fs_crc32c(lb_slice_from(bytes, CRC_FROM)))
        return LB_ERR_CORRUPT;
    ret->created_ns = (int64_t)fs_get_le(bytes.ptr + 8, 8);
    ret->settings = lb_slice_from(bytes, HEAD);
    return 0;
}

/* Reads the file into arena. -ENOENT when there is none. */
static int settings_read(struct fs_engine *fs, struct lb_slice bucket, struct lb_arena *arena,
                         struct lb_bucket_info *ret) {
    struct lb_vfs *v = fs->vfs;
    struct lb_vfs_stat st;
    char path[FS_PATH_MAX];
    fs_reserved_path(fs, bucket, "bucket", path);
    int fd = v->ops->open(v, fs->root, path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    int err = v->ops->fstat(v, fd, &st);
    if (!err && (st.size < HEAD || st.size > HEAD + LB_META_MAX))
        err = LB_ERR_CORRUPT;
    char *bytes = err ? NULL : lb_arena_alloc(arena, st.size);
    if (!err && !bytes)
        err = -ENOMEM;
    if (!err) {
        int64_t n = v->ops->pread(v, fd, bytes, st.size, 0);
        err = n < 0 ? (int)n : settings_decode(lb_slice(bytes, (size_t)n), ret);
    }
    v->ops->close(v, fd);
    return err;
}

/* What there is to say of a bucket: NO_SUCH_BUCKET; CORRUPT, with the name and the directory's time
 * filled. */
static int describe(struct fs_engine *fs, struct lb_slice bucket, struct lb_arena *arena,
                    struct lb_bucket_info *ret) {
    struct lb_vfs *v = fs->vfs;
    struct lb_vfs_stat st;
    char path[FS_PATH_MAX];
    int err = fs_bucket_check(fs, bucket);
    if (err)
        return err;
    *ret = (struct lb_bucket_info){0};
    fs_bucket_path(fs, bucket, path);
    int fd = v->ops->open(v, fs->root, path, O_PATH | O_DIRECTORY, 0);
    err = fd < 0 ? fd : v->ops->fstat(v, fd, &st);
    if (fd >= 0)
        v->ops->close(v, fd);
    if (!err)
        err = lb_arena_copy(arena, bucket, &ret->name);
    if (err)
        return err == -ENOENT ? LB_ERR_NO_SUCH_BUCKET : err;
    ret->created_ns = st.mtime_ns;
    err = settings_read(fs, bucket, arena, ret);
    if (err == LB_ERR_CORRUPT)
        lb_error("a bucket's settings are damaged", LB_LOG_S("bucket", bucket));
    return err == -ENOENT || err == -ENOTDIR ? 0 : err;
}

/* ---- which buckets there are, for the loop ---- */

static struct fs_known *known_slot(struct lb_engine_port *p, struct lb_slice bucket) {
    struct fs_port *port = LB_CONTAINER_OF(p, struct fs_port, port);
    return &port->known[lb_hash_bytes(bucket) % FS_KNOWN];
}

static void look_again(struct lb_engine_port *p, struct lb_slice bucket, struct fs_known *k) {
    struct fs_engine *fs = fs_of(p);
    assert(bucket.len <= sizeof(k->name));
    k->at_ns = lb_io_now_ns(p->io);
    k->epoch = atomic_load(&fs->bucket_epoch);
    k->there = fs_bucket_check(fs, bucket) == 0;
    k->len = (uint8_t)bucket.len;
    memcpy(k->name, bucket.ptr, bucket.len);
}

/* Not in the kernel's cache: asked for all the same. It is one name in a directory that every
 * request passes, and a wrong answer would send the request to a wrong bucket. */
bool fs_bucket_known(struct lb_engine_port *p, struct lb_slice bucket) {
    struct fs_engine *fs = fs_of(p);
    if (!fs_bucket_name_ok(fs, bucket))
        return false;
    if (fs->conf.single_bucket)
        return true;
    struct fs_known *k = known_slot(p, bucket);
    if (k->at_ns == 0 || lb_io_now_ns(p->io) - k->at_ns >= KNOWN_NS ||
        k->epoch != atomic_load_explicit(&fs->bucket_epoch, memory_order_relaxed) ||
        !lb_slice_eq(lb_slice(k->name, k->len), bucket))
        look_again(p, bucket, k);
    return k->there;
}

/* ---- create, delete, head, set ---- */

/* With bucket_lock held for writing. The epoch counts first: whoever finds the new directory also
 * finds that something has happened, and then waits for the lock. */
static int make_known(struct fs_engine *fs, struct lb_slice bucket, const char *path) {
    unsigned epoch = atomic_fetch_add(&fs->bucket_epoch, 1) + 1;
    int err = fs->vfs->ops->mkdir(fs->vfs, fs->root, path, 0755);
    if (!err)
        fs->made[fs->made_n++ % FS_MADE] = (struct fs_made){lb_hash_bytes(bucket), epoch};
    return err;
}

bool fs_bucket_same(struct fs_engine *fs, struct lb_slice bucket, unsigned epoch) {
    if (atomic_load(&fs->bucket_epoch) == epoch)
        return true;
    uint64_t name = lb_hash_bytes(bucket);
    pthread_rwlock_rdlock(&fs->bucket_lock);
    size_t n = fs->made_n < FS_MADE ? fs->made_n : FS_MADE;
    bool same = n < FS_MADE || (int)(fs->made[fs->made_n % FS_MADE].epoch - epoch) <= 0;
    for (size_t i = 0; i < n && same; i++)
        same = fs->made[i].name != name || (int)(fs->made[i].epoch - epoch) <= 0;
    pthread_rwlock_unlock(&fs->bucket_lock);
    return same;
}

static int create_locked(struct fs_engine *fs, struct lb_engine_op *op) {
    char path[FS_PATH_MAX];
    fs_bucket_path(fs, op->bucket, path);
    int err = make_known(fs, op->bucket, path);
    if (err == -EEXIST)
        return LB_ERR_BUCKET_EXISTS;
    if (err == -ENAMETOOLONG || err == -EINVAL)
        return LB_ERR_INVALID_BUCKET_NAME;
    if (err)
        return err;
    fs_keys_drop_bucket(fs, op->bucket); /* of one that another program removed */
    err = fs_reserved_make(fs, op->bucket, "tmp");
    if (!err)
        err = settings_write(fs, op->bucket, op->run.wall_ns, op->settings);
    if (!err)
        err = fs_dir_sync(fs, path);
    if (!err)
        err = fs_dir_sync(fs, ".");
    if (err)
        fs_tree_remove(fs, path);
    return err;
}

static int create_work(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct fs_engine *fs = fs_of(p);
    if (!fs_bucket_name_ok(fs, op->bucket))
        return LB_ERR_INVALID_BUCKET_NAME;
    if (fs->conf.single_bucket)
        return LB_ERR_BUCKET_EXISTS;
    pthread_rwlock_wrlock(&fs->bucket_lock);
    int err = create_locked(fs, op);
    pthread_rwlock_unlock(&fs->bucket_lock);
    atomic_fetch_add(&fs->bucket_epoch, 1);
    return err;
}

void fs_bucket_create(struct lb_engine_port *p, struct lb_engine_op *op) {
    fs_work(p, op, create_work);
}

/* Empty for a client, and nothing is lost that a client cannot see: files whose names are no keys
 * stay where they are. Returns 1, 0 or -errno. */
static int holds_anything(struct fs_engine *fs, struct lb_slice bucket) {
    char key[LB_KEY_MAX];
    size_t len;
    struct lb_slice none = lb_slice(NULL, 0);
    int found = fs_keys_next(fs, FS_KEYS_HIDDEN, bucket, none, none, true, key, &len);
    if (found == 0)
        found = fs_keys_next(fs, FS_KEYS_VERSIONED, bucket, none, none, true, key, &len);
    return found ? found : fs_any_object(fs, bucket, none, NULL, true);
}

/* Moves the bucket to where nobody looks; trash is its name there. */
static int delete_locked(struct fs_engine *fs, struct lb_slice bucket, const char *trash) {
    struct lb_vfs *v = fs->vfs;
    char path[FS_PATH_MAX];
    int err = fs_bucket_check(fs, bucket);
    if (err)
        return err;
    if (fs->conf.single_bucket)
        return LB_ERR_METHOD_NOT_ALLOWED; /* it is the root itself */
    int holds = holds_anything(fs, bucket);
    if (holds)
        return holds < 0 ? holds : LB_ERR_BUCKET_NOT_EMPTY;
    fs_bucket_path(fs, bucket, path);
    err = v->ops->rename(v, fs->root, path, fs->root, trash, 0);
    if (err)
        return err;
    fs_keys_drop_bucket(fs, bucket);
    err = fs_dir_sync(fs, FS_TRASH);
    return err ? err : fs_dir_sync(fs, ".");
}

static int delete_work(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct fs_engine *fs = fs_of(p);
    uint8_t random[16];
    char hex[33], trash[sizeof(FS_TRASH) + sizeof(hex)];
    lb_io_random(p->io, random, sizeof(random));
    lb_hex_encode(random, sizeof(random), hex);
    snprintf(trash, sizeof(trash), FS_TRASH "/%s", hex);
    pthread_rwlock_wrlock(&fs->bucket_lock);
    int err = delete_locked(fs, op->bucket, trash);
    pthread_rwlock_unlock(&fs->bucket_lock);
    atomic_fetch_add(&fs->bucket_epoch, 1);
    if (!err && fs_tree_remove(fs, trash) != 0)
        lb_warn("a deleted bucket could not be removed; the next start tries again",
                LB_LOG_S("bucket", op->bucket));
    return err;
}

void fs_bucket_delete(struct lb_engine_port *p, struct lb_engine_op *op) {
    fs_work(p, op, delete_work);
}

static int head_work(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct lb_bucket_info *info = lb_arena_zalloc(op->arena, sizeof(*info));
    if (!info)
        return -ENOMEM;
    int err = describe(fs_of(p), op->bucket, op->arena, info);
    if (err)
        return err;
    op->buckets = info;
    op->n = 1;
    return 0;
}

void fs_bucket_head(struct lb_engine_port *p, struct lb_engine_op *op) {
    fs_work(p, op, head_work);
}

static int set_locked(struct fs_engine *fs, struct lb_engine_op *op) {
    struct lb_bucket_info info;
    int err = describe(fs, op->bucket, op->arena, &info);
    if (err == LB_ERR_CORRUPT && !op->if_same)
        err = 0;
    if (!err && op->if_same && !lb_slice_eq(info.settings, op->was))
        err = LB_ERR_PRECONDITION_FAILED;
    if (!err)
        err = fs_reserved_make(fs, op->bucket, "tmp");
    return err ? err : settings_write(fs, op->bucket, info.created_ns, op->settings);
}

/* Under the lock of the empty key, which no object has. */
static int set_work(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct fs_engine *fs = fs_of(p);
    pthread_mutex_t *lock = fs_key_lock(fs, op->bucket, LB_S(""));
    pthread_rwlock_rdlock(&fs->bucket_lock);
    pthread_mutex_lock(lock);
    int err = set_locked(fs, op);
    pthread_mutex_unlock(lock);
    pthread_rwlock_unlock(&fs->bucket_lock);
    return err;
}

void fs_bucket_set(struct lb_engine_port *p, struct lb_engine_op *op) {
    fs_work(p, op, set_work);
}

/* ---- list ---- */

struct names {
    struct fs_engine *fs;
    struct lb_engine_op *op;
    struct lb_slice *names; /* each owned */
    size_t n;
    size_t cap;
};

static int add_name(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct names *b = ctx;
    struct lb_slice s = lb_slice(name, len);
    if (type == LB_VFS_FILE || !fs_bucket_name_ok(b->fs, s) || !fs_utf8_ok(s) ||
        !lb_slice_starts_with(s, b->op->prefix) ||
        (b->op->after.len && lb_slice_cmp(s, b->op->after) <= 0))
        return 0;
    if (b->n == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 64;
        struct lb_slice *names = realloc(b->names, cap * sizeof(*names));
        if (!names)
            return -ENOMEM;
        b->names = names;
        b->cap = cap;
    }
    char *copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    b->names[b->n++] = lb_slice(copy, len);
    return 0;
}

static int name_cmp(const void *a, const void *b) {
    return lb_slice_cmp(*(const struct lb_slice *)a, *(const struct lb_slice *)b);
}

static int collect(struct names *b) {
    struct lb_slice single = lb_slice_cstr(b->fs->conf.single_bucket);
    int err = single.len ? add_name(b, single.ptr, single.len, LB_VFS_DIR)
                         : b->fs->vfs->ops->readdir(b->fs->vfs, b->fs->root, add_name, b);
    if (!err && b->n)
        qsort(b->names, b->n, sizeof(*b->names), name_cmp);
    return err;
}

static int fill_page(struct names *b) {
    struct lb_engine_op *op = b->op;
    size_t max = b->n < op->max ? b->n : op->max;
    op->buckets = lb_arena_alloc(op->arena, max * sizeof(*op->buckets));
    if (!op->buckets)
        return -ENOMEM;
    op->n = 0;
    op->truncated = false;
    for (size_t i = 0; i < b->n; i++) {
        if (op->n == max) {
            op->truncated = fs_bucket_check(b->fs, b->names[i]) == 0;
            if (op->truncated)
                break;
            continue;
        }
        int err = describe(b->fs, b->names[i], op->arena, &op->buckets[op->n]);
        if (err == LB_ERR_NO_SUCH_BUCKET || err == -EACCES)
            continue; /* gone, or closed to us, as lost+found is */
        if (err && err != LB_ERR_CORRUPT)
            return err;
        op->n++;
    }
    return 0;
}

static int list_work(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct names b = {.fs = fs_of(p), .op = op};
    int err = collect(&b);
    if (!err)
        err = fill_page(&b);
    for (size_t i = 0; i < b.n; i++)
        free((char *)b.names[i].ptr);
    free(b.names);
    return err;
}

void fs_bucket_list(struct lb_engine_port *p, struct lb_engine_op *op) {
    fs_work(p, op, list_work);
}
