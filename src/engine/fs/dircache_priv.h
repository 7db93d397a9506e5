/* Sorted directory contents, shared by the loops; used on workers. What names.c calls a component
 * is a name here: a directory's with a '/' behind it, so that the order of names is the order of
 * the keys beneath them. Names that cannot be part of a key are left out. */
#ifndef LB_ENGINE_FS_DIRCACHE_PRIV_H
#define LB_ENGINE_FS_DIRCACHE_PRIV_H

#include "engine/fs/fs_priv.h"

/* Immutable once built, but for the fields marked (lock). */
struct fs_dir {
    struct lb_map_node node;
    struct lb_list lru; /* (lock) */
    unsigned refs;      /* (lock) */
    bool in_map;        /* (lock) */
    bool keep;          /* may be used again */
    struct lb_vfs_stat st;
    int64_t read_ns; /* time of day before it was read */
    size_t bytes;
    uint32_t n;
    uint32_t *offs; /* ascending by name */
    char *names;    /* NUL-terminated, at their offsets */
    char *links;    /* of each symlink: its type's byte, its name, NUL */
    size_t links_len;
    struct lb_slice path;
};

struct fs_dirs *fs_dirs_new(size_t bytes_max);
void fs_dirs_free(struct fs_dirs *d);

/* The contents of the directory that fd has open, referenced. path leads to it from the root; top:
 * it is a bucket's own, where FS_RESERVED is left out. wall_ns: a time of day before the call. */
int fs_dirs_get(struct fs_engine *fs, const char *path, int fd, bool top, int64_t wall_ns,
                struct fs_dir **ret);
void fs_dirs_unref(struct fs_engine *fs, struct fs_dir *dir);

static inline struct lb_slice fs_dir_name(const struct fs_dir *d, uint32_t i) {
    return lb_slice_cstr(d->names + d->offs[i]);
}

/* The place of the first name >= s. */
uint32_t fs_dir_seek(const struct fs_dir *d, struct lb_slice s);

/* The type of what path leads to, symlinks inside the root followed; LB_VFS_OTHER when it is
 * nothing a key can name. */
enum lb_vfs_type fs_type_of(struct fs_engine *fs, const char *path);

#endif
