/* Objects and bytes of each bucket, as counted in the background by whoever counts them. A table of
 * bounded size behind a mutex; any thread, nothing here is for a loop's hot path. */
#ifndef LB_METRICS_USAGE_H
#define LB_METRICS_USAGE_H

#include "base/slice.h"

struct lb_usage;

struct lb_bucket_usage {
    struct lb_slice bucket; /* borrowed from the table */
    uint64_t objects;       /* current objects */
    uint64_t bytes;         /* their sizes together */
    int64_t counted_s;      /* when, seconds since 1970 */
};

/* A table of at most buckets_max buckets. Returns owned, or NULL without memory. */
struct lb_usage *lb_usage_new(size_t buckets_max);
/* No thread may still use it. NULL is allowed. */
void lb_usage_free(struct lb_usage *u);

/* Sets a bucket's figures; the name is copied (1 to 255 bytes). Returns 0; -ENOSPC for one more
 * than there may be; -EINVAL for the name; -ENOMEM. */
int lb_usage_set(struct lb_usage *u, const struct lb_bucket_usage *b);

/* Reads a bucket's figures; ret->bucket is `bucket` itself. Returns false, with *ret untouched,
 * when there are none. */
bool lb_usage_get(struct lb_usage *u, struct lb_slice bucket, struct lb_bucket_usage *ret);

/* Forgets a bucket that is gone; harmless when it is not there. */
void lb_usage_remove(struct lb_usage *u, struct lb_slice bucket);

/* Forgets all buckets that were counted before this time: after a round over all buckets, those
 * that are gone. */
void lb_usage_prune(struct lb_usage *u, int64_t before_s);

/* Calls fn for each bucket, in byte order of the name, under the lock: fn calls nothing of this. */
void lb_usage_each(struct lb_usage *u, void (*fn)(void *ctx, const struct lb_bucket_usage *b),
                   void *ctx);

#endif
