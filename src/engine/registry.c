#include "engine/registry.h"

#include <errno.h>

static int open_fs(const struct lb_engine_conf *conf, struct lb_vfs *vfs, struct lb_buf *why,
                   struct lb_engine **ret) {
    return lb_fs_open(&conf->fs, vfs, ret);
}

static int open_volume(const struct lb_engine_conf *conf, struct lb_vfs *vfs, struct lb_buf *why,
                       struct lb_engine **ret) {
    return lb_volume_open(&conf->volume, vfs, why, ret);
}

static const struct {
    const char *name;
    int (*open)(const struct lb_engine_conf *conf, struct lb_vfs *vfs, struct lb_buf *why,
                struct lb_engine **ret);
} engines[] = {
    {"filesystem", open_fs},
    {"volume", open_volume},
};

int lb_engine_open(const struct lb_engine_conf *conf, struct lb_vfs *vfs, struct lb_buf *why,
                   struct lb_engine **ret) {
    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        if (strcmp(conf->backend, engines[i].name) == 0)
            return engines[i].open(conf, vfs, why, ret);
    }
    return -ENOENT;
}
