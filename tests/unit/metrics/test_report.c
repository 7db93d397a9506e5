#include "lib/check.h"

#include <stdio.h>
#include <time.h>

#include "metrics/report.h"

static void check_text(struct lb_buf *out, const char *expected) {
    assert_int_equal(out->err, 0);
    lb_buf_append_char(out, '\0');
    assert_string_equal(out->ptr, expected);
    lb_buf_fini(out);
}

static void check_has(const struct lb_buf *out, const char *text) {
    if (lb_slice_find_slice(lb_buf_slice(out), lb_slice_cstr(text)) < 0)
        fail_msg("no %s in:\n%.*s", text, (int)out->len, out->ptr);
}

static void check_lacks(const struct lb_buf *out, const char *text) {
    if (lb_slice_find_slice(lb_buf_slice(out), lb_slice_cstr(text)) >= 0)
        fail_msg("there is %s in:\n%.*s", text, (int)out->len, out->ptr);
}

static void test_values(void **state) {
    struct lb_buf out;
    const struct lb_prom_label labels[] = {{"a", LB_S("x\"y\\z\nw")}, {"b", LB_S("\xff\xc3\xa4")}};
    lb_buf_init(&out, 4096);
    lb_prom_begin(&out, "m_total", LB_PROM_COUNTER, "a \\ and \"b\"\nc");
    lb_prom_value(&out, "m_total", NULL, 0, 0);
    lb_prom_value(&out, "m_total", labels, 2, UINT64_MAX);
    lb_prom_seconds(&out, "s", NULL, 0, 0);
    lb_prom_seconds(&out, "s", NULL, 0, 1);
    lb_prom_seconds(&out, "s", labels, 1, 12034000000);
    lb_prom_seconds(&out, "s", NULL, 0, 5000000000);
    check_text(&out, "# HELP m_total a \\\\ and \"b\"\\nc\n"
                     "# TYPE m_total counter\n"
                     "m_total 0\n"
                     "m_total{a=\"x\\\"y\\\\z\\nw\",b=\"\xef\xbf\xbd\xc3\xa4\"} "
                     "18446744073709551615\n"
                     "s 0\n"
                     "s 0.000000001\n"
                     "s{a=\"x\\\"y\\\\z\\nw\"} 12.034\n"
                     "s 5\n");
}

static void test_histogram(void **state) {
    struct lb_histogram_sum h = {.sum_ns = 1500000000};
    const struct lb_prom_label label = {"operation", LB_S("GetObject")};
    struct lb_buf out;
    h.n[0] = 1;
    h.n[1] = 2;
    h.n[14] = 3;
    h.n[LB_HISTOGRAM_BOUNDS] = 4;
    lb_buf_init(&out, 1 << 16);
    lb_prom_histogram(&out, "t", &label, 1, &h);
    lb_prom_histogram(&out, "u", NULL, 0, &h);
    check_has(&out, "t_bucket{operation=\"GetObject\",le=\"0.000025\"} 1\n"
                    "t_bucket{operation=\"GetObject\",le=\"0.00005\"} 3\n"
                    "t_bucket{operation=\"GetObject\",le=\"0.0001\"} 3\n");
    check_has(&out, "le=\"0.5\"} 3\nt_bucket{operation=\"GetObject\",le=\"1\"} 6\n");
    check_has(&out, "le=\"60\"} 6\nt_bucket{operation=\"GetObject\",le=\"+Inf\"} 10\n"
                    "t_sum{operation=\"GetObject\"} 1.5\nt_count{operation=\"GetObject\"} 10\n");
    check_has(&out, "u_bucket{le=\"+Inf\"} 10\nu_sum 1.5\nu_count 10\n");
    lb_buf_fini(&out);
}

static const char *const names[] = {"GetObject", "PutObject"};

