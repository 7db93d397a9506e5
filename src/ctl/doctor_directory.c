/* What a directory offers as a data root: its file system, and what that can do. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ctl/doctor.h"
#include "ctl/format.h"

#define BLOCK 4096
#define FREE_WANTED ((uint64_t)1 << 30)
#define INODES_WANTED 100000
#define XFS_MAGIC 0x58465342
#define ZFS_MAGIC 0x2fc12fc1

static void check_writable(const struct lb_doctor *d, struct lb_finding *f) {
    if (d->probe_fd < 0)
        lb_finding_set(f, LB_FINDING_FAIL, "give the user that runs lobos write access", "%s: %s",
                       d->dir, strerror(d->probe_err));
    else
        lb_finding_set(f, LB_FINDING_OK, "", "%s can be written to", d->dir);
}

static void check_filesystem(const struct lb_doctor *d, struct lb_finding *f) {
    static const struct {
        uint32_t magic;
        enum lb_finding_state state;
        const char *name, *advice;
    } known[] = {
        {EXT4_SUPER_MAGIC, LB_FINDING_OK, "ext4", ""},
        {XFS_MAGIC, LB_FINDING_OK, "xfs", ""},
        {BTRFS_SUPER_MAGIC, LB_FINDING_OK, "btrfs", ""},
        {ZFS_MAGIC, LB_FINDING_OK, "zfs", ""},
        {F2FS_SUPER_MAGIC, LB_FINDING_OK, "f2fs", ""},
        {TMPFS_MAGIC, LB_FINDING_WARN, "tmpfs", "what is in memory is gone after a restart"},
        {OVERLAYFS_SUPER_MAGIC, LB_FINDING_WARN, "overlayfs",
         "mount a volume: a container's own file system is slow, and gone with it"},
        {NFS_SUPER_MAGIC, LB_FINDING_WARN, "nfs",
         "a local ext4 or xfs is faster, and keeps lobos's promises about power failures"},
        {0xff534d42 /* CIFS */, LB_FINDING_FAIL, "cifs", "take a local file system"},
        {FUSE_SUPER_MAGIC, LB_FINDING_WARN, "fuse", "a local ext4 or xfs is faster"},
        {V9FS_MAGIC, LB_FINDING_WARN, "9p", "a local ext4 or xfs is faster"},
    };
    struct statfs s;
    if (fstatfs(d->dir_fd, &s) < 0) {
        lb_finding_set(f, LB_FINDING_WARN, "", "unknown: %s", strerror(errno));
        return;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if ((uint32_t)s.f_type == known[i].magic) {
            lb_finding_set(f, known[i].state, known[i].advice, "%s", known[i].name);
            return;
        }
    }
    lb_finding_set(f, LB_FINDING_WARN, "lobos is tested on ext4, xfs, btrfs and tmpfs",
                   "of unknown type 0x%" PRIx32, (uint32_t)s.f_type);
}

static void check_openat2(const struct lb_doctor *d, struct lb_finding *f) {
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    long fd = syscall(SYS_openat2, d->dir_fd, ".", &how, sizeof(how));
    if (fd >= 0) {
        close((int)fd);
        lb_finding_set(f, LB_FINDING_OK, "", "available");
        return;
    }
    lb_finding_set(f, LB_FINDING_FAIL,
                   "lobos resolves every path by it: take Linux 5.6 or newer, and a seccomp "
                   "profile that allows it",
                   "not available: %s", strerror(errno));
}

/* Says that there is no file to try with; false when there is. */
static bool no_probe(const struct lb_doctor *d, struct lb_finding *f) {
    if (d->probe_fd >= 0)
        return false;
    lb_finding_set(f, LB_FINDING_WARN, "make the directory writable first", "not tried");
    return true;
}

static void check_xattr(const struct lb_doctor *d, struct lb_finding *f) {
    if (no_probe(d, f))
        return;
    if (fsetxattr(d->probe_fd, "user.lobos.doctor", "1", 1, 0) == 0)
        lb_finding_set(f, LB_FINDING_OK, "", "user attributes are kept");
    else
        lb_finding_set(f, LB_FINDING_WARN,
                       "lobos keeps metadata in files of its own, which is slower: mount with "
                       "user_xattr, or take ext4, xfs or btrfs",
                       "no user attributes: %s", strerror(errno));
}

static void check_reflink(const struct lb_doctor *d, struct lb_finding *f) {
    char path[sizeof(d->probe_path) + 8];
    char block[BLOCK] = {0};
    if (no_probe(d, f))
        return;
    snprintf(path, sizeof(path), "%s.copy", d->probe_path);
    int copy = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    off_t from = 0;
    bool ready = copy >= 0 && pwrite(d->probe_fd, block, sizeof(block), 0) == BLOCK;
    if (ready && ioctl(copy, FICLONE, d->probe_fd) == 0)
        lb_finding_set(f, LB_FINDING_OK, "", "copies share their blocks");
    else if (ready && copy_file_range(d->probe_fd, &from, copy, NULL, BLOCK, 0) == BLOCK)
        lb_finding_set(f, LB_FINDING_OK, "",
                       "copies are made in the kernel (xfs and btrfs share blocks instead)");
    else
        lb_finding_set(f, LB_FINDING_WARN,
                       "copies and multipart uploads read and write every byte; xfs and btrfs "
                       "share blocks instead",
                       "no copy in the kernel: %s", strerror(errno));
    if (copy >= 0) {
        unlink(path);
        close(copy);
    }
}

static void check_direct(const struct lb_doctor *d, struct lb_finding *f) {
    if (no_probe(d, f))
        return;
    void *block = aligned_alloc(BLOCK, BLOCK);
    int fd = open(d->probe_path, O_RDWR | O_DIRECT | O_CLOEXEC);
    bool done = false;
    if (block && fd >= 0) {
        memset(block, 0, BLOCK);
        done = pwrite(fd, block, BLOCK, 0) == BLOCK;
    }
    if (done)
        lb_finding_set(f, LB_FINDING_OK, "", "available");
    else
        lb_finding_set(f, LB_FINDING_WARN, "a volume file should be on ext4, xfs or a block device",
                       "not available: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    free(block);
}

static void check_space(const struct lb_doctor *d, struct lb_finding *f) {
    struct statvfs s;
    char a[LB_FORMAT_MAX], b[LB_FORMAT_MAX];
    if (fstatvfs(d->dir_fd, &s) < 0) {
        lb_finding_set(f, LB_FINDING_WARN, "", "unknown: %s", strerror(errno));
        return;
    }
    uint64_t avail = (uint64_t)s.f_bavail * s.f_frsize, total = (uint64_t)s.f_blocks * s.f_frsize;
    bool inodes = s.f_files == 0 || s.f_favail >= INODES_WANTED;
    enum lb_finding_state state = avail == 0 ? LB_FINDING_FAIL
                                  : avail < FREE_WANTED || avail < total / 20 || !inodes
                                      ? LB_FINDING_WARN
                                      : LB_FINDING_OK;
    lb_finding_set(f, state,
                   inodes ? "make room: a full disk takes no uploads (507)"
                          : "inodes run out: a file takes one; make the file system with more",
                   "%s of %s free", lb_format_bytes(avail, a), lb_format_bytes(total, b));
}

const struct lb_doctor_check lb_doctor_directory[] = {
    {"directory", check_writable}, {"filesystem", check_filesystem},
    {"openat2", check_openat2},    {"xattrs", check_xattr},
    {"copies", check_reflink},     {"O_DIRECT", check_direct},
    {"free space", check_space},   {0},
};
