/* A writer: bytes into a temporary of its own, then an object or a part.
 *
 * Few work items, for each costs a hand-over: create touches no disk when the bucket is known; the
 * first write opens the file, reserves its room and writes, in one item; commit is one item. So a
 * small object takes two, and its bytes are hashed on the loop during the first. Writes of a large
 * one run in parallel, each at its own offset.
 *
 * With fs->journaled a durable write goes past the page cache (see durable.c). Of several, each
 * must lie inside the file's size and in reserved blocks to run beside the others, so the file gets
 * its size first. Tried and left: handing back a small object's buffer at once and doing everything
 * in the commit's item: the copy costs more than the hand-over it saves. */
#include <assert.h>

#include "engine/fs/write_priv.h"

#define RESERVE_MIN (256u << 10)

static uint64_t round_up(uint64_t n) {
    return (n + FS_DIRECT_ALIGN - 1) / FS_DIRECT_ALIGN * FS_DIRECT_ALIGN;
}

void fs_id_new(struct lb_io *io, char ret[FS_ID_HEX + 1]) {
    uint8_t bytes[FS_ID_HEX / 2];
    lb_io_random(io, bytes, sizeof(bytes));
    lb_hex_encode(bytes, sizeof(bytes), ret);
}

void fs_own_path(const struct fs_engine *fs, struct lb_slice bucket, const char *dir,
                 const char *id, const char *name, char ret[FS_OWN_PATH_MAX]) {
    int n = snprintf(ret, FS_OWN_PATH_MAX, "%.*s%s" FS_RESERVED "/%s/%s%s%s",
                     fs->conf.single_bucket ? 0 : (int)bucket.len, bucket.ptr,
                     fs->conf.single_bucket ? "" : "/", dir, id, name ? "/" : "", name ? name : "");
    assert(n > 0 && n < FS_OWN_PATH_MAX);
}

int fs_names_check(struct fs_engine *fs, const struct lb_engine_op *op) {
    if (op->key.len > LB_KEY_MAX)
        return LB_ERR_KEY_TOO_LONG;
    if (op->key.len == 0)
        return LB_ERR_INVALID_ARGUMENT;
    return fs_bucket_name_ok(fs, op->bucket) ? 0 : LB_ERR_NO_SUCH_BUCKET;
}

/* ---- create ---- */

static void copy_slice(char **at, struct lb_slice from, struct lb_slice *ret) {
    *ret = lb_slice(*at, from.len);
    if (from.len)
        memcpy(*at, from.ptr, from.len);
    *at += from.len + 1;
}

static struct fs_writer *writer_new(struct lb_engine_port *p, const struct lb_engine_op *op) {
    size_t names = op->bucket.len + op->key.len + op->upload_id.len + 3;
    struct fs_writer *w = malloc(sizeof(*w) + names);
    if (!w)
        return NULL;
    memset(w, 0, offsetof(struct fs_writer, tmp));
    char *at = (char *)(w + 1);
    memset(at, 0, names);
    copy_slice(&at, op->bucket, &w->bucket);
    copy_slice(&at, op->key, &w->key);
    copy_slice(&at, op->upload_id, &w->upload_id);
    w->w.port = p;
    w->fs = fs_of(p);
    w->part = op->part;
    w->epoch = atomic_load(&w->fs->bucket_epoch);
    w->size_hint = op->size_hint;
    w->relaxed = fs_relaxed(w->fs, op);
    w->fd = -1;
    pthread_mutex_init(&w->lock, NULL);
    char id[FS_ID_HEX + 1];
    fs_id_new(p->io, id);
    fs_own_path(w->fs, w->bucket, "tmp", id, NULL, w->tmp);
    return w;
}

