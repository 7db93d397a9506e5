/* Reading an open object: a range of its file while that is in memory, else bytes in a buffer. */
#include <assert.h>
#include <errno.h>

#include "engine/fs/cache_priv.h"

#define BUF_SIZE (256u * 1024u)
#define FILE_MAX (16u << 20) /* asked about at a time; the kernel walks the page cache for it */
#define FILE_MIN (64u << 10) /* a smaller resident range before a gap is read with the gap */

static void finish(struct fs_reader *r, int err) {
    struct lb_engine_op *op = r->op;
    r->op = NULL;
    if (err && r->buf) {
        lb_pool_put(r->buf);
        r->buf = NULL;
    }
    if (!err) {
        op->piece = (struct lb_piece){.fd = -1, .off = r->off, .len = r->len, .buf = r->buf};
        fs_count_read(r->reader.port, r->len);
        r->buf = NULL;
    }
    op->done(op, err);
}

static void read_done(struct lb_io_op *io, int64_t res) {
    struct lb_engine_op *op = LB_CONTAINER_OF(io, struct lb_engine_op, run.io);
    struct fs_reader *r = op->state;
    if (res >= 0 && (uint64_t)res < r->len)
        res = LB_ERR_OBJECT_CHANGED;
    if (res > 0)
        r->buf->len = (uint32_t)res;
    finish(r, res < 0 ? (int)res : 0);
}

static void read_start(struct fs_reader *r) {
    struct lb_engine_port *p = r->reader.port;
    r->buf = lb_pool_get(p->pool, r->len);
    if (!r->buf) {
        lb_pool_wait(p->pool, &r->waiter);
        return;
    }
    r->op->run.io.done = read_done;
    lb_io_read(p->io, &r->op->run.io, r->entry->fd, r->buf->ptr, r->len, r->off);
}

static void memory_came(struct lb_pool_waiter *w) {
    read_start(LB_CONTAINER_OF(w, struct fs_reader, waiter));
}

/* The file is still as it was when it was opened? Asked from the second piece on. */
static bool unchanged(struct fs_reader *r) {
    struct lb_vfs *v = fs_of(r->reader.port)->vfs;
    struct lb_vfs_stat st;
    return v->ops->fstat(v, r->entry->fd, &st) == 0 && st.size == r->entry->st.size &&
           st.mtime_ns == r->entry->st.mtime_ns;
}

void fs_read(struct lb_reader *reader, struct lb_engine_op *op, uint64_t off, uint64_t len,
             bool files) {
    struct fs_reader *r = LB_CONTAINER_OF(reader, struct fs_reader, reader);
    struct lb_vfs *v = fs_of(reader->port)->vfs;
    assert(!r->op && len > 0 && off < r->entry->info.size && len <= r->entry->info.size - off);
    if (r->began && !unchanged(r)) {
        fs_complete(reader->port, op, LB_ERR_OBJECT_CHANGED);
        return;
    }
    r->began = true;
    if (files) {
        size_t want = len < FILE_MAX ? (size_t)len : FILE_MAX;
        size_t there = v->ops->resident(v, r->entry->fd, off, want);
        if (there == want || there >= FILE_MIN) {
            op->piece = (struct lb_piece){.fd = r->entry->fd, .off = off, .len = there};
            fs_count_read(reader->port, there);
            fs_complete(reader->port, op, 0);
            return;
        }
    }
    r->op = op;
    r->off = off;
    r->len = len < BUF_SIZE ? (size_t)len : BUF_SIZE;
    r->waiter.fn = memory_came;
    op->state = r;
    read_start(r);
}
