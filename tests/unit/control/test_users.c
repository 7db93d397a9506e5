/* Users, keys and grants: what each change does, refuses and keeps over a restart. */
#include "users_helper.h"

#include <time.h>

static struct sim_fs *fs;
static struct lb_users *u;
static struct lb_buf why;

static int setup(void **state) {
    const struct sim_fs_conf conf = {.seed = 1};
    fs = sim_fs_new(&conf);
    u = users_open(fs, NULL);
    lb_buf_init(&why, 4096);
    return 0;
}

static int teardown(void **state) {
    lb_users_free(u);
    lb_buf_fini(&why);
    assert_int_equal(sim_fs_open_count(fs), 0);
    sim_fs_free(fs);
    return 0;
}

static void restart(void) {
    lb_users_free(u);
    u = users_open(fs, NULL);
}

/* The call failed with err, and said why. */
static void refused(int actual, int err) {
    assert_int_equal(actual, err);
    assert_true(why.len > 0);
    lb_buf_clear(&why);
}

static void test_create(void **state) {
    const struct lb_key_spec any = {0};
    struct lb_user user;
    struct lb_new_key key;
    assert_int_equal(lb_users_create(u, LB_S("alice"), true, &any, &user, &key, &why), 0);
    assert_string_equal(user.name, "alice");
    assert_true(user.admin && !user.fixed && user.created_s > 0);
    assert_int_equal(user.keys_n, 1);
    assert_string_equal(user.keys[0].access_key, key.key.access_key);
    assert_string_equal(key.user, "alice");
    assert_int_equal(strlen(key.key.access_key), 20);
    assert_int_equal(strlen(key.secret_key), 40);
    lb_user_fini(&user);
    const struct lb_cred *cred = users_cred(u, key.key.access_key);
    assert_non_null(cred);
    assert_string_equal(cred->secret_key, key.secret_key);
    assert_string_equal(cred->user_id, "alice");
    assert_true(cred->admin);
    restart();
    cred = users_cred(u, key.key.access_key);
    assert_non_null(cred);
    assert_string_equal(cred->secret_key, key.secret_key);
    assert_int_equal(lb_users_count(u), 1);
}

static void test_create_refused(void **state) {
    static const char *const names[] = {"",    ".",   "..",  "lobos",   "anonymous",
                                        "a/b", "a b", "a\n", "\xc3\xa9"};
    static const char *const keys[] = {"a,b", "a/b", "a b", "\x7f"};
    struct lb_new_key key;
    char too_long[LB_USER_NAME_MAX + 2];
    memset(too_long, 'n', sizeof(too_long));
    for (size_t i = 0; i < CHECK_COUNT(names); i++)
        refused(lb_users_create(u, lb_slice_cstr(names[i]), false, NULL, NULL, NULL, &why),
                -EINVAL);
    refused(
        lb_users_create(u, lb_slice(too_long, LB_USER_NAME_MAX + 1), false, NULL, NULL, NULL, &why),
        -EINVAL);
    for (size_t i = 0; i < CHECK_COUNT(keys); i++) {
        const struct lb_key_spec bad_key = {.access_key = lb_slice_cstr(keys[i])};
        const struct lb_key_spec bad_secret = {.secret_key = LB_S("two words")};
        refused(lb_users_create(u, LB_S("u"), false, &bad_key, NULL, &key, &why), -EINVAL);
        refused(lb_users_create(u, LB_S("u"), false, &bad_secret, NULL, &key, &why), -EINVAL);
    }
    const struct lb_key_spec past = {.expires_s = 1};
    refused(lb_users_create(u, LB_S("u"), false, &past, NULL, &key, &why), -EINVAL);
    assert_int_equal(users_add(u, "alice", "KEY"), 0);
    refused(lb_users_create(u, LB_S("alice"), false, NULL, NULL, NULL, &why), -EEXIST);
    assert_int_equal(users_add(u, "bob", "KEY"), -EEXIST);
    assert_int_equal(
        lb_users_create(u, lb_slice(too_long, LB_USER_NAME_MAX), false, NULL, NULL, NULL, &why), 0);
    assert_int_equal(lb_users_count(u), 2);
}

