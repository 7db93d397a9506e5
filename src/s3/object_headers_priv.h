/* An object's metadata in HTTP: request headers to struct s3_meta and back. */
#ifndef LB_S3_OBJECT_HEADERS_PRIV_H
#define LB_S3_OBJECT_HEADERS_PRIV_H

#include "s3/meta_priv.h"
#include "s3/request_priv.h"

#define S3_TAGS_MAX 10
#define S3_USER_META_MAX 2048 /* bytes of names and values together */

/* What the request's headers say of a new object: stored fields, x-amz-meta-*, storage class
 * (STANDARD is left out), x-amz-acl and x-amz-tagging. Initialises *ret; slices borrow from the
 * request or its arena. For PutObject, CreateMultipartUpload and CopyObject with REPLACE. Returns
 * 0, METADATA_TOO_LARGE, INVALID_STORAGE_CLASS, INVALID_TAG, INVALID_ARGUMENT or NOT_IMPLEMENTED
 * (the ACL), or -ENOMEM. */
int s3_object_headers_parse(struct s3_request *r, struct s3_meta *ret);

/* Just x-amz-tagging (for CopyObject with x-amz-tagging-directive: REPLACE): sets tags, tags_n. */
int s3_object_tagging_parse(struct s3_request *r, struct s3_meta *ret);

/* At most max, keys unique and of 1 to 128 characters, values at most 256; puts them in the order
 * of their keys. Returns 0 or INVALID_TAG. */
int s3_tags_check(struct s3_meta_pair *tags, size_t n, size_t max);

/* Adds the response headers of an object's stored fields and user metadata, x-amz-storage-class and
 * x-amz-tagging-count. Content-Type is always added: for an object written by another program (see
 * s3_object_foreign) by the key's extension, else binary/octet-stream. response-* parameters
 * override.
 */
void s3_object_headers_reply(struct s3_request *r, const struct s3_meta *m, bool foreign);

/* Was the object's file written by another program? Its ETag then is none of ours. */
bool s3_object_foreign(const struct lb_object_info *info);

/* "image/png" for a key that ends in ".png"; binary/octet-stream for what is not known. Static. */
struct lb_slice s3_content_type_of(struct lb_slice key);

#endif
