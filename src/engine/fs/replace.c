/* Changes of a key that keep its versions. Each prepares in versions/ what does not count yet, then
 * makes one change that makes it so (marked "here" below), then removes what does not count any
 * more. Without a journal, each of the three lasts before the next begins. README.md has the rules
 * of what counts. */
#include "engine/fs/versions_priv.h"

struct change {
    struct fs_engine *fs;
    struct lb_slice bucket, key;
    struct fs_touched *t;
    struct fs_key_state s;
    struct fs_version kept, marker; /* added to versions/ */
    struct lb_buf blob;
};

static int change_begin(struct change *c) {
    lb_buf_init(&c->blob, FS_ATTRS_MAX);
    return fs_state_enter(c->fs, c->bucket, c->key, &c->blob, &c->s);
}

/* What was prepared goes, if it can, unless the change was made all the same: then it counts. */
static void undo(struct change *c, const struct fs_version *v) {
    struct fs_key_state s = {0};
    if (v->order == 0 || fs_state_load(c->fs, c->bucket, c->key, &c->blob, &s) < 0)
        return;
    if (!fs_state_counts(&s, v))
        fs_version_drop(c->fs, c->bucket, c->key, v);
    fs_state_fini(c->fs, &s);
}

static void change_end(struct change *c, int rc) {
    fs_state_fini(c->fs, &c->s);
    if (rc < 0) {
        undo(c, &c->marker);
        undo(c, &c->kept);
    }
    if (c->s.any)
        fs_versions_prune(c->fs, c->bucket, c->key);
    lb_buf_fini(&c->blob);
}

static int touch_version(struct change *c, const struct fs_version *v) {
    char path[FS_PATH_MAX];
    fs_version_path(c->fs, c->bucket, c->key, v, path);
    return fs_touch(c->fs, c->bucket, c->t, path);
}

/* The null version that has lost its meaning. It no longer counts, whether it can be removed or
 * not; that it is gone lasts with the change, for the next one might make it count again. */
static void drop_null(struct change *c) {
    if (c->s.null.order == 0)
        return;
    if (fs_key_settle(c->fs, c->bucket, c->key) < 0 ||
        fs_version_drop(c->fs, c->bucket, c->key, &c->s.null) < 0 ||
        touch_version(c, &c->s.null) < 0)
        lb_warn("a replaced version could not be removed", LB_LOG_S("key", c->key));
}

/* ---- a new object ---- */

static int install_in(struct change *c, const struct fs_install *in, struct fs_attrs *a) {
    int rc = fs_state_precond(&c->s, in->precond);
    if (rc == 0 && c->s.current && !(a->version.null && fs_state_is_null(&c->s)))
        rc = fs_keep(c->fs, c->bucket, c->key, &c->s, &c->kept);
    if (rc == 0 && a->version.order <= c->s.last) {
        a->version.order = c->s.last + 1;
        rc = fs_record(c->fs, c->bucket, in->fd, a, in->sync, false);
    }
    if (rc == 0)
        rc = fs_place(c->fs, in, a, c->t); /* here */
    if (rc == 0 && a->version.null)
        drop_null(c);
    return rc;
}

int fs_install_version(struct fs_engine *fs, const struct fs_install *in, struct fs_touched *t,
                       struct lb_object_info *ret_info) {
    struct change c = {.fs = fs, .bucket = in->bucket, .key = in->key, .t = t};
    struct fs_attrs a = {.etag = in->etag, .meta = in->meta, .key = in->key};
    /* As a rule the time is later than all versions; if not, the attributes are written again. */
    a.version = fs_state_next(&c.s, in->wall_ns);
    a.version.null = in->versioning == LB_VERSIONING_SUSPENDED;
    int rc = fs_record(fs, in->bucket, in->fd, &a, in->sync, in->cached);
    if (rc < 0)
        return rc;
    pthread_mutex_t *lock = fs_key_lock(fs, in->bucket, in->key);
    pthread_rwlock_rdlock(&fs->bucket_lock);
    pthread_mutex_lock(lock);
    rc = fs_upload_check(fs, in);
    if (rc == 0) {
        rc = change_begin(&c);
        if (rc == 0)
            rc = install_in(&c, in, &a);
        change_end(&c, rc);
    }
    pthread_mutex_unlock(lock);
    pthread_rwlock_unlock(&fs->bucket_lock);
    if (rc == 0)
        fs_installed(&a, ret_info);
    return rc;
}

/* ---- a marker in the place of the object ---- */

