/* What a power loss may leave on the simulated disk, and what it may not. Each test takes many
 * images by seed and looks for the outcomes it must see and those it must never see. */
#include <errno.h>
#include <fcntl.h>

#include "lib/check.h"
#include "lib/sim_fs.h"

#define SEEDS 200
#define LEN 3000

struct outcome {
    unsigned absent, empty, shorter, whole, damaged, other;
};

static struct sim_fs *fs_new(bool journaled) {
    struct sim_fs_conf conf = {.seed = 1, .journaled = journaled, .xattr_max = 65536};
    return sim_fs_new(&conf);
}

static void fill(uint8_t *buf, char c) {
    memset(buf, c, LEN);
}

/* What the image's file at path is, compared with LEN bytes of c. */
static void judge(struct sim_fs *image, const char *path, char c, struct outcome *ret) {
    uint8_t want[LEN], got[2 * LEN];
    int64_t n = sim_fs_get(image, path, got, sizeof(got));
    fill(want, c);
    if (n < 0)
        ret->absent++;
    else if (n == 0)
        ret->empty++;
    else if (n == LEN && memcmp(got, want, LEN) == 0)
        ret->whole++;
    else if (n < LEN && memcmp(got, want, (size_t)n) == 0)
        ret->shorter++;
    else if (n <= LEN && memchr(got, c, (size_t)n))
        ret->damaged++;
    else
        ret->other++;
}

static struct outcome crash_all(struct sim_fs *fs, const char *path, char c) {
    struct outcome all = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_fs *image = sim_fs_crash(fs, seed);
        judge(image, path, c, &all);
        assert_int_equal(sim_fs_pending_count(image), 0);
        sim_fs_free(image);
    }
    return all;
}

static int open_fd(struct sim_fs *fs, const char *path, unsigned flags) {
    struct lb_vfs *v = sim_fs_vfs(fs);
    int fd = v->ops->open(v, -1, path, flags, 0644);
    assert_true(fd >= 0);
    return fd;
}

static void sync_path(struct sim_fs *fs, const char *path) {
    struct lb_vfs *v = sim_fs_vfs(fs);
    int fd = open_fd(fs, path, O_RDONLY);
    assert_int_equal(v->ops->fsync(v, fd, false), 0);
    v->ops->close(v, fd);
}

static void put(struct sim_fs *fs, const char *path, char c) {
    uint8_t buf[LEN];
    fill(buf, c);
    assert_int_equal(sim_fs_put(fs, path, buf, LEN), 0);
}

static void move(struct sim_fs *fs, const char *from, const char *to) {
    struct lb_vfs *v = sim_fs_vfs(fs);
    assert_int_equal(v->ops->rename(v, -1, from, -1, to, 0), 0);
}

static void test_unsynced(void **state) {
    struct sim_fs *fs = fs_new(false);
    put(fs, "/f", 'a');
    struct outcome o = crash_all(fs, "/f", 'a');
    assert_true(o.absent > 0 && o.empty > 0 && o.whole > 0 && o.damaged + o.other > 0);
    sim_fs_free(fs);

    fs = fs_new(true);
    put(fs, "/f", 'a');
    o = crash_all(fs, "/f", 'a');
    assert_true(o.absent > 0 && o.empty > 0 && o.whole > 0 && o.shorter > 0);
    assert_int_equal(o.damaged + o.other, 0);
    sim_fs_free(fs);
}

/* fsync of a new file does not make its name durable without a journal; with one it does. */
static void test_synced_file(void **state) {
    struct sim_fs *fs = fs_new(false);
    put(fs, "/f", 'a');
    sync_path(fs, "/f");
    struct outcome o = crash_all(fs, "/f", 'a');
    assert_true(o.absent > 0);
    assert_int_equal(o.absent + o.whole, SEEDS);
    sync_path(fs, "/");
    o = crash_all(fs, "/f", 'a');
    assert_int_equal(o.whole, SEEDS);
    sim_fs_free(fs);

    fs = fs_new(true);
    put(fs, "/f", 'a');
    sync_path(fs, "/f");
    o = crash_all(fs, "/f", 'a');
    assert_int_equal(o.whole, SEEDS);
    sim_fs_free(fs);
}

