/* A bucket's settings, from the engine and back to it. */
#include <errno.h>

#include "s3/access_priv.h"

/* Damaged settings don't lock the administrator out: to him the bucket is as one made by hand, and
 * he may set them anew. */
int s3_bucket_settings_found(struct s3_request *r, int err, struct lb_s3_bucket_settings **ret) {
    struct lb_slice blob = LB_S("");
    if (err == 0)
        blob = r->eng.buckets[0].settings;
    else if (err != LB_ERR_CORRUPT || !s3_is_admin(r))
        return err;
    struct lb_s3_bucket_settings *s = lb_arena_alloc(r->x->arena, sizeof(*s));
    if (!s)
        return -ENOMEM;
    lb_s3_bucket_settings_decode(blob, s);
    *ret = s;
    return 0;
}

static void on_loaded(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    err = s3_bucket_settings_found(r, err, &r->settings);
    if (err < 0)
        s3_fail(r, err);
    else
        r->then(r);
}

void s3_bucket_load(struct s3_request *r, s3_op_fn then) {
    if (r->settings) {
        then(r);
        return;
    }
    r->then = then;
    r->s3->port->ops->bucket_head(r->s3->port, s3_engine_op(r, on_loaded));
}

static void on_stored(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    if (err < 0)
        s3_fail(r, err);
    else
        s3_reply(r, r->op->method == LB_HTTP_DELETE ? 204 : 200);
}

void s3_bucket_store(struct s3_request *r) {
    struct lb_buf blob;
    struct lb_slice kept = {NULL, 0};
    lb_buf_init(&blob, LB_S3_BUCKET_SETTINGS_MAX);
    lb_s3_bucket_settings_encode(r->settings, &blob);
    int err = blob.err ? blob.err : lb_arena_copy(r->x->arena, lb_buf_slice(&blob), &kept);
    lb_buf_fini(&blob);
    if (err < 0) {
        s3_fail(r, err == -EMSGSIZE ? LB_ERR_INVALID_TAG : err);
        return;
    }
    struct lb_engine_op *op = s3_engine_op(r, on_stored);
    op->settings = kept;
    r->s3->port->ops->bucket_set(r->s3->port, op);
}
