#include "lib/check.h"

#include <time.h>

#include "base/civil.h"

/* Against the C library, over four centuries and both sides of 1970. */
static void test_against_gmtime(void **state) {
    for (int64_t t = -13000000000; t < 13000000000; t += 86400 * 3 + 3607) {
        time_t clock = (time_t)t;
        struct tm tm;
        gmtime_r(&clock, &tm);
        struct lb_civil c = lb_civil_from_seconds(t);
        assert_int_equal(c.year, tm.tm_year + 1900);
        assert_int_equal(c.month, tm.tm_mon + 1);
        assert_int_equal(c.day, tm.tm_mday);
        assert_int_equal(c.weekday, tm.tm_wday);
        assert_int_equal(c.hour, tm.tm_hour);
        assert_int_equal(c.minute, tm.tm_min);
        assert_int_equal(c.second, tm.tm_sec);
        assert_int_equal(lb_civil_days(c.year, c.month, c.day) * 86400 + c.hour * 3600 +
                             c.minute * 60 + c.second,
                         t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_gmtime)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
