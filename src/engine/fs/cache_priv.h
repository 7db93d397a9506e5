/* A loop's cache of open objects: descriptor, identity and decoded attributes by bucket and key.
 * All on the loop's thread but fs_entry_new.
 *
 * Invariants:
 * 1. An entry is used only after one stat of its path said that dev, ino, size, mtime and ctime are
 *    those of the open file. While the descriptor is open the inode number cannot be reused.
 * 2. An entry whose ctime was younger than FS_RACY_NS when it was read does not get into the map.
 * 3. An entry lives while it is in the map or referenced. At most `max` are in the map.
 * 4. Files that were deleted are closed on a worker: closing the last descriptor frees their
 *    blocks. */
#ifndef LB_ENGINE_FS_CACHE_PRIV_H
#define LB_ENGINE_FS_CACHE_PRIV_H

#include "engine/fs/fs_priv.h"

struct fs_entry {
    struct lb_map_node node;
    struct lb_list lru;   /* in fs_cache.lru, or in fs_cache.doomed */
    struct lb_list check; /* in fs_cache.checks */
    unsigned refs;
    bool in_map;
    bool racy;
    int fd;
    struct lb_vfs_stat st;
    struct lb_object_info info;
    uint64_t used_ns; /* monotonic */
    struct lb_slice bucket, key;
    const char *path; /* NULL: not to be cached */
    char bytes[];     /* bucket, key, path, meta */
};

struct fs_reader {
    struct lb_reader reader;
    struct fs_entry *entry; /* referenced */
    struct lb_list link;    /* in fs_cache.readers */
    struct lb_pool_waiter waiter;
    struct lb_engine_op *op; /* the read that runs, or NULL */
    struct lb_pool_buf *buf;
    uint64_t off;
    size_t len;
    bool began;
};

struct fs_cache {
    struct fs_engine *fs;
    struct lb_io *io;
    unsigned max;
    struct lb_map map;
    struct lb_list lru;    /* newest first */
    struct lb_list checks; /* longest unchecked first */
    struct lb_list doomed; /* to be closed by a worker */
    unsigned doomed_n;
    struct lb_list closing; /* the worker's while closer is in flight */
    struct lb_io_op closer;
    struct lb_io_timer timer;
    bool timer_on;
    struct lb_list readers; /* for reuse */
    unsigned readers_n;
    struct lb_buf blob; /* scratch of finds on the loop */
};

/* Any thread. An entry with one reference from what was found at wall_ns; takes found->fd in any
 * case. Returns NULL without memory. */
struct fs_entry *fs_entry_new(struct fs_engine *fs, struct lb_slice bucket, struct lb_slice key,
                              const struct fs_found *found, int64_t wall_ns);
/* The valid entry of a key, referenced, or NULL. */
struct fs_entry *fs_cache_get(struct fs_cache *c, struct lb_slice bucket, struct lb_slice key);
/* Puts a new entry in the place of the old one; the caller keeps its reference. */
void fs_cache_put(struct fs_cache *c, struct fs_entry *e);
void fs_cache_unref(struct fs_cache *c, struct fs_entry *e);

/* A reader that takes the caller's reference of e; NULL (and e is unreferenced) without memory. */
struct fs_reader *fs_reader_new(struct lb_engine_port *p, struct fs_entry *e);

#endif
