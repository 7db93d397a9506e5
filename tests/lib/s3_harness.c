#include "s3_harness.h"

#include <errno.h>

#include "base/civil.h"
#include "base/pool.h"
#include "http/chunked.h"

struct fake {
    struct lb_exchange x;
    struct s3_harness *h;
    struct s3_call *call;
    struct lb_http_request request;
    struct lb_arena arena;
    struct lb_io_op read_op, send_op;
    lb_exchange_body_fn body_fn;
    lb_exchange_sent_fn sent_fn;
    size_t keep, read_size;
    struct lb_slice body; /* left to read */
    char *head_bytes, *body_bytes;
    bool headed;
};

void s3_harness_init(struct s3_harness *h, size_t pool_max) {
    const struct lb_io_conf io_conf = {.backend = LB_IO_POSIX, .vfs = lb_vfs_posix()};
    *h = (struct s3_harness){.engine = mem_engine_new()};
    assert_int_equal(lb_io_new(&io_conf, &h->io), 0);
    h->pool = lb_pool_new(pool_max ? pool_max : 64u << 20);
    h->hash = lb_hash_service_new(LB_MD5_AUTO);
    assert_non_null(h->pool);
    assert_non_null(h->hash);
    lb_io_tick_add(h->io, lb_hash_service_tick, h->hash);
    assert_int_equal(h->engine->ops->attach(h->engine, h->io, h->pool, &h->port), 0);
    h->creds = lb_creds_new();
    const struct lb_cred cred = {.access_key = S3_HARNESS_KEY,
                                 .secret_key = S3_HARNESS_SECRET,
                                 .user_id = "owner",
                                 .display_name = "Owner",
                                 .admin = true,
                                 .epoch = 1};
    assert_int_equal(lb_creds_add(h->creds, &cred), 0);
    h->conf = (struct lb_s3_conf){
        .region = LB_S("us-east-1"),
        .owner_id = LB_S("owner"),
        .owner_name = LB_S("Owner"),
        .buckets = &h->buckets,
        .part_size_min = 5u << 20,
    };
    h->s3 = lb_s3_new(&h->conf, h->port, h->hash);
    assert_non_null(h->s3);
    struct s3_call c;
    assert_int_equal(s3_call(h, &c, "PUT /bucket HTTP/1.1\r\nHost: localhost\r\n", LB_S("")), 200);
    s3_call_fini(&c);
}

void s3_harness_fini(struct s3_harness *h) {
    lb_s3_free(h->s3);
    if (h->box.set)
        lb_creds_box_fini(&h->box);
    lb_creds_unref(h->creds);
    h->engine->ops->detach(h->port);
    h->engine->ops->free(h->engine);
    lb_hash_service_free(h->hash);
    lb_pool_free(h->pool);
    lb_io_free(h->io);
}

static void on_read(struct lb_io_op *op, int64_t res) {
    struct fake *f = LB_CONTAINER_OF(op, struct fake, read_op);
    lb_exchange_body_fn fn = f->body_fn;
    size_t n = f->read_size - f->keep;
    f->body_fn = NULL;
    if (f->call->piece && n > f->call->piece)
        n = f->call->piece;
    if (n > f->body.len)
        n = f->body.len;
    if (n == 0) {
        fn(&f->x, f->call->body_err, NULL);
        return;
    }
    struct lb_pool_buf *buf = lb_pool_get(f->h->pool, f->keep + n);
    if (!buf) {
        fn(&f->x, -ENOMEM, NULL);
        return;
    }
    memset(buf->ptr, 0xee, f->keep);
    memcpy(buf->ptr + f->keep, f->body.ptr, n);
    buf->len = (uint32_t)(f->keep + n);
    f->body = lb_slice_from(f->body, n);
    fn(&f->x, 0, buf);
}

