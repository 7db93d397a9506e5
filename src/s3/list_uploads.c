/* ListParts and ListMultipartUploads. */
#include <errno.h>

#include "s3/checksum_priv.h"
#include "s3/ops_priv.h"
#include "s3/xml_priv.h"

#define PAGE_MAX 1000
#define DOCUMENT_MAX (32u << 20)

/* Who began an upload; it is his until it is an object. */
static void write_initiator(const struct s3_request *r, struct lb_buf *b,
                            const struct s3_meta *upload) {
    const struct lb_s3_conf *conf = r->s3->conf;
    bool admin = upload->initiator.name.len == 0;
    struct lb_slice id = admin ? conf->owner_id : upload->initiator.name;
    struct lb_slice name = admin ? conf->owner_name : upload->initiator.value;
    s3_xml_owner(b, "Initiator", id, name);
    s3_xml_owner(b, "Owner", id, name);
}

/* ---- ListParts ---- */

struct parts_list {
    uint64_t max, after;
    struct s3_meta upload;
    struct lb_buf xml;
};

static void write_part(struct s3_request *r, struct lb_buf *b, const struct lb_part_info *part) {
    struct s3_meta meta;
    char text[S3_CHECKSUM_TEXT_MAX];
    s3_xml_open(b, "Part");
    s3_xml_u64(b, "PartNumber", part->number);
    s3_xml_time(b, "LastModified", part->mtime_ns);
    s3_xml_etag(b, lb_etag_slice(&part->etag));
    s3_xml_u64(b, "Size", part->size);
    int err = s3_meta_decode(r->x->arena, part->meta, &meta);
    if (err == -ENOMEM)
        b->err = err;
    if (err == 0 && meta.checksum.len)
        s3_xml_text(b, s3_checksum_element(meta.checksum_kind).ptr,
                    s3_checksum_text(&meta.checksum, text));
    s3_xml_close(b, "Part");
}

static void on_parts(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct parts_list *l = r->state;
    struct lb_buf *b = &l->xml;
    size_t n = l->max ? op->n : 0;
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    s3_document_init(r, b, DOCUMENT_MAX);
    s3_xml_begin(b, "ListPartsResult");
    s3_xml_text(b, "Bucket", r->bucket);
    s3_xml_text(b, "Key", r->key);
    s3_xml_text(b, "UploadId", s3_query(r, LB_S("uploadId")));
    write_initiator(r, b, &l->upload);
    struct lb_slice class = l->upload.fields[S3_META_STORAGE_CLASS];
    s3_xml_text(b, "StorageClass", class.len ? class : LB_S("STANDARD"));
    s3_xml_u64(b, "PartNumberMarker", l->after);
    s3_xml_u64(b, "NextPartNumberMarker", n ? op->ret_parts[n - 1].number : 0);
    s3_xml_u64(b, "MaxParts", l->max);
    s3_xml_bool(b, "IsTruncated", n && op->truncated);
    s3_checksum_write_kind(b, &l->upload);
    for (size_t i = 0; i < n; i++)
        write_part(r, b, &op->ret_parts[i]);
    s3_xml_close(b, "ListPartsResult");
    s3_reply_xml(r, 200, b);
}

static void on_upload(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct parts_list *l = r->state;
    if (err == 0)
        err = s3_meta_decode(r->x->arena, op->uploads[0].meta, &l->upload);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    op = s3_engine_op(r, on_parts);
    op->upload_id = s3_query(r, LB_S("uploadId"));
    op->part = (uint32_t)l->after;
    op->max = l->max ? l->max : 1;
    r->s3->port->ops->upload_parts(r->s3->port, op);
}

void s3_op_list_parts(struct s3_request *r) {
    struct parts_list *l = r->state = lb_arena_zalloc(r->x->arena, sizeof(*l));
    int err = l ? s3_query_u64(r, LB_S("max-parts"), PAGE_MAX, INT32_MAX, &l->max) : -ENOMEM;
    if (err == 0)
        err = s3_query_u64(r, LB_S("part-number-marker"), 0, INT32_MAX, &l->after);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    if (l->max > PAGE_MAX)
        l->max = PAGE_MAX;
    struct lb_engine_op *op = s3_engine_op(r, on_upload);
    op->upload_id = s3_query(r, LB_S("uploadId"));
    r->s3->port->ops->upload_head(r->s3->port, op);
}

/* ---- ListMultipartUploads ---- */

struct uploads_list {
    struct lb_slice prefix, delimiter, key_marker, id_marker;
    uint64_t max;
    bool url;
    size_t n; /* uploads and common prefixes so far */
    bool truncated;
    struct lb_slice last_key,
        last_id;                     /* of the last entry; the id is empty behind a common prefix */
    struct lb_buf uploads, prefixes; /* their elements */
    struct lb_buf xml;
};

static void next_uploads(struct s3_request *r);

/* The common prefix that key is grouped under, or empty. */
static struct lb_slice common_prefix(const struct uploads_list *l, struct lb_slice key) {
    ptrdiff_t at = l->delimiter.len
                       ? lb_slice_find_slice(lb_slice_from(key, l->prefix.len), l->delimiter)
                       : -1;
    return at < 0 ? lb_slice(NULL, 0)
                  : lb_slice_first(key, l->prefix.len + (size_t)at + l->delimiter.len);
}

