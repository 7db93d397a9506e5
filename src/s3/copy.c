/* A piece at a time: read, then hashed and written side by side. Where nothing is to be hashed the
 * engine is asked to clone instead. */
#include "s3/copy_priv.h"

static void next_piece(struct s3_copy *c);

static struct lb_engine_op *begin(struct s3_copy *c, struct lb_engine_op *op, lb_engine_done done) {
    *op = (struct lb_engine_op){.done = done, .arena = c->r->x->arena, .user = c};
    return op;
}

static void piece_done(struct s3_copy *c, int err) {
    if (err < 0 && c->err == 0)
        c->err = err;
    if (--c->pending > 0)
        return;
    lb_pool_put(c->buf);
    c->buf = NULL;
    next_piece(c);
}

static void on_hashed(struct lb_hash_job *job) {
    piece_done(LB_CONTAINER_OF(job, struct s3_copy, job), 0);
}

static void on_written(struct lb_engine_op *op, int err) {
    struct s3_copy *c = op->user;
    s3_phase(c->r, LB_PHASE_IO);
    piece_done(c, err);
}

static void on_read(struct lb_engine_op *op, int err) {
    struct s3_copy *c = op->user;
    struct lb_piece *piece = &op->piece;
    s3_phase(c->r, LB_PHASE_IO);
    if (err < 0) {
        c->done(c, err);
        return;
    }
    c->buf = piece->buf;
    if (piece->buf_at)
        memmove(c->buf->ptr, c->buf->ptr + piece->buf_at, piece->len);
    if (piece->len < c->len)
        piece->len -= piece->len % LB_WRITE_UNIT; /* the rest is read again with what follows it */
    if (piece->len == 0) {
        lb_pool_put(c->buf);
        c->done(c, LB_ERR_INTERNAL);
        return;
    }
    c->buf->len = (uint32_t)piece->len;
    c->off += piece->len;
    c->len -= piece->len;
    c->pending = 2;
    lb_hash_stream_add(&c->hash, &c->job, lb_slice(c->buf->ptr, c->buf->len));
    c->r->s3->port->ops->write(c->writer, begin(c, &c->write_op, on_written), c->buf);
}

static void next_piece(struct s3_copy *c) {
    if (c->err < 0 || c->len == 0)
        c->done(c, c->err);
    else
        c->r->s3->port->ops->read(c->reader, begin(c, &c->read_op, on_read), c->off, c->len, false);
}

static void stream(struct s3_copy *c) {
    int err = lb_hash_stream_init(&c->hash, c->r->s3->hash, c->kinds);
    c->job.done = on_hashed;
    if (err < 0)
        c->done(c, err);
    else
        next_piece(c);
}

static void on_appended(struct lb_engine_op *op, int err) {
    struct s3_copy *c = op->user;
    s3_phase(c->r, LB_PHASE_IO);
    if (err == LB_ERR_NOT_IMPLEMENTED)
        stream(c);
    else
        c->done(c, err);
}

void s3_copy_start(struct s3_copy *c) {
    const struct lb_engine_ops *ops = c->r->s3->port->ops;
    if (c->kinds == 0 && c->len > 0 && ops->append)
        ops->append(c->writer, begin(c, &c->write_op, on_appended), c->reader, c->off, c->len);
    else
        stream(c);
}

void s3_copy_fini(struct s3_copy *c) {
    lb_hash_stream_fini(&c->hash);
}
