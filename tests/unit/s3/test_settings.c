/* Settings of buckets while requests run: kept per loop, seen by all loops once they are changed,
 * and no change of them, or of what is kept with an object, lost to another. */
#include <openssl/evp.h>
#include <stdio.h>

#include "base/err.h"
#include "hash/hash.h"
#include "lib/s3_harness.h"

#define HOST " HTTP/1.1\r\nHost: localhost\r\n"
#define HEADER(name) s3_call_header(&c, LB_S(name))
#define ENABLED "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
#define TAGGING(key) \
    "<Tagging><TagSet><Tag><Key>" key "</Key><Value>v</Value></Tag></TagSet></Tagging>"

static struct s3_harness h;
static struct s3_call c;
static struct mem_engine_test *engine;

static int setup(void **state) {
    s3_harness_init(&h, 0);
    c = (struct s3_call){.status = 0};
    engine = mem_engine_test(h.engine);
    return 0;
}

static int teardown(void **state) {
    s3_call_fini(&c);
    s3_harness_fini(&h);
    return 0;
}

struct request {
    struct s3_call call;
    char head[512];
};

static void prepare(struct request *r, const char *method, const char *target, const char *headers,
                    const char *body) {
    struct lb_slice data = lb_slice_cstr(body);
    snprintf(r->head, sizeof(r->head), "%s %s" HOST "Content-Length: %zu\r\n%s", method, target,
             data.len, headers);
    r->call = (struct s3_call){.head = lb_slice_cstr(r->head), .body = data};
}

static int ask(const char *method, const char *target, const char *headers, const char *body) {
    struct request r;
    s3_call_fini(&c);
    prepare(&r, method, target, headers, body);
    s3_call_run(&h, &r.call);
    c = r.call;
    return c.status;
}

/* What the control plane does. */
static void store(const struct lb_s3_bucket_settings *s) {
    struct lb_arena arena;
    struct lb_buf blob;
    lb_arena_init(&arena, 65536);
    lb_buf_init(&blob, LB_S3_BUCKET_SETTINGS_MAX);
    lb_s3_bucket_settings_encode(s, &blob);
    mem_engine_settings(h.engine, LB_S("bucket"), lb_buf_slice(&blob));
    lb_buf_fini(&blob);
    lb_arena_fini(&arena);
}

static void test_looked_up_once(void **state) {
    unsigned before = engine->bucket_heads;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(ask("PUT", "/bucket/k", "", "1"), 200);
        assert_int_equal(ask("GET", "/bucket/k", "", ""), 200);
        assert_int_equal(ask("DELETE", "/bucket/k", "", ""), 204);
    }
    assert_int_equal(engine->bucket_heads - before, 1);
}

/* Any bucket's change: a name may be another bucket's now. */
static void test_looked_up_after_changes(void **state) {
    static const char *const changes[][2] = {{"PUT", "/other"}, {"DELETE", "/other"}};
    assert_int_equal(ask("PUT", "/bucket/k", "", "1"), 200);
    for (size_t i = 0; i < CHECK_COUNT(changes); i++) {
        assert_true(ask(changes[i][0], changes[i][1], "", "") < 300);
        unsigned before = engine->bucket_heads;
        assert_int_equal(ask("PUT", "/bucket/k", "", "1"), 200);
        assert_int_equal(engine->bucket_heads - before, 1);
    }
}

/* HeadBucket and the like always ask: another program may have removed the directory. */
static void test_bucket_is_asked_for(void **state) {
    assert_int_equal(ask("GET", "/bucket/k", "", ""), 404);
    unsigned before = engine->bucket_heads;
    assert_int_equal(ask("HEAD", "/bucket", "", ""), 200);
    assert_int_equal(ask("GET", "/bucket?versioning", "", ""), 200);
    assert_int_equal(engine->bucket_heads - before, 2);
}

/* A service of another loop, and the control plane. */
static void test_change_by_another(void **state) {
    struct lb_s3 *mine = h.s3, *other = lb_s3_new(&h.conf, h.port, h.hash);
    assert_non_null(other);
    assert_int_equal(ask("PUT", "/bucket/k", "", "1"), 200);
    h.s3 = other;
    assert_int_equal(ask("PUT", "/bucket/k", "", "2"), 200);
    assert_int_equal(ask("PUT", "/bucket?versioning", "", ENABLED), 200);
    h.s3 = mine;
    assert_int_equal(ask("PUT", "/bucket/k", "", "3"), 200);
    assert_true(HEADER("x-amz-version-id").len >= 16);
    store(&(struct lb_s3_bucket_settings){.versioning = LB_VERSIONING_SUSPENDED});
    lb_s3_buckets_changed(&h.buckets);
    assert_int_equal(ask("PUT", "/bucket/k", "", "4"), 200);
    assert_null(HEADER("x-amz-version-id").ptr);
    assert_int_equal(ask("GET", "/bucket/k", "", ""), 200);
    CHECK_SLICE(HEADER("x-amz-version-id"), "null");
    lb_s3_free(other);
}

