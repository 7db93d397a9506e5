/* What S3 keeps with a bucket: the engine's settings blob, encoded and decoded here. Whoever else
 * changes settings (the control plane) decodes them, changes what it means, encodes them, and
 * stores them with op.if_same, so that no change is lost; then it calls lb_s3_buckets_changed, so
 * that the services of all loops look again. Any thread. */
#ifndef LB_S3_BUCKET_SETTINGS_H
#define LB_S3_BUCKET_SETTINGS_H

#include <stdatomic.h>

#include "base/buf.h"
#include "engine/engine.h"

#define LB_S3_BUCKET_SETTINGS_MAX 32768 /* bytes of the blob */

/* Canned ACLs, of buckets and objects. The numbers are on disk. The last is none of S3's, and of
 * buckets alone: what is set by the control plane so that anyone may read every object in it,
 * whatever its own ACL. To S3 it looks as public-read. */
enum lb_s3_acl {
    LB_S3_ACL_PRIVATE = 0,
    LB_S3_ACL_PUBLIC_READ = 1,
    LB_S3_ACL_PUBLIC_READ_WRITE = 2,
    LB_S3_ACL_AUTHENTICATED_READ = 3,
    LB_S3_ACL_OPEN_READ = 4,
    LB_S3_ACLS,
};

/* What a write to the bucket promises. The numbers are on disk. */
enum lb_s3_durability {
    LB_S3_DURABILITY_SERVER = 0, /* as the configuration says */
    LB_S3_DURABILITY_SYNC = 1,
    LB_S3_DURABILITY_RELAXED = 2,
    LB_S3_DURABILITIES,
};

/* All zero: the settings of a directory made by hand. */
struct lb_s3_bucket_settings {
    struct lb_slice owner_id; /* empty: the administrator */
    struct lb_slice owner_name;
    enum lb_s3_acl acl;
    struct lb_slice location; /* the constraint it was created with; empty: none */
    struct lb_slice tags;     /* of the bucket itself, encoded; empty: none */
    enum lb_versioning versioning;
    enum lb_s3_durability durability;
};

/* Appends the encoding. Settings that say nothing encode to nothing. */
void lb_s3_bucket_settings_encode(const struct lb_s3_bucket_settings *s, struct lb_buf *ret);

/* Decodes; slices borrow from blob. An empty blob gives all zero. One that is not understood gives
 * what loses nothing and lets nobody in: the administrator's private bucket, with versions kept. */
void lb_s3_bucket_settings_decode(struct lb_slice blob, struct lb_s3_bucket_settings *ret);

/* Counts the changes of buckets. One for all loops (lb_s3_conf), which keep settings for a moment.
 */
struct lb_s3_buckets {
    atomic_uint_least64_t changes;
};

/* A bucket was created or deleted, or its settings were changed: to be called when that is done and
 * before it is acknowledged. From then on every request sees it. */
static inline void lb_s3_buckets_changed(struct lb_s3_buckets *b) {
    atomic_fetch_add(&b->changes, 1);
}

#endif
