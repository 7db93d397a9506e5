/* Get and PutBucketVersioning. */
#include <errno.h>

#include "s3/access_priv.h"
#include "s3/ops_priv.h"
#include "s3/xml_priv.h"

#define DOCUMENT_MAX 65536

struct versioning {
    enum lb_versioning state; /* the new one */
    struct lb_buf xml;
};

static void get(struct s3_request *r) {
    struct versioning *v = r->state;
    struct lb_buf *b = &v->xml;
    lb_buf_init(b, 4096);
    s3_xml_begin(b, "VersioningConfiguration");
    if (r->settings->versioning != LB_VERSIONING_OFF)
        s3_xml_text(b, "Status",
                    r->settings->versioning == LB_VERSIONING_ON ? LB_S("Enabled")
                                                                : LB_S("Suspended"));
    s3_xml_close(b, "VersioningConfiguration");
    s3_reply_xml(r, 200, b);
}

void s3_op_get_versioning(struct s3_request *r) {
    r->state = lb_arena_zalloc(r->x->arena, sizeof(struct versioning));
    if (r->state)
        s3_bucket_load(r, get);
    else
        s3_fail(r, -ENOMEM);
}

/* What is deleted is gone only by its version's id, and nobody is asked for a second factor. */
static int parse(struct lb_arena *a, struct lb_slice document, enum lb_versioning *ret) {
    const struct s3_xml *root;
    int err = s3_xml_parse(a, document, &root);
    if (err < 0)
        return err;
    struct lb_slice status = s3_xml_child_text(root, LB_S("Status"));
    if (!lb_slice_eq(root->name, LB_S("VersioningConfiguration")))
        return LB_ERR_MALFORMED_XML;
    if (lb_slice_eq(s3_xml_child_text(root, LB_S("MfaDelete")), LB_S("Enabled")))
        return LB_ERR_NOT_IMPLEMENTED;
    if (lb_slice_eq(status, LB_S("Enabled")))
        *ret = LB_VERSIONING_ON;
    else if (lb_slice_eq(status, LB_S("Suspended")))
        *ret = LB_VERSIONING_SUSPENDED;
    else
        return LB_ERR_MALFORMED_XML;
    return 0;
}

static void change(struct s3_request *r, struct lb_s3_bucket_settings *s) {
    const struct versioning *v = r->state;
    s->versioning = v->state;
}

static void on_document(struct s3_request *r, struct lb_slice document) {
    struct versioning *v = r->state;
    int err = parse(r->x->arena, document, &v->state);
    if (err < 0)
        s3_fail(r, err);
    else
        s3_bucket_change(r, change);
}

void s3_op_put_versioning(struct s3_request *r) {
    r->state = lb_arena_zalloc(r->x->arena, sizeof(struct versioning));
    if (r->state)
        s3_read_document(r, DOCUMENT_MAX, on_document);
    else
        s3_fail(r, -ENOMEM);
}
