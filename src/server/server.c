#include "server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "control/control.h"
#include "engine/registry.h"
#include "server/bootstrap.h"
#include "server/loop.h"
#include "server/monitor.h"
#include "server/tls.h"
#include "server/users.h"

#define WORKERS 16
#define USAGE_BUCKETS_MAX 10000
#define PART_SIZE_MIN (5u << 20)
#define ABORT_TIMEOUT_S 3
/* Of the memory for requests, the part that is not for the buffers of bodies. */
#define BUDGET_PART 4

struct lb_server {
    const struct lb_config *config;
    struct lb_vfs *vfs;
    struct lb_workers *workers;
    struct lb_engine *engine;
    struct lb_metrics *metrics;
    struct lb_usage *usage;
    struct lb_monitor *monitor; /* NULL: off */
    struct lb_users *users;
    const struct lb_server_hooks *hooks;
    struct lb_control *control;
    atomic_bool drain_asked;
    char s3_address[64];
    struct lb_tls *tls;
    struct lb_s3_conf s3;
    struct lb_s3_buckets buckets;
    struct lb_loop_conf loop;
    struct lb_budget budget; /* of memory for the requests of all loops */
    struct lb_loop *loops;
    unsigned loops_n; /* started */
    unsigned port;
};

void lb_server_setup_log(const struct lb_config *c) {
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    enum lb_log_level level = LB_LOG_INFO;
    for (unsigned i = 0; i < 4; i++) {
        if (strcmp(c->log_level, levels[i]) == 0)
            level = (enum lb_log_level)i;
    }
    lb_log_setup(STDERR_FILENO, strcmp(c->log_format, "json") == 0 ? LB_LOG_JSON : LB_LOG_TEXT,
                 level);
}

/* They are there whether or not requests must be signed. */
static int open_users(struct lb_server *s) {
    struct lb_buf why;
    lb_buf_init(&why, 4096);
    int err = lb_server_users_open(s->config, s->vfs, &why, &s->users);
    if (err < 0)
        lb_error("cannot load the users", LB_LOG_C("err", lb_err_name(err)),
                 LB_LOG_S("reason", lb_buf_slice(&why)));
    else if (!s->config->auth && lb_users_count(s->users))
        lb_warn("there are users, but authentication is off: auth_enabled = true turns it on");
    lb_buf_fini(&why);
    return err;
}

static void set_s3_conf(struct lb_server *s) {
    const struct lb_config *c = s->config;
    s->s3 = (struct lb_s3_conf){
        .region = lb_slice_cstr(c->region),
        .domain = lb_slice_cstr(c->domain),
        .default_bucket = lb_slice_cstr(c->default_bucket),
        .relaxed = strcmp(c->durability, "relaxed") == 0,
        .creds = c->auth ? lb_users_box(s->users) : NULL,
        .buckets = &s->buckets,
        .owner_id = LB_S(LB_CONFIG_ADMIN),
        .owner_name = LB_S(LB_CONFIG_ADMIN),
        .part_size_min = PART_SIZE_MIN,
    };
}

static void set_address(const struct lb_config *c, unsigned port, struct lb_loop_conf *ret) {
    struct sockaddr_in *v4 = (void *)&ret->address;
    struct sockaddr_in6 *v6 = (void *)&ret->address;
    memset(&ret->address, 0, sizeof(ret->address));
    if (inet_pton(AF_INET, c->listen_ip, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        ret->address_len = sizeof(*v4);
    } else {
        inet_pton(AF_INET6, c->listen_ip, &v6->sin6_addr);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        ret->address_len = sizeof(*v6);
    }
}

/* Bytes of max_memory that cached directories may take; the rest is for requests. */
static uint64_t list_cache(const struct lb_config *c) {
    uint64_t half = c->max_memory / 2;
    if (!c->fs_enable_index)
        return 0;
    return c->fs_list_cache < half ? c->fs_list_cache : half;
}

static enum lb_io_backend backend_of(const struct lb_config *c) {
    return strcmp(c->io_backend, "io_uring") == 0 ? LB_IO_URING
           : strcmp(c->io_backend, "epoll") == 0  ? LB_IO_POSIX
                                                  : LB_IO_AUTO;
}

/* Of each loop. */
static size_t connections_max(const struct lb_config *c, unsigned loops_n) {
    return (c->max_connections + loops_n - 1) / loops_n;
}

static void set_loop_conf(struct lb_server *s) {
    const struct lb_config *c = s->config;
    uint64_t requests = c->max_memory - list_cache(c);
    lb_budget_init(&s->budget, requests / BUDGET_PART);
    s->loop = (struct lb_loop_conf){
        .engine = s->engine,
        .vfs = s->vfs,
        .workers = s->workers,
        .s3 = &s->s3,
        .tls = s->tls,
        .backend = backend_of(c),
        .pool_size = (requests - s->budget.max) / c->http_threads,
        .budget = &s->budget,
        .idle_timeout_s = (unsigned)c->idle_timeout,
        .connections_max = connections_max(c, (unsigned)c->http_threads),
        .access_log = c->access_log,
        .slow_ms = (unsigned)c->slow_request_ms,
        .inherited_fd = lb_bootstrap_inherited_socket(),
    };
}

static unsigned bound_port(int fd) {
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof(a);
    if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        return 0;
    if (a.ss_family != AF_INET && a.ss_family != AF_INET6)
        return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                         : ((struct sockaddr_in *)&a)->sin_port);
}

