/* CompleteMultipartUpload: the document names the parts; they are held against those that were
 * uploaded; ETag and checksum of the whole follow from those of the parts. */
#include <errno.h>
#include <stdio.h>

#include "s3/checksum_priv.h"
#include "s3/conditional_priv.h"
#include "s3/ops_priv.h"
#include "s3/slow_priv.h"
#include "s3/xml_priv.h"

#define DOCUMENT_MAX (4u << 20)
#define REPLY_MAX 32768

struct completing {
    struct lb_slice upload_id;
    struct lb_precond precond;
    struct lb_part_info *parts; /* as the document names them; then as they were uploaded */
    struct lb_digest *claimed;  /* the document's checksum of each part; len 0: none */
    size_t parts_n;
    struct s3_meta meta; /* the upload's, completed to the object's */
    struct lb_etag etag;
    uint64_t size;
    struct lb_buf blob;
    struct lb_buf xml;
};

/* ---- the document ---- */

static int parse_part(const struct s3_xml *node, struct lb_part_info *part,
                      struct lb_digest *claimed) {
    struct lb_slice etag = s3_etag_unquote(s3_xml_child_text(node, LB_S("ETag")));
    uint64_t number;
    if (lb_slice_to_u64(lb_slice_trim(s3_xml_child_text(node, LB_S("PartNumber"))), &number) < 0 ||
        etag.len == 0)
        return LB_ERR_MALFORMED_XML;
    if (number < 1 || number > LB_PARTS_MAX)
        return LB_ERR_INVALID_ARGUMENT;
    part->number = (uint32_t)number;
    if (etag.len <= sizeof(part->etag.text)) { /* else no part's: it stays empty */
        memcpy(part->etag.text, etag.ptr, etag.len);
        part->etag.len = (uint8_t)etag.len;
    }
    for (const struct s3_xml *c = node->child; c; c = c->next) {
        unsigned kind = s3_checksum_by_element(c->name);
        if (kind != LB_HASH_KINDS && s3_checksum_parse(kind, c->text, claimed) < 0)
            return LB_ERR_INVALID_PART;
    }
    return 0;
}

/* A number that comes twice in a row counts as it is named last: the part was sent again. */
static void add_part(struct completing *c, const struct lb_part_info *part,
                     const struct lb_digest *claimed) {
    if (c->parts_n == 0 || c->parts[c->parts_n - 1].number != part->number)
        c->parts_n++;
    c->parts[c->parts_n - 1] = *part;
    c->claimed[c->parts_n - 1] = *claimed;
}

static int parse_parts(struct lb_arena *a, const struct s3_xml *root, struct completing *c) {
    size_t n = 0;
    for (const struct s3_xml *p = root->child; p; p = p->next)
        n += lb_slice_eq(p->name, LB_S("Part"));
    if (!lb_slice_eq(root->name, LB_S("CompleteMultipartUpload")) || n == 0 || n > LB_PARTS_MAX)
        return LB_ERR_MALFORMED_XML;
    c->parts = lb_arena_zalloc(a, n * sizeof(c->parts[0]));
    c->claimed = lb_arena_zalloc(a, n * sizeof(c->claimed[0]));
    if (!c->parts || !c->claimed)
        return -ENOMEM;
    for (const struct s3_xml *p = root->child; p; p = p->next) {
        if (!lb_slice_eq(p->name, LB_S("Part")))
            continue;
        struct lb_part_info part = {0};
        struct lb_digest claimed = {0};
        int err = parse_part(p, &part, &claimed);
        if (err < 0)
            return err;
        add_part(c, &part, &claimed);
        if (c->parts_n > 1 && part.number < c->parts[c->parts_n - 2].number)
            return LB_ERR_INVALID_PART_ORDER;
    }
    return 0;
}

/* ---- what follows from the parts ---- */

/* The MD5 of the parts' MD5s, "-", and how many there are. */
static int make_etag(struct completing *c) {
    struct lb_hasher h;
    struct lb_digest md5;
    char hex[2 * LB_HASH_SIZE_MAX + 1];
    uint8_t part[16];
    int err = lb_hasher_init(&h, LB_HASH_BIT(LB_HASH_MD5));
    for (size_t i = 0; i < c->parts_n && err == 0; i++) {
        if (lb_hex_decode(lb_etag_slice(&c->parts[i].etag), part, sizeof(part)) < 0)
            err = LB_ERR_INVALID_PART;
        lb_hasher_update(&h, lb_slice(part, sizeof(part)));
    }
    if (err == 0) {
        lb_hasher_final(&h, LB_HASH_MD5, &md5);
        lb_hex_encode(md5.bytes, md5.len, hex);
        c->etag.len = (uint8_t)snprintf(c->etag.text, sizeof(c->etag.text), "%.32s-%u", hex,
                                        (unsigned)c->parts_n);
    }
    lb_hasher_fini(&h);
    return err;
}

