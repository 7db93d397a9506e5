/* The section [users] of the configuration. */
#include "lib/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/config.h"

static struct lb_config c;
static struct lb_buf why;

static int setup(void **state) {
    lb_buf_init(&why, 4096);
    return lb_config_init(&c);
}

static int teardown(void **state) {
    lb_config_fini(&c);
    lb_buf_fini(&why);
    return 0;
}

/* Reads text as a file; text in why begins behind the file's name. */
static int read_text(const char *text) {
    char path[] = "/tmp/lobos-users-XXXXXX";
    int fd = mkstemp(path);
    struct lb_buf all;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    lb_config_fini(&c);
    assert_int_equal(lb_config_init(&c), 0);
    lb_buf_init(&all, 4096);
    int err = lb_config_read_file(&c, path, &all);
    lb_buf_clear(&why);
    lb_buf_append(&why, lb_slice_from(lb_buf_slice(&all), all.len ? strlen(path) : 0));
    lb_buf_fini(&all);
    unlink(path);
    return err;
}

static bool says(const char *text) {
    return lb_slice_find_slice(lb_buf_slice(&why), lb_slice_cstr(text)) >= 0;
}

static void test_users(void **state) {
    assert_int_equal(read_text("[users]\n# a comment\nalice = AKALICE:s3cr3t/+=:x\n"
                               "bob.b@example-1=AKBOB:b\n[lobos]\nport = 1\n"),
                     0);
    assert_int_equal(c.users_n, 2);
    assert_string_equal(c.users[0].name, "alice");
    assert_string_equal(c.users[0].access_key, "AKALICE");
    assert_string_equal(c.users[0].secret_key, "s3cr3t/+=:x");
    assert_string_equal(c.users[1].name, "bob.b@example-1");
    assert_string_equal(c.users[1].access_key, "AKBOB");
    assert_int_equal(c.port, 1);
    assert_int_equal(read_text("[users]\n"), 0);
    assert_int_equal(c.users_n, 0);
}

static void test_malformed(void **state) {
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"alice = AKALICE", "ACCESSKEY:SECRETKEY"},
        {"alice = :SECRET", "ACCESSKEY:SECRETKEY"},
        {"alice = AKALICE:", "ACCESSKEY:SECRETKEY"},
        {"alice =", "ACCESSKEY:SECRETKEY"},
        {"alice = AK ALICE:SECRET", "ACCESSKEY:SECRETKEY"},
        {"alice = AK/ALICE:SECRET", "ACCESSKEY:SECRETKEY"},
        {"alice = AK,ALICE:SECRET", "ACCESSKEY:SECRETKEY"},
        {"alice = AKALICE:SEC RET", "ACCESSKEY:SECRETKEY"},
        {"alice = AKALICE:SECR\xc3\xa9T", "ACCESSKEY:SECRETKEY"},
        {"al ice = AKALICE:SECRET", "a name is"},
        {"lobos = AKALICE:SECRET", "taken"},
        {"anonymous = AKALICE:SECRET", "taken"},
        {"carol = AKC:SECRET", "there twice"},
        {"dave = AKC:SECRET", "carol has the same access key"},
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        char text[256];
        snprintf(text, sizeof(text), "[users]\ncarol = AKC:x\n\n%s\nzoe = AKZ:z\n", cases[i].line);
        assert_int_equal(read_text(text), -EINVAL);
        assert_true(lb_slice_starts_with(lb_buf_slice(&why), LB_S(":4: ")));
        if (!says(cases[i].says) || says("SECRET\n") || says(":SECRET,") || says("SECRET "))
            fail_msg("%s: %.*s", cases[i].line, LB_SLICE_ARG(lb_buf_slice(&why)));
    }
}

static void test_lengths(void **state) {
    char name[66], key[130], text[400];
    memset(name, 'n', sizeof(name));
    memset(key, 'k', sizeof(key));
    name[64] = key[128] = '\0';
    snprintf(text, sizeof(text), "%s:%s", key, key);
    assert_int_equal(lb_config_add_user(&c, name, text, &why), 0);
    name[64] = 'n';
    name[65] = '\0';
    assert_int_equal(lb_config_add_user(&c, name, "a:b", &why), -EINVAL);
    key[128] = 'k';
    key[129] = '\0';
    snprintf(text, sizeof(text), "%s:b", key);
    assert_int_equal(lb_config_add_user(&c, "a", text, &why), -EINVAL);
    snprintf(text, sizeof(text), "b:%s", key);
    assert_int_equal(lb_config_add_user(&c, "a", text, &why), -EINVAL);
    assert_int_equal(c.users_n, 1);
}

static void test_needs_administrator(void **state) {
    assert_int_equal(lb_config_set(&c, "filesystem", "directory", "/tmp", &why), 0);
    assert_int_equal(lb_config_set(&c, NULL, "users.alice", "AK:x", &why), 0);
    assert_int_equal(lb_config_check(&c, &why), -EINVAL);
    assert_true(says("administrator"));
    assert_int_equal(lb_config_set(&c, "lobos", "access_key", "AK", &why), 0);
    assert_int_equal(lb_config_set(&c, "lobos", "secret_key", "y", &why), 0);
    lb_buf_clear(&why);
    assert_int_equal(lb_config_check(&c, &why), -EINVAL);
    assert_true(says("alice"));
    assert_int_equal(lb_config_set(&c, "lobos", "access_key", "MAIN", &why), 0);
    assert_int_equal(lb_config_check(&c, &why), 0);
    assert_true(c.auth);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_users),
        TEST(test_malformed),
        TEST(test_lengths),
        TEST(test_needs_administrator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
