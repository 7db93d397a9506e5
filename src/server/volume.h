/* lobos --format-volume: makes an empty volume, whatever was in its place. */
#ifndef LB_SERVER_VOLUME_H
#define LB_SERVER_VOLUME_H

#include "server/config.h"

/* Formats the volume that the configuration names, unless another server has it. Blocks. Returns 0,
 * or -errno and the reason in why. */
int lb_server_format(const struct lb_config *c, struct lb_buf *why);

#endif
