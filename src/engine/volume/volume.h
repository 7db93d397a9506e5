/* The volume engine: objects packed into one file or block device. Its format, and why it is right,
 * is in format.md. */
#ifndef LB_ENGINE_VOLUME_H
#define LB_ENGINE_VOLUME_H

#include "base/buf.h"
#include "engine/engine.h"

struct lb_volume_conf {
    const char *path; /* of a file or block device */
    uint64_t size;    /* bytes of a file that is made; 0: it must be there. A device's is its own */
    bool format;      /* format what is there even though it is not empty */
    bool no_keeper;   /* no housekeeping thread: the owner calls vol_keep, as the simulator does */
    uint64_t staged_max; /* bytes of small objects and heads that wait in memory; 0: 8 MiB */
};

/* Opens, recovers (or formats an empty file or device) and locks. Blocks; before the loops start.
 * Returns 0 and an owned engine; or, with one line in why that says what to do: -EWOULDBLOCK
 * (another server has it), -EEXIST (neither empty nor a volume, and format is not set),
 * -EPROTONOSUPPORT (a newer format), -EBADMSG (damaged: a check or rebuild is needed), -EINVAL (too
 * small), -ENOMEM, -errno. */
int lb_volume_open(const struct lb_volume_conf *conf, struct lb_vfs *vfs, struct lb_buf *why,
                   struct lb_engine **ret);

#endif