static int composite_checksum(struct completing *c) {
    struct s3_meta *m = &c->meta;
    struct lb_hasher h;
    int err = lb_hasher_init(&h, LB_HASH_BIT(m->checksum_kind));
    if (err < 0)
        return err;
    for (uint32_t i = 0; i < m->parts_n; i++)
        lb_hasher_update(&h, lb_slice(m->parts[i].checksum.bytes, m->parts[i].checksum.len));
    lb_hasher_final(&h, m->checksum_kind, &m->checksum);
    lb_hasher_fini(&h);
    return 0;
}

static int make_checksum(struct completing *c) {
    struct s3_meta *m = &c->meta;
    for (uint32_t i = 0; i < m->parts_n; i++) {
        if (m->parts[i].checksum.len != lb_hash_size(m->checksum_kind))
            return LB_ERR_INVALID_PART;
    }
    if (m->checksum_type == S3_CHECKSUM_COMPOSITE)
        return composite_checksum(c);
    m->checksum = m->parts[0].checksum;
    for (uint32_t i = 1; i < m->parts_n; i++)
        lb_crc_combine(m->checksum_kind, &m->checksum, &m->parts[i].checksum, m->parts[i].size,
                       &m->checksum);
    return 0;
}

/* Is text the checksum of the whole object? A composite one may have the number of parts behind it.
 */
static bool is_checksum(const struct s3_meta *m, struct lb_slice text) {
    char base64[S3_CHECKSUM_TEXT_MAX], suffix[16];
    struct lb_slice ours = s3_checksum_text(&m->checksum, base64);
    struct lb_slice rest = lb_slice_from(text, ours.len);
    snprintf(suffix, sizeof(suffix), "-%u", (unsigned)m->parts_n);
    return lb_slice_eq(lb_slice_first(text, ours.len), ours) &&
           (rest.len == 0 || (m->checksum_type == S3_CHECKSUM_COMPOSITE &&
                              lb_slice_eq(rest, lb_slice_cstr(suffix))));
}

/* Holds the request's own checksum of the whole object, if it sent one, against ours. */
static int check_claim(const struct s3_request *r, const struct completing *c) {
    struct lb_slice want = s3_request_header(r, LB_S("x-amz-mp-object-size")), claim;
    unsigned kind;
    uint64_t size;
    if (want.ptr && (lb_slice_to_u64(want, &size) < 0 || size != c->size))
        return LB_ERR_INVALID_REQUEST;
    int err = s3_checksum_header_find(r, &kind, &claim);
    if (err < 0 || kind == LB_HASH_KINDS)
        return err;
    return kind == c->meta.checksum_kind && is_checksum(&c->meta, claim) ? 0 : LB_ERR_BAD_DIGEST;
}

/* Takes over size and checksum of an uploaded part that the document names. */
static int match_part(const struct s3_request *r, struct completing *c, size_t i,
                      const struct lb_part_info *have) {
    struct s3_meta stored;
    struct s3_meta_part *to = &c->meta.parts[i];
    int err = s3_meta_decode(r->x->arena, have->meta, &stored);
    if (err < 0)
        return err;
    if (!lb_slice_eq(lb_etag_slice(&have->etag), lb_etag_slice(&c->parts[i].etag)))
        return LB_ERR_INVALID_PART;
    if (have->size < r->s3->conf->part_size_min && i + 1 < c->parts_n)
        return LB_ERR_ENTITY_TOO_SMALL;
    to->size = have->size;
    if (stored.checksum_kind == c->meta.checksum_kind) /* else the client's own, of a part alone */
        to->checksum = stored.checksum;
    if (c->claimed[i].len &&
        (c->claimed[i].len != stored.checksum.len ||
         !lb_hash_eq(c->claimed[i].bytes, stored.checksum.bytes, stored.checksum.len)))
        return LB_ERR_INVALID_PART;
    c->parts[i] = *have;
    c->size += have->size;
    return 0;
}

/* have: the uploaded parts by number. */
static int match_parts(const struct s3_request *r, struct completing *c,
                       const struct lb_part_info *have, size_t have_n) {
    size_t at = 0;
    c->meta.parts = lb_arena_zalloc(r->x->arena, c->parts_n * sizeof(c->meta.parts[0]));
    if (!c->meta.parts)
        return -ENOMEM;
    c->meta.parts_n = (uint32_t)c->parts_n;
    for (size_t i = 0; i < c->parts_n; i++) {
        while (at < have_n && have[at].number < c->parts[i].number)
            at++;
        if (at == have_n || have[at].number != c->parts[i].number)
            return LB_ERR_INVALID_PART;
        int err = match_part(r, c, i, &have[at]);
        if (err < 0)
            return err;
    }
    return 0;
}

