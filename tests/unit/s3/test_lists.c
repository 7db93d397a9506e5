/* ListObjects in its two versions: what differs between them. */
#include "lib/s3_harness.h"

#include <stdio.h>

static struct s3_harness h;
static struct s3_call c;

static int get(const char *target) {
    char head[256];
    s3_call_fini(&c);
    snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: localhost\r\n", target);
    return s3_call(&h, &c, head, LB_S(""));
}

static int setup(void **state) {
    s3_harness_init(&h, 0);
    struct lb_slice text = LB_S("PUT /bucket/a%2Fb%20c HTTP/1.1\r\nHost: localhost\r\n"
                                "Content-Length: 0\r\n");
    return s3_call(&h, &c, text.ptr, LB_S("")) == 200 ? 0 : -1;
}

static int teardown(void **state) {
    s3_call_fini(&c);
    s3_harness_fini(&h);
    return 0;
}

/* Clients decode all names but the prefix of V1. */
static void test_url_encoding(void **state) {
    assert_int_equal(get("/bucket?encoding-type=url&prefix=a%2Fb%20"), 200);
    assert_true(s3_call_has(&c, "<Prefix>a/b </Prefix>"));
    assert_true(s3_call_has(&c, "<Key>a/b%20c</Key>"));
    assert_int_equal(get("/bucket?encoding-type=url&prefix=a%2Fb%20&list-type=2"), 200);
    assert_true(s3_call_has(&c, "<Prefix>a/b%20</Prefix>"));
    assert_int_equal(get("/bucket?encoding-type=url&prefix=a%2Fb%20&versions"), 200);
    assert_true(s3_call_has(&c, "<Prefix>a/b%20</Prefix>"));
}

static void test_empty_token(void **state) {
    assert_int_equal(get("/bucket?list-type=2&continuation-token="), 200);
    assert_true(s3_call_has(&c, "<ContinuationToken></ContinuationToken>"));
    assert_true(s3_call_has(&c, "<Key>a/b c</Key>"));
    assert_int_equal(get("/bucket?list-type=2&continuation-token=xyz"), 400);
    assert_int_equal(get("/bucket?list-type=2"), 200);
    assert_false(s3_call_has(&c, "ContinuationToken"));
}

static void test_owner(void **state) {
    assert_int_equal(get("/bucket"), 200);
    assert_true(s3_call_has(&c, "<Owner><ID>owner</ID><DisplayName>Owner</DisplayName></Owner>"));
    assert_int_equal(get("/bucket?list-type=2"), 200);
    assert_false(s3_call_has(&c, "<Owner>"));
    assert_int_equal(get("/bucket?list-type=2&fetch-owner=true"), 200);
    assert_true(s3_call_has(&c, "<Owner><ID>owner</ID>"));
    assert_int_equal(get("/none"), 404);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_url_encoding),
        TEST(test_empty_token),
        TEST(test_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