/* write, rename, no fsync: the name may be there and the data not, in both modes. */
static void test_rename_unsynced(void **state) {
    for (int journaled = 0; journaled < 2; journaled++) {
        struct sim_fs *fs = fs_new(journaled);
        put(fs, "/f", 'a');
        sync_path(fs, "/f");
        sync_path(fs, "/");
        put(fs, "/tmp", 'b');
        move(fs, "/tmp", "/f");
        struct outcome b = crash_all(fs, "/f", 'b'), a = crash_all(fs, "/f", 'a');
        assert_true(b.empty > 0 && b.whole > 0 && a.whole > 0);
        assert_int_equal(b.absent, 0);
        sync_path(fs, "/");
        b = crash_all(fs, "/f", 'b');
        assert_true(b.empty > 0);
        sync_path(fs, "/f");
        b = crash_all(fs, "/f", 'b');
        assert_int_equal(b.whole, SEEDS);
        sim_fs_free(fs);
    }
}

/* fsync, rename: old or new, whole; after an fsync of the directory, new. */
static void test_rename_synced(void **state) {
    for (int journaled = 0; journaled < 2; journaled++) {
        struct sim_fs *fs = fs_new(journaled);
        put(fs, "/f", 'a');
        sim_fs_sync(fs);
        put(fs, "/tmp", 'b');
        sync_path(fs, "/tmp");
        move(fs, "/tmp", "/f");
        struct outcome b = crash_all(fs, "/f", 'b'), a = crash_all(fs, "/f", 'a');
        assert_true(b.whole > 0 && a.whole > 0);
        assert_int_equal(a.whole + b.whole, SEEDS);
        sync_path(fs, "/");
        b = crash_all(fs, "/f", 'b');
        assert_int_equal(b.whole, SEEDS);
        b = crash_all(fs, "/tmp", 'b');
        assert_int_equal(b.absent, SEEDS);
        sim_fs_free(fs);
    }
}

/* An overwrite in place tears at sectors, and never between them. */
static void test_torn(void **state) {
    struct sim_fs *fs = fs_new(true);
    uint8_t got[LEN];
    unsigned mixed = 0;
    put(fs, "/f", 'a');
    sim_fs_sync(fs);
    struct lb_vfs *v = sim_fs_vfs(fs);
    int fd = open_fd(fs, "/f", O_RDWR);
    fill(got, 'b');
    assert_int_equal(v->ops->pwrite(v, fd, got, LEN, 0), LEN);
    v->ops->close(v, fd);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_fs *image = sim_fs_crash(fs, seed);
        assert_int_equal(sim_fs_get(image, "/f", got, LEN), LEN);
        for (size_t i = 0; i < LEN; i++) {
            assert_true(got[i] == 'a' || got[i] == 'b');
            if (i % SIM_SECTOR != 0)
                assert_int_equal(got[i], got[i - 1]);
        }
        mixed += memchr(got, 'a', LEN) && memchr(got, 'b', LEN);
        sim_fs_free(image);
    }
    assert_true(mixed > 0);
    sim_fs_free(fs);
}

/* With a journal, a later change is never there without an earlier one; an fsync commits up to the
 * last change of what it is called on, and no further. */
static void test_journal_order(void **state) {
    struct sim_fs *fs = fs_new(true);
    struct lb_vfs *v = sim_fs_vfs(fs);
    assert_int_equal(v->ops->mkdir(v, -1, "/a", 0755), 0);
    assert_int_equal(v->ops->mkdir(v, -1, "/b", 0755), 0);
    sim_fs_sync(fs);
    put(fs, "/a/1", 'x');
    put(fs, "/b/2", 'x');
    unsigned both = 0, first = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_fs *image = sim_fs_crash(fs, seed);
        uint8_t buf[1];
        bool one = sim_fs_get(image, "/a/1", buf, 1) >= 0,
             two = sim_fs_get(image, "/b/2", buf, 1) >= 0;
        assert_true(one || !two);
        both += one && two;
        first += one && !two;
        sim_fs_free(image);
    }
    assert_true(both > 0 && first > 0);
    sync_path(fs, "/a");
    struct outcome one = crash_all(fs, "/a/1", 'x'), two = crash_all(fs, "/b/2", 'x');
    assert_int_equal(one.absent, 0);
    assert_true(two.absent > 0);
    sync_path(fs, "/b");
    two = crash_all(fs, "/b/2", 'x');
    assert_int_equal(two.absent, 0);
    sim_fs_free(fs);
}

