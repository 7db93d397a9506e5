/* Versioned buckets: ids, delete markers, copies and lists of versions, suspended buckets. */
#include <stdio.h>

#include "base/err.h"
#include "lib/s3_harness.h"
#include "s3/checksum_priv.h"

#define HOST " HTTP/1.1\r\nHost: localhost\r\n"
#define HEADER(name) s3_call_header(&c, LB_S(name))
#define RECEIVED lb_buf_slice(&c.received)

static struct s3_harness h;
static struct s3_call c;

struct id {
    char text[LB_VERSION_ID_MAX + 1];
};

static int setup(void **state) {
    s3_harness_init(&h, 0);
    c = (struct s3_call){.status = 0};
    return 0;
}

static int teardown(void **state) {
    s3_call_fini(&c);
    s3_harness_fini(&h);
    return 0;
}

static int send_body(const char *method, const char *target, const char *headers,
                     const char *body) {
    struct lb_buf head;
    struct lb_slice data = lb_slice_cstr(body);
    lb_buf_init(&head, 65536);
    lb_buf_printf(&head, "%s %s" HOST "Content-Length: %zu\r\n%s", method, target, data.len,
                  headers);
    s3_call_fini(&c);
    c = (struct s3_call){.head = lb_buf_slice(&head), .body = data};
    s3_call_run(&h, &c);
    lb_buf_fini(&head);
    return c.status;
}

static int ask(const char *method, const char *target) {
    return send_body(method, target, "", "");
}

/* Of a version: target is what stands before its id. */
static int ask_version(const char *method, const char *target, const struct id *id) {
    char whole[256];
    snprintf(whole, sizeof(whole), "%s%s", target, id->text);
    return ask(method, whole);
}

static void set_versioning(const char *status) {
    char body[200];
    snprintf(body, sizeof(body),
             "<VersioningConfiguration><Status>%s</Status></VersioningConfiguration>", status);
    assert_int_equal(send_body("PUT", "/bucket?versioning", "", body), 200);
}

static struct id reply_id(void) {
    struct lb_slice text = HEADER("x-amz-version-id");
    struct id id = {""};
    assert_in_range(text.len, 1, LB_VERSION_ID_MAX);
    memcpy(id.text, text.ptr, text.len);
    return id;
}

static struct id put(const char *target, const char *body) {
    assert_int_equal(send_body("PUT", target, "", body), 200);
    return reply_id();
}

static void check_text(struct lb_slice actual, const char *expected) {
    if (lb_slice_eq(actual, lb_slice_cstr(expected)))
        return;
    print_error("\"%.*s\", not \"%s\"\n", LB_SLICE_ARG(actual), expected);
    fail();
}

static void check_version(const char *target, const struct id *id, const char *body) {
    assert_int_equal(ask_version("GET", target, id), 200);
    check_text(RECEIVED, body);
    check_text(HEADER("x-amz-version-id"), id->text);
}

static void check_error(int status, const char *code) {
    char element[64];
    snprintf(element, sizeof(element), "<Code>%s</Code>", code);
    assert_int_equal(c.status, status);
    assert_true(s3_call_has(&c, element));
}

/* What stands between two texts of the reply, from *at on; moves *at. */
static struct lb_slice between(struct lb_slice *at, const char *from, const char *to) {
    ptrdiff_t i = lb_slice_find_slice(*at, lb_slice_cstr(from));
    if (i < 0)
        return lb_slice(NULL, 0);
    struct lb_slice rest = lb_slice_from(*at, (size_t)i + strlen(from));
    ptrdiff_t n = lb_slice_find_slice(rest, lb_slice_cstr(to));
    assert_true(n >= 0);
    *at = lb_slice_from(rest, (size_t)n);
    return lb_slice_first(rest, (size_t)n);
}

static void post_delete(const char *body) {
    char text[S3_CHECKSUM_TEXT_MAX], header[128];
    struct lb_digest md5;
    lb_hash_once(LB_HASH_MD5, lb_slice_cstr(body), &md5);
    snprintf(header, sizeof(header), "Content-MD5: %.*s\r\n",
             LB_SLICE_ARG(s3_checksum_text(&md5, text)));
    assert_int_equal(send_body("POST", "/bucket?delete", header, body), 200);
}