static void test_delete(void **state) {
    assert_int_equal(users_add(u, "alice", "KEY"), 0);
    refused(lb_users_delete(u, LB_S("bob"), true, &why), -ENOENT);
    refused(lb_users_delete(u, LB_S("alice"), false, &why), -EBUSY);
    assert_non_null(users_cred(u, "KEY"));
    assert_int_equal(lb_users_delete(u, LB_S("alice"), true, &why), 0);
    assert_null(users_cred(u, "KEY"));
    assert_int_equal(lb_users_create(u, LB_S("bare"), false, NULL, NULL, NULL, &why), 0);
    restart();
    assert_int_equal(lb_users_delete(u, LB_S("bare"), false, &why), 0);
    assert_int_equal(lb_users_count(u), 0);
    assert_int_equal(users_add(u, "bob", "KEY"), 0);
}

static void test_admin(void **state) {
    struct lb_user user;
    assert_int_equal(users_add(u, "alice", "KEY"), 0);
    uint64_t epoch = users_cred(u, "KEY")->epoch;
    refused(lb_users_set_admin(u, LB_S("bob"), true, NULL, &why), -ENOENT);
    assert_int_equal(lb_users_set_admin(u, LB_S("alice"), true, &user, &why), 0);
    assert_true(user.admin);
    lb_user_fini(&user);
    assert_true(users_cred(u, "KEY")->admin);
    assert_int_equal(users_cred(u, "KEY")->epoch, epoch); /* derived keys stay good */
    restart();
    assert_true(users_cred(u, "KEY")->admin);
    assert_int_equal(lb_users_set_admin(u, LB_S("alice"), false, NULL, &why), 0);
    assert_false(users_cred(u, "KEY")->admin);
}

static void test_keys(void **state) {
    const struct lb_key_spec first = {.access_key = LB_S("KEY"), .secret_key = LB_S("s")};
    const struct lb_key_spec second = {.access_key = LB_S("B"), .expires_s = time(NULL) + 1000};
    struct lb_new_key key;
    struct lb_user user;
    assert_int_equal(users_add(u, "alice", "KEY"), 0);
    assert_int_equal(users_add(u, "bob", "BOBS"), 0);
    refused(lb_users_key_create(u, LB_S("alice"), &first, &key, &why), -EALREADY);
    refused(lb_users_key_create(u, LB_S("bob"), &first, &key, &why), -EEXIST);
    refused(lb_users_key_create(u, LB_S("carol"), &first, &key, &why), -ENOENT);
    assert_int_equal(lb_users_key_create(u, LB_S("alice"), &second, &key, &why), 0);
    assert_int_equal(lb_users_get(u, LB_S("alice"), &user), 0);
    assert_int_equal(user.keys_n, 2);
    assert_string_equal(user.keys[0].access_key, "B");
    assert_string_equal(user.keys[1].access_key, "KEY");
    lb_user_fini(&user);
    restart();
    assert_string_equal(users_cred(u, "B")->user_id, "alice");
    assert_int_equal(users_cred(u, "B")->expires_s, second.expires_s);
    refused(lb_users_key_delete(u, LB_S("bob"), LB_S("B"), &why), -ENOENT);
    refused(lb_users_key_delete(u, LB_S(""), LB_S("NONE"), &why), -ENOENT);
    assert_int_equal(lb_users_key_delete(u, LB_S("alice"), LB_S("B"), &why), 0);
    assert_int_equal(lb_users_key_delete(u, LB_S(""), LB_S("BOBS"), &why), 0);
    assert_null(users_cred(u, "B"));
    assert_null(users_cred(u, "BOBS"));
    assert_int_equal(lb_users_count(u), 2);
}

static void test_too_many_keys(void **state) {
    const struct lb_key_spec any = {0};
    struct lb_new_key key;
    assert_int_equal(users_add(u, "alice", "KEY"), 0);
    for (unsigned i = 1; i < LB_USER_KEYS_MAX; i++)
        assert_int_equal(lb_users_key_create(u, LB_S("alice"), &any, &key, &why), 0);
    refused(lb_users_key_create(u, LB_S("alice"), &any, &key, &why), -E2BIG);
    restart();
    refused(lb_users_key_create(u, LB_S("alice"), &any, &key, &why), -E2BIG);
}

