/* Which bucket and key a request means: path style, virtual-host style, single-bucket mode. */
#ifndef LB_S3_ADDRESS_PRIV_H
#define LB_S3_ADDRESS_PRIV_H

#include "s3/request_priv.h"

struct s3_address {
    enum s3_level level;
    struct lb_slice bucket;
    struct lb_slice key;
};

/* Whether a name is a bucket, from what is known without blocking. */
typedef bool (*s3_bucket_known_fn)(void *ctx, struct lb_slice bucket);

/* Addresses a request by its Host and its undecoded path. Each segment is decoded once; keys are
 * never normalised. Results borrow from the arguments or come from the arena. Returns 0;
 * INVALID_URI (a bad escape, a key that isn't UTF-8), INVALID_BUCKET_NAME, KEY_TOO_LONG, -ENOMEM.
 */
int s3_address(struct lb_arena *a, const struct lb_s3_conf *conf, s3_bucket_known_fn known,
               void *ctx, struct lb_slice host, struct lb_slice path, struct s3_address *ret);

/* Is it a key: 1 to 1,024 bytes of UTF-8 without NUL? Returns 0, KEY_TOO_LONG or INVALID_URI. */
int s3_key_check(struct lb_slice key);

/* May name be asked of an engine as a bucket (wider than S3's rules: directories have all sorts of
 * names; but never a path)? */
bool s3_bucket_name_plausible(struct lb_slice name);

#endif
