/* Who may do what: the administrator, owners, other users, anonymous requests; by the canned ACLs
 * of buckets and objects. */
#include "unit/s3/users_env.h"

static void add_user(const char *key, const char *name) {
    struct lb_cred cred = user(key, name);
    assert_int_equal(lb_creds_add(h.creds, &cred), 0);
}

static int setup(void **state) {
    s3_harness_init(&h, 0);
    add_user("ALICE", "alice");
    add_user("BOB", "bob");
    s3_harness_auth(&h);
    lb_buf_init(&head, 65536);
    return 0;
}

static int put(const char *who, const char *target, const char *acl) {
    char header[128];
    bool object = strchr(target + 1, '/') && !strchr(target, '?');
    snprintf(header, sizeof(header), "x-amz-acl: %s\r\n", acl);
    return call(who, "PUT", target, header, lb_slice_cstr(object ? "data" : ""));
}

static void check_code(const char *code) {
    char text[64];
    snprintf(text, sizeof(text), "<Code>%s</Code>", code);
    if (!s3_call_has(&c, text))
        fail_msg("no %s in %.*s", code, LB_SLICE_ARG(lb_buf_slice(&c.received)));
}

static const char *const others[] = {"BOB", NOBODY};

/* What a bucket's owner may do and nobody else, however open the bucket is. */
static void check_owners_only(const char *who) {
    static const char *const calls[][2] = {
        {"GET", "/alices?acl"},        {"PUT", "/alices?acl"},
        {"GET", "/alices?location"},   {"GET", "/alices?tagging"},
        {"PUT", "/alices?tagging"},    {"GET", "/alices?versioning"},
        {"DELETE", "/alices"},         {"GET", "/alices/k?acl"},
        {"PUT", "/alices/k?acl"},      {"GET", "/alices/k?tagging"},
        {"GET", "/alices/k?torrent"},  {"DELETE", "/alices/k?tagging"},
        {"PUT", "/alices/k?tagging"},  {"GET", "/alices/k?attributes"},
        {"PUT", "/alices?versioning"},
    };
    for (size_t i = 0; i < CHECK_COUNT(calls); i++) {
        if (call(who, calls[i][0], calls[i][1], "x-amz-acl: private\r\n", LB_S("")) != 403)
            fail_msg("%s %s: %d", calls[i][0], calls[i][1], c.status);
        assert_int_equal(c.reads, 0);
    }
}

static void check_lists(const char *who, int status) {
    static const char *const targets[] = {"/alices", "/alices?list-type=2", "/alices?versions",
                                          "/alices?uploads"};
    for (size_t i = 0; i < CHECK_COUNT(targets); i++)
        assert_int_equal(ask(who, "GET", targets[i]), status);
    assert_int_equal(ask(who, "HEAD", "/alices"), status);
    assert_int_equal(ask(who, "GET", "/alices/missing"), status == 200 ? 404 : 403);
    assert_int_equal(ask(who, "HEAD", "/alices/missing"), status == 200 ? 404 : 403);
}

static void check_writes(const char *who, bool allowed) {
    struct lb_slice delete = LB_S("<Delete><Object><Key>gone</Key></Object></Delete>");
    assert_int_equal(call(who, "PUT", "/alices/w", "", LB_S("w")), allowed ? 200 : 403);
    assert_int_equal(c.reads > 0, allowed);
    assert_int_equal(ask(who, "DELETE", "/alices/w"), allowed ? 204 : 403);
    assert_int_equal(call(who, "POST", "/alices?delete", "Content-MD5: x\r\n", delete),
                     allowed ? 400 : 403);
    assert_int_equal(ask(who, "POST", "/alices/w?uploads"), allowed ? 200 : 403);
    assert_int_equal(ask(who, "PUT", "/alices/w?uploadId=u&partNumber=1"), allowed ? 404 : 403);
    assert_int_equal(ask(who, "DELETE", "/alices/w?uploadId=u"), allowed ? 404 : 403);
}

