/* The configuration: values of every kind, its text, what is wrong with it and where. */
#include "lib/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/config.h"

static struct lb_config c;
static struct lb_buf why;

static void clear_environment(void) {
    unsetenv("LOBOS_ACCESS_KEY");
    unsetenv("LOBOS_SECRET_KEY");
    unsetenv("LOBOS_BUCKETS");
}

static int setup(void **state) {
    clear_environment();
    lb_buf_init(&why, 65536);
    return lb_config_init(&c);
}

static int teardown(void **state) {
    lb_config_fini(&c);
    lb_buf_fini(&why);
    return 0;
}

static const char *said(void) {
    lb_buf_append(&why, lb_slice("", 1));
    return why.ptr;
}

static void start_anew(void) {
    lb_config_fini(&c);
    lb_buf_clear(&why);
    assert_int_equal(lb_config_init(&c), 0);
}

static int read_bytes(const char *text, size_t len) {
    start_anew();
    return lb_config_read_text(&c, "x.cfg", lb_slice(text, len), &why);
}

static int read_text(const char *text) {
    return read_bytes(text, strlen(text));
}

static int set(const char *name, const char *value) {
    lb_buf_clear(&why);
    return lb_config_set(&c, NULL, name, value, &why);
}

static void test_sizes(void **state) {
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {{"16777216", 16777216}, {"16384K", 1 << 24}, {"16M", 1 << 24},
                {"16m", 1 << 24},       {"16MB", 1 << 24},   {"16MiB", 1 << 24},
                {"2G", 1ull << 31},     {"16T", 1ull << 44}};
    static const char *const bad[] = {"",
                                      "M",
                                      "16",
                                      "-16M",
                                      "1.5G",
                                      "16 M",
                                      "16X",
                                      "16MiBB",
                                      "17T",
                                      "B",
                                      "iB",
                                      "0x1000000",
                                      "16E",
                                      "99999999999999999999",
                                      "18014398509481984K"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(set("max_memory", good[i].text), 0);
        assert_int_equal(c.max_memory, good[i].value);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(set("max_memory", bad[i]), -EINVAL);
        assert_non_null(strstr(said(), "max_memory = "));
        assert_int_equal(c.max_memory, 1ull << 44);
    }
}

static void test_other_kinds(void **state) {
    static const char *const yes[] = {"true", "yes", "on", "1", "TRUE"};
    static const char *const no[] = {"false", "no", "off", "0", "Off"};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(set("access_log", yes[i]), 0);
        assert_true(c.access_log);
        assert_int_equal(set("access_log", no[i]), 0);
        assert_false(c.access_log);
    }
    assert_int_equal(set("access_log", ""), -EINVAL);
    assert_int_equal(set("port", "65535"), 0);
    assert_int_equal(set("lobos.port", "1"), 0);
    assert_int_equal(set("entry.port", "2"), 0);
    assert_int_equal(c.port, 2);
    assert_int_equal(set("port", "65536"), -EINVAL);
    assert_int_equal(set("port", "+1"), -EINVAL);
    assert_int_equal(set("port", ""), -EINVAL);
    assert_int_equal(set("filesystem.port", "1"), -EINVAL);
    assert_int_equal(set("listen_ip", "::1"), 0);
    assert_int_equal(set("listen_ip", "localhost"), -EINVAL);
    assert_int_equal(set("backend", "tape"), -EINVAL);
    assert_int_equal(set("log_level", "debug"), 0); /* [lobos] comes before [spdk_blobstore] */
    assert_string_equal(c.log_level, "debug");
    assert_string_equal(c.spdk_log_level, "none");
    assert_int_equal(set("", "x"), -EINVAL);
    assert_int_equal(set(".", "x"), -EINVAL);
    assert_int_equal(set("lobos.", "x"), -EINVAL);
}

