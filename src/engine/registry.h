/* The engines there are. */
#ifndef LB_ENGINE_REGISTRY_H
#define LB_ENGINE_REGISTRY_H

#include "engine/fs/fs.h"
#include "engine/volume/volume.h"

/* The configuration of every engine; only that of the one named is read. */
struct lb_engine_conf {
    const char *backend; /* "filesystem", "volume" */
    struct lb_fs_conf fs;
    struct lb_volume_conf volume;
};

/* Opens the engine that backend names. Blocks; before the loops start. Returns 0 and an owned
 * engine; -ENOENT for a name that is none; else what the engine's own open returns, and a line in
 * why from those that say more. */
int lb_engine_open(const struct lb_engine_conf *conf, struct lb_vfs *vfs, struct lb_buf *why,
                   struct lb_engine **ret);

#endif
