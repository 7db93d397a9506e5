/* Random records, for tests of the volume's format. */
#ifndef LB_TESTS_RECORDS_ENV_H
#define LB_TESTS_RECORDS_ENV_H

#include "base/prng.h"
#include "engine/volume/format.h"
#include "lib/check.h"

#define ENV_KINDS VOL_REC_ENTRY

struct records_env {
    struct lb_prng prng;
    char bytes[1 << 16];
    struct vol_extent extents[8];
    uint32_t sums[64];
};

static inline void env_init(struct records_env *env, uint64_t seed) {
    lb_prng_seed(&env->prng, seed);
    for (size_t i = 0; i < sizeof(env->bytes); i++)
        env->bytes[i] = (char)lb_prng_next(&env->prng);
}

static inline uint64_t env_below(struct records_env *env, uint64_t n) {
    return lb_prng_below(&env->prng, n);
}

static inline struct lb_slice env_slice(struct records_env *env, size_t min, size_t max) {
    size_t n = min + env_below(env, max - min + 1);
    return lb_slice(env->bytes + env_below(env, sizeof(env->bytes) - n), n);
}

static inline void env_etag(struct records_env *env, struct lb_etag *ret) {
    static const char *const texts[] = {"", "0123456789abcdef0123456789abcdef",
                                        "0123456789ABCDEF0123456789abcdef",
                                        "0123456789abcdef0123456789abcdef-12", "x"};
    const char *text = texts[env_below(env, CHECK_COUNT(texts))];
    ret->len = (uint8_t)strlen(text);
    memcpy(ret->text, text, ret->len);
}

static inline void env_extents(struct records_env *env, uint64_t units, struct vol_object *o) {
    o->extents = env->extents;
    for (o->extents_n = 0; units; o->extents_n++) {
        uint64_t n = o->extents_n == 7 ? units : 1 + env_below(env, units);
        env->extents[o->extents_n] = (struct vol_extent){5000 + env_below(env, 1u << 30), n};
        units -= n;
    }
}

static inline void env_object(struct records_env *env, struct vol_object *o, bool entry) {
    static const uint8_t flags[] = {VOL_NULL, VOL_OLD, VOL_DAMAGED, VOL_MARKER};
    bool small = env_below(env, 2);
    o->size = small ? env_below(env, VOL_INLINE_BODY_MAX + 1) : 1 + env_below(env, 64 * 65536);
    o->mtime_ns = (int64_t)lb_prng_next(&env->prng);
    o->flags = env_below(env, 2) ? flags[env_below(env, CHECK_COUNT(flags))] : 0;
    o->meta = env_slice(env, 0, 300);
    o->meta_len = (uint32_t)o->meta.len;
    if (entry && o->meta_len > VOL_META_INLINE)
        o->meta = (struct lb_slice){0};
    if (entry && env_below(env, 2)) {
        o->pack = 5000 + env_below(env, 10000);
        o->pack_at = (uint32_t)env_below(env, 10000);
        o->pack_len = (uint32_t)env_below(env, 10000);
    }
    if (entry && o->pack == 0)
        o->flags |= VOL_STAGED;
    env_etag(env, &o->etag);
    if (!small)
        env_extents(env, vol_units_of(o->size), o);
    if (env_below(env, 8) == 0) {
        o->flags |= VOL_COMPOSED;
        env->extents[0] = (struct vol_extent){lb_prng_next(&env->prng), env_below(env, 10000)};
        o->extents = env->extents;
        o->extents_n = 1;
        return;
    }
    o->sums = env->sums;
    o->sums_n = vol_sums_of(o->size);
    for (size_t i = 0; i < o->sums_n; i++)
        env->sums[i] = (uint32_t)lb_prng_next(&env->prng);
}

/* A record that borrows from env until the next one. */
static inline struct vol_record env_record(struct records_env *env, enum vol_kind kind) {
    if ((int)kind == 9) /* not used */
        kind = VOL_REC_PUT;
    struct vol_record r = {.kind = kind, .bucket = (uint32_t)env_below(env, 1000)};
    bool object = kind == VOL_REC_PUT || kind == VOL_REC_PART || kind == VOL_REC_ENTRY;
    bool version =
        object || kind == VOL_REC_REMOVE || kind == VOL_REC_MOVE || kind == VOL_REC_DAMAGED;
    r.object.bucket = r.bucket;
    if (version || kind == VOL_REC_UPLOAD)
        r.object.key = env_slice(env, 1, 1024);
    if (version)
        r.object.seq = lb_prng_next(&env->prng);
    if (object)
        env_object(env, &r.object, kind == VOL_REC_ENTRY);
    if (object && kind != VOL_REC_ENTRY && r.object.extents_n == 0)
        r.body = env_slice(env, r.object.size, r.object.size);
    if (kind == VOL_REC_MOVE)
        env_extents(env, 1 + env_below(env, 100), &r.object);
    if (kind == VOL_REC_PART || kind == VOL_REC_UPLOAD || kind == VOL_REC_END_UPLOAD)
        r.upload_id = env_slice(env, 1, 64);
    if (kind == VOL_REC_PART) {
        r.part = (uint32_t)env_below(env, 10000);
        r.object.flags |= VOL_PART;
    }
    if (kind == VOL_REC_BUCKET)
        r.name = env_slice(env, 1, 63);
    if (kind == VOL_REC_BUCKET || kind == VOL_REC_UPLOAD)
        r.created_ns = (int64_t)lb_prng_next(&env->prng);
    if (kind == VOL_REC_BUCKET || kind == VOL_REC_UPLOAD)
        r.blob = env_slice(env, 0, 500);
    if (kind == VOL_REC_PACK) {
        r.pack = (struct vol_extent){5000 + env_below(env, 10000), 1 + env_below(env, 300)};
        r.packed = env_slice(env, 320, 320);
    }
    return r;
}

static inline void env_same(const struct vol_record *a, const struct vol_record *b) {
    const struct vol_object *o = &a->object, *p = &b->object;
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->bucket, b->bucket);
    assert_int_equal(o->bucket, p->bucket);
    assert_true(lb_slice_eq(o->key, p->key) && lb_slice_eq(o->meta, p->meta));
    assert_true(lb_slice_eq(a->body, b->body) && lb_slice_eq(a->name, b->name));
    assert_true(lb_slice_eq(a->blob, b->blob) && lb_slice_eq(a->upload_id, b->upload_id));
    assert_true(lb_slice_eq(a->packed, b->packed));
    assert_true(lb_slice_eq(lb_etag_slice(&o->etag), lb_etag_slice(&p->etag)));
    assert_true(o->seq == p->seq && o->size == p->size && o->mtime_ns == p->mtime_ns);
    assert_true(o->meta_len == p->meta_len && o->flags == p->flags);
    assert_true(o->pack == p->pack && o->pack_at == p->pack_at && o->pack_len == p->pack_len);
    assert_true(a->created_ns == b->created_ns && a->part == b->part);
    assert_true(a->pack.first == b->pack.first && a->pack.n == b->pack.n);
    assert_true(o->extents_n == p->extents_n && o->sums_n == p->sums_n);
    for (size_t i = 0; i < o->extents_n; i++)
        assert_true(o->extents[i].first == p->extents[i].first &&
                    o->extents[i].n == p->extents[i].n);
    for (size_t i = 0; i < o->sums_n; i++)
        assert_int_equal(o->sums[i], p->sums[i]);
}

#endif
