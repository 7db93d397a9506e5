/* The meta blob. Layout, little-endian:
 *
 *   byte 0   version (1)
 *   then     fields (fields_priv.h)
 *
 *   tag 1..8    a stored header field, in the order of enum s3_meta_field
 *   tag 0x10    user metadata: name length (2 bytes), name, value
 *   tag 0x11    object tag: key length (2 bytes), key, value
 *   tag 0x12    checksum: kind (1 byte, kind_codes), type (1 byte), digest (may be empty)
 *   tag 0x13    parts: digest length of each (1 byte), then for each its size (8 bytes) and digest
 *   tag 0x14    canned ACL: 1 byte, enum lb_s3_acl; private is left out
 *   tag 0x15    initiator of an upload: id length (2 bytes), id, display name
 *
 * Numbers never change their meaning; a tag that is not known is skipped. */
#include "s3/meta_priv.h"

#include <errno.h>

#include "base/err.h"
#include "engine/engine.h"
#include "s3/fields_priv.h"

#define META_VERSION 1

enum {
    TAG_FIELD = 1, /* .. TAG_FIELD + S3_META_FIELDS - 1 */
    TAG_USER = 0x10,
    TAG_TAG = 0x11,
    TAG_CHECKSUM = 0x12,
    TAG_PARTS = 0x13,
    TAG_ACL = 0x14,
    TAG_INITIATOR = 0x15,
};

/* On disk; an lb_hash_kind's number is the program's own affair. */
static const uint8_t kind_codes[LB_HASH_KINDS] = {
    [LB_HASH_SHA1] = 1,   [LB_HASH_SHA256] = 2,    [LB_HASH_CRC32] = 3,
    [LB_HASH_CRC32C] = 4, [LB_HASH_CRC64NVME] = 5,
};

void s3_meta_init(struct s3_meta *m) {
    *m = (struct s3_meta){.checksum_kind = LB_HASH_KINDS};
}

static void put_pairs(struct lb_buf *b, unsigned tag, const struct s3_meta_pair *pairs, size_t n) {
    for (size_t i = 0; i < n; i++) {
        s3_field_begin(b, tag, 2 + pairs[i].name.len + pairs[i].value.len);
        s3_number_put(b, pairs[i].name.len, 2);
        lb_buf_append(b, pairs[i].name);
        lb_buf_append(b, pairs[i].value);
    }
}

/* The parts' checksums are left out when a part has none, or when all of them together would be
 * more than an engine keeps; the sizes are what GET needs. */
static size_t parts_digest_len(const struct s3_meta *m) {
    size_t len = m->parts_n ? m->parts[0].checksum.len : 0;
    for (uint32_t i = 0; i < m->parts_n; i++) {
        if (m->parts[i].checksum.len != len)
            return 0;
    }
    return (8 + len) * m->parts_n > LB_META_MAX - 32768 ? 0 : len;
}

static void put_parts(struct lb_buf *b, const struct s3_meta *m) {
    size_t len = parts_digest_len(m);
    s3_field_begin(b, TAG_PARTS, 1 + (8 + len) * m->parts_n);
    s3_number_put(b, len, 1);
    for (uint32_t i = 0; i < m->parts_n; i++) {
        s3_number_put(b, m->parts[i].size, 8);
        lb_buf_append(b, lb_slice(m->parts[i].checksum.bytes, len));
    }
}

void s3_meta_encode(const struct s3_meta *m, struct lb_buf *ret) {
    size_t start = ret->len;
    s3_number_put(ret, META_VERSION, 1);
    for (unsigned i = 0; i < S3_META_FIELDS; i++) {
        if (m->fields[i].len == 0)
            continue;
        s3_field_put(ret, TAG_FIELD + i, m->fields[i]);
    }
    put_pairs(ret, TAG_USER, m->user, m->user_n);
    put_pairs(ret, TAG_TAG, m->tags, m->tags_n);
    if (m->checksum_kind != LB_HASH_KINDS) {
        s3_field_begin(ret, TAG_CHECKSUM, 2u + m->checksum.len);
        s3_number_put(ret, kind_codes[m->checksum_kind], 1);
        s3_number_put(ret, m->checksum_type, 1);
        lb_buf_append(ret, lb_slice(m->checksum.bytes, m->checksum.len));
    }
    if (m->parts_n)
        put_parts(ret, m);
    if (m->acl != LB_S3_ACL_PRIVATE) {
        s3_field_begin(ret, TAG_ACL, 1);
        s3_number_put(ret, m->acl, 1);
    }
    if (m->initiator.name.len)
        put_pairs(ret, TAG_INITIATOR, &m->initiator, 1);
    if (ret->len == start + 1)
        ret->len = start; /* nothing but the version */
}

