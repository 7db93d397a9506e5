/* ListBuckets. */
#include <errno.h>

#include "s3/ops_priv.h"
#include "s3/xml_priv.h"

#define PAGE_MAX 10000
#define DOCUMENT_MAX (8u << 20)

struct listing {
    struct lb_slice prefix;
    struct lb_slice token; /* the last name of the page before */
    uint64_t max;
    struct lb_buf xml;
};

static void on_buckets(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct listing *l = r->state;
    struct lb_buf *b = &l->xml;
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    lb_buf_init(b, DOCUMENT_MAX);
    s3_xml_begin(b, "ListAllMyBucketsResult");
    s3_xml_owner(b, "Owner", s3_owner_id(r), s3_owner_name(r));
    s3_xml_open(b, "Buckets");
    for (size_t i = 0; i < op->n; i++) {
        s3_xml_open(b, "Bucket");
        s3_xml_text(b, "Name", op->buckets[i].name);
        s3_xml_time(b, "CreationDate", op->buckets[i].created_ns);
        s3_xml_text(b, "BucketRegion", r->s3->conf->region);
        s3_xml_close(b, "Bucket");
    }
    s3_xml_close(b, "Buckets");
    if (op->truncated)
        s3_xml_text(b, "ContinuationToken", op->buckets[op->n - 1].name);
    if (l->prefix.ptr)
        s3_xml_text(b, "Prefix", l->prefix);
    s3_xml_close(b, "ListAllMyBucketsResult");
    s3_reply_xml(r, 200, b);
}

void s3_op_list_buckets(struct s3_request *r) {
    struct listing *l = lb_arena_zalloc(r->x->arena, sizeof(*l));
    if (!l) {
        s3_fail(r, -ENOMEM);
        return;
    }
    r->state = l;
    l->prefix = s3_query(r, LB_S("prefix"));
    l->token = s3_query(r, LB_S("continuation-token"));
    int err = s3_query_u64(r, LB_S("max-buckets"), PAGE_MAX, PAGE_MAX, &l->max);
    if (err < 0 || l->max == 0) {
        s3_fail_message(r, LB_ERR_INVALID_ARGUMENT, "max-buckets must be from 1 to 10000.");
        return;
    }
    struct lb_engine_op *op = s3_engine_op(r, on_buckets);
    op->prefix = l->prefix;
    op->after = l->token;
    op->max = l->max;
    r->s3->port->ops->bucket_list(r->s3->port, op);
}