static void test_cores(void **state) {
    assert_int_equal(set("http_threads_cores", "1-3,7, 9-9"), 0);
    assert_int_equal(c.cores_n, 5);
    assert_int_equal(c.cores[3], 7);
    assert_int_equal(set("http_threads_cores", ""), 0);
    assert_int_equal(c.cores_n, 0);
    static const char *const bad[] = {"a",    "1-",   "-1",    "3-1",
                                      "1,,2", "1024", "0-256", "1-18446744073709551615"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(set("http_threads_cores", bad[i]), -EINVAL);
}

static void test_text(void **state) {
    assert_int_equal(read_text("\xef\xbb\xbf# a comment\r\n\r\n[lobos]\r\n  port = 9 ; of old\r\n"
                               "\tlisten_ip=::1\n region = eu;west \n; another\n"
                               "domain =\n access_key = a=b#c\n secret_key = d\n"
                               "[filesystem] ; files\ndirectory = /a b/c\n"
                               "[users]\nann = key:secret\n[lobos]\nlog_level = warn"),
                     0);
    assert_int_equal(c.port, 9);
    assert_string_equal(c.listen_ip, "::1");
    assert_string_equal(c.region, "eu;west");
    assert_string_equal(c.domain, "");
    assert_string_equal(c.access_key, "a=b#c");
    assert_string_equal(c.fs_directory, "/a b/c");
    assert_string_equal(c.log_level, "warn");
    assert_int_equal(c.users_n, 1);
    assert_string_equal(c.users[0].secret_key, "secret");
    assert_int_equal(read_text(""), 0);
    assert_int_equal(read_text("\n\n[lobos]"), 0);
}

/* Every mistake says where. */
static void test_mistakes(void **state) {
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"[lobos]\nport = 80\n\nprot = 1\n", "x.cfg:4: unknown key prot"},
        {"[lobos]\nport = many\n", "x.cfg:2: port = many: must be a number from 0 to 65535"},
        {"port = 80\n", "x.cfg:1: port stands before any section"},
        {"[lobos]\n[network]\n", "x.cfg:2: unknown section [network]"},
        {"[]\n", "x.cfg:1: unknown section []"},
        {"[lobos\n", "x.cfg:1: is neither"},
        {"[lobos]\nport\n", "x.cfg:2: is neither"},
        {"[lobos]\n= 1\n", "x.cfg:2: unknown key"},
        {"[lobos]\nport = 1\nregion = a\nport = 2\n", "x.cfg:4: port is set in line 2 already"},
        {"[lobos]\nport = 1\n[entry]\nport = 1\n", "x.cfg:4: port is set in line 2 already"},
        {"[lobos]\nlisten_ip = here\n", "x.cfg:2: listen_ip = here: must be an IP"},
        {"[lobos]\nhttp_threads_cores = x\n", "x.cfg:2: http_threads_cores = x: must be like"},
        {"[lobos]\nbackend = tape\n", "x.cfg:2: backend = tape: must be one of"},
        {"[lobos]\ndurability = SYNC\n", "x.cfg:2: durability = SYNC: must be one of"},
        {"[users]\nann = secretonly\n", "x.cfg:2: [users] ann: must be ACCESSKEY:SECRETKEY"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(read_text(cases[i].text), -EINVAL);
        if (!strstr(said(), cases[i].said))
            fail_msg("%s, not %s", why.ptr, cases[i].said);
    }
    assert_int_equal(read_bytes("[lobos]\nregion = a\0b\n", 21), -EINVAL);
    assert_non_null(strstr(said(), "x.cfg:2: holds a NUL"));
    char line[6000] = "[lobos]\nregion = ";
    memset(line + strlen(line), 'x', 4200);
    assert_int_equal(read_text(line), -EINVAL);
    assert_non_null(strstr(said(), "x.cfg:2: the line is too long"));
    assert_int_equal(read_text("[users]\nann = key:very secret\n"), -EINVAL);
    assert_null(strstr(said(), "very"));
}

static void test_files(void **state) {
    char path[] = "/tmp/lobos-config-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "[lobos]\nport = 7\n", 17), 17);
    close(fd);
    assert_int_equal(lb_config_read_file(&c, path, &why), 0);
    assert_int_equal(c.port, 7);
    unlink(path);
    assert_int_equal(lb_config_read_file(&c, path, &why), -ENOENT);
    assert_non_null(strstr(said(), "No such file"));
    lb_buf_clear(&why);
    assert_int_equal(lb_config_read_file(&c, "/tmp", &why), -EISDIR);
    assert_non_null(strstr(said(), "/tmp: "));
}

