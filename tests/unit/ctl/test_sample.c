#include "lib/check.h"

#include <math.h>

#include "ctl/sample.h"

static uint64_t bounds[] = {100, 1000};

/* Counters with one or two operations; counts are those of the latencies, requests their sum. */
struct fixture {
    Lobosadmin__Counters c;
    Lobosadmin__Operation ops[2];
    Lobosadmin__Operation *list[2];
    uint64_t counts[2][3];
};

static void op(struct fixture *f, size_t i, const char *name, uint64_t a, uint64_t b, uint64_t c) {
    f->ops[i] = (Lobosadmin__Operation)LOBOSADMIN__OPERATION__INIT;
    f->ops[i].name = (char *)name;
    f->ops[i].requests = a + b + c;
    f->ops[i].bytes_out = 10 * (a + b + c);
    f->counts[i][0] = a;
    f->counts[i][1] = b;
    f->counts[i][2] = c;
    f->ops[i].latency = f->counts[i];
    f->ops[i].n_latency = 3;
    f->list[i] = &f->ops[i];
    f->c.operations = f->list;
    f->c.n_operations = i + 1;
}

static void counters(struct fixture *f, int64_t time_us) {
    f->c = (Lobosadmin__Counters)LOBOSADMIN__COUNTERS__INIT;
    f->c.time_us = time_us;
    f->c.latency_us = bounds;
    f->c.n_latency_us = 2;
}

static void test_rates(void **state) {
    static struct lb_sample s;
    struct fixture before, after;
    counters(&before, 1000000);
    op(&before, 0, "GetObject", 100, 0, 0);
    counters(&after, 3000000);
    op(&after, 0, "PutObject", 0, 0, 2);
    op(&after, 1, "GetObject", 300, 200, 0);
    after.c.engine_syncs = 8;
    lb_sample_diff(&before.c, &after.c, &s);
    assert_true(fabs(s.seconds - 2) < 1e-9);
    assert_int_equal(s.ops_n, 2);
    assert_string_equal(s.ops[0].name, "GetObject");
    assert_true(fabs(s.ops[0].requests - 200) < 1e-9);
    assert_true(fabs(s.ops[0].bytes_out - 2000) < 1e-9);
    assert_true(fabs(s.ops[0].p50_us - 100) < 1e-9);
    assert_string_equal(s.ops[1].name, "PutObject");
    assert_true(isinf(s.ops[1].p50_us));
    assert_true(fabs(s.total.requests - 201) < 1e-9);
    assert_true(fabs(s.engine_syncs - 4) < 1e-9);
    assert_true(fabs(s.latency_max_us - 1000) < 1e-9);
}

static void test_idle_operations_are_left_out(void **state) {
    static struct lb_sample s;
    struct fixture before, after;
    counters(&before, 0);
    op(&before, 0, "GetObject", 5, 0, 0);
    counters(&after, 1000000);
    op(&after, 0, "GetObject", 5, 0, 0);
    lb_sample_diff(&before.c, &after.c, &s);
    assert_int_equal(s.ops_n, 0);
    assert_true(s.total.p99_us == -1);
}

static void test_a_new_server_counts_from_zero(void **state) {
    static struct lb_sample s;
    struct fixture before, after;
    counters(&before, 0);
    op(&before, 0, "GetObject", 500, 0, 0);
    counters(&after, 1000000);
    op(&after, 0, "GetObject", 7, 0, 0);
    lb_sample_diff(&before.c, &after.c, &s);
    assert_true(fabs(s.ops[0].requests - 7) < 1e-9);
}

static void test_no_time_between(void **state) {
    static struct lb_sample s;
    struct fixture before, after;
    counters(&before, 5);
    counters(&after, 5);
    lb_sample_diff(&before.c, &after.c, &s);
    assert_true(s.seconds > 0);
    assert_true(isfinite(s.total.requests));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_idle_operations_are_left_out),
        cmocka_unit_test(test_a_new_server_counts_from_zero),
        cmocka_unit_test(test_no_time_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
