/* Records into bytes. What is written here is what format_decode.c accepts: a rule that is broken
 * here would be a journal that no start can read, so it ends the program instead. */
#include <assert.h>
#include <errno.h>

#include "engine/volume/format_priv.h"

static void put_extents(const struct vol_object *o, struct lb_buf *b) {
    for (size_t i = 0; i < o->extents_n; i++)
        vol_put_extent(b, o->extents[i]);
}

static bool extents_fit(const struct vol_object *o) {
    uint64_t units = 0;
    if (o->flags & VOL_COMPOSED)
        return o->extents_n == 1 && o->sums_n == 0;
    if (o->sums_n != vol_sums_of(o->size))
        return false;
    for (size_t i = 0; i < o->extents_n; i++)
        units += o->extents[i].n;
    return o->extents_n > 0 ? units == vol_units_of(o->size) : o->size <= VOL_INLINE_BODY_MAX;
}

static void put_head(const struct vol_object *o, struct lb_slice meta, uint8_t flags,
                     struct lb_buf *b) {
    uint8_t md5[16];
    struct lb_slice etag = lb_etag_slice(&o->etag);
    unsigned form = vol_etag_form(etag, md5);
    assert(o->key.len > 0 && o->key.len <= LB_KEY_MAX && o->meta_len <= LB_META_MAX);
    assert(extents_fit(o));
    if (o->extents_n > UINT16_MAX && b->err == 0)
        b->err = -EMSGSIZE;
    if (form == VOL_ETAG_MD5)
        etag = lb_slice(md5, sizeof(md5));
    vol_put_le(b, o->size, 8);
    vol_put_le(b, (uint64_t)o->mtime_ns, 8);
    vol_put_le(b, o->seq, 8);
    vol_put_le(b, o->meta_len, 4);
    vol_put_le(b, o->key.len, 2);
    vol_put_le(b, form, 1);
    vol_put_le(b, etag.len, 1);
    vol_put_le(b, o->extents_n, 2);
    vol_put_le(b, flags & VOL_DISK_FLAGS, 1);
    vol_put_le(b, 0, 5);
    put_extents(o, b);
    for (size_t i = 0; i < o->sums_n; i++)
        vol_put_le(b, o->sums[i], 4);
    lb_buf_append(b, etag);
    lb_buf_append(b, o->key);
    lb_buf_append(b, meta);
}

static void put_object(const struct vol_record *r, struct lb_buf *b) {
    const struct vol_object *o = &r->object;
    bool part = r->kind == VOL_REC_PART;
    assert(o->extents_n > 0 || r->body.len == o->size);
    assert(o->meta.len == o->meta_len);
    assert(part || !(o->flags & VOL_PART));
    if (part) {
        assert(r->upload_id.len <= LB_UPLOAD_ID_MAX);
        vol_put_le(b, r->part, 4);
        vol_put_le(b, r->upload_id.len, 4);
        lb_buf_append(b, r->upload_id);
    }
    put_head(o, o->meta, part ? o->flags | VOL_PART : o->flags, b);
    if (o->extents_n == 0)
        lb_buf_append(b, r->body);
}

static void put_entry(const struct vol_object *o, struct lb_buf *b) {
    vol_put_le(b, o->pack, 8);
    vol_put_le(b, o->pack_at, 4);
    vol_put_le(b, o->pack_len, 4);
    put_head(o, o->meta_len <= VOL_META_INLINE ? o->meta : (struct lb_slice){0}, o->flags, b);
}

/* REMOVE, MOVE, DAMAGED: which version it is about. */
static void put_version(const struct vol_record *r, struct lb_buf *b) {
    const struct vol_object *o = &r->object;
    bool move = r->kind == VOL_REC_MOVE;
    assert(o->key.len > 0 && o->key.len <= LB_KEY_MAX);
    if (move && o->extents_n > UINT16_MAX && b->err == 0)
        b->err = -EMSGSIZE;
    vol_put_le(b, o->key.len, 2);
    vol_put_le(b, move ? o->extents_n : 0, 2);
    vol_put_le(b, 0, 4);
    vol_put_le(b, o->seq, 8);
    if (move)
        put_extents(o, b);
    lb_buf_append(b, o->key);
}

static void put_bucket(const struct vol_record *r, struct lb_buf *b) {
    assert(r->name.len > 0 && r->name.len <= VOL_BUCKET_NAME_MAX && r->blob.len <= LB_META_MAX);
    vol_put_le(b, r->name.len, 4);
    vol_put_le(b, r->blob.len, 4);
    vol_put_le(b, (uint64_t)r->created_ns, 8);
    lb_buf_append(b, r->name);
    lb_buf_append(b, r->blob);
}

static void put_upload(const struct vol_record *r, struct lb_buf *b) {
    bool begin = r->kind == VOL_REC_UPLOAD;
    assert(r->upload_id.len > 0 && r->upload_id.len <= LB_UPLOAD_ID_MAX);
    vol_put_le(b, r->upload_id.len, 2);
    if (begin) {
        assert(r->object.key.len > 0 && r->object.key.len <= LB_KEY_MAX);
        assert(r->blob.len <= LB_META_MAX);
        vol_put_le(b, r->object.key.len, 2);
        vol_put_le(b, r->blob.len, 4);
        vol_put_le(b, (uint64_t)r->created_ns, 8);
    }
    lb_buf_append(b, r->upload_id);
    if (begin) {
        lb_buf_append(b, r->object.key);
        lb_buf_append(b, r->blob);
    }
}

static void put_pack(const struct vol_record *r, struct lb_buf *b) {
    assert(r->packed.len % VOL_PACKED_LEN == 0 && r->pack.n > 0);
    vol_put_extent(b, r->pack);
    vol_put_le(b, r->packed.len / VOL_PACKED_LEN, 4);
    lb_buf_append(b, r->packed);
}

void vol_record_encode(const struct vol_record *r, struct lb_buf *ret) {
    size_t start = ret->len;
    vol_put_le(ret, 0, 4);
    vol_put_le(ret, r->kind, 4);
    vol_put_le(ret, r->bucket, 4);
    switch (r->kind) {
    case VOL_REC_PUT:
    case VOL_REC_PART:
        put_object(r, ret);
        break;
    case VOL_REC_ENTRY:
        put_entry(&r->object, ret);
        break;
    case VOL_REC_REMOVE:
    case VOL_REC_MOVE:
    case VOL_REC_DAMAGED:
        put_version(r, ret);
        break;
    case VOL_REC_BUCKET:
        put_bucket(r, ret);
        break;
    case VOL_REC_NO_BUCKET:
        break;
    case VOL_REC_UPLOAD:
    case VOL_REC_END_UPLOAD:
        put_upload(r, ret);
        break;
    case VOL_REC_PACK:
        put_pack(r, ret);
        break;
    }
    if (ret->err)
        return;
    vol_set_le(ret->ptr + start, ret->len - start, 4);
    vol_pad(ret, start, 8);
}

void vol_entry_encode(const struct vol_object *o, struct lb_buf *ret) {
    struct vol_record r = {.kind = VOL_REC_ENTRY, .bucket = o->bucket, .object = *o};
    vol_record_encode(&r, ret);
}

void vol_packed_add(struct lb_buf *packed, const struct vol_packed *p) {
    vol_put_le(packed, p->seq, 8);
    vol_put_le(packed, p->at, 4);
    vol_put_le(packed, p->len, 4);
}
