/* Tagging documents, of objects and of buckets. */
#ifndef LB_S3_TAGGING_PRIV_H
#define LB_S3_TAGGING_PRIV_H

#include "s3/meta_priv.h"

#define S3_TAGGING_SIZE_MAX 65536 /* bytes of a document */
#define S3_BUCKET_TAGS_MAX 50

/* Reads a Tagging document of at most max tags, and puts them in the order of their keys. Returns
 * 0, MALFORMED_XML, INVALID_TAG, or -ENOMEM. */
int s3_tagging_parse(struct lb_arena *a, struct lb_slice document, size_t max,
                     struct s3_meta_pair **ret, size_t *ret_n);

/* Appends one. */
void s3_tagging_write(struct lb_buf *b, const struct s3_meta_pair *tags, size_t n);

/* Appends what a bucket's settings.tags holds; decodes it (slices borrow, the array comes from the
 * arena). Decoding returns 0, CORRUPT or -ENOMEM. */
void s3_bucket_tags_encode(const struct s3_meta_pair *tags, size_t n, struct lb_buf *ret);
int s3_bucket_tags_decode(struct lb_arena *a, struct lb_slice tags, struct s3_meta_pair **ret,
                          size_t *ret_n);

#endif
