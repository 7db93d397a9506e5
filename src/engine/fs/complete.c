/* The end of an upload: completed or aborted.
 *
 * Completing clones the parts, in order, into a fresh temporary (shared blocks where the filesystem
 * can, copied inside the kernel elsewhere) and installs it like any other object. The parts stay
 * untouched until that object is in place and durable: whatever happens before, the client can
 * complete again. The work goes in steps, each one work item, so that a large upload does not keep
 * a worker from others. */
#include "engine/fs/write_priv.h"

#define STEP_BYTES (32u << 20)
#define STEP_PARTS 64

struct ending {
    struct lb_io_op io;
    struct fs_waiter wait;
    struct fs_engine *fs;
    struct lb_engine_port *port;
    struct lb_engine_op *op;
    int (*step)(struct ending *e); /* 1: again, or the next step; 0: the end; negative: failed */
    size_t next;                   /* part in op->parts */
    int part_fd;                   /* of it, -1: not open */
    uint64_t part_at, part_size;
    int fd; /* of the temporary, -1: none */
    uint64_t size;
    struct lb_object_info info;
    struct lb_buf blob;
    char id[FS_ID_HEX + 1];
    char tmp[FS_OWN_PATH_MAX];
};

static int copy_step(struct ending *e);
static int install_step(struct ending *e);
static int hide_step(struct ending *e);
static int clear_step(struct ending *e);

/* Opens part number `next` when it is the one the client means. */
static int part_open(struct ending *e) {
    const struct lb_part_info *want = &e->op->parts[e->next];
    struct fs_attrs a;
    if (want->number == 0 || want->number > LB_PARTS_MAX)
        return LB_ERR_INVALID_PART;
    if (e->next > 0 && want->number <= want[-1].number)
        return LB_ERR_INVALID_PART_ORDER;
    int rc = fs_part_open(e->fs, e->op->bucket, e->id, want->number, &e->blob, &a, &e->part_fd);
    if (rc == -ENOENT || rc == LB_ERR_CORRUPT)
        return LB_ERR_INVALID_PART;
    if (rc < 0)
        return rc;
    e->part_at = 0;
    e->part_size = a.size;
    return lb_slice_eq(lb_etag_slice(&a.etag), lb_etag_slice(&want->etag)) ? 0
                                                                           : LB_ERR_INVALID_PART;
}

static void part_close(struct ending *e) {
    if (e->part_fd >= 0)
        e->fs->vfs->ops->close(e->fs->vfs, e->part_fd);
    e->part_fd = -1;
}

/* All parts are looked at before any is copied. */
static int check_step(struct ending *e) {
    struct fs_attrs a;
    int rc = 0;
    if (e->next == 0)
        rc = fs_upload_load(e->fs, e->op->bucket, e->op->key, e->id, &e->blob, &a);
    if (rc == 0 && e->op->parts_n == 0)
        rc = LB_ERR_INVALID_PART;
    for (int i = 0; i < STEP_PARTS && rc == 0 && e->next < e->op->parts_n; i++, e->next++) {
        rc = part_open(e);
        part_close(e);
    }
    if (rc < 0 || e->next < e->op->parts_n)
        return rc < 0 ? rc : 1;
    e->next = 0;
    e->step = copy_step;
    return 1;
}

/* At most max bytes of the part that is open. Returns how many, or an error. */
static int64_t copy_some(struct ending *e, uint64_t max) {
    struct lb_vfs *v = e->fs->vfs;
    uint64_t n = e->part_size - e->part_at;
    n = n < max ? n : max;
    int rc = n ? v->ops->clone(v, e->part_fd, e->part_at, e->fd, e->size, n) : 0;
    if (rc == -EOPNOTSUPP)
        rc = fs_copy_range(v, e->part_fd, e->part_at, e->fd, e->size, n);
    if (rc == LB_ERR_OBJECT_CHANGED)
        rc = LB_ERR_INVALID_PART;
    if (rc < 0)
        return rc;
    e->part_at += n;
    e->size += n;
    if (e->part_at == e->part_size) {
        part_close(e);
        e->next++;
    }
    return (int64_t)n;
}

static int copy_step(struct ending *e) {
    uint64_t left = STEP_BYTES;
    if (e->fd < 0) {
        int fd = fs_tmp_open(e->fs, e->op->bucket, e->tmp, O_RDWR);
        if (fd < 0)
            return fd;
        e->fd = fd;
    }
    for (int i = 0; i < STEP_PARTS && left > 0 && e->next < e->op->parts_n; i++) {
        int rc = e->part_fd < 0 ? part_open(e) : 0;
        int64_t n = rc < 0 ? rc : copy_some(e, left);
        if (n < 0)
            return (int)n;
        left -= (uint64_t)n;
    }
    if (e->next == e->op->parts_n)
        e->step = install_step;
    return 1;
}

static int install_step(struct ending *e) {
    struct lb_engine_op *op = e->op;
    struct fs_install in = {.bucket = op->bucket,
                            .key = op->key,
                            .tmp = e->tmp,
                            .fd = e->fd,
                            .etag = op->etag,
                            .meta = op->meta,
                            .precond = &op->precond,
                            .upload_id = e->id,
                            .versioning = op->versioning,
                            .wall_ns = op->run.wall_ns,
                            .sync = !fs_relaxed(e->fs, op),
                            .cached = true};
    return fs_install(e->fs, &in, &e->wait.touched, &e->info);
}

