/* Who may do what. Without authentication everybody may do everything; with it the administrator,
 * at no cost. All others are held against the owner and the canned ACL of the bucket, and an object
 * against its own; and they may do what they were granted beside that. */
#ifndef LB_S3_ACCESS_PRIV_H
#define LB_S3_ACCESS_PRIV_H

#include "s3/bucket_settings.h"
#include "s3/request_priv.h"

/* Is it the administrator (or is authentication off)? */
bool s3_is_admin(const struct s3_request *r);

/* Decides whether the request may do its operation, as r->op->right says, sets r->access and begins
 * it; or fails the request. Also holds x-amz-expected-bucket-owner against the owner. */
void s3_access_check(struct s3_request *r);

/* Decides once more, and calls then: for what goes on after a client had time to let the bucket
 * change hands. */
void s3_access_again(struct s3_request *r, s3_op_fn then);

/* Makes r->settings known and calls then; or fails the request: NO_SUCH_BUCKET. May call it from
 * inside. */
void s3_bucket_load(struct s3_request *r, s3_op_fn then);
/* Makes sure that r->settings are what they are now: for what took time. May call from inside. */
void s3_bucket_reload(struct s3_request *r, s3_loaded_fn loaded);
/* Reads the settings, lets fn change them, stores them, and ends the request: 200, or 204 when it
 * deletes. Again, when another has changed them meanwhile; a few times, then OPERATION_ABORTED. */
void s3_bucket_change(struct s3_request *r, s3_settings_fn fn);
/* What a bucket_head with r->eng brought (err: of that). Returns 0 or the error to answer. */
int s3_bucket_settings_found(struct s3_request *r, int err, struct lb_s3_bucket_settings **ret);

/* Is a bucket with these settings the requester's own? */
bool s3_bucket_is_own(const struct s3_request *r, const struct lb_s3_bucket_settings *s);

/* May the requester know of a bucket: his own, or one he was granted something in? */
bool s3_bucket_is_seen(const struct s3_request *r, struct lb_slice bucket,
                       const struct lb_s3_bucket_settings *s);

/* Sets r->source to what the request may do in the bucket that it copies from, and calls then; or
 * fails the request. Also holds x-amz-source-expected-bucket-owner against that bucket's owner. */
void s3_access_source(struct s3_request *r, struct lb_slice bucket, s3_op_fn then);

/* May an object with this ACL be read? Returns 0 or ACCESS_DENIED. */
int s3_access_read(const struct s3_request *r, const struct s3_access *a, enum lb_s3_acl acl);

/* May this version be removed? Without a version (empty) it was decided at the start; for good,
 * only by the bucket's owner. Returns 0 or ACCESS_DENIED. */
int s3_access_remove(const struct s3_request *r, struct lb_slice version);

/* The error to answer in place of err: that a key or version is not there, or is a delete marker,
 * is told only to those who may list. */
int s3_access_missing(const struct s3_access *a, int err);

#endif
