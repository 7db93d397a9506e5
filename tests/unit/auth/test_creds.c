#include "request.h"

#include <errno.h>

static int add(struct lb_creds *c, const char *access, const char *secret) {
    struct lb_cred cred = {0};
    snprintf(cred.access_key, sizeof(cred.access_key), "%s", access);
    snprintf(cred.secret_key, sizeof(cred.secret_key), "%s", secret);
    return lb_creds_add(c, &cred);
}

static void finds_what_was_added(void **state) {
    struct lb_creds *c = lb_creds_new();
    char name[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "key-%d", i);
        assert_int_equal(add(c, name, name + 4), 0);
    }
    assert_int_equal(lb_creds_len(c), 1000);
    const struct lb_cred *found = lb_creds_find(c, LB_S("key-777"));
    assert_non_null(found);
    assert_string_equal(found->secret_key, "777");
    assert_null(lb_creds_find(c, LB_S("key-1000")));
    assert_null(lb_creds_find(c, LB_S("key-")));
    assert_null(lb_creds_find(c, LB_S("")));
    lb_creds_unref(c);
    lb_creds_unref(NULL);
}

static void refuses_twice_the_same_key(void **state) {
    struct lb_creds *c = lb_creds_new();
    assert_int_equal(add(c, "a", "1"), 0);
    assert_int_equal(add(c, "a", "2"), -EEXIST);
    assert_string_equal(lb_creds_find(c, LB_S("a"))->secret_key, "1");
    lb_creds_unref(c);
}

static void refuses_what_cannot_be_sent(void **state) {
    struct lb_creds *c = lb_creds_new();
    assert_int_equal(add(c, "", "s"), -EINVAL);
    assert_int_equal(add(c, "a", ""), -EINVAL);
    assert_int_equal(add(c, "a b", "s"), -EINVAL);
    assert_int_equal(add(c, "a,b", "s"), -EINVAL);
    assert_int_equal(add(c, "a\n", "s"), -EINVAL);
    assert_int_equal(add(c, "\xc3\xa9", "s"), -EINVAL);
    assert_int_equal(add(c, "a", "s\x01"), -EINVAL);
    assert_int_equal(add(c, "a", "with spaces is fine"), 0);
    struct lb_cred unterminated = {.secret_key = "s"};
    memset(unterminated.access_key, 'a', sizeof(unterminated.access_key));
    assert_int_equal(lb_creds_add(c, &unterminated), -EINVAL);
    assert_int_equal(lb_creds_len(c), 1);
    lb_creds_unref(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added),
        cmocka_unit_test(refuses_twice_the_same_key),
        cmocka_unit_test(refuses_what_cannot_be_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