static void test_set_key(void **state) {
    const bool yes = true, no = false;
    const int64_t then = 2000000000, never = 0, wrong = -1;
    struct lb_user_key shown;
    char name[LB_USER_NAME_MAX + 1];
    assert_int_equal(users_add(u, "alice", "KEY"), 0);
    refused(lb_users_key_set(u, LB_S("NONE"), &yes, NULL, NULL, NULL, &why), -ENOENT);
    refused(lb_users_key_set(u, LB_S("KEY"), NULL, &wrong, NULL, NULL, &why), -EINVAL);
    assert_int_equal(lb_users_key_set(u, LB_S("KEY"), &yes, &then, name, &shown, &why), 0);
    assert_string_equal(name, "alice");
    assert_true(shown.disabled && shown.expires_s == then);
    restart();
    assert_true(users_cred(u, "KEY")->disabled && users_cred(u, "KEY")->expires_s == then);
    assert_int_equal(lb_users_key_set(u, LB_S("KEY"), &no, NULL, NULL, NULL, &why), 0);
    assert_true(!users_cred(u, "KEY")->disabled && users_cred(u, "KEY")->expires_s == then);
    assert_int_equal(lb_users_key_set(u, LB_S("KEY"), NULL, &never, NULL, NULL, &why), 0);
    assert_int_equal(users_cred(u, "KEY")->expires_s, 0);
}

static void test_rotate(void **state) {
    struct lb_new_key key, next;
    int64_t now_s = time(NULL);
    assert_int_equal(users_add(u, "alice", "KEY"), 0);
    refused(lb_users_key_rotate(u, LB_S("NONE"), 0, &key, &why), -ENOENT);
    refused(lb_users_key_rotate(u, LB_S("KEY"), -1, &key, &why), -EINVAL);
    assert_int_equal(lb_users_key_rotate(u, LB_S("KEY"), 60, &key, &why), 0);
    assert_string_equal(key.user, "alice");
    assert_true(users_cred(u, "KEY")->expires_s >= now_s + 60);
    assert_true(users_cred(u, "KEY")->expires_s <= now_s + 120);
    int64_t end_s = users_cred(u, "KEY")->expires_s;
    assert_int_equal(lb_users_key_rotate(u, LB_S("KEY"), 6000, &next, &why), 0);
    assert_int_equal(users_cred(u, "KEY")->expires_s, end_s); /* not later than it was */
    assert_int_equal(lb_users_key_rotate(u, lb_slice_cstr(key.key.access_key), 0, &next, &why), 0);
    assert_null(users_cred(u, key.key.access_key));
    assert_non_null(users_cred(u, next.key.access_key));
    const int64_t past = 1;
    assert_int_equal(lb_users_key_set(u, LB_S("KEY"), NULL, &past, NULL, NULL, &why), 0);
    assert_int_equal(lb_users_key_rotate(u, lb_slice_cstr(next.key.access_key), 9, &key, &why), 0);
    assert_null(users_cred(u, "KEY")); /* it had expired */
}

static void test_secret_changes_epoch(void **state) {
    assert_int_equal(users_add(u, "alice", "KEY"), 0);
    uint64_t epoch = users_cred(u, "KEY")->epoch;
    assert_int_equal(lb_users_key_delete(u, LB_S(""), LB_S("KEY"), &why), 0);
    const struct lb_key_spec spec = {.access_key = LB_S("KEY"), .secret_key = LB_S("other")};
    struct lb_new_key key;
    assert_int_equal(lb_users_key_create(u, LB_S("alice"), &spec, &key, &why), 0);
    assert_true(users_cred(u, "KEY")->epoch != epoch);
}

