/* Many at once change users in real files: each change that was acknowledged is in force at once
 * and there after a restart; of those that contradict each other exactly one is made. */
#include "users_helper.h"

#include <pthread.h>
#include <unistd.h>

#define THREADS 8
#define EACH 25

static char dir[] = "/tmp/lobos-users-XXXXXX";
static char path[64];
static struct lb_users *u;
static atomic_uint failures, races_won;

static struct lb_users *open_file(void) {
    const struct lb_users_conf conf = {.vfs = lb_vfs_posix(), .path = path};
    struct lb_users *users = NULL;
    struct lb_buf why;
    lb_buf_init(&why, 4096);
    assert_int_equal(lb_users_open(&conf, &why, &users), 0);
    lb_buf_fini(&why);
    return users;
}

static bool signs(struct lb_creds_reader *reader, const char *key) {
    return lb_creds_find(lb_creds_reader_get(reader), lb_slice_cstr(key)) != NULL;
}

static void *change(void *arg) {
    struct lb_creds_reader reader;
    char name[32], key[32];
    lb_creds_reader_init(&reader, lb_users_box(u));
    for (unsigned i = 0; i < EACH; i++) {
        snprintf(name, sizeof(name), "user-%u-%u", (unsigned)(intptr_t)arg, i);
        snprintf(key, sizeof(key), "KEY-%u-%u", (unsigned)(intptr_t)arg, i);
        failures += users_add(u, name, key) != 0 || !signs(&reader, key);
        failures += lb_users_set_grant(u, lb_slice_cstr(name), LB_S("b"), 1, NULL, NULL) != 0;
        if (i % 2) {
            failures += lb_users_delete(u, lb_slice_cstr(name), true, NULL) != 0;
            failures += signs(&reader, key);
        }
        snprintf(name, sizeof(name), "race-%u", i);
        races_won += users_add(u, name, name) == 0;
    }
    lb_creds_reader_fini(&reader);
    return NULL;
}

static void test_threads(void **state) {
    pthread_t threads[THREADS];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/users", dir);
    u = open_file();
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, change, (void *)(intptr_t)i), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(failures, 0);
    assert_int_equal(races_won, EACH);
    size_t n = lb_users_count(u);
    assert_int_equal(n, THREADS * (EACH + 1) / 2 + EACH);
    lb_users_free(u);
    u = open_file();
    assert_int_equal(lb_users_count(u), n);
    lb_users_free(u);
    unlink(path);
    snprintf(path, sizeof(path), "%s/users.lock", dir);
    unlink(path);
    assert_int_equal(rmdir(dir), 0); /* nothing else is left */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
