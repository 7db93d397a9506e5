/* Routing: every operation is reached by its own request only; what is not there is refused. */
#include "lib/check.h"

#include <stdio.h>

#include "metrics/metrics.h"
#include "s3/ops_priv.h"

static struct lb_arena arena;

static int setup(void **state) {
    lb_arena_init(&arena, 1u << 20);
    return 0;
}

static int teardown(void **state) {
    lb_arena_fini(&arena);
    return 0;
}

static const struct s3_op *route(enum lb_http_method method, enum s3_level level, const char *query,
                                 bool copy, int expected) {
    struct lb_query q;
    const struct s3_op *op = NULL;
    assert_int_equal(lb_query_parse(&arena, lb_slice_cstr(query), &q), 0);
    int err = s3_op_route(method, level, &q, copy, &op);
    if (err != expected)
        fail_msg("method %d, level %d, ?%s: %d, not %d", method, level, query, err, expected);
    return op;
}

#define OK(method, level, query, copy, op_name) \
    assert_string_equal(route(LB_HTTP_##method, S3_##level, query, copy, 0)->name, op_name)
#define REFUSED(method, level, query, err) \
    route(LB_HTTP_##method, S3_##level, query, false, LB_ERR_##err)

static void test_operations(void **state) {
    OK(GET, SERVICE, "", false, "ListBuckets");
    OK(GET, SERVICE, "max-buckets=3&prefix=a", false, "ListBuckets");
    OK(PUT, BUCKET, "", false, "CreateBucket");
    OK(HEAD, BUCKET, "", false, "HeadBucket");
    OK(DELETE, BUCKET, "", false, "DeleteBucket");
    OK(GET, BUCKET, "location", false, "GetBucketLocation");
    OK(GET, BUCKET, "location=", false, "GetBucketLocation");
    OK(GET, BUCKET, "versioning", false, "GetBucketVersioning");
    OK(PUT, BUCKET, "versioning", false, "PutBucketVersioning");
    OK(GET, BUCKET, "versions&prefix=", false, "ListObjectVersions");
    OK(GET, BUCKET, "uploads&max-uploads=1", false, "ListMultipartUploads");
    OK(GET, BUCKET, "list-type=2&prefix=a&start-after=b", false, "ListObjectsV2");
    OK(GET, BUCKET, "prefix=a&delimiter=%2F&marker=b&max-keys=1", false, "ListObjects");
    OK(POST, BUCKET, "delete", false, "DeleteObjects");
    OK(GET, OBJECT, "", false, "GetObject");
    OK(GET, OBJECT, "partNumber=1", false, "GetObject");
    OK(GET, OBJECT, "versionId=null&response-content-type=a", false, "GetObject");
    OK(HEAD, OBJECT, "partNumber=1", false, "HeadObject");
    OK(PUT, OBJECT, "", false, "PutObject");
    OK(PUT, OBJECT, "", true, "CopyObject");
    OK(PUT, OBJECT, "partNumber=1&uploadId=u", false, "UploadPart");
    OK(PUT, OBJECT, "partNumber=1", false, "UploadPart");
    OK(PUT, OBJECT, "partNumber=1&uploadId=u", true, "UploadPartCopy");
    OK(DELETE, OBJECT, "", false, "DeleteObject");
    OK(POST, OBJECT, "uploads", false, "CreateMultipartUpload");
    OK(POST, OBJECT, "uploadId=u", false, "CompleteMultipartUpload");
    OK(DELETE, OBJECT, "uploadId=u", false, "AbortMultipartUpload");
    OK(GET, OBJECT, "uploadId=u&max-parts=1", false, "ListParts");
    OK(GET, OBJECT, "tagging", false, "GetObjectTagging");
    OK(PUT, OBJECT, "tagging&versionId=null", false, "PutObjectTagging");
    OK(DELETE, OBJECT, "tagging", false, "DeleteObjectTagging");
    OK(GET, OBJECT, "attributes", false, "GetObjectAttributes");
    OK(GET, OBJECT, "acl", false, "GetObjectAcl");
    OK(PUT, OBJECT, "acl&versionId=null", false, "PutObjectAcl");
    OK(GET, BUCKET, "acl", false, "GetBucketAcl");
    OK(PUT, BUCKET, "acl", false, "PutBucketAcl");
    OK(GET, BUCKET, "tagging", false, "GetBucketTagging");
    OK(PUT, BUCKET, "tagging", false, "PutBucketTagging");
    OK(DELETE, BUCKET, "tagging", false, "DeleteBucketTagging");
    OK(GET, OBJECT, "torrent", false, "GetObjectTorrent");
}

static void test_harmless_parameters(void **state) {
    OK(GET, OBJECT, "x-id=GetObject", false, "GetObject");
    OK(PUT, OBJECT, "x-id=PutObject", false, "PutObject");
    OK(PUT, OBJECT,
       "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=c&X-Amz-Date=d&X-Amz-Expires=1&"
       "X-Amz-SignedHeaders=host&X-Amz-Signature=s&X-Amz-Security-Token=t",
       false, "PutObject");
    OK(GET, OBJECT, "x-custom=for+the+log", false, "GetObject");
    OK(GET, OBJECT, "v=3", false, "GetObject");
    OK(GET, BUCKET, "allow-unordered=true", false, "ListObjects");
}

static void test_unknown(void **state) {
    static const char *const words[] = {"accelerate",
                                        "analytics",
                                        "cors",
                                        "encryption",
                                        "intelligent-tiering",
                                        "inventory",
                                        "legal-hold",
                                        "lifecycle",
                                        "logging",
                                        "metrics",
                                        "notification",
                                        "object-lock",
                                        "ownershipControls",
                                        "policy",
                                        "policyStatus",
                                        "publicAccessBlock",
                                        "renameObject",
                                        "replication",
                                        "requestPayment",
                                        "restore",
                                        "retention",
                                        "select",
                                        "session",
                                        "website",
                                        "somethingNew"};
    static const enum lb_http_method methods[] = {LB_HTTP_GET, LB_HTTP_HEAD, LB_HTTP_PUT,
                                                  LB_HTTP_POST, LB_HTTP_DELETE};
    static const char *const forms[] = {"%s", "%s=", "x-id=a&%s", "versionId=null&%s=1"};
    for (size_t w = 0; w + 1 < CHECK_COUNT(words); w++) {
        for (size_t m = 0; m < CHECK_COUNT(methods) * CHECK_COUNT(forms); m++) {
            char query[128];
            snprintf(query, sizeof(query), forms[m % CHECK_COUNT(forms)], words[w]);
            for (int level = S3_SERVICE; level <= S3_OBJECT; level++)
                route(methods[m / CHECK_COUNT(forms)], (enum s3_level)level, query, false,
                      LB_ERR_NOT_IMPLEMENTED);
        }
    }
    REFUSED(GET, OBJECT, "somethingNew", NOT_IMPLEMENTED);
    REFUSED(PUT, OBJECT, "somethingNew=1", NOT_IMPLEMENTED);
    REFUSED(DELETE, OBJECT, "somethingNew=1", NOT_IMPLEMENTED);
}

/* A sub-resource of one operation is not passed over by another. */
static void test_mixed(void **state) {
    REFUSED(GET, OBJECT, "tagging&acl", NOT_IMPLEMENTED);
    REFUSED(PUT, OBJECT, "tagging&uploadId=u", NOT_IMPLEMENTED);
    REFUSED(PUT, BUCKET, "lifecycle", NOT_IMPLEMENTED);
    REFUSED(PUT, BUCKET, "location", NOT_IMPLEMENTED);
    REFUSED(PUT, BUCKET, "tagging&acl", NOT_IMPLEMENTED);
    REFUSED(DELETE, BUCKET, "acl", NOT_IMPLEMENTED);
    REFUSED(POST, OBJECT, "acl", NOT_IMPLEMENTED);
    REFUSED(HEAD, BUCKET, "acl", NOT_IMPLEMENTED);
    REFUSED(PUT, OBJECT, "torrent", NOT_IMPLEMENTED);
    REFUSED(PUT, BUCKET, "torrent", NOT_IMPLEMENTED);
    REFUSED(PUT, OBJECT, "attributes", NOT_IMPLEMENTED);
    REFUSED(PUT, OBJECT, "versionId=null", NOT_IMPLEMENTED);
    REFUSED(DELETE, BUCKET, "delete", NOT_IMPLEMENTED);
    REFUSED(DELETE, BUCKET, "prefix=a", NOT_IMPLEMENTED);
    REFUSED(HEAD, OBJECT, "tagging", NOT_IMPLEMENTED);
    REFUSED(HEAD, OBJECT, "uploadId=u", NOT_IMPLEMENTED);
    REFUSED(POST, OBJECT, "uploads&uploadId=u", NOT_IMPLEMENTED);
    assert_null(route(LB_HTTP_PUT, S3_OBJECT, "tagging", true, LB_ERR_NOT_IMPLEMENTED));
}

static void test_methods(void **state) {
    REFUSED(PUT, SERVICE, "", METHOD_NOT_ALLOWED);
    REFUSED(DELETE, SERVICE, "", METHOD_NOT_ALLOWED);
    REFUSED(HEAD, SERVICE, "", METHOD_NOT_ALLOWED);
    REFUSED(POST, OBJECT, "", METHOD_NOT_ALLOWED);
    REFUSED(POST, OBJECT, "x-id=a", METHOD_NOT_ALLOWED);
    REFUSED(POST, BUCKET, "", NOT_IMPLEMENTED); /* form upload */
    REFUSED(OPTIONS, OBJECT, "", NOT_IMPLEMENTED);
    REFUSED(OTHER, OBJECT, "", NOT_IMPLEMENTED);
    REFUSED(OTHER, SERVICE, "", NOT_IMPLEMENTED);
}

static void test_odd_names(void **state) {
    REFUSED(PUT, OBJECT, "+", NOT_IMPLEMENTED);
    REFUSED(PUT, OBJECT, "=", NOT_IMPLEMENTED);
    REFUSED(PUT, OBJECT, "+partNumber+&uploadId=u", NOT_IMPLEMENTED);
    REFUSED(PUT, OBJECT, "uploadId=u&partNumbe", NOT_IMPLEMENTED);
    REFUSED(PUT, OBJECT, "uploadId=u&artNumber", NOT_IMPLEMENTED);
}

/* Each operation has its place among the metrics. */
static void test_names(void **state) {
    assert_true(s3_ops_n < LB_METRICS_OPS_MAX);
    for (size_t i = 0; i < s3_ops_n; i++)
        assert_string_equal(lb_s3_op_name(i), s3_ops[i].name);
    assert_null(lb_s3_op_name(s3_ops_n));
    assert_null(lb_s3_op_name(SIZE_MAX));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_operations), TEST(test_harmless_parameters), TEST(test_unknown), TEST(test_mixed),
        TEST(test_methods),    TEST(test_odd_names),           TEST(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
