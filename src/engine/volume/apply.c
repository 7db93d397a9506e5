/* What a record means to memory: the same for a batch that was just written and for a replay. */
#include <errno.h>
#include <stdlib.h>

#include "engine/volume/volume_priv.h"

#define PACKED_ENTRY 16u /* of a PACK record: seq, place, length */

static uint64_t le(const char *p, size_t n) {
    uint64_t v = 0;
    while (n--)
        v = v << 8 | (uint8_t)p[n];
    return v;
}

/* ---- what a version leaves behind ---- */

static void pack_less(struct vol_engine *v, uint64_t unit, uint32_t len, uint64_t position) {
    struct vol_pack *p = v->alloc && unit ? vol_pack_find(v, unit) : NULL;
    if (!p)
        return;
    p->live -= len < p->live ? len : p->live;
    if (p->live)
        return;
    lb_map_remove(&v->packs, &p->by_unit);
    vol_release_extents(v, VOL_HOLD_PACK | unit, &p->extent, 1, position);
    free(p);
}

/* Its head: staged, or in a pack. */
static void release_head(struct vol_engine *v, const struct vol_object *o, uint64_t position) {
    struct vol_staged *s = vol_staged_find(v, o->seq);
    if (s)
        vol_staged_drop(v, s);
    pack_less(v, o->pack, o->pack_len, position);
}

void vol_release_parts(struct vol_engine *v, uint64_t upload, uint64_t hold, uint64_t position) {
    char first[VOL_UPLOAD_ID_LEN + 1] = "", key[VOL_PART_KEY_LEN];
    struct lb_slice prefix = lb_slice(first, VOL_UPLOAD_ID_LEN);
    struct vol_object o;
    vol_id_text(upload, first);
    while (vol_index_seek(v->index, VOL_PARTS_BUCKET, prefix, UINT64_MAX, &o) == 0 &&
           o.bucket == VOL_PARTS_BUCKET && lb_slice_starts_with(o.key, prefix)) {
        size_t len = o.key.len < sizeof(key) ? o.key.len : sizeof(key);
        uint64_t seq = o.seq;
        memcpy(key, o.key.ptr, len);
        vol_release_extents(v, hold, o.extents, o.extents_n, position);
        release_head(v, &o, position);
        if (vol_index_remove(v->index, VOL_PARTS_BUCKET, lb_slice(key, len), seq) < 0)
            return;
    }
}

void vol_release(struct vol_engine *v, const struct vol_object *o, uint64_t position) {
    struct vol_object copy = *o;
    release_head(v, o, position);
    if (copy.flags & VOL_COMPOSED)
        vol_release_parts(v, copy.extents_n ? copy.extents[0].first : 0, copy.seq, position);
    else
        vol_release_extents(v, copy.seq, copy.extents, copy.extents_n, position);
}

static void drop(struct vol_engine *v, const struct vol_object *o, struct lb_slice key,
                 uint64_t position) {
    uint32_t bucket = o->bucket;
    uint64_t seq = o->seq;
    vol_release(v, o, position);
    vol_index_remove(v->index, bucket, key, seq);
}

/* ---- put ---- */

/* The same version again, with another meta blob, or in another place. */
static int put_again(struct vol_engine *v, struct vol_object *o, const struct vol_object *was,
                     uint64_t position) {
    uint64_t pack = was->pack;
    uint32_t pack_len = was->pack_len;
    o->flags |= was->flags & (VOL_OLD | VOL_DAMAGED);
    int err = vol_index_put(v->index, o);
    if (!err)
        pack_less(v, pack, pack_len, position);
    return err;
}

/* Makes way for a version: the null version goes before another, what was current is no more.
 * Returns 0, or 1 when there is a later null version already. */
static int make_way(struct vol_engine *v, struct vol_object *o, uint64_t position) {
    struct vol_object was;
    if (vol_index_current(v->index, o->bucket, o->key, &was) < 0)
        return 0;
    if (o->flags & VOL_NULL) {
        struct vol_object null;
        if (vol_index_null(v->index, o->bucket, o->key, &null) == 0) {
            if (null.seq > o->seq)
                return 1;
            bool current = null.seq == was.seq;
            drop(v, &null, o->key, position);
            if (current)
                return 0;
        }
        if (vol_index_current(v->index, o->bucket, o->key, &was) < 0)
            return 0;
    }
    if (was.seq > o->seq)
        o->flags |= VOL_OLD;
    else
        vol_index_set_flags(v->index, o->bucket, o->key, was.seq, was.flags | VOL_OLD);
    return 0;
}

/* Returns 0, or 1 when there is a later one. */
static int make_way_part(struct vol_engine *v, struct vol_object *o, uint64_t position) {
    struct vol_object was;
    if (vol_index_seek(v->index, o->bucket, o->key, UINT64_MAX, &was) < 0 ||
        was.bucket != o->bucket || !lb_slice_eq(was.key, o->key))
        return 0;
    if (was.seq > o->seq)
        return 1;
    drop(v, &was, o->key, position);
    return 0;
}

