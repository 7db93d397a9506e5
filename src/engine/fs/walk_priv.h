/* An ordered cursor over the plain keys of a bucket: the files beneath its directory, in byte order
 * of their keys. Worker. */
#ifndef LB_ENGINE_FS_WALK_PRIV_H
#define LB_ENGINE_FS_WALK_PRIV_H

#include "engine/fs/dircache_priv.h"

/* A directory on the way down. */
struct fs_walk_frame {
    struct fs_dir *dir; /* referenced */
    uint32_t at;        /* the name that is next */
    size_t base_len;    /* of the key, up to and with this directory's '/' */
};

struct fs_walk {
    struct fs_engine *fs;
    struct lb_slice bucket;
    struct lb_slice prefix;
    int64_t wall_ns;
    bool shallow; /* directories in the prefix's own are answered as prefixes */
    struct fs_walk_frame *frames;
    size_t depth;
    size_t cap;
    int fd; /* the top frame's directory, or -1 */
    size_t key_len;
    char key[LB_KEY_MAX + 1]; /* of the current name */
};

/* A cursor at the first key with prefix. Slices are borrowed. Returns 0 or -errno; fini in either
 * case. */
int fs_walk_init(struct fs_walk *w, struct fs_engine *fs, struct lb_slice bucket,
                 struct lb_slice prefix, bool shallow, int64_t wall_ns);
void fs_walk_fini(struct fs_walk *w);
/* Moves to the first key after target (inclusive: or equal). Even with shallow, a directory in
 * whose midst target lies is entered: what it still holds is answered as keys. */
int fs_walk_seek(struct fs_walk *w, struct lb_slice target, bool inclusive);
/* The current key, moving on over what is none: 1 and ret_key (borrowed until the cursor moves),
 * ret_prefix when it is a directory that holds an object; 0 at the end; -errno. */
int fs_walk_peek(struct fs_walk *w, struct lb_slice *ret_key, bool *ret_prefix);
/* Moves past the current key. */
void fs_walk_step(struct fs_walk *w);
/* Opens the current key's file. Returns a descriptor or -errno. */
int fs_walk_open(struct fs_walk *w);

/* Is there any object beneath the directory of key prefix `base` (empty: the bucket's own, else
 * ending in '/')? within: the directory it lies in, which a symlink may lead back to, or NULL.
 * strict: anything that is no directory counts, whether a key can name it or not. Returns 1, 0 or
 * -errno. */
int fs_any_object(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice base,
                  const struct lb_vfs_stat *within, bool strict);

#endif
