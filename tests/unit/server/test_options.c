/* The command line in its forms. */
#include "lib/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/options.h"

static char dir[] = "/tmp/lobos-options-XXXXXX";
static struct lb_config c;
static struct lb_options o;
static struct lb_buf why;

static void write_file(const char *name, const char *text) {
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int setup(void **state) {
    unsetenv("LOBOS_ACCESS_KEY");
    unsetenv("LOBOS_SECRET_KEY");
    unsetenv("LOBOS_BUCKETS");
    if (!mkdtemp(dir) || chdir(dir) < 0 || mkdir("data", 0700) < 0 || mkdir("other", 0700) < 0 ||
        lb_config_init(&c) < 0)
        return -1;
    write_file("a.cfg", "[lobos]\nport = 1000\n[filesystem]\ndirectory = data\n");
    write_file("-dir.cfg", "[lobos]\nport = 2000\n[filesystem]\ndirectory = data\n");
    write_file("one.cfg", "[filesystem]\ndirectory = data\nsingle_bucket = one\n");
    lb_buf_init(&why, 4096);
    return 0;
}

static int teardown(void **state) {
    lb_config_fini(&c);
    lb_buf_fini(&why);
    unlink("a.cfg");
    unlink("./-dir.cfg");
    unlink("one.cfg");
    rmdir("data");
    rmdir("other");
    return rmdir(dir);
}

/* Arguments separated by spaces. */
static int parse(const char *line) {
    static char text[512]; /* o borrows from it */
    char *argv[32] = {"lobos"};
    int argc = 1;
    snprintf(text, sizeof(text), "%s", line);
    for (char *rest = text, *arg; (arg = strsep(&rest, " ")) && argc < 31;)
        argv[argc++] = arg;
    lb_config_fini(&c);
    lb_buf_clear(&why);
    int err = lb_options_parse(argc, argv, &c, &o, &why);
    lb_buf_append(&why, lb_slice("", 1));
    return err;
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* -c names a file. */
static void test_file_form(void **state) {
    static const char *const lines[] = {
        "-c a.cfg",      "-ca.cfg",      "--config a.cfg",           "--config=a.cfg",
        "-t 2 -c a.cfg", "-c a.cfg -t2", "--set region=-d -c a.cfg", "--set region=--dir -ca.cfg"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_int_equal(parse(lines[i]), 0);
        assert_string_equal(o.config_path, "a.cfg");
        assert_int_equal(c.port, 1000);
        assert_int_equal(c.cores_n, 0);
        assert_false(o.single_dir);
    }
    assert_int_equal(parse("-c -dir.cfg"), 0);
    assert_int_equal(c.port, 2000);
    assert_int_equal(parse("-c-dir.cfg -p 3"), 0);
    assert_int_equal(c.port, 3);
    assert_int_equal(parse("-ec-dir.cfg"), 0);
    assert_int_equal(c.port, 2000);
    assert_int_equal(parse("-cdata.cfg"), -ENOENT);
    assert_int_equal(parse("--config -dir.cfg"), 0);
    assert_int_equal(c.port, 2000);
    assert_int_equal(parse("-c a.cfg --port 5 --set port=6"), 0); /* in their order */
    assert_int_equal(c.port, 6);
}

/* -c pins threads. */
static void test_dir_form(void **state) {
    static const char *const lines[] = {
        "--dir data -t 2 -c", "--dir=data -t2 -c",  "-d data -c -t 2",
        "-ddata -ct2",        "-c -t 2 -d data",    "-c -d data -t2",
        "-c --dir data -t2",  "-ec --dir=data -t2", "-d data -t 2 --pin-threads-to-cpus",
        "-t 2 -ced data",     "-t2 -cd data"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (parse(lines[i]) < 0)
            fail_msg("%s: %s", lines[i], why.ptr);
        assert_true(o.single_dir && ends_with(c.fs_directory, "/data"));
        assert_string_equal(c.fs_single_bucket, "data");
        assert_int_equal(c.http_threads, 2);
        assert_int_equal(c.cores_n, 2);
        assert_null(o.config_path);
    }
    assert_int_equal(parse("-d data -c"), 0);
    assert_int_equal(c.cores_n, c.http_threads);
    assert_int_equal(parse("-d data --config a.cfg -r 7"), 0);
    assert_int_equal(c.port, 1000);
    assert_int_equal(c.fs_index_refresh_sec, 7);
    assert_string_equal(c.fs_single_bucket, "data");
    assert_int_equal(parse("-d ./data/../data/ -t16"), 0);
    assert_string_equal(c.fs_single_bucket, "data");
    assert_int_equal(c.http_threads, 16);
    assert_int_equal(parse("-d /"), -EINVAL);
}

static void test_root_form(void **state) {
    assert_int_equal(parse("--root data"), 0);
    assert_true(ends_with(c.fs_directory, "/data"));
    assert_string_equal(c.fs_single_bucket, "");
    assert_int_equal(parse("--root data -c one.cfg"), 0); /* folders are the buckets */
    assert_string_equal(c.fs_single_bucket, "");
    assert_int_equal(parse("--dir data --root other"), 0);
    assert_true(ends_with(c.fs_directory, "/other"));
    assert_string_equal(c.fs_single_bucket, "");
    assert_false(o.single_dir);
}

static void test_volume_form(void **state) {
    assert_int_equal(parse("--volume v --size 100G -p 1"), 0);
    assert_string_equal(c.backend, "volume");
    assert_string_equal(c.volume_path, "v");
    assert_int_equal(c.volume_size, 100ull << 30);
    assert_int_equal(o.action, LB_OPTIONS_RUN);
    assert_int_equal(parse("--volume v --format-volume"), 0);
    assert_int_equal(o.action, LB_OPTIONS_FORMAT);
    assert_int_equal(parse("--volume v --root data"), 0); /* the last one counts */
    assert_string_equal(c.backend, "filesystem");
    assert_int_equal(parse("--volume v --size much"), -EINVAL);
}

static void test_actions(void **state) {
    assert_int_equal(parse("--help"), 0);
    assert_int_equal(o.action, LB_OPTIONS_HELP);
    assert_int_equal(parse("-h --nonsense"), 0);
    assert_int_equal(o.action, LB_OPTIONS_HELP);
    assert_int_equal(parse("--version"), 0);
    assert_int_equal(o.action, LB_OPTIONS_VERSION);
    assert_int_equal(parse("--check-config --root data"), 0);
    assert_int_equal(o.action, LB_OPTIONS_CHECK);
    assert_int_equal(parse("--root data --import-users old"), 0);
    assert_int_equal(o.action, LB_OPTIONS_IMPORT);
    assert_string_equal(o.import_dir, "old");
    assert_int_equal(parse("--root data --import-users"), -EINVAL);
}

static void test_mistakes(void **state) {
    static const struct {
        const char *line, *said;
    } cases[] = {
        {"--root", "--root: unknown option or missing value"},
        {"--root data --nonsense", "--nonsense: unknown option"},
        {"--root data -x", "-x: unknown option"},
        {"--root data stray", "stray"},
        {"--root data -ex -p 1", "-ex: unknown option"},
        {"-c", "-c: unknown option or missing value"},
        {"--root nowhere", "nowhere: No such file"},
        {"--dir nowhere", "nowhere: No such file"},
        {"-c nowhere.cfg", "nowhere.cfg: No such file"},
        {"-c data", "data: Is a directory"},
        {"--root data --set port", "--set port: must be KEY=VALUE"},
        {"--root data --set port=x", "port = x: must be a number"},
        {"--root data -t 1000", "http_threads = 1000"},
        {"--set port=1", "directory in [filesystem] is not set"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(parse(cases[i].line) < 0);
        if (!strstr(why.ptr, cases[i].said))
            fail_msg("%s: %s", cases[i].line, why.ptr);
        assert_int_equal(parse("--root data"), 0); /* nothing stays behind */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_form), cmocka_unit_test(test_dir_form),
        cmocka_unit_test(test_root_form), cmocka_unit_test(test_volume_form),
        cmocka_unit_test(test_actions),   cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