/* Worker: the temporary and the part, whether all went well or not. */
static void release(struct ending *e) {
    part_close(e);
    lb_buf_fini(&e->blob);
    if (e->fd < 0)
        return;
    fs_tmp_discard(e->fs, e->op->bucket, e->tmp, e->fd);
    e->fs->vfs->ops->close(e->fs->vfs, e->fd);
    e->fd = -1;
}

/* ---- taking the upload away ---- */

/* Abort: with the key's lock, so that a Complete either sees the upload gone or has won. */
static int abort_step(struct ending *e) {
    struct fs_attrs a;
    char path[FS_OWN_PATH_MAX];
    pthread_mutex_t *lock = fs_key_lock(e->fs, e->op->bucket, e->op->key);
    pthread_rwlock_rdlock(&e->fs->bucket_lock);
    pthread_mutex_lock(lock);
    int rc = fs_upload_load(e->fs, e->op->bucket, e->op->key, e->id, &e->blob, &a);
    /* A record that can't be read must not keep its upload here for ever. */
    if (rc == 0 || rc == LB_ERR_CORRUPT)
        rc = fs_upload_hide(e->fs, e->op->bucket, e->id);
    pthread_mutex_unlock(lock);
    pthread_rwlock_unlock(&e->fs->bucket_lock);
    if (rc < 0)
        return rc == -ENOENT ? LB_ERR_NO_SUCH_UPLOAD : rc;
    fs_own_path(e->fs, e->op->bucket, "uploads", e->id, NULL, path);
    return fs_touch(e->fs, e->op->bucket, &e->wait.touched, path);
}

static int hide_step(struct ending *e) {
    pthread_rwlock_rdlock(&e->fs->bucket_lock);
    int rc = fs_upload_hide(e->fs, e->op->bucket, e->id);
    pthread_rwlock_unlock(&e->fs->bucket_lock);
    e->step = clear_step;
    return rc < 0 ? rc : 1;
}

static int clear_step(struct ending *e) {
    return fs_upload_clear(e->fs, e->op->bucket, e->id);
}

/* ---- the way through the steps ---- */

static int64_t ending_work(struct lb_io_op *io) {
    struct ending *e = LB_CONTAINER_OF(io, struct ending, io);
    int rc = e->step(e);
    if (rc <= 0)
        release(e);
    return fs_storage_err(rc);
}

static void cleared(struct lb_io_op *io, int64_t res) {
    struct ending *e = LB_CONTAINER_OF(io, struct ending, io);
    struct lb_engine_op *op = e->op;
    if (res > 0) {
        lb_io_work(e->port->io, io, ending_work);
        return;
    }
    /* The operation has succeeded; what is left in tmp is swept at the next start. */
    if (res < 0 && res != -ENOENT)
        lb_warn("an upload's parts could not be removed",
                LB_LOG_C("reason", lb_err_name((int)res)));
    free(e);
    op->done(op, 0);
}

static void ending_durable(struct fs_waiter *w, int err) {
    struct ending *e = LB_CONTAINER_OF(w, struct ending, wait);
    struct lb_engine_op *op = e->op;
    if (err) {
        free(e);
        op->done(op, fs_storage_err(err));
        return;
    }
    if (e->step == install_step) {
        op->info = e->info;
        e->step = hide_step;
    } else {
        e->step = clear_step;
    }
    e->io.done = cleared;
    lb_io_work(e->port->io, &e->io, ending_work);
}

static void ending_worked(struct lb_io_op *io, int64_t res) {
    struct ending *e = LB_CONTAINER_OF(io, struct ending, io);
    if (res > 0)
        lb_io_work(e->port->io, io, ending_work);
    else if (res == 0 && !fs_relaxed(e->fs, e->op))
        fs_durable_wait(e->fs, e->port->io, &e->wait);
    else
        fs_durable_skip(&e->wait, (int)res);
}

static void ending_start(struct lb_engine_port *p, struct lb_engine_op *op,
                         int (*step)(struct ending *e)) {
    struct fs_engine *fs = fs_of(p);
    struct ending *e = NULL;
    int err = fs_read_only(fs) ? LB_ERR_READ_ONLY : fs_names_check(fs, op);
    if (!err && !fs_upload_id_ok(op->upload_id))
        err = LB_ERR_NO_SUCH_UPLOAD;
    if (!err && !(e = calloc(1, sizeof(*e))))
        err = -ENOMEM;
    if (err) {
        fs_complete(p, op, err);
        return;
    }
    e->fs = fs;
    e->port = p;
    e->op = op;
    e->step = step;
    op->run.wall_ns = lb_io_wall_ns(p->io);
    e->fd = e->part_fd = -1;
    lb_buf_init(&e->blob, FS_ATTRS_MAX);
    memcpy(e->id, op->upload_id.ptr, FS_ID_HEX);
    char tmp[FS_ID_HEX + 1];
    fs_id_new(p->io, tmp);
    fs_own_path(fs, op->bucket, "tmp", tmp, NULL, e->tmp);
    e->wait.bucket = op->bucket;
    e->wait.done = ending_durable;
    e->io.done = ending_worked;
    lb_io_work(p->io, &e->io, ending_work);
}

void fs_upload_complete(struct lb_engine_port *p, struct lb_engine_op *op) {
    ending_start(p, op, check_step);
}

void fs_upload_abort(struct lb_engine_port *p, struct lb_engine_op *op) {
    ending_start(p, op, abort_step);
}
