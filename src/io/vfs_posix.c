/* The operating system's files. */
#include "io/vfs_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

/* openat2 gives EAGAIN when a rename runs beside a path walk with "..", open when another process
 * has a lease. Both pass. */
#define OPEN_TRIES 32
#define OPEN_RETRY_NS 1000000

/* Probes of the page cache where there is no cachestat; each costs as much as that. */
#define PROBES_MAX 4u

/* cachestat(2), Linux 6.5. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

struct cache_range {
    uint64_t off;
    uint64_t len;
};

struct cache_counts {
    uint64_t cached;
    uint64_t dirty;
    uint64_t writeback;
    uint64_t evicted;
    uint64_t recently_evicted;
};

static int dir_of(int dir) {
    return dir < 0 ? AT_FDCWD : dir;
}

static int open_once(int dir, const char *path, unsigned flags, unsigned mode, bool cached) {
    if (dir < 0) {
        int fd = open(path, (int)flags, mode);
        return fd < 0 ? -errno : fd;
    }
    bool creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    struct open_how how = {
        .flags = flags,
        .mode = creates ? mode : 0, /* openat2 refuses a mode that it does not need */
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (cached ? RESOLVE_CACHED : 0),
    };
    long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
    return fd < 0 ? -errno : (int)fd;
}

/* O_NONBLOCK, so that opening a FIFO does not hang; it is taken off again, because the ring would
 * obey it in reads and writes. */
static int vfs_open(struct lb_vfs *v, int dir, const char *path, unsigned flags, unsigned mode) {
    bool cached = flags & LB_VFS_CACHED;
    bool plain = !(flags & (O_PATH | O_DIRECTORY));
    flags &= ~LB_VFS_CACHED;
    unsigned how = flags | O_CLOEXEC | (plain ? O_NONBLOCK | O_NOCTTY : 0);
    int fd = open_once(dir, path, how, mode, cached);
    if (cached && fd == -EINVAL)
        return -EAGAIN; /* a kernel or a flag that does not go with RESOLVE_CACHED */
    for (int i = 1; fd == -EAGAIN && !cached && i < OPEN_TRIES; i++) {
        nanosleep(&(struct timespec){.tv_nsec = OPEN_RETRY_NS}, NULL);
        fd = open_once(dir, path, how, mode, false);
    }
    if (fd >= 0 && plain)
        fcntl(fd, F_SETFL, (int)(flags & (O_APPEND | O_DIRECT | O_NOATIME)));
    return fd;
}

static void vfs_close(struct lb_vfs *v, int fd) {
    close(fd);
}

static int64_t time_ns(const struct statx_timestamp *t) {
    return t->tv_sec * 1000000000 + t->tv_nsec;
}

static enum lb_vfs_type type_of_mode(unsigned mode) {
    switch (mode & S_IFMT) {
    case S_IFREG:
        return LB_VFS_FILE;
    case S_IFDIR:
        return LB_VFS_DIR;
    case S_IFLNK:
        return LB_VFS_SYMLINK;
    case S_IFBLK:
        return LB_VFS_BLOCK;
    default:
        return LB_VFS_OTHER;
    }
}

static int stat_into(int dir, const char *path, int flags, struct lb_vfs_stat *ret) {
    struct statx st;
    if (statx(dir, path, flags | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &st) < 0)
        return -errno;
    *ret = (struct lb_vfs_stat){
        .dev = makedev(st.stx_dev_major, st.stx_dev_minor),
        .ino = st.stx_ino,
        .size = st.stx_size,
        .blocks = st.stx_blocks,
        .mtime_ns = time_ns(&st.stx_mtime),
        .ctime_ns = time_ns(&st.stx_ctime),
        .nlink = st.stx_nlink,
        .type = type_of_mode(st.stx_mode),
    };
    return 0;
}

static int vfs_fstat(struct lb_vfs *v, int fd, struct lb_vfs_stat *ret) {
    int rc = fd < 0 ? -EBADF : stat_into(fd, "", AT_EMPTY_PATH, ret);
    if (rc == 0 && ret->type == LB_VFS_BLOCK && ioctl(fd, BLKGETSIZE64, &ret->size) < 0)
        ret->size = 0; /* O_PATH */
    return rc;
}

static int vfs_stat(struct lb_vfs *v, int dir, const char *path, struct lb_vfs_stat *ret) {
    return stat_into(dir_of(dir), path, AT_SYMLINK_NOFOLLOW, ret);
}

