/* PutObject and UploadPart: headers to meta, body to a writer, commit. */
#include <errno.h>

#include "s3/access_priv.h"
#include "s3/body_priv.h"
#include "s3/conditional_priv.h"
#include "s3/object_headers_priv.h"
#include "s3/ops_priv.h"

struct put {
    struct s3_meta meta;
    struct lb_precond precond;
    struct lb_writer *writer;
    struct lb_buf blob;  /* meta, encoded */
    uint64_t part;       /* 0: an object */
    struct lb_etag etag; /* of what was received */
};

static void on_committed(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct put *p = r->state;
    lb_buf_fini(&p->blob);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    s3_header_etag(r, &op->info.etag);
    if (!p->part)
        s3_header_made(r, &op->info.version);
    s3_checksum_reply(r, p->meta.checksum_kind, &p->meta.checksum, S3_CHECKSUM_FULL_OBJECT, 0);
    s3_reply(r, 200);
}

/* The body is there (err: not), and the settings are those of now: others than at the start, it may
 * be, when the upload took long. */
static void commit(struct s3_request *r, int err) {
    struct put *p = r->state;
    if (err < 0) {
        lb_buf_fini(&p->blob);
        r->s3->port->ops->abort(p->writer);
        s3_fail(r, err);
        return;
    }
    struct lb_engine_op *op = s3_engine_write(r, on_committed);
    s3_etag_of_md5(&s3_body_result(r)->md5, &op->etag);
    op->part = (uint32_t)p->part;
    op->meta = lb_buf_slice(&p->blob);
    op->precond = p->precond;
    r->s3->port->ops->commit(p->writer, op);
}

static void on_body(struct s3_request *r, int err) {
    struct put *p = r->state;
    const struct s3_body_result *body = s3_body_result(r);
    if (err == 0) {
        p->meta.checksum_kind = body->checksum_kind;
        p->meta.checksum = body->checksum;
        lb_buf_init(&p->blob, LB_META_MAX);
        s3_meta_encode(&p->meta, &p->blob);
        err = p->blob.err;
    }
    if (err < 0)
        commit(r, err);
    else
        s3_bucket_reload(r, commit);
}

static void on_created(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct put *p = r->state;
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    p->writer = op->writer;
    s3_body_write(r, p->writer, on_body);
}

/* The body's headers are in order: opens the writer, then reads. */
static void begin(struct s3_request *r, unsigned checksum_kind) {
    struct put *p = r->state;
    int err = s3_body_open(r, S3_BODY_OBJECT, checksum_kind);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    struct lb_engine_op *op = s3_engine_op(r, on_created);
    if (p->part) {
        op->upload_id = s3_query(r, LB_S("uploadId"));
        op->part = (uint32_t)p->part;
    }
    op->size_hint = s3_body_size(r);
    op->relaxed = s3_relaxed(r);
    r->s3->port->ops->create(r->s3->port, op);
}

void s3_op_put_object(struct s3_request *r) {
    struct put *p = r->state = lb_arena_zalloc(r->x->arena, sizeof(*p));
    int err = p ? s3_object_headers_parse(r, &p->meta) : -ENOMEM;
    if (err == 0)
        err = s3_precond_parse(r, &p->precond);
    if (err < 0)
        s3_fail(r, err);
    else
        begin(r, LB_HASH_KINDS);
}

/* The upload says which checksum all of its parts are to have. */
static void on_upload(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct s3_meta upload;
    if (err == 0)
        err = s3_meta_decode(r->x->arena, op->uploads[0].meta, &upload);
    if (err < 0)
        s3_fail(r, err);
    else
        begin(r, upload.checksum_kind);
}

void s3_op_upload_part(struct s3_request *r) {
    struct put *p = r->state = lb_arena_zalloc(r->x->arena, sizeof(*p));
    if (!p) {
        s3_fail(r, -ENOMEM);
        return;
    }
    s3_meta_init(&p->meta);
    struct lb_slice id = s3_query(r, LB_S("uploadId"));
    if (s3_query_u64(r, LB_S("partNumber"), 0, LB_PARTS_MAX, &p->part) < 0 || p->part == 0) {
        s3_fail_message(r, LB_ERR_INVALID_ARGUMENT,
                        "Part number must be an integer between 1 and 10000, inclusive");
    } else if (id.len == 0 || id.len > LB_UPLOAD_ID_MAX) {
        s3_fail(r, LB_ERR_NO_SUCH_UPLOAD);
    } else {
        struct lb_engine_op *op = s3_engine_op(r, on_upload);
        op->upload_id = id;
        r->s3->port->ops->upload_head(r->s3->port, op);
    }
}
