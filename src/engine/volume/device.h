/* Where a volume lies: an array of units of 4,096 bytes, read and written through a loop. Two
 * implementations: device_file.c (a file or block device, O_DIRECT where it can) and, later, SPDK's
 * blobstore. The blocking calls are for start, stop and tools. */
#ifndef LB_ENGINE_VOLUME_DEVICE_H
#define LB_ENGINE_VOLUME_DEVICE_H

#include "base/buf.h"
#include "io/io.h"

#define VOL_UNIT 4096u

struct vol_device;
struct vol_port; /* a loop's access to it */

/* err: 0 or -errno; a short transfer is -EIO. On the port's loop. */
struct vol_io {
    void (*done)(struct vol_io *io, int err);
    struct lb_io_op op; /* the device's */
    struct vol_port *port;
    size_t want;
};

struct vol_device_ops {
    const char *name; /* "file" */
    void (*close)(struct vol_device *d);
    /* Blocking: whole units at unit `at`. Any thread. Return 0 or -errno. */
    int (*read_now)(struct vol_device *d, uint64_t at, void *buf, size_t len);
    int (*write_now)(struct vol_device *d, uint64_t at, const void *buf, size_t len);
    int (*flush_now)(struct vol_device *d);
    /* Units that need not be kept. May do nothing. Blocking. */
    void (*discard_now)(struct vol_device *d, uint64_t at, uint64_t n);

    /* Per loop. */
    int (*attach)(struct vol_device *d, struct lb_io *io, struct vol_port **ret);
    void (*detach)(struct vol_port *p);
    /* buf: VOL_UNIT-aligned, a whole number of units, the caller's until done. */
    void (*read)(struct vol_port *p, struct vol_io *io, uint64_t at, void *buf, size_t len);
    void (*write)(struct vol_port *p, struct vol_io *io, uint64_t at, const void *buf, size_t len);
    /* All writes that have completed before, on any port, are durable when it is done. */
    void (*flush)(struct vol_port *p, struct vol_io *io);
};

struct vol_device {
    const struct vol_device_ops *ops;
    uint64_t units;
};

struct vol_port {
    struct vol_device *device;
    struct lb_io *io;
};

/* Opens and locks a file (made with `size` bytes when it is not there and size is not 0) or a block
 * device. Errors as lb_volume_open; ret_empty: all of its first 2 MiB is zero. */
int vol_device_file_open(const char *path, uint64_t size, struct lb_vfs *vfs, struct lb_buf *why,
                         struct vol_device **ret, bool *ret_empty);

#endif