static int put(struct vol_engine *v, const struct vol_record *r, uint64_t position) {
    struct vol_object was, o = r->object;
    o.bucket = r->bucket;
    o.flags &= VOL_NULL | VOL_MARKER | VOL_COMPOSED;
    o.flags |= VOL_STAGED;
    if (r->kind == VOL_REC_PART)
        o.flags |= VOL_PART;
    if (o.meta_len > VOL_META_INLINE)
        o.meta = LB_S("");
    o.pack = 0;
    o.pack_at = o.pack_len = 0;
    if ((o.flags & VOL_COMPOSED) && o.extents_n != 1)
        return -EBADMSG;
    /* Even when it is there: a checkpoint may have seen the object and, before, its upload. */
    if (o.flags & VOL_COMPOSED)
        vol_catalog_end_upload(v, o.extents[0].first);
    if (vol_index_version(v->index, o.bucket, o.key, o.seq, &was) == 0)
        return put_again(v, &o, &was, position);
    int rc = r->kind == VOL_REC_PART ? make_way_part(v, &o, position) : make_way(v, &o, position);
    if (rc > 0 && (o.flags & VOL_COMPOSED))
        vol_release_parts(v, o.extents[0].first, o.seq, position);
    return rc ? rc : vol_index_put(v->index, &o);
}

/* ---- the others ---- */

static int remove_version(struct vol_engine *v, const struct vol_record *r, uint64_t position) {
    struct vol_object o;
    struct lb_slice key = r->object.key;
    if (vol_index_version(v->index, r->bucket, key, r->object.seq, &o) < 0)
        return 0;
    bool current = !(o.flags & VOL_OLD);
    drop(v, &o, key, position);
    if (current && vol_index_seek(v->index, r->bucket, key, UINT64_MAX, &o) == 0 &&
        o.bucket == r->bucket && lb_slice_eq(o.key, key))
        vol_index_set_flags(v->index, r->bucket, key, o.seq, (uint8_t)(o.flags & ~VOL_OLD));
    return 0;
}

static int damaged(struct vol_engine *v, const struct vol_record *r) {
    struct vol_object o;
    struct lb_slice key = r->object.key;
    if (vol_index_version(v->index, r->bucket, key, r->object.seq, &o) == 0)
        vol_index_set_flags(v->index, r->bucket, key, o.seq, o.flags | VOL_DAMAGED);
    return 0;
}

static struct vol_pack *pack_add(struct vol_engine *v, struct vol_extent e) {
    struct vol_pack *p = vol_pack_find(v, e.first);
    if (p) {
        p->extent = e; /* in a replay: of an earlier pack that began there */
        return p;
    }
    p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->extent = e;
    p->by_unit.hash = vol_hash_u64(e.first);
    if (lb_map_add(&v->packs, &p->by_unit) == 0)
        return p;
    free(p);
    return NULL;
}

static int packed(struct vol_engine *v, const struct vol_record *r) {
    if (r->packed.len % PACKED_ENTRY)
        return -EBADMSG;
    struct vol_pack *p = pack_add(v, r->pack);
    if (!p)
        return -ENOMEM;
    for (size_t i = 0; i < r->packed.len; i += PACKED_ENTRY) {
        const char *at = r->packed.ptr + i;
        uint32_t place = (uint32_t)le(at + 8, 4), len = (uint32_t)le(at + 12, 4);
        struct vol_staged *s = vol_staged_find(v, le(at, 8));
        struct vol_object o;
        if (!s || vol_index_version(v->index, s->bucket, s->key, s->seq, &o) < 0)
            continue;
        vol_index_set_flags(v->index, s->bucket, s->key, s->seq, (uint8_t)(o.flags & ~VOL_STAGED));
        vol_index_set_pack(v->index, s->bucket, s->key, s->seq, r->pack.first, place, len);
        p->live += len;
        vol_staged_drop(v, s);
    }
    return 0;
}

int vol_apply(struct vol_engine *v, const struct vol_record *r, uint64_t position) {
    uint64_t number;
    switch (r->kind) {
    case VOL_REC_PUT:
    case VOL_REC_PART:
        return put(v, r, position);
    case VOL_REC_REMOVE:
        return remove_version(v, r, position);
    case VOL_REC_BUCKET:
        return vol_catalog_bucket(v, r);
    case VOL_REC_NO_BUCKET:
        vol_catalog_no_bucket(v, r->bucket, position);
        return 0;
    case VOL_REC_UPLOAD:
        return vol_catalog_upload(v, r);
    case VOL_REC_END_UPLOAD:
        if (vol_id_parse(r->upload_id, &number) < 0)
            return -EBADMSG;
        vol_release_parts(v, number, number, position);
        vol_catalog_end_upload(v, number);
        return 0;
    case VOL_REC_PACK:
        return packed(v, r);
    case VOL_REC_DAMAGED:
        return damaged(v, r);
    default:
        return -EBADMSG;
    }
}

int vol_replay(struct vol_engine *v, const struct vol_record *r, struct lb_slice encoded) {
    struct vol_staged *s = NULL;
    if (r->kind == VOL_REC_PUT || r->kind == VOL_REC_PART) {
        s = vol_staged_new(r, encoded);
        if (!s)
            return -ENOMEM;
    }
    int rc = vol_apply(v, r, 0);
    if (s && rc == 0)
        vol_staged_add(v, s);
    else if (s)
        vol_staged_put(v, s);
    return rc < 0 ? rc : 0;
}