static void add_upload(struct s3_request *r, const struct lb_upload_info *u) {
    struct uploads_list *l = r->state;
    struct lb_buf *b = &l->uploads;
    struct lb_slice class = LB_S("STANDARD");
    struct s3_meta meta;
    s3_xml_open(b, "Upload");
    s3_xml_name(b, "Key", u->key, l->url);
    s3_xml_text(b, "UploadId", u->id);
    int err = s3_meta_decode(r->x->arena, u->meta, &meta);
    if (err == -ENOMEM)
        b->err = err;
    if (err < 0)
        s3_meta_init(&meta);
    write_initiator(r, b, &meta);
    if (meta.fields[S3_META_STORAGE_CLASS].len)
        class = meta.fields[S3_META_STORAGE_CLASS];
    s3_checksum_write_kind(b, &meta);
    s3_xml_text(b, "StorageClass", class);
    s3_xml_time(b, "Initiated", u->created_ns);
    s3_xml_close(b, "Upload");
    l->last_key = u->key;
    l->last_id = u->id;
}

static void add_prefix(struct uploads_list *l, struct lb_slice prefix) {
    s3_xml_open(&l->prefixes, "CommonPrefixes");
    s3_xml_name(&l->prefixes, "Prefix", prefix, l->url);
    s3_xml_close(&l->prefixes, "CommonPrefixes");
    l->last_key = prefix;
    l->last_id = lb_slice(NULL, 0);
}

static void reply_uploads(struct s3_request *r) {
    struct uploads_list *l = r->state;
    struct lb_buf *b = &l->xml;
    s3_document_init(r, b, DOCUMENT_MAX);
    s3_xml_begin(b, "ListMultipartUploadsResult");
    s3_xml_text(b, "Bucket", r->bucket);
    s3_xml_name(b, "KeyMarker", l->key_marker, l->url);
    s3_xml_text(b, "UploadIdMarker", l->id_marker);
    if (l->truncated) {
        s3_xml_name(b, "NextKeyMarker", l->last_key, l->url);
        s3_xml_text(b, "NextUploadIdMarker", l->last_id);
    }
    s3_xml_name(b, "Prefix", l->prefix, l->url);
    if (l->delimiter.len)
        s3_xml_name(b, "Delimiter", l->delimiter, l->url);
    if (l->url)
        s3_xml_text(b, "EncodingType", LB_S("url"));
    s3_xml_u64(b, "MaxUploads", l->max);
    s3_xml_bool(b, "IsTruncated", l->truncated);
    lb_buf_append(b, lb_buf_slice(&l->uploads));
    lb_buf_append(b, lb_buf_slice(&l->prefixes));
    s3_xml_close(b, "ListMultipartUploadsResult");
    if (l->uploads.err || l->prefixes.err)
        b->err = -ENOMEM;
    lb_buf_fini(&l->uploads);
    lb_buf_fini(&l->prefixes);
    s3_reply_xml(r, 200, b);
}

static void on_uploads(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct uploads_list *l = r->state;
    if (err < 0) {
        lb_buf_fini(&l->uploads);
        lb_buf_fini(&l->prefixes);
        s3_fail(r, err);
        return;
    }
    for (size_t i = 0; i < op->n; i++) {
        struct lb_slice group = common_prefix(l, op->uploads[i].key);
        if (group.len && l->last_id.ptr == NULL && lb_slice_eq(group, l->last_key))
            continue; /* its group is there already */
        if (l->n == l->max) {
            l->truncated = l->max > 0;
            reply_uploads(r);
            return;
        }
        if (group.len)
            add_prefix(l, group);
        else
            add_upload(r, &op->uploads[i]);
        l->n++;
    }
    if (op->truncated)
        next_uploads(r);
    else
        reply_uploads(r);
}

/* Asks the engine for what comes after the last entry. Behind a common prefix that is after every
 * key in it: 0xFF is in no UTF-8. */
static void next_uploads(struct s3_request *r) {
    struct uploads_list *l = r->state;
    struct lb_slice after = l->last_key;
    bool group =
        after.len && !l->last_id.ptr && l->delimiter.len && lb_slice_ends_with(after, l->delimiter);
    if (group && lb_arena_printf(r->x->arena, &after, "%.*s\xff", LB_SLICE_ARG(after)) < 0) {
        lb_buf_fini(&l->uploads);
        lb_buf_fini(&l->prefixes);
        s3_fail(r, -ENOMEM);
        return;
    }
    struct lb_engine_op *op = s3_engine_op(r, on_uploads);
    op->prefix = l->prefix;
    op->after = after;
    op->after_id = l->last_id;
    op->max = PAGE_MAX;
    r->s3->port->ops->upload_list(r->s3->port, op);
}

void s3_op_list_uploads(struct s3_request *r) {
    struct uploads_list *l = r->state = lb_arena_zalloc(r->x->arena, sizeof(*l));
    int err = l ? s3_query_u64(r, LB_S("max-uploads"), PAGE_MAX, INT32_MAX, &l->max) : -ENOMEM;
    struct lb_slice encoding = s3_query(r, LB_S("encoding-type"));
    if (err == 0 && encoding.len && !lb_slice_eq(encoding, LB_S("url")))
        err = LB_ERR_INVALID_ARGUMENT;
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    if (l->max > PAGE_MAX)
        l->max = PAGE_MAX;
    l->url = encoding.len > 0;
    l->prefix = s3_query(r, LB_S("prefix"));
    l->delimiter = s3_query(r, LB_S("delimiter"));
    l->last_key = l->key_marker = s3_query(r, LB_S("key-marker"));
    l->last_id = l->id_marker = s3_query(r, LB_S("upload-id-marker"));
    s3_document_init(r, &l->uploads, DOCUMENT_MAX / 2);
    s3_document_init(r, &l->prefixes, DOCUMENT_MAX / 2);
    next_uploads(r);
}
