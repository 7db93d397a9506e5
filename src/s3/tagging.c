/* Get, Put and DeleteObjectTagging. Tags are part of the meta blob. */
#include <errno.h>

#include "s3/meta_update_priv.h"
#include "s3/object_headers_priv.h"
#include "s3/ops_priv.h"
#include "s3/tagging_priv.h"
#include "s3/xml_priv.h"

struct tagging {
    struct s3_meta_pair *tags;
    size_t tags_n;
    struct s3_meta_update update;
    struct lb_buf xml;
};

void s3_tagging_write(struct lb_buf *b, const struct s3_meta_pair *tags, size_t n) {
    s3_xml_begin(b, "Tagging");
    s3_xml_open(b, "TagSet");
    for (size_t i = 0; i < n; i++) {
        s3_xml_open(b, "Tag");
        s3_xml_text(b, "Key", tags[i].name);
        s3_xml_text(b, "Value", tags[i].value);
        s3_xml_close(b, "Tag");
    }
    s3_xml_close(b, "TagSet");
    s3_xml_close(b, "Tagging");
}

int s3_tagging_parse(struct lb_arena *a, struct lb_slice document, size_t max,
                     struct s3_meta_pair **ret, size_t *ret_n) {
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
    struct s3_meta_pair *tags = lb_arena_alloc(a, (n + 1) * sizeof(*tags));
    if (!tags)
        return -ENOMEM;
    n = 0;
    for (const struct s3_xml *c = set->child; c; c = c->next) {
        struct s3_meta_pair *tag = &tags[n++];
        tag->name = s3_xml_child_text(c, LB_S("Key"));
        tag->value = s3_xml_child_text(c, LB_S("Value"));
        if (!lb_slice_eq(c->name, LB_S("Tag")) || !tag->name.ptr || !tag->value.ptr)
            return LB_ERR_MALFORMED_XML;
    }
    *ret = tags;
    *ret_n = n;
    return s3_tags_check(tags, n, max);
}

static struct tagging *begin(struct s3_request *r) {
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
        s3_fail_missing(r, op, err);
        return;
    }
    s3_header_version(r, &op->info.version);
    lb_buf_init(&t->xml, S3_TAGGING_SIZE_MAX);
    s3_tagging_write(&t->xml, meta.tags, meta.tags_n);
    s3_reply_xml(r, 200, &t->xml);
}

void s3_op_get_tagging(struct s3_request *r) {
    if (begin(r))
        r->s3->port->ops->head(r->s3->port, s3_engine_op(r, on_head_to_get));
}

/* ---- changing ---- */

static void change(struct s3_request *r, struct s3_meta *m) {
    const struct tagging *t = r->state;
    m->tags = t->tags;
    m->tags_n = t->tags_n;
}

static void update(struct s3_request *r, int status) {
    struct tagging *t = r->state;
    t->update.change = change;
    t->update.status = status;
    s3_meta_update(r, &t->update);
}

static void on_document(struct s3_request *r, struct lb_slice document) {
    struct tagging *t = r->state;
    int err = s3_tagging_parse(r->x->arena, document, S3_TAGS_MAX, &t->tags, &t->tags_n);
    if (err < 0)
        s3_fail(r, err);
    else
        update(r, 200);
}

void s3_op_put_tagging(struct s3_request *r) {
    if (begin(r))
        s3_read_document(r, S3_TAGGING_SIZE_MAX, on_document);
}

void s3_op_delete_tagging(struct s3_request *r) {
    if (begin(r))
        update(r, 204);
}
