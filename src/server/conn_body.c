/* Reading a request's body into pool buffers: Content-Length or chunked, "100 Continue" when it is
 * waited for, a wait when the pool is empty. What arrives beyond the body stays in c->in for the
 * next request. */
#include <assert.h>

#include "base/err.h"
#include "server/conn_priv.h"

static void fill(struct conn *c);
static void start_deferred(struct lb_io_op *op, int64_t res);

void conn_body_begin(struct conn *c) {
    const struct lb_http_request *r = &c->request;
    c->chunked = (struct lb_http_chunked){0};
    c->body_left = r->chunked                                 ? CONN_DISCARD_MAX
                   : r->content_length == LB_HTTP_LENGTH_NONE ? 0
                                                              : r->content_length;
    c->body_eof = c->body_left == 0;
    /* Even when the length is zero: botocore, once it got a final response instead of "100", takes
     * its status line for that of the next response on the connection as well. */
    c->continue_due = r->expect_continue && c->in_at == c->in_len;
}

bool conn_body_droppable(const struct conn *c) {
    if (c->continue_due)
        return false;
    return c->body_eof || (!c->in_dead && c->body_left <= CONN_DISCARD_MAX);
}

int conn_body_drop(struct conn *c) {
    size_t used = c->in_len - c->in_at, len;
    if (c->request.chunked) {
        int r = lb_http_chunked_decode(&c->chunked, c->in + c->in_at, used, &used, &len);
        if (r < 0 || used > c->body_left)
            return LB_ERR_BAD_REQUEST;
        c->body_eof = r == 1;
    } else {
        used = used < c->body_left ? used : (size_t)c->body_left;
        c->body_eof = used == c->body_left;
    }
    c->body_left -= used;
    c->in_at += used;
    return 0;
}

static void complete(struct conn *c, int err) {
    lb_exchange_body_fn fn = c->body_fn;
    struct lb_pool_buf *buf = c->body_buf;
    c->body_fn = NULL;
    c->body_buf = NULL;
    conn_phase(c, LB_PHASE_RECEIVE);
    if (err < 0)
        c->in_dead = true;
    if (err < 0 || (buf && buf->len == c->body_keep)) {
        lb_pool_put(buf);
        buf = NULL;
    }
    fn(&c->x, err, buf);
}

static void start_later(struct conn *c) {
    c->body_defer.done = start_deferred;
    lb_io_defer(c->cs->io, &c->body_defer, 0);
}

void conn_body_fail(struct conn *c, int err) {
    if (lb_list_empty(&c->body_waiter.link))
        return;
    lb_list_remove(&c->body_waiter.link);
    c->body_err = err;
    start_later(c);
}

/* Bytes have come to the end of body_buf: n of them. Returns 0 or a framing error. */
static int take(struct conn *c, size_t n, size_t *ret_used) {
    struct lb_pool_buf *buf = c->body_buf;
    size_t used = n, len = n;
    if (c->request.chunked) {
        int r = lb_http_chunked_decode(&c->chunked, buf->ptr + buf->len, n, &used, &len);
        if (r < 0)
            return r;
        c->body_eof = r == 1;
    } else {
        c->body_left -= n;
        c->body_eof = c->body_left == 0;
    }
    buf->len += (uint32_t)len;
    c->received += len;
    *ret_used = used;
    return 0;
}

/* How many bytes may be read into body_buf now. */
static size_t room(const struct conn *c) {
    size_t space = c->body_size - c->body_buf->len;
    if (!c->request.chunked)
        return space < c->body_left ? space : (size_t)c->body_left;
    uint64_t ahead = c->chunked.left + CONN_READ_AHEAD;
    return space < ahead ? space : (size_t)ahead;
}

