#include "lib/check.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "ctl/format.h"

static char text[LB_FORMAT_MAX];

static void test_bytes(void **state) {
    assert_string_equal(lb_format_bytes(0, text), "0 B");
    assert_string_equal(lb_format_bytes(1023, text), "1023 B");
    assert_string_equal(lb_format_bytes(1024, text), "1.0 KiB");
    assert_string_equal(lb_format_bytes(1288490189, text), "1.2 GiB");
    assert_string_equal(lb_format_bytes((1 << 20) - 1, text), "1.0 MiB");
    assert_string_equal(lb_format_bytes(UINT64_MAX, text), "16.0 EiB");
}

static void test_counts_and_rates(void **state) {
    assert_string_equal(lb_format_count(0, text), "0");
    assert_string_equal(lb_format_count(999, text), "999");
    assert_string_equal(lb_format_count(1000, text), "1,000");
    assert_string_equal(lb_format_count(UINT64_MAX, text), "18,446,744,073,709,551,615");
    assert_string_equal(lb_format_rate(0, text), "0");
    assert_string_equal(lb_format_rate(0.44, text), "0.4");
    assert_string_equal(lb_format_rate(99.94, text), "99.9");
    assert_string_equal(lb_format_rate(99.96, text), "100");
    assert_string_equal(lb_format_rate(12345.6, text), "12,346");
}

static void test_times(void **state) {
    assert_string_equal(lb_format_time(0, text), "-");
    assert_string_equal(lb_format_time(1795341600, text), "2026-11-22 11:00:00");
    assert_string_equal(lb_format_duration(-5, text), "0s");
    assert_string_equal(lb_format_duration(59, text), "59s");
    assert_string_equal(lb_format_duration(60, text), "1m");
    assert_string_equal(lb_format_duration(61, text), "1m 1s");
    assert_string_equal(lb_format_duration(3 * 3600 + 240, text), "3h 4m");
    assert_string_equal(lb_format_duration(2 * 86400 + 3 * 3600 + 59, text), "2d 3h");
    assert_string_equal(lb_format_latency(850, text), "850us");
    assert_string_equal(lb_format_latency(1234, text), "1.2ms");
    assert_string_equal(lb_format_latency(3.4e6, text), "3.4s");
    assert_string_equal(lb_format_latency(INFINITY, text), "-");
    assert_string_equal(lb_format_latency(-1, text), "-");
}

static void test_durations_are_parsed(void **state) {
    static const char *const bad[] = {
        "", "s", "5", "5 d", "-5d", "5y", "d5", "36526d", "18446744073709551616s", "1.5h"};
    int64_t s = 77;
    assert_int_equal(lb_parse_duration("90s", &s), 0);
    assert_int_equal(s, 90);
    assert_int_equal(lb_parse_duration("15m", &s), 0);
    assert_int_equal(s, 900);
    assert_int_equal(lb_parse_duration("2w", &s), 0);
    assert_int_equal(s, 14 * 86400);
    assert_int_equal(lb_parse_duration("0d", &s), 0);
    assert_int_equal(s, 0);
    s = 77;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(lb_parse_duration(bad[i], &s), -EINVAL);
    assert_int_equal(s, 77);
}

static void check_moment(const char *from, int64_t expected) {
    int64_t moment = -1;
    assert_int_equal(lb_parse_moment(from, 1000, &moment), 0);
    assert_int_equal(moment, expected);
}

static void test_moments_are_parsed(void **state) {
    static const char *const bad[] = {
        "",
        "soon",
        "2027-02-29",
        "2027-13-01",
        "2027-1-1",
        "2027-01-32",
        "2027-01-01T",
        "2027-01-01T25:00",
        "2027-01-01T12:00:00+01:00",
        "20270101",
        "1969-01-01",
    };
    check_moment("never", 0);
    check_moment("1h", 4600);
    check_moment("2026-11-22T10:00:00Z", 1795341600);
    check_moment("2026-11-22 11:00", 1795341600);
    check_moment("2026-11-22T11:00:00", 1795341600);
    check_moment("2026-11-22", 1795302000);
    check_moment("2028-02-29Z", 1835395200);
    int64_t moment = 77;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(lb_parse_moment(bad[i], 1000, &moment), -EINVAL);
    assert_int_equal(moment, 77);
}

static void test_percentiles(void **state) {
    const uint64_t bounds[] = {100, 200, 400};
    const uint64_t none[] = {0, 0, 0, 0}, even[] = {50, 25, 25, 0}, tail[] = {98, 0, 0, 2};
    const uint64_t last[] = {0, 0, 10, 0};
    assert_true(lb_percentile(bounds, none, 3, 0.5) == -1);
    assert_true(fabs(lb_percentile(bounds, even, 3, 0.5) - 100) < 1e-9);
    assert_true(fabs(lb_percentile(bounds, even, 3, 0.25) - 50) < 1e-9);
    assert_true(fabs(lb_percentile(bounds, even, 3, 0.99) - 392) < 1e-9);
    assert_true(isinf(lb_percentile(bounds, tail, 3, 0.99)));
    assert_true(lb_percentile(bounds, tail, 3, 0.5) < 100);
    assert_true(fabs(lb_percentile(bounds, last, 3, 1) - 400) < 1e-9);
    assert_true(fabs(lb_percentile(bounds, last, 3, 0.5) - 300) < 1e-9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_counts_and_rates),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_durations_are_parsed),
        cmocka_unit_test(test_moments_are_parsed),
        cmocka_unit_test(test_percentiles),
    };
    setenv("TZ", "CET-1", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
