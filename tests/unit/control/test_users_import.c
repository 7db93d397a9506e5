/* Taking over the users of the original lobos: what is imported, what is not, and that no secret is
 * said. */
#include "users_helper.h"

static struct sim_fs *fs;
static struct lb_users *u;
static struct lb_buf said;

static void make_folder(const char *path) {
    struct lb_vfs *v = sim_fs_vfs(fs);
    assert_int_equal(v->ops->mkdir(v, -1, path, 0755), 0);
}

static void make_key(const char *path) {
    assert_int_equal(sim_fs_put(fs, path, "", 0), 0);
}

static int setup(void **state) {
    const struct sim_fs_conf conf = {.seed = 1};
    fs = sim_fs_new(&conf);
    u = users_open(fs, NULL);
    lb_buf_init(&said, 65536);
    make_folder("/old");
    return 0;
}

static int teardown(void **state) {
    lb_users_free(u);
    assert_int_equal(sim_fs_open_count(fs), 0);
    sim_fs_free(fs);
    lb_buf_fini(&said);
    return 0;
}

static void say(void *ctx, const char *line) {
    lb_buf_printf(&said, "%s\n", line);
}

static int import(struct lb_users_imported *ret) {
    const struct lb_users_import conf = {.dir = "/old", .say = say};
    lb_buf_clear(&said);
    return lb_users_import(u, &conf, ret);
}

static bool has(const char *text) {
    return lb_slice_find_slice(lb_buf_slice(&said), lb_slice_cstr(text)) >= 0;
}

static void make_users(void) {
    make_folder("/old/.__lobos__user__");
    make_folder("/old/.__lobos__user__/alice");
    make_folder("/old/.__lobos__user__/bob");
    make_folder("/old/.__lobos__user__/none");
    make_folder("/old/.__lobos__user__/bad name");
    make_key("/old/.__lobos__user__/stray");
    make_key("/old/.__lobos__user__/alice/LBALICE1_secret1_lobos");
    make_key("/old/.__lobos__user__/alice/LBALICE2_secret+2_lobos");
    make_key("/old/.__lobos__user__/alice/LBALICE3_secret3_ceph");
    make_key("/old/.__lobos__user__/alice/LB_ALICE4_secret4_lobos");
    make_key("/old/.__lobos__user__/alice/nothing");
    make_key("/old/.__lobos__user__/bob/LBBOB_secret5_lobos");
}

static void test_import(void **state) {
    struct lb_users_imported done;
    make_users();
    assert_int_equal(import(&done), 0);
    assert_int_equal(done.users, 3);
    assert_int_equal(done.keys, 3);
    assert_int_equal(done.skipped, 5);
    assert_true(has("alice: LBALICE1 imported") && has("bob: LBBOB imported"));
    assert_true(has("alice: LBALICE3 skipped: it is of another backend"));
    assert_true(has("bad name skipped: the name is not allowed"));
    assert_true(has("stray skipped: it is no folder"));
    assert_false(has("secret"));
    lb_users_free(u);
    u = users_open(fs, NULL);
    assert_string_equal(users_cred(u, "LBALICE2")->secret_key, "secret+2");
    assert_string_equal(users_cred(u, "LBBOB")->user_id, "bob");
    assert_false(users_cred(u, "LBBOB")->admin);
    assert_int_equal(lb_users_count(u), 3);
}

static void test_again(void **state) {
    struct lb_users_imported done;
    make_users();
    assert_int_equal(users_add(u, "alice", "LBALICE1"), 0);
    assert_int_equal(users_add(u, "carol", "LBBOB"), 0);
    assert_int_equal(import(&done), 0);
    assert_int_equal(done.users, 2);
    assert_int_equal(done.keys, 1);
    assert_true(has("alice: LBALICE1 skipped: the user has it already"));
    assert_true(has("bob: LBBOB skipped: another user has it"));
    assert_string_equal(users_cred(u, "LBALICE1")->secret_key, "secret-of-someone");
    assert_int_equal(import(&done), 0);
    assert_int_equal(done.users + done.keys, 0);
}

static void test_nothing(void **state) {
    struct lb_users_imported done;
    assert_int_equal(import(&done), -ENOENT);
    make_folder("/old/.__lobos__user__");
    assert_int_equal(import(&done), 0);
    assert_int_equal(done.users + done.keys + done.skipped, 0);
}

/* A full disk: none is imported. */
static void test_full_disk(void **state) {
    struct lb_users_imported done;
    make_users();
    sim_fs_resize(fs, 1);
    assert_int_equal(import(&done), -ENOSPC);
    assert_int_equal(lb_users_count(u), 0);
    sim_fs_resize(fs, 0);
    assert_int_equal(import(&done), 0);
    assert_int_equal(lb_users_count(u), 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_import), TEST(test_again), TEST(test_nothing),
                                       TEST(test_full_disk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
