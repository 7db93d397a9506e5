/* The insides of the simulated file system, shared by sim_state.c, sim_path.c, sim_vfs.c and
 * sim_crash.c. */
#ifndef LB_TESTS_SIM_FS_PRIV_H
#define LB_TESTS_SIM_FS_PRIV_H

#include "base/list.h"
#include "base/prng.h"
#include "sim_fs.h"

#define SIM_PAGE 4096u
#define SIM_ROOT 1u /* the root's inode number; inode n is fs->inodes[n] */
#define SIM_NAME_MAX 255u
#define SIM_PATH_MAX 4096u

/* Bytes shared by versions and by crash images; copied when written while shared. */
struct sim_page {
    unsigned refs;
    uint8_t bytes[SIM_PAGE];
};

struct sim_blob {
    unsigned refs;
    size_t len;
    uint8_t bytes[];
};

struct sim_entry {
    struct sim_blob *name; /* with a NUL behind its len bytes */
    uint64_t ino;
};

struct sim_xattr {
    struct sim_blob *name;
    struct sim_blob *value;
};

/* One version of an inode's content. */
struct sim_state {
    struct sim_page **pages; /* NULL: a hole */
    size_t pages_n;          /* may reach beyond size: preallocated */
    uint64_t size;
    struct sim_xattr *xattrs;
    size_t xattrs_n;
    struct sim_entry *entries; /* of a directory, in order of creation */
    size_t entries_n;
    int64_t mtime_ns;
    int64_t ctime_ns;
};

struct sim_inode {
    uint64_t ino;
    enum lb_vfs_type type;
    uint32_t nlink; /* entries that name it, in `now` */
    uint32_t opens;
    uint64_t parent; /* of a directory, in `now` */
    int lock_fd;     /* descriptor that has the lock, or 0 */
    struct sim_blob *target;
    struct sim_state now, disk;
};

enum sim_change_kind { SIM_CH_ENTRY, SIM_CH_WRITE, SIM_CH_SIZE, SIM_CH_XATTR };

/* One name that a change of entries sets (ino) or removes (0). dead: a later change of the same
 * name is durable already. */
struct sim_slot {
    uint64_t dir;
    struct sim_blob *name; /* NULL: unused */
    uint64_t ino;
    bool dead;
};

struct sim_change {
    struct lb_list link;
    enum sim_change_kind kind;
    uint64_t ino;            /* of data, size and attributes */
    struct sim_slot slot[2]; /* a rename has two */
    struct sim_blob *bytes;  /* of a write; an attribute's value */
    struct sim_blob *name;   /* an attribute's */
    uint64_t off;            /* of a write; the new size */
    bool ordered;            /* a write that takes its place among the metadata */
    int64_t mtime_ns, ctime_ns;
};

struct sim_file {
    uint64_t ino; /* 0: closed */
    unsigned flags;
};

struct sim_fs {
    struct lb_vfs vfs;
    struct sim_fs_conf conf;
    struct lb_prng prng;
    struct sim_inode **inodes;
    size_t inodes_n;
    struct sim_file *files; /* descriptor SIM_FD_MIN + i is files[i] */
    size_t files_n;
    struct lb_list pending; /* oldest first */
    size_t pending_n;
    uint64_t pending_bytes;
    size_t garbage; /* removals since the last collection */
    int64_t (*wall_ns)(void *ctx);
    void *wall_ctx;
    int64_t stamp_ns; /* the last time stamp given: they never go back */

    void (*hook)(void *ctx, enum sim_call call);
    void *hook_ctx;
    unsigned hook_calls;
    bool in_hook;
    uint64_t calls[SIM_CALLS];
    unsigned fail_calls;
    uint64_t fail_in; /* calls until the failing one; 0: none */
    int fail_err;
    bool fail_sticky;
    uint64_t failed;
    unsigned failed_calls;
};

/* ---- sim_state.c: one version of an inode ---- */

void *sim_grow(void *array, size_t n, size_t item); /* realloc that cannot fail */
struct sim_blob *sim_blob_new(const void *bytes, size_t len);
struct sim_blob *sim_blob_ref(struct sim_blob *b); /* NULL is allowed */
void sim_blob_unref(struct sim_blob *b);
bool sim_blob_eq(const struct sim_blob *a, const struct sim_blob *b);

void sim_state_fini(struct sim_state *s);
/* dst is overwritten, not freed first; pages and names are shared. */
void sim_state_copy(struct sim_state *dst, const struct sim_state *src);
/* Makes [off, off + len) hold bytes (NULL: zeros); the size grows to at least `size`. */
void sim_state_write(struct sim_state *s, uint64_t off, const uint8_t *bytes, size_t len,
                     uint64_t size);