static void test_environment(void **state) {
    assert_int_equal(set("access_key", "a"), 0);
    setenv("LOBOS_ACCESS_KEY", "", 1); /* as good as absent */
    setenv("LOBOS_SECRET_KEY", "s", 1);
    setenv("LOBOS_BUCKETS", "x,y", 1);
    assert_int_equal(lb_config_read_environment(&c, &why), 0);
    assert_string_equal(c.access_key, "a");
    assert_string_equal(c.secret_key, "s");
    assert_string_equal(c.buckets, "x,y");
    clear_environment();
}

static int check_with(const char *text) {
    char all[1024];
    snprintf(all, sizeof(all), "[filesystem]\ndirectory = /tmp\n[lobos]\n%s", text);
    assert_int_equal(read_text(all), 0);
    return lb_config_check(&c, &why);
}

static void test_check(void **state) {
    assert_int_equal(check_with(""), 0);
    assert_false(c.auth);
    assert_in_range(c.http_threads, 1, 8);
    assert_int_equal(check_with("access_key = a\nsecret_key = b\nlisten_ip = 0.0.0.0\n"), 0);
    assert_true(c.auth);
    assert_int_equal(check_with("auth_enabled = true\nlisten_ip = 0.0.0.0\n"), 0);
    assert_true(c.auth);
    assert_int_equal(check_with("http_threads_cores = 0-3\n"), 0);
    assert_int_equal(c.http_threads, 4);
    static const char *const bad[] = {
        "listen_ip = 0.0.0.0\n",
        "listen_ip = ::\n",
        "listen_ip = 0.0.0.0\naccess_key = a\nsecret_key = b\nauth_enabled = false\n",
        "access_key = a\n",
        "secret_key = a\n",
        "tls_key = a\n",
        "backend = spdk_blobstore\n",
        "backend = volume\n",
        "http_threads = 3\nhttp_threads_cores = 0-3\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(check_with(bad[i]), -EINVAL);
        assert_true(why.len > 0);
    }
    char text[300] = "secret_key = b\naccess_key = ";
    memset(text + strlen(text), 'a', 150);
    assert_int_equal(check_with(text), -EINVAL);
    start_anew();
    assert_int_equal(lb_config_check(&c, &why), -EINVAL);
    assert_non_null(strstr(said(), "directory in [filesystem] is not set"));
}

static void test_volume(void **state) {
    assert_int_equal(read_text("[lobos]\nbackend = volume\n[volume]\n"
                               "path = /dev/sdx\nsize = 100G\n"),
                     0);
    assert_int_equal(lb_config_check(&c, &why), 0);
    assert_true(lb_config_is_volume(&c));
    assert_string_equal(lb_config_storage(&c), "/dev/sdx");
    assert_int_equal(c.volume_size, 100ull << 30);
    assert_int_equal(set("volume.path", ""), 0);
    assert_int_equal(lb_config_check(&c, &why), -EINVAL);
    assert_non_null(strstr(said(), "path in [volume] is not set"));
    assert_int_equal(set("volume.size", "big"), -EINVAL);
}

static void test_addresses(void **state) {
    char text[64];
    assert_true(lb_config_is_loopback("127.0.0.1") && lb_config_is_loopback("127.9.9.9"));
    assert_true(lb_config_is_loopback("::1"));
    assert_false(lb_config_is_loopback("128.0.0.1") || lb_config_is_loopback("::") ||
                 lb_config_is_loopback("0.0.0.0") || lb_config_is_loopback(""));
    lb_config_address(&c, (unsigned)c.port, text, sizeof(text));
    assert_string_equal(text, "127.0.0.1:8080");
    assert_int_equal(set("listen_ip", "::1"), 0);
    lb_config_address(&c, (unsigned)c.port, text, sizeof(text));
    assert_string_equal(text, "[::1]:8080");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_sizes),    CASE(test_other_kinds), CASE(test_cores),       CASE(test_text),
        CASE(test_mistakes), CASE(test_files),       CASE(test_environment), CASE(test_check),
        CASE(test_volume),   CASE(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