/* What an upload takes the place of is decided at its end. */
static void test_change_during_upload(void **state) {
    static char large[3u << 20];
    struct request put, enable;
    memset(large, 'x', sizeof(large) - 1);
    assert_int_equal(ask("PUT", "/bucket/k", "", "1"), 200);
    prepare(&put, "PUT", "/bucket/k", "", large);
    prepare(&enable, "PUT", "/bucket?versioning", "", ENABLED);
    put.call.piece = 1000;
    s3_call_start(&h, &put.call);
    s3_call_start(&h, &enable.call);
    s3_call_end(&h, &enable.call);
    assert_int_equal(enable.call.status, 200);
    assert_false(put.call.finished);
    s3_call_end(&h, &put.call);
    assert_int_equal(put.call.status, 200);
    assert_true(s3_call_header(&put.call, LB_S("x-amz-version-id")).len >= 16);
    s3_call_fini(&put.call);
    s3_call_fini(&enable.call);
    assert_int_equal(ask("GET", "/bucket/k?versionId=null", "", ""), 200);
    CHECK_SLICE(lb_buf_slice(&c.received), "1");
}

/* Versioning is enabled while the document of another request is on its way. */
static void enable_during(struct request *slow) {
    struct request enable;
    prepare(&enable, "PUT", "/bucket?versioning", "", ENABLED);
    slow->call.piece = 1000;
    s3_call_start(&h, &slow->call);
    s3_call_start(&h, &enable.call);
    s3_call_end(&h, &enable.call);
    assert_int_equal(enable.call.status, 200);
    assert_false(slow->call.finished);
    s3_call_end(&h, &slow->call);
    assert_int_equal(slow->call.status, 200);
    s3_call_fini(&enable.call);
}

/* text, with white space before its last tag that makes it long. */
static void lengthen(char *document, size_t size, const char *text) {
    const char *last = strrchr(text, '<');
    size_t before = (size_t)(last - text), after = strlen(last);
    memset(document, ' ', size);
    memcpy(document, text, before);
    memcpy(document + size - 1 - after, last, after);
    document[size - 1] = '\0';
}

static void test_change_during_delete_objects(void **state) {
    static char document[1u << 20];
    struct request slow;
    struct lb_digest md5;
    char headers[64] = "Content-MD5: ", *text = headers + strlen(headers);
    lengthen(document, sizeof(document), "<Delete><Object><Key>k</Key></Object></Delete>");
    lb_hash_once(LB_HASH_MD5, lb_slice_cstr(document), &md5);
    EVP_EncodeBlock((unsigned char *)text, md5.bytes, 16);
    strcat(headers, "\r\n");
    assert_int_equal(ask("PUT", "/bucket/k", "", "1"), 200);
    prepare(&slow, "POST", "/bucket?delete", headers, document);
    enable_during(&slow);
    assert_true(s3_call_has(&slow.call, "<DeleteMarker>true</DeleteMarker>"));
    s3_call_fini(&slow.call);
    assert_int_equal(ask("GET", "/bucket/k?versionId=null", "", ""), 200);
    CHECK_SLICE(lb_buf_slice(&c.received), "1");
}

static void test_change_during_complete(void **state) {
    static char document[512u << 10];
    struct request slow;
    char part[128], target[128], text[256];
    assert_int_equal(ask("PUT", "/bucket/k", "", "1"), 200);
    assert_int_equal(ask("POST", "/bucket/k?uploads", "", ""), 200);
    struct lb_slice id = lb_buf_slice(&c.received);
    id = lb_slice_from(id, (size_t)lb_slice_find_slice(id, LB_S("<UploadId>")) + 10);
    id = lb_slice_cut(&id, '<');
    snprintf(part, sizeof(part), "/bucket/k?partNumber=1&uploadId=%.*s", LB_SLICE_ARG(id));
    snprintf(target, sizeof(target), "/bucket/k?uploadId=%.*s", LB_SLICE_ARG(id));
    assert_int_equal(ask("PUT", part, "", "2"), 200);
    snprintf(text, sizeof(text),
             "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%.*s</ETag></Part>"
             "</CompleteMultipartUpload>",
             LB_SLICE_ARG(HEADER("ETag")));
    lengthen(document, sizeof(document), text);
    prepare(&slow, "POST", target, "", document);
    enable_during(&slow);
    assert_true(s3_call_header(&slow.call, LB_S("x-amz-version-id")).len >= 16);
    s3_call_fini(&slow.call);
    assert_int_equal(ask("GET", "/bucket/k?versionId=null", "", ""), 200);
    CHECK_SLICE(lb_buf_slice(&c.received), "1");
}

/* The bucket is gone when the upload ends: nothing is left open. */
static void test_bucket_deleted_during_upload(void **state) {
    static char large[3u << 20];
    struct request put, drop;
    memset(large, 'x', sizeof(large) - 1);
    prepare(&put, "PUT", "/bucket/k", "", large);
    prepare(&drop, "DELETE", "/bucket", "", "");
    put.call.piece = 1000;
    s3_call_start(&h, &put.call);
    s3_call_start(&h, &drop.call);
    s3_call_end(&h, &drop.call);
    s3_call_end(&h, &put.call);
    assert_int_equal(drop.call.status, 204);
    assert_int_equal(put.call.status, 404);
    s3_call_fini(&put.call);
    s3_call_fini(&drop.call);
}

