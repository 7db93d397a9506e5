/* Removing an object, and replacing its meta blob. */
#include "engine/fs/write_priv.h"

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

static int remove_work(struct lb_engine_port *p, struct lb_engine_op *op, struct fs_touched *t) {
    struct fs_engine *fs = fs_of(p);
    pthread_mutex_t *lock = fs_key_lock(fs, op->bucket, op->key);
    pthread_rwlock_rdlock(&fs->bucket_lock);
    pthread_mutex_lock(lock);
    int rc = decide(fs, op);
    if (rc > 0) {
        rc = remove_plain(fs, op, t);
        if (rc == 0)
            rc = fs_hidden_clear(fs, op->bucket, op->key, t);
    }
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
    if (rc < 0)
        return rc;
    struct fs_attrs a = {.size = found->st.size,
                         .mtime_ns = found->st.mtime_ns,
                         .etag = found->info.etag,
                         .meta = op->meta};
    if (found->hidden)
        a.key = op->key;
    rc = fs_attrs_store(fs, op->bucket, found->fd, &found->st, &a, !op->relaxed);
    if (rc == 0 && !op->relaxed && !fs->journaled)
        rc = fs_file_sync(fs, found->fd);
    if (rc == 0)
        op->info = (struct lb_object_info){
            .size = a.size, .mtime_ns = a.mtime_ns, .etag = a.etag, .meta = op->meta};
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
    int rc = fs_find(fs, op->bucket, op->key, &blob, &found);
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
