/* Files and directories as blocking calls, behind a table, so that the simulator can stand in for
 * the system and lose what was not synced. Called on worker threads, and on a loop only where a
 * comment says that the call cannot block. Descriptors are ints of the implementation's own space.
 * Every call returns 0 or a count, or -errno; paths are NUL-terminated and relative to dir. */
#ifndef LB_IO_VFS_H
#define LB_IO_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lb_vfs_type { LB_VFS_FILE, LB_VFS_DIR, LB_VFS_SYMLINK, LB_VFS_BLOCK, LB_VFS_OTHER };

struct lb_vfs_stat {
    uint64_t dev;
    uint64_t ino;
    uint64_t size;
    uint64_t blocks; /* of 512 bytes */
    int64_t mtime_ns;
    int64_t ctime_ns;
    uint32_t nlink;
    enum lb_vfs_type type;
};

/* Flags of open, beside O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY,
 * O_DIRECT, O_PATH: LB_VFS_CACHED asks
 * for -EAGAIN when the path is not in the kernel's cache, so that a loop may call. */
#define LB_VFS_CACHED (1u << 31)

struct lb_vfs;

/* One entry of a directory. name is borrowed until the callback returns. Returning non-zero ends
 * the walk with that value. "." and ".." are left out. type may be LB_VFS_OTHER when the filesystem
 * does not say. */
typedef int (*lb_vfs_entry_fn)(void *ctx, const char *name, size_t len, enum lb_vfs_type type);

enum { LB_VFS_RENAME_NOREPLACE = 1 };

struct lb_vfs_ops {
    /* Opens path beneath dir, never leaving it: RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS; a symlink
     * may stay inside, one that points out gives -EXDEV. Always close-on-exec. dir -1: an absolute
     * or cwd-relative path given by the administrator, no restriction. Does not block with
     * LB_VFS_CACHED. */
    int (*open)(struct lb_vfs *v, int dir, const char *path, unsigned flags, unsigned mode);
    void (*close)(struct lb_vfs *v, int fd);
    /* fstat of an open descriptor; does not block. A block device's size is that of the device. */
    int (*fstat)(struct lb_vfs *v, int fd, struct lb_vfs_stat *ret);
    /* One statx of a path. Follows no symlink in the last component (RESOLVE is not applied: use it
     * only to compare with a descriptor already opened beneath). */
    int (*stat)(struct lb_vfs *v, int dir, const char *path, struct lb_vfs_stat *ret);
    int64_t (*pread)(struct lb_vfs *v, int fd, void *buf, size_t len, uint64_t off);
    int64_t (*pwrite)(struct lb_vfs *v, int fd, const void *buf, size_t len, uint64_t off);
    int (*fsync)(struct lb_vfs *v, int fd, bool data_only);
    int (*truncate)(struct lb_vfs *v, int fd, uint64_t size);
    /* Reserves blocks for [off, off + len) without changing the size (FALLOC_FL_KEEP_SIZE).
     * -EOPNOTSUPP is no failure to the user. */
    int (*allocate)(struct lb_vfs *v, int fd, uint64_t off, uint64_t len);
    /* The bytes of [off, off + len) need not be kept: a hole in a file, a discard on a block
     * device. What is read there afterwards is undefined. Optional: NULL, or -EOPNOTSUPP. */
    int (*discard)(struct lb_vfs *v, int fd, uint64_t off, uint64_t len);
    /* FICLONERANGE, else copy_file_range, else -EOPNOTSUPP. All len bytes or an error. */
    int (*clone)(struct lb_vfs *v, int from, uint64_t from_off, int to, uint64_t to_off,
                 uint64_t len);
    /* Extended attribute `name` ("user.…"): get returns its length, -ENODATA, -ERANGE when cap is
     * too small, -EOPNOTSUPP. */
    int64_t (*getxattr)(struct lb_vfs *v, int fd, const char *name, void *buf, size_t cap);
    int (*setxattr)(struct lb_vfs *v, int fd, const char *name, const void *buf, size_t len);
    /* Both names are one component beneath their directory descriptor, or a path without ".." whose
     * directories the caller owns. */
    int (*rename)(struct lb_vfs *v, int from_dir, const char *from, int to_dir, const char *to,
                  unsigned flags);
    /* A second name for the file `from` (not followed when it is a symlink); names as in rename.
     * -EEXIST; -EPERM, -EOPNOTSUPP, -EMLINK or -EXDEV where the filesystem or its rules refuse. */
    int (*link)(struct lb_vfs *v, int from_dir, const char *from, int to_dir, const char *to);
    int (*unlink)(struct lb_vfs *v, int dir, const char *name);
    int (*rmdir)(struct lb_vfs *v, int dir, const char *name);
    int (*mkdir)(struct lb_vfs *v, int dir, const char *name, unsigned mode);
    int (*readdir)(struct lb_vfs *v, int fd, lb_vfs_entry_fn fn, void *ctx);
    /* How many bytes from off on are in the page cache without a gap, at most len. Does not block;
     * a hint. */
    size_t (*resident)(struct lb_vfs *v, int fd, uint64_t off, size_t len);
    /* An exclusive lock on an open file that lives as long as the descriptor; -EWOULDBLOCK when
     * another process has it. */
    int (*lock)(struct lb_vfs *v, int fd);
    /* Bytes in the filesystem that fd is on, and bytes that an ordinary user may still write. */
    int (*space)(struct lb_vfs *v, int fd, uint64_t *ret_total, uint64_t *ret_free);
    /* Does fsync of a directory commit every metadata operation on fd's filesystem that was made
     * before the last change of that directory (ext4 with a journal, xfs)? False when that is not
     * known for sure. Optional: NULL means no. */
    bool (*journaled)(struct lb_vfs *v, int fd);
};

struct lb_vfs {
    const struct lb_vfs_ops *ops;
};

/* The operating system's files. Static; needs no clean-up. */
struct lb_vfs *lb_vfs_posix(void);

#endif
