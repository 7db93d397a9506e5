/* Bytes into records. What decodes encodes to the same bytes. */
#include <errno.h>

#include "engine/volume/format_priv.h"

#define RECORD_HEAD 12u
#define EXTENT_LEN 12u

unsigned vol_etag_form(struct lb_slice etag, uint8_t ret_md5[16]) {
    if (etag.len == 0)
        return VOL_ETAG_NONE;
    for (size_t i = 0; i < etag.len; i++) {
        if (etag.len != 32 || (etag.ptr[i] >= 'A' && etag.ptr[i] <= 'F'))
            return VOL_ETAG_TEXT;
    }
    return lb_hex_decode(etag, ret_md5, 16) == 0 ? VOL_ETAG_MD5 : VOL_ETAG_TEXT;
}

/* Returns 0 or -ENOMEM. */
static int take_extents(struct vol_cursor *c, size_t n, struct lb_arena *arena,
                        struct vol_object *o) {
    uint64_t units = 0;
    struct vol_cursor all = {.rest = vol_take(c, (uint64_t)n * EXTENT_LEN), .bad = c->bad};
    if (all.bad || n == 0)
        return 0;
    struct vol_extent *e = lb_arena_alloc(arena, n * sizeof(*e));
    if (!e)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        e[i] = (o->flags & VOL_COMPOSED) ? vol_take_run(&all) : vol_take_extent(&all);
        units += e[i].n;
    }
    if (o->flags & VOL_COMPOSED)
        vol_want(c, n == 1);
    else
        vol_want(c, !all.bad && (o->size == VOL_SIZE_ANY || units == vol_units_of(o->size)));
    o->extents = e;
    o->extents_n = n;
    return 0;
}

static int take_sums(struct vol_cursor *c, struct lb_arena *arena, struct vol_object *o) {
    uint64_t n = o->flags & VOL_COMPOSED ? 0 : vol_sums_of(o->size);
    struct lb_slice all = vol_take(c, n * 4);
    if (c->bad || n == 0)
        return 0;
    uint32_t *sums = lb_arena_alloc(arena, (size_t)n * sizeof(*sums));
    if (!sums)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        sums[i] = (uint32_t)vol_get_le(all.ptr + 4 * i, 4);
    o->sums = sums;
    o->sums_n = (size_t)n;
    return 0;
}

static void take_etag(struct vol_cursor *c, unsigned form, size_t len, struct lb_etag *ret) {
    struct lb_slice e = vol_take(c, len);
    uint8_t md5[16];
    if (form == VOL_ETAG_MD5 && e.len == sizeof(md5)) {
        char text[33];
        lb_hex_encode((const uint8_t *)e.ptr, sizeof(md5), text);
        memcpy(ret->text, text, 32);
        ret->len = 32;
        return;
    }
    vol_want(c,
             e.len <= sizeof(ret->text) && form == vol_etag_form(e, md5) && form != VOL_ETAG_MD5);
    if (c->bad || e.len == 0)
        return;
    memcpy(ret->text, e.ptr, e.len);
    ret->len = (uint8_t)e.len;
}

/* ETag, key and meta blob; inline_only: without a blob above VOL_META_INLINE. */
static int take_head(struct vol_cursor *c, struct lb_arena *arena, bool inline_only,
                     struct vol_object *o) {
    o->size = vol_take_le(c, 8);
    o->mtime_ns = (int64_t)vol_take_le(c, 8);
    o->seq = vol_take_le(c, 8);
    o->meta_len = (uint32_t)vol_take_le(c, 4);
    size_t key_len = vol_take_le(c, 2);
    unsigned form = (unsigned)vol_take_le(c, 1);
    size_t etag_len = vol_take_le(c, 1), extents_n = vol_take_le(c, 2);
    o->flags = (uint8_t)vol_take_le(c, 1);
    vol_take_zero(c, 5);
    vol_want(c, !(o->flags & ~VOL_DISK_FLAGS) && o->meta_len <= LB_META_MAX);
    vol_want(c, key_len > 0 && key_len <= LB_KEY_MAX && o->size != VOL_SIZE_ANY);
    vol_want(c, extents_n || (o->size <= VOL_INLINE_BODY_MAX && !(o->flags & VOL_COMPOSED)));
    int err = take_extents(c, extents_n, arena, o);
    if (err == 0)
        err = take_sums(c, arena, o);
    if (err)
        return err;
    take_etag(c, form, etag_len, &o->etag);
    o->key = vol_take(c, key_len);
    if (!inline_only || o->meta_len <= VOL_META_INLINE)
        o->meta = vol_take(c, o->meta_len);
    return 0;
}

static int take_object(struct vol_cursor *c, struct lb_arena *arena, struct vol_record *r) {
    struct vol_object *o = &r->object;
    const char *start = c->rest.ptr;
    if (r->kind == VOL_REC_PART) {
        r->part = (uint32_t)vol_take_le(c, 4);
        size_t len = vol_take_le(c, 4);
        vol_want(c, len <= LB_UPLOAD_ID_MAX);
        r->upload_id = vol_take(c, len);
    }
    int err = take_head(c, arena, false, o);
    if (err)
        return err;
    vol_want(c, (r->kind == VOL_REC_PART) == !!(o->flags & VOL_PART));
    if (o->extents_n == 0 && !c->bad) {
        r->body_at = RECORD_HEAD + (size_t)(c->rest.ptr - start);
        r->body = vol_take(c, o->size);
    }
    return 0;
}

