#include "lib/check.h"

#include <errno.h>
#include <stdio.h>

#include "ctl/args.h"

static const struct lb_option global[] = {
    {"server", "HOST:PORT", "", NULL}, {"json", NULL, "", NULL}, {"help", NULL, "", NULL}, {0}};
static const struct lb_option own[] = {
    {"owner", "USER", "", NULL}, {"access", "ACCESS", "", "private public-read"}, {0}};
static const struct lb_option *const lists[] = {global, own};

static struct lb_args args;
static struct lb_buf why;

/* Parses the words of a line, which spaces separate. */
static int parse(bool with_words, const char *line) {
    static char copy[256];
    static char *argv[16];
    int argc = 0;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *s = copy; s && *line;)
        argv[argc++] = strsep(&s, " ");
    args = (struct lb_args){0};
    lb_buf_clear(&why);
    return lb_args_parse(lists, 2, with_words, argc, argv, &args, &why);
}

static void test_words_and_options_mix(void **state) {
    assert_int_equal(parse(true, "a --json --owner bob b --server=x:1 - -- --c"), 9);
    assert_int_equal(args.words_n, 4);
    assert_string_equal(args.words[0], "a");
    assert_string_equal(args.words[1], "b");
    assert_string_equal(args.words[2], "-");
    assert_string_equal(args.words[3], "--c");
    assert_string_equal(lb_args_value(&args, "owner"), "bob");
    assert_string_equal(lb_args_value(&args, "server"), "x:1");
    assert_string_equal(lb_args_value(&args, "json"), "");
    assert_null(lb_args_value(&args, "help"));
}

static void test_the_last_value_counts(void **state) {
    assert_int_equal(parse(true, "--owner=a --owner ="), 3);
    assert_string_equal(lb_args_value(&args, "owner"), "=");
    assert_int_equal(parse(true, "--owner="), 1);
    assert_string_equal(lb_args_value(&args, "owner"), "");
    assert_int_equal(parse(true, "--owner --json"), 2);
    assert_string_equal(lb_args_value(&args, "owner"), "--json");
    assert_null(lb_args_value(&args, "json"));
}

static void test_stops_at_the_first_word(void **state) {
    assert_int_equal(parse(false, "--json user --server x"), 1);
    assert_int_equal(args.words_n, 0);
    assert_int_equal(parse(false, ""), 0);
    assert_int_equal(parse(false, "-h"), 1);
    assert_non_null(lb_args_value(&args, "help"));
}

static void check_refused(const char *line, const char *reason) {
    assert_int_equal(parse(true, line), -EINVAL);
    check_slice(lb_buf_slice(&why), lb_slice_cstr(reason), "why", __FILE__, __LINE__);
}

static void test_mistakes_are_explained(void **state) {
    check_refused("--nope", "there is no option --nope");
    check_refused("a --nope=1", "there is no option --nope");
    check_refused("-x", "there is no option -x");
    check_refused("--own x", "there is no option --own");
    check_refused("--owner", "--owner needs a value: --owner USER");
    check_refused("--json=1", "--json takes no value");
    check_refused("--access all", "--access all: must be one of: private public-read");
    check_refused("--access public", "--access public: must be one of: private public-read");
    assert_int_equal(parse(true, "--access public-read"), 2);
}

static void test_too_many_options(void **state) {
    char *argv[40];
    for (int i = 0; i < 40; i++)
        argv[i] = "--json";
    args = (struct lb_args){0};
    lb_buf_clear(&why);
    assert_int_equal(lb_args_parse(lists, 2, true, 40, argv, &args, &why), -EINVAL);
    CHECK_SLICE(lb_buf_slice(&why), "too many options");
}

static void test_choices(void **state) {
    assert_true(lb_choices_have("on off", "on"));
    assert_true(lb_choices_have("on off", "off"));
    assert_false(lb_choices_have("on off", "o"));
    assert_false(lb_choices_have("on off", ""));
    assert_false(lb_choices_have("on off", "on off"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_and_options_mix),
        cmocka_unit_test(test_the_last_value_counts),
        cmocka_unit_test(test_stops_at_the_first_word),
        cmocka_unit_test(test_mistakes_are_explained),
        cmocka_unit_test(test_too_many_options),
        cmocka_unit_test(test_choices),
    };
    lb_buf_init(&why, 4096);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lb_buf_fini(&why);
    return failed;
}
