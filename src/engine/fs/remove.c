/* Removing an object, and replacing its meta blob. */
#include "engine/fs/versions_priv.h"

/* With the key's lock held: does what is there count as an object, and does the condition hold?
 * Returns 1 when something is there to remove, 0 when not. An object whose attributes are damaged
 * can be removed, but satisfies no condition. */
static int decide(struct fs_engine *fs, const struct lb_engine_op *op) {
    struct fs_found found;
    struct lb_buf blob;
    lb_buf_init(&blob, FS_ATTRS_MAX);
    int rc = fs_find(fs, op->bucket, op->key, &blob, &found);
    if (rc == 0) {
        rc = lb_precond_check(&op->precond, &found.info);
        fs->vfs->ops->close(fs->vfs, found.fd);
        rc = rc ? rc : 1;
    } else if (rc == LB_ERR_NO_SUCH_KEY) {
        rc = lb_precond_check(&op->precond, NULL);
    } else if (rc == LB_ERR_CORRUPT && !fs_precond_any(&op->precond)) {
        rc = 1;
    }
    lb_buf_fini(&blob);
    return rc;
}

static int remove_plain(struct fs_engine *fs, const struct lb_engine_op *op, struct fs_touched *t) {
    char path[FS_PATH_MAX];
    if (!fs_key_is_plain(op->key))
        return 0;
    fs_plain_path(fs, op->bucket, op->key, path);
    int rc = fs_unlink_form(fs, op->bucket, path);
    if (rc <= 0)
        return rc;
    rc = fs_touch(fs, op->bucket, t, path);
    fs_dir_prune(fs, op->bucket, path);
    return rc;
}

int fs_object_remove(struct fs_engine *fs, const struct lb_engine_op *op, struct fs_touched *t) {
    /* In this order a hidden object that the plain one covers does not come to light between. */
    int rc = fs_hidden_clear(fs, op->bucket, op->key, t);
    return rc ? rc : remove_plain(fs, op, t);
}

static int remove_locked(struct fs_engine *fs, struct lb_engine_op *op, struct fs_touched *t) {
    op->info = (struct lb_object_info){0};
    if (op->version.len)
        return fs_remove_version(fs, op, t);
    if (op->versioning != LB_VERSIONING_OFF)
        return fs_remove_latest(fs, op, t);
    int rc = decide(fs, op);
    return rc > 0 ? fs_object_remove(fs, op, t) : rc;
}

static int remove_work(struct lb_engine_port *p, struct lb_engine_op *op, struct fs_touched *t) {
    struct fs_engine *fs = fs_of(p);
    pthread_mutex_t *lock = fs_key_lock(fs, op->bucket, op->key);
    pthread_rwlock_rdlock(&fs->bucket_lock);
    pthread_mutex_lock(lock);
    int rc = remove_locked(fs, op, t);
    pthread_mutex_unlock(lock);
    pthread_rwlock_unlock(&fs->bucket_lock);
    return fs_storage_err(rc);
}

void fs_remove(struct lb_engine_port *p, struct lb_engine_op *op) {
    int err = fs_names_check(fs_of(p), op);
    if (err)
        fs_complete(p, op, err);
    else
        fs_change(p, op, remove_work);
}

/* One setxattr replaces the attributes, or one rename of a sidecar: atomic either way. A file of
 * another program gets attributes of its own, with the ETag that it has shown so far. */
static int set_meta_found(struct fs_engine *fs, struct lb_engine_op *op,
                          const struct fs_found *found) {
    int rc = lb_precond_check(&op->precond, &found->info);
    if (rc == 0 && op->if_same && !lb_slice_eq(found->info.meta, op->was))
        rc = LB_ERR_PRECONDITION_FAILED;
    if (rc < 0)
        return rc;
    struct fs_attrs a = {.size = found->st.size,
                         .mtime_ns = found->st.mtime_ns,
                         .etag = found->info.etag,
                         .meta = op->meta,
                         .version = found->version};
    if (found->version.order)
        a.shown_mtime_ns = found->attrs.shown_mtime_ns;
    if (found->hidden || found->version.order)
        a.key = op->key;
    rc = fs_attrs_store(fs, op->bucket, found->fd, &found->st, &a, !fs_relaxed(fs, op));
    if (rc == 0 && !fs->journaled)
        rc = fs_file_sync(fs, found->fd);
    if (rc == 0) {
        op->info = found->info;
        op->info.meta = op->meta;
    }
    return rc;
}

static int set_meta_find(struct fs_engine *fs, struct lb_engine_op *op, struct lb_buf *blob,
                         struct fs_found *ret) {
    struct fs_key_state s = {0};
    if (op->version.len && !fs_version_parse(op->version, &s.want))
        return LB_ERR_NO_SUCH_VERSION;
    if (op->version.len == 0 && !fs_versions_maybe(fs, op->bucket, op->key))
        return fs_find(fs, op->bucket, op->key, blob, ret);
    int rc = fs_state_load(fs, op->bucket, op->key, blob, &s);
    if (rc == 0) {
        rc = fs_state_find(fs, op, &s, blob, ret);
        fs_state_fini(fs, &s);
    }
    return rc;
}

static int set_meta_work(struct lb_engine_port *p, struct lb_engine_op *op, struct fs_touched *t) {
    struct fs_engine *fs = fs_of(p);
    struct fs_found found;
    struct lb_buf blob;
    pthread_mutex_t *lock = fs_key_lock(fs, op->bucket, op->key);
    lb_buf_init(&blob, FS_ATTRS_MAX);
    pthread_rwlock_rdlock(&fs->bucket_lock);
    pthread_mutex_lock(lock);
    int rc = set_meta_find(fs, op, &blob, &found);
    if (rc == 0) {
        rc = set_meta_found(fs, op, &found);
        t->any = rc == 0;
        fs->vfs->ops->close(fs->vfs, found.fd);
    }
    pthread_mutex_unlock(lock);
    pthread_rwlock_unlock(&fs->bucket_lock);
    lb_buf_fini(&blob);
    return fs_storage_err(rc);
}

void fs_set_meta(struct lb_engine_port *p, struct lb_engine_op *op) {
    int err = fs_names_check(fs_of(p), op);
    if (err)
        fs_complete(p, op, err);
    else
        fs_change(p, op, set_meta_work);
}
