/* The versions of one key: what is at its place (the current object) and what lies in its
 * directory of versions/. "Worker" as in fs_priv.h. README.md has the rules: which files there
 * count, and which are left from changes that a crash cut off. */
#ifndef LB_ENGINE_FS_VERSIONS_PRIV_H
#define LB_ENGINE_FS_VERSIONS_PRIV_H

#include "engine/fs/write_priv.h"

/* A key as it is. Zeroed at first, but for `want`. */
struct fs_key_state {
    struct fs_version want; /* in: the version to look for; order 0 and not null: none */
    bool current;           /* something is at the key's place */
    bool damaged;           /* and is CORRUPT: found.fd is -1 */
    struct fs_found found;  /* it; borrows from the blob */
    /* Of the files that count in versions/; order 0: none. */
    struct fs_version newest, second, null, match;
    struct fs_version linked; /* the file that is the current one under a second name */
    uint64_t last;            /* the greatest order met, whether it counts or not */
    bool left;                /* some files there do not count */
    bool any;                 /* there are files in versions/, or were */
};

/* Any thread. May this key have versions? Costs nothing while no bucket has any. */
bool fs_versions_maybe(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key);

/* Worker, with the key's lock held, as all the following. Looks at everything. The current object
 * is open until fs_state_fini; its attributes are in blob. Returns 0, NO_SUCH_BUCKET, ... */
int fs_state_load(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                  struct lb_buf *blob, struct fs_key_state *s);
/* The same before a change: what does not count is removed first, for the change might make it
 * count. */
int fs_state_enter(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                   struct lb_buf *blob, struct fs_key_state *s);
void fs_state_fini(struct fs_engine *fs, struct fs_key_state *s);
/* Does the file of version v in versions/ count? */
bool fs_state_counts(const struct fs_key_state *s, const struct fs_version *v);
/* Is the current object the null version? */
static inline bool fs_state_is_null(const struct fs_key_state *s) {
    return s->current && (s->found.version.order == 0 || s->found.version.null);
}
/* Is the current object the version that was wanted? */
bool fs_state_is_wanted(const struct fs_key_state *s);
/* Decides a condition on the current object. */
int fs_state_precond(const struct fs_key_state *s, const struct lb_precond *pre);
/* A version later than all there are, made at wall_ns. */
struct fs_version fs_state_next(const struct fs_key_state *s, int64_t wall_ns);

/* Calls fn with every version in the key's directory, in no order, until one returns non-zero. */
int fs_versions_each(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                     int (*fn)(void *ctx, const struct fs_version *v), void *ctx);
/* The file of a version in versions/. */
void fs_version_path(const struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                     const struct fs_version *v, char ret[FS_PATH_MAX]);
/* Opens it, or stats it when it is a marker (fd -1). Returns as fs_find_at. */
int fs_version_open(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                    const struct fs_version *v, struct lb_buf *blob, struct fs_found *ret);
/* Finds op's object by op->version (empty: the current one) as `open` of engine.h says. s is what
 * was loaded with op's version wanted; ret->fd is the caller's, and no longer s's. */
int fs_state_find(struct fs_engine *fs, struct lb_engine_op *op, struct fs_key_state *s,
                  struct lb_buf *blob, struct fs_found *ret);
/* Worker, without the lock: takes it, loads and finds. */
int fs_version_find(struct fs_engine *fs, struct lb_engine_op *op, struct lb_buf *blob,
                    struct fs_found *ret);

/* Removes the file of a version. Order 0: nothing to do. */
int fs_version_drop(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                    const struct fs_version *v);
/* Removes the key's directory when nothing is in it. */
void fs_versions_prune(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key);
/* Without a journal: makes last what was done to the key's place. */
int fs_key_settle(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key);

/* ---- keep.c ---- */

/* Gives the current object a second place, in versions/, where it lasts; it may then be replaced or
 * removed. The null version gets its order. What is damaged and of no known version is not kept.
 * *ret: what was added, to be dropped if the change fails; order 0: nothing. */
int fs_keep(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
            struct fs_key_state *s, struct fs_version *ret);
/* Puts a delete marker into versions/. sync: it lasts, but for its name. */
int fs_marker_make(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                   const struct fs_version *v, bool sync);

/* ---- replace.c ---- */

/* fs_install for a bucket that is or was versioned. */
int fs_install_version(struct fs_engine *fs, const struct fs_install *in, struct fs_touched *t,
                       struct lb_object_info *ret_info);
/* Removals with the locks held: without a version from a bucket that is or was versioned; and of a
 * version. */
int fs_remove_latest(struct fs_engine *fs, struct lb_engine_op *op, struct fs_touched *t);
int fs_remove_version(struct fs_engine *fs, struct lb_engine_op *op, struct fs_touched *t);

#endif
