/* Get, Put and DeleteObjectTagging. Tags are part of the meta blob: to change them is to read the
 * blob, to change it and to write it back on the condition that the object is still the same. */
#include <errno.h>

#include "s3/object_headers_priv.h"
#include "s3/ops_priv.h"
#include "s3/xml_priv.h"

#define DOCUMENT_MAX 65536
#define REPLY_MAX 65536
#define TRIES_MAX 4

struct tagging {
    struct s3_meta_pair *tags;
    size_t tags_n;
    struct lb_etag etag; /* of the object whose meta was read */
    struct lb_buf blob;
    struct lb_buf xml;
    unsigned tries;
};

static bool wrong_version(struct s3_request *r) {
    struct lb_slice version = s3_query(r, LB_S("versionId"));
    if (!version.len || lb_slice_eq(version, LB_S("null")))
        return false;
    s3_fail(r, LB_ERR_NO_SUCH_VERSION);
    return true;
}

static struct tagging *begin(struct s3_request *r) {
    if (wrong_version(r))
        return NULL;
    r->state = lb_arena_zalloc(r->x->arena, sizeof(struct tagging));
    if (!r->state)
        s3_fail(r, -ENOMEM);
    return r->state;
}

static void on_head_to_get(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct tagging *t = r->state;
    struct s3_meta meta;
    if (err == 0)
        err = s3_meta_decode(r->x->arena, op->info.meta, &meta);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    lb_buf_init(&t->xml, REPLY_MAX);
    s3_xml_begin(&t->xml, "Tagging");
    s3_xml_open(&t->xml, "TagSet");
    for (size_t i = 0; i < meta.tags_n; i++) {
        s3_xml_open(&t->xml, "Tag");
        s3_xml_text(&t->xml, "Key", meta.tags[i].name);
        s3_xml_text(&t->xml, "Value", meta.tags[i].value);
        s3_xml_close(&t->xml, "Tag");
    }
    s3_xml_close(&t->xml, "TagSet");
    s3_xml_close(&t->xml, "Tagging");
    s3_reply_xml(r, 200, &t->xml);
}

void s3_op_get_tagging(struct s3_request *r) {
    if (begin(r))
        r->s3->port->ops->head(r->s3->port, s3_engine_op(r, on_head_to_get));
}

/* ---- changing ---- */

static void read_meta(struct s3_request *r);

static void on_set(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct tagging *t = r->state;
    lb_buf_fini(&t->blob);
    if (err == LB_ERR_PRECONDITION_FAILED && ++t->tries < TRIES_MAX)
        read_meta(r); /* the object was replaced meanwhile */
    else if (err < 0)
        s3_fail(r, err == LB_ERR_PRECONDITION_FAILED ? LB_ERR_CONDITIONAL_CONFLICT : err);
    else
        s3_reply(r, r->op->method == LB_HTTP_DELETE ? 204 : 200);
}

static void on_head_to_set(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct tagging *t = r->state;
    struct s3_meta meta;
    if (err == 0)
        err = s3_meta_decode(r->x->arena, op->info.meta, &meta);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    meta.tags = t->tags;
    meta.tags_n = t->tags_n;
    t->etag = op->info.etag;
    lb_buf_init(&t->blob, LB_META_MAX);
    s3_meta_encode(&meta, &t->blob);
    if (t->blob.err) {
        lb_buf_fini(&t->blob);
        s3_fail(r, -ENOMEM);
        return;
    }
    op = s3_engine_op(r, on_set);
    op->meta = lb_buf_slice(&t->blob);
    op->precond.if_match = lb_etag_slice(&t->etag);
    op->relaxed = r->s3->conf->relaxed;
    r->s3->port->ops->set_meta(r->s3->port, op);
}

static void read_meta(struct s3_request *r) {
    r->s3->port->ops->head(r->s3->port, s3_engine_op(r, on_head_to_set));
}

static int parse_tags(struct lb_arena *a, struct lb_slice document, struct tagging *t) {
    const struct s3_xml *root, *set;
    size_t n = 0;
    int err = s3_xml_parse(a, document, &root);
    if (err < 0)
        return err;
    set = s3_xml_child(root, LB_S("TagSet"));
    if (!lb_slice_eq(root->name, LB_S("Tagging")) || !set)
        return LB_ERR_MALFORMED_XML;
    for (const struct s3_xml *c = set->child; c; c = c->next)
        n++;
    t->tags = lb_arena_zalloc(a, (n + 1) * sizeof(t->tags[0]));
    if (!t->tags)
        return -ENOMEM;
    for (const struct s3_xml *c = set->child; c; c = c->next) {
        struct s3_meta_pair *tag = &t->tags[t->tags_n++];
        tag->name = s3_xml_child_text(c, LB_S("Key"));
        tag->value = s3_xml_child_text(c, LB_S("Value"));
        if (!lb_slice_eq(c->name, LB_S("Tag")) || !tag->name.ptr || !tag->value.ptr)
            return LB_ERR_MALFORMED_XML;
    }
    return s3_tags_check(t->tags, t->tags_n);
}

static void on_document(struct s3_request *r, struct lb_slice document) {
    int err = parse_tags(r->x->arena, document, r->state);
    if (err < 0)
        s3_fail(r, err);
    else
        read_meta(r);
}

void s3_op_put_tagging(struct s3_request *r) {
    if (begin(r))
        s3_read_document(r, DOCUMENT_MAX, on_document);
}

void s3_op_delete_tagging(struct s3_request *r) {
    if (begin(r))
        read_meta(r);
}