static int remove_in(struct change *c, struct lb_engine_op *op) {
    struct fs_version *marker = &c->marker;
    bool null = op->versioning == LB_VERSIONING_SUSPENDED;
    int rc = fs_state_precond(&c->s, &op->precond);
    if (rc == 0 && c->s.current && !(null && fs_state_is_null(&c->s)))
        rc = fs_keep(c->fs, c->bucket, c->key, &c->s, &c->kept);
    if (rc < 0)
        return rc;
    *marker = fs_state_next(&c->s, op->run.wall_ns);
    marker->null = null;
    marker->marker = true;
    c->s.any = true;
    rc = fs_marker_make(c->fs, c->bucket, c->key, marker,
                        !fs_relaxed(c->fs, op)); /* here, without object */
    if (rc == 0)
        rc = touch_version(c, marker);
    if (rc == 0 && (c->s.current || c->s.null.order) && !c->fs->journaled) {
        char path[FS_PATH_MAX];
        fs_version_path(c->fs, c->bucket, c->key, marker, path);
        rc = fs_path_settle(c->fs, c->bucket, path);
    }
    if (rc == 0 && c->s.current)
        rc = fs_object_remove(c->fs, op, c->t); /* here */
    if (rc == 0 && null)
        drop_null(c);
    return rc;
}

int fs_remove_latest(struct fs_engine *fs, struct lb_engine_op *op, struct fs_touched *t) {
    struct change c = {.fs = fs, .bucket = op->bucket, .key = op->key, .t = t};
    struct fs_found f;
    int rc = change_begin(&c);
    if (rc == 0)
        rc = remove_in(&c, op);
    if (rc == 0)
        rc = fs_version_open(fs, op->bucket, op->key, &c.marker, NULL, &f);
    if (rc == 0)
        op->info = f.info;
    change_end(&c, rc);
    return rc;
}

/* ---- one version ---- */

/* Puts a version into the key's place, over the object that is there. It lasts there before
 * anything else of its old directory goes, be it the directory itself. */
static int promote(struct change *c, const struct fs_version *v) {
    char tmp[FS_PATH_MAX], path[FS_PATH_MAX];
    struct fs_attrs a = {.key = c->key};
    struct fs_install in = {.bucket = c->bucket, .key = c->key, .tmp = tmp, .last = true};
    fs_version_path(c->fs, c->bucket, c->key, v, tmp);
    int rc = touch_version(c, v);
    if (rc < 0)
        return rc;
    if (!c->s.current || !c->s.found.hidden) {
        rc = fs_place(c->fs, &in, &a, c->t);
    } else {
        fs_hidden_path(c->fs, c->bucket, c->key, path);
        rc = fs_rename_over(c->fs, c->bucket, tmp, c->fs->root, path);
        if (rc == 0)
            rc = fs_touch(c->fs, c->bucket, c->t, path);
    }
    return rc ? rc : fs_key_settle(c->fs, c->bucket, c->key);
}

static int remove_current(struct change *c, struct lb_engine_op *op) {
    int rc = fs_state_precond(&c->s, &op->precond);
    if (rc == 0 && c->s.damaged)
        rc = fs_damaged_info(&c->s.found);
    if (rc < 0)
        return rc;
    if (c->s.newest.order && !c->s.newest.marker)
        rc = promote(c, &c->s.newest); /* here */
    else
        rc = fs_object_remove(c->fs, op, c->t); /* here */
    if (rc == 0) {
        op->info = c->s.found.info;
        op->info.meta = (struct lb_slice){0};
    }
    return rc;
}

/* What the version in versions/ is, and whether the condition holds on it. */
static int examine(struct change *c, const struct lb_engine_op *op, struct lb_object_info *ret) {
    struct fs_found f = {.fd = -1};
    struct lb_buf blob;
    lb_buf_init(&blob, FS_ATTRS_MAX);
    int rc = fs_version_open(c->fs, c->bucket, c->key, &c->s.match, &blob, &f);
    if (rc == 0)
        rc = lb_precond_check(&op->precond, f.info.marker ? NULL : &f.info);
    else if (rc == LB_ERR_CORRUPT && !fs_precond_any(&op->precond))
        rc = fs_damaged_info(&f);
    if (f.fd >= 0)
        c->fs->vfs->ops->close(c->fs->vfs, f.fd);
    lb_buf_fini(&blob);
    *ret = f.info;
    ret->meta = (struct lb_slice){0};
    return rc;
}

static int remove_kept(struct change *c, struct lb_engine_op *op) {
    const struct fs_key_state *s = &c->s;
    struct lb_object_info info;
    int rc = examine(c, op, &info);
    bool latest = !s->current && s->match.marker && fs_version_cmp(&s->match, &s->newest) == 0;
    if (rc == 0 && latest && s->second.order && !s->second.marker)
        rc = promote(c, &s->second); /* here */
    if (rc == 0)
        rc = fs_version_drop(c->fs, c->bucket, c->key, &s->match); /* here, else */
    if (rc == 0)
        rc = touch_version(c, &s->match);
    if (rc == 0)
        op->info = info;
    return rc;
}

int fs_remove_version(struct fs_engine *fs, struct lb_engine_op *op, struct fs_touched *t) {
    struct change c = {.fs = fs, .bucket = op->bucket, .key = op->key, .t = t};
    bool known = fs_version_parse(op->version, &c.s.want);
    int rc = change_begin(&c);
    if (rc == 0 && known && fs_state_is_wanted(&c.s))
        rc = remove_current(&c, op);
    else if (rc == 0 && c.s.match.order)
        rc = remove_kept(&c, op);
    else if (rc == 0)
        rc = lb_precond_check(&op->precond, NULL);
    change_end(&c, rc);
    return rc;
}