static void test_private(void **state) {
    assert_int_equal(put("ALICE", "/alices", "private"), 200);
    assert_int_equal(put("ALICE", "/alices/k", "bucket-owner-read"), 200);
    assert_int_equal(put("BOB", "/bobs", "public-read-write"), 200);
    for (size_t i = 0; i < 2; i++) {
        check_lists(others[i], 403);
        check_writes(others[i], false);
        check_owners_only(others[i]);
        assert_int_equal(ask(others[i], "GET", "/alices/k"), 403);
    }
    assert_int_equal(ask("ALICE", "GET", "/alices/k"), 200);
    assert_int_equal(ask("ALICE", "GET", "/alices?acl"), 200);
    check_lists("ALICE", 200);
    check_lists(ADMIN, 200);
    assert_int_equal(ask(ADMIN, "GET", "/alices/k"), 200);
    assert_int_equal(ask(ADMIN, "GET", "/alices/k?acl"), 200);
    assert_int_equal(ask("ALICE", "GET", "/none"), 404);
    assert_int_equal(ask("ALICE", "GET", "/bucket"), 403);
    assert_int_equal(ask(ADMIN, "DELETE", "/alices/k"), 204);
}

static void test_public(void **state) {
    assert_int_equal(put("ALICE", "/alices", "public-read"), 200);
    assert_int_equal(put("ALICE", "/alices/k", "public-read"), 200);
    assert_int_equal(put("ALICE", "/alices/own", "private"), 200);
    for (size_t i = 0; i < 2; i++) {
        check_lists(others[i], 200);
        check_writes(others[i], false);
        check_owners_only(others[i]);
        assert_int_equal(ask(others[i], "GET", "/alices/k"), 200);
        assert_int_equal(ask(others[i], "HEAD", "/alices/k"), 200);
        assert_int_equal(ask(others[i], "GET", "/alices/own"), 403);
        /* Nor do conditions tell of it. */
        assert_int_equal(call(others[i], "GET", "/alices/own", "If-None-Match: *\r\n", LB_S("")),
                         403);
    }
    assert_int_equal(put("ALICE", "/alices?acl", "public-read-write"), 200);
    for (size_t i = 0; i < 2; i++) {
        check_lists(others[i], 200);
        check_writes(others[i], true);
        check_owners_only(others[i]);
        assert_int_equal(ask(others[i], "GET", "/alices/own"), 403);
    }
    assert_int_equal(put("ALICE", "/alices/k?acl", "private"), 200);
    assert_int_equal(ask("BOB", "GET", "/alices/k"), 403);
}

static void test_authenticated(void **state) {
    assert_int_equal(put("ALICE", "/alices", "authenticated-read"), 200);
    assert_int_equal(put("ALICE", "/alices/k", "authenticated-read"), 200);
    check_lists("BOB", 200);
    check_writes("BOB", false);
    check_lists(NOBODY, 403);
    assert_int_equal(ask("BOB", "GET", "/alices/k"), 200);
    assert_int_equal(ask(NOBODY, "GET", "/alices/k"), 403);
}

/* response-* parameters would make a link of ours say anything. */
static void test_anonymous_overrides(void **state) {
    assert_int_equal(put("ALICE", "/alices", "private"), 200);
    assert_int_equal(put("ALICE", "/alices/k", "public-read"), 200);
    assert_int_equal(ask(NOBODY, "GET", "/alices/k?response-content-type=text/html"), 400);
    check_code("InvalidRequest");
    assert_int_equal(ask("BOB", "GET", "/alices/k?response-content-type=text/html"), 200);
}

