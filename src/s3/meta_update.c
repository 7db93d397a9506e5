/* Read, change, write back. */
#include "s3/meta_update_priv.h"

#include <errno.h>

#define TRIES_MAX 8

static void read_meta(struct s3_meta_update *u);

static struct lb_engine_op *begin(struct s3_meta_update *u, lb_engine_done done) {
    u->op = (struct lb_engine_op){
        .done = done,
        .arena = u->r->x->arena,
        .bucket = u->r->bucket,
        .key = u->r->key,
        .version = u->r->version,
        .user = u,
    };
    return &u->op;
}

static void reply(struct s3_meta_update *u, const struct lb_engine_op *op) {
    s3_header_version(u->r, &op->info.version);
    s3_reply(u->r, u->status);
}

static void on_set(struct lb_engine_op *op, int err) {
    struct s3_meta_update *u = op->user;
    lb_buf_fini(&u->blob);
    if (err == LB_ERR_PRECONDITION_FAILED && ++u->tries < TRIES_MAX)
        read_meta(u);
    else if (err < 0)
        s3_fail(u->r, err == LB_ERR_PRECONDITION_FAILED ? LB_ERR_OPERATION_ABORTED : err);
    else
        reply(u, op);
}

static void on_head(struct lb_engine_op *op, int err) {
    struct s3_meta_update *u = op->user;
    struct s3_request *r = u->r;
    struct s3_meta meta;
    if (err == 0)
        err = s3_meta_decode(r->x->arena, op->info.meta, &meta);
    if (err < 0) {
        s3_fail_missing(r, op, err);
        return;
    }
    u->change(r, &meta);
    u->was = op->info.meta;
    u->etag = op->info.etag;
    lb_buf_init(&u->blob, LB_META_MAX);
    s3_meta_encode(&meta, &u->blob);
    if (u->blob.err) {
        lb_buf_fini(&u->blob);
        s3_fail(r, -ENOMEM);
        return;
    }
    op = begin(u, on_set);
    op->meta = lb_buf_slice(&u->blob);
    op->precond.if_match = lb_etag_slice(&u->etag);
    op->if_same = true;
    op->was = u->was;
    op->relaxed = s3_relaxed(r);
    r->s3->port->ops->set_meta(r->s3->port, op);
}

static void read_meta(struct s3_meta_update *u) {
    u->r->s3->port->ops->head(u->r->s3->port, begin(u, on_head));
}

void s3_meta_update(struct s3_request *r, struct s3_meta_update *u) {
    u->r = r;
    read_meta(u);
}
