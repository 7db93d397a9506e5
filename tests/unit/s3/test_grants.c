/* Grants on buckets and prefixes of buckets, each right alone; and keys that come, go, end and
 * change while requests run. */
#include "unit/s3/users_env.h"

#include <errno.h>

#define TEAM "team-*"

static void add(const char *key, const char *pattern, unsigned rights) {
    struct lb_grant grant = {.rights = (uint8_t)rights};
    struct lb_cred cred = user(key, key);
    strcpy(grant.pattern, pattern);
    cred.grants = &grant;
    cred.grants_n = 1;
    assert_int_equal(lb_creds_add(h.creds, &cred), 0);
}

static int setup(void **state) {
    s3_harness_init(&h, 0);
    add("READS", TEAM, LB_RIGHT_READ);
    add("WRITES", TEAM, LB_RIGHT_WRITE);
    add("LISTS", TEAM, LB_RIGHT_LIST);
    add("OWNS", TEAM, LB_RIGHT_OWNER);
    add("ONE", "team-a", LB_RIGHT_READ | LB_RIGHT_LIST);
    add("ALL", "*", LB_RIGHT_READ);
    s3_harness_auth(&h);
    lb_buf_init(&head, 65536);
    assert_int_equal(ask(ADMIN, "PUT", "/team-a"), 200);
    assert_int_equal(ask(ADMIN, "PUT", "/team-b"), 200);
    assert_int_equal(ask(ADMIN, "PUT", "/other"), 200);
    assert_int_equal(call(ADMIN, "PUT", "/team-a/k", "", LB_S("data")), 200);
    assert_int_equal(call(ADMIN, "PUT", "/other/k", "", LB_S("data")), 200);
    return 0;
}

static void test_each_right(void **state) {
    static const struct {
        const char *who;
        bool read, write, list, owner;
    } cases[] = {
        {"READS", true, false, false, false},
        {"WRITES", false, true, false, false},
        {"LISTS", false, false, true, false},
        {"OWNS", true, true, true, true},
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        const char *who = cases[i].who;
        int missing = cases[i].list ? 404 : 403;
        assert_int_equal(ask(who, "GET", "/team-a/k"), cases[i].read ? 200 : 403);
        assert_int_equal(ask(who, "HEAD", "/team-a/k"), cases[i].read ? 200 : 403);
        assert_int_equal(ask(who, "GET", "/team-a/missing"), missing);
        assert_int_equal(ask(who, "GET", "/team-a"), cases[i].list ? 200 : 403);
        assert_int_equal(ask(who, "GET", "/team-a?uploads"), cases[i].list ? 200 : 403);
        assert_int_equal(call(who, "PUT", "/team-b/w", "", LB_S("w")), cases[i].write ? 200 : 403);
        assert_int_equal(ask(who, "DELETE", "/team-b/w"), cases[i].write ? 204 : 403);
        assert_int_equal(ask(who, "GET", "/team-a?acl"), cases[i].owner ? 200 : 403);
        assert_int_equal(ask(who, "GET", "/other/k"), 403);
        assert_int_equal(call(who, "PUT", "/other/w", "", LB_S("w")), 403);
        assert_int_equal(ask(who, "GET", "/other"), 403);
        assert_int_equal(ask(who, "DELETE", "/other"), 403);
    }
    assert_int_equal(ask("READS", "DELETE", "/team-b"), 403);
    assert_int_equal(ask("OWNS", "DELETE", "/team-b"), 204);
}

static void test_patterns(void **state) {
    assert_int_equal(ask("ONE", "GET", "/team-a/k"), 200);
    assert_int_equal(ask("ONE", "GET", "/team-b"), 403);
    assert_int_equal(ask("ALL", "GET", "/team-a/k"), 200);
    assert_int_equal(ask("ALL", "GET", "/other/k"), 200);
    assert_int_equal(ask("ALL", "GET", "/other"), 403);
}

