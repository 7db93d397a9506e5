/* Canned ACLs: the small permission model. A bucket and an object have one each; nothing else of
 * S3's ACLs is there. */
#ifndef LB_S3_ACL_PRIV_H
#define LB_S3_ACL_PRIV_H

#include "base/arena.h"
#include "base/buf.h"
#include "s3/bucket_settings.h"

struct s3_request;

/* Does acl let someone read who is not the owner? is_user: he has signed. */
bool s3_acl_reads(enum lb_s3_acl acl, bool is_user);

/* What x-amz-acl says, as a header or as the parameter of a presigned request; private when absent.
 * bucket-owner-read and bucket-owner-full-control are private: the bucket's owner may do everything
 * with every object in it. Returns 0; INVALID_ARGUMENT for what is no canned ACL; NOT_IMPLEMENTED
 * for one that names a service of AWS's. */
int s3_acl_parse(const struct s3_request *r, enum lb_s3_acl *ret);
/* Is there one? */
bool s3_acl_given(const struct s3_request *r);

/* Reads an AccessControlPolicy whose grants are those of a canned ACL. Returns 0; NOT_IMPLEMENTED
 * for other grants; ACCESS_DENIED when it names another owner; MALFORMED_XML; -ENOMEM. */
int s3_acl_parse_document(struct lb_arena *a, struct lb_slice document, struct lb_slice owner_id,
                          enum lb_s3_acl *ret);

/* Appends the AccessControlPolicy. */
void s3_acl_write_document(struct lb_buf *b, enum lb_s3_acl acl, struct lb_slice owner_id,
                           struct lb_slice owner_name);

#endif
