/* Requests, made and signed before the clock starts. */
#include "bench.h"

#include "hash/hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PLAN_SIZE_MAX (1ull << 32)
#define HEADERS_MAX 8

/* What goes into every request of a plan. */
struct maker {
    const struct bench_options *options;
    struct lb_arena *arena;  /* keeps the requests */
    struct lb_arena scratch; /* for the making of one */
    enum bench_op op;
    struct lb_slice method;
    struct lb_slice body;
    char payload[65];
    char date[17];
};

static const struct {
    const char *method;
    int status;
} ops[] = {
    [BENCH_GET] = {"GET", 200},       [BENCH_HEAD] = {"HEAD", 200},
    [BENCH_PUT] = {"PUT", 200},       [BENCH_LIST] = {"GET", 200},
    [BENCH_MISSING] = {"GET", 404},   [BENCH_CONDITIONAL] = {"GET", 304},
    [BENCH_MAKE_BUCKET] = {"PUT", 0},
};

static int make_path(struct maker *m, size_t i, struct lb_slice *ret_path,
                     struct lb_slice *ret_query) {
    const struct bench_options *o = m->options;
    const char *slash = o->bucket.len ? "/" : "";
    *ret_query = lb_slice(NULL, 0);
    if (m->op == BENCH_MAKE_BUCKET)
        return lb_arena_printf(&m->scratch, ret_path, "%.*s%.*s", LB_SLICE_ARG(o->path_prefix),
                               LB_SLICE_ARG(o->bucket));
    if (m->op == BENCH_LIST) {
        int err = lb_arena_printf(&m->scratch, ret_query, "list-type=2&max-keys=1000&prefix=%.*s",
                                  LB_SLICE_ARG(o->prefix));
        return err < 0 ? err
                       : lb_arena_printf(&m->scratch, ret_path, "%.*s%.*s",
                                         LB_SLICE_ARG(o->path_prefix), LB_SLICE_ARG(o->bucket));
    }
    return lb_arena_printf(&m->scratch, ret_path, "%.*s%.*s%s%.*s%s%06zu",
                           LB_SLICE_ARG(o->path_prefix), LB_SLICE_ARG(o->bucket), slash,
                           LB_SLICE_ARG(o->prefix), m->op == BENCH_MISSING ? "missing-" : "", i);
}

/* Adds x-amz-date, x-amz-content-sha256 and Authorization. */
static int sign(struct maker *m, struct lb_auth_request *r, struct lb_auth_pair *headers) {
    struct lb_slice payload = lb_slice_cstr(m->payload), date = lb_slice_cstr(m->date);
    struct lb_slice authorization;
    headers[r->headers_n++] = (struct lb_auth_pair){LB_S("x-amz-date"), date};
    headers[r->headers_n++] = (struct lb_auth_pair){LB_S("x-amz-content-sha256"), payload};
    int err = lb_sigv4_sign(r, &m->options->cred, m->options->region, date, payload, &m->scratch,
                            &authorization);
    headers[r->headers_n++] = (struct lb_auth_pair){LB_S("Authorization"), authorization};
    return err;
}

static int write_head(struct maker *m, const struct lb_auth_request *r, struct lb_slice *ret) {
    struct lb_slice head;
    int err =
        lb_arena_printf(&m->scratch, &head, "%.*s %.*s%s%.*s HTTP/1.1\r\n", LB_SLICE_ARG(r->method),
                        LB_SLICE_ARG(r->path), r->query.len ? "?" : "", LB_SLICE_ARG(r->query));
    for (size_t i = 0; err == 0 && i < r->headers_n; i++)
        err = lb_arena_printf(&m->scratch, &head, "%.*s%.*s: %.*s\r\n", LB_SLICE_ARG(head),
                              LB_SLICE_ARG(r->headers[i].name), LB_SLICE_ARG(r->headers[i].value));
    return err < 0 ? err : lb_arena_printf(m->arena, ret, "%.*s\r\n", LB_SLICE_ARG(head));
}

static int make(struct maker *m, size_t i, const char *etag, struct lb_slice *ret) {
    struct lb_auth_pair headers[HEADERS_MAX];
    struct lb_auth_request r = {.method = m->method, .headers = headers};
    char length[24];
    lb_arena_reset(&m->scratch);
    int err = make_path(m, i, &r.path, &r.query);
    headers[r.headers_n++] = (struct lb_auth_pair){LB_S("Host"), lb_slice_cstr(m->options->host)};
    if (m->op == BENCH_PUT || m->op == BENCH_MAKE_BUCKET) {
        snprintf(length, sizeof(length), "%zu", m->body.len);
        headers[r.headers_n++] =
            (struct lb_auth_pair){LB_S("Content-Length"), lb_slice_cstr(length)};
    }
    if (etag)
        headers[r.headers_n++] = (struct lb_auth_pair){LB_S("If-None-Match"), lb_slice_cstr(etag)};
    if (err == 0 && m->options->cred.access_key[0])
        err = sign(m, &r, headers);
    return err < 0 ? err : write_head(m, &r, ret);
}

static void set_payload(struct maker *m) {
    struct lb_digest digest;
    if (!m->options->sign_payload) {
        strcpy(m->payload, "UNSIGNED-PAYLOAD");
        return;
    }
    lb_hash_once(LB_HASH_SHA256, m->body, &digest);
    lb_hex_encode(digest.bytes, 32, m->payload);
}

int bench_plan_init(struct bench_plan *p, const struct bench_options *o, enum bench_op op,
                    struct lb_slice body, char (*etags)[BENCH_ETAG_MAX]) {
    struct maker m = {.options = o, .arena = &p->arena, .op = op};
    time_t now = time(NULL);
    struct tm utc;
    int err = 0;
    *p = (struct bench_plan){.head_only = op == BENCH_HEAD, .status = ops[op].status};
    p->n = op == BENCH_LIST || op == BENCH_MAKE_BUCKET ? 1 : o->objects;
    p->body = op == BENCH_PUT ? body : lb_slice(NULL, 0);
    m.body = p->body;
    m.method = lb_slice_cstr(ops[op].method);
    set_payload(&m);
    strftime(m.date, sizeof(m.date), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    lb_arena_init(&p->arena, PLAN_SIZE_MAX);
    lb_arena_init(&m.scratch, 1u << 20);
    p->requests = calloc(p->n, sizeof(*p->requests));
    if (!p->requests)
        err = -ENOMEM;
    for (size_t i = 0; err == 0 && i < p->n; i++) {
        p->requests[i].etag = etags && op == BENCH_HEAD ? etags[i] : NULL;
        err = make(&m, i, op == BENCH_CONDITIONAL ? etags[i] : NULL, &p->requests[i].head);
    }
    lb_arena_fini(&m.scratch);
    if (err < 0)
        bench_plan_fini(p);
    return err;
}

void bench_plan_fini(struct bench_plan *p) {
    free(p->requests);
    p->requests = NULL;
    lb_arena_fini(&p->arena);
}
