/* A volume in a file or on a block device. O_DIRECT where the file system has it: then what is read
 * and written does not pass through the page cache. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "engine/volume/format.h"

#define EMPTY_UNITS 512u /* what is looked at to tell whether it is empty */
#define LOCK_TRIES 50
#define LOCK_WAIT_US 20000
#define PATH_MAX_BYTES 4096u

struct file_device {
    struct vol_device device;
    struct lb_vfs *vfs;
    int fd;
};

static struct file_device *file_of(struct vol_device *d) {
    return LB_CONTAINER_OF(d, struct file_device, device);
}

/* ---- blocking ---- */

static void file_close(struct vol_device *d) {
    struct file_device *f = file_of(d);
    f->vfs->ops->close(f->vfs, f->fd);
    free(f);
}

static int whole(int64_t n, size_t len) {
    if (n < 0)
        return (int)n;
    return (size_t)n == len ? 0 : -EIO;
}

static int file_read_now(struct vol_device *d, uint64_t at, void *buf, size_t len) {
    struct file_device *f = file_of(d);
    return whole(f->vfs->ops->pread(f->vfs, f->fd, buf, len, at * VOL_UNIT), len);
}

static int file_write_now(struct vol_device *d, uint64_t at, const void *buf, size_t len) {
    struct file_device *f = file_of(d);
    return whole(f->vfs->ops->pwrite(f->vfs, f->fd, buf, len, at * VOL_UNIT), len);
}

static int file_flush_now(struct vol_device *d) {
    struct file_device *f = file_of(d);
    return f->vfs->ops->fsync(f->vfs, f->fd, true);
}

static void file_discard_now(struct vol_device *d, uint64_t at, uint64_t n) {
    struct file_device *f = file_of(d);
    if (f->vfs->ops->discard)
        f->vfs->ops->discard(f->vfs, f->fd, at * VOL_UNIT, n * VOL_UNIT);
}

/* ---- on a loop ---- */

static int file_attach(struct vol_device *d, struct lb_io *io, struct vol_port **ret) {
    struct vol_port *p = malloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    *p = (struct vol_port){.device = d, .io = io};
    *ret = p;
    return 0;
}

static void file_detach(struct vol_port *p) {
    free(p);
}

static void on_io(struct lb_io_op *op, int64_t res) {
    struct vol_io *io = LB_CONTAINER_OF(op, struct vol_io, op);
    io->done(io, whole(res, io->want));
}

static void begin(struct vol_port *p, struct vol_io *io, size_t want) {
    io->port = p;
    io->want = want;
    io->op.done = on_io;
}

static void file_read(struct vol_port *p, struct vol_io *io, uint64_t at, void *buf, size_t len) {
    begin(p, io, len);
    lb_io_read(p->io, &io->op, file_of(p->device)->fd, buf, len, at * VOL_UNIT);
}

static void file_write(struct vol_port *p, struct vol_io *io, uint64_t at, const void *buf,
                       size_t len) {
    begin(p, io, len);
    lb_io_write(p->io, &io->op, file_of(p->device)->fd, buf, len, at * VOL_UNIT);
}

static void file_flush(struct vol_port *p, struct vol_io *io) {
    begin(p, io, 0);
    lb_io_fsync(p->io, &io->op, file_of(p->device)->fd, true);
}

static const struct vol_device_ops file_ops = {
    .name = "file",
    .close = file_close,
    .read_now = file_read_now,
    .write_now = file_write_now,
    .flush_now = file_flush_now,
    .discard_now = file_discard_now,
    .attach = file_attach,
    .detach = file_detach,
    .read = file_read,
    .write = file_write,
    .flush = file_flush,
};

/* ---- opening ---- */

/* Tries without O_DIRECT when the file system refuses it. */
static int open_file(struct lb_vfs *vfs, const char *path, unsigned flags) {
    int fd = vfs->ops->open(vfs, -1, path, flags | O_RDWR | O_DIRECT, 0600);
    if (fd != -EINVAL)
        return fd;
    fd = vfs->ops->open(vfs, -1, path, flags | O_RDWR, 0600);
    if (fd >= 0)
        lb_warn("the volume's file system has no O_DIRECT: it goes through the page cache",
                LB_LOG_C("path", path));
    return fd;
}

/* The name of a new file is durable with its directory. */
static int sync_parent(struct lb_vfs *vfs, const char *path) {
    char dir[PATH_MAX_BYTES];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= sizeof(dir))
        return -ENAMETOOLONG;
    if (slash && len == 0)
        len = 1; /* in "/" */
    memcpy(dir, slash ? path : ".", slash ? len : 1);
    dir[slash ? len : 1] = '\0';
    int fd = vfs->ops->open(vfs, -1, dir, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    int err = vfs->ops->fsync(vfs, fd, false);
    vfs->ops->close(vfs, fd);
    return err;
}