/* A list of versions in short: of each its key, "=" and its bytes' number or "x" for a marker, "*"
 * when it is the latest. */
static void list(const char *query, char *ret, size_t cap) {
    char target[512];
    size_t n = 0;
    snprintf(target, sizeof(target), "/bucket?versions%s", query);
    assert_int_equal(ask("GET", target), 200);
    struct lb_slice at = RECEIVED;
    ret[0] = '\0';
    for (;;) {
        struct lb_slice from = at, element = between(&at, "<Key>", "</Owner>");
        if (!element.ptr)
            break;
        struct lb_slice before = lb_slice(from.ptr, (size_t)(element.ptr - from.ptr));
        struct lb_slice key = lb_slice_cut(&element, '<'), rest = element;
        struct lb_slice size = between(&rest, "<Size>", "<");
        bool marker = lb_slice_ends_with(before, LB_S("<DeleteMarker><Key>"));
        bool latest = lb_slice_find_slice(element, LB_S("<IsLatest>true<")) >= 0;
        assert_true(marker == !size.ptr);
        n += (size_t)snprintf(ret + n, cap - n, "%.*s=%.*s%s ", LB_SLICE_ARG(key),
                              LB_SLICE_ARG(marker ? LB_S("x") : size), latest ? "*" : "");
        assert_true(n < cap);
    }
}

