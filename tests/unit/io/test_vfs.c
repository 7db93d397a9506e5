/* The system's files: what must not be reachable, and every call once for real. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/vfs.h"

struct env {
    struct lb_vfs *v;
    char path[64];
    int dir; /* path/root: what is beneath it may be opened, path/secret may not */
};

static int open_at(struct env *e, const char *path, unsigned flags) {
    return e->v->ops->open(e->v, e->dir, path, flags, 0644);
}

static void put(struct env *e, const char *path, const void *bytes, size_t len) {
    int fd = open_at(e, path, O_WRONLY | O_CREAT | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(e->v->ops->pwrite(e->v, fd, bytes, len, 0), len);
    e->v->ops->close(e->v, fd);
}

static int setup(void **state) {
    static struct env e;
    e = (struct env){.v = lb_vfs_posix()};
    strcpy(e.path, "/var/tmp/lobos-vfs-XXXXXX");
    assert_non_null(mkdtemp(e.path));
    int top = e.v->ops->open(e.v, -1, e.path, O_DIRECTORY, 0);
    assert_true(top >= 0);
    assert_int_equal(e.v->ops->mkdir(e.v, top, "root", 0755), 0);
    int fd = e.v->ops->open(e.v, top, "secret", O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    e.dir = e.v->ops->open(e.v, top, "root", O_DIRECTORY, 0);
    assert_true(e.dir >= 0);
    close(top);
    assert_int_equal(e.v->ops->mkdir(e.v, e.dir, "sub", 0755), 0);
    put(&e, "sub/file", "content", 7);
    *state = &e;
    return 0;
}

static int teardown(void **state) {
    struct env *e = *state;
    char command[128];
    close(e->dir);
    snprintf(command, sizeof(command), "rm -r %s", e->path);
    return system(command);
}

static void test_open_does_not_leave_the_directory(void **state) {
    struct env *e = *state;
    char absolute[128];
    assert_int_equal(symlinkat("../secret", e->dir, "up"), 0);
    assert_int_equal(symlinkat("sub/../../secret", e->dir, "around"), 0);
    assert_int_equal(symlinkat("..", e->dir, "updir"), 0);
    snprintf(absolute, sizeof(absolute), "%s/secret", e->path);
    assert_int_equal(symlinkat(absolute, e->dir, "abs"), 0);
    static const char *bad[] = {"../secret",  "sub/../../secret", "..",  "up",
                                "around",     "updir/secret",     "abs", "/",
                                "/etc/passwd"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(open_at(e, bad[i], O_RDONLY), -EXDEV);
        assert_int_equal(open_at(e, bad[i], O_RDONLY | O_PATH), -EXDEV);
        assert_true(open_at(e, bad[i], O_RDONLY | LB_VFS_CACHED) < 0);
        assert_true(open_at(e, bad[i], O_RDWR | O_CREAT) < 0);
    }
    assert_int_equal(open_at(e, absolute, O_RDONLY), -EXDEV);
    int fd = e->v->ops->open(e->v, -1, absolute, O_RDONLY, 0); /* the administrator may */
    assert_true(fd >= 0);
    e->v->ops->close(e->v, fd);
}

static void test_open_follows_links_inside_but_no_magic_ones(void **state) {
    struct env *e = *state;
    char magic[64];
    int here = open_at(e, "sub", O_DIRECTORY);
    assert_true(here >= 0);
    assert_int_equal(symlinkat("../sub/file", here, "inside"), 0);
    int fd = open_at(e, "sub/inside", O_RDONLY);
    assert_true(fd >= 0);
    e->v->ops->close(e->v, fd);
    int proc = e->v->ops->open(e->v, -1, "/proc/self", O_DIRECTORY, 0);
    assert_true(proc >= 0);
    snprintf(magic, sizeof(magic), "fd/%d", here);
    assert_int_equal(e->v->ops->open(e->v, proc, magic, O_RDONLY, 0), -ELOOP);
    assert_int_equal(e->v->ops->open(e->v, proc, "root", O_RDONLY, 0), -ELOOP);
    close(proc);
    close(here);
}

static void test_open_flags(void **state) {
    struct env *e = *state;
    int fd = open_at(e, "sub/file", O_RDONLY | LB_VFS_CACHED);
    if (fd != -EAGAIN) { /* a kernel may refuse to look only in its cache */
        assert_true(fd >= 0);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
        e->v->ops->close(e->v, fd);
    }
    assert_int_equal(open_at(e, "new", O_WRONLY | O_CREAT | O_EXCL | LB_VFS_CACHED), -EAGAIN);
    assert_int_equal(open_at(e, "missing", O_RDONLY), -ENOENT);
    assert_int_equal(open_at(e, "sub/file", O_WRONLY | O_CREAT | O_EXCL), -EEXIST);
    assert_int_equal(open_at(e, "sub/file/x", O_RDONLY), -ENOTDIR);
    fd = open_at(e, "sub/file", O_RDONLY | O_DIRECT);
    if (fd != -EINVAL) { /* not every filesystem can */
        assert_true(fd >= 0);
        assert_true(fcntl(fd, F_GETFL) & O_DIRECT);
        e->v->ops->close(e->v, fd);
    }
}

static void test_open_of_a_fifo_does_not_hang(void **state) {
    struct env *e = *state;
    struct lb_vfs_stat st;
    assert_int_equal(mkfifoat(e->dir, "fifo", 0600), 0);
    alarm(10);
    int fd = open_at(e, "fifo", O_RDONLY);
    alarm(0);
    assert_true(fd >= 0);
    assert_int_equal(e->v->ops->fstat(e->v, fd, &st), 0);
    assert_int_equal(st.type, LB_VFS_OTHER);
    e->v->ops->close(e->v, fd);
}

static void test_stat(void **state) {
    struct env *e = *state;
    struct lb_vfs_stat by_path, by_fd;
    int fd = open_at(e, "sub/file", O_RDWR);
    assert_int_equal(e->v->ops->stat(e->v, e->dir, "sub/file", &by_path), 0);
    assert_int_equal(e->v->ops->fstat(e->v, fd, &by_fd), 0);
    assert_memory_equal(&by_path, &by_fd, sizeof(by_fd));
    assert_int_equal(by_fd.size, 7);
    assert_int_equal(by_fd.nlink, 1);
    assert_int_equal(by_fd.type, LB_VFS_FILE);
    assert_true(by_fd.mtime_ns > 1600000000000000000);
    assert_int_equal(symlinkat("sub/file", e->dir, "link"), 0);
    assert_int_equal(e->v->ops->stat(e->v, e->dir, "link", &by_path), 0);
    assert_int_equal(by_path.type, LB_VFS_SYMLINK);
    assert_int_equal(e->v->ops->stat(e->v, e->dir, "sub", &by_path), 0);
    assert_int_equal(by_path.type, LB_VFS_DIR);
    assert_int_equal(e->v->ops->stat(e->v, e->dir, "none", &by_path), -ENOENT);
    assert_int_equal(e->v->ops->fstat(e->v, -1, &by_fd), -EBADF);
    e->v->ops->close(e->v, fd);
}

static void test_read_write_truncate_allocate(void **state) {
    struct env *e = *state;
    struct lb_vfs_stat st;
    char buf[32];
    int fd = open_at(e, "sub/file", O_RDWR);
    assert_int_equal(e->v->ops->pwrite(e->v, fd, "CON", 3, 7), 3);
    assert_int_equal(e->v->ops->pread(e->v, fd, buf, sizeof(buf), 4), 6);
    assert_memory_equal(buf, "entCON", 6);
    assert_int_equal(e->v->ops->pread(e->v, fd, buf, sizeof(buf), 100), 0);
    assert_int_equal(e->v->ops->fsync(e->v, fd, true), 0);
    assert_int_equal(e->v->ops->fsync(e->v, fd, false), 0);
    int rc = e->v->ops->allocate(e->v, fd, 0, 1 << 20);
    assert_true(rc == 0 || rc == -EOPNOTSUPP);
    assert_int_equal(e->v->ops->fstat(e->v, fd, &st), 0);
    assert_int_equal(st.size, 10);
    if (rc == 0)
        assert_true(st.blocks >= (1 << 20) / 512);
    assert_int_equal(e->v->ops->truncate(e->v, fd, 2), 0);
    assert_int_equal(e->v->ops->pread(e->v, fd, buf, sizeof(buf), 0), 2);
    e->v->ops->close(e->v, fd);
    assert_int_equal(e->v->ops->pread(e->v, -1, buf, 1, 0), -EBADF);
    assert_int_equal(e->v->ops->pwrite(e->v, -1, buf, 1, 0), -EBADF);
}

static void test_clone(void **state) {
    struct env *e = *state;
    size_t len = 300000;
    char *bytes = malloc(len), *back = malloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 31 >> 4);
    put(e, "from", bytes, len);
    put(e, "to", "0123456789", 10);
    int from = open_at(e, "from", O_RDONLY), to = open_at(e, "to", O_RDWR);
    int rc = e->v->ops->clone(e->v, from, 1000, to, 10, 200000); /* not aligned */
    assert_true(rc == 0 || rc == -EOPNOTSUPP);
    if (rc == 0) {
        assert_int_equal(e->v->ops->pread(e->v, to, back, len, 0), 200010);
        assert_memory_equal(back, "0123456789", 10);
        assert_memory_equal(back + 10, bytes + 1000, 200000);
        assert_int_equal(e->v->ops->clone(e->v, from, 0, to, 0, len), 0);
        assert_int_equal(e->v->ops->pread(e->v, to, back, len, 0), len);
        assert_memory_equal(back, bytes, len);
        assert_true(e->v->ops->clone(e->v, from, 0, to, 0, len + 1) < 0); /* all or an error */
    }
    assert_int_equal(e->v->ops->clone(e->v, from, 0, to, 0, 0), 0);
    assert_int_equal(e->v->ops->clone(e->v, from, 0, -1, 0, 10), -EBADF);
    e->v->ops->close(e->v, from);
    e->v->ops->close(e->v, to);
    free(bytes);
    free(back);
}

static void test_xattr(void **state) {
    struct env *e = *state;
    char buf[16];
    int fd = open_at(e, "sub/file", O_RDWR);
    int rc = e->v->ops->setxattr(e->v, fd, "user.lobos", "12345", 5);
    assert_true(rc == 0 || rc == -EOPNOTSUPP);
    if (rc == 0) {
        assert_int_equal(e->v->ops->getxattr(e->v, fd, "user.lobos", buf, sizeof(buf)), 5);
        assert_memory_equal(buf, "12345", 5);
        assert_int_equal(e->v->ops->getxattr(e->v, fd, "user.lobos", buf, 4), -ERANGE);
        assert_int_equal(e->v->ops->getxattr(e->v, fd, "user.lobos", buf, 0), -ERANGE);
        assert_int_equal(e->v->ops->getxattr(e->v, fd, "user.none", buf, sizeof(buf)), -ENODATA);
        assert_int_equal(e->v->ops->setxattr(e->v, fd, "user.lobos", "", 0), 0);
        assert_int_equal(e->v->ops->getxattr(e->v, fd, "user.lobos", buf, 0), 0);
    }
    e->v->ops->close(e->v, fd);
}

static void test_rename_unlink_mkdir_rmdir(void **state) {
    struct env *e = *state;
    const struct lb_vfs_ops *ops = e->v->ops;
    struct lb_vfs_stat st;
    int sub = open_at(e, "sub", O_DIRECTORY);
    put(e, "a", "a", 1);
    assert_int_equal(ops->rename(e->v, e->dir, "a", sub, "file", LB_VFS_RENAME_NOREPLACE), -EEXIST);
    assert_int_equal(ops->rename(e->v, e->dir, "a", sub, "file", 0), 0);
    assert_int_equal(ops->stat(e->v, sub, "file", &st), 0);
    assert_int_equal(st.size, 1);
    assert_int_equal(ops->rename(e->v, e->dir, "a", sub, "b", 0), -ENOENT);
    assert_int_equal(ops->mkdir(e->v, e->dir, "sub", 0755), -EEXIST);
    assert_int_equal(ops->rmdir(e->v, e->dir, "sub"), -ENOTEMPTY);
    assert_int_equal(ops->rmdir(e->v, sub, "file"), -ENOTDIR);
    assert_int_equal(ops->unlink(e->v, e->dir, "sub"), -EISDIR);
    assert_int_equal(ops->unlink(e->v, sub, "file"), 0);
    assert_int_equal(ops->unlink(e->v, sub, "file"), -ENOENT);
    assert_int_equal(ops->rmdir(e->v, e->dir, "sub"), 0);
    ops->close(e->v, sub);
}

static void test_link(void **state) {
    struct env *e = *state;
    const struct lb_vfs_ops *ops = e->v->ops;
    struct lb_vfs_stat a, b;
    int sub = open_at(e, "sub", O_DIRECTORY);
    put(e, "a", "a", 1);
    assert_int_equal(ops->link(e->v, e->dir, "a", sub, "second"), 0);
    assert_int_equal(ops->stat(e->v, e->dir, "a", &a), 0);
    assert_int_equal(ops->stat(e->v, sub, "second", &b), 0);
    assert_int_equal(a.ino, b.ino);
    assert_int_equal(b.nlink, 2);
    assert_int_equal(ops->link(e->v, e->dir, "a", sub, "second"), -EEXIST);
    assert_int_equal(ops->link(e->v, e->dir, "none", sub, "third"), -ENOENT);
    assert_int_equal(ops->link(e->v, e->dir, "sub", sub, "third"), -EPERM);
    ops->close(e->v, sub);
}

struct walk {
    int files, dirs, links, n, stop_at;
};

static int walk_entry(void *ctx, const char *name, size_t len, enum lb_vfs_type type) {
    struct walk *w = ctx;
    assert_int_equal(strlen(name), len);
    assert_string_not_equal(name, ".");
    assert_string_not_equal(name, "..");
    w->files += type == LB_VFS_FILE;
    w->dirs += type == LB_VFS_DIR;
    w->links += type == LB_VFS_SYMLINK;
    return ++w->n == w->stop_at ? 77 : 0;
}

static void test_readdir(void **state) {
    struct env *e = *state;
    char name[32];
    assert_int_equal(symlinkat("nowhere", e->dir, "..link"), 0);
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        put(e, name, "", 0);
    }
    for (int i = 0; i < 2; i++) { /* the second walk begins at the beginning too */
        struct walk w = {0};
        assert_int_equal(e->v->ops->readdir(e->v, e->dir, walk_entry, &w), 0);
        assert_int_equal(w.n, 2002);
        assert_int_equal(w.files, 2000);
        assert_int_equal(w.dirs, 1);
        assert_int_equal(w.links, 1);
    }
    assert_int_equal(lseek(e->dir, 0, SEEK_CUR), 0);
    struct walk w = {.stop_at = 10};
    assert_int_equal(e->v->ops->readdir(e->v, e->dir, walk_entry, &w), 77);
    assert_int_equal(w.n, 10);
    int fd = open_at(e, "f1", O_RDONLY);
    assert_int_equal(e->v->ops->readdir(e->v, fd, walk_entry, &w), -ENOTDIR);
    e->v->ops->close(e->v, fd);
    fd = open_at(e, "sub", O_DIRECTORY | O_PATH);
    w = (struct walk){0};
    assert_int_equal(e->v->ops->readdir(e->v, fd, walk_entry, &w), 0);
    assert_int_equal(w.n, 1);
    e->v->ops->close(e->v, fd);
}