static void test_report(void **state) {
    struct lb_metrics *m = lb_metrics_new(2, names, 2, 1000000000);
    struct lb_usage *u = lb_usage_new(10);
    struct lb_storage_stats storage = {.objects = LB_STORAGE_UNKNOWN,
                                       .object_bytes = LB_STORAGE_UNKNOWN,
                                       .size_bytes = 5000,
                                       .syncs = 6};
    struct lb_report r = {.metrics = m,
                          .version = "0.1",
                          .engine = "filesystem",
                          .io = "epoll",
                          .hash = "scalar",
                          .now_ns = 3500000000,
                          .ready = true};
    struct lb_buf out;
    lb_buf_init(&out, LB_REPORT_MAX);
    lb_metrics_request(&m->loops[1],
                       &(struct lb_request_metrics){.op = 1, .status = 206, .bytes_out = 77});
    lb_metrics_request(&m->loops[1], &(struct lb_request_metrics){.op = 1, .status = 299});
    lb_report_write(&r, &out);
    check_has(&out, "lobos_build_info{version=\"0.1\",engine=\"filesystem\",io=\"epoll\","
                    "hash=\"scalar\"} 1\n");
    check_has(&out, "\nlobos_uptime_seconds 2.5\n");
    check_has(&out, "\nprocess_start_time_seconds 1\n");
    check_has(&out, "\nlobos_requests_total{operation=\"GetObject\",status=\"206\"} 1\n"
                    "lobos_requests_total{operation=\"GetObject\",status=\"other\"} 1\n");
    check_has(&out, "\nlobos_response_bytes_total{operation=\"GetObject\"} 77\n");
    check_has(&out, "\nlobos_auth_failures_total{reason=\"throttled\"} 0\n");
    check_lacks(&out, "PutObject");
    check_lacks(&out, "lobos_storage");
    check_lacks(&out, "lobos_bucket");
    check_lacks(&out, "process_open_fds");

    lb_usage_set(u, &(struct lb_bucket_usage){LB_S("b-1"), 3, 30, 300});
    r.usage = u;
    r.storage = &storage;
    r.process = &(struct lb_process_stats){.cpu_ns = 1250000000, .fds = 9};
    lb_buf_clear(&out);
    lb_report_write(&r, &out);
    check_has(&out, "\nlobos_bucket_objects{bucket=\"b-1\"} 3\n");
    check_has(&out, "\nlobos_bucket_bytes{bucket=\"b-1\"} 30\n");
    check_has(&out, "\nlobos_bucket_counted_timestamp_seconds{bucket=\"b-1\"} 300\n");
    check_has(&out, "\nlobos_storage_size_bytes 5000\n");
    check_has(&out, "\nlobos_storage_syncs_total 6\n");
    check_lacks(&out, "lobos_storage_object");
    check_has(&out, "\nprocess_cpu_seconds_total 1.25\n");
    check_has(&out, "\nprocess_open_fds 9\n");
    storage.objects = 4;
    lb_buf_clear(&out);
    lb_report_write(&r, &out);
    check_has(&out, "\nlobos_storage_objects 4\n");
    lb_buf_fini(&out);
    lb_usage_free(u);
    lb_metrics_free(m);
}

/* A text that does not fit is an error, not half a text. */
static void test_bound(void **state) {
    struct lb_metrics *m = lb_metrics_new(1, names, 2, 0);
    const struct lb_report r = {
        .metrics = m, .version = "", .engine = "", .io = "", .hash = "", .now_ns = 0};
    struct lb_buf out;
    lb_buf_init(&out, 512);
    lb_report_write(&r, &out);
    assert_true(out.err < 0);
    lb_buf_fini(&out);
    lb_metrics_free(m);
}

/* Ten thousand buckets: a scrape is a matter of milliseconds. The bound is for a sanitized build on
 * a busy machine. */
static void test_many_buckets(void **state) {
    struct lb_metrics *m = lb_metrics_new(8, names, 2, 0);
    struct lb_usage *u = lb_usage_new(10000);
    for (int i = 0; i < 10000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "bucket-%05d", i);
        assert_int_equal(lb_usage_set(u, &(struct lb_bucket_usage){lb_slice_cstr(name), 1, 2, 3}),
                         0);
    }
    const struct lb_report r = {
        .metrics = m, .usage = u, .version = "", .engine = "", .io = "", .hash = "", .now_ns = 0};
    struct lb_buf out;
    struct timespec from, to;
    lb_buf_init(&out, LB_REPORT_MAX);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    lb_report_write(&r, &out);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    int64_t ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
    print_message("10,000 buckets: %zu bytes in %d ms of CPU\n", out.len, (int)ms);
    assert_true(ms < 500);
    check_has(&out, "lobos_bucket_bytes{bucket=\"bucket-09999\"} 2\n");
    lb_buf_fini(&out);
    lb_usage_free(u);
    lb_metrics_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),       cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_report),       cmocka_unit_test(test_bound),
        cmocka_unit_test(test_many_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