static int64_t vfs_pread(struct lb_vfs *v, int fd, void *buf, size_t len, uint64_t off) {
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, (char *)buf + done, len - done, (off_t)(off + done));
        if (n > 0)
            done += (size_t)n;
        /* After the short read that ended the file, O_DIRECT refuses the odd offset. */
        else if (n == 0 || (done > 0 && errno == EINVAL))
            break;
        else if (errno != EINTR)
            return -errno;
    }
    return (int64_t)done;
}

static int64_t vfs_pwrite(struct lb_vfs *v, int fd, const void *buf, size_t len, uint64_t off) {
    size_t done = 0;
    while (done < len) {
        ssize_t n = pwrite(fd, (const char *)buf + done, len - done, (off_t)(off + done));
        if (n > 0)
            done += (size_t)n;
        else if (n == 0)
            return -EIO;
        else if (errno != EINTR)
            return -errno;
    }
    return (int64_t)done;
}

static int vfs_fsync(struct lb_vfs *v, int fd, bool data_only) {
    return (data_only ? fdatasync(fd) : fsync(fd)) < 0 ? -errno : 0;
}

static int vfs_truncate(struct lb_vfs *v, int fd, uint64_t size) {
    int rc;
    do
        rc = ftruncate(fd, (off_t)size);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : 0;
}

static int vfs_allocate(struct lb_vfs *v, int fd, uint64_t off, uint64_t len) {
    int rc;
    do
        rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : 0;
}

static int vfs_discard(struct lb_vfs *v, int fd, uint64_t off, uint64_t len) {
    uint64_t range[2] = {off, len};
    int rc = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len);
    if (rc < 0 && (errno == EOPNOTSUPP || errno == ENODEV))
        rc = ioctl(fd, BLKDISCARD, range);
    return rc < 0 ? -errno : 0;
}

/* What a kernel or a filesystem says that cannot copy between these two files. */
static bool copy_is_refused(int err) {
    return err == EOPNOTSUPP || err == EXDEV || err == ENOSYS || err == EINVAL || err == ENOTTY;
}

static int copy_range(int from, uint64_t from_off, int to, uint64_t to_off, uint64_t len) {
    off_t in = (off_t)from_off, out = (off_t)to_off;
    while (len > 0) {
        size_t max = len < (1u << 30) ? (size_t)len : 1u << 30;
        ssize_t n = copy_file_range(from, &in, to, &out, max, 0);
        if (n > 0)
            len -= (uint64_t)n;
        else if (n == 0)
            return -EIO; /* the source is shorter than its owner thought */
        else if (errno != EINTR)
            return copy_is_refused(errno) ? -EOPNOTSUPP : -errno;
    }
    return 0;
}

static int vfs_clone(struct lb_vfs *v, int from, uint64_t from_off, int to, uint64_t to_off,
                     uint64_t len) {
    struct file_clone_range range = {
        .src_fd = from, .src_offset = from_off, .src_length = len, .dest_offset = to_off};
    if (len == 0)
        return 0; /* to the ioctl it would mean: to the end */
    if (ioctl(to, FICLONERANGE, &range) == 0)
        return 0;
    if (!copy_is_refused(errno))
        return -errno;
    return copy_range(from, from_off, to, to_off, len);
}

static int64_t vfs_getxattr(struct lb_vfs *v, int fd, const char *name, void *buf, size_t cap) {
    /* To the call, a size of 0 is a question that any length answers. */
    char none[1];
    ssize_t n = cap ? fgetxattr(fd, name, buf, cap) : fgetxattr(fd, name, none, sizeof(none));
    if (n < 0)
        return -errno;
    return (size_t)n > cap ? -ERANGE : n;
}

static int vfs_setxattr(struct lb_vfs *v, int fd, const char *name, const void *buf, size_t len) {
    return fsetxattr(fd, name, buf, len, 0) < 0 ? -errno : 0;
}

static int vfs_rename(struct lb_vfs *v, int from_dir, const char *from, int to_dir, const char *to,
                      unsigned flags) {
    unsigned how = flags & LB_VFS_RENAME_NOREPLACE ? RENAME_NOREPLACE : 0;
    return renameat2(dir_of(from_dir), from, dir_of(to_dir), to, how) < 0 ? -errno : 0;
}

static int vfs_link(struct lb_vfs *v, int from_dir, const char *from, int to_dir, const char *to) {
    return linkat(dir_of(from_dir), from, dir_of(to_dir), to, 0) < 0 ? -errno : 0;
}

static int vfs_unlink(struct lb_vfs *v, int dir, const char *name) {
    return unlinkat(dir_of(dir), name, 0) < 0 ? -errno : 0;
}

