/* The filesystem engine: any directory is a bucket, every object an ordinary file. See README.md in
 * this folder for the layout on disk and the invariants. */
#ifndef LB_ENGINE_FS_FS_H
#define LB_ENGINE_FS_FS_H

#include "engine/engine.h"

struct lb_fs_conf {
    const char *dir;           /* the data root, or the one bucket */
    const char *single_bucket; /* NULL: folders of dir are the buckets; else dir itself is the
                                  bucket of this name */
    size_t list_cache_max;     /* bytes of cached directory contents, all loops together */
    uint64_t list_age_max_s; /* cached directories are read again after so long; 0: only when their
                                time stamps change */
    unsigned open_files_max; /* descriptors cached per loop */
    uint64_t upload_age_max_s; /* uploads untouched for longer are removed at start; 0: never */
};

/* Opens (creates what is missing), locks the directory against a second server, sweeps what a crash
 * left. Blocks; before the loops start. Returns 0 and an owned engine; -EWOULDBLOCK when another
 * server has it; -ENOTDIR, -EACCES, ... */
int lb_fs_open(const struct lb_fs_conf *conf, struct lb_vfs *vfs, struct lb_engine **ret);

#endif
