#include "lib/check.h"

#include <errno.h>

#include "ctl/table.h"

static const char *const heads[] = {"NAME", "N", "WHAT"};

static void check_prints(struct lb_table *t, const char *text) {
    struct lb_buf out;
    lb_buf_init(&out, 1 << 16);
    lb_table_print(t, &out);
    assert_int_equal(out.err, 0);
    check_slice(lb_buf_slice(&out), lb_slice_cstr(text), "the output", __FILE__, __LINE__);
    lb_buf_fini(&out);
    lb_table_fini(t);
}

static void test_columns(void **state) {
    struct lb_table t;
    lb_table_init(&t, heads, "lrl");
    lb_table_cell(&t, "a");
    lb_table_cellf(&t, "%d", 5);
    lb_table_cell(&t, "first");
    lb_table_cell(&t, "longer name");
    lb_table_cellf(&t, "%d", 12345);
    lb_table_cell(&t, "");
    assert_int_equal(t.rows_n, 2);
    check_prints(&t, "NAME             N  WHAT\n"
                     "a                5  first\n"
                     "longer name  12345\n");
}

static void test_without_heads(void **state) {
    struct lb_table t;
    lb_table_init(&t, NULL, "ll");
    lb_table_cell(&t, "name");
    lb_table_cell(&t, "value");
    lb_table_cell(&t, "");
    lb_table_cell(&t, "more");
    check_prints(&t, "name  value\n      more\n");
}

static void test_no_rows(void **state) {
    struct lb_table t;
    lb_table_init(&t, heads, "lrl");
    check_prints(&t, "NAME  N  WHAT\n");
}

/* Width counts characters; what could play with the terminal is shown, not sent. */
static void test_foreign_text(void **state) {
    struct lb_table t;
    lb_table_init(&t, NULL, "ll");
    lb_table_cell(&t, "\xc3\xa9\xc3\xa9");
    lb_table_cell(&t, "1");
    lb_table_cell(&t, "abc");
    lb_table_cell(&t, "2");
    lb_table_cell(&t, "\x1b[2J\n");
    lb_table_cell(&t, "\xff\xc2\x9b\x7f");
    check_prints(&t, "\xc3\xa9\xc3\xa9           1\n"
                     "abc          2\n"
                     "\\x1b[2J\\x0a  \\xff\\xc2\\x9b\\x7f\n");
}

static void test_a_full_output_is_an_error(void **state) {
    struct lb_table t;
    struct lb_buf out;
    lb_table_init(&t, heads, "lrl");
    lb_buf_init(&out, 4);
    lb_table_print(&t, &out);
    assert_int_equal(out.err, -EMSGSIZE);
    lb_buf_fini(&out);
    lb_table_fini(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_without_heads),
        cmocka_unit_test(test_no_rows),
        cmocka_unit_test(test_foreign_text),
        cmocka_unit_test(test_a_full_output_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