static void received(struct lb_stream *s, int64_t res) {
    struct conn *c = LB_CONTAINER_OF(s, struct conn, stream);
    size_t used;
    if (res <= 0 || c->in_dead) {
        complete(c, c->timed_out ? LB_ERR_REQUEST_TIMEOUT
                    : res == 0   ? LB_ERR_INCOMPLETE_BODY
                                 : LB_ERR_CANCELED);
        return;
    }
    c->timed_out = false;
    conn_touch(c);
    const char *bytes = c->body_buf->ptr + c->body_buf->len;
    int err = take(c, (size_t)res, &used);
    if (err < 0) {
        complete(c, err);
        return;
    }
    size_t over = (size_t)res - used;
    assert(over <= CONN_READ_AHEAD && c->in_at == c->in_len);
    memcpy(c->in + c->in_len, bytes + used, over);
    c->in_len += over;
    fill(c);
}

/* Moves what already is in c->in to the buffer. */
static int fill_from_in(struct conn *c) {
    size_t n = c->in_len - c->in_at, most = room(c), used;
    if (n > most)
        n = most;
    memcpy(c->body_buf->ptr + c->body_buf->len, c->in + c->in_at, n);
    int err = take(c, n, &used);
    if (err == 0)
        c->in_at += used;
    return err;
}

static void fill(struct conn *c) {
    while (!c->body_eof && c->body_buf->len < c->body_size && c->in_at < c->in_len) {
        int err = fill_from_in(c);
        if (err < 0) {
            complete(c, err);
            return;
        }
    }
    if (c->body_eof || c->body_buf->len == c->body_size)
        complete(c, 0);
    else
        lb_stream_recv(&c->stream, c->body_buf->ptr + c->body_buf->len, room(c), received);
}

/* A buffer for the read in progress; without one the read waits for it. */
static bool take_buffer(struct conn *c);

/* Called from inside whatever put a buffer back: takes one and goes on later. */
static void on_memory(struct lb_pool_waiter *w) {
    struct conn *c = LB_CONTAINER_OF(w, struct conn, body_waiter);
    if (!take_buffer(c))
        return;
    conn_touch(c);
    start_later(c);
}

static bool take_buffer(struct conn *c) {
    size_t size = c->body_size;
    if (!c->request.chunked && size - c->body_keep > c->body_left)
        size = c->body_keep + (size_t)c->body_left;
    c->body_buf = lb_pool_get(c->cs->pool, size);
    if (!c->body_buf) {
        c->body_waiter.fn = on_memory;
        lb_pool_wait(c->cs->pool, &c->body_waiter);
        return false;
    }
    c->body_size = size;
    c->body_buf->len = (uint32_t)c->body_keep;
    return true;
}

static void start(struct conn *c) {
    if (c->in_dead && c->body_err == 0)
        c->body_err = c->timed_out ? LB_ERR_REQUEST_TIMEOUT : LB_ERR_CANCELED;
    if (c->body_err || c->body_eof)
        complete(c, c->body_err);
    else if (c->body_buf || take_buffer(c))
        fill(c);
    else
        conn_expect_within(c, CONN_MEMORY_WAIT_MS);
}

static void start_deferred(struct lb_io_op *op, int64_t res) {
    start(LB_CONTAINER_OF(op, struct conn, body_defer));
}

static void continue_sent(struct lb_stream *s, int64_t res) {
    struct conn *c = LB_CONTAINER_OF(s, struct conn, stream);
    c->in_dead |= res < 0;
    start(c);
}

void conn_body_read(struct lb_exchange *x, size_t keep, size_t size, lb_exchange_body_fn fn) {
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct conn *c = conn_of(x);
    assert(!c->body_fn && !c->finished);
    c->body_fn = fn;
    c->body_err = 0;
    c->body_keep = keep;
    c->body_size = size < LB_POOL_BUF_MAX ? size : LB_POOL_BUF_MAX;
    assert(keep < c->body_size);
    conn_touch(c);
    if (c->continue_due && !c->in_dead) {
        c->continue_due = false;
        lb_stream_send(&c->stream, line, sizeof(line) - 1, false, continue_sent);
    } else {
        start_later(c);
    }
}
