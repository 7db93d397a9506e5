/* The response: its head waits for the first bytes of the body and goes out with them, in one
 * segment where it can. A small body is copied behind the head; a large one or a file follows a
 * head sent with MSG_MORE. */
#include <assert.h>

#include "base/err.h"
#include "http/response.h"
#include "server/conn_priv.h"

/* The headers could not be put together. An answer without them would be wrong, so the client gets
 * an error in its place. Returns the length of that. */
static uint64_t drop_response(struct conn *c) {
    struct lb_exchange *x = &c->x;
    x->err = x->headers.err;
    x->status = lb_err_info(x->err)->status;
    lb_buf_clear(&x->headers);
    c->dropped = true;
    return 0;
}

void conn_send_head(struct lb_exchange *x, uint64_t length) {
    struct conn *c = conn_of(x);
    assert(!c->head_set);
    c->head_set = true;
    if (x->headers.err)
        length = drop_response(c);
    c->keep = c->request.keep_alive && !x->close && !c->cs->draining && conn_body_droppable(c);
    c->no_body = c->request.method == LB_HTTP_HEAD || x->status == 204 || x->status == 304;
    c->length = c->no_body ? 0 : length;
    lb_buf_clear(&c->head);
    lb_http_response_head(&c->head, x->status, lb_buf_slice(&x->headers), length, c->keep,
                          c->request.minor_version, lb_io_wall_ns(c->cs->io));
    if (c->head.err)
        c->broken = true;
}

static void sent(struct conn *c, int64_t res) {
    lb_exchange_sent_fn fn = c->sent_fn;
    int err = c->broken ? LB_ERR_CANCELED : 0;
    c->sent_fn = NULL;
    conn_phase(c, LB_PHASE_SEND);
    c->last_ns = c->x.phase_at_ns;
    if (c->first_ns == 0)
        c->first_ns = c->last_ns;
    if (res < 0)
        err = (int)res;
    else if ((size_t)res != c->send_len)
        err = LB_ERR_OBJECT_CHANGED;
    if (err == 0)
        c->sent += c->send_len;
    else if (!c->dropped)
        c->broken = true;
    conn_touch(c);
    fn(&c->x, err);
}

static void body_sent(struct lb_stream *s, int64_t res) {
    sent(LB_CONTAINER_OF(s, struct conn, stream), res);
}

static void send_body(struct conn *c) {
    bool more = c->sent + c->send_len < c->length;
    if (c->send_fd >= 0)
        lb_stream_sendfile(&c->stream, c->send_fd, c->send_off, c->send_len, body_sent);
    else
        lb_stream_send(&c->stream, c->send_data.ptr, c->send_data.len, more, body_sent);
}

static void head_sent(struct lb_stream *s, int64_t res) {
    struct conn *c = LB_CONTAINER_OF(s, struct conn, stream);
    if (res < 0) {
        sent(c, res);
        return;
    }
    c->first_ns = lb_io_clock_ns(c->cs->io);
    send_body(c);
}

static void joined_sent(struct lb_stream *s, int64_t res) {
    struct conn *c = LB_CONTAINER_OF(s, struct conn, stream);
    sent(c, res < 0 ? res : (int64_t)c->send_len);
}

static void send_deferred(struct lb_io_op *op, int64_t res) {
    sent(LB_CONTAINER_OF(op, struct conn, send_defer), res);
}

/* Sends what send_data or send_fd and its companions say, behind the head if that is still due. */
static void begin(struct conn *c, lb_exchange_sent_fn fn) {
    assert(c->head_set && !c->no_body && !c->sent_fn && !c->finished);
    assert(c->dropped || c->send_len <= c->length - c->sent);
    c->sent_fn = fn;
    conn_touch(c);
    if (c->broken || c->dropped) {
        c->send_defer.done = send_deferred;
        lb_io_defer(c->cs->io, &c->send_defer, LB_ERR_CANCELED);
        return;
    }
    if (c->head_sent) {
        send_body(c);
        return;
    }
    c->head_sent = true;
    if (c->send_fd < 0 && c->send_len <= CONN_JOIN_MAX) {
        lb_buf_append(&c->head, c->send_data);
        if (!c->head.err) {
            bool more = c->send_len < c->length;
            lb_stream_send(&c->stream, c->head.ptr, c->head.len, more, joined_sent);
            return;
        }
    }
    lb_stream_send(&c->stream, c->head.ptr, c->head.len, true, head_sent);
}

void conn_send(struct lb_exchange *x, struct lb_slice data, lb_exchange_sent_fn fn) {
    struct conn *c = conn_of(x);
    c->send_fd = -1;
    c->send_data = data;
    c->send_len = data.len;
    begin(c, fn);
}

void conn_send_file(struct lb_exchange *x, int fd, uint64_t off, size_t len,
                    lb_exchange_sent_fn fn) {
    struct conn *c = conn_of(x);
    assert(x->can_send_file);
    c->send_fd = fd;
    c->send_off = off;
    c->send_len = len;
    begin(c, fn);
}

static void flushed(struct lb_stream *s, int64_t res) {
    struct conn *c = LB_CONTAINER_OF(s, struct conn, stream);
    if (res < 0)
        c->broken = true;
    conn_phase(c, LB_PHASE_SEND);
    c->first_ns = c->last_ns = c->x.phase_at_ns;
    c->flush_done(c);
}

void conn_send_flush(struct conn *c, void (*done)(struct conn *c)) {
    if (!c->head_set || c->sent != c->length)
        c->broken = true;
    if (c->broken || c->head_sent) {
        done(c);
        return;
    }
    c->head_sent = true;
    c->flush_done = done;
    lb_stream_send(&c->stream, c->head.ptr, c->head.len, false, flushed);
}
