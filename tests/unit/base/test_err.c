#include "lib/check.h"

#include <errno.h>

#include "base/err.h"

static const int all[] = {
#define LB_ERROR(name, number, s3_code, status, text) LB_ERR_##name,
#include "base/err.def"
#undef LB_ERROR
};

static void test_every_error(void **state) {
    for (size_t i = 0; i < CHECK_COUNT(all); i++) {
        const struct lb_err_info *info = lb_err_info(all[i]);
        assert_int_equal(info->err, all[i]);
        assert_in_range(info->status, 300, 599);
        assert_true(strlen(info->s3_code) > 0 && strlen(info->text) > 0);
        assert_ptr_equal(lb_err_name(all[i]), info->name);
        assert_true(all[i] < -4095); /* the space of errno */
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(all[i], all[j]);
    }
}

static void test_errno(void **state) {
    static const struct {
        int from, to;
    } cases[] = {
        {-ENOSPC, LB_ERR_STORAGE_FULL}, {-EDQUOT, LB_ERR_STORAGE_FULL},
        {-EFBIG, LB_ERR_STORAGE_FULL},  {-EROFS, LB_ERR_READ_ONLY},
        {-ENOMEM, LB_ERR_SLOW_DOWN},    {-EMFILE, LB_ERR_SLOW_DOWN},
        {-ENFILE, LB_ERR_SLOW_DOWN},    {-ENOBUFS, LB_ERR_SLOW_DOWN},
        {-ECANCELED, LB_ERR_CANCELED},  {-EIO, LB_ERR_INTERNAL},
        {-9999, LB_ERR_INTERNAL},
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++)
        assert_int_equal(lb_err_info(cases[i].from)->err, cases[i].to);
    assert_string_equal(lb_err_name(-ENOSPC), "ENOSPC");
    assert_string_equal(lb_err_name(LB_ERR_NO_SUCH_KEY), "NO_SUCH_KEY");
    assert_string_equal(lb_err_name(-9999), "UNKNOWN");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_error),
        cmocka_unit_test(test_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
