/* CopyObject and UploadPartCopy.
 *
 * A copy keeps the source's ETag, also that of a multipart object, and its checksum, so the engine
 * may clone the bytes unread. They are read and hashed where a digest is needed that is not known:
 * of a file that another program wrote, of a checksum that was asked for, of a part that is a range
 * of its source. */
#include <errno.h>

#include "http/range.h"
#include "s3/access_priv.h"
#include "s3/checksum_priv.h"
#include "s3/conditional_priv.h"
#include "s3/copy_priv.h"
#include "s3/object_headers_priv.h"
#include "s3/ops_priv.h"
#include "s3/xml_priv.h"

#define REPLY_MAX 4096

struct copying {
    struct s3_copy copy;
    struct lb_slice bucket, key, version; /* of the source */
    struct s3_meta asked;                 /* by the request's headers */
    struct s3_meta meta;                  /* of the new object or part */
    bool replace, replace_tags;
    unsigned checksum_kind; /* wanted, or LB_HASH_KINDS */
    struct lb_precond precond;
    uint64_t part; /* 0: CopyObject */
    struct lb_etag etag;
    struct lb_buf blob, xml;
};

static void fail(struct s3_request *r, int err) {
    struct copying *c = r->state;
    const struct lb_engine_ops *ops = r->s3->port->ops;
    s3_copy_fini(&c->copy);
    ops->reader_close(c->copy.reader);
    if (c->copy.writer)
        ops->abort(c->copy.writer);
    s3_fail(r, err);
}

/* ---- the request ---- */

/* "/bucket/key?versionId=id", percent-encoded; the leading '/' may be missing. */
static int parse_source(struct s3_request *r, struct copying *c) {
    struct lb_slice source = s3_request_header(r, LB_S("x-amz-copy-source"));
    ptrdiff_t query = lb_slice_find_slice(source, LB_S("?versionId="));
    if (query >= 0) {
        c->version = lb_slice_from(source, (size_t)query + 11);
        if (!s3_version_valid(c->version))
            return LB_ERR_INVALID_ARGUMENT;
        source.len = (size_t)query;
    }
    int err = lb_uri_decode(r->x->arena, source, false, &source);
    if (err < 0)
        return err;
    if (lb_slice_starts_with(source, LB_S("/")))
        source = lb_slice_from(source, 1);
    c->key = source;
    c->bucket = lb_slice_cut(&c->key, '/');
    if (c->bucket.len == 0 || c->key.len == 0 || !lb_utf8_valid(c->key))
        return LB_ERR_INVALID_ARGUMENT;
    return c->key.len > LB_KEY_MAX ? LB_ERR_KEY_TOO_LONG : 0;
}

static int parse_directive(struct s3_request *r, struct lb_slice name, bool *ret_replace) {
    struct lb_slice value = s3_request_header(r, name);
    *ret_replace = lb_slice_eq(value, LB_S("REPLACE"));
    return !value.ptr || *ret_replace || lb_slice_eq(value, LB_S("COPY")) ? 0
                                                                          : LB_ERR_INVALID_ARGUMENT;
}

static int parse_checksum(struct s3_request *r, unsigned *ret) {
    struct lb_slice name = s3_request_header(r, LB_S("x-amz-checksum-algorithm"));
    *ret = name.ptr ? s3_checksum_by_name(name) : LB_HASH_KINDS;
    return name.ptr && *ret == LB_HASH_KINDS ? LB_ERR_INVALID_REQUEST : 0;
}

/* ---- the source ---- */

static bool is_self_copy(const struct s3_request *r, const struct copying *c) {
    return !c->part && !c->replace && !c->version.len &&
           !c->asked.fields[S3_META_STORAGE_CLASS].len &&
           !c->asked.fields[S3_META_REDIRECT_LOCATION].len && lb_slice_eq(c->bucket, r->bucket) &&
           lb_slice_eq(c->key, r->key);
}

/* The new object's meta: of the source or of the request, as the directives say. */
static void make_meta(struct copying *c, const struct s3_meta *source, bool foreign) {
    struct s3_meta *m = &c->meta;
    if (c->replace) {
        *m = c->asked;
    } else {
        *m = *source;
        m->fields[S3_META_STORAGE_CLASS] = c->asked.fields[S3_META_STORAGE_CLASS];
        m->fields[S3_META_REDIRECT_LOCATION] = c->asked.fields[S3_META_REDIRECT_LOCATION];
        if (foreign)
            m->fields[S3_META_CONTENT_TYPE] = s3_content_type_of(c->key);
    }
    m->acl = c->asked.acl; /* never copied */
    m->tags = c->replace_tags ? c->asked.tags : source->tags;
    m->tags_n = c->replace_tags ? c->asked.tags_n : source->tags_n;
    m->parts = source->parts;
    m->parts_n = source->parts_n;
    m->checksum_kind = source->checksum_kind;
    m->checksum_type = source->checksum_type;
    m->checksum = source->checksum;
}

