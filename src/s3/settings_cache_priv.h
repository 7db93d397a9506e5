/* The settings of a few buckets, kept per loop for a second at most, so that requests for objects
 * need not ask the engine for them. A change by this process ends what is kept at once, in all
 * loops (lb_s3_buckets); the second is for other programs. */
#ifndef LB_S3_SETTINGS_CACHE_PRIV_H
#define LB_S3_SETTINGS_CACHE_PRIV_H

#include "base/arena.h"
#include "s3/bucket_settings.h"

struct s3_settings_cache;

/* Returns owned, or NULL without memory. buckets is borrowed. */
struct s3_settings_cache *s3_settings_cache_new(struct lb_s3_buckets *buckets);
void s3_settings_cache_free(struct s3_settings_cache *c); /* NULL is allowed */

/* What names the state of all buckets now. To be taken before the engine is asked. */
uint64_t s3_settings_cache_at(const struct s3_settings_cache *c);

/* Keeps what the engine was asked for at `at`; but not the bucket's tags. Settings that are too
 * long are not kept. */
void s3_settings_cache_put(struct s3_settings_cache *c, struct lb_slice bucket, uint64_t at,
                           uint64_t now_ns, const struct lb_s3_bucket_settings *s);

/* Is there something that still holds? Slices of *ret are in the arena. */
bool s3_settings_cache_get(struct s3_settings_cache *c, struct lb_slice bucket, uint64_t now_ns,
                           struct lb_arena *a, struct lb_s3_bucket_settings *ret);

#endif
