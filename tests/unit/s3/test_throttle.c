/* Requests with wrong keys and signatures: slowed by address, without hurting anyone else. */
#include "lib/s3_harness.h"

#include <stdio.h>

#include "base/err.h"
#include "s3/throttle_priv.h"

#define SECOND 1000000000ull

static unsigned free_of(struct s3_throttle *t, const char *peer, uint64_t now_ns) {
    unsigned n = 0;
    while (n < 1000 && !s3_throttle_note(t, lb_slice_cstr(peer), now_ns))
        n++;
    return n;
}

static void test_by_address(void **state) {
    struct s3_throttle *t = s3_throttle_new();
    assert_int_equal(free_of(t, "192.0.2.1:1000", SECOND), S3_THROTTLE_FREE);
    assert_int_equal(free_of(t, "192.0.2.1:2000", SECOND), 0);
    assert_int_equal(free_of(t, "192.0.2.2:1000", SECOND), S3_THROTTLE_FREE);
    assert_int_equal(free_of(t, "[2001:db8::1]:1", SECOND), S3_THROTTLE_FREE);
    assert_int_equal(free_of(t, "[2001:db8::2]:1", SECOND), 0); /* the same network */
    assert_int_equal(free_of(t, "[2001:db8:0:1::1]:1", SECOND), S3_THROTTLE_FREE);
    assert_int_equal(free_of(t, "[::ffff:192.0.2.3]:1", SECOND), S3_THROTTLE_FREE);
    assert_int_equal(free_of(t, "[::ffff:192.0.2.4]:1", SECOND), S3_THROTTLE_FREE);
    assert_int_equal(free_of(t, "", SECOND), S3_THROTTLE_FREE); /* a Unix socket */
    s3_throttle_free(t);
}

static void test_forgets(void **state) {
    struct s3_throttle *t = s3_throttle_new();
    assert_int_equal(free_of(t, "192.0.2.1:1", SECOND), S3_THROTTLE_FREE);
    assert_int_equal(free_of(t, "192.0.2.1:1", 7 * SECOND), 5); /* one had waited */
    for (unsigned i = 0; i < 1000; i++)
        s3_throttle_note(t, LB_S("192.0.2.1:1"), 7 * SECOND);
    assert_int_equal(free_of(t, "192.0.2.1:1", (7 + S3_THROTTLE_LEVEL_MAX - 1) * SECOND),
                     S3_THROTTLE_FREE - 1);
    s3_throttle_free(t);
}

/* Refusals that come evenly, more often than they are forgotten, are not forgotten either. */
static void test_counts_fractions(void **state) {
    struct s3_throttle *t = s3_throttle_new();
    bool waits = false;
    for (unsigned i = 0; i < 100 && !waits; i++)
        waits = s3_throttle_note(t, LB_S("192.0.2.1:1"), SECOND + i * SECOND * 6 / 10);
    assert_true(waits);
    waits = false;
    for (unsigned i = 0; i < 1000; i++)
        waits |= s3_throttle_note(t, LB_S("192.0.2.2:1"), SECOND + i * SECOND);
    assert_false(waits);
    s3_throttle_free(t);
}

/* However many addresses there are, the table holds; it is those that went quiet that are lost. */
static void test_bounded(void **state) {
    struct s3_throttle *t = s3_throttle_new();
    char peer[32];
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(peer, sizeof(peer), "10.%u.%u.%u:1", i >> 16, i >> 8 & 255, i & 255);
        s3_throttle_note(t, lb_slice_cstr(peer), SECOND + i);
    }
    assert_int_equal(free_of(t, "192.0.2.1:1", 2 * SECOND), S3_THROTTLE_FREE);
    s3_throttle_free(t);
}

/* ---- whole requests ---- */

static struct s3_harness h;

/* Sends a request with a signature that is right or wrong; returns seconds that it took. */
static double ask(bool right, int *ret_status) {
    struct s3_call c;
    struct lb_buf head;
    lb_buf_init(&head, 65536);
    s3_harness_sign(&h, "GET", "/", "", "UNSIGNED-PAYLOAD", &head);
    if (!right) {
        char *last = &head.ptr[head.len - 3];
        *last = *last == '0' ? '1' : '0';
    }
    c = (struct s3_call){.head = lb_buf_slice(&head)};
    uint64_t from_ns = lb_io_now_ns(h.io);
    s3_call_run(&h, &c);
    *ret_status = c.status;
    assert_int_equal(c.err, right ? 0 : LB_ERR_SIGNATURE_MISMATCH);
    s3_call_fini(&c);
    lb_buf_fini(&head);
    return (double)(lb_io_now_ns(h.io) - from_ns) / 1e9;
}

static void test_requests(void **state) {
    int status;
    s3_harness_init(&h, 0);
    s3_harness_auth(&h);
    h.waits = true;
    for (unsigned i = 0; i < S3_THROTTLE_FREE; i++) {
        assert_true(ask(false, &status) < 0.5);
        assert_int_equal(status, 403);
    }
    assert_true(ask(false, &status) > 0.9);
    assert_int_equal(status, 403);
    assert_true(ask(true, &status) < 0.5); /* who has the key is not held up */
    assert_int_equal(status, 200);
    s3_harness_fini(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_address),       cmocka_unit_test(test_forgets),
        cmocka_unit_test(test_counts_fractions), cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