static void writer_free(struct fs_writer *w) {
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* Worker: for a bucket that is not known yet, and for parts. */
static int create_check(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct fs_writer *w = fs_writer_of(op->writer);
    int rc = fs_bucket_check(w->fs, w->bucket);
    if (rc == 0 && w->upload_id.len) {
        struct lb_buf blob;
        struct fs_attrs a;
        lb_buf_init(&blob, FS_ATTRS_MAX);
        rc = fs_upload_load(w->fs, w->bucket, w->key, w->upload_id.ptr, &blob, &a);
        lb_buf_fini(&blob);
    }
    return rc;
}

static int create_checked(struct lb_engine_port *p, struct lb_engine_op *op, int err) {
    if (err) {
        writer_free(fs_writer_of(op->writer));
        op->writer = NULL;
    }
    return err;
}

void fs_create(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct fs_engine *fs = fs_of(p);
    struct fs_writer *w = NULL;
    int err = fs_read_only(fs) ? LB_ERR_READ_ONLY : fs_names_check(fs, op);
    if (err == 0 && op->upload_id.len &&
        (!fs_upload_id_ok(op->upload_id) || op->part == 0 || op->part > LB_PARTS_MAX))
        err = LB_ERR_NO_SUCH_UPLOAD;
    if (err == 0 && !(w = writer_new(p, op)))
        err = -ENOMEM;
    if (err) {
        fs_complete(p, op, err);
        return;
    }
    op->writer = &w->w;
    if (op->upload_id.len == 0 && fs_bucket_known(p, op->bucket))
        fs_complete(p, op, 0);
    else
        fs_work_then(p, op, create_check, create_checked);
}

/* ---- write ---- */

int fs_tmp_open(struct fs_engine *fs, struct lb_slice bucket, const char *tmp, unsigned flags) {
    struct lb_vfs *v = fs->vfs;
    int fd = v->ops->open(v, fs->root, tmp, flags | O_CREAT | O_EXCL, 0666);
    if (fd != -ENOENT)
        return fd;
    pthread_rwlock_rdlock(&fs->bucket_lock);
    int rc = fs_reserved_make(fs, bucket, "tmp");
    pthread_rwlock_unlock(&fs->bucket_lock);
    if (rc < 0)
        return rc;
    fd = v->ops->open(v, fs->root, tmp, flags | O_CREAT | O_EXCL, 0666);
    return fd == -ENOENT ? LB_ERR_NO_SUCH_BUCKET : fd;
}

/* Reserves the room that was announced: so the blocks of pieces that arrive out of order lie in
 * order, and a full disk is found out at the start. One buffer through the page cache gains nothing
 * by it. */
static int reserve(struct fs_writer *w) {
    struct lb_vfs *v = w->fs->vfs;
    if (w->size_hint == LB_SIZE_UNKNOWN || w->size_hint == 0)
        return 0;
    if (!w->direct && w->size_hint < RESERVE_MIN)
        return 0;
    uint64_t size = w->direct ? round_up(w->size_hint) : w->size_hint;
    int rc = 0;
    if (w->direct) {
        rc = v->ops->truncate(v, w->fd, size);
        w->preset = size;
    }
    if (rc == 0)
        rc = v->ops->allocate(v, w->fd, 0, size);
    return rc == -EOPNOTSUPP ? 0 : rc;
}

/* Opens the temporary, with w->lock held. first: bytes of the write that does it. */
static int open_file(struct fs_writer *w, bool direct, size_t first) {
    unsigned flags = O_RDWR;
    int fd = -EINVAL;
    if (direct)
        fd = fs_tmp_open(w->fs, w->bucket, w->tmp, flags | O_DIRECT);
    if (fd == -EINVAL) {
        direct = false;
        fd = fs_tmp_open(w->fs, w->bucket, w->tmp, flags);
        /* A filesystem may refuse O_DIRECT only after the file has been made. */
        if (fd == -EEXIST)
            fd = w->fs->vfs->ops->open(w->fs->vfs, w->fs->root, w->tmp, flags, 0);
    }
    if (fd < 0)
        return fd;
    w->fd = fd;
    w->direct = direct;
    /* The bucket may have been deleted, and another made, before anything of this was on disk. From
     * here on the temporary would be gone with it. */
    if (!fs_bucket_same(w->fs, w->bucket, w->epoch))
        return LB_ERR_NO_SUCH_BUCKET;
    /* One write of it all has nobody to run beside. */
    return first == w->size_hint ? 0 : reserve(w);
}

static int ensure_open(struct fs_writer *w, bool direct, size_t first) {
    pthread_mutex_lock(&w->lock);
    int rc = w->fd < 0 ? open_file(w, direct, first) : 0;
    pthread_mutex_unlock(&w->lock);
    return rc;
}

int fs_write_all(struct lb_vfs *v, int fd, const char *ptr, size_t len, uint64_t off) {
    while (len > 0) {
        int64_t n = v->ops->pwrite(v, fd, ptr, len, off);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        ptr += n;
        len -= (size_t)n;
        off += (uint64_t)n;
    }
    return 0;
}

/* Worker. op->state is the writer; op->piece says what goes where. */
static int write_work(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct fs_writer *w = op->state;
    struct lb_pool_buf *buf = op->piece.buf;
    int rc = ensure_open(w, !w->relaxed && w->fs->journaled, buf->len);
    if (rc < 0)
        return fs_storage_err(rc);
    size_t len = buf->len;
    if (w->direct) {
        /* The buffer is whole blocks long; commit cuts the file to its size. */
        len = round_up(len);
        assert(len <= buf->cap);
        if (len > buf->len) {
            memset(buf->ptr + buf->len, 0, len - buf->len);
            w->padded = true;
        }
    } else {
        w->cached = true;
    }
    return fs_storage_err(fs_write_all(w->fs->vfs, w->fd, buf->ptr, len, op->piece.off));
}

void fs_write(struct lb_writer *lw, struct lb_engine_op *op, struct lb_pool_buf *buf) {
    struct fs_writer *w = fs_writer_of(lw);
    op->state = w;
    op->piece = (struct lb_piece){.fd = -1, .off = lw->size, .len = buf->len, .buf = buf};
    lw->size += buf->len;
    fs_count_write(lw->port, buf->len);
    fs_work(lw->port, op, write_work);
}

/* ---- append ---- */

#define APPEND_STEP (32u << 20) /* bytes a work item copies before others get their turn */

static int append_open(struct fs_writer *w) {
    struct lb_vfs *v = w->fs->vfs;
    int rc = ensure_open(w, false, 0);
    if (rc < 0 || !w->direct)
        return rc;
    /* Bytes of any length may come now: on through the page cache. */
    int fd = v->ops->open(v, w->fs->root, w->tmp, O_RDWR, 0);
    if (fd < 0)
        return fd;
    v->ops->close(v, w->fd);
    w->fd = fd;
    w->direct = false;
    return 0;
}

static int64_t append_work(struct lb_io_op *io) {
    struct lb_engine_op *op = LB_CONTAINER_OF(io, struct lb_engine_op, run.io);
    struct fs_writer *w = op->state;
    struct lb_vfs *v = w->fs->vfs;
    uint64_t n = op->piece.len < APPEND_STEP ? op->piece.len : APPEND_STEP;
    int rc = append_open(w);
    w->cached = true;
    if (rc == 0 && n > 0)
        rc = v->ops->clone(v, op->piece.fd, op->piece.off, w->fd, w->w.size, n);
    return rc < 0 ? fs_storage_err(rc) : (int64_t)n;
}

static void append_worked(struct lb_io_op *io, int64_t res) {
    struct lb_engine_op *op = LB_CONTAINER_OF(io, struct lb_engine_op, run.io);
    struct fs_writer *w = op->state;
    if (res < 0) {
        op->done(op, res == -EOPNOTSUPP ? LB_ERR_NOT_IMPLEMENTED : (int)res);
        return;
    }
    w->w.size += (uint64_t)res;
    fs_count_write(w->w.port, (uint64_t)res);
    op->piece.off += (uint64_t)res;
    op->piece.len -= (size_t)res;
    if (op->piece.len > 0)
        lb_io_work(op->run.port->io, io, append_work);
    else
        op->done(op, 0);
}

void fs_append(struct lb_writer *lw, struct lb_engine_op *op, struct lb_reader *from, uint64_t off,
               uint64_t len) {
    op->state = fs_writer_of(lw);
    op->piece = (struct lb_piece){.fd = fs_reader_fd(from), .off = off, .len = len};
    op->run.port = lw->port;
    op->run.io.done = append_worked;
    lb_io_work(lw->port->io, &op->run.io, append_work);
}

/* ---- commit and abort ---- */

void fs_tmp_discard(struct fs_engine *fs, struct lb_slice bucket, const char *tmp, int fd) {
    struct lb_vfs *v = fs->vfs;
    struct lb_vfs_stat st;
    bool known = v->ops->fstat(v, fd, &st) == 0;
    if (v->ops->unlink(v, fs->root, tmp) == 0 && known)
        fs_attrs_drop(fs, bucket, st.ino);
}

static void discard(struct fs_writer *w) {
    if (w->fd >= 0)
        fs_tmp_discard(w->fs, w->bucket, w->tmp, w->fd);
}

void fs_part_name(uint32_t part, char ret[8]) {
    snprintf(ret, 8, "%05u", (unsigned)part % 100000u);
}

static void close_file(struct fs_writer *w) {
    if (w->fd >= 0)
        w->fs->vfs->ops->close(w->fs->vfs, w->fd);
    w->fd = -1;
}

static int install_object(struct fs_writer *w) {
    struct fs_install in = {.bucket = w->bucket,
                            .key = w->key,
                            .tmp = w->tmp,
                            .fd = w->fd,
                            .etag = w->op->etag,
                            .meta = w->op->meta,
                            .precond = &w->op->precond,
                            .versioning = w->op->versioning,
                            .wall_ns = w->op->run.wall_ns,
                            .sync = !w->relaxed,
                            .cached = w->cached};
    return fs_install(w->fs, &in, &w->wait.touched, &w->info);
}

static int install_part(struct fs_writer *w) {
    struct fs_attrs a = {.etag = w->op->etag, .meta = w->op->meta};
    char name[8], path[FS_OWN_PATH_MAX];
    fs_part_name(w->part, name);
    fs_own_path(w->fs, w->bucket, "uploads", w->upload_id.ptr, name, path);
    int rc = fs_record(w->fs, w->bucket, w->fd, &a, !w->relaxed, w->cached);
    if (rc < 0)
        return rc;
    pthread_rwlock_rdlock(&w->fs->bucket_lock);
    rc = fs_rename_over(w->fs, w->bucket, w->tmp, w->fs->root, path);
    if (rc == 0)
        rc = fs_touch(w->fs, w->bucket, &w->wait.touched, path);
    pthread_rwlock_unlock(&w->fs->bucket_lock);
    w->info = (struct lb_object_info){.size = a.size, .mtime_ns = a.mtime_ns, .etag = a.etag};
    return rc == -ENOENT ? LB_ERR_NO_SUCH_UPLOAD : rc;
}

static int64_t commit_work(struct lb_io_op *io) {
    struct fs_writer *w = LB_CONTAINER_OF(io, struct fs_writer, io);
    struct lb_vfs *v = w->fs->vfs;
    int rc = fs_read_only(w->fs) ? LB_ERR_READ_ONLY : ensure_open(w, false, 0);
    if (rc == 0 && (w->padded || w->preset > w->w.size))
        rc = v->ops->truncate(v, w->fd, w->w.size);
    if (rc == 0)
        rc = w->part ? install_part(w) : install_object(w);
    if (rc < 0)
        discard(w);
    close_file(w);
    return fs_storage_err(rc);
}

static void commit_durable(struct fs_waiter *wait, int err) {
    struct fs_writer *w = LB_CONTAINER_OF(wait, struct fs_writer, wait);
    struct lb_engine_op *op = w->op;
    if (err == 0)
        op->info = w->info;
    writer_free(w);
    op->done(op, err);
}

static void commit_worked(struct lb_io_op *io, int64_t res) {
    struct fs_writer *w = LB_CONTAINER_OF(io, struct fs_writer, io);
    if (res == 0 && !w->relaxed)
        fs_durable_wait(w->fs, w->w.port->io, &w->wait);
    else
        fs_durable_skip(&w->wait, (int)res);
}

void fs_commit(struct lb_writer *lw, struct lb_engine_op *op) {
    struct fs_writer *w = fs_writer_of(lw);
    w->op = op;
    op->run.wall_ns = lb_io_wall_ns(lw->port->io);
    w->wait.done = commit_durable;
    w->wait.bucket = w->bucket;
    w->io.done = commit_worked;
    lb_io_work(lw->port->io, &w->io, commit_work);
}

static int64_t abort_work(struct lb_io_op *io) {
    struct fs_writer *w = LB_CONTAINER_OF(io, struct fs_writer, io);
    discard(w);
    close_file(w);
    return 0;
}

static void abort_worked(struct lb_io_op *io, int64_t res) {
    struct fs_writer *w = LB_CONTAINER_OF(io, struct fs_writer, io);
    LB_CONTAINER_OF(w->w.port, struct fs_port, port)->background--;
    writer_free(w);
}

void fs_abort(struct lb_writer *lw) {
    struct fs_writer *w = fs_writer_of(lw);
    if (w->fd < 0) {
        writer_free(w);
        return;
    }
    LB_CONTAINER_OF(lw->port, struct fs_port, port)->background++;
    w->io.done = abort_worked;
    lb_io_work(lw->port->io, &w->io, abort_work);
}