static void test_grants(void **state) {
    static const char *const wrong[] = {"", "a/b", "a**", "*a", "a b"};
    struct lb_user user;
    assert_int_equal(users_add(u, "alice", "KEY"), 0);
    for (size_t i = 0; i < CHECK_COUNT(wrong); i++)
        refused(lb_users_set_grant(u, LB_S("alice"), lb_slice_cstr(wrong[i]), 1, NULL, &why),
                -EINVAL);
    refused(lb_users_set_grant(u, LB_S("alice"), LB_S("b"), 16, NULL, &why), -EINVAL);
    refused(lb_users_set_grant(u, LB_S("bob"), LB_S("b"), 1, NULL, &why), -ENOENT);
    assert_int_equal(lb_users_set_grant(u, LB_S("alice"), LB_S("b"), 3, NULL, &why), 0);
    assert_int_equal(lb_users_set_grant(u, LB_S("alice"), LB_S("team-*"), 4, NULL, &why), 0);
    assert_int_equal(lb_users_set_grant(u, LB_S("alice"), LB_S("*"), 1, &user, &why), 0);
    assert_int_equal(user.grants_n, 3);
    assert_string_equal(user.grants[0].pattern, "*");
    assert_string_equal(user.grants[2].pattern, "team-*");
    lb_user_fini(&user);
    restart();
    const struct lb_cred *cred = users_cred(u, "KEY");
    assert_int_equal(lb_cred_rights(cred, LB_S("b")), 3);
    assert_int_equal(lb_cred_rights(cred, LB_S("team-a")), 5);
    assert_int_equal(lb_cred_rights(cred, LB_S("team")), 1);
    assert_int_equal(lb_users_set_grant(u, LB_S("alice"), LB_S("b"), 8, NULL, &why), 0);
    assert_int_equal(lb_users_set_grant(u, LB_S("alice"), LB_S("*"), 0, NULL, &why), 0);
    assert_int_equal(lb_users_set_grant(u, LB_S("alice"), LB_S("none"), 0, &user, &why), 0);
    assert_int_equal(user.grants_n, 2);
    lb_user_fini(&user);
    assert_int_equal(lb_cred_rights(users_cred(u, "KEY"), LB_S("b")), 8);
    assert_int_equal(lb_cred_rights(users_cred(u, "KEY"), LB_S("c")), 0);
}

static void test_too_many_grants(void **state) {
    char pattern[32];
    assert_int_equal(users_add(u, "alice", "KEY"), 0);
    for (unsigned i = 0; i <= LB_GRANTS_MAX; i++) {
        snprintf(pattern, sizeof(pattern), "bucket-%u", i);
        int err = lb_users_set_grant(u, LB_S("alice"), lb_slice_cstr(pattern), 1, NULL, &why);
        assert_int_equal(err, i < LB_GRANTS_MAX ? 0 : -E2BIG);
    }
    assert_int_equal(lb_users_set_grant(u, LB_S("alice"), LB_S("bucket-0"), 2, NULL, &why), 0);
    restart();
    assert_int_equal(users_cred(u, "KEY")->grants_n, LB_GRANTS_MAX);
}

static void check_list(const char *prefix, const char *after, size_t limit, const char *names,
                       bool more) {
    struct lb_user_list list;
    struct lb_buf text;
    lb_buf_init(&text, 4096);
    assert_int_equal(lb_users_list(u, lb_slice_cstr(prefix), lb_slice_cstr(after), limit, &list),
                     0);
    for (size_t i = 0; i < list.n; i++)
        lb_buf_printf(&text, "%s ", list.users[i].name);
    lb_buf_append_char(&text, '\0');
    assert_string_equal(text.ptr, names);
    assert_int_equal(list.more, more);
    lb_user_list_fini(&list);
    lb_buf_fini(&text);
}

static void test_list(void **state) {
    static const char *const names[] = {"team-b", "alice", "team", "team-a", "zed"};
    check_list("", "", 10, "", false);
    for (size_t i = 0; i < CHECK_COUNT(names); i++)
        assert_int_equal(users_add(u, names[i], names[i]), 0);
    check_list("", "", 10, "alice team team-a team-b zed ", false);
    check_list("", "", 2, "alice team ", true);
    check_list("", "team", 2, "team-a team-b ", true);
    check_list("", "team-b", 2, "zed ", false);
    check_list("", "b", 2, "team team-a ", true);
    check_list("team-", "", 10, "team-a team-b ", false);
    check_list("team-", "", 1, "team-a ", true);
    check_list("team-", "team-a", 1, "team-b ", false);
    check_list("team-", "z", 1, "", false);
    check_list("x", "", 1, "", false);
}