/* A part has no meta but its checksum. */
static void make_part_meta(struct copying *c, const struct s3_meta *source, bool whole) {
    s3_meta_init(&c->meta);
    if (!whole || !source->checksum.len || source->checksum_type == S3_CHECKSUM_COMPOSITE)
        return;
    c->meta.checksum_kind = source->checksum_kind;
    c->meta.checksum = source->checksum;
}

/* Decides what has to be hashed, and clears what the copy will have anew. */
static void choose_hashes(struct copying *c, bool etag_known) {
    struct s3_meta *m = &c->meta;
    bool have = m->checksum.len && m->checksum_kind == c->checksum_kind &&
                m->checksum_type == S3_CHECKSUM_FULL_OBJECT;
    c->copy.kinds = etag_known ? 0 : LB_HASH_BIT(LB_HASH_MD5);
    if (c->checksum_kind == LB_HASH_KINDS || have)
        return;
    c->copy.kinds |= LB_HASH_BIT(c->checksum_kind);
    m->checksum_kind = c->checksum_kind;
    m->checksum_type = S3_CHECKSUM_FULL_OBJECT;
    m->checksum.len = 0;
}

static int look_at_source(struct s3_request *r) {
    struct copying *c = r->state;
    const struct lb_object_info *info = &c->copy.reader->info;
    struct lb_slice range = s3_request_header(r, LB_S("x-amz-copy-source-range"));
    struct s3_conditions conditions;
    struct s3_meta source;
    int err = s3_meta_decode(r->x->arena, info->meta, &source);
    if (err == 0)
        err = s3_access_read(r, &r->source, source.acl);
    if (err < 0)
        return err;
    s3_conditions_of_copy(r, &conditions);
    if (s3_conditions_check(&conditions, info) < 0)
        return LB_ERR_PRECONDITION_FAILED;
    c->copy.len = info->size;
    if (c->part && range.ptr)
        err = lb_range_copy_source(range, info->size, &c->copy.off, &c->copy.len);
    if (err < 0)
        return err;
    bool foreign = s3_object_foreign(info), whole = c->copy.len == info->size;
    if (c->part)
        make_part_meta(c, &source, whole);
    else
        make_meta(c, &source, foreign);
    c->etag = info->etag;
    choose_hashes(c, !foreign && (!c->part || (whole && !source.parts_n)));
    return 0;
}

/* ---- the steps ---- */

/* Of a source in another bucket it is not known whether that is versioned: "null" is told when it
 * was asked for. */
static void reply_versions(struct s3_request *r, const struct lb_object_info *made) {
    struct copying *c = r->state;
    struct lb_slice source = lb_version_slice(&c->copy.reader->info.version);
    if (!c->part)
        s3_header_made(r, &made->version);
    if (c->version.len || !lb_slice_eq(source, LB_S("null")))
        s3_header(r, LB_S("x-amz-copy-source-version-id"), source);
}

static void on_committed(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct copying *c = r->state;
    const char *root = c->part ? "CopyPartResult" : "CopyObjectResult";
    lb_buf_fini(&c->blob);
    c->copy.writer = NULL;
    if (err < 0) {
        fail(r, err);
        return;
    }
    s3_copy_fini(&c->copy);
    reply_versions(r, &op->info);
    r->s3->port->ops->reader_close(c->copy.reader);
    lb_buf_init(&c->xml, REPLY_MAX);
    s3_xml_begin(&c->xml, root);
    s3_xml_time(&c->xml, "LastModified", op->info.mtime_ns);
    s3_xml_etag(&c->xml, lb_etag_slice(&op->info.etag));
    s3_checksum_write(&c->xml, &c->meta);
    s3_xml_close(&c->xml, root);
    s3_reply_xml(r, 200, &c->xml);
}

static void take_digests(struct copying *c) {
    struct lb_digest md5;
    if (c->copy.kinds & LB_HASH_BIT(LB_HASH_MD5)) {
        lb_hash_stream_final(&c->copy.hash, LB_HASH_MD5, &md5);
        s3_etag_of_md5(&md5, &c->etag);
    }
    if (c->checksum_kind != LB_HASH_KINDS && c->copy.kinds & LB_HASH_BIT(c->checksum_kind))
        lb_hash_stream_final(&c->copy.hash, c->checksum_kind, &c->meta.checksum);
}

