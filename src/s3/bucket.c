/* Operations on a bucket as such: CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation,
 * GetBucketVersioning. */
#include <errno.h>

#include "s3/ops_priv.h"
#include "s3/xml_priv.h"

#define DOCUMENT_MAX 65536

static bool region_is_default(const struct s3_request *r) {
    return lb_slice_eq(r->s3->conf->region, LB_S("us-east-1"));
}

static void on_created(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    /* Whoever may sign owns every bucket. us-east-1 answers a repetition as if it were the first.
     */
    if (err == LB_ERR_BUCKET_EXISTS && region_is_default(r))
        err = 0;
    if (err < 0) {
        s3_fail(r, err == LB_ERR_BUCKET_EXISTS ? LB_ERR_BUCKET_OWNED : err);
        return;
    }
    struct lb_slice location;
    if (lb_arena_printf(r->x->arena, &location, "/%.*s", LB_SLICE_ARG(r->bucket)) == 0)
        s3_header(r, LB_S("Location"), location);
    s3_reply(r, 200);
}

/* Clients send the region they are set to, which is none of ours to choose: any name of a region
 * will do. */
static int check_location(struct s3_request *r, struct lb_slice document) {
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
    return 0;
}

static void on_document(struct s3_request *r, struct lb_slice document) {
    int err = check_location(r, document);
    if (err < 0)
        s3_fail(r, err);
    else
        r->s3->port->ops->bucket_create(r->s3->port, s3_engine_op(r, on_created));
}

void s3_op_create_bucket(struct s3_request *r) {
    if (lb_s3_bucket_name_valid(r->bucket))
        s3_read_document(r, DOCUMENT_MAX, on_document);
    else
        s3_fail(r, LB_ERR_INVALID_BUCKET_NAME);
}

static void on_head(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    s3_header(r, LB_S("x-amz-bucket-region"), r->s3->conf->region);
    s3_reply(r, 200);
}

void s3_op_head_bucket(struct s3_request *r) {
    r->s3->port->ops->bucket_head(r->s3->port, s3_engine_op(r, on_head));
}

static void on_deleted(struct lb_engine_op *op, int err) {
    if (err < 0)
        s3_fail(s3_of(op), err);
    else
        s3_reply(s3_of(op), 204);
}

void s3_op_delete_bucket(struct s3_request *r) {
    r->s3->port->ops->bucket_delete(r->s3->port, s3_engine_op(r, on_deleted));
}

/* Answers with an element that has a text, or none. */
static void reply_element(struct s3_request *r, const char *name, struct lb_slice text) {
    struct lb_buf *b = lb_arena_zalloc(r->x->arena, sizeof(*b));
    if (!b) {
        s3_fail(r, -ENOMEM);
        return;
    }
    lb_buf_init(b, 4096);
    s3_xml_begin(b, name);
    s3_xml_escape(b, text);
    s3_xml_close(b, name);
    s3_reply_xml(r, 200, b);
}

static void on_location(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    if (err < 0)
        s3_fail(r, err);
    else
        reply_element(r, "LocationConstraint",
                      region_is_default(r) ? LB_S("") : r->s3->conf->region);
}

void s3_op_get_location(struct s3_request *r) {
    r->s3->port->ops->bucket_head(r->s3->port, s3_engine_op(r, on_location));
}

/* Never switched on. */
static void on_versioning(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    if (err < 0)
        s3_fail(r, err);
    else
        reply_element(r, "VersioningConfiguration", LB_S(""));
}

void s3_op_get_versioning(struct s3_request *r) {
    r->s3->port->ops->bucket_head(r->s3->port, s3_engine_op(r, on_versioning));
}
