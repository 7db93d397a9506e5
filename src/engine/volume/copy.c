/* Copying within a volume: bytes are read, verified, and written again, with checksums of their
 * own. They pass through one buffer, filled before it is written: what is read ends where a part of
 * the source ends, what is written is whole units. */
#include <errno.h>
#include <stdlib.h>

#include "engine/volume/ops_priv.h"

#define CHUNK (256u * 1024u)

struct copy {
    struct lb_engine_op op; /* of the reads and writes */
    struct lb_engine_op *caller;
    struct lb_writer *to;
    struct lb_reader *from;
    uint64_t off, left; /* not yet read */
    struct lb_pool_buf out;
};

static void next(struct copy *c);

static void end(struct copy *c, int err) {
    struct lb_engine_op *caller = c->caller;
    free(c->out.ptr);
    free(c);
    caller->done(caller, err);
}

static void written(struct lb_engine_op *op, int err) {
    struct copy *c = LB_CONTAINER_OF(op, struct copy, op);
    c->out.len = 0;
    if (err || c->left == 0)
        end(c, err);
    else
        next(c);
}

static void read_done(struct lb_engine_op *op, int err) {
    struct copy *c = LB_CONTAINER_OF(op, struct copy, op);
    const struct lb_piece *p = &op->piece;
    if (err) {
        end(c, err);
        return;
    }
    memcpy(c->out.ptr + c->out.len, p->buf->ptr + p->buf_at, p->len);
    c->out.len += (uint32_t)p->len;
    c->off += p->len;
    c->left -= p->len;
    lb_pool_put(p->buf);
    next(c);
}

static void next(struct copy *c) {
    uint64_t room = c->out.cap - c->out.len;
    if (room && c->left) {
        c->op.done = read_done;
        vol_read(c->from, &c->op, c->off, c->left < room ? c->left : room, false);
    } else {
        c->op.done = written;
        vol_write(c->to, &c->op, &c->out);
    }
}

void vol_append(struct lb_writer *w, struct lb_engine_op *op, struct lb_reader *from, uint64_t off,
                uint64_t len) {
    struct copy *c = len ? calloc(1, sizeof(*c)) : NULL;
    if (c)
        c->out = (struct lb_pool_buf){.ptr = aligned_alloc(VOL_UNIT, CHUNK), .cap = CHUNK};
    if (!c || !c->out.ptr) {
        free(c);
        vol_complete(w->port, op, len ? -ENOMEM : 0);
        return;
    }
    c->caller = op;
    c->to = w;
    c->from = from;
    c->off = off;
    c->left = len;
    next(c);
}
