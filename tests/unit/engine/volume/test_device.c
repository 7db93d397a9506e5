#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/volume/format.h"
#include "lib/check.h"
#include "lib/sim_fs.h"

#define SIZE ((uint64_t)VOL_UNITS_MIN * VOL_UNIT)

struct env {
    struct sim_fs *fs;
    struct lb_vfs *vfs;
    struct lb_buf why;
    struct vol_device *d;
    bool empty;
};

static int set_up(void **state) {
    static const struct sim_fs_conf conf = {.seed = 1, .journaled = true};
    struct env *env = calloc(1, sizeof(*env));
    env->fs = sim_fs_new(&conf);
    env->vfs = sim_fs_vfs(env->fs);
    lb_buf_init(&env->why, 1000);
    *state = env;
    return 0;
}

static int tear_down(void **state) {
    struct env *env = *state;
    assert_int_equal(sim_fs_open_count(env->fs), 0);
    sim_fs_free(env->fs);
    lb_buf_fini(&env->why);
    free(env);
    return 0;
}

static int open_it(struct env *env, const char *path, uint64_t size) {
    lb_buf_clear(&env->why);
    int err = vol_device_file_open(path, size, env->vfs, &env->why, &env->d, &env->empty);
    assert_int_equal(err != 0, env->why.len > 0);
    return err;
}

static void close_it(struct env *env) {
    env->d->ops->close(env->d);
}

static void test_made(void **state) {
    struct env *env = *state;
    assert_int_equal(open_it(env, "/volume", 0), -ENOENT);
    assert_int_equal(open_it(env, "/volume", SIZE - 1), -EINVAL);
    assert_int_equal(open_it(env, "/volume", SIZE + 4095), 0);
    assert_true(env->empty);
    assert_int_equal(env->d->units, VOL_UNITS_MIN);
    close_it(env);
    struct sim_fs *after = sim_fs_crash(env->fs, 1);
    struct lb_vfs_stat st;
    assert_int_equal(sim_fs_vfs(after)->ops->stat(sim_fs_vfs(after), -1, "/volume", &st), 0);
    assert_int_equal(st.size, SIZE);
    sim_fs_free(after);
    assert_int_equal(open_it(env, "/volume", 2 * SIZE), 0); /* it keeps the size that it has */
    assert_int_equal(env->d->units, VOL_UNITS_MIN);
    close_it(env);
}

static void test_refused(void **state) {
    struct env *env = *state;
    assert_int_equal(env->vfs->ops->mkdir(env->vfs, -1, "/dir", 0700), 0);
    assert_int_equal(open_it(env, "/dir", 0), -EINVAL);
    assert_int_equal(sim_fs_put(env->fs, "/small", "x", 1), 0);
    assert_int_equal(open_it(env, "/small", 0), -EINVAL);
    assert_int_equal(open_it(env, "/small", SIZE), -EINVAL); /* what is there is not enlarged */
    assert_int_equal(open_it(env, "/no/volume", SIZE), -ENOENT);
}

static void test_locked(void **state) {
    struct env *env = *state;
    assert_int_equal(open_it(env, "/volume", SIZE), 0);
    struct vol_device *first = env->d;
    assert_int_equal(open_it(env, "/volume", 0), -EWOULDBLOCK);
    first->ops->close(first);
    assert_int_equal(open_it(env, "/volume", 0), 0);
    close_it(env);
}

static void test_read_and_write(void **state) {
    struct env *env = *state;
    char *a = aligned_alloc(VOL_UNIT, VOL_UNIT), *b = aligned_alloc(VOL_UNIT, VOL_UNIT);
    memset(a, 'a', VOL_UNIT);
    assert_int_equal(open_it(env, "/volume", SIZE), 0);
    uint64_t last = env->d->units - 1;
    assert_int_equal(env->d->ops->write_now(env->d, last, a, VOL_UNIT), 0);
    assert_int_equal(env->d->ops->flush_now(env->d), 0);
    struct sim_fs *after = sim_fs_crash(env->fs, 1);
    close_it(env);
    sim_fs_free(env->fs);
    env->fs = after;
    env->vfs = sim_fs_vfs(after);
    assert_int_equal(open_it(env, "/volume", 0), 0);
    assert_true(env->empty);
    assert_int_equal(env->d->ops->read_now(env->d, last, b, VOL_UNIT), 0);
    assert_memory_equal(a, b, VOL_UNIT);
    assert_int_equal(env->d->ops->read_now(env->d, last + 1, b, VOL_UNIT), -EIO);
    env->d->ops->discard_now(env->d, last, 1);
    assert_int_equal(env->d->ops->read_now(env->d, last, b, VOL_UNIT), 0);
    assert_int_equal(b[0], 0);
    assert_int_equal(env->d->ops->write_now(env->d, 511, a, VOL_UNIT), 0);
    close_it(env);
    assert_int_equal(open_it(env, "/volume", 0), 0);
    assert_false(env->empty);
    close_it(env);
    free(a);
    free(b);
}

/* On a file system without O_DIRECT (tmpfs, of old) and on one with it. */
static void test_real(void **state) {
    static const char *const dirs[] = {"/dev/shm", "/tmp"};
    struct lb_buf why;
    lb_buf_init(&why, 1000);
    for (size_t i = 0; i < CHECK_COUNT(dirs); i++) {
        char path[100];
        struct vol_device *d, *second;
        bool empty = false;
        snprintf(path, sizeof(path), "%s/lobos-test-device-%d", dirs[i], (int)getpid());
        assert_int_equal(vol_device_file_open(path, SIZE, lb_vfs_posix(), &why, &d, &empty), 0);
        assert_true(empty);
        assert_int_equal(vol_device_file_open(path, 0, lb_vfs_posix(), &why, &second, &empty),
                         -EWOULDBLOCK);
        char *a = aligned_alloc(VOL_UNIT, VOL_UNIT);
        memset(a, 'a', VOL_UNIT);
        assert_int_equal(d->ops->write_now(d, 5, a, VOL_UNIT), 0);
        assert_int_equal(d->ops->flush_now(d), 0);
        assert_int_equal(d->ops->read_now(d, 5, a, VOL_UNIT), 0);
        assert_int_equal(a[100], 'a');
        d->ops->discard_now(d, 5, 1);
        assert_int_equal(d->ops->read_now(d, 5, a, VOL_UNIT), 0);
        assert_int_equal(a[100], 0);
        free(a);
        d->ops->close(d);
        unlink(path);
    }
    lb_buf_fini(&why);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_locked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_read_and_write, set_up, tear_down),
        cmocka_unit_test(test_real),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
