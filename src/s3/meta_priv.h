/* What S3 keeps with an object beside its bytes: the engine's meta blob, encoded and decoded here.
 * A versioned sequence of tagged fields; unknown tags are skipped, so that it may grow. */
#ifndef LB_S3_META_PRIV_H
#define LB_S3_META_PRIV_H

#include "base/arena.h"
#include "base/buf.h"
#include "hash/hash.h"
#include "s3/acl_priv.h"

/* Header fields that are stored and returned as they are. */
enum s3_meta_field {
    S3_META_CONTENT_TYPE,
    S3_META_CACHE_CONTROL,
    S3_META_CONTENT_DISPOSITION,
    S3_META_CONTENT_ENCODING, /* without aws-chunked */
    S3_META_CONTENT_LANGUAGE,
    S3_META_EXPIRES,
    S3_META_STORAGE_CLASS,
    S3_META_REDIRECT_LOCATION, /* x-amz-website-redirect-location */
    S3_META_FIELDS,
};

struct s3_meta_pair {
    struct lb_slice name; /* user metadata: without "x-amz-meta-", lower case; tags: the key */
    struct lb_slice value;
};

enum s3_checksum_type { S3_CHECKSUM_FULL_OBJECT, S3_CHECKSUM_COMPOSITE };

struct s3_meta_part {
    uint64_t size;
    struct lb_digest checksum; /* len 0: none */
};

struct s3_meta {
    struct lb_slice fields[S3_META_FIELDS]; /* empty: absent */
    struct s3_meta_pair *user;
    size_t user_n;
    struct s3_meta_pair *tags;
    size_t tags_n;
    unsigned checksum_kind; /* an lb_hash_kind, or LB_HASH_KINDS: none */
    enum s3_checksum_type checksum_type;
    struct lb_digest checksum;
    uint32_t parts_n; /* of a multipart object: its parts' sizes and checksums; 0 otherwise */
    struct s3_meta_part *parts;
    enum lb_s3_acl acl;
    struct s3_meta_pair initiator; /* of an upload: id and display name; empty: the administrator */
};

/* An empty meta (checksum_kind = LB_HASH_KINDS). */
void s3_meta_init(struct s3_meta *m);
/* Appends the encoding. An empty meta encodes to nothing. */
void s3_meta_encode(const struct s3_meta *m, struct lb_buf *ret);
/* Decodes; slices borrow from blob, arrays come from the arena. Returns 0, CORRUPT, or -ENOMEM. */
int s3_meta_decode(struct lb_arena *a, struct lb_slice blob, struct s3_meta *ret);

#endif