/* O_DIRECT with a journal: the size is part of the metadata, and there is data wherever it is. */
static void test_direct(void **state) {
    struct sim_fs *fs = fs_new(true);
    struct lb_vfs *v = sim_fs_vfs(fs);
    static _Alignas(4096) uint8_t buf[8192];
    memset(buf, 'd', sizeof(buf));
    int fd = open_fd(fs, "/t", O_WRONLY | O_CREAT | O_DIRECT);
    assert_int_equal(v->ops->pwrite(v, fd, buf, 4096, 100), -EINVAL);
    assert_int_equal(v->ops->pwrite(v, fd, buf, 4096, 4096), 4096);
    assert_int_equal(v->ops->pwrite(v, fd, buf, 4096, 0), 4096);
    assert_int_equal(v->ops->setxattr(v, fd, "user.x", "v", 1), 0);
    v->ops->close(v, fd);
    move(fs, "/t", "/f");
    sync_path(fs, "/");
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_fs *image = sim_fs_crash(fs, seed);
        uint8_t got[8193];
        assert_int_equal(sim_fs_get(image, "/f", got, sizeof(got)), 8192);
        assert_memory_equal(got, buf, 8192);
        sim_fs_free(image);
    }
    sim_fs_free(fs);
}

/* After an fsync that failed, one that succeeds promises nothing about the same data. */
static void test_failed_fsync(void **state) {
    struct sim_fs *fs = fs_new(false);
    struct lb_vfs *v = sim_fs_vfs(fs);
    put(fs, "/f", 'a');
    sync_path(fs, "/");
    int fd = open_fd(fs, "/f", O_RDONLY);
    sim_fs_fail(fs, SIM_BIT(SIM_FSYNC), 1, 0, false);
    assert_int_equal(v->ops->fsync(v, fd, false), -EIO);
    assert_int_equal(sim_fs_failed(fs), 1);
    assert_int_equal(v->ops->fsync(v, fd, false), 0);
    v->ops->close(v, fd);
    struct outcome o = {0};
    judge(fs, "/f", 'a', &o);
    assert_int_equal(o.whole, 1);
    o = crash_all(fs, "/f", 'a');
    assert_int_equal(o.whole, 0);
    sim_fs_free(fs);
}

/* kill -9 loses nothing but descriptors and locks; the power may be lost after it. */
static void test_kill(void **state) {
    struct sim_fs *fs = fs_new(false);
    struct lb_vfs *v = sim_fs_vfs(fs);
    put(fs, "/f", 'a');
    int fd = open_fd(fs, "/f", O_RDWR);
    assert_int_equal(v->ops->lock(v, fd), 0);
    int other = open_fd(fs, "/f", O_RDWR);
    assert_int_equal(v->ops->lock(v, other), -EWOULDBLOCK);
    struct sim_fs *killed = sim_fs_kill(fs);
    assert_int_equal(sim_fs_digest(killed), sim_fs_digest(fs));
    assert_int_equal(sim_fs_open_count(killed), 0);
    fd = open_fd(killed, "/f", O_RDWR);
    assert_int_equal(sim_fs_vfs(killed)->ops->lock(sim_fs_vfs(killed), fd), 0);
    struct outcome o = crash_all(killed, "/f", 'a');
    assert_true(o.absent > 0);
    sim_fs_free(killed);
    sim_fs_free(fs);
}

/* An inode without a name lives as long as it is open, and not over a crash. */
static void test_unlinked(void **state) {
    struct sim_fs *fs = fs_new(true);
    struct lb_vfs *v = sim_fs_vfs(fs);
    uint8_t got[LEN], want[LEN];
    struct lb_vfs_stat st;
    put(fs, "/f", 'a');
    sim_fs_sync(fs);
    int fd = open_fd(fs, "/f", O_RDONLY);
    assert_int_equal(v->ops->unlink(v, -1, "/f"), 0);
    for (int i = 0; i < 40; i++) {
        put(fs, "/g", 'b');
        assert_int_equal(v->ops->unlink(v, -1, "/g"), 0);
    }
    fill(want, 'a');
    assert_int_equal(v->ops->pread(v, fd, got, LEN, 0), LEN);
    assert_memory_equal(got, want, LEN);
    assert_int_equal(v->ops->fstat(v, fd, &st), 0);
    assert_int_equal(st.nlink, 0);
    struct outcome o = crash_all(fs, "/f", 'a');
    assert_true(o.absent > 0 && o.whole > 0);
    v->ops->close(v, fd);
    sim_fs_sync(fs);
    o = crash_all(fs, "/f", 'a');
    assert_int_equal(o.absent, SEEDS);
    sim_fs_free(fs);
}