static void fake_read(struct lb_exchange *x, size_t keep, size_t size, lb_exchange_body_fn fn) {
    struct fake *f = LB_CONTAINER_OF(x, struct fake, x);
    assert_null(f->body_fn);
    if (f->call->reads++ == 0 && f->call->first_read)
        f->call->first_read();
    f->body_fn = fn;
    f->keep = keep;
    f->read_size = size;
    f->read_op.done = on_read;
    lb_io_defer(f->h->io, &f->read_op, 0);
}

static void fake_head(struct lb_exchange *x, uint64_t length) {
    struct fake *f = LB_CONTAINER_OF(x, struct fake, x);
    assert_false(f->headed);
    assert_int_equal(x->headers.err, 0);
    f->headed = true;
    f->call->length = length;
    f->call->status = x->status;
    lb_buf_append(&f->call->headers, lb_buf_slice(&x->headers));
}

static void on_sent(struct lb_io_op *op, int64_t res) {
    struct fake *f = LB_CONTAINER_OF(op, struct fake, send_op);
    lb_exchange_sent_fn fn = f->sent_fn;
    f->sent_fn = NULL;
    fn(&f->x, f->call->sent_err);
}

static void fake_send(struct lb_exchange *x, struct lb_slice data, lb_exchange_sent_fn fn) {
    struct fake *f = LB_CONTAINER_OF(x, struct fake, x);
    assert_true(f->headed && !f->sent_fn && data.len);
    lb_buf_append(&f->call->received, data);
    f->sent_fn = fn;
    f->send_op.done = on_sent;
    lb_io_defer(f->h->io, &f->send_op, 0);
}

static void fake_finish(struct lb_exchange *x) {
    struct fake *f = LB_CONTAINER_OF(x, struct fake, x);
    assert_true(!f->body_fn && !f->sent_fn && !f->call->finished);
    f->call->finished = true;
    f->call->err = x->err;
    lb_buf_fini(&x->headers);
    lb_arena_fini(&f->arena);
}

static const struct lb_exchange_ops ops = {
    .read = fake_read,
    .head = fake_head,
    .send = fake_send,
    .finish = fake_finish,
};

/* Takes HTTP's chunked coding off, as the connection does. */
static struct lb_slice unchunk(char *copy, size_t n) {
    struct lb_http_chunked d = {0};
    size_t used, len;
    assert_true(lb_http_chunked_decode(&d, copy, n, &used, &len) >= 0);
    return lb_slice(copy, len);
}

void s3_call_start(struct s3_harness *h, struct s3_call *c) {
    struct fake *f = calloc(1, sizeof(*f));
    struct lb_buf text;
    assert_non_null(f);
    lb_buf_init(&text, 65536);
    lb_buf_append(&text, c->head);
    lb_buf_append(&text, LB_S("\r\n"));
    char *head = f->head_bytes = check_dup(lb_buf_slice(&text));
    char *body = f->body_bytes = check_dup(c->body);
    assert_int_equal(lb_http_request_parse(lb_slice(head, text.len), &f->request), text.len);
    lb_buf_fini(&text);
    c->fake = f;
    h->calls++;
    f->h = h;
    f->call = c;
    f->body = f->request.chunked ? unchunk(body, c->body.len) : lb_slice(body, c->body.len);
    lb_arena_init(&f->arena, 4u << 20);
    f->arena.budget = h->budget;
    f->x = (struct lb_exchange){
        .ops = &ops, .request = &f->request, .arena = &f->arena, .pool = h->pool};
    lb_buf_init(&f->x.headers, 65536);
    lb_buf_init(&c->headers, 65536);
    lb_buf_init(&c->received, 64u << 20);
    lb_s3_handle(h->s3, &f->x);
}

