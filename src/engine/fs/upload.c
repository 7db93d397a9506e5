/* Multipart uploads: a directory "uploads/<id>" with the record "upload" (an empty file whose
 * attributes hold key and meta) and the parts, each with its ETag and meta. It comes and goes by
 * one rename from and to tmp: whatever is under uploads/ is whole. */
#include <assert.h>

#include "engine/fs/write_priv.h"

#define RECORD "upload"

bool fs_upload_id_ok(struct lb_slice id) {
    if (id.len != FS_ID_HEX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        if (!strchr("0123456789abcdef", id.ptr[i]) || !id.ptr[i])
            return false;
    }
    return true;
}

static void id_copy(struct lb_slice id, char ret[FS_ID_HEX + 1]) {
    assert(id.len == FS_ID_HEX);
    memcpy(ret, id.ptr, FS_ID_HEX);
    ret[FS_ID_HEX] = '\0';
}

/* Names and id, before anything is asked of the disk. */
static int upload_check(struct fs_engine *fs, const struct lb_engine_op *op) {
    int err = fs_names_check(fs, op);
    if (err)
        return err;
    return fs_upload_id_ok(op->upload_id) ? 0 : LB_ERR_NO_SUCH_UPLOAD;
}

/* Opens a file of an upload and reads its attributes. */
static int member_open(struct fs_engine *fs, struct lb_slice bucket, const char *id,
                       const char *name, struct lb_buf *blob, struct fs_attrs *ret, int *ret_fd) {
    struct lb_vfs *v = fs->vfs;
    struct lb_vfs_stat st;
    char path[FS_OWN_PATH_MAX];
    fs_own_path(fs, bucket, "uploads", id, name, path);
    int fd = v->ops->open(v, fs->root, path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    int rc = v->ops->fstat(v, fd, &st);
    if (rc == 0)
        rc = fs_attrs_load(fs, bucket, fd, &st, false, blob, ret);
    if (rc == 0 && (ret->size != st.size || ret->mtime_ns != st.mtime_ns))
        rc = LB_ERR_CORRUPT;
    if (rc == 0)
        *ret_fd = fd;
    else
        v->ops->close(v, fd);
    return rc == -ENODATA ? LB_ERR_CORRUPT : rc;
}

int fs_part_open(struct fs_engine *fs, struct lb_slice bucket, const char *id, uint32_t part,
                 struct lb_buf *blob, struct fs_attrs *ret, int *ret_fd) {
    char name[8];
    fs_part_name(part, name);
    return member_open(fs, bucket, id, name, blob, ret, ret_fd);
}

int fs_upload_load(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                   const char *id, struct lb_buf *blob, struct fs_attrs *ret) {
    int fd;
    int rc = member_open(fs, bucket, id, RECORD, blob, ret, &fd);
    if (rc == -ENOENT) {
        rc = fs_bucket_check(fs, bucket);
        return rc ? rc : LB_ERR_NO_SUCH_UPLOAD;
    }
    if (rc < 0)
        return rc;
    fs->vfs->ops->close(fs->vfs, fd);
    return key.ptr && !lb_slice_eq(key, ret->key) ? LB_ERR_NO_SUCH_UPLOAD : 0;
}

/* ---- create ---- */

/* The upload's directory, complete, in tmp. */
static int build(struct fs_engine *fs, const struct lb_engine_op *op, const char *id) {
    struct lb_vfs *v = fs->vfs;
    char path[FS_OWN_PATH_MAX];
    struct fs_attrs a = {.key = op->key, .meta = op->meta};
    fs_own_path(fs, op->bucket, "tmp", id, NULL, path);
    int rc = v->ops->mkdir(v, fs->root, path, 0777);
    if (rc < 0)
        return rc;
    fs_own_path(fs, op->bucket, "tmp", id, RECORD, path);
    int fd = v->ops->open(v, fs->root, path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0)
        return fd;
    rc = fs_record(fs, op->bucket, fd, &a, !fs_relaxed(fs, op), false);
    v->ops->close(v, fd);
    return rc;
}

static int create_in(struct fs_engine *fs, struct lb_engine_op *op, struct fs_touched *t) {
    char id[FS_ID_HEX + 1], from[FS_OWN_PATH_MAX], to[FS_OWN_PATH_MAX];
    id_copy(op->uploads[0].id, id);
    int rc = fs_reserved_make(fs, op->bucket, "tmp");
    if (rc == 0)
        rc = fs_reserved_make(fs, op->bucket, "uploads");
    if (rc == 0)
        rc = build(fs, op, id);
    fs_own_path(fs, op->bucket, "tmp", id, NULL, from);
    fs_own_path(fs, op->bucket, "uploads", id, NULL, to);
    if (rc == 0)
        rc = fs->vfs->ops->rename(fs->vfs, fs->root, from, fs->root, to, 0);
    if (rc < 0) {
        fs_tree_remove(fs, from);
        return rc;
    }
    fs_own_path(fs, op->bucket, "uploads", id, RECORD, to);
    return fs_touch(fs, op->bucket, t, to);
}

static int create_work(struct lb_engine_port *p, struct lb_engine_op *op, struct fs_touched *t) {
    struct fs_engine *fs = fs_of(p);
    pthread_rwlock_rdlock(&fs->bucket_lock);
    int rc = fs_bucket_check(fs, op->bucket);
    if (rc == 0)
        rc = create_in(fs, op, t);
    pthread_rwlock_unlock(&fs->bucket_lock);
    return fs_storage_err(rc);
}

void fs_upload_create(struct lb_engine_port *p, struct lb_engine_op *op) {
    char id[FS_ID_HEX + 1];
    int err = fs_names_check(fs_of(p), op);
    struct lb_upload_info *info = lb_arena_zalloc(op->arena, sizeof(*info));
    fs_id_new(p->io, id);
    if (!err && (!info || lb_arena_copy(op->arena, lb_slice(id, FS_ID_HEX), &info->id) < 0))
        err = -ENOMEM;
    if (err) {
        fs_complete(p, op, err);
        return;
    }
    info->key = op->key;
    info->meta = op->meta;
    info->created_ns = lb_io_wall_ns(p->io);
    op->uploads = info;
    op->n = 1;
    fs_change(p, op, create_work);
}

/* ---- head ---- */

static int info_copy(struct lb_arena *arena, struct lb_slice id, const struct fs_attrs *a,
                     struct lb_upload_info *ret) {
    ret->created_ns = a->mtime_ns;
    if (lb_arena_copy(arena, id, &ret->id) < 0 || lb_arena_copy(arena, a->key, &ret->key) < 0 ||
        lb_arena_copy(arena, a->meta, &ret->meta) < 0)
        return -ENOMEM;
    return 0;
}

static int head_work(struct lb_engine_port *p, struct lb_engine_op *op) {
    char id[FS_ID_HEX + 1];
    struct fs_attrs a;
    struct lb_buf blob;
    id_copy(op->upload_id, id);
    lb_buf_init(&blob, FS_ATTRS_MAX);
    struct lb_upload_info *info = lb_arena_zalloc(op->arena, sizeof(*info));
    int rc = info ? fs_upload_load(fs_of(p), op->bucket, op->key, id, &blob, &a) : -ENOMEM;
    if (rc == 0)
        rc = info_copy(op->arena, op->upload_id, &a, info);
    if (rc == 0) {
        op->uploads = info;
        op->n = 1;
    }
    lb_buf_fini(&blob);
    return rc;
}

void fs_upload_head(struct lb_engine_port *p, struct lb_engine_op *op) {
    int err = upload_check(fs_of(p), op);
    if (err)
        fs_complete(p, op, err);
    else
        fs_work(p, op, head_work);
}

/* ---- parts ---- */

struct part_set {
    uint32_t after;
    bool there[LB_PARTS_MAX + 1];
};

static int part_seen(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct part_set *set = ctx;
    uint64_t n;
    if (len == 5 && lb_slice_to_u64(lb_slice(name, len), &n) == 0 && n > set->after &&
        n <= LB_PARTS_MAX)
        set->there[n] = true;
    return 0;
}

static int parts_find(struct fs_engine *fs, const struct lb_engine_op *op, const char *id,
                      struct part_set *set) {
    char path[FS_OWN_PATH_MAX];
    fs_own_path(fs, op->bucket, "uploads", id, NULL, path);
    int dir = fs->vfs->ops->open(fs->vfs, fs->root, path, O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0)
        return dir == -ENOENT ? LB_ERR_NO_SUCH_UPLOAD : dir;
    int rc = fs->vfs->ops->readdir(fs->vfs, dir, part_seen, set);
    fs->vfs->ops->close(fs->vfs, dir);
    return rc;
}

static int part_info(struct fs_engine *fs, struct lb_engine_op *op, const char *id, uint32_t part,
                     struct lb_buf *blob, struct lb_part_info *ret) {
    struct fs_attrs a;
    int fd;
    int rc = fs_part_open(fs, op->bucket, id, part, blob, &a, &fd);
    if (rc < 0)
        return rc;
    fs->vfs->ops->close(fs->vfs, fd);
    *ret = (struct lb_part_info){
        .number = part, .size = a.size, .mtime_ns = a.mtime_ns, .etag = a.etag};
    return lb_arena_copy(op->arena, a.meta, &ret->meta);
}

static int parts_fill(struct fs_engine *fs, struct lb_engine_op *op, const char *id,
                      const struct part_set *set, struct lb_buf *blob) {
    size_t total = 0, n = 0;
    for (uint32_t i = 1; i <= LB_PARTS_MAX; i++)
        total += set->there[i];
    size_t max = total < op->max ? total : op->max;
    struct lb_part_info *parts = lb_arena_zalloc(op->arena, (max + 1) * sizeof(*parts));
    if (!parts)
        return -ENOMEM;
    for (uint32_t i = 1; i <= LB_PARTS_MAX; i++) {
        if (!set->there[i])
            continue;
        if (n == max) {
            op->truncated = true;
            break;
        }
        int rc = part_info(fs, op, id, i, blob, &parts[n]);
        /* A torn part is as good as none. */
        if (rc == -ENOENT || rc == LB_ERR_CORRUPT)
            continue;
        if (rc < 0)
            return rc;
        n++;
    }
    op->ret_parts = parts;
    op->n = n;
    return 0;
}

static int parts_work(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct fs_engine *fs = fs_of(p);
    char id[FS_ID_HEX + 1];
    struct fs_attrs a;
    struct lb_buf blob;
    struct part_set *set = calloc(1, sizeof(*set));
    if (!set)
        return -ENOMEM;
    set->after = op->part;
    id_copy(op->upload_id, id);
    lb_buf_init(&blob, FS_ATTRS_MAX);
    int rc = fs_upload_load(fs, op->bucket, op->key, id, &blob, &a);
    if (rc == 0)
        rc = parts_find(fs, op, id, set);
    if (rc == 0)
        rc = parts_fill(fs, op, id, set, &blob);
    lb_buf_fini(&blob);
    free(set);
    return rc;
}

void fs_upload_parts(struct lb_engine_port *p, struct lb_engine_op *op) {
    int err = upload_check(fs_of(p), op);
    op->truncated = false;
    if (err)
        fs_complete(p, op, err);
    else
        fs_work(p, op, parts_work);
}

/* ---- going away ---- */

int fs_upload_hide(struct fs_engine *fs, struct lb_slice bucket, const char *id) {
    char from[FS_OWN_PATH_MAX], to[FS_OWN_PATH_MAX];
    fs_own_path(fs, bucket, "uploads", id, NULL, from);
    fs_own_path(fs, bucket, "tmp", id, NULL, to);
    int rc = fs_reserved_make(fs, bucket, "tmp");
    return rc ? rc : fs->vfs->ops->rename(fs->vfs, fs->root, from, fs->root, to, 0);
}

struct clearing {
    size_t n;
    char names[FS_CLEAR_STEP][8];
};

static int clear_seen(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct clearing *c = ctx;
    if (len >= sizeof(c->names[0]))
        return 0;
    memcpy(c->names[c->n], name, len);
    c->names[c->n++][len] = '\0';
    return c->n == FS_CLEAR_STEP;
}

int fs_upload_clear(struct fs_engine *fs, struct lb_slice bucket, const char *id) {
    struct lb_vfs *v = fs->vfs;
    struct clearing c = {0};
    char path[FS_OWN_PATH_MAX];
    fs_own_path(fs, bucket, "tmp", id, NULL, path);
    int dir = v->ops->open(v, fs->root, path, O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0)
        return dir;
    int rc = v->ops->readdir(v, dir, clear_seen, &c);
    for (size_t i = 0; i < c.n && rc >= 0; i++) {
        int gone = fs_unlink_with(fs, bucket, dir, c.names[i], false);
        if (gone < 0 && gone != -ENOENT)
            rc = gone;
    }
    v->ops->close(v, dir);
    if (rc != 0)
        return rc;
    /* A stranger's files are in it: no longer ours to take apart with care. */
    rc = v->ops->rmdir(v, fs->root, path);
    return rc == -ENOTEMPTY ? fs_tree_remove(fs, path) : rc;
}