static void test_copy(void **state) {
    assert_int_equal(put("ALICE", "/alices", "private"), 200);
    assert_int_equal(put("ALICE", "/alices/k", "private"), 200);
    assert_int_equal(put("ALICE", "/alices/open", "public-read"), 200);
    assert_int_equal(put("BOB", "/bobs", "private"), 200);
    assert_int_equal(call("BOB", "PUT", "/bobs/k", "x-amz-copy-source: /alices/k\r\n", LB_S("")),
                     403);
    assert_int_equal(
        call("BOB", "PUT", "/bobs/k", "x-amz-copy-source: /alices/missing\r\n", LB_S("")), 403);
    assert_int_equal(call("BOB", "PUT", "/bobs/k", "x-amz-copy-source: /none/k\r\n", LB_S("")),
                     404);
    assert_int_equal(call("BOB", "PUT", "/bobs/k", "x-amz-copy-source: /alices/open\r\n", LB_S("")),
                     200);
    assert_int_equal(call("BOB", "PUT", "/alices/x", "x-amz-copy-source: /bobs/k\r\n", LB_S("")),
                     403);
    /* The ACL is not copied with the object. */
    assert_int_equal(ask(NOBODY, "GET", "/bobs/k"), 403);
    assert_int_equal(call("BOB", "PUT", "/bobs/k2",
                          "x-amz-copy-source: /alices/open\r\nx-amz-acl: public-read\r\n",
                          LB_S("")),
                     200);
    assert_int_equal(ask(NOBODY, "GET", "/bobs/k2"), 200);
    assert_int_equal(call(ADMIN, "PUT", "/bobs/k", "x-amz-copy-source: /alices/k\r\n", LB_S("")),
                     200);
}

static void test_create(void **state) {
    assert_int_equal(ask(NOBODY, "PUT", "/anyones"), 403);
    assert_int_equal(ask("ALICE", "PUT", "/alices"), 200);
    assert_int_equal(ask("ALICE", "PUT", "/alices"), 200);
    assert_int_equal(ask("BOB", "PUT", "/alices"), 409);
    check_code("BucketAlreadyExists");
    assert_int_equal(ask(ADMIN, "PUT", "/alices"), 409);
    check_code("BucketAlreadyExists");
    assert_int_equal(ask("ALICE", "PUT", "/bucket"), 409);
    check_code("BucketAlreadyExists");
    assert_int_equal(ask(ADMIN, "PUT", "/bucket"), 200);
    assert_int_equal(put("BOB", "/bobs", "public"), 400);
    check_code("InvalidArgument");
    assert_int_equal(put("BOB", "/bobs", "log-delivery-write"), 501);
    assert_int_equal(ask("ALICE", "DELETE", "/alices"), 204);
    assert_int_equal(ask("BOB", "PUT", "/alices"), 200);
}

static void test_location(void **state) {
    struct lb_slice body = LB_S("<CreateBucketConfiguration><LocationConstraint>ap-1"
                                "</LocationConstraint></CreateBucketConfiguration>");
    assert_int_equal(call("ALICE", "PUT", "/alices", "", body), 200);
    assert_int_equal(ask("ALICE", "GET", "/alices?location"), 200);
    assert_true(s3_call_has(&c, ">ap-1</LocationConstraint>"));
    assert_int_equal(ask("ALICE", "HEAD", "/alices"), 200);
    CHECK_SLICE(s3_call_header(&c, LB_S("x-amz-bucket-region")), "ap-1");
    assert_int_equal(call("ALICE", "PUT", "/alices", "", body), 409);
    check_code("BucketAlreadyOwnedByYou");
}

static void test_list_buckets(void **state) {
    char name[32];
    assert_int_equal(ask(NOBODY, "GET", "/"), 403);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "/%s-%d", i % 2 ? "bobs" : "alices", i);
        assert_int_equal(ask(i % 2 ? "BOB" : "ALICE", "PUT", name), 200);
    }
    assert_int_equal(ask("BOB", "GET", "/"), 200);
    assert_true(s3_call_has(&c, "<Owner><ID>bob</ID><DisplayName>bob</DisplayName></Owner>"));
    assert_true(s3_call_has(&c, "<Name>bobs-1</Name>") && s3_call_has(&c, "<Name>bobs-3</Name>"));
    assert_false(s3_call_has(&c, "alices") || s3_call_has(&c, "<Name>bucket</Name>") ||
                 s3_call_has(&c, "ContinuationToken"));
    assert_int_equal(ask("ALICE", "GET", "/?max-buckets=2"), 200);
    assert_true(s3_call_has(&c, "<Name>alices-2</Name>"));
    assert_false(s3_call_has(&c, "<Name>alices-4</Name>"));
    assert_true(s3_call_has(&c, "<ContinuationToken>alices-2</ContinuationToken>"));
    assert_int_equal(ask("ALICE", "GET", "/?max-buckets=1&continuation-token=alices-2"), 200);
    assert_true(s3_call_has(&c, "<Name>alices-4</Name>"));
    assert_false(s3_call_has(&c, "ContinuationToken"));
    assert_int_equal(ask(ADMIN, "GET", "/"), 200);
    assert_true(s3_call_has(&c, "<Name>bobs-1</Name>") && s3_call_has(&c, "<Name>bucket</Name>"));
}