static void check_list(const char *query, const char *expected) {
    char text[1024];
    list(query, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void test_configuration(void **state) {
    assert_int_equal(ask("GET", "/bucket?versioning"), 200);
    assert_false(s3_call_has(&c, "<Status>"));
    set_versioning("Enabled");
    assert_int_equal(ask("GET", "/bucket?versioning"), 200);
    assert_true(s3_call_has(&c, "<Status>Enabled</Status>"));
    set_versioning("Suspended");
    assert_int_equal(ask("GET", "/bucket?versioning"), 200);
    assert_true(s3_call_has(&c, "<Status>Suspended</Status>"));
    send_body("PUT", "/none?versioning", "",
              "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
    check_error(404, "NoSuchBucket");
}

static void test_configuration_wrong(void **state) {
    static const struct {
        const char *body;
        int status;
        const char *code;
    } rows[] = {
        {"<VersioningConfiguration/>", 400, "MalformedXML"},
        {"<VersioningConfiguration><Status>On</Status></VersioningConfiguration>", 400,
         "MalformedXML"},
        {"<Other><Status>Enabled</Status></Other>", 400, "MalformedXML"},
        {"<VersioningConfiguration>", 400, "MalformedXML"},
        {"<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>"
         "</VersioningConfiguration>",
         501, "NotImplemented"},
    };
    for (size_t i = 0; i < CHECK_COUNT(rows); i++) {
        send_body("PUT", "/bucket?versioning", "", rows[i].body);
        check_error(rows[i].status, rows[i].code);
    }
    assert_int_equal(ask("GET", "/bucket?versioning"), 200);
    assert_false(s3_call_has(&c, "<Status>"));
}

/* A bucket that was never versioned says nothing of versions. */
static void test_off(void **state) {
    assert_int_equal(send_body("PUT", "/bucket/k", "", "1"), 200);
    assert_null(HEADER("x-amz-version-id").ptr);
    assert_int_equal(ask("GET", "/bucket/k"), 200);
    assert_null(HEADER("x-amz-version-id").ptr);
    assert_int_equal(ask("GET", "/bucket/k?versionId=null"), 200);
    assert_int_equal(ask("DELETE", "/bucket/k"), 204);
    assert_null(HEADER("x-amz-version-id").ptr);
    assert_null(HEADER("x-amz-delete-marker").ptr);
    ask("GET", "/bucket/k");
    check_error(404, "NoSuchKey");
    assert_null(HEADER("x-amz-delete-marker").ptr);
}

static void test_overwrite(void **state) {
    assert_int_equal(send_body("PUT", "/bucket/k", "", "0"), 200);
    set_versioning("Enabled");
    assert_int_equal(ask("GET", "/bucket/k"), 200);
    check_text(HEADER("x-amz-version-id"), "null");
    struct id first = put("/bucket/k", "1"), second = put("/bucket/k", "2");
    const struct id null = {"null"};
    assert_true(strcmp(first.text, second.text) < 0);
    assert_int_equal(ask("GET", "/bucket/k"), 200);
    check_text(RECEIVED, "2");
    check_text(HEADER("x-amz-version-id"), second.text);
    check_version("/bucket/k?versionId=", &second, "2");
    check_version("/bucket/k?versionId=", &first, "1");
    check_version("/bucket/k?versionId=", &null, "0");
    assert_int_equal(ask_version("HEAD", "/bucket/k?versionId=", &first), 200);
    check_text(HEADER("x-amz-version-id"), first.text);
}

static void test_missing_versions(void **state) {
    set_versioning("Enabled");
    put("/bucket/k", "1");
    ask("GET", "/bucket/k?versionId=0000000000000000");
    check_error(404, "NoSuchVersion");
    ask("GET", "/bucket/none?versionId=0000000000000000");
    check_error(404, "NoSuchVersion");
    ask("GET", "/bucket/k?versionId=null");
    check_error(404, "NoSuchVersion");
    static const char *const malformed[] = {
        "x", "000000000000000", "000000000000000G", "000000000000000000000000000000000", "Null",
        ""};
    for (size_t i = 0; i < CHECK_COUNT(malformed); i++) {
        char target[128];
        snprintf(target, sizeof(target), "/bucket/k?versionId=%s", malformed[i]);
        ask("GET", target);
        check_error(400, "InvalidArgument");
    }
}

static void test_marker(void **state) {
    set_versioning("Enabled");
    struct id object = put("/bucket/k", "1");
    assert_int_equal(ask("DELETE", "/bucket/k"), 204);
    check_text(HEADER("x-amz-delete-marker"), "true");
    struct id marker = reply_id();
    ask("GET", "/bucket/k");
    check_error(404, "NoSuchKey");
    check_text(HEADER("x-amz-delete-marker"), "true");
    check_text(HEADER("x-amz-version-id"), marker.text);
    assert_int_equal(ask("HEAD", "/bucket/k"), 404);
    check_text(HEADER("x-amz-delete-marker"), "true");
    ask_version("GET", "/bucket/k?versionId=", &marker);
    check_error(405, "MethodNotAllowed");
    check_text(HEADER("x-amz-delete-marker"), "true");
    check_text(HEADER("Allow"), "DELETE");
    ask_version("GET", "/bucket/k?tagging&versionId=", &marker);
    check_error(405, "MethodNotAllowed");
    check_version("/bucket/k?versionId=", &object, "1");
    assert_int_equal(ask("GET", "/bucket"), 200);
    assert_false(s3_call_has(&c, "<Contents>"));
    ask("DELETE", "/bucket");
    check_error(409, "BucketNotEmpty");
    assert_int_equal(ask_version("DELETE", "/bucket/k?versionId=", &marker), 204);
    check_text(HEADER("x-amz-delete-marker"), "true");
    check_text(HEADER("x-amz-version-id"), marker.text);
    assert_int_equal(ask("GET", "/bucket/k"), 200);
    check_text(RECEIVED, "1");
}

static void test_delete_version(void **state) {
    set_versioning("Enabled");
    struct id first = put("/bucket/k", "1"), second = put("/bucket/k", "2");
    assert_int_equal(ask_version("DELETE", "/bucket/k?versionId=", &second), 204);
    check_text(HEADER("x-amz-version-id"), second.text);
    assert_null(HEADER("x-amz-delete-marker").ptr);
    assert_int_equal(ask("GET", "/bucket/k"), 200);
    check_text(RECEIVED, "1");
    assert_int_equal(ask_version("DELETE", "/bucket/k?versionId=", &second), 204); /* again */
    assert_int_equal(ask_version("DELETE", "/bucket/k?versionId=", &first), 204);
    ask("GET", "/bucket/k");
    check_error(404, "NoSuchKey");
    assert_null(HEADER("x-amz-delete-marker").ptr);
    assert_int_equal(ask("DELETE", "/bucket"), 204);
}

static void test_suspended(void **state) {
    set_versioning("Enabled");
    struct id first = put("/bucket/k", "1");
    set_versioning("Suspended");
    const struct id null = {"null"};
    assert_int_equal(send_body("PUT", "/bucket/k", "", "2"), 200);
    assert_null(HEADER("x-amz-version-id").ptr);                   /* S3 does not tell of it here */
    assert_int_equal(send_body("PUT", "/bucket/k", "", "3"), 200); /* in place of the null one */
    check_version("/bucket/k?versionId=", &null, "3");
    check_version("/bucket/k?versionId=", &first, "1");
    assert_int_equal(ask("DELETE", "/bucket/k"), 204); /* its marker takes the place, too */
    check_text(HEADER("x-amz-version-id"), "null");
    check_text(HEADER("x-amz-delete-marker"), "true");
    ask("GET", "/bucket/k?versionId=null");
    check_error(405, "MethodNotAllowed");
    check_version("/bucket/k?versionId=", &first, "1");
    assert_int_equal(ask("DELETE", "/bucket/k?versionId=null"), 204);
    assert_int_equal(ask("GET", "/bucket/k"), 200);
    check_text(RECEIVED, "1");
}

/* A delete marker is no object. */
static void test_conditions(void **state) {
    set_versioning("Enabled");
    put("/bucket/k", "1");
    assert_int_equal(send_body("PUT", "/bucket/k", "If-None-Match: *\r\n", "2"), 412);
    assert_int_equal(send_body("PUT", "/bucket/k", "If-Match: \"none\"\r\n", "2"), 412);
    assert_int_equal(ask("DELETE", "/bucket/k"), 204);
    send_body("PUT", "/bucket/k", "If-Match: *\r\n", "2");
    check_error(404, "NoSuchKey");
    assert_int_equal(send_body("PUT", "/bucket/k", "If-None-Match: *\r\n", "2"), 200);
}

static void test_copy(void **state) {
    char headers[256];
    set_versioning("Enabled");
    struct id first = put("/bucket/k", "1"), second = put("/bucket/k", "2");
    snprintf(headers, sizeof(headers), "x-amz-copy-source: /bucket/k?versionId=%s\r\n", first.text);
    assert_int_equal(send_body("PUT", "/bucket/k", headers, ""), 200); /* restored */
    struct id third = reply_id();
    check_text(HEADER("x-amz-copy-source-version-id"), first.text);
    assert_true(strcmp(second.text, third.text) < 0);
    assert_int_equal(ask("GET", "/bucket/k"), 200);
    check_text(RECEIVED, "1");
    assert_int_equal(send_body("PUT", "/bucket/copy", "x-amz-copy-source: bucket/k\r\n", ""), 200);
    check_text(HEADER("x-amz-copy-source-version-id"), third.text);

    send_body("PUT", "/bucket/c", "x-amz-copy-source: bucket/k?versionId=x\r\n", "");
    check_error(400, "InvalidArgument");
    send_body("PUT", "/bucket/c", "x-amz-copy-source: bucket/k?versionId=0000000000000000\r\n", "");
    check_error(404, "NoSuchVersion");
    assert_int_equal(ask("DELETE", "/bucket/k"), 204);
    send_body("PUT", "/bucket/c", "x-amz-copy-source: bucket/k\r\n", "");
    check_error(404, "NoSuchKey");
    struct id marker = {""};
    assert_int_equal(ask("HEAD", "/bucket/k"), 404);
    marker = reply_id();
    snprintf(headers, sizeof(headers), "x-amz-copy-source: bucket/k?versionId=%s\r\n", marker.text);
    send_body("PUT", "/bucket/c", headers, "");
    check_error(400, "InvalidRequest");
}

/* Tags and ACLs are a version's own. */
static void test_tags_and_acls(void **state) {
    static const char tags[] = "<Tagging><TagSet><Tag><Key>a</Key><Value>old</Value></Tag>"
                               "</TagSet></Tagging>";
    char target[128];
    set_versioning("Enabled");
    struct id first = put("/bucket/k", "1"), second = put("/bucket/k", "2");
    snprintf(target, sizeof(target), "/bucket/k?tagging&versionId=%s", first.text);
    assert_int_equal(send_body("PUT", target, "", tags), 200);
    check_text(HEADER("x-amz-version-id"), first.text);
    assert_int_equal(ask("GET", target), 200);
    assert_true(s3_call_has(&c, "<Value>old</Value>"));
    check_text(HEADER("x-amz-version-id"), first.text);
    assert_int_equal(ask("GET", "/bucket/k?tagging"), 200);
    assert_false(s3_call_has(&c, "old"));
    check_text(HEADER("x-amz-version-id"), second.text);
    snprintf(target, sizeof(target), "/bucket/k?acl&versionId=%s", first.text);
    assert_int_equal(send_body("PUT", target, "x-amz-acl: public-read\r\n", ""), 200);
    check_text(HEADER("x-amz-version-id"), first.text);
    assert_int_equal(ask("GET", target), 200);
    assert_true(s3_call_has(&c, "AllUsers"));
    assert_int_equal(ask("GET", "/bucket/k?acl"), 200);
    assert_false(s3_call_has(&c, "AllUsers"));
    snprintf(target, sizeof(target), "/bucket/k?attributes&versionId=%s", first.text);
    assert_int_equal(send_body("GET", target, "x-amz-object-attributes: ObjectSize\r\n", ""), 200);
    check_text(HEADER("x-amz-version-id"), first.text);
}

static void test_delete_objects(void **state) {
    char body[1024];
    set_versioning("Enabled");
    struct id first = put("/bucket/k", "1");
    put("/bucket/m", "2");
    assert_int_equal(ask("DELETE", "/bucket/m"), 204);
    struct id marker = reply_id();
    snprintf(body, sizeof(body),
             "<Delete><Object><Key>k</Key></Object>"
             "<Object><Key>k</Key><VersionId>%s</VersionId></Object>"
             "<Object><Key>m</Key><VersionId>%s</VersionId></Object>"
             "<Object><Key>n</Key><VersionId>bad id</VersionId></Object></Delete>",
             first.text, marker.text);
    post_delete(body);
    assert_true(s3_call_has(&c, "<Deleted><Key>k</Key><DeleteMarker>true</DeleteMarker>"));
    struct lb_slice at = RECEIVED, made = between(&at, "<DeleteMarkerVersionId>", "<");
    assert_true(lb_slice_cmp(made, lb_slice_cstr(first.text)) > 0);
    snprintf(body, sizeof(body), "<Deleted><Key>k</Key><VersionId>%s</VersionId></Deleted>",
             first.text);
    assert_true(s3_call_has(&c, body));
    snprintf(body, sizeof(body),
             "<Deleted><Key>m</Key><VersionId>%s</VersionId><DeleteMarker>true</DeleteMarker>"
             "<DeleteMarkerVersionId>%s</DeleteMarkerVersionId></Deleted>",
             marker.text, marker.text);
    assert_true(s3_call_has(&c, body));
    assert_true(s3_call_has(&c, "<Error><Key>n</Key><VersionId>bad id</VersionId><Code>"
                                "NoSuchVersion</Code>"));
    assert_int_equal(ask("GET", "/bucket/m"), 200);
    ask("GET", "/bucket/k");
    check_error(404, "NoSuchKey");
    check_text(HEADER("x-amz-delete-marker"), "true");
}

static void test_list(void **state) {
    assert_int_equal(send_body("PUT", "/bucket/a", "", "4444"), 200);
    check_list("", "a=4* ");
    assert_true(s3_call_has(&c, "<VersionId>null</VersionId>"));
    set_versioning("Enabled");
    put("/bucket/a", "1");
    put("/bucket/b", "1");
    put("/bucket/b", "22");
    assert_int_equal(ask("DELETE", "/bucket/b"), 204);
    put("/bucket/d/e", "333");
    put("/bucket/d/f", "333");
    check_list("", "a=1* a=4 b=x* b=2 b=1 d/e=3* d/f=3* ");
    check_list("&prefix=b", "b=x* b=2 b=1 ");
    check_list("&key-marker=a", "b=x* b=2 b=1 d/e=3* d/f=3* ");
    check_list("&delimiter=/", "a=1* a=4 b=x* b=2 b=1 ");
    assert_true(s3_call_has(&c, "<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>"));
    check_list("&max-keys=0", "");
    ask("GET", "/bucket?versions&version-id-marker=0000000000000000");
    check_error(400, "InvalidArgument"); /* of which key? */
    ask("GET", "/bucket?versions&key-marker=a&version-id-marker=x");
    check_error(400, "InvalidArgument");
}

/* Every version once, in the same order, whatever the size of the pages. */
static void test_list_pages(void **state) {
    char whole[1024], pages[1024], page[1024];
    assert_int_equal(send_body("PUT", "/bucket/b", "", "4444"), 200);
    set_versioning("Enabled");
    for (unsigned i = 0; i < 3; i++) {
        put("/bucket/a", "1");
        put("/bucket/b", "22");
        assert_int_equal(ask("DELETE", "/bucket/b"), 204);
    }
    put("/bucket/c", "333");
    list("", whole, sizeof(whole));
    assert_string_equal(whole, "a=1* a=1 a=1 b=x* b=2 b=x b=2 b=x b=2 b=4 c=3* ");
    for (unsigned max = 1; max <= 12; max++) {
        char query[256];
        pages[0] = '\0';
        snprintf(query, sizeof(query), "&max-keys=%u", max);
        for (unsigned n = 0; n <= 11; n++) {
            list(query, page, sizeof(page));
            strcat(pages, page);
            if (s3_call_has(&c, "<IsTruncated>false<"))
                break;
            struct lb_slice at = RECEIVED, key = between(&at, "<NextKeyMarker>", "<");
            struct lb_slice id = between(&at, "<NextVersionIdMarker>", "<");
            snprintf(query, sizeof(query), "&max-keys=%u&key-marker=%.*s&version-id-marker=%.*s",
                     max, LB_SLICE_ARG(key), LB_SLICE_ARG(id));
        }
        assert_string_equal(pages, whole);
    }
}

static void upload_parts(const char *key, char *ret_id) {
    char target[256];
    snprintf(target, sizeof(target), "/bucket/%s?uploads", key);
    assert_int_equal(ask("POST", target), 200);
    struct lb_slice at = RECEIVED, id = between(&at, "<UploadId>", "<");
    snprintf(ret_id, LB_UPLOAD_ID_MAX + 1, "%.*s", LB_SLICE_ARG(id));
    snprintf(target, sizeof(target), "/bucket/%s?partNumber=1&uploadId=%s", key, ret_id);
    assert_int_equal(send_body("PUT", target, "", "part"), 200);
    assert_null(HEADER("x-amz-version-id").ptr); /* it is no object yet */
}

static void test_multipart(void **state) {
    char id[LB_UPLOAD_ID_MAX + 1], target[256], body[256];
    set_versioning("Enabled");
    struct id before = put("/bucket/k", "1");
    upload_parts("k", id);
    struct lb_slice etag = HEADER("ETag");
    snprintf(body, sizeof(body),
             "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%.*s</ETag></Part>"
             "</CompleteMultipartUpload>",
             LB_SLICE_ARG(etag));
    snprintf(target, sizeof(target), "/bucket/k?uploadId=%s", id);
    assert_int_equal(send_body("POST", target, "", body), 200);
    struct id made = reply_id();
    check_version("/bucket/k?versionId=", &made, "part");
    check_version("/bucket/k?versionId=", &before, "1");
    assert_int_equal(send_body("POST", target, "", body), 200); /* once more: it is done already */
    check_text(HEADER("x-amz-version-id"), made.text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_configuration),  TEST(test_configuration_wrong), TEST(test_off),
        TEST(test_overwrite),      TEST(test_missing_versions),    TEST(test_marker),
        TEST(test_delete_version), TEST(test_suspended),           TEST(test_conditions),
        TEST(test_copy),           TEST(test_tags_and_acls),       TEST(test_delete_objects),
        TEST(test_list),           TEST(test_list_pages),          TEST(test_multipart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