static void test_copy(void **state) {
    static const char from_team[] = "x-amz-copy-source: /team-a/k\r\n";
    static const char from_other[] = "x-amz-copy-source: /other/k\r\n";
    assert_int_equal(call("OWNS", "PUT", "/team-b/c", from_team, LB_S("")), 200);
    assert_int_equal(call("OWNS", "PUT", "/team-b/c", from_other, LB_S("")), 403);
    assert_int_equal(call("WRITES", "PUT", "/team-b/c", from_team, LB_S("")), 403);
    assert_int_equal(call("READS", "PUT", "/team-b/c", from_team, LB_S("")), 403);
}

static void test_list_buckets(void **state) {
    assert_int_equal(ask("READS", "GET", "/"), 200);
    assert_true(s3_call_has(&c, "<Name>team-a</Name>") && s3_call_has(&c, "<Name>team-b</Name>"));
    assert_false(s3_call_has(&c, "<Name>other</Name>") || s3_call_has(&c, "<Name>bucket</Name>"));
    assert_int_equal(ask("ONE", "GET", "/"), 200);
    assert_true(s3_call_has(&c, "<Name>team-a</Name>"));
    assert_false(s3_call_has(&c, "<Name>team-b</Name>"));
}

/* ---- sets that change ---- */

/* Puts a set in force in which key is as cred says; NULL: gone. */
static void change(const char *key, const struct lb_cred *cred) {
    struct lb_creds *set = lb_creds_dup(h.box.set);
    assert_non_null(set);
    assert_int_equal(lb_creds_remove(set, lb_slice_cstr(key)), 0);
    if (cred)
        assert_int_equal(lb_creds_add(set, cred), 0);
    lb_creds_box_put(&h.box, set);
}

static void test_key_changes(void **state) {
    struct lb_cred reads = user("READS", "READS");
    assert_int_equal(ask("READS", "GET", "/"), 200);
    reads.disabled = true;
    change("READS", &reads);
    assert_int_equal(ask("READS", "GET", "/"), 403);
    assert_true(s3_call_has(&c, "<Code>InvalidAccessKeyId</Code>"));
    reads.disabled = false;
    reads.expires_s = lb_io_wall_ns(h.io) / 1000000000;
    change("READS", &reads);
    assert_int_equal(ask("READS", "GET", "/"), 403);
    assert_true(s3_call_has(&c, "<Code>InvalidAccessKeyId</Code>"));
    assert_true(s3_call_has(&c, "has expired"));
    reads.expires_s += 1000;
    change("READS", &reads);
    assert_int_equal(ask("READS", "GET", "/"), 200);
    strcpy(reads.secret_key, "another");
    reads.epoch++;
    change("READS", &reads);
    assert_int_equal(ask("READS", "GET", "/"), 403);
    assert_true(s3_call_has(&c, "SignatureDoesNotMatch"));
    change("READS", NULL);
    assert_int_equal(ask("READS", "GET", "/"), 403);
    assert_true(s3_call_has(&c, "InvalidAccessKeyId"));
}

/* The user goes, and the loop lets go of the set that he was in. */
static void drop_user(void) {
    change("WRITES", NULL);
    assert_null(lb_creds_find(lb_creds_reader_get(&h.s3->creds), LB_S("WRITES")));
}

static void test_request_outlives_its_user(void **state) {
    char body[4096] = "x";
    lb_buf_clear(&head);
    h.signer = "WRITES";
    s3_harness_sign(&h, "PUT", "/team-a/slow", "Content-Length: 4096\r\n", "UNSIGNED-PAYLOAD",
                    &head);
    s3_call_fini(&c);
    c = (struct s3_call){.head = lb_buf_slice(&head), .body = lb_slice(body, sizeof(body))};
    c.piece = 16;
    c.first_read = drop_user;
    s3_call_run(&h, &c);
    assert_int_equal(c.status, 200);
    assert_int_equal(ask("WRITES", "DELETE", "/team-a/slow"), 403);
    assert_int_equal(ask(ADMIN, "GET", "/team-a/slow"), 200);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_each_right),   TEST(test_patterns),    TEST(test_copy),
        TEST(test_list_buckets), TEST(test_key_changes), TEST(test_request_outlives_its_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
