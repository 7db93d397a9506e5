/* Operations on a bucket as such: CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation. */
#include <errno.h>

#include "s3/access_priv.h"
#include "s3/acl_priv.h"
#include "s3/ops_priv.h"
#include "s3/xml_priv.h"

#define DOCUMENT_MAX 65536

struct creating {
    struct lb_s3_bucket_settings settings;
    struct lb_buf blob;
};

static void reply_created(struct s3_request *r) {
    struct lb_slice location;
    if (lb_arena_printf(r->x->arena, &location, "/%.*s", LB_SLICE_ARG(r->bucket)) == 0)
        s3_header(r, LB_S("Location"), location);
    s3_reply(r, 200);
}

/* The bucket is there already, and its settings are known. In us-east-1, which is where a bucket
 * is that was created without a constraint, S3 answers its owner as if it were new. */
static void on_existing(struct s3_request *r) {
    struct lb_slice location = r->settings->location;
    if (!s3_bucket_is_own(r, r->settings))
        s3_fail(r, LB_ERR_BUCKET_EXISTS);
    else if (location.len == 0 || lb_slice_eq(location, LB_S("us-east-1")))
        reply_created(r);
    else
        s3_fail(r, LB_ERR_BUCKET_OWNED);
}

static void on_created(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct creating *c = r->state;
    lb_buf_fini(&c->blob);
    lb_s3_buckets_changed(r->s3->conf->buckets);
    if (err == LB_ERR_BUCKET_EXISTS)
        s3_bucket_load(r, on_existing);
    else if (err < 0)
        s3_fail(r, err);
    else
        reply_created(r);
}

/* Clients send the region they are set to, which is none of ours to choose: any name of a region
 * will do. */
static int parse_location(struct s3_request *r, struct lb_slice document, struct lb_slice *ret) {
    const struct s3_xml *root;
    if (document.len == 0)
        return 0;
    int err = s3_xml_parse(r->x->arena, document, &root);
    if (err < 0)
        return err;
    if (!lb_slice_eq(root->name, LB_S("CreateBucketConfiguration")))
        return LB_ERR_MALFORMED_XML;
    struct lb_slice location = s3_xml_child_text(root, LB_S("LocationConstraint"));
    for (size_t i = 0; i < location.len; i++) {
        char c = location.ptr[i];
        bool valid = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_';
        if (!valid || i >= 64)
            return LB_ERR_ILLEGAL_LOCATION;
    }
    *ret = location;
    return 0;
}

static void on_document(struct s3_request *r, struct lb_slice document) {
    struct creating *c = r->state;
    int err = parse_location(r, document, &c->settings.location);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    if (!s3_is_admin(r)) {
        c->settings.owner_id = s3_user_id(r);
        c->settings.owner_name = s3_user_name(r);
    }
    lb_buf_init(&c->blob, LB_S3_BUCKET_SETTINGS_MAX);
    lb_s3_bucket_settings_encode(&c->settings, &c->blob);
    if (c->blob.err) {
        lb_buf_fini(&c->blob);
        s3_fail(r, -ENOMEM);
        return;
    }
    struct lb_engine_op *op = s3_engine_op(r, on_created);
    op->settings = lb_buf_slice(&c->blob);
    r->s3->port->ops->bucket_create(r->s3->port, op);
}

void s3_op_create_bucket(struct s3_request *r) {
    struct creating *c = r->state = lb_arena_zalloc(r->x->arena, sizeof(*c));
    int err = c ? s3_acl_parse(r, &c->settings.acl) : -ENOMEM;
    if (err == 0 && !lb_s3_bucket_name_valid(r->bucket))
        err = LB_ERR_INVALID_BUCKET_NAME;
    if (err < 0)
        s3_fail(r, err);
    else
        s3_read_document(r, DOCUMENT_MAX, on_document);
}

static void head(struct s3_request *r) {
    s3_header(r, LB_S("x-amz-bucket-region"), s3_bucket_region(r));
    s3_reply(r, 200);
}

void s3_op_head_bucket(struct s3_request *r) {
    s3_bucket_load(r, head);
}

static void on_deleted(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    lb_s3_buckets_changed(r->s3->conf->buckets);
    if (err < 0)
        s3_fail(r, err);
    else
        s3_reply(r, 204);
}

void s3_op_delete_bucket(struct s3_request *r) {
    r->s3->port->ops->bucket_delete(r->s3->port, s3_engine_op(r, on_deleted));
}

static void location(struct s3_request *r) {
    struct lb_slice region = s3_bucket_region(r);
    struct lb_buf *b = lb_arena_zalloc(r->x->arena, sizeof(*b));
    if (!b) {
        s3_fail(r, -ENOMEM);
        return;
    }
    lb_buf_init(b, 4096);
    s3_xml_begin(b, "LocationConstraint");
    if (!lb_slice_eq(region, LB_S("us-east-1")))
        s3_xml_escape(b, region);
    s3_xml_close(b, "LocationConstraint");
    s3_reply_xml(r, 200, b);
}

void s3_op_get_location(struct s3_request *r) {
    s3_bucket_load(r, location);
}
