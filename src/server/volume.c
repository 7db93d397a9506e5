#include "server/volume.h"

#include <errno.h>
#include <stdio.h>

#include "engine/registry.h"
#include "io/vfs.h"

int lb_server_format(const struct lb_config *c, struct lb_buf *why) {
    struct lb_engine *e = NULL;
    struct lb_storage_stats stats = {0};
    const struct lb_engine_conf conf = {
        .backend = c->backend,
        .volume = {.path = c->volume_path, .size = c->volume_size, .format = true},
    };
    if (!lb_config_is_volume(c)) {
        lb_buf_append(why, LB_S("--format-volume needs a volume: --volume FILE"));
        return -EINVAL;
    }
    int err = lb_engine_open(&conf, lb_vfs_posix(), why, &e);
    if (err < 0 && !why->len)
        lb_buf_printf(why, "%s: %s", c->volume_path, strerror(-err));
    if (err < 0)
        return err;
    if (e->ops->stats(e, &stats) == 0)
        printf("%s: an empty volume of %llu MiB, %llu MiB of them free\n", c->volume_path,
               (unsigned long long)(stats.size_bytes >> 20),
               (unsigned long long)(stats.free_bytes >> 20));
    e->ops->free(e);
    return 0;
}
