#include "server/monitor.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "http/response.h"
#include "server/listener.h"
#include "server/process.h"

#define CONNECTIONS_MAX 64
#define IDLE_TIMEOUT_S 60
#define TEXT LB_S("text/plain; charset=utf-8")

struct lb_monitor {
    struct lb_monitor_conf conf;
    char address[LB_ADDRESS_TEXT];
    pthread_t thread;
    sem_t started;
    int err;                    /* why it did not start */
    struct lb_workers *workers; /* one: what it asks for may block */
    struct lb_io *io;
    struct lb_pool *pool;
    struct lb_conns conns;
    struct lb_listener listener;
    struct lb_io_msg stop_msg;
    bool stopping;
    struct lb_monitor_served served; /* whole when `serving` is set */
    atomic_bool serving;
};

/* A request that is answered with what a worker has found out. In the exchange's arena. */
struct inquiry {
    struct lb_io_op op;
    struct lb_monitor *m;
    struct lb_exchange *x;
    bool health;
    bool serving, has_storage, has_process;
    int storage_err;
    struct lb_storage_stats storage;
    struct lb_process_stats process;
    struct lb_buf text;
};

/* ---- answers ---- */

static void on_sent(struct lb_exchange *x, int err) {
    struct inquiry *q = x->handler;
    if (q)
        lb_buf_fini(&q->text);
    x->ops->finish(x);
}

/* text is borrowed until it is sent. */
static void answer(struct lb_exchange *x, int status, struct lb_slice type, struct lb_slice text) {
    x->status = status;
    lb_http_header_add(&x->headers, LB_S("Content-Type"), type);
    if (status == 405)
        lb_http_header_add(&x->headers, LB_S("Allow"), LB_S("GET, HEAD"));
    x->ops->head(x, text.len);
    if (x->request->method == LB_HTTP_HEAD)
        on_sent(x, 0);
    else
        x->ops->send(x, text, on_sent);
}

/* Why requests of S3 would fail now; empty when they would not. */
static struct lb_slice not_ready(const struct inquiry *q) {
    enum lb_server_state state = lb_metrics_state(q->m->conf.metrics);
    if (state == LB_SERVER_STARTING)
        return LB_S("starting\n");
    if (state == LB_SERVER_DRAINING)
        return LB_S("draining: the server is about to end\n");
    if (q->storage_err < 0)
        return LB_S("the storage does not answer\n");
    if (q->has_storage && q->storage.read_only)
        return LB_S("read-only: the storage takes no writes until a restart\n");
    return LB_S("");
}

static void answer_ready(struct inquiry *q) {
    struct lb_slice why = not_ready(q);
    if (why.len)
        answer(q->x, 503, TEXT, why);
    else
        answer(q->x, 200, TEXT, LB_S("ready\n"));
}

static void answer_metrics(struct inquiry *q) {
    const struct lb_monitor *m = q->m;
    const struct lb_report report = {
        .metrics = m->conf.metrics,
        .usage = m->conf.usage,
        .storage = q->has_storage ? &q->storage : NULL,
        .process = q->has_process ? &q->process : NULL,
        .budget = q->serving ? m->served.budget : NULL,
        .version = LB_VERSION,
        .engine = q->serving ? m->served.engine->ops->name : "",
        .io = q->serving ? m->served.io : "",
        .hash = q->serving ? m->served.hash : "",
        .now_ns = lb_io_wall_ns(m->io),
        .log_dropped = lb_log_dropped(),
        .ready = not_ready(q).len == 0,
    };
    lb_buf_init(&q->text, LB_REPORT_MAX);
    lb_report_write(&report, &q->text);
    if (q->text.err < 0)
        answer(q->x, 500, TEXT, LB_S("no memory for the metrics\n"));
    else
        answer(q->x, 200, LB_S(LB_PROM_CONTENT_TYPE), lb_buf_slice(&q->text));
}

/* ---- questions ---- */

/* Worker. */
static int64_t ask(struct lb_io_op *op) {
    struct inquiry *q = LB_CONTAINER_OF(op, struct inquiry, op);
    q->serving = atomic_load(&q->m->serving);
    struct lb_engine *e = q->serving ? q->m->served.engine : NULL;
    if (e && e->ops->stats) {
        q->storage_err = e->ops->stats(e, &q->storage);
        q->has_storage = q->storage_err == 0;
    }
    q->has_process = !q->health && lb_process_read(&q->process) == 0;
    return 0;
}

static void asked(struct lb_io_op *op, int64_t res) {
    struct inquiry *q = LB_CONTAINER_OF(op, struct inquiry, op);
    if (q->health)
        answer_ready(q);
    else
        answer_metrics(q);
}