static int take_entry(struct vol_cursor *c, struct lb_arena *arena, struct vol_object *o) {
    o->pack = vol_take_le(c, 8);
    o->pack_at = (uint32_t)vol_take_le(c, 4);
    o->pack_len = (uint32_t)vol_take_le(c, 4);
    int err = take_head(c, arena, true, o);
    if (o->pack == 0) {
        vol_want(c, o->pack_at == 0 && o->pack_len == 0);
        o->flags |= VOL_STAGED;
    }
    return err;
}

static int take_version(struct vol_cursor *c, struct lb_arena *arena, struct vol_record *r) {
    struct vol_object *o = &r->object;
    size_t key_len = vol_take_le(c, 2), extents_n = vol_take_le(c, 2);
    vol_take_zero(c, 4);
    o->seq = vol_take_le(c, 8);
    vol_want(c, key_len > 0 && key_len <= LB_KEY_MAX);
    vol_want(c, (extents_n > 0) == (r->kind == VOL_REC_MOVE));
    o->size = VOL_SIZE_ANY;
    int err = take_extents(c, extents_n, arena, o);
    o->size = 0;
    o->key = vol_take(c, key_len);
    return err;
}

static void take_bucket(struct vol_cursor *c, struct vol_record *r) {
    size_t name_len = vol_take_le(c, 4), blob_len = vol_take_le(c, 4);
    r->created_ns = (int64_t)vol_take_le(c, 8);
    vol_want(c, name_len > 0 && name_len <= VOL_BUCKET_NAME_MAX && blob_len <= LB_META_MAX);
    r->name = vol_take(c, name_len);
    r->blob = vol_take(c, blob_len);
}

static void take_upload(struct vol_cursor *c, struct vol_record *r) {
    size_t id_len = vol_take_le(c, 2), key_len = 0, blob_len = 0;
    vol_want(c, id_len > 0 && id_len <= LB_UPLOAD_ID_MAX);
    if (r->kind == VOL_REC_UPLOAD) {
        key_len = vol_take_le(c, 2);
        blob_len = vol_take_le(c, 4);
        r->created_ns = (int64_t)vol_take_le(c, 8);
        vol_want(c, key_len > 0 && key_len <= LB_KEY_MAX && blob_len <= LB_META_MAX);
    }
    r->upload_id = vol_take(c, id_len);
    r->object.key = vol_take(c, key_len);
    r->blob = vol_take(c, blob_len);
}

static void take_pack(struct vol_cursor *c, struct vol_record *r) {
    r->pack = vol_take_extent(c);
    uint64_t n = vol_take_le(c, 4);
    r->packed = vol_take(c, n * VOL_PACKED_LEN);
}

static int take_body(struct vol_cursor *c, struct lb_arena *arena, struct vol_record *r) {
    switch (r->kind) {
    case VOL_REC_PUT:
    case VOL_REC_PART:
        return take_object(c, arena, r);
    case VOL_REC_ENTRY:
        return take_entry(c, arena, &r->object);
    case VOL_REC_REMOVE:
    case VOL_REC_MOVE:
    case VOL_REC_DAMAGED:
        return take_version(c, arena, r);
    case VOL_REC_BUCKET:
        take_bucket(c, r);
        return 0;
    case VOL_REC_NO_BUCKET:
        return 0;
    case VOL_REC_UPLOAD:
    case VOL_REC_END_UPLOAD:
        take_upload(c, r);
        return 0;
    case VOL_REC_PACK:
        take_pack(c, r);
        return 0;
    }
    return -EBADMSG;
}

int vol_record_decode(struct lb_slice *rest, struct lb_arena *arena, struct vol_record *ret) {
    struct vol_cursor all = {.rest = *rest};
    uint64_t len = vol_take_le(&all, 4);
    if (all.bad || len < RECORD_HEAD)
        return -EBADMSG;
    struct vol_cursor c = {.rest = vol_take(&all, len - 4)};
    vol_take_zero(&all, vol_padding(len, 8));
    uint64_t kind = vol_take_le(&c, 4);
    *ret = (struct vol_record){.bucket = (uint32_t)vol_take_le(&c, 4)};
    if (all.bad || c.bad || kind == 0 || kind > VOL_REC_ENTRY)
        return -EBADMSG;
    ret->kind = (enum vol_kind)kind;
    ret->object.bucket = ret->bucket;
    int err = take_body(&c, arena, ret);
    if (err)
        return err;
    if (c.bad || c.rest.len > 0)
        return -EBADMSG;
    ret->len = rest->len - all.rest.len;
    *rest = all.rest;
    return 0;
}

bool vol_packed_next(struct lb_slice *rest, struct vol_packed *ret) {
    if (rest->len < VOL_PACKED_LEN)
        return false;
    *ret = (struct vol_packed){
        .seq = vol_get_le(rest->ptr, 8),
        .at = (uint32_t)vol_get_le(rest->ptr + 8, 4),
        .len = (uint32_t)vol_get_le(rest->ptr + 12, 4),
    };
    *rest = lb_slice_from(*rest, VOL_PACKED_LEN);
    return true;
}