static int get_pair(struct lb_slice value, struct s3_meta_pair *ret) {
    if (value.len < 2)
        return LB_ERR_CORRUPT;
    size_t name_len = s3_number_take(&value, 2);
    if (name_len > value.len)
        return LB_ERR_CORRUPT;
    ret->name = lb_slice_first(value, name_len);
    ret->value = lb_slice_from(value, name_len);
    return 0;
}

static int get_checksum(struct lb_slice value, struct s3_meta *m) {
    if (value.len < 2)
        return LB_ERR_CORRUPT;
    uint64_t code = s3_number_take(&value, 1);
    uint64_t type = s3_number_take(&value, 1);
    unsigned kind = 0;
    while (kind < LB_HASH_KINDS && (code == 0 || kind_codes[kind] != code))
        kind++;
    if (kind == LB_HASH_KINDS || type > S3_CHECKSUM_COMPOSITE ||
        (value.len && value.len != lb_hash_size(kind)))
        return LB_ERR_CORRUPT;
    m->checksum_kind = kind;
    m->checksum_type = (enum s3_checksum_type)type;
    m->checksum.len = (uint8_t)value.len;
    memcpy(m->checksum.bytes, value.ptr, value.len);
    return 0;
}

static int get_parts(struct lb_arena *a, struct lb_slice value, struct s3_meta *m) {
    size_t len = value.len ? s3_number_take(&value, 1) : 0;
    size_t n = value.len / (8 + len);
    if (len > LB_HASH_SIZE_MAX || n == 0 || n > LB_PARTS_MAX || n * (8 + len) != value.len)
        return LB_ERR_CORRUPT;
    m->parts = lb_arena_zalloc(a, n * sizeof(m->parts[0]));
    if (!m->parts)
        return -ENOMEM;
    m->parts_n = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        m->parts[i].size = s3_number_take(&value, 8);
        m->parts[i].checksum.len = (uint8_t)len;
        memcpy(m->parts[i].checksum.bytes, value.ptr, len);
        value = lb_slice_from(value, len);
    }
    return 0;
}

/* Counts the pairs, so that their arrays are made once; and finds truncation. */
static int count_pairs(struct lb_slice blob, size_t *ret_user, size_t *ret_tags) {
    *ret_user = *ret_tags = 0;
    while (blob.len) {
        unsigned tag;
        struct lb_slice value;
        int err = s3_field_take(&blob, &tag, &value);
        if (err < 0)
            return err;
        *ret_user += tag == TAG_USER;
        *ret_tags += tag == TAG_TAG;
    }
    return 0;
}

/* One that is not known is private, which is the safe side. */
static int get_acl(struct lb_slice value, struct s3_meta *m) {
    if (value.len != 1)
        return LB_ERR_CORRUPT;
    uint64_t acl = s3_number_take(&value, 1);
    m->acl = acl < LB_S3_ACLS ? (enum lb_s3_acl)acl : LB_S3_ACL_PRIVATE;
    return 0;
}

static int get_field(struct lb_arena *a, unsigned tag, struct lb_slice value, struct s3_meta *m) {
    switch (tag) {
    case TAG_USER:
        return get_pair(value, &m->user[m->user_n++]);
    case TAG_TAG:
        return get_pair(value, &m->tags[m->tags_n++]);
    case TAG_CHECKSUM:
        return get_checksum(value, m);
    case TAG_PARTS:
        return get_parts(a, value, m);
    case TAG_ACL:
        return get_acl(value, m);
    case TAG_INITIATOR:
        return get_pair(value, &m->initiator);
    default:
        if (tag >= TAG_FIELD && tag < TAG_FIELD + S3_META_FIELDS)
            m->fields[tag - TAG_FIELD] = value;
        return 0;
    }
}

int s3_meta_decode(struct lb_arena *a, struct lb_slice blob, struct s3_meta *ret) {
    struct s3_meta m;
    size_t user_n, tags_n;
    s3_meta_init(&m);
    if (blob.len && blob.ptr[0] != META_VERSION)
        return LB_ERR_CORRUPT;
    blob = lb_slice_from(blob, 1);
    int err = count_pairs(blob, &user_n, &tags_n);
    if (err < 0)
        return err;
    if (user_n + tags_n) {
        m.user = lb_arena_alloc(a, (user_n + tags_n) * sizeof(m.user[0]));
        if (!m.user)
            return -ENOMEM;
        m.tags = m.user + user_n;
    }
    while (blob.len) {
        unsigned tag;
        struct lb_slice value;
        err = s3_field_take(&blob, &tag, &value);
        if (err == 0)
            err = get_field(a, tag, value, &m);
        if (err < 0)
            return err;
    }
    *ret = m;
    return 0;
}