/* A socket from the service manager is none of listen_ip's: what holds for that holds for it. */
static int check_inherited(const struct lb_server *s) {
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof(a), listens_len = sizeof(int);
    int fd = s->loop.inherited_fd, listens = 0;
    char ip[INET6_ADDRSTRLEN] = "";
    if (fd < 0)
        return 0;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_len) < 0 || !listens ||
        getsockname(fd, (struct sockaddr *)&a, &len) < 0) {
        lb_error("the descriptor from the service manager is not a listening socket");
        return -EINVAL;
    }
    if (a.ss_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)&a)->sin_addr, ip, sizeof(ip));
    else if (a.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&a)->sin6_addr, ip, sizeof(ip));
    if (s->config->auth || a.ss_family == AF_UNIX || lb_config_is_loopback(ip))
        return 0;
    lb_error("without authentication only a loopback address may be served, and the socket from "
             "the service manager is not one",
             LB_LOG_C("ip", ip));
    return -EINVAL;
}

/* The loops share the port by SO_REUSEPORT, and so would another lobos of the same user, which
 * would then get every other connection. A bind without the option tells. */
static int check_port(const struct lb_loop_conf *l) {
    const struct sockaddr *address = (const void *)&l->address;
    const int on = 1;
    int err = 0;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        (address->sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
        bind(fd, address, l->address_len) < 0)
        err = -errno;
    close(fd);
    return err;
}

static void log_listen_failure(const struct lb_server *s, int err) {
    lb_error(
        "cannot listen", LB_LOG_C("ip", s->config->listen_ip), LB_LOG_I("port", s->port),
        LB_LOG_C("err", lb_err_name(err)),
        LB_LOG_C("reason", err == -EADDRINUSE ? "another program uses this port" : strerror(-err)));
}

static int start_loops(struct lb_server *s) {
    const struct lb_config *c = s->config;
    s->port = (unsigned)c->port;
    s->loops = calloc(c->http_threads, sizeof(*s->loops));
    if (!s->loops)
        return -ENOMEM;
    for (unsigned i = 0; i < c->http_threads; i++) {
        set_address(c, s->port, &s->loop);
        int err = i == 0 && s->loop.inherited_fd < 0 ? check_port(&s->loop) : 0;
        if (err == 0)
            err = lb_loop_start(&s->loops[i], &s->loop, &s->metrics->loops[i],
                                c->cores_n ? (int)c->cores[i] : -1);
        if (err < 0) {
            log_listen_failure(s, err);
            return err;
        }
        s->loops_n++;
        s->port = bound_port(s->loops[0].listener.fd);
    }
    return 0;
}