/* More buckets than the engine gives at once. */
static void test_list_many(void **state) {
    char name[32];
    for (int i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "/b-%03d", i);
        assert_int_equal(ask(i % 100 ? "BOB" : "ALICE", "PUT", name), 200);
    }
    assert_int_equal(ask("ALICE", "GET", "/"), 200);
    for (int i = 0; i < 600; i += 100) {
        snprintf(name, sizeof(name), "<Name>b-%03d</Name>", i);
        assert_true(s3_call_has(&c, name));
    }
    assert_false(s3_call_has(&c, "<Name>b-001</Name>"));
    assert_int_equal(ask(ADMIN, "GET", "/?prefix=b-"), 200);
    assert_true(s3_call_has(&c, "<Name>b-599</Name>"));
}

static void test_owners(void **state) {
    assert_int_equal(put("ALICE", "/alices", "public-read-write"), 200);
    assert_int_equal(put("BOB", "/alices/k", "private"), 200);
    assert_int_equal(ask(ADMIN, "GET", "/alices"), 200);
    assert_true(s3_call_has(&c, "<Owner><ID>alice</ID><DisplayName>alice</DisplayName></Owner>"));
    assert_int_equal(ask(ADMIN, "GET", "/alices?list-type=2&fetch-owner=true"), 200);
    assert_true(s3_call_has(&c, "<Owner><ID>alice</ID>"));
    assert_int_equal(ask("BOB", "POST", "/alices/u?uploads"), 200);
    assert_int_equal(ask("ALICE", "GET", "/alices?uploads"), 200);
    assert_true(s3_call_has(&c, "<Initiator><ID>bob</ID>"));
    assert_int_equal(ask(ADMIN, "POST", "/bucket/u?uploads"), 200);
    assert_int_equal(ask(ADMIN, "GET", "/bucket?uploads"), 200);
    assert_true(s3_call_has(&c, "<Initiator><ID>owner</ID><DisplayName>Owner</DisplayName>"));
}

static void test_expected_owner(void **state) {
    static const char right[] = "x-amz-expected-bucket-owner: alice\r\n";
    static const char wrong[] = "x-amz-expected-bucket-owner: bob\r\n";
    static const char *const who[] = {ADMIN, "ALICE"};
    assert_int_equal(put("ALICE", "/alices", "private"), 200);
    assert_int_equal(put("ALICE", "/alices/k", "private"), 200);
    for (size_t i = 0; i < CHECK_COUNT(who); i++) {
        assert_int_equal(call(who[i], "GET", "/alices/k", right, LB_S("")), 200);
        assert_int_equal(call(who[i], "GET", "/alices/k", wrong, LB_S("")), 403);
        assert_int_equal(call(who[i], "PUT", "/alices/k", wrong, LB_S("x")), 403);
        assert_int_equal(c.reads, 0);
        assert_int_equal(ask(who[i], "GET", "/alices/k?x-amz-expected-bucket-owner=bob"), 403);
        assert_int_equal(call(who[i], "PUT", "/alices/copy",
                              "x-amz-copy-source: /alices/k\r\n"
                              "x-amz-source-expected-bucket-owner: bob\r\n",
                              LB_S("")),
                         403);
        assert_int_equal(call(who[i], "PUT", "/alices/copy",
                              "x-amz-copy-source: /alices/k\r\n"
                              "x-amz-source-expected-bucket-owner: alice\r\n",
                              LB_S("")),
                         200);
    }
    assert_int_equal(
        call(ADMIN, "GET", "/bucket", "x-amz-expected-bucket-owner: owner\r\n", LB_S("")), 200);
}

#define ALL "<Grant><Grantee><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee>"
#define OWNER(id)                                             \
    "<AccessControlPolicy><Owner><ID>" id                     \
    "</ID></Owner><AccessControlList><Grant><Grantee><ID>" id \
    "</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>"
#define END "</AccessControlList></AccessControlPolicy>"

