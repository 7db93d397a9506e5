/* Group commit: many changes, one flush.
 *
 * Where an fsync of a directory commits every metadata operation before it (fs->journaled), a
 * change is made of bytes written past the page cache (O_DIRECT) or synced with their file, then
 * metadata: blocks, size, attributes, rename, unlink. What makes it durable is that
 *   1. the bytes have left for the device before the rename is made, and a journal commit flushes
 *      the device's cache before its commit record, so no committed rename can name lost bytes;
 *   2. the journal commits in order: ext4 has one running transaction at a time, xfs forces its log
 *      up to a sequence number. All that was done before is in it, whatever file it concerned;
 *   3. fsync of a directory waits for the transaction that changed *that* directory last. So each
 *      flush first changes a directory of our own (one rename in ROOT/.lobos): its transaction is
 *      the newest there is, and one fsync covers every bucket.
 * Elsewhere nothing is assumed: the file is synced before its rename, and the flush syncs each
 * directory on the way from the changed entry up to the bucket, once for all waiters of a batch.
 *
 * One flush is in flight at a time. A waiter that comes meanwhile is taken by the next one, which
 * begins after its change; so the batch forms itself. A flush is led by one of those who wait: it
 * runs as that waiter's work item, and at its end the next leader is told by message. Thus nothing
 * outlives the operations of the loop that it runs for.
 *
 * After a failed fsync the kernel may have dropped the dirty pages and say "fine" next time. So
 * there is no retry: all who wait fail, and the engine takes no more writes until a restart. What
 * goes wrong before an fsync (no room for the mark, no descriptor) fails those who wait, no more.
 */
#include "engine/fs/write_priv.h"

#define MARK_A FS_RESERVED "/flush-a"
#define MARK_B FS_RESERVED "/flush-b"

struct fs_durable {
    struct fs_engine *fs;
    pthread_mutex_t lock;
    struct lb_list pending; /* struct fs_waiter */
    size_t pending_n;
    bool running;
    uint64_t syncs, synced; /* flushes, and the changes they were for */
    bool marked;            /* the mark is at MARK_B; of the flush in flight alone, as is dir */
    int dir;                /* ROOT/.lobos, -1 until the first flush */
    atomic_bool failed;
};

struct fs_durable *fs_durable_new(struct fs_engine *fs) {
    struct fs_durable *d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    d->fs = fs;
    d->dir = -1;
    pthread_mutex_init(&d->lock, NULL);
    lb_list_init(&d->pending);
    return d;
}

