/* Get and PutBucketAcl, Get and PutObjectAcl. */
#include <errno.h>

#include "s3/access_priv.h"
#include "s3/meta_update_priv.h"
#include "s3/ops_priv.h"

#define DOCUMENT_MAX 65536
#define REPLY_MAX 8192

struct acl_op {
    enum lb_s3_acl acl;           /* the new one */
    struct s3_meta_update update; /* of the object */
    struct lb_buf xml;
};

/* Begins with the owner known, who is in the documents. */
static void begin(struct s3_request *r, s3_op_fn then) {
    r->state = lb_arena_zalloc(r->x->arena, sizeof(struct acl_op));
    if (r->state)
        s3_bucket_load(r, then);
    else
        s3_fail(r, -ENOMEM);
}

/* ---- get ---- */

static void reply(struct s3_request *r, enum lb_s3_acl acl) {
    struct acl_op *a = r->state;
    lb_buf_init(&a->xml, REPLY_MAX);
    s3_acl_write_document(&a->xml, acl, s3_owner_id(r), s3_owner_name(r));
    s3_reply_xml(r, 200, &a->xml);
}

static void on_head(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct s3_meta meta;
    if (err == 0)
        err = s3_meta_decode(r->x->arena, op->info.meta, &meta);
    if (err < 0) {
        s3_fail_missing(r, op, err);
        return;
    }
    s3_header_version(r, &op->info.version);
    reply(r, meta.acl);
}

static void get(struct s3_request *r) {
    if (r->key.len)
        r->s3->port->ops->head(r->s3->port, s3_engine_op(r, on_head));
    else
        reply(r, r->settings->acl);
}

void s3_op_get_acl(struct s3_request *r) {
    begin(r, get);
}

/* ---- put ---- */

static void change(struct s3_request *r, struct s3_meta *m) {
    const struct acl_op *a = r->state;
    m->acl = a->acl;
}

static void change_bucket(struct s3_request *r, struct lb_s3_bucket_settings *s) {
    const struct acl_op *a = r->state;
    s->acl = a->acl;
}

/* The ACL is in a header or in the body; one of them. */
static int parse(struct s3_request *r, struct lb_slice document, enum lb_s3_acl *ret) {
    if (!document.len && !s3_acl_given(r))
        return LB_ERR_MISSING_HEADER;
    if (document.len && s3_acl_given(r))
        return LB_ERR_INVALID_REQUEST;
    return document.len ? s3_acl_parse_document(r->x->arena, document, s3_owner_id(r), ret)
                        : s3_acl_parse(r, ret);
}

static void on_document(struct s3_request *r, struct lb_slice document) {
    struct acl_op *a = r->state;
    int err = parse(r, document, &a->acl);
    if (err == LB_ERR_NOT_IMPLEMENTED) {
        s3_fail_message(r, err,
                        "Of ACLs only these are there: private, public-read, public-read-write, "
                        "authenticated-read.");
    } else if (err < 0) {
        s3_fail(r, err);
    } else if (r->key.len) {
        a->update.change = change;
        a->update.status = 200;
        s3_meta_update(r, &a->update);
    } else {
        s3_bucket_change(r, change_bucket);
    }
}

static void put(struct s3_request *r) {
    s3_read_document(r, DOCUMENT_MAX, on_document);
}

void s3_op_put_acl(struct s3_request *r) {
    begin(r, put);
}
