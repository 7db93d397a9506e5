/* The table of operations, and routing by it. What a request asks for beyond the table is refused:
 * a sub-resource that is passed over would turn one operation into another. */
#include "s3/ops_priv.h"

#define VERSION " versionId "
#define GET_PARAMS                                                                      \
    " partNumber versionId response-content-type response-cache-control "               \
    "response-content-disposition response-content-encoding response-content-language " \
    "response-expires "
#define LIST_PARAMS " prefix delimiter encoding-type max-keys "

const struct s3_op s3_ops[] = {
    {"ListBuckets", LB_HTTP_GET, S3_SERVICE, NULL, false,
     " prefix max-buckets continuation-token bucket-region ", S3_RIGHT_SIGNED, s3_op_list_buckets},

    {"CreateBucket", LB_HTTP_PUT, S3_BUCKET, NULL, false, NULL, S3_RIGHT_SIGNED,
     s3_op_create_bucket},
    {"HeadBucket", LB_HTTP_HEAD, S3_BUCKET, NULL, false, NULL, S3_RIGHT_LIST, s3_op_head_bucket},
    {"DeleteBucket", LB_HTTP_DELETE, S3_BUCKET, NULL, false, NULL, S3_RIGHT_OWNER,
     s3_op_delete_bucket},
    {"GetBucketLocation", LB_HTTP_GET, S3_BUCKET, "location", false, NULL, S3_RIGHT_OWNER,
     s3_op_get_location},
    {"GetBucketVersioning", LB_HTTP_GET, S3_BUCKET, "versioning", false, NULL, S3_RIGHT_OWNER,
     s3_op_get_versioning},
    {"PutBucketVersioning", LB_HTTP_PUT, S3_BUCKET, "versioning", false, NULL, S3_RIGHT_OWNER,
     s3_op_put_versioning},
    {"GetBucketAcl", LB_HTTP_GET, S3_BUCKET, "acl", false, NULL, S3_RIGHT_OWNER, s3_op_get_acl},
    {"PutBucketAcl", LB_HTTP_PUT, S3_BUCKET, "acl", false, NULL, S3_RIGHT_OWNER, s3_op_put_acl},
    {"GetBucketTagging", LB_HTTP_GET, S3_BUCKET, "tagging", false, NULL, S3_RIGHT_OWNER,
     s3_op_get_bucket_tagging},
    {"PutBucketTagging", LB_HTTP_PUT, S3_BUCKET, "tagging", false, NULL, S3_RIGHT_OWNER,
     s3_op_put_bucket_tagging},
    {"DeleteBucketTagging", LB_HTTP_DELETE, S3_BUCKET, "tagging", false, NULL, S3_RIGHT_OWNER,
     s3_op_delete_bucket_tagging},
    {"ListObjectVersions", LB_HTTP_GET, S3_BUCKET, "versions", false,
     LIST_PARAMS " key-marker version-id-marker ", S3_RIGHT_LIST, s3_op_list_versions},
    {"ListMultipartUploads", LB_HTTP_GET, S3_BUCKET, "uploads", false,
     " prefix delimiter encoding-type max-uploads key-marker upload-id-marker ", S3_RIGHT_LIST,
     s3_op_list_uploads},
    {"ListObjectsV2", LB_HTTP_GET, S3_BUCKET, "list-type", false,
     LIST_PARAMS " continuation-token start-after fetch-owner ", S3_RIGHT_LIST,
     s3_op_list_objects_v2},
    {"ListObjects", LB_HTTP_GET, S3_BUCKET, NULL, false, LIST_PARAMS " marker ", S3_RIGHT_LIST,
     s3_op_list_objects_v1},
    {"DeleteObjects", LB_HTTP_POST, S3_BUCKET, "delete", false, NULL, S3_RIGHT_WRITE,
     s3_op_delete_objects},

    {"ListParts", LB_HTTP_GET, S3_OBJECT, "uploadId", false,
     " max-parts part-number-marker encoding-type ", S3_RIGHT_WRITE, s3_op_list_parts},
    {"GetObjectAcl", LB_HTTP_GET, S3_OBJECT, "acl", false, VERSION, S3_RIGHT_OWNER, s3_op_get_acl},
    {"PutObjectAcl", LB_HTTP_PUT, S3_OBJECT, "acl", false, VERSION, S3_RIGHT_OWNER, s3_op_put_acl},
    {"GetObjectTorrent", LB_HTTP_GET, S3_OBJECT, "torrent", false, NULL, S3_RIGHT_OWNER,
     s3_op_get_torrent},
    {"GetObjectTagging", LB_HTTP_GET, S3_OBJECT, "tagging", false, VERSION, S3_RIGHT_OWNER,
     s3_op_get_tagging},
    {"GetObjectAttributes", LB_HTTP_GET, S3_OBJECT, "attributes", false,
     VERSION " max-parts part-number-marker ", S3_RIGHT_OWNER, s3_op_get_attributes},
    {"GetObject", LB_HTTP_GET, S3_OBJECT, NULL, false, GET_PARAMS, S3_RIGHT_READ, s3_op_get_object},
    {"HeadObject", LB_HTTP_HEAD, S3_OBJECT, NULL, false, GET_PARAMS, S3_RIGHT_READ,
     s3_op_get_object},
    {"UploadPart", LB_HTTP_PUT, S3_OBJECT, "uploadId", false, " partNumber ", S3_RIGHT_WRITE,
     s3_op_upload_part},
    {"UploadPart", LB_HTTP_PUT, S3_OBJECT, "partNumber", false, NULL, S3_RIGHT_WRITE,
     s3_op_upload_part},
    {"UploadPartCopy", LB_HTTP_PUT, S3_OBJECT, "uploadId", true, " partNumber ", S3_RIGHT_WRITE,
     s3_op_upload_part_copy},
    {"PutObjectTagging", LB_HTTP_PUT, S3_OBJECT, "tagging", false, VERSION, S3_RIGHT_OWNER,
     s3_op_put_tagging},
    {"PutObject", LB_HTTP_PUT, S3_OBJECT, NULL, false, NULL, S3_RIGHT_WRITE, s3_op_put_object},
    {"CopyObject", LB_HTTP_PUT, S3_OBJECT, NULL, true, NULL, S3_RIGHT_WRITE, s3_op_copy_object},
    {"CreateMultipartUpload", LB_HTTP_POST, S3_OBJECT, "uploads", false, NULL, S3_RIGHT_WRITE,
     s3_op_upload_create},
    {"CompleteMultipartUpload", LB_HTTP_POST, S3_OBJECT, "uploadId", false, NULL, S3_RIGHT_WRITE,
     s3_op_upload_complete},
    {"AbortMultipartUpload", LB_HTTP_DELETE, S3_OBJECT, "uploadId", false, NULL, S3_RIGHT_WRITE,
     s3_op_upload_abort},
    {"DeleteObjectTagging", LB_HTTP_DELETE, S3_OBJECT, "tagging", false, VERSION, S3_RIGHT_OWNER,
     s3_op_delete_tagging},
    {"DeleteObject", LB_HTTP_DELETE, S3_OBJECT, NULL, false, VERSION, S3_RIGHT_WRITE,
     s3_op_delete_object},
};
const size_t s3_ops_n = sizeof(s3_ops) / sizeof(s3_ops[0]);

