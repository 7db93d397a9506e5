#include "lib/check.h"

#include <pthread.h>

#include "base/err.h"
#include "metrics/metrics.h"

static const char *const names[] = {"GetObject", "UploadPart", "UploadPart"};

static void test_histogram(void **state) {
    static const struct {
        uint64_t ns;
        unsigned bucket;
    } cases[] = {{0, 0},
                 {25000, 0},
                 {25001, 1},
                 {50000, 1},
                 {1000000, 5},
                 {1000001, 6},
                 {59999999999, 19},
                 {60000000000, 19},
                 {60000000001, 20},
                 {UINT64_MAX / 2, 20}};
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        struct lb_histogram h = {0};
        struct lb_histogram_sum sum = {0};
        lb_histogram_add(&h, cases[i].ns);
        lb_histogram_read(&h, &sum);
        for (unsigned b = 0; b <= LB_HISTOGRAM_BOUNDS; b++)
            assert_int_equal(sum.n[b], b == cases[i].bucket);
        assert_int_equal(sum.sum_ns, cases[i].ns);
    }
    for (unsigned i = 1; i < LB_HISTOGRAM_BOUNDS; i++)
        assert_true(lb_histogram_bounds_us[i - 1] < lb_histogram_bounds_us[i]);
}

/* What a status is counted as is told apart, and told again. */
static void test_statuses(void **state) {
    struct lb_metrics *m = lb_metrics_new(1, names, 1, 0);
    for (int status = 100; status < 600; status++)
        lb_metrics_request(m->loops, &(struct lb_request_metrics){.op = 1, .status = status});
    struct lb_op_sum op;
    assert_true(lb_metrics_op(m, 1, &op));
    uint64_t known = 0;
    for (size_t i = 0; i < LB_METRICS_STATUSES_MAX; i++) {
        assert_int_equal(op.status[i], lb_metrics_status(i) != 0);
        known += op.status[i];
    }
    assert_int_equal(op.status[LB_METRICS_STATUSES_MAX], 500 - known);
    assert_int_equal(op.requests, 500);
    assert_int_equal(lb_metrics_status(LB_METRICS_STATUSES_MAX), 0);
    lb_metrics_free(m);
}

/* Every status that an error is answered with has its own place. */
static void test_error_statuses(void **state) {
    static const int errors[] = {
#define LB_ERROR(name, number, s3_code, status, text) status,
#include "base/err.def"
#undef LB_ERROR
    };
    for (size_t i = 0; i < CHECK_COUNT(errors); i++) {
        size_t at = 0;
        while (at < LB_METRICS_STATUSES_MAX && lb_metrics_status(at) != errors[i])
            at++;
        if (at == LB_METRICS_STATUSES_MAX)
            fail_msg("status %d is not told apart", errors[i]);
    }
}

static void test_sums(void **state) {
    struct lb_metrics *m = lb_metrics_new(2, names, CHECK_COUNT(names), 7);
    struct lb_op_sum op;
    assert_int_equal((uintptr_t)m->loops % LB_METRICS_LINE, 0);
    assert_int_equal(sizeof(m->loops[0]) % LB_METRICS_LINE, 0);
    lb_metrics_request(&m->loops[0],
                       &(struct lb_request_metrics){2, 200, 0, 10, 1, 30000, 3000000});
    lb_metrics_request(&m->loops[1], &(struct lb_request_metrics){3, 404, LB_ERR_NO_SUCH_UPLOAD, 20,
                                                                  2, 40000, 4000000});
    lb_metrics_request(&m->loops[1], &(struct lb_request_metrics){3, 507, LB_ERR_STORAGE_FULL, 0, 4,
                                                                  50000, 5000000});
    lb_metrics_request(&m->loops[1], &(struct lb_request_metrics){.op = 5000, .status = 400});
    assert_true(lb_metrics_op(m, 2, &op));
    assert_string_equal(op.name, "UploadPart");
    assert_int_equal(op.requests, 3);
    assert_int_equal(op.client_errors, 1);
    assert_int_equal(op.server_errors, 1);
    assert_int_equal(op.bytes_in, 30);
    assert_int_equal(op.bytes_out, 7);
    assert_int_equal(op.first_byte.n[1], 3);
    assert_int_equal(op.first_byte.sum_ns, 120000);
    assert_int_equal(op.whole.n[7], 3);
    assert_int_equal(op.whole.sum_ns, 12000000);
    assert_false(lb_metrics_op(m, 3, &op));
    assert_int_equal(op.requests, 3); /* untouched */
    assert_true(lb_metrics_op(m, 1, &op));
    assert_int_equal(op.requests, 0);
    assert_true(lb_metrics_op(m, LB_METRICS_NO_OP, &op));
    assert_string_equal(op.name, "none");
    assert_int_equal(op.requests, 1);
    assert_int_equal(m->ops_n, 4);
    lb_metrics_free(m);
    lb_metrics_free(NULL);
}