void s3_call_end(struct s3_harness *h, struct s3_call *c) {
    for (unsigned i = 0; !c->finished && i < 1000000; i++)
        assert_int_equal(lb_io_turn(h->io, h->waits ? 1000000 : 0), 0);
    assert_true(c->finished);
    if (--h->calls == 0) {
        assert_int_equal(lb_pool_used(h->pool), c->held);
        assert_int_equal(mem_engine_test(h->engine)->writers, 0);
        assert_int_equal(mem_engine_test(h->engine)->readers, 0);
    }
    free(c->fake->head_bytes);
    free(c->fake->body_bytes);
    free(c->fake);
}

void s3_call_run(struct s3_harness *h, struct s3_call *c) {
    s3_call_start(h, c);
    s3_call_end(h, c);
}

void s3_call_fini(struct s3_call *c) {
    lb_buf_fini(&c->headers);
    lb_buf_fini(&c->received);
}

int s3_call(struct s3_harness *h, struct s3_call *c, const char *head, struct lb_slice body) {
    *c = (struct s3_call){.head = lb_slice_cstr(head), .body = body};
    s3_call_run(h, c);
    return c->status;
}

struct lb_slice s3_call_header(const struct s3_call *c, struct lb_slice name) {
    struct lb_slice rest = lb_buf_slice(&c->headers);
    while (rest.ptr) {
        struct lb_slice value = lb_slice_cut(&rest, '\n');
        if (lb_slice_eq_nocase(lb_slice_cut(&value, ':'), name))
            return lb_slice(value.ptr + 1, value.len - 2);
    }
    return lb_slice(NULL, 0);
}

bool s3_call_has(const struct s3_call *c, const char *text) {
    return lb_slice_find_slice(lb_buf_slice(&c->received), lb_slice_cstr(text)) >= 0;
}

void s3_harness_auth(struct s3_harness *h) {
    lb_s3_free(h->s3);
    lb_creds_box_init(&h->box, lb_creds_ref(h->creds));
    h->conf.creds = &h->box;
    h->s3 = lb_s3_new(&h->conf, h->port, h->hash);
    assert_non_null(h->s3);
}

void s3_harness_sign(struct s3_harness *h, const char *method, const char *target,
                     const char *headers, const char *payload, struct lb_buf *ret) {
    char date[LB_CIVIL_BASIC_LEN + 1] = {0};
    struct lb_http_request r;
    struct lb_auth_pair pairs[LB_HTTP_HEADERS_MAX];
    struct lb_arena arena;
    struct lb_slice value;
    lb_civil_basic(lb_io_wall_ns(h->io) / 1000000000, date);
    lb_buf_printf(ret,
                  "%s %s HTTP/1.1\r\nHost: localhost\r\nx-amz-date: %s\r\n"
                  "x-amz-content-sha256: %s\r\n%s",
                  method, target, date, payload, headers);
    char *whole = malloc(ret->len + 3);
    assert_non_null(whole);
    memcpy(whole, ret->ptr, ret->len);
    memcpy(whole + ret->len, "\r\n", 2);
    assert_true(lb_http_request_parse(lb_slice(whole, ret->len + 2), &r) > 0);
    for (size_t i = 0; i < r.headers_n; i++)
        pairs[i] = (struct lb_auth_pair){r.headers[i].name, r.headers[i].value};
    const struct lb_auth_request request = {
        .method = r.method_name,
        .path = r.path,
        .query = r.query,
        .headers = pairs,
        .headers_n = r.headers_n,
    };
    lb_arena_init(&arena, 1u << 20);
    const struct lb_cred *cred =
        lb_creds_find(h->creds, h->signer ? lb_slice_cstr(h->signer) : LB_S(S3_HARNESS_KEY));
    assert_int_equal(lb_sigv4_sign(&request, cred, LB_S("us-east-1"), lb_slice(date, 16),
                                   lb_slice_cstr(payload), &arena, &value),
                     0);
    lb_buf_printf(ret, "Authorization: %.*s\r\n", LB_SLICE_ARG(value));
    lb_arena_fini(&arena);
    free(whole);
}
