/* The settings blob. Layout: version (1 byte), then fields (fields_priv.h):
 *
 *   tag 1   the owner's id
 *   tag 2   the owner's display name
 *   tag 3   canned ACL (1 byte, enum s3_acl)
 *   tag 4   location constraint
 *   tag 5   tags of the bucket: of each a field with its key (1) and one with its value (2)
 *
 * Numbers never change their meaning; a tag that is not known is skipped. */
#include "s3/bucket_settings_priv.h"

#include <errno.h>

#include "base/err.h"
#include "s3/fields_priv.h"

#define SETTINGS_VERSION 1

enum { TAG_OWNER_ID = 1, TAG_OWNER_NAME = 2, TAG_ACL = 3, TAG_LOCATION = 4, TAG_TAGS = 5 };
enum { TAG_KEY = 1, TAG_VALUE = 2 };

static void put_text(struct lb_buf *b, unsigned tag, struct lb_slice text) {
    if (text.len)
        s3_field_put(b, tag, text);
}

void s3_bucket_settings_encode(const struct s3_bucket_settings *s, struct lb_buf *ret) {
    size_t start = ret->len;
    s3_number_put(ret, SETTINGS_VERSION, 1);
    put_text(ret, TAG_OWNER_ID, s->owner_id);
    put_text(ret, TAG_OWNER_NAME, s->owner_name);
    if (s->acl != S3_ACL_PRIVATE) {
        s3_field_begin(ret, TAG_ACL, 1);
        s3_number_put(ret, s->acl, 1);
    }
    put_text(ret, TAG_LOCATION, s->location);
    put_text(ret, TAG_TAGS, s->tags);
    if (ret->len == start + 1)
        ret->len = start; /* nothing but the version */
}

static int take(struct lb_slice *blob, struct s3_bucket_settings *s) {
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
        /* One that is not known is private, which is the safe side. */
        s->acl = value.len == 1 && (uint8_t)value.ptr[0] < S3_ACLS ? (enum s3_acl)value.ptr[0]
                                                                   : S3_ACL_PRIVATE;
        break;
    case TAG_LOCATION:
        s->location = value;
        break;
    case TAG_TAGS:
        s->tags = value;
        break;
    default:
        break;
    }
    return 0;
}

void s3_bucket_settings_decode(struct lb_slice blob, struct s3_bucket_settings *ret) {
    struct s3_bucket_settings s = {.acl = S3_ACL_PRIVATE};
    int err = 0;
    if (blob.len == 0 || blob.ptr[0] != SETTINGS_VERSION)
        blob = LB_S("");
    blob = lb_slice_from(blob, 1);
    while (blob.len && err == 0)
        err = take(&blob, &s);
    *ret = err < 0 ? (struct s3_bucket_settings){.acl = S3_ACL_PRIVATE} : s;
}

void s3_bucket_tags_encode(const struct s3_meta_pair *tags, size_t n, struct lb_buf *ret) {
    for (size_t i = 0; i < n; i++) {
        s3_field_put(ret, TAG_KEY, tags[i].name);
        s3_field_put(ret, TAG_VALUE, tags[i].value);
    }
}

int s3_bucket_tags_decode(struct lb_arena *a, struct lb_slice tags, struct s3_meta_pair **ret,
                          size_t *ret_n) {
    struct s3_meta_pair *pairs = lb_arena_alloc(a, S3_BUCKET_TAGS_MAX * sizeof(*pairs));
    size_t n = 0;
    if (!pairs)
        return -ENOMEM;
    for (; tags.len; n++) {
        unsigned key = 0, value = 0;
        if (n == S3_BUCKET_TAGS_MAX || s3_field_take(&tags, &key, &pairs[n].name) < 0 ||
            tags.len == 0 || s3_field_take(&tags, &value, &pairs[n].value) < 0 || key != TAG_KEY ||
            value != TAG_VALUE)
            return LB_ERR_CORRUPT;
    }
    *ret = pairs;
    *ret_n = n;
    return 0;
}