static void test_fixed(void **state) {
    static const struct lb_users_fixed fixed[] = {{"lobos", "ROOT", "root-secret", true},
                                                  {"bob", "BOBS", "bobs-secret", false}};
    static const struct lb_users_fixed twice[] = {{"alice", "OTHER", "s", false}};
    static const struct lb_users_fixed same_key[] = {{"other", "KEY", "s", false}};
    const struct lb_users_conf conf = {.fixed = fixed, .fixed_n = 2};
    const struct lb_users_conf wrong[] = {{.fixed = twice, .fixed_n = 1},
                                          {.fixed = same_key, .fixed_n = 1}};
    const bool yes = true;
    struct lb_new_key key;
    struct lb_user user;
    assert_int_equal(users_add(u, "alice", "KEY"), 0);
    for (size_t i = 0; i < CHECK_COUNT(wrong); i++) {
        lb_users_free(u);
        u = NULL;
        refused(users_open_with(fs, &wrong[i], &why, &u), -EEXIST);
    }
    assert_int_equal(users_open_with(fs, &conf, &why, &u), 0);
    assert_int_equal(lb_users_count(u), 3);
    assert_int_equal(lb_users_get(u, LB_S("bob"), &user), 0);
    assert_true(user.fixed && !user.admin && user.keys_n == 1);
    lb_user_fini(&user);
    assert_true(users_cred(u, "ROOT")->admin);
    const struct lb_key_spec any = {0};
    refused(lb_users_delete(u, LB_S("bob"), true, &why), -EPERM);
    refused(lb_users_set_admin(u, LB_S("bob"), true, NULL, &why), -EPERM);
    refused(lb_users_set_grant(u, LB_S("bob"), LB_S("b"), 1, NULL, &why), -EPERM);
    refused(lb_users_key_create(u, LB_S("bob"), &any, &key, &why), -EPERM);
    refused(lb_users_key_rotate(u, LB_S("BOBS"), 1, &key, &why), -EPERM);
    refused(lb_users_key_set(u, LB_S("BOBS"), &yes, NULL, NULL, NULL, &why), -EPERM);
    refused(lb_users_key_delete(u, LB_S(""), LB_S("BOBS"), &why), -EPERM);
    refused(lb_users_create(u, LB_S("bob"), false, NULL, NULL, NULL, &why), -EEXIST);
    assert_int_equal(users_add(u, "carol", "BOBS"), -EEXIST);
    assert_int_equal(users_add(u, "carol", "CAROLS"), 0);
    restart(); /* fixed ones are not in the file */
    assert_int_equal(lb_users_count(u), 2);
}

static void test_locked(void **state) {
    const struct lb_users_conf conf = {0};
    struct lb_users *second = NULL;
    refused(users_open_with(fs, &conf, &why, &second), -EWOULDBLOCK);
}

/* A full disk: the change fails, nothing of it is there, and the next one works. */
static void test_full_disk(void **state) {
    assert_int_equal(users_add(u, "alice", "KEY"), 0);
    sim_fs_resize(fs, 1);
    refused(lb_users_set_admin(u, LB_S("alice"), true, NULL, &why), -ENOSPC);
    assert_false(users_cred(u, "KEY")->admin);
    assert_int_equal(users_add(u, "bob", "BOBS"), -ENOSPC);
    assert_null(users_cred(u, "BOBS"));
    restart();
    assert_false(users_cred(u, "KEY")->admin);
    assert_int_equal(lb_users_count(u), 1);
    sim_fs_resize(fs, 0);
    assert_int_equal(users_add(u, "bob", "BOBS"), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_create),
        TEST(test_create_refused),
        TEST(test_delete),
        TEST(test_admin),
        TEST(test_keys),
        TEST(test_too_many_keys),
        TEST(test_set_key),
        TEST(test_rotate),
        TEST(test_secret_changes_epoch),
        TEST(test_grants),
        TEST(test_too_many_grants),
        TEST(test_list),
        TEST(test_fixed),
        TEST(test_locked),
        TEST(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
