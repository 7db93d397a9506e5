/* The simulated file system against the system's own: the same random calls give the same results,
 * error numbers included. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/prng.h"
#include "lib/check.h"
#include "lib/sim_fs.h"

#define STEPS 6000
#define DIRS_MAX 4

struct side {
    struct lb_vfs *v;
    int root;
    int dirs[DIRS_MAX];
    int fd;
};

static const char *const paths[] = {
    "a",    "b",      "a/b",    "a/b/c",  "b/c",  "a/",     "b//c", ".", "..",
    "a/..", "../x",   "a/../b", "l/b",    "l",    "out",    "x/y",  "",  "a/./b",
    "dead", "dead/x", "loop",   "loop/a", "a/l2", "l/../b", "/a",
};

static const char *path_at(struct lb_prng *p, char *buf) {
    if (lb_prng_below(p, 40) == 0) {
        size_t n = 254 + lb_prng_below(p, 3);
        memset(buf, 'n', n);
        buf[n] = 0;
        return buf;
    }
    return paths[lb_prng_below(p, CHECK_COUNT(paths))];
}

struct count {
    size_t n;
    uint64_t sum;
};

static int count_entry(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct count *c = ctx;
    c->n++;
    for (size_t i = 0; i < len; i++)
        c->sum += (uint64_t)(uint8_t)name[i] * (i + 1);
    c->sum += (uint64_t)type << 32;
    return 0;
}

/* Reads, writes and attributes of an open file, one of them. */
static int64_t do_file(struct side *s, uint64_t what, uint64_t off, size_t len, uint64_t *ret_sum) {
    char buf[9000];
    memset(buf, (int)(off % 251), sizeof(buf));
    struct lb_vfs_stat st;
    int64_t n;
    switch (what) {
    case 0:
        return s->v->ops->pwrite(s->v, s->fd, buf, len, off);
    case 1:
        n = s->v->ops->pread(s->v, s->fd, buf, len, off);
        for (int64_t i = 0; i < n; i++)
            *ret_sum = *ret_sum * 31 + (uint8_t)buf[i];
        return n;
    case 2:
        return s->v->ops->truncate(s->v, s->fd, off);
    case 3:
        n = s->v->ops->fstat(s->v, s->fd, &st);
        /* The sizes of directories are the file system's own affair. */
        *ret_sum = n == 0 ? (st.type == LB_VFS_FILE ? st.size : 0) + ((uint64_t)st.type << 60) : 0;
        return n;
    case 4:
        return s->v->ops->fsync(s->v, s->fd, false);
    default:
        return s->v->ops->allocate(s->v, s->fd, off, len + 1);
    }
}

/* One call by name. */
static int64_t do_path(struct side *s, uint64_t what, int dir, const char *a, const char *b,
                       unsigned flags, uint64_t *ret_sum) {
    struct lb_vfs_stat st;
    int fd, n;
    switch (what) {
    case 0:
        return s->v->ops->mkdir(s->v, dir, a, 0755);
    case 1:
        return s->v->ops->rmdir(s->v, dir, a);
    case 2:
        return s->v->ops->unlink(s->v, dir, a);
    case 3:
        return s->v->ops->rename(s->v, dir, a, s->root, b,
                                 flags & O_EXCL ? LB_VFS_RENAME_NOREPLACE : 0);
    case 4:
        n = s->v->ops->stat(s->v, dir, a, &st);
        *ret_sum = n == 0 ? (st.type == LB_VFS_FILE ? st.size : 0) + ((uint64_t)st.type << 60) : 0;
        return n;
    case 5:
        fd = s->v->ops->open(s->v, dir, a, O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0)
            return fd;
        struct count c = {0};
        n = s->v->ops->readdir(s->v, fd, count_entry, &c);
        *ret_sum = c.n + c.sum;
        s->v->ops->close(s->v, fd);
        return n;
    case 6:
        return s->v->ops->link(s->v, dir, a, s->root, b);
    default:
        fd = s->v->ops->open(s->v, dir, a, flags, 0644);
        if (fd >= 0) {
            if (s->fd >= 0)
                s->v->ops->close(s->v, s->fd);
            s->fd = fd;
        }
        return fd < 0 ? fd : 0;
    }
}