/* ---- the steps ---- */

static void reply(struct s3_request *r, const struct lb_object_info *info) {
    struct completing *c = r->state;
    struct lb_buf *b = &c->xml;
    lb_buf_init(b, REPLY_MAX);
    s3_xml_begin(b, "CompleteMultipartUploadResult");
    s3_xml_open(b, "Location");
    lb_buf_append(b, r->x->secure ? LB_S("https://") : LB_S("http://"));
    s3_xml_escape(b, r->x->request->host);
    s3_xml_escape(b, r->x->request->path);
    s3_xml_close(b, "Location");
    s3_xml_text(b, "Bucket", r->bucket);
    s3_xml_text(b, "Key", r->key);
    s3_xml_etag(b, lb_etag_slice(&c->etag));
    s3_checksum_write(b, &c->meta);
    s3_xml_close(b, "CompleteMultipartUploadResult");
    s3_header_made(r, &info->version);
    s3_reply_xml(r, 200, b);
}

static void on_completed(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct completing *c = r->state;
    lb_buf_fini(&c->blob);
    if (err < 0)
        s3_fail(r, err);
    else
        reply(r, &op->info);
}

static int prepare(struct s3_request *r, const struct lb_part_info *have, size_t have_n) {
    struct completing *c = r->state;
    int err = match_parts(r, c, have, have_n);
    if (err == 0 && c->meta.checksum_kind != LB_HASH_KINDS)
        err = make_checksum(c);
    if (err == 0)
        err = check_claim(r, c);
    if (err < 0)
        return err;
    c->meta.initiator = (struct s3_meta_pair){{NULL, 0}, {NULL, 0}};
    lb_buf_init(&c->blob, LB_META_MAX);
    s3_meta_encode(&c->meta, &c->blob);
    err = c->blob.err;
    if (err < 0)
        lb_buf_fini(&c->blob);
    return err;
}

static void complete(struct s3_request *r) {
    struct completing *c = r->state;
    struct lb_engine_op *op = s3_engine_write(r, on_completed);
    op->upload_id = c->upload_id;
    op->parts = c->parts;
    op->parts_n = c->parts_n;
    op->etag = c->etag;
    op->meta = lb_buf_slice(&c->blob);
    op->precond = c->precond;
    s3_slow_begin(r);
    r->s3->port->ops->upload_complete(r->s3->port, op);
}

static void on_parts(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    if (err == 0)
        err = prepare(r, op->ret_parts, op->n);
    if (err < 0)
        s3_fail(r, err);
    else
        complete(r);
}

/* The upload is gone. When the object there is what this request would have made, it was completed
 * already, and the client only missed the answer. */
static void on_existing(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct completing *c = r->state;
    if (err < 0 || !lb_slice_eq(lb_etag_slice(&op->info.etag), lb_etag_slice(&c->etag)))
        err = LB_ERR_NO_SUCH_UPLOAD;
    else
        err = s3_meta_decode(r->x->arena, op->info.meta, &c->meta);
    if (err < 0)
        s3_fail(r, err);
    else
        reply(r, &op->info);
}

static void on_upload(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct completing *c = r->state;
    struct lb_engine_port *port = r->s3->port;
    if (err == LB_ERR_NO_SUCH_UPLOAD && make_etag(c) == 0) {
        port->ops->head(port, s3_engine_op(r, on_existing));
        return;
    }
    if (err == 0)
        err = make_etag(c);
    if (err == 0)
        err = s3_meta_decode(r->x->arena, op->uploads[0].meta, &c->meta);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    op = s3_engine_op(r, on_parts);
    op->upload_id = c->upload_id;
    op->max = LB_PARTS_MAX;
    port->ops->upload_parts(port, op);
}

static void on_document(struct s3_request *r, struct lb_slice document) {
    struct completing *c = r->state;
    const struct s3_xml *root;
    int err = s3_xml_parse(r->x->arena, document, &root);
    if (err == 0)
        err = parse_parts(r->x->arena, root, c);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    struct lb_engine_op *op = s3_engine_op(r, on_upload);
    op->upload_id = c->upload_id;
    r->s3->port->ops->upload_head(r->s3->port, op);
}

void s3_op_upload_complete(struct s3_request *r) {
    struct completing *c = r->state = lb_arena_zalloc(r->x->arena, sizeof(*c));
    int err = c ? s3_precond_parse(r, &c->precond) : -ENOMEM;
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    c->upload_id = s3_query(r, LB_S("uploadId"));
    r->object_checksum = true;
    s3_read_document(r, DOCUMENT_MAX, on_document);
}
