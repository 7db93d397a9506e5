/* The settings blob. Layout: version (1 byte), then fields (fields_priv.h):
 *
 *   tag 1   the owner's id
 *   tag 2   the owner's display name
 *   tag 3   canned ACL (1 byte, enum lb_s3_acl)
 *   tag 4   location constraint
 *   tag 5   tags of the bucket, as bucket_tagging.c has them
 *   tag 6   versioning (1 byte): 1 enabled, 2 suspended
 *   tag 7   durability (1 byte, enum lb_s3_durability)
 *
 * Numbers never change their meaning; a tag that is not known is skipped. */
#include "s3/bucket_settings.h"

#include "base/err.h"
#include "s3/fields_priv.h"

#define SETTINGS_VERSION 1

enum {
    TAG_OWNER_ID = 1,
    TAG_OWNER_NAME = 2,
    TAG_ACL = 3,
    TAG_LOCATION = 4,
    TAG_TAGS = 5,
    TAG_VERSIONING = 6,
    TAG_DURABILITY = 7,
};

static void put_text(struct lb_buf *b, unsigned tag, struct lb_slice text) {
    if (text.len)
        s3_field_put(b, tag, text);
}

/* Zero is what is meant when there is none. */
static void put_word(struct lb_buf *b, unsigned tag, unsigned word) {
    if (!word)
        return;
    s3_field_begin(b, tag, 1);
    s3_number_put(b, word, 1);
}

/* A word of those below n; another is one that is not known yet, and `safe` is taken for it. */
static unsigned word_of(struct lb_slice value, unsigned n, unsigned safe) {
    return value.len == 1 && (uint8_t)value.ptr[0] < n ? (uint8_t)value.ptr[0] : safe;
}

void lb_s3_bucket_settings_encode(const struct lb_s3_bucket_settings *s, struct lb_buf *ret) {
    size_t start = ret->len;
    s3_number_put(ret, SETTINGS_VERSION, 1);
    put_text(ret, TAG_OWNER_ID, s->owner_id);
    put_text(ret, TAG_OWNER_NAME, s->owner_name);
    put_word(ret, TAG_ACL, s->acl);
    put_text(ret, TAG_LOCATION, s->location);
    put_text(ret, TAG_TAGS, s->tags);
    put_word(ret, TAG_VERSIONING, s->versioning);
    put_word(ret, TAG_DURABILITY, s->durability);
    if (ret->len == start + 1)
        ret->len = start; /* nothing but the version */
}

static int take(struct lb_slice *blob, struct lb_s3_bucket_settings *s) {
    struct lb_slice value;
    unsigned tag;
    int err = s3_field_take(blob, &tag, &value);
    if (err < 0)
        return err;
    switch (tag) {
    case TAG_OWNER_ID:
        s->owner_id = value;
        break;
    case TAG_OWNER_NAME:
        s->owner_name = value;
        break;
    case TAG_ACL:
        s->acl = (enum lb_s3_acl)word_of(value, LB_S3_ACLS, LB_S3_ACL_PRIVATE);
        break;
    case TAG_LOCATION:
        s->location = value;
        break;
    case TAG_TAGS:
        s->tags = value;
        break;
    case TAG_VERSIONING:
        s->versioning =
            (enum lb_versioning)word_of(value, LB_VERSIONING_SUSPENDED + 1, LB_VERSIONING_ON);
        break;
    case TAG_DURABILITY:
        s->durability =
            (enum lb_s3_durability)word_of(value, LB_S3_DURABILITIES, LB_S3_DURABILITY_SYNC);
        break;
    default:
        break;
    }
    return 0;
}

void lb_s3_bucket_settings_decode(struct lb_slice blob, struct lb_s3_bucket_settings *ret) {
    struct lb_s3_bucket_settings s = {.acl = LB_S3_ACL_PRIVATE};
    int err = blob.len && blob.ptr[0] != SETTINGS_VERSION ? LB_ERR_CORRUPT : 0;
    if (blob.len)
        blob = lb_slice_from(blob, 1);
    while (blob.len && err == 0)
        err = take(&blob, &s);
    if (err < 0)
        s = (struct lb_s3_bucket_settings){.acl = LB_S3_ACL_PRIVATE,
                                           .versioning = LB_VERSIONING_ON};
    *ret = s;
}