void fs_durable_free(struct fs_durable *d) {
    if (!d)
        return;
    if (d->dir >= 0)
        d->fs->vfs->ops->close(d->fs->vfs, d->dir);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

void fs_durable_detach(struct fs_engine *fs) {
    pthread_mutex_lock(&fs->durable->lock);
    pthread_mutex_unlock(&fs->durable->lock);
}

void fs_durable_stats(struct fs_engine *fs, struct lb_storage_stats *ret) {
    struct fs_durable *d = fs->durable;
    pthread_mutex_lock(&d->lock);
    ret->queue = d->pending_n;
    ret->syncs = d->syncs;
    ret->synced = d->synced;
    pthread_mutex_unlock(&d->lock);
}

bool fs_read_only(const struct fs_engine *fs) {
    return atomic_load_explicit(&fs->durable->failed, memory_order_relaxed);
}

static void fail(struct fs_engine *fs, int err) {
    if (!atomic_exchange(&fs->durable->failed, true))
        lb_error("fsync failed: no more writes until a restart",
                 LB_LOG_C("reason", lb_err_name(err)));
}

int fs_file_sync(struct fs_engine *fs, int fd) {
    int rc = fs->vfs->ops->fsync(fs->vfs, fd, false);
    if (rc < 0)
        fail(fs, rc);
    return rc;
}

int fs_path_settle(struct fs_engine *fs, struct lb_slice bucket, const char *path) {
    char copy[FS_PATH_MAX];
    snprintf(copy, sizeof(copy), "%s", path);
    return fs_path_sync(fs, bucket, copy, NULL, NULL);
}

int fs_touch(struct fs_engine *fs, struct lb_slice bucket, struct fs_touched *t, const char *path) {
    t->any = true;
    if (fs->journaled)
        return 0;
    char **at = t->paths[0] ? &t->paths[1] : &t->paths[0];
    if (!*at && (*at = strdup(path)))
        return 0;
    return fs_path_settle(fs, bucket, path);
}

static void touched_fini(struct fs_touched *t) {
    free(t->paths[0]);
    free(t->paths[1]);
    *t = (struct fs_touched){0};
}

/* Changes ROOT/.lobos, so that the newest transaction is one of its own. */
static int mark(struct fs_durable *d) {
    struct lb_vfs *v = d->fs->vfs;
    int root = d->fs->root;
    const char *from = d->marked ? MARK_B : MARK_A;
    const char *to = d->marked ? MARK_A : MARK_B;
    int rc = v->ops->rename(v, root, from, root, to, 0);
    if (rc == -ENOENT) {
        int fd = v->ops->open(v, root, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (fd >= 0)
            v->ops->close(v, fd);
        rc = fd < 0 ? fd : 0;
        /* It may have been there from an earlier run: only a rename is sure to be a change. */
        if (rc == 0)
            rc = v->ops->rename(v, root, to, root, from, 0);
        return rc;
    }
    if (rc == 0)
        d->marked = !d->marked;
    return rc;
}

static int flush_journal(struct fs_durable *d) {
    struct lb_vfs *v = d->fs->vfs;
    if (d->dir < 0) {
        int fd = v->ops->open(v, d->fs->root, FS_RESERVED, O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0)
            return fd;
        d->dir = fd;
    }
    int rc = mark(d);
    return rc < 0 ? rc : fs_file_sync(d->fs, d->dir);
}

/* The directories synced by one flush, as hashes in an open table. */
struct synced {
    uint64_t *slots;
    size_t n;
};

static bool synced_add(void *ctx, struct lb_slice dir) {
    struct synced *s = ctx;
    uint64_t h = lb_hash_bytes(dir) | 1;
    for (size_t i = 0; i < s->n; i++) {
        uint64_t *at = &s->slots[(h + i) % s->n];
        if (*at == h)
            return true;
        if (*at == 0) {
            *at = h;
            return false;
        }
    }
    return false; /* full: it is only synced once more */
}

static int flush_dirs(struct fs_durable *d, struct lb_list *batch) {
    uint64_t slots[1024] = {0};
    struct synced synced = {slots, sizeof(slots) / sizeof(slots[0])};
    int err = 0;
    LB_LIST_FOR_EACH(it, batch) {
        struct fs_waiter *w = LB_CONTAINER_OF(it, struct fs_waiter, link);
        for (int i = 0; i < 2 && !err; i++) {
            if (w->touched.paths[i])
                err = fs_path_sync(d->fs, w->bucket, w->touched.paths[i], synced_add, &synced);
        }
    }
    return err;
}

void fs_durable_skip(struct fs_waiter *w, int err) {
    touched_fini(&w->touched);
    w->done(w, err);
}

static void acknowledge(struct lb_io *io, struct lb_io_msg *m) {
    struct fs_waiter *w = LB_CONTAINER_OF(m, struct fs_waiter, msg);
    fs_durable_skip(w, w->err);
}

static int64_t flush(struct lb_io_op *op);

static void led(struct lb_io_op *op, int64_t res) {
    fs_durable_skip(LB_CONTAINER_OF(op, struct fs_waiter, op), (int)res);
}

static void lead(struct lb_io *io, struct lb_io_msg *m) {
    struct fs_waiter *w = LB_CONTAINER_OF(m, struct fs_waiter, msg);
    w->op.done = led;
    lb_io_work(io, &w->op, flush);
}

/* Worker: takes all who wait, the leader among them. */
static int64_t flush(struct lb_io_op *op) {
    struct fs_waiter *leader = LB_CONTAINER_OF(op, struct fs_waiter, op);
    struct fs_durable *d = leader->fs->durable;
    struct lb_list batch;
    lb_list_init(&batch);
    pthread_mutex_lock(&d->lock);
    for (struct lb_list *node; (node = lb_list_pop(&d->pending));)
        lb_list_append(&batch, node);
    d->syncs++;
    d->synced += d->pending_n;
    d->pending_n = 0;
    pthread_mutex_unlock(&d->lock);

    int err = 0;
    if (atomic_load(&d->failed))
        err = LB_ERR_READ_ONLY;
    else
        err = d->fs->journaled ? flush_journal(d) : flush_dirs(d, &batch);

    /* With the lock held: a loop that has been told may be freed once fs_durable_detach has had it.
     */
    pthread_mutex_lock(&d->lock);
    for (struct lb_list *node; (node = lb_list_pop(&batch));) {
        struct fs_waiter *w = LB_CONTAINER_OF(node, struct fs_waiter, link);
        if (w == leader)
            continue;
        w->err = err;
        w->msg.fn = acknowledge;
        lb_io_post(w->io, &w->msg);
    }
    d->running = !lb_list_empty(&d->pending);
    struct fs_waiter *next = LB_CONTAINER_OF(d->pending.next, struct fs_waiter, link);
    if (d->running) {
        next->msg.fn = lead;
        lb_io_post(next->io, &next->msg);
    }
    pthread_mutex_unlock(&d->lock);
    return err;
}

void fs_durable_wait(struct fs_engine *fs, struct lb_io *io, struct fs_waiter *w) {
    struct fs_durable *d = fs->durable;
    w->fs = fs;
    w->io = io;
    pthread_mutex_lock(&d->lock);
    lb_list_append(&d->pending, &w->link);
    d->pending_n++;
    bool first = !d->running;
    d->running = true;
    pthread_mutex_unlock(&d->lock);
    if (first)
        lead(io, &w->msg);
}

/* ---- operations that change something ---- */

struct change {
    struct fs_waiter wait;
    struct lb_engine_op *op;
    fs_change_fn fn;
};

static void change_durable(struct fs_waiter *w, int err) {
    struct change *c = LB_CONTAINER_OF(w, struct change, wait);
    struct lb_engine_op *op = c->op;
    free(c);
    op->done(op, fs_storage_err(err));
}

static int64_t change_work(struct lb_io_op *io) {
    struct lb_engine_op *op = LB_CONTAINER_OF(io, struct lb_engine_op, run.io);
    struct change *c = op->state;
    return c->fn(op->run.port, op, &c->wait.touched);
}

static void change_worked(struct lb_io_op *io, int64_t res) {
    struct lb_engine_op *op = LB_CONTAINER_OF(io, struct lb_engine_op, run.io);
    struct fs_engine *fs = fs_of(op->run.port);
    struct change *c = op->state;
    if (res == 0 && c->wait.touched.any && !fs_relaxed(fs, op))
        fs_durable_wait(fs, op->run.port->io, &c->wait);
    else
        fs_durable_skip(&c->wait, (int)res);
}

void fs_change(struct lb_engine_port *p, struct lb_engine_op *op, fs_change_fn fn) {
    if (fs_read_only(fs_of(p))) {
        fs_complete(p, op, LB_ERR_READ_ONLY);
        return;
    }
    struct change *c = calloc(1, sizeof(*c));
    if (!c) {
        fs_complete(p, op, -ENOMEM);
        return;
    }
    c->op = op;
    c->fn = fn;
    c->wait.bucket = op->bucket;
    c->wait.done = change_durable;
    op->state = c;
    op->run.port = p;
    op->run.wall_ns = lb_io_wall_ns(p->io);
    op->run.io.done = change_worked;
    lb_io_work(p->io, &op->run.io, change_work);
}
