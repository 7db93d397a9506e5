#include "lib/check.h"

#include <errno.h>
#include <time.h>

#include "base/prng.h"
#include "http/date.h"

#define NS 1000000000

static void test_format(void **state) {
    char http[LB_DATE_HTTP_LEN], iso[LB_DATE_ISO_LEN];
    int64_t t = 784111777 * (int64_t)NS + 123999999;
    lb_date_http(t, http);
    lb_date_iso(t, iso);
    CHECK_SLICE(lb_slice(http, sizeof(http)), "Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK_SLICE(lb_slice(iso, sizeof(iso)), "1994-11-06T08:49:37.123Z");
    lb_date_iso(-1, iso);
    CHECK_SLICE(lb_slice(iso, sizeof(iso)), "1969-12-31T23:59:59.999Z");
    lb_date_iso(INT64_MAX, iso);
    CHECK_SLICE(lb_slice(iso, sizeof(iso)), "2262-04-11T23:47:16.854Z");
    lb_date_http(INT64_MIN, http);
    CHECK_SLICE(lb_slice(http, sizeof(http)), "Tue, 21 Sep 1677 00:12:43 GMT");
}

/* Against strftime, and back. */
static void test_round_trip(void **state) {
    struct lb_prng prng;
    lb_prng_seed(&prng, 5);
    for (int i = 0; i < 20000; i++) {
        int64_t back, t = (int64_t)lb_prng_below(&prng, 9000000000) - 1000000;
        time_t clock = (time_t)t;
        char expected[64], got[LB_DATE_HTTP_LEN];
        struct tm tm;
        gmtime_r(&clock, &tm);
        lb_date_http(t * NS, got);
        strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        assert_memory_equal(got, expected, sizeof(got));
        assert_int_equal(lb_date_parse_http(lb_slice(got, sizeof(got)), &back), 0);
        assert_int_equal(back, t);
        strftime(expected, sizeof(expected), "%a %b %e %H:%M:%S %Y", &tm);
        assert_int_equal(lb_date_parse_http(lb_slice_cstr(expected), &back), 0);
        assert_int_equal(back, t);
        lb_date_iso(t * NS, got);
        assert_int_equal(lb_date_parse_iso(lb_slice(got, LB_DATE_ISO_LEN), &back), 0);
        assert_int_equal(back, t);
    }
}

static void test_parse_http(void **state) {
    int64_t t = 0;
    assert_int_equal(lb_date_parse_http(LB_S("Sunday, 06-Nov-94 08:49:37 GMT"), &t), 0);
    assert_int_equal(t, 784111777);
    assert_int_equal(lb_date_parse_http(LB_S("Sun Nov  6 08:49:37 1994"), &t), 0);
    assert_int_equal(t, 784111777);
    assert_int_equal(lb_date_parse_http(LB_S("Wednesday, 01-Jan-69 00:00:00 GMT"), &t), 0);
    assert_int_equal(t, 3124224000);
    assert_int_equal(lb_date_parse_http(LB_S("Thursday, 01-Jan-70 00:00:00 GMT"), &t), 0);
    assert_int_equal(t, 0);
    assert_int_equal(lb_date_parse_http(LB_S("Tue, 29 Feb 2000 23:59:60 GMT"), &t), 0);
    assert_int_equal(t, 951868800);
}

static void test_parse_bad(void **state) {
    static const struct lb_slice http[] = {
        LB_S(""),
        LB_S("Sun, 06 Nov 1994 08:49:37"),
        LB_S("Sun, 06 Nov 1994 08:49:37 GMT "),
        LB_S("Sun, 06 Nov 1994 08:49:37 UTC"),
        LB_S("Sun, 06 Nov 1994 08:49:37 gmt"),
        LB_S("sun, 06 Nov 1994 08:49:37 GMT"),
        LB_S("Xxx, 06 Nov 1994 08:49:37 GMT"),
        LB_S("Sun, 6 Nov 1994 08:49:37 GMT"),
        LB_S("Sun, 06 Nov 94 08:49:37 GMT"),
        LB_S("Sun, 06 Foo 1994 08:49:37 GMT"),
        LB_S("Sun, 00 Nov 1994 08:49:37 GMT"),
        LB_S("Sun, 31 Nov 1994 08:49:37 GMT"),
        LB_S("Sun, 29 Feb 1900 08:49:37 GMT"),
        LB_S("Sun, 29 Feb 2001 08:49:37 GMT"),
        LB_S("Sun, 06 Nov 1994 24:49:37 GMT"),
        LB_S("Sun, 06 Nov 1994 08:60:37 GMT"),
        LB_S("Sun, 06 Nov 1994 08:49:61 GMT"),
        LB_S("Sun, 06 Nov 1994 08:49:-1 GMT"),
        LB_S("Sun Nov 06 08:49:37 94"),
        LB_S("Sunday, 06-Nov-1994 08:49:37 GMT"),
        LB_S("784111777"),
    };
    int64_t t = 7;
    for (size_t i = 0; i < CHECK_COUNT(http); i++) {
        char *copy = check_dup(http[i]);
        assert_int_equal(lb_date_parse_http(lb_slice(copy, http[i].len), &t), -EINVAL);
        free(copy);
    }
    assert_int_equal(t, 7);
}

static void test_parse_iso(void **state) {
    static const struct lb_slice good[] = {
        LB_S("1994-11-06T08:49:37Z"),           LB_S("1994-11-06T08:49:37.5Z"),
        LB_S("1994-11-06T08:49:37.123456789Z"), LB_S("1994-11-06T10:49:37+02:00"),
        LB_S("1994-11-06T03:19:37.0-05:30"),
    };
    static const struct lb_slice bad[] = {
        LB_S("1994-11-06T08:49:37"),
        LB_S("1994-11-06T08:49:37."),
        LB_S("1994-11-06T08:49:37.Z"),
        LB_S("1994-11-06T08:49:37,5Z"),
        LB_S("1994-11-06T08:49:37+0200"),
        LB_S("1994-11-06T08:49:37+24:00"),
        LB_S("1994-11-06T08:49:37+02:60"),
        LB_S("1994-11-06T08:49:37ZZ"),
        LB_S("1994-11-06 08:49:37Z"),
        LB_S("1994-02-29T08:49:37Z"),
        LB_S("1994-11-06"),
        LB_S("-994-11-06T08:49:37Z"),
    };
    int64_t t;
    for (size_t i = 0; i < CHECK_COUNT(good); i++) {
        t = 7;
        assert_int_equal(lb_date_parse_iso(good[i], &t), 0);
        assert_int_equal(t, 784111777);
    }
    t = 7;
    for (size_t i = 0; i < CHECK_COUNT(bad); i++)
        assert_int_equal(lb_date_parse_iso(bad[i], &t), -EINVAL);
    assert_int_equal(t, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),     cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_parse_http), cmocka_unit_test(test_parse_bad),
        cmocka_unit_test(test_parse_iso),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
