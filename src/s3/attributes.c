/* GetObjectAttributes. */
#include <errno.h>

#include "http/date.h"
#include "s3/checksum_priv.h"
#include "s3/object_headers_priv.h"
#include "s3/ops_priv.h"
#include "s3/xml_priv.h"

#define PARTS_PAGE_MAX 1000
#define REPLY_MAX (1u << 20)

enum {
    WANT_ETAG = 1,
    WANT_CHECKSUM = 2,
    WANT_PARTS = 4,
    WANT_CLASS = 8,
    WANT_SIZE = 16,
};

struct attributes {
    unsigned want;
    uint64_t parts_max, parts_after;
    struct lb_buf xml;
};

static int parse_wanted(struct lb_slice list, unsigned *ret) {
    static const struct {
        struct lb_slice name;
        unsigned bit;
    } names[] = {{LB_S("ETag"), WANT_ETAG},
                 {LB_S("Checksum"), WANT_CHECKSUM},
                 {LB_S("ObjectParts"), WANT_PARTS},
                 {LB_S("StorageClass"), WANT_CLASS},
                 {LB_S("ObjectSize"), WANT_SIZE}};
    *ret = 0;
    while (list.ptr) {
        struct lb_slice word = lb_slice_trim(lb_slice_cut(&list, ','));
        unsigned before = *ret;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (lb_slice_eq(word, names[i].name))
                *ret |= names[i].bit;
        }
        if (*ret == before)
            return LB_ERR_INVALID_ARGUMENT;
    }
    return *ret ? 0 : LB_ERR_INVALID_ARGUMENT;
}

static void write_part(struct lb_buf *b, const struct s3_meta *m, uint64_t i) {
    const struct s3_meta_part *part = &m->parts[i];
    char text[S3_CHECKSUM_TEXT_MAX];
    s3_xml_open(b, "Part");
    if (m->checksum_kind != LB_HASH_KINDS && part->checksum.len)
        s3_xml_text(b, s3_checksum_element(m->checksum_kind).ptr,
                    s3_checksum_text(&part->checksum, text));
    s3_xml_u64(b, "PartNumber", i + 1);
    s3_xml_u64(b, "Size", part->size);
    s3_xml_close(b, "Part");
}

static void write_parts(struct lb_buf *b, const struct s3_meta *m, const struct attributes *a) {
    uint64_t first = a->parts_after < m->parts_n ? a->parts_after : m->parts_n;
    uint64_t end = m->parts_n - first < a->parts_max ? m->parts_n : first + a->parts_max;
    if (!m->parts_n)
        return;
    s3_xml_open(b, "ObjectParts");
    s3_xml_u64(b, "PartsCount", m->parts_n);
    s3_xml_u64(b, "PartNumberMarker", a->parts_after);
    s3_xml_u64(b, "NextPartNumberMarker", end);
    s3_xml_u64(b, "MaxParts", a->parts_max);
    s3_xml_bool(b, "IsTruncated", end < m->parts_n);
    for (uint64_t i = first; i < end; i++)
        write_part(b, m, i);
    s3_xml_close(b, "ObjectParts");
}

static void on_head(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct attributes *a = r->state;
    struct lb_buf *b = &a->xml;
    struct s3_meta meta;
    char date[LB_DATE_HTTP_LEN];
    if (err == 0)
        err = s3_meta_decode(r->x->arena, op->info.meta, &meta);
    if (err < 0) {
        s3_fail_missing(r, op, err);
        return;
    }
    lb_date_http(op->info.mtime_ns, date);
    s3_header(r, LB_S("Last-Modified"), lb_slice(date, sizeof(date)));
    s3_header_version(r, &op->info.version);
    s3_document_init(r, b, REPLY_MAX);
    s3_xml_begin(b, "GetObjectAttributesResponse");
    if (a->want & WANT_ETAG)
        s3_xml_text(b, "ETag",
                    lb_etag_slice(&op->info.etag)); /* without quotes, alone in S3's API */
    if (a->want & WANT_CHECKSUM && meta.checksum.len) {
        s3_xml_open(b, "Checksum");
        s3_checksum_write(b, &meta);
        s3_xml_close(b, "Checksum");
    }
    if (a->want & WANT_PARTS)
        write_parts(b, &meta, a);
    if (a->want & WANT_CLASS) {
        struct lb_slice class = meta.fields[S3_META_STORAGE_CLASS];
        s3_xml_text(b, "StorageClass", class.len ? class : LB_S("STANDARD"));
    }
    if (a->want & WANT_SIZE)
        s3_xml_u64(b, "ObjectSize", op->info.size);
    s3_xml_close(b, "GetObjectAttributesResponse");
    s3_reply_xml(r, 200, b);
}

static int parse_paging(struct s3_request *r, struct attributes *a) {
    struct lb_slice max = s3_request_header(r, LB_S("x-amz-max-parts"));
    struct lb_slice after = s3_request_header(r, LB_S("x-amz-part-number-marker"));
    a->parts_max = PARTS_PAGE_MAX;
    if ((max.ptr && lb_slice_to_u64(max, &a->parts_max) < 0) ||
        (after.ptr && lb_slice_to_u64(after, &a->parts_after) < 0))
        return LB_ERR_INVALID_ARGUMENT;
    if (a->parts_max > PARTS_PAGE_MAX)
        a->parts_max = PARTS_PAGE_MAX;
    return 0;
}

void s3_op_get_attributes(struct s3_request *r) {
    struct attributes *a = r->state = lb_arena_zalloc(r->x->arena, sizeof(*a));
    int err =
        a ? parse_wanted(s3_request_header(r, LB_S("x-amz-object-attributes")), &a->want) : -ENOMEM;
    if (err == 0)
        err = parse_paging(r, a);
    if (err < 0)
        s3_fail(r, err);
    else
        r->s3->port->ops->head(r->s3->port, s3_engine_op(r, on_head));
}
