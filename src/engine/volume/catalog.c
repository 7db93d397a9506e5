/* Buckets and uploads in memory. Under the lock. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/volume/volume_priv.h"

void vol_id_text(uint64_t number, char ret[VOL_UPLOAD_ID_LEN + 1]) {
    snprintf(ret, VOL_UPLOAD_ID_LEN + 1, "%016llx", (unsigned long long)number);
}

int vol_id_parse(struct lb_slice id, uint64_t *ret) {
    uint64_t n = 0;
    if (id.len != VOL_UPLOAD_ID_LEN)
        return -EINVAL;
    for (size_t i = 0; i < id.len; i++) {
        int digit = lb_hex_digit(id.ptr[i]);
        if (digit < 0 || (id.ptr[i] >= 'A' && id.ptr[i] <= 'F'))
            return -EINVAL;
        n = n << 4 | (unsigned)digit;
    }
    *ret = n;
    return 0;
}

void vol_part_key(uint64_t upload, uint32_t part, char ret[VOL_PART_KEY_LEN + 1]) {
    snprintf(ret, VOL_PART_KEY_LEN + 1, "%016llx%05u", (unsigned long long)upload, part % 100000u);
}

static bool bucket_eq(const struct lb_map_node *n, const void *key) {
    const struct vol_bucket *b = LB_CONTAINER_OF(n, struct vol_bucket, by_name);
    return lb_slice_eq(lb_slice_cstr(b->name), *(const struct lb_slice *)key);
}

static bool upload_eq(const struct lb_map_node *n, const void *key) {
    return LB_CONTAINER_OF(n, struct vol_upload, by_id)->number == *(const uint64_t *)key;
}

static bool staged_eq(const struct lb_map_node *n, const void *key) {
    return LB_CONTAINER_OF(n, struct vol_staged, by_seq)->seq == *(const uint64_t *)key;
}

static bool hold_eq(const struct lb_map_node *n, const void *key) {
    return LB_CONTAINER_OF(n, struct vol_hold, by_key)->key == *(const uint64_t *)key;
}

static bool pack_eq(const struct lb_map_node *n, const void *key) {
    return LB_CONTAINER_OF(n, struct vol_pack, by_unit)->extent.first == *(const uint64_t *)key;
}

void vol_catalog_init(struct vol_engine *v) {
    lb_map_init(&v->buckets, bucket_eq);
    lb_map_init(&v->uploads, upload_eq);
    lb_map_init(&v->staged, staged_eq);
    lb_map_init(&v->holds, hold_eq);
    lb_map_init(&v->packs, pack_eq);
    lb_list_init(&v->staged_order);
}

static void bucket_free(struct vol_engine *v, struct vol_bucket *b) {
    lb_map_remove(&v->buckets, &b->by_name);
    free(b->name);
    free(b->settings);
    free(b);
}

static void upload_free(struct vol_engine *v, struct vol_upload *u) {
    lb_map_remove(&v->uploads, &u->by_id);
    free(u);
}

void vol_catalog_fini(struct vol_engine *v) {
    struct lb_map_node *n;
    while ((n = lb_map_first(&v->buckets)))
        bucket_free(v, LB_CONTAINER_OF(n, struct vol_bucket, by_name));
    while ((n = lb_map_first(&v->uploads)))
        upload_free(v, LB_CONTAINER_OF(n, struct vol_upload, by_id));
    while ((n = lb_map_first(&v->staged)))
        vol_staged_drop(v, LB_CONTAINER_OF(n, struct vol_staged, by_seq));
    while ((n = lb_map_first(&v->packs))) {
        lb_map_remove(&v->packs, n);
        free(LB_CONTAINER_OF(n, struct vol_pack, by_unit));
    }
    lb_map_fini(&v->buckets);
    lb_map_fini(&v->uploads);
    lb_map_fini(&v->staged);
    lb_map_fini(&v->holds);
    lb_map_fini(&v->packs);
}

struct vol_bucket *vol_bucket_find(struct vol_engine *v, struct lb_slice name) {
    struct lb_map_node *n = lb_map_find(&v->buckets, lb_hash_bytes(name), &name);
    return n ? LB_CONTAINER_OF(n, struct vol_bucket, by_name) : NULL;
}

static struct vol_upload *upload_by_number(struct vol_engine *v, uint64_t number) {
    struct lb_map_node *n = lb_map_find(&v->uploads, vol_hash_u64(number), &number);
    return n ? LB_CONTAINER_OF(n, struct vol_upload, by_id) : NULL;
}

struct vol_upload *vol_upload_find(struct vol_engine *v, struct lb_slice id) {
    uint64_t number;
    return vol_id_parse(id, &number) < 0 ? NULL : upload_by_number(v, number);
}

struct vol_pack *vol_pack_find(struct vol_engine *v, uint64_t unit) {
    struct lb_map_node *n = lb_map_find(&v->packs, vol_hash_u64(unit), &unit);
    return n ? LB_CONTAINER_OF(n, struct vol_pack, by_unit) : NULL;
}

/* An owned copy with a NUL behind it. */
static char *copy(struct lb_slice s) {
    char *c = malloc(s.len + 1);
    if (!c)
        return NULL;
    if (s.len)
        memcpy(c, s.ptr, s.len);
    c[s.len] = '\0';
    return c;
}

