/* Slots by the hash of the bucket's name; the last one that came has it. */
#include "s3/settings_cache_priv.h"

#include <stdlib.h>

#include "base/map.h"

#define SLOTS 64
#define KEPT_NS 1000000000u
#define BLOB_MAX 512

struct slot {
    uint64_t until_ns; /* 0: empty */
    uint64_t at;
    uint8_t name_len;
    uint16_t blob_len;
    char name[255];
    char blob[BLOB_MAX];
};

struct s3_settings_cache {
    struct lb_s3_buckets *buckets;
    struct slot slots[SLOTS];
};

struct s3_settings_cache *s3_settings_cache_new(struct lb_s3_buckets *buckets) {
    struct s3_settings_cache *c = calloc(1, sizeof(*c));
    if (c)
        c->buckets = buckets;
    return c;
}

void s3_settings_cache_free(struct s3_settings_cache *c) {
    free(c);
}

uint64_t s3_settings_cache_at(const struct s3_settings_cache *c) {
    return atomic_load(&c->buckets->changes);
}

static struct slot *slot_of(struct s3_settings_cache *c, struct lb_slice bucket) {
    return &c->slots[lb_hash_bytes(bucket) % SLOTS];
}

void s3_settings_cache_put(struct s3_settings_cache *c, struct lb_slice bucket, uint64_t at,
                           uint64_t now_ns, const struct lb_s3_bucket_settings *s) {
    struct slot *slot = slot_of(c, bucket);
    struct lb_s3_bucket_settings kept = *s;
    struct lb_buf blob;
    kept.tags = LB_S("");
    lb_buf_init(&blob, LB_S3_BUCKET_SETTINGS_MAX);
    lb_s3_bucket_settings_encode(&kept, &blob);
    if (!blob.err && blob.len <= BLOB_MAX && bucket.len <= sizeof(slot->name)) {
        slot->until_ns = now_ns + KEPT_NS;
        slot->at = at;
        slot->name_len = (uint8_t)bucket.len;
        slot->blob_len = (uint16_t)blob.len;
        memcpy(slot->name, bucket.ptr, bucket.len);
        if (blob.len)
            memcpy(slot->blob, blob.ptr, blob.len);
    }
    lb_buf_fini(&blob);
}

bool s3_settings_cache_get(struct s3_settings_cache *c, struct lb_slice bucket, uint64_t now_ns,
                           struct lb_arena *a, struct lb_s3_bucket_settings *ret) {
    const struct slot *slot = slot_of(c, bucket);
    struct lb_slice blob = lb_slice(slot->blob, slot->blob_len);
    if (now_ns >= slot->until_ns || slot->at != s3_settings_cache_at(c) ||
        !lb_slice_eq(lb_slice(slot->name, slot->name_len), bucket))
        return false;
    if (blob.len && lb_arena_copy(a, blob, &blob) < 0)
        return false;
    lb_s3_bucket_settings_decode(blob, ret);
    return true;
}