/* Linux 6.5, and the right to ask: cachestat(2). */
static bool counts_pages(int fd) {
    uint64_t range[2] = {0, 1}, counts[5];
    return syscall(451, fd, range, counts, 0) == 0;
}

static void test_resident(void **state) {
    struct env *e = *state;
    size_t len = 1 << 20, page = (size_t)getpagesize();
    char *bytes = calloc(1, len);
    put(e, "cached", bytes, len);
    int fd = open_at(e, "cached", O_RDONLY);
    assert_int_equal(e->v->ops->fsync(e->v, fd, false), 0);
    assert_int_equal(e->v->ops->resident(e->v, fd, 0, len), len);
    assert_int_equal(e->v->ops->resident(e->v, fd, 5000, 1), 1);
    assert_int_equal(e->v->ops->resident(e->v, fd, 5000, 0), 0);
    assert_true(e->v->ops->resident(e->v, fd, 0, 2 * len) <= len + page);
    assert_int_equal(e->v->ops->resident(e->v, -1, 0, len), 0);
    struct statfs fs;
    assert_int_equal(fstatfs(fd, &fs), 0);
    if (fs.f_type == TMPFS_MAGIC)
        goto out; /* has no other place to put it */
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    assert_int_equal(e->v->ops->resident(e->v, fd, 0, len), 0);
    if (!counts_pages(fd))
        goto out; /* the guess is not that good */
    /* A front part comes back, and nothing is read ahead. */
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
    assert_int_equal(e->v->ops->pread(e->v, fd, bytes, 40 * page, 0), 40 * page);
    size_t front = e->v->ops->resident(e->v, fd, 0, len);
    assert_true(front <= 40 * page && front > 20 * page);
    assert_int_equal(e->v->ops->resident(e->v, fd, 0, 40 * page), 40 * page);
    assert_int_equal(e->v->ops->resident(e->v, fd, 41 * page, 10 * page), 0);
out:
    e->v->ops->close(e->v, fd);
    free(bytes);
}