static int make_size(struct lb_vfs *vfs, int fd, const char *path, uint64_t size) {
    int err = vfs->ops->truncate(vfs, fd, size - size % VOL_UNIT);
    if (err == 0)
        err = vfs->ops->fsync(vfs, fd, false);
    return err ? err : sync_parent(vfs, path);
}

/* A block device is opened again, so that nobody else (a mount) has it. Returns the descriptor to
 * use; the given one is closed. */
static int open_exclusive(struct lb_vfs *vfs, int fd, const char *path) {
    vfs->ops->close(vfs, fd);
    fd = open_file(vfs, path, O_EXCL);
    return fd == -EBUSY ? -EWOULDBLOCK : fd;
}

static bool is_zero(const char *bytes, size_t len) {
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

static int look_empty(struct file_device *f, bool *ret) {
    size_t len = (size_t)EMPTY_UNITS * VOL_UNIT;
    char *bytes = aligned_alloc(VOL_UNIT, len);
    if (!bytes)
        return -ENOMEM;
    int err = file_read_now(&f->device, 0, bytes, len);
    if (err == 0)
        *ret = is_zero(bytes, len);
    free(bytes);
    return err;
}

static int size_refused(struct lb_buf *why, const char *path) {
    lb_buf_printf(why, "%s: a volume needs at least %llu MiB", path,
                  (unsigned long long)VOL_UNITS_MIN * VOL_UNIT >> 20);
    return -EINVAL;
}

/* A server that was killed lets go of the file only when the system has ended what it had in
 * flight: that is worth a moment. */
static int lock(struct lb_vfs *vfs, int fd) {
    int err = vfs->ops->lock(vfs, fd);
    for (int i = 0; err == -EWOULDBLOCK && i < LOCK_TRIES; i++) {
        usleep(LOCK_WAIT_US);
        err = vfs->ops->lock(vfs, fd);
    }
    return err;
}

/* Gives the file its size when it has none, and locks it. Sets f->fd in any case. */
static int prepare(struct file_device *f, const char *path, uint64_t size, struct lb_buf *why) {
    struct lb_vfs *vfs = f->vfs;
    struct lb_vfs_stat st;
    int err = vfs->ops->fstat(vfs, f->fd, &st);
    if (err)
        return err;
    if (st.type != LB_VFS_FILE && st.type != LB_VFS_BLOCK) {
        lb_buf_printf(why, "%s is neither a file nor a block device", path);
        return -EINVAL;
    }
    if (st.type == LB_VFS_BLOCK && (f->fd = open_exclusive(vfs, f->fd, path)) < 0)
        return f->fd;
    err = lock(vfs, f->fd);
    if (err == 0 && st.type == LB_VFS_FILE && st.size == 0 && size) {
        err = make_size(vfs, f->fd, path, size);
        st.size = size;
    }
    if (err)
        return err;
    f->device.units = st.size / VOL_UNIT;
    return f->device.units < VOL_UNITS_MIN ? size_refused(why, path) : 0;
}

static int open_device(struct file_device *f, const char *path, uint64_t size, struct lb_buf *why,
                       bool *ret_empty) {
    if (size && size / VOL_UNIT < VOL_UNITS_MIN)
        return size_refused(why, path);
    f->fd = open_file(f->vfs, path, size ? O_CREAT : 0);
    if (f->fd == -EISDIR || f->fd == -ENXIO) {
        lb_buf_printf(why, "%s is neither a file nor a block device", path);
        return -EINVAL;
    }
    if (f->fd < 0)
        return f->fd;
    int err = prepare(f, path, size, why);
    return err ? err : look_empty(f, ret_empty);
}

int vol_device_file_open(const char *path, uint64_t size, struct lb_vfs *vfs, struct lb_buf *why,
                         struct vol_device **ret, bool *ret_empty) {
    struct file_device *f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    *f = (struct file_device){.device.ops = &file_ops, .vfs = vfs, .fd = -1};
    int err = open_device(f, path, size, why, ret_empty);
    if (err == 0) {
        *ret = &f->device;
        return 0;
    }
    if (err == -EWOULDBLOCK)
        lb_buf_printf(why, "%s is in use: by another server, or mounted", path);
    else if (why->len == 0)
        lb_buf_printf(why, "%s: %s", path, strerror(-err));
    if (f->fd >= 0)
        vfs->ops->close(vfs, f->fd);
    free(f);
    return err;
}