static int open_engine(struct lb_server *s) {
    const struct lb_config *c = s->config;
    struct lb_buf why;
    const struct lb_engine_conf conf = {
        .backend = c->backend,
        .volume = {.path = c->volume_path, .size = c->volume_size},
        .fs = {.dir = c->fs_directory,
               .single_bucket = c->fs_single_bucket[0] ? c->fs_single_bucket : NULL,
               .list_cache_max = list_cache(c),
               .list_age_max_s = c->fs_index_refresh_sec,
               .open_files_max = (unsigned)c->fs_open_files,
               .upload_age_max_s = c->fs_upload_expiry_days * 86400},
    };
    lb_buf_init(&why, 4096);
    int err = lb_engine_open(&conf, s->vfs, &why, &s->engine);
    if (err < 0 && why.len)
        lb_error("cannot open the volume", LB_LOG_C("path", c->volume_path),
                 LB_LOG_S("reason", lb_buf_slice(&why)));
    else if (err == -EWOULDBLOCK)
        lb_error("another lobos serves this directory", LB_LOG_C("directory", c->fs_directory));
    else if (err < 0)
        lb_error("cannot open the directory", LB_LOG_C("directory", c->fs_directory),
                 LB_LOG_C("err", lb_err_name(err)));
    lb_buf_fini(&why);
    return err;
}

static int make_metrics(struct lb_server *s) {
    const char *names[LB_METRICS_OPS_MAX];
    struct timespec now;
    size_t n = 0;
    while (n < LB_METRICS_OPS_MAX && (names[n] = lb_s3_op_name(n)))
        n++;
    clock_gettime(CLOCK_REALTIME, &now);
    s->metrics = lb_metrics_new((unsigned)s->config->http_threads, names, n,
                                now.tv_sec * (int64_t)1000000000 + now.tv_nsec);
    s->usage = lb_usage_new(USAGE_BUCKETS_MAX);
    return s->metrics && s->usage ? 0 : -ENOMEM;
}

/* Before all that may take its time: who watches is to see that the server is starting. */
static int start_monitor(struct lb_server *s) {
    const char *listen = s->config->metrics_listen;
    struct lb_monitor_conf conf = {
        .backend = backend_of(s->config), .metrics = s->metrics, .usage = s->usage};
    if (lb_address_parse(listen, &conf.address) < 0)
        return 0; /* off */
    int err = lb_monitor_start(&conf, &s->monitor);
    if (err < 0)
        lb_error("cannot listen for metrics", LB_LOG_C("metrics_listen", listen),
                 LB_LOG_C("err", lb_err_name(err)),
                 LB_LOG_C("reason", err == -EADDRINUSE
                                        ? "another program uses this port: set metrics_listen to "
                                          "another address, or to off"
                                        : strerror(-err)));
    return err;
}

static void announce(struct lb_server *s) {
    const struct lb_monitor_served served = {
        .engine = s->engine,
        .budget = &s->budget,
        .io = lb_io_name(s->loops[0].io),
        .hash = lb_hash_service_name(s->loops[0].hash),
    };
    lb_metrics_set_state(s->metrics, LB_SERVER_SERVING);
    if (s->monitor)
        lb_monitor_serve(s->monitor, &served);
}

/* gRPC would not say what is wrong with them. */
static int check_control_tls(const struct lb_config *c) {
    if (!c->grpc_tls_certificate[0])
        return 0;
    struct lb_tls *tls = lb_tls_new(c->grpc_tls_certificate, c->grpc_tls_key);
    lb_tls_free(tls);
    return tls ? 0 : -EINVAL;
}

static void say(const char *line) {
    puts(line);
    fflush(stdout);
}

int lb_server_start(const struct lb_config *config, struct lb_server **ret) {
    struct lb_server *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->config = config;
    s->vfs = lb_vfs_posix();
    int err = lb_workers_new(WORKERS, &s->workers);
    if (err == 0)
        err = make_metrics(s);
    if (err == 0)
        err = start_monitor(s);
    if (err == 0 && config->tls_certificate[0]) {
        s->tls = lb_tls_new(config->tls_certificate, config->tls_key);
        err = s->tls ? 0 : -EINVAL;
    }
    if (err == 0)
        err = check_control_tls(config);
    if (err == 0)
        err = open_engine(s);
    if (err == 0) {
        say("loading all users");
        err = open_users(s);
    }
    if (err == 0) {
        say("loading all buckets");
        set_s3_conf(s);
        set_loop_conf(s);
        const struct lb_io_conf io = {
            .backend = s->loop.backend, .workers = s->workers, .vfs = s->vfs};
        err = lb_bootstrap_buckets(s->engine, &io, lb_slice_cstr(config->buckets));
    }
    if (err == 0)
        err = check_inherited(s);
    if (err == 0)
        err = start_loops(s);
    if (err < 0) {
        if (lb_server_stop(s, 0))
            lb_server_free(s);
        return err;
    }
    announce(s);
    *ret = s;
    return 0;
}