static void test_documents(void **state) {
    static const struct {
        const char *document;
        int status;
    } cases[] = {
        {OWNER("alice") END, 200},
        {OWNER("bob") END, 403},
        {OWNER("alice") ALL "<Permission>READ</Permission></Grant>" END, 200},
        {OWNER("alice") ALL "<Permission>WRITE</Permission></Grant>" END, 501},
        {OWNER("alice") ALL "<Permission>READ_ACP</Permission></Grant>" END, 501},
        {OWNER("alice") ALL "</Grant>" END, 400},
        {OWNER("alice") "<Grant><Grantee><ID>bob</ID></Grantee><Permission>READ</Permission>"
                        "</Grant>" END,
         501},
        {"<AccessControlPolicy></AccessControlPolicy>", 400},
        {"<Other/>", 400},
        {"<", 400},
    };
    assert_int_equal(ask("ALICE", "PUT", "/alices"), 200);
    assert_int_equal(put("ALICE", "/alices/k", "private"), 200);
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        struct lb_slice document = lb_slice_cstr(cases[i].document);
        assert_int_equal(call("ALICE", "PUT", "/alices?acl", "", document), cases[i].status);
        assert_int_equal(call("ALICE", "PUT", "/alices/k?acl", "", document), cases[i].status);
    }
    assert_int_equal(ask(NOBODY, "GET", "/alices/k"), 200); /* by the third */
    assert_int_equal(ask("ALICE", "PUT", "/alices?acl"), 400);
    assert_int_equal(
        call("ALICE", "PUT", "/alices?acl", "x-amz-acl: private\r\n", LB_S(OWNER("alice") END)),
        400);
    assert_int_equal(put("ALICE", "/alices/none?acl", "private"), 404);
}

/* What is read can be put back. */
static void test_get_put(void **state) {
    static const char *const acls[] = {"private", "public-read", "public-read-write",
                                       "authenticated-read"};
    static const char *const targets[] = {"/alices?acl", "/alices/k?acl"};
    assert_int_equal(ask("ALICE", "PUT", "/alices"), 200);
    assert_int_equal(put("ALICE", "/alices/k", "private"), 200);
    for (size_t i = 0; i < CHECK_COUNT(acls) * 2; i++) {
        struct lb_buf document;
        const char *target = targets[i % 2];
        lb_buf_init(&document, 65536);
        assert_int_equal(put("ALICE", target, acls[i / 2]), 200);
        assert_int_equal(ask("ALICE", "GET", target), 200);
        assert_true(s3_call_has(&c, "<Owner><ID>alice</ID>"));
        assert_int_equal(s3_call_has(&c, "AuthenticatedUsers"), i / 2 == 3);
        lb_buf_append(&document, lb_buf_slice(&c.received));
        assert_int_equal(put("ALICE", target, "private"), 200);
        assert_int_equal(call("ALICE", "PUT", target, "", lb_buf_slice(&document)), 200);
        assert_int_equal(ask("ALICE", "GET", target), 200);
        assert_true(lb_slice_eq(lb_buf_slice(&c.received), lb_buf_slice(&document)));
        lb_buf_fini(&document);
    }
}

/* The ACL of an upload becomes the object's; tags and ACL leave each other alone. */
static void test_kept(void **state) {
    struct lb_slice tags = LB_S("<Tagging><TagSet><Tag><Key>b</Key><Value>1</Value></Tag><Tag>"
                                "<Key>a</Key><Value>2</Value></Tag></TagSet></Tagging>");
    assert_int_equal(ask("ALICE", "PUT", "/alices"), 200);
    assert_int_equal(put("ALICE", "/alices/k", "public-read"), 200);
    assert_int_equal(call("ALICE", "PUT", "/alices/k?tagging", "", tags), 200);
    assert_int_equal(ask(NOBODY, "GET", "/alices/k"), 200);
    assert_int_equal(put("ALICE", "/alices/k?acl", "private"), 200);
    assert_int_equal(ask(NOBODY, "GET", "/alices/k"), 403);
    assert_int_equal(ask("ALICE", "GET", "/alices/k?tagging"), 200);
    assert_true(s3_call_has(&c, "<Tag><Key>a</Key><Value>2</Value></Tag><Tag><Key>b</Key>"));
    assert_int_equal(put("ALICE", "/alices/k", "private"), 200);
    assert_int_equal(ask("ALICE", "GET", "/alices?tagging"), 404);
    check_code("NoSuchTagSet");
    assert_int_equal(call("ALICE", "PUT", "/alices?tagging", "", tags), 200);
    assert_int_equal(put("ALICE", "/alices?acl", "public-read"), 200);
    assert_int_equal(ask("ALICE", "GET", "/alices?tagging"), 200);
    assert_true(s3_call_has(&c, "<Tag><Key>a</Key><Value>2</Value></Tag><Tag><Key>b</Key>"));
    assert_int_equal(ask("ALICE", "DELETE", "/alices?tagging"), 204);
    assert_int_equal(ask("ALICE", "GET", "/alices?tagging"), 404);
    assert_int_equal(ask(NOBODY, "GET", "/alices"), 200);
}