static void inquire(struct lb_monitor *m, struct lb_exchange *x, bool health) {
    struct inquiry *q = lb_arena_alloc(x->arena, sizeof(*q));
    if (!q) {
        answer(x, 503, TEXT, LB_S("no memory\n"));
        return;
    }
    *q = (struct inquiry){.op.done = asked, .m = m, .x = x, .health = health};
    x->handler = q;
    lb_io_work(m->io, &q->op, ask);
}

static void handle(void *ctx, struct lb_exchange *x) {
    struct lb_slice path = x->request->path;
    if (x->request->method != LB_HTTP_GET && x->request->method != LB_HTTP_HEAD)
        answer(x, 405, TEXT, LB_S("only GET and HEAD\n"));
    else if (lb_slice_eq(path, LB_S("/metrics")))
        inquire(ctx, x, false);
    else if (lb_slice_eq(path, LB_S("/health/ready")))
        inquire(ctx, x, true);
    else if (lb_slice_eq(path, LB_S("/health/live")))
        answer(x, 200, TEXT, LB_S("alive\n"));
    else
        answer(x, 404, TEXT, LB_S("there are /metrics, /health/live and /health/ready\n"));
}

/* ---- the thread ---- */

static void stop_if_done(struct lb_monitor *m) {
    if (m->stopping && m->listener.fd < 0 && m->conns.n == 0)
        lb_io_stop(m->io);
}

static void on_listener_closed(struct lb_listener *li) {
    stop_if_done(LB_CONTAINER_OF(li, struct lb_monitor, listener));
}

static void on_closed(struct lb_conns *cs) {
    stop_if_done(LB_CONTAINER_OF(cs, struct lb_monitor, conns));
}

static void stop(struct lb_io *io, struct lb_io_msg *msg) {
    struct lb_monitor *m = LB_CONTAINER_OF(msg, struct lb_monitor, stop_msg);
    m->stopping = true;
    lb_listener_close(&m->listener);
    lb_conns_drain(&m->conns);
    lb_conns_abort(&m->conns);
}

static int open_all(struct lb_monitor *m) {
    const struct lb_io_conf io = {
        .backend = m->conf.backend, .workers = m->workers, .vfs = lb_vfs_posix()};
    const struct lb_address *a = &m->conf.address;
    int err = lb_io_new(&io, &m->io);
    if (err < 0)
        return err;
    m->pool = lb_pool_new(LB_POOL_BUF_MAX);
    if (!m->pool)
        return -ENOMEM;
    m->conns = (struct lb_conns){
        .io = m->io,
        .pool = m->pool,
        .handler = handle,
        .handler_ctx = m,
        .idle_timeout_ms = IDLE_TIMEOUT_S * 1000,
        .n_max = CONNECTIONS_MAX,
        .closed = on_closed,
    };
    lb_list_init(&m->conns.list);
    int fd = lb_io_listen(m->io, (const struct sockaddr *)&a->addr, a->len, false);
    if (fd < 0)
        return fd;
    lb_address_of_socket(fd, m->address);
    lb_listener_start(&m->listener, &m->conns, fd, on_listener_closed);
    return 0;
}

static void *run(void *arg) {
    struct lb_monitor *m = arg;
    m->err = open_all(m);
    bool started = m->err == 0;
    sem_post(&m->started);
    if (started && lb_io_run(m->io) < 0) {
        lb_error("the loop that answers for metrics has failed");
        abort();
    }
    return NULL;
}

/* The thread has ended. It is not the one to free the loop: who asked it to end may still be about
 * to wake it. */
static void monitor_free(struct lb_monitor *m) {
    if (m->pool)
        lb_pool_free(m->pool);
    lb_io_free(m->io);
    lb_workers_free(m->workers);
    sem_destroy(&m->started);
    free(m);
}

int lb_monitor_start(const struct lb_monitor_conf *conf, struct lb_monitor **ret) {
    struct lb_monitor *m = calloc(1, sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->conf = *conf;
    m->listener.fd = -1;
    sem_init(&m->started, 0, 0);
    int err = lb_workers_new(1, &m->workers);
    if (err == 0)
        err = -pthread_create(&m->thread, NULL, run, m);
    if (err == 0) {
        while (sem_wait(&m->started) < 0)
            continue;
        err = m->err;
        if (err < 0)
            pthread_join(m->thread, NULL);
    }
    if (err < 0) {
        monitor_free(m);
        return err;
    }
    *ret = m;
    return 0;
}

const char *lb_monitor_address(const struct lb_monitor *m) {
    return m->address;
}

void lb_monitor_serve(struct lb_monitor *m, const struct lb_monitor_served *served) {
    m->served = *served;
    atomic_store(&m->serving, true);
}

void lb_monitor_stop(struct lb_monitor *m) {
    if (!m)
        return;
    m->stop_msg.fn = stop;
    lb_io_post(m->io, &m->stop_msg);
    pthread_join(m->thread, NULL);
    monitor_free(m);
}