static unsigned open_flags(struct lb_prng *p) {
    static const unsigned flags[] = {O_RDONLY,
                                     O_RDWR | O_CREAT,
                                     O_RDWR | O_CREAT | O_EXCL,
                                     O_RDWR | O_CREAT | O_TRUNC,
                                     O_RDWR,
                                     O_RDONLY | O_DIRECTORY,
                                     O_RDONLY | O_NOFOLLOW,
                                     O_PATH,
                                     O_PATH | O_NOFOLLOW};
    return flags[lb_prng_below(p, CHECK_COUNT(flags))];
}

static void step(struct lb_prng *p, struct side s[2], int n) {
    char long_a[300], long_b[300];
    int64_t res[2];
    uint64_t sum[2] = {0, 0};
    bool named = s[0].fd < 0 || lb_prng_below(p, 3) > 0;
    uint64_t what = lb_prng_below(p, named ? 10 : 6);
    unsigned flags = open_flags(p);
    const char *a = path_at(p, long_a), *b = path_at(p, long_b);
    uint64_t off = lb_prng_below(p, 20000);
    size_t len = 1 + lb_prng_below(p, 8999);
    /* Escapes are open's to refuse; the other calls are made on paths of our own. */
    if (named && what != 5 && what < 7 &&
        (strstr(a, "..") || strstr(b, "..") || a[0] == '/' || b[0] == '/'))
        what = 7;
    for (int i = 0; i < 2; i++)
        res[i] = named ? do_path(&s[i], what, s[i].root, a, b, flags, &sum[i])
                       : do_file(&s[i], what, off, len, &sum[i]);
    if (res[0] == res[1] && sum[0] == sum[1])
        return;
    print_error(
        "step %d, %s %d of \"%s\" \"%s\" flags %o off %d len %d: system %d (%llx), simulator "
        "%d (%llx)\n",
        n, named ? "path call" : "file call", (int)what, a, b, flags, (int)off, (int)len,
        (int)res[0], (unsigned long long)sum[0], (int)res[1], (unsigned long long)sum[1]);
    fail();
}

/* The links lead out of the root at most one directory up: that is ours, too. */
static void links(const char *root, struct sim_fs *fs) {
    static const char *const made[][2] = {
        {"a", "l"}, {"..", "out"}, {"nowhere", "dead"}, {"loop", "loop"}};
    char path[200];
    for (size_t i = 0; i < CHECK_COUNT(made); i++) {
        snprintf(path, sizeof(path), "%s/%s", root, made[i][1]);
        assert_int_equal(symlink(made[i][0], path), 0);
        snprintf(path, sizeof(path), "/up/up/root/%s", made[i][1]);
        assert_int_equal(sim_fs_symlink(fs, made[i][0], path), 0);
    }
}

static void side_open(struct side *s, struct lb_vfs *v, const char *top, char *ret, size_t cap) {
    *s = (struct side){.v = v, .fd = -1};
    for (int i = 0; i < 3; i++) {
        snprintf(ret, cap, "%s/up%s%s", top, i > 0 ? "/up" : "", i > 1 ? "/root" : "");
        assert_int_equal(v->ops->mkdir(v, -1, ret, 0755), 0);
    }
    s->root = v->ops->open(v, -1, ret, O_RDONLY | O_DIRECTORY, 0);
    assert_true(s->root >= 0);
}

static void side_close(struct side *s) {
    if (s->fd >= 0)
        s->v->ops->close(s->v, s->fd);
    s->v->ops->close(s->v, s->root);
}

static void remove_tree(const char *root) {
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
}

static void test_same_as_system(void **state) {
    for (uint64_t seed = 1; seed <= 4; seed++) {
        char top[] = "/tmp/lobos-sim-XXXXXX", path[100];
        assert_non_null(mkdtemp(top));
        struct sim_fs_conf conf = {.seed = seed, .xattr_max = 65536};
        struct sim_fs *fs = sim_fs_new(&conf);
        struct side s[2];
        struct lb_prng p;
        side_open(&s[1], sim_fs_vfs(fs), "", path, sizeof(path));
        side_open(&s[0], lb_vfs_posix(), top, path, sizeof(path));
        links(path, fs);
        lb_prng_seed(&p, seed);
        for (int n = 0; n < STEPS; n++)
            step(&p, s, n);
        side_close(&s[0]);
        side_close(&s[1]);
        assert_int_equal(sim_fs_open_count(fs), 0);
        sim_fs_free(fs);
        remove_tree(top);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_as_system)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