/* The bytes are there, and the settings are those of now (err: not). */
static void commit(struct s3_request *r, int err) {
    struct copying *c = r->state;
    if (err < 0) {
        lb_buf_fini(&c->blob);
        fail(r, err);
        return;
    }
    struct lb_engine_op *op = s3_engine_write(r, on_committed);
    op->etag = c->etag;
    op->part = (uint32_t)c->part;
    op->meta = lb_buf_slice(&c->blob);
    op->precond = c->precond;
    r->s3->port->ops->commit(c->copy.writer, op);
}

static void on_copied(struct s3_copy *copy, int err) {
    struct s3_request *r = copy->r;
    struct copying *c = r->state;
    if (err < 0) {
        fail(r, err);
        return;
    }
    take_digests(c);
    lb_buf_init(&c->blob, LB_META_MAX);
    s3_meta_encode(&c->meta, &c->blob);
    if (c->blob.err)
        commit(r, -ENOMEM);
    else
        s3_bucket_reload(r, commit);
}

static void on_created(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct copying *c = r->state;
    if (err < 0) {
        fail(r, err);
        return;
    }
    c->copy.writer = op->writer;
    c->copy.r = r;
    c->copy.done = on_copied;
    s3_copy_start(&c->copy);
}

static void on_source(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct copying *c = r->state;
    if (err == 0) {
        c->copy.reader = op->reader;
        err = look_at_source(r);
    }
    if (err < 0) {
        err = s3_access_missing(&r->source, err);
        fail(r, err == LB_ERR_METHOD_NOT_ALLOWED ? LB_ERR_INVALID_REQUEST : err); /* a marker */
        return;
    }
    op = s3_engine_op(r, on_created);
    if (c->part)
        op->upload_id = s3_query(r, LB_S("uploadId"));
    op->part = (uint32_t)c->part;
    op->size_hint = c->copy.len;
    op->relaxed = s3_relaxed(r);
    r->s3->port->ops->create(r->s3->port, op);
}

static void open_source(struct s3_request *r) {
    struct copying *c = r->state;
    struct lb_engine_op *op = s3_engine_op(r, on_source);
    op->bucket = c->bucket;
    op->key = c->key;
    op->version = c->version;
    r->s3->port->ops->open(r->s3->port, op);
}

void s3_op_copy_object(struct s3_request *r) {
    struct copying *c = r->state = lb_arena_zalloc(r->x->arena, sizeof(*c));
    int err = c ? parse_source(r, c) : -ENOMEM;
    if (err == 0)
        err = parse_directive(r, LB_S("x-amz-metadata-directive"), &c->replace);
    if (err == 0)
        err = parse_directive(r, LB_S("x-amz-tagging-directive"), &c->replace_tags);
    if (err == 0)
        err = s3_object_headers_parse(r, &c->asked);
    if (err == 0)
        err = parse_checksum(r, &c->checksum_kind);
    if (err == 0)
        err = s3_precond_parse(r, &c->precond);
    if (err < 0)
        s3_fail(r, err);
    else if (is_self_copy(r, c))
        s3_fail_message(r, LB_ERR_INVALID_REQUEST,
                        "This copy request is illegal because it is trying to copy an object to "
                        "itself without changing the object's metadata, storage class, website "
                        "redirect location or encryption attributes.");
    else
        s3_access_source(r, c->bucket, open_source);
}

static void on_upload(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct copying *c = r->state;
    struct s3_meta upload;
    if (err == 0)
        err = s3_meta_decode(r->x->arena, op->uploads[0].meta, &upload);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    c->checksum_kind = upload.checksum_kind;
    s3_access_source(r, c->bucket, open_source);
}

void s3_op_upload_part_copy(struct s3_request *r) {
    struct copying *c = r->state = lb_arena_zalloc(r->x->arena, sizeof(*c));
    int err = c ? parse_source(r, c) : -ENOMEM;
    if (err == 0 &&
        (s3_query_u64(r, LB_S("partNumber"), 0, LB_PARTS_MAX, &c->part) < 0 || c->part == 0))
        err = LB_ERR_INVALID_ARGUMENT;
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    struct lb_engine_op *op = s3_engine_op(r, on_upload);
    op->upload_id = s3_query(r, LB_S("uploadId"));
    r->s3->port->ops->upload_head(r->s3->port, op);
}