static int bucket_new(struct vol_engine *v, const struct vol_record *r, char *settings) {
    struct vol_bucket *b = calloc(1, sizeof(*b));
    char *name = copy(r->name);
    if (b && name) {
        *b = (struct vol_bucket){.number = r->bucket,
                                 .created_ns = r->created_ns,
                                 .name = name,
                                 .settings = settings,
                                 .settings_len = r->blob.len};
        b->by_name.hash = lb_hash_bytes(r->name);
        if (lb_map_add(&v->buckets, &b->by_name) == 0) {
            if (v->next_bucket <= r->bucket)
                v->next_bucket = r->bucket + 1;
            return 0;
        }
    }
    free(name);
    free(b);
    return -ENOMEM;
}

int vol_catalog_bucket(struct vol_engine *v, const struct vol_record *r) {
    struct vol_bucket *b = vol_bucket_find(v, r->name);
    if (b && b->number > r->bucket)
        return 1;
    char *settings = copy(r->blob);
    if (!settings)
        return -ENOMEM;
    if (b && b->number != r->bucket) {
        bucket_free(v, b);
        b = NULL;
    }
    if (!b) {
        int err = bucket_new(v, r, settings);
        if (err)
            free(settings);
        return err;
    }
    free(b->settings);
    b->settings = settings;
    b->settings_len = r->blob.len;
    return 0;
}

/* The uploads of a bucket, with their parts. */
static void no_uploads(struct vol_engine *v, uint32_t bucket, uint64_t position) {
    struct lb_map_node *next;
    for (struct lb_map_node *n = lb_map_first(&v->uploads); n; n = next) {
        next = lb_map_next(&v->uploads, n);
        struct vol_upload *u = LB_CONTAINER_OF(n, struct vol_upload, by_id);
        if (u->bucket != bucket)
            continue;
        vol_release_parts(v, u->number, u->number, position);
        upload_free(v, u);
    }
}

void vol_catalog_no_bucket(struct vol_engine *v, uint32_t number, uint64_t position) {
    for (struct lb_map_node *n = lb_map_first(&v->buckets); n; n = lb_map_next(&v->buckets, n)) {
        struct vol_bucket *b = LB_CONTAINER_OF(n, struct vol_bucket, by_name);
        if (b->number == number) {
            bucket_free(v, b);
            break;
        }
    }
    no_uploads(v, number, position);
}

int vol_catalog_upload(struct vol_engine *v, const struct vol_record *r) {
    struct lb_slice key = r->object.key, meta = r->blob;
    uint64_t number;
    if (vol_id_parse(r->upload_id, &number) < 0)
        return -EBADMSG;
    if (upload_by_number(v, number))
        return 1;
    struct vol_upload *u = calloc(1, sizeof(*u) + key.len + meta.len);
    if (!u)
        return -ENOMEM;
    char *bytes = (char *)(u + 1);
    u->bucket = r->bucket;
    u->number = number;
    u->created_ns = r->created_ns;
    vol_id_text(number, u->id);
    if (key.len)
        memcpy(bytes, key.ptr, key.len);
    if (meta.len)
        memcpy(bytes + key.len, meta.ptr, meta.len);
    u->key = lb_slice(bytes, key.len);
    u->meta = lb_slice(bytes + key.len, meta.len);
    u->by_id.hash = vol_hash_u64(number);
    int err = lb_map_add(&v->uploads, &u->by_id);
    if (err)
        free(u);
    return err;
}

void vol_catalog_end_upload(struct vol_engine *v, uint64_t number) {
    struct vol_upload *u = upload_by_number(v, number);
    if (u)
        upload_free(v, u);
}
