/* CreateMultipartUpload, AbortMultipartUpload. */
#include <errno.h>

#include "s3/access_priv.h"
#include "s3/checksum_priv.h"
#include "s3/object_headers_priv.h"
#include "s3/ops_priv.h"
#include "s3/xml_priv.h"

#define DOCUMENT_MAX 16384

struct creating {
    struct s3_meta meta;
    struct lb_buf blob; /* meta, encoded */
    struct lb_buf xml;
};

static void on_created(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct creating *c = r->state;
    lb_buf_fini(&c->blob);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    if (c->meta.checksum_kind != LB_HASH_KINDS) {
        s3_header(r, LB_S("x-amz-checksum-algorithm"), s3_checksum_name(c->meta.checksum_kind));
        s3_header(r, LB_S("x-amz-checksum-type"), s3_checksum_type_name(c->meta.checksum_type));
    }
    lb_buf_init(&c->xml, DOCUMENT_MAX);
    s3_xml_begin(&c->xml, "InitiateMultipartUploadResult");
    s3_xml_text(&c->xml, "Bucket", r->bucket);
    s3_xml_text(&c->xml, "Key", r->key);
    s3_xml_text(&c->xml, "UploadId", op->uploads[0].id);
    s3_xml_close(&c->xml, "InitiateMultipartUploadResult");
    s3_reply_xml(r, 200, &c->xml);
}

/* x-amz-checksum-algorithm and -type: the SHAs can only be composite, CRC64NVME only of the full
 * object, the other CRCs both, composite unless said otherwise. */
static int parse_checksum(struct s3_request *r, struct s3_meta *meta) {
    struct lb_slice name = s3_request_header(r, LB_S("x-amz-checksum-algorithm"));
    struct lb_slice type = s3_request_header(r, LB_S("x-amz-checksum-type"));
    unsigned kind = meta->checksum_kind = name.ptr ? s3_checksum_by_name(name) : LB_HASH_KINDS;
    if (name.ptr && kind == LB_HASH_KINDS)
        return LB_ERR_INVALID_REQUEST;
    if (kind == LB_HASH_KINDS)
        return type.ptr ? LB_ERR_INVALID_REQUEST : 0;
    meta->checksum_type =
        kind == LB_HASH_CRC64NVME ? S3_CHECKSUM_FULL_OBJECT : S3_CHECKSUM_COMPOSITE;
    if (!type.ptr)
        return 0;
    int err = s3_checksum_type_by_name(type, &meta->checksum_type);
    if (err < 0)
        return err;
    bool full = meta->checksum_type == S3_CHECKSUM_FULL_OBJECT;
    bool sha = kind == LB_HASH_SHA1 || kind == LB_HASH_SHA256;
    return (full && sha) || (!full && kind == LB_HASH_CRC64NVME) ? LB_ERR_INVALID_REQUEST : 0;
}

void s3_op_upload_create(struct s3_request *r) {
    struct creating *c = r->state = lb_arena_zalloc(r->x->arena, sizeof(*c));
    int err = c ? s3_object_headers_parse(r, &c->meta) : -ENOMEM;
    if (err == 0)
        err = parse_checksum(r, &c->meta);
    if (err == 0 && !s3_is_admin(r))
        c->meta.initiator = (struct s3_meta_pair){s3_user_id(r), s3_user_name(r)};
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    lb_buf_init(&c->blob, LB_META_MAX);
    s3_meta_encode(&c->meta, &c->blob);
    if (c->blob.err) {
        lb_buf_fini(&c->blob);
        s3_fail(r, -ENOMEM);
        return;
    }
    struct lb_engine_op *op = s3_engine_op(r, on_created);
    op->meta = lb_buf_slice(&c->blob);
    r->s3->port->ops->upload_create(r->s3->port, op);
}

static void on_aborted(struct lb_engine_op *op, int err) {
    if (err < 0)
        s3_fail(s3_of(op), err);
    else
        s3_reply(s3_of(op), 204);
}

void s3_op_upload_abort(struct s3_request *r) {
    struct lb_engine_op *op = s3_engine_op(r, on_aborted);
    op->upload_id = s3_query(r, LB_S("uploadId"));
    r->s3->port->ops->upload_abort(r->s3->port, op);
}
