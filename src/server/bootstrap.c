#include "server/bootstrap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "s3/s3.h"

#define FIRST_INHERITED_FD 3
#define ARENA_MAX (1u << 20)
#define POOL_MAX (4u << 20)

struct making {
    struct lb_engine_op op;
    bool done;
    int err;
};

static void made(struct lb_engine_op *op, int err) {
    struct making *m = LB_CONTAINER_OF(op, struct making, op);
    m->done = true;
    m->err = err;
}

static int make_bucket(struct lb_engine_port *port, struct lb_arena *arena, struct lb_slice name) {
    struct making m = {.op = {.done = made, .arena = arena, .bucket = name}};
    int err = lb_s3_bucket_name_valid(name) ? 0 : LB_ERR_INVALID_BUCKET_NAME;
    if (err == 0) {
        port->ops->bucket_create(port, &m.op);
        while (!m.done && err == 0)
            err = lb_io_turn(port->io, UINT64_MAX);
        if (err == 0)
            err = m.err == LB_ERR_BUCKET_EXISTS ? 0 : m.err;
    }
    if (err < 0)
        lb_error("cannot create a bucket that was asked for", LB_LOG_S("bucket", name),
                 LB_LOG_C("err", lb_err_name(err)), LB_LOG_C("reason", lb_err_info(err)->text));
    return err;
}

int lb_bootstrap_buckets(struct lb_engine *e, const struct lb_io_conf *conf, struct lb_slice list) {
    struct lb_io *io = NULL;
    struct lb_engine_port *port = NULL;
    struct lb_pool *pool = lb_pool_new(POOL_MAX);
    struct lb_arena arena;
    lb_arena_init(&arena, ARENA_MAX);
    int err = pool ? lb_io_new(conf, &io) : -ENOMEM;
    if (err == 0)
        err = e->ops->attach(e, io, pool, &port);
    while (err == 0 && list.len) {
        struct lb_slice name = lb_slice_trim(lb_slice_cut(&list, ','));
        if (name.len)
            err = make_bucket(port, &arena, name);
        lb_arena_reset(&arena);
    }
    if (port)
        e->ops->detach(port);
    lb_io_free(io);
    if (pool)
        lb_pool_free(pool);
    lb_arena_fini(&arena);
    return err;
}

void lb_bootstrap_raise_limits(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == files.rlim_max)
        return;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        lb_warn("cannot raise the limit of open files", LB_LOG_C("err", strerror(errno)));
}

int lb_bootstrap_inherited_socket(void) {
    const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
    if (!pid || !n || atol(pid) != (long)getpid() || atoi(n) < 1)
        return -1;
    int flags = fcntl(FIRST_INHERITED_FD, F_GETFL);
    if (flags < 0 || fcntl(FIRST_INHERITED_FD, F_SETFL, flags | O_NONBLOCK) < 0)
        return -1;
    fcntl(FIRST_INHERITED_FD, F_SETFD, FD_CLOEXEC);
    return FIRST_INHERITED_FD;
}

void lb_bootstrap_notify(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;
    if (len == 0 || len >= sizeof(a.sun_path))
        return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    memcpy(a.sun_path, path, len);
    if (a.sun_path[0] == '@') /* an abstract socket */
        a.sun_path[0] = '\0';
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&a,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
        lb_warn("cannot notify the service manager", LB_LOG_C("err", strerror(errno)));
    close(fd);
}