static void test_torrent(void **state) {
    assert_int_equal(put(ADMIN, "/bucket/k", "private"), 200);
    assert_int_equal(ask(ADMIN, "GET", "/bucket/k?torrent"), 404);
    check_code("NoSuchKey");
}

static void put_version(const char *who, const char *acl, char *ret_id, size_t cap) {
    assert_int_equal(put(who, "/alices/v", acl), 200);
    snprintf(ret_id, cap, "/alices/v?versionId=%.*s",
             LB_SLICE_ARG(s3_call_header(&c, LB_S("x-amz-version-id"))));
}

/* Who may write may replace and delete, since that can be undone; versions are removed for good by
 * the owner alone. Each has an ACL of its own. */
static void test_versions(void **state) {
    char open[128], closed[128], marker[128];
    assert_int_equal(put("ALICE", "/alices", "public-read-write"), 200);
    assert_int_equal(call("ALICE", "PUT", "/alices?versioning", "",
                          LB_S("<VersioningConfiguration><Status>Enabled</Status>"
                               "</VersioningConfiguration>")),
                     200);
    put_version("ALICE", "public-read", open, sizeof(open));
    put_version("BOB", "private", closed, sizeof(closed));
    for (size_t i = 0; i < CHECK_COUNT(others); i++) {
        assert_int_equal(ask(others[i], "GET", open), 200);
        assert_int_equal(ask(others[i], "GET", closed), 403);
        assert_int_equal(ask(others[i], "DELETE", open), 403);
        assert_int_equal(ask(others[i], "DELETE", "/alices/v?versionId=null"), 403);
        assert_int_equal(ask(others[i], "DELETE", "/alices/v"), 204);
        snprintf(marker, sizeof(marker), "/alices/v?versionId=%.*s",
                 LB_SLICE_ARG(s3_call_header(&c, LB_S("x-amz-version-id"))));
        assert_int_equal(ask(others[i], "GET", marker), 405);
        assert_int_equal(ask(others[i], "DELETE", marker), 403);
    }
    /* Who may not list is not told what there is not. */
    assert_int_equal(put("ALICE", "/alices?acl", "private"), 200);
    static const char *const missing[] = {"/alices/v", "/alices/v?versionId=0000000000000000"};
    for (size_t i = 0; i < CHECK_COUNT(missing); i++) {
        assert_int_equal(ask("BOB", "GET", missing[i]), 403);
        assert_null(s3_call_header(&c, LB_S("x-amz-delete-marker")).ptr);
        assert_int_equal(ask("ALICE", "GET", missing[i]), 404);
    }
    assert_int_equal(ask("BOB", "GET", marker), 403);
    assert_int_equal(ask("ALICE", "DELETE", marker), 204);
    assert_int_equal(ask(ADMIN, "DELETE", open), 204);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_private),  TEST(test_public),         TEST(test_authenticated),
        TEST(test_copy),     TEST(test_create),         TEST(test_anonymous_overrides),
        TEST(test_location), TEST(test_list_buckets),   TEST(test_list_many),
        TEST(test_owners),   TEST(test_expected_owner), TEST(test_documents),
        TEST(test_get_put),  TEST(test_kept),           TEST(test_torrent),
        TEST(test_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
