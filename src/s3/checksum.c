/* The names of S3's checksums, and the headers that carry them. */
#include "s3/checksum_priv.h"

#include "s3/xml_priv.h"
#include <errno.h>

static const struct {
    struct lb_slice name, header, element;
} kinds[LB_HASH_KINDS] = {
#define KIND(upper, lower)                                                    \
    {                                                                         \
        {upper, sizeof(upper) - 1},                                           \
            {"x-amz-checksum-" lower, sizeof("x-amz-checksum-" lower) - 1}, { \
            "Checksum" upper, sizeof("Checksum" upper) - 1                    \
        }                                                                     \
    }
    [LB_HASH_SHA1] = KIND("SHA1", "sha1"),
    [LB_HASH_SHA256] = KIND("SHA256", "sha256"),
    [LB_HASH_CRC32] = KIND("CRC32", "crc32"),
    [LB_HASH_CRC32C] = KIND("CRC32C", "crc32c"),
    [LB_HASH_CRC64NVME] = KIND("CRC64NVME", "crc64nvme"),
#undef KIND
};

struct lb_slice s3_checksum_name(unsigned kind) {
    return kinds[kind].name;
}

struct lb_slice s3_checksum_header(unsigned kind) {
    return kinds[kind].header;
}

struct lb_slice s3_checksum_element(unsigned kind) {
    return kinds[kind].element;
}

unsigned s3_checksum_by_name(struct lb_slice name) {
    unsigned kind = 0;
    while (kind < LB_HASH_KINDS && !(name.len && lb_slice_eq_nocase(kinds[kind].name, name)))
        kind++;
    return kind;
}

unsigned s3_checksum_by_header(struct lb_slice name) {
    unsigned kind = 0;
    while (kind < LB_HASH_KINDS && !(name.len && lb_slice_eq_nocase(kinds[kind].header, name)))
        kind++;
    return kind;
}

unsigned s3_checksum_by_element(struct lb_slice name) {
    unsigned kind = 0;
    while (kind < LB_HASH_KINDS && !(name.len && lb_slice_eq_nocase(kinds[kind].element, name)))
        kind++;
    return kind;
}

struct lb_slice s3_checksum_type_name(enum s3_checksum_type type) {
    return type == S3_CHECKSUM_COMPOSITE ? LB_S("COMPOSITE") : LB_S("FULL_OBJECT");
}

int s3_checksum_type_by_name(struct lb_slice name, enum s3_checksum_type *ret) {
    if (lb_slice_eq_nocase(name, LB_S("COMPOSITE")))
        *ret = S3_CHECKSUM_COMPOSITE;
    else if (lb_slice_eq_nocase(name, LB_S("FULL_OBJECT")))
        *ret = S3_CHECKSUM_FULL_OBJECT;
    else
        return LB_ERR_INVALID_REQUEST;
    return 0;
}

struct lb_slice s3_checksum_text(const struct lb_digest *d, char *text) {
    return lb_slice(text, s3_base64_encode(d->bytes, d->len, text));
}

int s3_checksum_parse(unsigned kind, struct lb_slice text, struct lb_digest *ret) {
    struct lb_digest d = {.len = (uint8_t)lb_hash_size(kind)};
    if (s3_base64_decode(text, d.bytes, d.len) < 0)
        return -EINVAL;
    *ret = d;
    return 0;
}

int s3_checksum_header_find(const struct s3_request *r, unsigned *ret_kind, struct lb_slice *ret) {
    const struct lb_http_request *h = r->x->request;
    unsigned found = LB_HASH_KINDS;
    struct lb_slice value = {NULL, 0};
    for (size_t i = 0; i < h->headers_n; i++) {
        unsigned kind = s3_checksum_by_header(h->headers[i].name);
        if (kind == LB_HASH_KINDS)
            continue;
        if (found != LB_HASH_KINDS)
            return LB_ERR_INVALID_REQUEST;
        found = kind;
        value = h->headers[i].value;
    }
    *ret_kind = found;
    *ret = value;
    return 0;
}

int s3_checksum_from_headers(const struct s3_request *r, unsigned *ret_kind,
                             struct lb_digest *ret_digest) {
    struct lb_digest digest = {.len = 0};
    struct lb_slice value;
    unsigned kind;
    int err = s3_checksum_header_find(r, &kind, &value);
    if (err < 0)
        return err;
    if (kind != LB_HASH_KINDS && s3_checksum_parse(kind, value, &digest) < 0)
        return LB_ERR_BAD_DIGEST;
    *ret_kind = kind;
    *ret_digest = digest;
    return 0;
}

void s3_checksum_reply(struct s3_request *r, unsigned kind, const struct lb_digest *d,
                       enum s3_checksum_type type, uint32_t parts_n) {
    char text[S3_CHECKSUM_TEXT_MAX + 12];
    if (kind == LB_HASH_KINDS || d->len == 0)
        return;
    struct lb_slice value = s3_checksum_text(d, text);
    if (type == S3_CHECKSUM_COMPOSITE && parts_n) {
        struct lb_buf b = {
            .ptr = text, .len = value.len, .cap = sizeof(text), .cap_max = sizeof(text)};
        lb_buf_append_char(&b, '-');
        lb_buf_append_u64(&b, parts_n);
        value = lb_buf_slice(&b);
    }
    s3_header(r, kinds[kind].header, value);
    s3_header(r, LB_S("x-amz-checksum-type"), s3_checksum_type_name(type));
}

void s3_checksum_write(struct lb_buf *xml, const struct s3_meta *m) {
    char text[S3_CHECKSUM_TEXT_MAX];
    if (!m->checksum.len)
        return;
    const char *element = s3_checksum_element(m->checksum_kind).ptr;
    s3_xml_open(xml, element);
    lb_buf_append(xml, s3_checksum_text(&m->checksum, text));
    if (m->checksum_type == S3_CHECKSUM_COMPOSITE)
        lb_buf_printf(xml, "-%u", (unsigned)m->parts_n);
    s3_xml_close(xml, element);
    s3_xml_text(xml, "ChecksumType", s3_checksum_type_name(m->checksum_type));
}

void s3_checksum_write_kind(struct lb_buf *xml, const struct s3_meta *m) {
    if (m->checksum_kind == LB_HASH_KINDS)
        return;
    s3_xml_text(xml, "ChecksumAlgorithm", s3_checksum_name(m->checksum_kind));
    s3_xml_text(xml, "ChecksumType", s3_checksum_type_name(m->checksum_type));
}