static void test_lock_keeps_other_processes_out(void **state) {
    struct env *e = *state;
    int fd = open_at(e, "lock", O_RDWR | O_CREAT), status = 0;
    assert_int_equal(e->v->ops->lock(e->v, fd), 0);
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0) {
            int own = open_at(e, "lock", O_RDWR);
            _exit(e->v->ops->lock(e->v, own) == -EWOULDBLOCK ? 1 : 2);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(WEXITSTATUS(status), i == 0 ? 1 : 2);
        if (i == 0)
            e->v->ops->close(e->v, fd); /* lets go of it */
    }
}

static void test_space(void **state) {
    struct env *e = *state;
    uint64_t total = 0, left = 0;
    assert_int_equal(e->v->ops->space(e->v, e->dir, &total, &left), 0);
    assert_true(total > 0 && left <= total);
    assert_int_equal(e->v->ops->space(e->v, -1, &total, &left), -EBADF);
    e->v->ops->journaled(e->v, e->dir); /* either answer is right here */
    assert_false(e->v->ops->journaled(e->v, -1));
    int proc = e->v->ops->open(e->v, -1, "/proc", O_DIRECTORY, 0);
    assert_false(e->v->ops->journaled(e->v, proc));
    e->v->ops->close(e->v, proc);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_open_does_not_leave_the_directory),
        TEST(test_open_follows_links_inside_but_no_magic_ones),
        TEST(test_open_flags),
        TEST(test_open_of_a_fifo_does_not_hang),
        TEST(test_stat),
        TEST(test_read_write_truncate_allocate),
        TEST(test_clone),
        TEST(test_xattr),
        TEST(test_rename_unlink_mkdir_rmdir),
        TEST(test_link),
        TEST(test_readdir),
        TEST(test_resident),
        TEST(test_lock_keeps_other_processes_out),
        TEST(test_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
