/* A bucket's settings, from the engine and back to it. */
#include <errno.h>

#include "s3/access_priv.h"
#include "s3/settings_cache_priv.h"

#define TRIES_MAX 8

/* Damaged settings don't lock the administrator out: to him the bucket is as one made by hand, and
 * he may set them anew. Until then nothing is lost: versions are kept. */
int s3_bucket_settings_found(struct s3_request *r, int err, struct lb_s3_bucket_settings **ret) {
    struct lb_s3_bucket_settings *s = lb_arena_zalloc(r->x->arena, sizeof(*s));
    if (!s)
        return -ENOMEM;
    if (err == 0)
        lb_s3_bucket_settings_decode(r->eng.buckets[0].settings, s);
    else if (err == LB_ERR_CORRUPT && s3_is_admin(r))
        s->versioning = LB_VERSIONING_ON;
    else
        return err;
    *ret = s;
    return 0;
}

/* ---- load ---- */

/* Does the operation go on to the engine, which knows whether the bucket is still there? Then what
 * is kept of the settings will do. */
static bool may_be_kept(const struct s3_request *r) {
    return r->key.len || r->op->right == S3_RIGHT_WRITE ||
           (r->op->right == S3_RIGHT_LIST && r->op->method == LB_HTTP_GET);
}

static bool recall(struct s3_request *r) {
    struct lb_s3_bucket_settings *s = lb_arena_alloc(r->x->arena, sizeof(*s));
    if (!s ||
        !s3_settings_cache_get(r->s3->settings, r->bucket, lb_io_now_ns(r->s3->io), r->x->arena, s))
        return false;
    r->settings = s;
    return true;
}

static void on_loaded(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    r->settings_damaged = err == LB_ERR_CORRUPT;
    err = s3_bucket_settings_found(r, err, &r->settings);
    if (err == 0 && !r->settings_damaged) {
        r->settings_blob = op->buckets[0].settings;
        s3_settings_cache_put(r->s3->settings, r->bucket, r->settings_at, lb_io_now_ns(r->s3->io),
                              r->settings);
    }
    r->loaded(r, err);
}

static void load(struct s3_request *r, s3_loaded_fn loaded) {
    r->settings = NULL;
    r->settings_at = s3_settings_cache_at(r->s3->settings);
    if (may_be_kept(r) && recall(r)) {
        loaded(r, 0);
        return;
    }
    r->loaded = loaded;
    r->s3->port->ops->bucket_head(r->s3->port, s3_engine_op(r, on_loaded));
}

static void go_on(struct s3_request *r, int err) {
    if (err < 0)
        s3_fail(r, err);
    else
        r->then(r);
}

void s3_bucket_load(struct s3_request *r, s3_op_fn then) {
    r->then = then;
    if (r->settings)
        then(r);
    else
        load(r, go_on);
}

void s3_bucket_reload(struct s3_request *r, s3_loaded_fn loaded) {
    if (r->settings_at == s3_settings_cache_at(r->s3->settings))
        loaded(r, 0);
    else
        load(r, loaded);
}

/* ---- change ---- */

static void change(struct s3_request *r);

static void on_stored(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    lb_s3_buckets_changed(r->s3->conf->buckets);
    if (err == LB_ERR_PRECONDITION_FAILED && ++r->settings_tries < TRIES_MAX)
        s3_access_again(r, change);
    else if (err < 0)
        s3_fail(r, err == LB_ERR_PRECONDITION_FAILED ? LB_ERR_OPERATION_ABORTED : err);
    else
        s3_reply(r, r->op->method == LB_HTTP_DELETE ? 204 : 200);
}

static void change(struct s3_request *r) {
    struct lb_buf blob;
    struct lb_slice kept = {NULL, 0};
    lb_buf_init(&blob, LB_S3_BUCKET_SETTINGS_MAX);
    r->change(r, r->settings);
    lb_s3_bucket_settings_encode(r->settings, &blob);
    int err = blob.err ? blob.err : lb_arena_copy(r->x->arena, lb_buf_slice(&blob), &kept);
    lb_buf_fini(&blob);
    if (err < 0) {
        s3_fail(r, err == -EMSGSIZE ? LB_ERR_INVALID_TAG : err);
        return;
    }
    struct lb_engine_op *op = s3_engine_op(r, on_stored);
    op->settings = kept;
    op->if_same = !r->settings_damaged;
    op->was = r->settings_blob;
    r->s3->port->ops->bucket_set(r->s3->port, op);
}

void s3_bucket_change(struct s3_request *r, s3_settings_fn fn) {
    r->change = fn;
    r->settings_tries = 0;
    s3_access_again(r, change);
}