size_t sim_state_read(const struct sim_state *s, uint64_t off, uint8_t *buf, size_t len);
void sim_state_resize(struct sim_state *s, uint64_t size);
/* Fills holes of [off, off + len) with pages of zeros; the size stays. */
void sim_state_allocate(struct sim_state *s, uint64_t off, uint64_t len);
/* How many pages a write of this range would add. */
size_t sim_state_missing(const struct sim_state *s, uint64_t off, uint64_t len);
size_t sim_state_pages(const struct sim_state *s);
/* The inode named, or 0. */
uint64_t sim_state_lookup(const struct sim_state *s, const char *name, size_t len);
/* Sets a name to ino, or removes it (0). */
void sim_state_set_entry(struct sim_state *s, struct sim_blob *name, uint64_t ino);
const struct sim_xattr *sim_state_xattr(const struct sim_state *s, const char *name);
void sim_state_set_xattr(struct sim_state *s, struct sim_blob *name, struct sim_blob *value);

/* ---- sim_path.c ---- */

struct sim_walk {
    uint64_t dir;                /* the directory that holds, or would hold, the last component */
    uint64_t ino;                /* what it names; 0: nothing */
    char name[SIM_NAME_MAX + 1]; /* empty: the path is a directory itself, as "." or "/" */
    bool slash;                  /* a directory is demanded: "a/" */
    bool too_long;               /* PARENT: the last component, which then names nothing */
};
/* CREATE: for an open that may make a file, which has no trailing slash. PARENT: for calls on the
 * name itself, which decide about a trailing slash on their own. */
enum { SIM_WALK_BENEATH = 1, SIM_WALK_FOLLOW = 2, SIM_WALK_CREATE = 4, SIM_WALK_PARENT = 8 };

/* Resolves path from directory `from`. Returns 0 (also when only the last component is missing) or
 * -ENOENT, -ENOTDIR, -EISDIR, -ENAMETOOLONG, -ELOOP, -EXDEV. */
int sim_path_walk(const struct sim_fs *fs, uint64_t from, const char *path, unsigned flags,
                  struct sim_walk *ret);
/* The starting directory of a call's (dir, path). Returns 0 or -EBADF, -ENOTDIR. */
int sim_path_start(const struct sim_fs *fs, int dir, const char *path, uint64_t *ret);

/* ---- sim_vfs.c ---- */

extern const struct lb_vfs_ops sim_vfs_ops;

/* ---- sim_fs.c ---- */

/* A file system without inodes. */
struct sim_fs *sim_fs_empty(const struct sim_fs_conf *conf);
struct sim_inode *sim_inode(const struct sim_fs *fs, uint64_t ino);
/* A new inode with the lowest number that is free. */
struct sim_inode *sim_inode_new(struct sim_fs *fs, enum lb_vfs_type type);
void sim_inode_free(struct sim_fs *fs, uint64_t ino);
/* The open file behind a descriptor. One that is not open ends the test. */
struct sim_file *sim_file(const struct sim_fs *fs, int fd);
int64_t sim_fs_stamp(struct sim_fs *fs);

/* ---- sim_pending.c: what the disk does not hold yet ---- */

/* Records a change that was just made to `now`. Takes c's blobs. */
void sim_pending_add(struct sim_fs *fs, struct sim_change c);
/* fsync of an inode. failed: the error path, which loses the data for good. */
void sim_pending_sync(struct sim_fs *fs, uint64_t ino, bool failed);
/* A truncation drops pending data beyond the new size; an O_DIRECT write puts what is pending of
 * the same file in front of it. */
void sim_pending_trim(struct sim_fs *fs, uint64_t ino, uint64_t size);
void sim_pending_flush(struct sim_fs *fs, uint64_t ino);
void sim_pending_clear(struct sim_fs *fs);
/* Is this change, with `journaled`, part of the ordered log of metadata? */
bool sim_pending_is_meta(const struct sim_change *c);
/* Makes the disk version of what c changed hold it. c is pending, or a copy that is not linked. */
void sim_pending_apply(struct sim_fs *fs, struct sim_change *c);
/* The times alone: they are metadata, with a journal also those of a buffered write. */
void sim_pending_stamp(struct sim_fs *fs, const struct sim_change *c);
/* Writes only some sectors of a write to the disk version: each is new, old or (garbage) noise.
 * grow: the size may grow to cover them. */
void sim_pending_tear(struct sim_state *disk, const struct sim_change *c, struct lb_prng *p,
                      bool grow, bool garbage);
/* Frees the contents of inodes that nothing refers to any more, from time to time. */
void sim_pending_collect(struct sim_fs *fs);

#endif
