/* What S3 keeps with a bucket: the engine's settings blob, encoded and decoded here. */
#ifndef LB_S3_BUCKET_SETTINGS_PRIV_H
#define LB_S3_BUCKET_SETTINGS_PRIV_H

#include "s3/meta_priv.h"

#define S3_BUCKET_SETTINGS_MAX 32768 /* bytes of the blob */
#define S3_BUCKET_TAGS_MAX 50

struct s3_bucket_settings {
    struct lb_slice owner_id; /* empty: the administrator */
    struct lb_slice owner_name;
    enum s3_acl acl;
    struct lb_slice location; /* the constraint it was created with; empty: none */
    struct lb_slice tags;     /* of the bucket itself, encoded; empty: none */
};

/* Appends the encoding. Settings that say nothing encode to nothing. */
void s3_bucket_settings_encode(const struct s3_bucket_settings *s, struct lb_buf *ret);

/* Decodes; slices borrow from blob. A blob that is empty (a directory made by hand) or not
 * understood gives the administrator's private bucket. */
void s3_bucket_settings_decode(struct lb_slice blob, struct s3_bucket_settings *ret);

/* Appends what settings.tags holds; decodes it (slices borrow, the array comes from the arena).
 * Decoding returns 0, CORRUPT or -ENOMEM. */
void s3_bucket_tags_encode(const struct s3_meta_pair *tags, size_t n, struct lb_buf *ret);
int s3_bucket_tags_decode(struct lb_arena *a, struct lb_slice tags, struct s3_meta_pair **ret,
                          size_t *ret_n);

#endif