static void check_durability(enum lb_s3_durability durability, bool of_server, bool expected) {
    h.conf.relaxed = of_server;
    store(&(struct lb_s3_bucket_settings){.durability = durability});
    lb_s3_buckets_changed(&h.buckets);
    static const char *const requests[][3] = {
        {"PUT", "/bucket/k", ""},
        {"PUT", "/bucket/l", "x-amz-copy-source: /bucket/k\r\n"},
        {"PUT", "/bucket/k?acl", "x-amz-acl: public-read\r\n"},
        {"DELETE", "/bucket/k", ""},
    };
    for (size_t i = 0; i < CHECK_COUNT(requests); i++) {
        engine->relaxed = !expected;
        assert_true(ask(requests[i][0], requests[i][1], requests[i][2], "") < 300);
        assert_int_equal(engine->relaxed, expected);
    }
}

static void test_durability(void **state) {
    check_durability(LB_S3_DURABILITY_SERVER, false, false);
    check_durability(LB_S3_DURABILITY_SERVER, true, true);
    check_durability(LB_S3_DURABILITY_SYNC, true, false);
    check_durability(LB_S3_DURABILITY_RELAXED, false, true);
}

/* Runs requests side by side; all succeed. */
static void run_at_once(struct request *requests, size_t n) {
    for (size_t i = 0; i < n; i++)
        s3_call_start(&h, &requests[i].call);
    for (size_t i = 0; i < n; i++) {
        s3_call_end(&h, &requests[i].call);
        assert_int_equal(requests[i].call.status, 200);
        s3_call_fini(&requests[i].call);
    }
}

static void test_settings_at_once(void **state) {
    struct request requests[3];
    prepare(&requests[0], "PUT", "/bucket?acl", "x-amz-acl: public-read\r\n", "");
    prepare(&requests[1], "PUT", "/bucket?tagging", "", TAGGING("tag"));
    prepare(&requests[2], "PUT", "/bucket?versioning", "", ENABLED);
    run_at_once(requests, 3);
    assert_int_equal(ask("GET", "/bucket?acl", "", ""), 200);
    assert_true(s3_call_has(&c, "AllUsers"));
    assert_int_equal(ask("GET", "/bucket?tagging", "", ""), 200);
    assert_true(s3_call_has(&c, "<Key>tag</Key>"));
    assert_int_equal(ask("GET", "/bucket?versioning", "", ""), 200);
    assert_true(s3_call_has(&c, "Enabled"));
}

static void test_meta_at_once(void **state) {
    struct request requests[2];
    assert_int_equal(ask("PUT", "/bucket/k", "x-amz-meta-a: b\r\n", "1"), 200);
    prepare(&requests[0], "PUT", "/bucket/k?acl", "",
            "<AccessControlPolicy><Owner><ID>owner</ID></Owner><AccessControlList><Grant><Grantee>"
            "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee>"
            "<Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>");
    prepare(&requests[1], "PUT", "/bucket/k?tagging", "", TAGGING("tag"));
    run_at_once(requests, 2);
    assert_int_equal(ask("GET", "/bucket/k?acl", "", ""), 200);
    assert_true(s3_call_has(&c, "AllUsers"));
    assert_int_equal(ask("GET", "/bucket/k?tagging", "", ""), 200);
    assert_true(s3_call_has(&c, "<Key>tag</Key>"));
    assert_int_equal(ask("GET", "/bucket/k", "", ""), 200);
    CHECK_SLICE(HEADER("x-amz-meta-a"), "b");
}

/* Another is always faster: an end comes. */
static void test_retries_end(void **state) {
    assert_int_equal(ask("PUT", "/bucket/k", "", "1"), 200);
    engine->fail_set = UINT32_MAX;
    assert_int_equal(ask("PUT", "/bucket/k?acl", "x-amz-acl: private\r\n", ""), 409);
    assert_true(s3_call_has(&c, "<Code>OperationAborted</Code>"));
    assert_int_equal(ask("PUT", "/bucket?acl", "x-amz-acl: private\r\n", ""), 409);
    assert_true(s3_call_has(&c, "<Code>OperationAborted</Code>"));
    engine->fail_set = 7;
    assert_int_equal(ask("PUT", "/bucket/k?acl", "x-amz-acl: private\r\n", ""), 200);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_looked_up_once),
        TEST(test_looked_up_after_changes),
        TEST(test_bucket_is_asked_for),
        TEST(test_change_by_another),
        TEST(test_change_during_upload),
        TEST(test_bucket_deleted_during_upload),
        TEST(test_durability),
        TEST(test_settings_at_once),
        TEST(test_meta_at_once),
        TEST(test_retries_end),
        TEST(test_change_during_delete_objects),
        TEST(test_change_during_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