static void test_too_many_names(void **state) {
    const char *many[LB_METRICS_OPS_MAX + 5];
    for (size_t i = 0; i < CHECK_COUNT(many); i++)
        many[i] = "x";
    struct lb_metrics *m = lb_metrics_new(1, many, CHECK_COUNT(many), 0);
    assert_int_equal(m->ops_n, LB_METRICS_OPS_MAX);
    lb_metrics_request(m->loops, &(struct lb_request_metrics){.op = LB_METRICS_OPS_MAX});
    struct lb_op_sum op;
    assert_true(lb_metrics_op(m, LB_METRICS_NO_OP, &op));
    assert_int_equal(op.requests, 1);
    lb_metrics_free(m);
}

static void test_auth_failures(void **state) {
    static const struct {
        int err;
        const char *reason;
    } cases[] = {
        {LB_ERR_INVALID_ACCESS_KEY, "unknown_key"},
        {LB_ERR_SIGNATURE_MISMATCH, "signature"},
        {LB_ERR_TIME_SKEWED, "clock_skew"},
        {LB_ERR_REQUEST_EXPIRED, "expired"},
        {LB_ERR_AUTH_HEADER_MALFORMED, "malformed"},
        {LB_ERR_AUTH_QUERY_MALFORMED, "malformed"},
        {LB_ERR_UNSUPPORTED_SIGNATURE, "unsupported"},
        {LB_ERR_KEY_EXPIRED, "expired"},
    };
    struct lb_metrics *m = lb_metrics_new(3, names, CHECK_COUNT(names), 0);
    struct lb_metrics_sum sum;
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        enum lb_auth_failure f = lb_auth_failure_of(cases[i].err);
        assert_string_equal(lb_auth_failure_name(f), cases[i].reason);
        lb_metrics_sum(m, &sum);
        uint64_t before = sum.auth_failures[f];
        lb_metrics_request(&m->loops[i % 3],
                           &(struct lb_request_metrics){.status = 403, .err = cases[i].err});
        lb_metrics_sum(m, &sum);
        assert_int_equal(sum.auth_failures[f], before + 1);
    }
    lb_metrics_request(m->loops, &(struct lb_request_metrics){.err = LB_ERR_ACCESS_DENIED});
    uint64_t all = 0;
    lb_metrics_sum(m, &sum);
    for (unsigned f = 0; f < LB_AUTH_FAILURES; f++)
        all += sum.auth_failures[f];
    assert_int_equal(all, CHECK_COUNT(cases));
    lb_metrics_free(m);
}

static void test_gauges(void **state) {
    struct lb_metrics *m = lb_metrics_new(2, names, CHECK_COUNT(names), 0);
    struct lb_metrics_sum sum;
    for (unsigned i = 0; i < 2; i++) {
        struct lb_loop_metrics *l = &m->loops[i];
        struct lb_counter *all[] = {&l->connections, &l->in_flight, &l->pool_used, &l->pool_held,
                                    &l->pool_max,    &l->accepted,  &l->refused,   &l->slow};
        for (size_t k = 0; k < CHECK_COUNT(all); k++)
            lb_counter_set(all[k], k + 1);
    }
    lb_metrics_sum(m, &sum);
    const uint64_t got[] = {sum.connections, sum.in_flight, sum.pool_used, sum.pool_held,
                            sum.pool_max,    sum.accepted,  sum.refused,   sum.slow};
    for (size_t k = 0; k < CHECK_COUNT(got); k++)
        assert_int_equal(got[k], 2 * (k + 1));
    assert_int_equal(lb_metrics_state(m), LB_SERVER_STARTING);
    lb_metrics_set_state(m, LB_SERVER_DRAINING);
    assert_int_equal(lb_metrics_state(m), LB_SERVER_DRAINING);
    lb_metrics_free(m);
}

#define ROUNDS 100000u

static void *count(void *arg) {
    struct lb_loop_metrics *l = arg;
    for (unsigned i = 0; i < ROUNDS; i++)
        lb_metrics_request(l, &(struct lb_request_metrics){1, 200, 0, 1, 2, 1000, i});
    return NULL;
}

/* Readers see every number whole and never less than before, while loops count. */
static void test_threads(void **state) {
    struct lb_metrics *m = lb_metrics_new(2, names, CHECK_COUNT(names), 0);
    pthread_t threads[2];
    struct lb_op_sum op;
    uint64_t last = 0;
    for (unsigned i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, count, &m->loops[i]);
    do {
        assert_true(lb_metrics_op(m, 1, &op));
        assert_true(op.requests >= last && op.requests <= 2 * ROUNDS);
        last = op.requests;
    } while (last < 2 * ROUNDS);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(lb_metrics_op(m, 1, &op));
    assert_int_equal(op.bytes_in, 2 * ROUNDS);
    assert_int_equal(op.bytes_out, 4 * ROUNDS);
    lb_metrics_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histogram),      cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_error_statuses), cmocka_unit_test(test_sums),
        cmocka_unit_test(test_too_many_names), cmocka_unit_test(test_auth_failures),
        cmocka_unit_test(test_gauges),         cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
