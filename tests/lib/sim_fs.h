/* A file system in memory behind struct lb_vfs, which knows what of it is on the disk.
 *
 * Every inode has two versions: what the page cache shows (`now`) and what the disk holds (`disk`).
 * A change is made to `now` at once and is pending until something makes it durable:
 *
 *  - Without `journaled`, only what POSIX promises: fsync of a file makes its data, size, times and
 *    extended attributes durable, but not its name; fsync of a directory makes the entries made,
 *    renamed and removed in it durable, and nothing else. A power loss keeps any subset of what is
 *    pending, in any combination; a rename is kept or lost as a whole (every file system in use
 *    does that much). A file's size may cover sectors that were never written: zeros or garbage.
 *  - With `journaled`, the rules of ext4 (data=ordered) and XFS: changes of metadata (create,
 *    rename, unlink, mkdir, rmdir, setxattr, truncate, times, O_DIRECT writes with the size that
 *    they set) become durable strictly in the order they were made. fsync of a file or directory
 *    makes all of them durable up to the last one that concerned it, and no later one. Buffered
 *    data is written out at any time; a file's size covers only data that was.
 *
 * In both, pending writes tear at sectors of 512 bytes. An fsync that fails may have written any
 * part of the file's data, and what it did not write is lost to the disk for good, though the page
 * cache still shows it: a second fsync that succeeds does not save it, as in Linux.
 *
 * One thread. The same configuration and the same calls give the same results, bit by bit. */
#ifndef LB_TESTS_SIM_FS_H
#define LB_TESTS_SIM_FS_H

#include "io/vfs.h"

#define SIM_SECTOR 512u
#define SIM_FD_MIN 100 /* file descriptors are never reused, so that a stale one is found out */

/* What can be counted, made to fail, and be a place to crash. */
enum sim_call {
    SIM_OPEN,
    SIM_CREATE, /* an open that may create */
    SIM_STAT,
    SIM_READ,
    SIM_WRITE,
    SIM_FSYNC,
    SIM_TRUNCATE,
    SIM_ALLOCATE,
    SIM_CLONE,
    SIM_GETXATTR,
    SIM_SETXATTR,
    SIM_RENAME,
    SIM_UNLINK,
    SIM_RMDIR,
    SIM_MKDIR,
    SIM_LINK,
    SIM_READDIR,
    SIM_LOCK,
    SIM_SPACE,
    SIM_ACCEPT,
    SIM_RECV,
    SIM_SEND,
    SIM_SENDFILE,
    SIM_CALLS,
};

#define SIM_BIT(call) (1u << (call))
/* Calls that change what a crash leaves. */
#define SIM_CHANGES                                                                           \
    (SIM_BIT(SIM_CREATE) | SIM_BIT(SIM_WRITE) | SIM_BIT(SIM_FSYNC) | SIM_BIT(SIM_TRUNCATE) |  \
     SIM_BIT(SIM_CLONE) | SIM_BIT(SIM_SETXATTR) | SIM_BIT(SIM_RENAME) | SIM_BIT(SIM_UNLINK) | \
     SIM_BIT(SIM_RMDIR) | SIM_BIT(SIM_MKDIR) | SIM_BIT(SIM_LINK))

enum sim_clone { SIM_CLONE_NONE, SIM_CLONE_COPY, SIM_CLONE_REFLINK };

struct sim_fs_conf {
    uint64_t seed; /* of readdir's order, of hints, of LB_VFS_CACHED refusals */
    bool journaled;
    bool no_type; /* readdir does not say types */
    bool no_link; /* a file has one name */
    enum sim_clone clone;
    size_t xattr_max; /* bytes of one value: more is -ENOSPC (ext4) up to 64 KiB, then -E2BIG; 0:
                         -EOPNOTSUPP */
    uint64_t size;    /* bytes of data it can hold; 0: no limit */
    uint64_t tick_ns; /* time stamps are multiples of this; 0: 4 ms */
    unsigned cold_percent; /* how often LB_VFS_CACHED and resident say no */
    unsigned direct_align; /* O_DIRECT wants multiples of this; 0: SIM_SECTOR */
    bool lies;             /* fsync does nothing and says that it did: for canaries */
    size_t pending_max;    /* changes pending before the oldest half is written back; 0: 8192 */
};

struct sim_fs;

/* A file system that holds an empty root directory (conf is copied). Returns owned. */
struct sim_fs *sim_fs_new(const struct sim_fs_conf *conf);
/* NULL is allowed. Open descriptors are forgotten. */
void sim_fs_free(struct sim_fs *fs);
struct lb_vfs *sim_fs_vfs(struct sim_fs *fs);

/* Time of day for time stamps; without one it stands still at 2026-01-01. */
void sim_fs_clock(struct sim_fs *fs, int64_t (*wall_ns)(void *ctx), void *ctx);

/* Called before every call whose SIM_BIT is in `calls`: the place to take a crash image. It must
 * not change fs. NULL: none. */
void sim_fs_hook(struct sim_fs *fs, unsigned calls, void (*fn)(void *ctx, enum sim_call call),
                 void *ctx);

/* The nth call from now (1: the next) whose SIM_BIT is in `calls` fails with err (positive; 0: one
 * that is usual for the call) and, when sticky, every one after it, until the next sim_fs_fail. nth
 * 0: none. */
void sim_fs_fail(struct sim_fs *fs, unsigned calls, uint64_t nth, int err, bool sticky);
/* How many calls have been made to fail since sim_fs_fail, and the SIM_BITs of their kinds. */
uint64_t sim_fs_failed(const struct sim_fs *fs);
unsigned sim_fs_failed_calls(const struct sim_fs *fs);
/* Calls so far, of the kinds in `calls`. */
uint64_t sim_fs_calls(const struct sim_fs *fs, unsigned calls);
/* Counts a call of the loop's own kinds (SIM_RECV, ...); returns 0 or the -errno it shall give. */
int sim_fs_enter(struct sim_fs *fs, enum sim_call call);

/* What a power loss at this moment leaves, chosen by seed: a new file system, owned, with the same
 * configuration, whose `now` and `disk` are the same. fs itself goes on as if nothing had happened.
 */
struct sim_fs *sim_fs_crash(const struct sim_fs *fs, uint64_t seed);
/* What kill -9 leaves: everything but descriptors and locks, with what is pending still pending. */
struct sim_fs *sim_fs_kill(const struct sim_fs *fs);
/* As sync(2): everything is durable. */
void sim_fs_sync(struct sim_fs *fs);

/* Open descriptors; pending changes; bytes of data allocated. */
size_t sim_fs_open_count(const struct sim_fs *fs);
size_t sim_fs_pending_count(const struct sim_fs *fs);
uint64_t sim_fs_used(const struct sim_fs *fs);
/* Changes the capacity (0: none), so that a test can fill the disk and make room again. */
void sim_fs_resize(struct sim_fs *fs, uint64_t size);
/* A hash of everything that can be seen (names, contents, attributes; not times): equal trees,
 * equal hashes. */
uint64_t sim_fs_digest(const struct sim_fs *fs);

/* Shorthands for tests, with absolute paths. put writes a whole file (making no directories), get
 * returns the length and at most cap bytes, symlink makes one. All 0/count or -errno. */
int sim_fs_put(struct sim_fs *fs, const char *path, const void *data, size_t len);
int64_t sim_fs_get(struct sim_fs *fs, const char *path, void *buf, size_t cap);
int sim_fs_symlink(struct sim_fs *fs, const char *target, const char *path);

#endif