static void test_full(void **state) {
    struct sim_fs_conf conf = {.seed = 1, .size = 4 * 4096};
    struct sim_fs *fs = sim_fs_new(&conf);
    struct lb_vfs *v = sim_fs_vfs(fs);
    uint8_t buf[5 * 4096] = {0};
    int fd = open_fd(fs, "/f", O_RDWR | O_CREAT);
    assert_int_equal(v->ops->pwrite(v, fd, buf, sizeof(buf), 0), 4 * 4096);
    assert_int_equal(v->ops->pwrite(v, fd, buf, 1, 4 * 4096), -ENOSPC);
    assert_int_equal(v->ops->pwrite(v, fd, buf, 1, 0), 1);
    assert_int_equal(v->ops->allocate(v, fd, 0, 5 * 4096), -ENOSPC);
    uint64_t total, unused;
    assert_int_equal(v->ops->space(v, fd, &total, &unused), 0);
    assert_int_equal(total, 4 * 4096);
    assert_int_equal(unused, 0);
    assert_int_equal(v->ops->truncate(v, fd, 0), 0);
    assert_int_equal(v->ops->space(v, fd, &total, &unused), 0);
    assert_int_equal(unused, total);
    sim_fs_free(fs);
}

/* A canary: an "engine" that promises more than it does must be caught by the loop below, and the
 * one that does its work must not be. */
static void careless_put(struct sim_fs *fs, char c) {
    put(fs, "/dir/tmp", c);
    move(fs, "/dir/tmp", "/dir/f");
}

static void careful_put(struct sim_fs *fs, char c) {
    put(fs, "/dir/tmp", c);
    sync_path(fs, "/dir/tmp");
    move(fs, "/dir/tmp", "/dir/f");
    sync_path(fs, "/dir");
}

struct canary {
    struct sim_fs *fs;
    char acknowledged, in_flight; /* what the file may be */
    unsigned caught;
};

static void crash_here(void *ctx, enum sim_call call) {
    struct canary *c = ctx;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim_fs *image = sim_fs_crash(c->fs, seed);
        struct outcome old = {0}, new = {0};
        judge(image, "/dir/f", c->acknowledged, &old);
        judge(image, "/dir/f", c->in_flight, &new);
        c->caught += !old.whole && !new.whole;
        sim_fs_free(image);
    }
}

static unsigned canary_run(bool journaled, void (*engine)(struct sim_fs *fs, char c)) {
    struct canary c = {.fs = fs_new(journaled), .acknowledged = 'a'};
    struct lb_vfs *v = sim_fs_vfs(c.fs);
    assert_int_equal(v->ops->mkdir(v, -1, "/dir", 0755), 0);
    engine(c.fs, 'a');
    sync_path(c.fs, "/");
    sim_fs_hook(c.fs, SIM_CHANGES, crash_here, &c);
    for (char next = 'b'; next < 'f'; next++) {
        c.in_flight = next;
        engine(c.fs, next);
        c.acknowledged = next;
        crash_here(&c, SIM_FSYNC);
    }
    sim_fs_free(c.fs);
    return c.caught;
}

static void test_canary(void **state) {
    for (int journaled = 0; journaled < 2; journaled++) {
        assert_true(canary_run(journaled, careless_put) > 0);
        assert_int_equal(canary_run(journaled, careful_put), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsynced),
        cmocka_unit_test(test_synced_file),
        cmocka_unit_test(test_rename_unsynced),
        cmocka_unit_test(test_rename_synced),
        cmocka_unit_test(test_torn),
        cmocka_unit_test(test_journal_order),
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_failed_fsync),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_unlinked),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_canary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
