/* Every operation of S3 that is there, and the table that routes to them. An operation is one
 * function; it begins once the request is addressed, authenticated and free of headers and
 * parameters that are not supported. */
#ifndef LB_S3_OPS_PRIV_H
#define LB_S3_OPS_PRIV_H

#include "s3/request_priv.h"

/* Chooses the operation for a method at a level, with a query and with or without
 * x-amz-copy-source. Returns 0 and the operation; METHOD_NOT_ALLOWED or NOT_IMPLEMENTED for what is
 * not there: a sub-resource or parameter that no operation takes is never ignored where it could
 * mean something. */
int s3_op_route(enum lb_http_method method, enum s3_level level, const struct lb_query *query,
                bool copy_source, const struct s3_op **ret);

/* Are all headers (and parameters that stand for headers, in presigned requests) of a kind that is
 * there, or harmless? Returns 0; NOT_IMPLEMENTED for one that asks for something else than what the
 * operation would do: encryption, object lock, grants. */
int s3_headers_supported(const struct s3_request *r);

/* The table, for tests. */
extern const struct s3_op s3_ops[];
extern const size_t s3_ops_n;

void s3_op_list_buckets(struct s3_request *r);

void s3_op_create_bucket(struct s3_request *r);
void s3_op_head_bucket(struct s3_request *r);
void s3_op_delete_bucket(struct s3_request *r);
void s3_op_get_location(struct s3_request *r);
void s3_op_get_versioning(struct s3_request *r);
void s3_op_put_versioning(struct s3_request *r);
void s3_op_get_acl(struct s3_request *r); /* of a bucket or an object */
void s3_op_put_acl(struct s3_request *r);
void s3_op_get_bucket_tagging(struct s3_request *r);
void s3_op_put_bucket_tagging(struct s3_request *r);
void s3_op_delete_bucket_tagging(struct s3_request *r);

void s3_op_list_objects_v1(struct s3_request *r);
void s3_op_list_objects_v2(struct s3_request *r);
void s3_op_list_versions(struct s3_request *r);
void s3_op_delete_objects(struct s3_request *r);

void s3_op_get_object(struct s3_request *r); /* HeadObject too */
void s3_op_put_object(struct s3_request *r);
void s3_op_delete_object(struct s3_request *r);
void s3_op_copy_object(struct s3_request *r);
void s3_op_get_torrent(struct s3_request *r);
void s3_op_get_attributes(struct s3_request *r);
void s3_op_get_tagging(struct s3_request *r);
void s3_op_put_tagging(struct s3_request *r);
void s3_op_delete_tagging(struct s3_request *r);

void s3_op_upload_create(struct s3_request *r);
void s3_op_upload_part(struct s3_request *r);
void s3_op_upload_part_copy(struct s3_request *r);
void s3_op_upload_complete(struct s3_request *r);
void s3_op_upload_abort(struct s3_request *r);
void s3_op_list_parts(struct s3_request *r);
void s3_op_list_uploads(struct s3_request *r);

#endif
