/* Rounds over all buckets, a page of the list at a time. After each page it rests four times as
 * long as the page took, so that counting takes a fifth of a worker's time at most, whatever the
 * machine and the number of objects. */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "control/storage_priv.h"
#include "metrics/usage.h"

#define BUCKETS_PAGE 100
#define OBJECTS_PAGE 1000
#define PAGE_MEMORY_MAX (16u << 20)
#define REST_FACTOR 4
#define REST_MIN_NS 1000000u
#define FIRST_NS 1000000000ull /* the start is for others */

struct control_usage {
    const struct lb_control_conf *conf;
    struct lb_engine_port *port;
    struct lb_io_timer timer;
    void (*next)(struct control_usage *u); /* when the timer fires */
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    bool in_flight, stopping;
    uint64_t begun_ns; /* the page */
    int64_t round_s;   /* when the round began */

    struct lb_engine_op buckets; /* a page of them; names in its arena */
    struct lb_arena buckets_arena;
    size_t at;       /* the bucket being counted */
    bool last_page;  /* of buckets */
    bool incomplete; /* a bucket could not be counted: keep what is known of it */

    struct lb_engine_op objects; /* a page of the bucket's */
    struct lb_arena objects_arena;
    char after[LB_KEY_MAX]; /* last key of the page before */
    size_t after_len;
    uint64_t n, bytes;
};

static void next_bucket(struct control_usage *u);

static void rest(struct control_usage *u, void (*next)(struct control_usage *), uint64_t ns) {
    u->in_flight = false;
    u->next = next;
    if (u->stopping)
        u->stopped(u->stopped_ctx);
    else
        lb_io_timer_start(u->port->io, &u->timer, ns);
}

static void rest_a_while(struct control_usage *u, void (*next)(struct control_usage *)) {
    uint64_t took = lb_io_now_ns(u->port->io) - u->begun_ns;
    uint64_t ns = took * REST_FACTOR;
    rest(u, next, ns < REST_MIN_NS ? REST_MIN_NS : ns);
}

static void on_timer(struct lb_io_timer *t) {
    struct control_usage *u = LB_CONTAINER_OF(t, struct control_usage, timer);
    u->in_flight = true;
    u->begun_ns = lb_io_now_ns(u->port->io);
    u->next(u);
}

static struct lb_slice bucket(const struct control_usage *u) {
    return u->buckets.buckets[u->at].name;
}

static void set_counted(struct control_usage *u) {
    const struct lb_bucket_usage counted = {
        .bucket = bucket(u),
        .objects = u->n,
        .bytes = u->bytes,
        .counted_s = lb_io_wall_ns(u->port->io) / 1000000000,
    };
    int err = lb_usage_set(u->conf->usage, &counted);
    if (err < 0 && err != -ENOSPC)
        lb_warn("cannot keep the usage of a bucket", LB_LOG_S("bucket", counted.bucket),
                LB_LOG_C("err", lb_err_name(err)));
}

static void next_objects(struct control_usage *u);

static void on_objects(struct lb_engine_op *op, int err) {
    struct control_usage *u = LB_CONTAINER_OF(op, struct control_usage, objects);
    const struct lb_list_result *list = &op->list;
    if (err < 0 && err != LB_ERR_NO_SUCH_BUCKET) {
        lb_debug("a bucket was not counted", LB_LOG_S("bucket", bucket(u)),
                 LB_LOG_C("err", lb_err_name(err)));
        u->incomplete = true;
    }
    for (size_t i = 0; err == 0 && i < list->n; i++) {
        u->n++;
        u->bytes += list->entries[i].info.size;
    }
    if (err == 0 && list->truncated && list->n) {
        struct lb_slice last = list->entries[list->n - 1].key;
        u->after_len = last.len;
        memcpy(u->after, last.ptr, last.len);
        rest_a_while(u, next_objects);
        return;
    }
    if (err == 0)
        set_counted(u);
    u->at++;
    rest_a_while(u, next_bucket);
}

static void next_objects(struct control_usage *u) {
    lb_arena_reset(&u->objects_arena);
    u->objects = (struct lb_engine_op){
        .done = on_objects,
        .arena = &u->objects_arena,
        .bucket = bucket(u),
        .after = lb_slice(u->after, u->after_len),
        .max = OBJECTS_PAGE,
    };
    u->port->ops->list(u->port, &u->objects);
}

static void begin_round(struct control_usage *u);

static void end_round(struct control_usage *u) {
    if (!u->incomplete)
        lb_usage_prune(u->conf->usage, u->round_s);
    rest(u, begin_round, (uint64_t)u->conf->usage_interval_s * 1000000000);
}

static void on_buckets(struct lb_engine_op *op, int err) {
    struct control_usage *u = LB_CONTAINER_OF(op, struct control_usage, buckets);
    u->at = 0;
    u->last_page = err < 0 || !op->truncated || op->n == 0;
    if (err < 0) {
        op->n = 0;
        u->incomplete = true;
    }
    rest_a_while(u, next_bucket);
}

static void list_buckets(struct control_usage *u, struct lb_slice after) {
    char name[LB_KEY_MAX];
    size_t len = after.len < sizeof(name) ? after.len : 0;
    memcpy(name, after.ptr, len); /* it is in the arena of the page before */
    lb_arena_reset(&u->buckets_arena);
    u->buckets =
        (struct lb_engine_op){.done = on_buckets, .arena = &u->buckets_arena, .max = BUCKETS_PAGE};
    if (lb_arena_copy(&u->buckets_arena, lb_slice(name, len), &u->buckets.after) < 0) {
        end_round(u);
        return;
    }
    u->port->ops->bucket_list(u->port, &u->buckets);
}

static void next_bucket(struct control_usage *u) {
    if (u->at < u->buckets.n) {
        u->after_len = 0;
        u->n = u->bytes = 0;
        next_objects(u);
    } else if (u->last_page) {
        end_round(u);
    } else {
        list_buckets(u, u->buckets.buckets[u->buckets.n - 1].name);
    }
}

static void begin_round(struct control_usage *u) {
    u->round_s = lb_io_wall_ns(u->port->io) / 1000000000;
    u->incomplete = false;
    list_buckets(u, LB_S(""));
}

struct control_usage *control_usage_start(const struct lb_control_conf *conf,
                                          struct lb_engine_port *port) {
    struct control_usage *u = calloc(1, sizeof(*u));
    if (!u)
        return NULL;
    u->conf = conf;
    u->port = port;
    u->timer.fn = on_timer;
    lb_arena_init(&u->buckets_arena, PAGE_MEMORY_MAX);
    lb_arena_init(&u->objects_arena, PAGE_MEMORY_MAX);
    rest(u, begin_round, FIRST_NS);
    return u;
}

void control_usage_stop(struct control_usage *u, void (*stopped)(void *ctx), void *ctx) {
    if (!u || !u->in_flight) {
        if (u)
            lb_io_timer_stop(u->port->io, &u->timer);
        stopped(ctx);
        return;
    }
    u->stopping = true;
    u->stopped = stopped;
    u->stopped_ctx = ctx;
}

void control_usage_free(struct control_usage *u) {
    if (!u)
        return;
    lb_arena_fini(&u->buckets_arena);
    lb_arena_fini(&u->objects_arena);
    free(u);
}