static int vfs_rmdir(struct lb_vfs *v, int dir, const char *name) {
    return unlinkat(dir_of(dir), name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int vfs_mkdir(struct lb_vfs *v, int dir, const char *name, unsigned mode) {
    return mkdirat(dir_of(dir), name, mode) < 0 ? -errno : 0;
}

static enum lb_vfs_type type_of_entry(unsigned char type) {
    switch (type) {
    case DT_REG:
        return LB_VFS_FILE;
    case DT_DIR:
        return LB_VFS_DIR;
    case DT_LNK:
        return LB_VFS_SYMLINK;
    default:
        return LB_VFS_OTHER;
    }
}

static bool is_dots(const char *name) {
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static int vfs_readdir(struct lb_vfs *v, int fd, lb_vfs_entry_fn fn, void *ctx) {
    /* Opened anew and not duplicated: a duplicate would share the caller's place. */
    int own_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (own_fd < 0)
        return -errno;
    DIR *dir = fdopendir(own_fd);
    if (!dir) {
        int rc = -errno;
        close(own_fd);
        return rc;
    }
    int rc = 0;
    while (rc == 0) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) {
            rc = -errno;
            break;
        }
        if (!is_dots(entry->d_name))
            rc = fn(ctx, entry->d_name, strlen(entry->d_name), type_of_entry(entry->d_type));
    }
    closedir(dir);
    return rc;
}

static size_t page_size(void) {
    return (size_t)getpagesize();
}

static bool probe(int fd, uint64_t off) {
    char byte;
    struct iovec iov = {&byte, 1};
    return preadv2(fd, &iov, 1, (off_t)off, RWF_NOWAIT) == 1;
}

/* Without cachestat: a few bytes from different places, taken only if that does not block. Believes
 * that what lies between two that are there is there too. */
static size_t resident_by_probes(int fd, uint64_t off, size_t len) {
    size_t step = len / PROBES_MAX + page_size(), good = 0;
    if (!probe(fd, off))
        return 0;
    while (len - good > step && probe(fd, off + good + step))
        good += step;
    return len - good <= step && probe(fd, off + len - 1) ? len : good;
}

/* Pages of the range that are cached, or -1. */
static int64_t cached_pages(int fd, uint64_t off, size_t len) {
    struct cache_range range = {off, len};
    struct cache_counts counts = {0};
    if (syscall(SYS_cachestat, fd, &range, &counts, 0) < 0)
        return -1;
    return (int64_t)counts.cached;
}

static int64_t pages_in(uint64_t off, size_t len) {
    return (int64_t)((off + len - 1) / page_size() - off / page_size() + 1);
}

static size_t vfs_resident(struct lb_vfs *v, int fd, uint64_t off, size_t len) {
    if (len == 0)
        return 0;
    int64_t cached = cached_pages(fd, off, len);
    if (cached < 0)
        return resident_by_probes(fd, off, len);
    if (cached >= pages_in(off, len))
        return len;
    /* It tells how many, not which: the longest front part that is all there, by halving. */
    size_t good = 0, bad = len;
    while (cached > 0 && bad - good > page_size()) {
        size_t mid = good + (bad - good) / 2;
        if (cached_pages(fd, off, mid) >= pages_in(off, mid))
            good = mid;
        else
            bad = mid;
    }
    return good;
}

static int vfs_lock(struct lb_vfs *v, int fd) {
    int rc;
    do
        rc = flock(fd, LOCK_EX | LOCK_NB);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : 0;
}

static int vfs_space(struct lb_vfs *v, int fd, uint64_t *ret_total, uint64_t *ret_free) {
    struct statvfs st;
    if (fstatvfs(fd, &st) < 0)
        return -errno;
    *ret_total = (uint64_t)st.f_blocks * st.f_frsize;
    *ret_free = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}

static const struct lb_vfs_ops posix_ops = {
    .open = vfs_open,
    .close = vfs_close,
    .fstat = vfs_fstat,
    .stat = vfs_stat,
    .pread = vfs_pread,
    .pwrite = vfs_pwrite,
    .fsync = vfs_fsync,
    .truncate = vfs_truncate,
    .allocate = vfs_allocate,
    .discard = vfs_discard,
    .clone = vfs_clone,
    .getxattr = vfs_getxattr,
    .setxattr = vfs_setxattr,
    .rename = vfs_rename,
    .link = vfs_link,
    .unlink = vfs_unlink,
    .rmdir = vfs_rmdir,
    .mkdir = vfs_mkdir,
    .readdir = vfs_readdir,
    .resident = vfs_resident,
    .lock = vfs_lock,
    .space = vfs_space,
    .journaled = lb_vfs_posix_journaled,
};

struct lb_vfs *lb_vfs_posix(void) {
    static struct lb_vfs vfs = {&posix_ops};
    return &vfs;
}