const char *lb_server_metrics_address(const struct lb_server *s) {
    return s->monitor ? lb_monitor_address(s->monitor) : "";
}

unsigned lb_server_port(const struct lb_server *s) {
    return s->port;
}

void lb_server_reload(struct lb_server *s, const struct lb_config *config) {
    lb_server_setup_log(config);
    for (unsigned i = 0; i < s->loops_n; i++) {
        struct lb_loop *l = &s->loops[i];
        lb_loop_set_access_log(l, config->access_log);
        lb_loop_set_slow(l, (unsigned)config->slow_request_ms);
        lb_loop_set_limits(l, (unsigned)config->idle_timeout, connections_max(config, s->loops_n));
    }
    if (s->tls && config->tls_certificate[0] &&
        lb_tls_reload(s->tls, config->tls_certificate, config->tls_key) < 0)
        lb_error("the TLS certificate and key stay what they were");
    if (s->control && check_control_tls(s->config) == 0)
        lb_control_reload(s->control);
    else if (s->control)
        lb_error("the control plane's TLS certificate and key stay what they were");
}

static int on_reload(void *ctx, struct lb_buf *why) {
    struct lb_server *s = ctx;
    int err = s->hooks->check(s->hooks->ctx, why);
    if (err == 0)
        kill(getpid(), SIGHUP);
    return err;
}

/* Once: a second SIGTERM would end the process at once. */
static void on_drain(void *ctx) {
    struct lb_server *s = ctx;
    if (!atomic_exchange(&s->drain_asked, true))
        kill(getpid(), SIGTERM);
}

int lb_server_start_control(struct lb_server *s, const struct lb_server_hooks *hooks) {
    const struct lb_config *c = s->config;
    struct lb_control_conf conf = {
        .users = s->users,
        .engine = s->engine,
        .io = {.backend = s->loop.backend, .workers = s->workers, .vfs = s->vfs},
        .buckets = &s->buckets,
        .metrics = s->metrics,
        .budget = &s->budget,
        .usage = s->usage,
        .usage_interval_s = (unsigned)c->usage_interval,
        .storage = lb_config_storage(c),
        .s3_address = s->s3_address,
        .io_name = lb_io_name(s->loops[0].io),
        .admin = LB_CONFIG_ADMIN,
        .authentication = c->auth,
        .reload = on_reload,
        .drain = on_drain,
        .ctx = s,
    };
    s->hooks = hooks;
    lb_config_address(c, s->port, s->s3_address, sizeof(s->s3_address));
    lb_config_control(c, &conf.listen);
    return lb_control_start(&conf, &s->control);
}

const char *lb_server_control_address(const struct lb_server *s) {
    return s->control ? lb_control_address(s->control) : "";
}

/* Waits for all loops, timeout_s in all. */
static bool join_loops(struct lb_server *s, unsigned timeout_s) {
    struct timespec until;
    bool ended = true;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_s;
    for (unsigned i = 0; i < s->loops_n; i++)
        ended &= lb_loop_join(&s->loops[i], &until) == 0;
    return ended;
}

bool lb_server_stop(struct lb_server *s, unsigned timeout_s) {
    if (s->metrics)
        lb_metrics_set_state(s->metrics, LB_SERVER_DRAINING);
    if (s->control)
        lb_control_changed(s->control);
    for (unsigned i = 0; i < s->loops_n; i++)
        lb_loop_drain(&s->loops[i]);
    if (join_loops(s, timeout_s))
        return true;
    for (unsigned i = 0; i < s->loops_n; i++) {
        if (!s->loops[i].joined)
            lb_loop_abort(&s->loops[i]);
    }
    return join_loops(s, ABORT_TIMEOUT_S);
}

void lb_server_free(struct lb_server *s) {
    if (!s)
        return;
    lb_monitor_stop(s->monitor);
    lb_control_stop(s->control);
    if (s->engine)
        s->engine->ops->free(s->engine);
    lb_tls_free(s->tls);
    lb_users_free(s->users);
    lb_workers_free(s->workers);
    lb_usage_free(s->usage);
    lb_metrics_free(s->metrics);
    free(s->loops);
    free(s);
}
