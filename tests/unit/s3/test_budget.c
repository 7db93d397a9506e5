/* Requests that want much memory when others have taken it. */
#include "lib/s3_harness.h"

#include <stdio.h>

#include "s3/checksum_priv.h"

#define HOST " HTTP/1.1\r\nHost: localhost\r\n"
#define KEYS 300
#define MAX (2u << 20)

static struct s3_harness h;
static struct s3_call c;
static struct lb_budget budget;
static const struct lb_engine_ops *engine; /* that lists without a bound */
static struct lb_engine_ops bounded;

/* The engine in memory knows no bound. What it makes of a list is the request's all the same. */
static void list(struct lb_engine_port *p, struct lb_engine_op *op) {
    op->arena->budget = NULL;
    engine->list(p, op);
    op->arena->budget = &budget;
}

static int call(const char *head, struct lb_slice body) {
    s3_call_fini(&c);
    int status = s3_call(&h, &c, head, body);
    return status;
}

static int setup(void **state) {
    char head[128];
    lb_budget_init(&budget, MAX);
    s3_harness_init(&h, 0);
    h.budget = &budget;
    engine = h.port->ops;
    bounded = *engine;
    bounded.list = list;
    h.port->ops = &bounded;
    for (int i = 0; i < KEYS; i++) {
        snprintf(head, sizeof(head), "PUT /bucket/key-%d" HOST "Content-Length: 5\r\n", i);
        assert_int_equal(call(head, LB_S("hello")), 200);
    }
    return 0;
}

static int teardown(void **state) {
    s3_call_fini(&c);
    s3_harness_fini(&h);
    return 0;
}

/* All that others have: what remains is n bytes. */
static void leave(size_t n) {
    assert_true(lb_budget_take(&budget, MAX - n));
}

static void check_slow_down(int status) {
    assert_int_equal(status, 503);
    assert_true(s3_call_has(&c, "<Code>SlowDown</Code>"));
}

static void test_lists(void **state) {
    static const char *const heads[] = {"GET /bucket" HOST, "GET /bucket?list-type=2" HOST,
                                        "GET /bucket?versions" HOST};
    for (size_t i = 0; i < CHECK_COUNT(heads); i++) {
        leave(1000);
        check_slow_down(call(heads[i], LB_S("")));
        assert_int_equal(budget.used, MAX - 1000);
        lb_budget_give(&budget, MAX - 1000);
        assert_int_equal(call(heads[i], LB_S("")), 200);
        assert_int_equal(budget.used, 0);
    }
}

/* Every amount that can be left: an answer that is whole, or none. */
static void test_list_with_little(void **state) {
    for (size_t left = 0; left < 800000; left += 3001) {
        leave(left);
        int status = call("GET /bucket?list-type=2" HOST, LB_S(""));
        if (status == 200)
            assert_true(s3_call_has(&c, "</ListBucketResult>"));
        else
            check_slow_down(status);
        assert_int_equal(budget.used, MAX - left);
        lb_budget_give(&budget, MAX - left);
    }
    assert_int_equal(c.status, 200);
}

static int delete_objects(struct lb_slice document) {
    char head[160], text[S3_CHECKSUM_TEXT_MAX];
    struct lb_digest md5;
    lb_hash_once(LB_HASH_MD5, document, &md5);
    struct lb_slice value = s3_checksum_text(&md5, text);
    snprintf(head, sizeof(head),
             "POST /bucket?delete" HOST "Content-Length: %zu\r\nContent-MD5: %.*s\r\n",
             document.len, LB_SLICE_ARG(value));
    return call(head, document);
}

static void test_documents(void **state) {
    static const char small[] = "<Delete><Object><Key>key-1</Key></Object></Delete>";
    static char large[100000];
    memset(large, ' ', sizeof(large));
    memcpy(large + sizeof(large) - sizeof(small) + 1, small, sizeof(small) - 1);
    leave(80000);
    check_slow_down(delete_objects(lb_slice(large, sizeof(large))));
    assert_int_equal(delete_objects(lb_slice(small, sizeof(small) - 1)), 200);
    assert_int_equal(budget.used, MAX - 80000);
}

/* What needs little goes on. */
static void test_small_requests(void **state) {
    leave(0);
    assert_int_equal(call("PUT /bucket/k" HOST "Content-Length: 5\r\n"
                          "Content-MD5: XUFAKrxLKna5cZ2REBfFkg==\r\nx-amz-meta-a: b\r\n",
                          LB_S("hello")),
                     200);
    assert_int_equal(call("GET /bucket/k" HOST, LB_S("")), 200);
    assert_int_equal(call("HEAD /bucket/k" HOST, LB_S("")), 200);
    assert_int_equal(call("GET /bucket?location" HOST, LB_S("")), 200);
    assert_int_equal(call("DELETE /bucket/k" HOST, LB_S("")), 204);
    assert_int_equal(call("PUT /bucket/k" HOST "Content-Length: 15\r\n"
                          "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n",
                          LB_S("5\r\nhello\r\n0\r\n\r\n")),
                     200);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_lists),
        TEST(test_list_with_little),
        TEST(test_documents),
        TEST(test_small_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