/* Every sub-resource of S3's API, there or not: with a value or without, none of them is a
 * parameter to pass over. */
static const char subresources[] =
    " accelerate acl analytics attributes cors delete encryption intelligent-tiering inventory "
    "legal-hold lifecycle list-type location logging metadataConfiguration metadataTable metrics "
    "notification object-lock ownershipControls partNumber policy policyStatus publicAccessBlock "
    "renameObject replication requestPayment restore retention select select-type session tagging "
    "torrent uploadId uploads versioning versions versionId website metadataInventoryTable "
    "metadataJournalTable abac ";

/* Is name one of the words of a list? No name is in no list. */
static bool listed(const char *words, struct lb_slice name) {
    struct lb_slice rest = lb_slice_cstr(words);
    while (rest.ptr && name.len) {
        if (lb_slice_eq(lb_slice_cut(&rest, ' '), name))
            return true;
    }
    return false;
}

/* Parameters that say nothing to an operation: of a presigned request, and "x-..." in general,
 * which S3 leaves to its users for their logs. */
static bool harmless(struct lb_slice name) {
    return lb_slice_eq_nocase(lb_slice_first(name, 2), LB_S("x-"));
}

static bool accepts(const struct s3_op *op, const struct lb_query_param *p) {
    if (harmless(p->name) || listed(op->params, p->name))
        return true;
    if (op->subresource && lb_slice_eq(p->name, lb_slice_cstr(op->subresource)))
        return true;
    /* A stray "?v=3" on a read is a cache buster. Without a value it would be a sub-resource. */
    return (op->method == LB_HTTP_GET || op->method == LB_HTTP_HEAD) && p->value.len &&
           !listed(subresources, p->name);
}

/* The row for a request: of those whose sub-resource is asked for the first, else the plain one. */
static const struct s3_op *find(enum lb_http_method method, enum s3_level level,
                                const struct lb_query *query, bool copy) {
    const struct s3_op *plain = NULL;
    for (size_t i = 0; i < s3_ops_n; i++) {
        const struct s3_op *op = &s3_ops[i];
        if (op->method != method || op->level != level || op->copy != copy)
            continue;
        if (!op->subresource)
            plain = op;
        else if (lb_query_find(query, lb_slice_cstr(op->subresource)))
            return op;
    }
    return plain;
}

/* There is no row: is it an operation of S3's all the same (a sub-resource, a form upload, a CORS
 * preflight), or does the method make no sense there? */
static int refuse(enum lb_http_method method, enum s3_level level, const struct lb_query *query) {
    if (method == LB_HTTP_OPTIONS || method == LB_HTTP_OTHER ||
        (method == LB_HTTP_POST && level == S3_BUCKET))
        return LB_ERR_NOT_IMPLEMENTED;
    for (size_t i = 0; i < query->n; i++) {
        if (!harmless(query->params[i].name))
            return LB_ERR_NOT_IMPLEMENTED;
    }
    return LB_ERR_METHOD_NOT_ALLOWED;
}

int s3_op_route(enum lb_http_method method, enum s3_level level, const struct lb_query *query,
                bool copy_source, const struct s3_op **ret) {
    bool copy = copy_source && method == LB_HTTP_PUT && level == S3_OBJECT;
    const struct s3_op *op = find(method, level, query, copy);
    if (!op)
        return refuse(method, level, query);
    for (size_t i = 0; i < query->n; i++) {
        if (!accepts(op, &query->params[i]))
            return LB_ERR_NOT_IMPLEMENTED;
    }
    *ret = op;
    return 0;
}
