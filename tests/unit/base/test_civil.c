#include "lib/check.h"

#include <errno.h>
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

static void test_basic(void **state) {
    static const struct lb_slice bad[] = {
        LB_S("19941106T084937"),  LB_S("19941106T084937Zx"), LB_S("19941106 084937Z"),
        LB_S("19941306T084937Z"), LB_S("19941106t084937z"),  LB_S("1994110T6084937Z"),
        LB_S("19940229T084937Z"), LB_S("19941106T244937Z"),  LB_S("19941106T086037Z"),
        LB_S("19941106T084960Z"), LB_S("1994110xT084937Z"),  LB_S("x9941106T084937Z"),
    };
    char text[LB_CIVIL_BASIC_LEN];
    int64_t back = 7;
    for (size_t i = 0; i < CHECK_COUNT(bad); i++)
        assert_int_equal(lb_civil_parse_basic(bad[i], &back), -EINVAL);
    assert_int_equal(back, 7);
    lb_civil_basic(784111777, text);
    CHECK_SLICE(lb_slice(text, sizeof(text)), "19941106T084937Z");
    for (int64_t t = -1000000; t < 13000000000; t += 86400 * 3 + 3607) {
        lb_civil_basic(t, text);
        assert_int_equal(lb_civil_parse_basic(lb_slice(text, sizeof(text)), &back), 0);
        assert_int_equal(back, t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_gmtime),
        cmocka_unit_test(test_basic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
