/* The requests of a connection in turn: read a head, hand an exchange to the handler, finish it,
 * read the next. The timer of a connection is lazy: it fires rarely and looks whether the deadline
 * has really passed. */
#include "server/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "http/response.h"
#include "server/conn_priv.h"

#define IN_SIZE (LB_HTTP_HEAD_SIZE_MAX + CONN_READ_AHEAD)
#define ARENA_MAX (16u << 20) /* a CompleteMultipartUpload of 10,000 parts, parsed */
#define HEADERS_MAX (64u << 10)
#define NS_PER_MS 1000000ull
#define SURPLUS_MAX 256u /* connections beyond the limit that live to be told */

static void next_request(struct conn *c);

void conn_expect_within(struct conn *c, unsigned timeout_ms) {
    unsigned idle_ms = c->cs->idle_timeout_ms;
    uint64_t wait_ns = (timeout_ms < idle_ms ? timeout_ms : idle_ms) * NS_PER_MS;
    c->deadline_ns = lb_io_now_ns(c->cs->io) + wait_ns;
    if (c->timer.at_ns > c->deadline_ns)
        lb_io_timer_start(c->cs->io, &c->timer, wait_ns);
}

void conn_touch(struct conn *c) {
    conn_expect_within(c, c->cs->idle_timeout_ms);
}

static void conn_free(struct conn *c) {
    struct lb_conns *cs = c->cs;
    lb_io_timer_stop(cs->io, &c->timer);
    lb_list_remove(&c->link);
    lb_stream_fini(&c->stream);
    lb_arena_fini(&c->arena);
    lb_buf_fini(&c->x.headers);
    lb_buf_fini(&c->head);
    free(c->in);
    free(c);
    cs->n--;
    if (cs->closed)
        cs->closed(cs);
}

/* ---- the end of a connection ---- */

static void lingered(struct lb_stream *s, int64_t res) {
    struct conn *c = LB_CONTAINER_OF(s, struct conn, stream);
    if (res <= 0 || c->broken) {
        conn_free(c);
        return;
    }
    conn_expect_within(c, CONN_LINGER_MS);
    if (c->deadline_ns > c->linger_end_ns)
        c->deadline_ns = c->linger_end_ns;
    lb_stream_recv(&c->stream, c->in, IN_SIZE, lingered);
}

/* Ends the connection so that the client gets the response: closing a socket with unread bytes, or
 * to which more come, resets it, and the client may lose what it has not read yet (RFC 9112, 9.6).
 * A client that announced its end sends nothing more. */
static void leave(struct conn *c) {
    bool silent = c->body_eof && c->in_at == c->in_len && !c->request.keep_alive;
    if (c->broken || (silent && !c->stream.tls)) {
        conn_free(c);
        return;
    }
    c->state = CONN_LINGER;
    /* Who was slow already gets no time for more of it. */
    unsigned most_ms = c->head_late ? CONN_LINGER_SHORT_MS : CONN_LINGER_MAX_MS;
    bool hurry = c->head_late || c->cs->draining;
    c->linger_end_ns = lb_io_now_ns(c->cs->io) + most_ms * NS_PER_MS;
    conn_expect_within(c, hurry ? CONN_LINGER_SHORT_MS : CONN_LINGER_MS);
    lb_stream_shutdown(&c->stream);
    lb_stream_recv(&c->stream, c->in, IN_SIZE, lingered);
}

static void discard(struct conn *c);

static void discarded(struct lb_stream *s, int64_t res) {
    struct conn *c = LB_CONTAINER_OF(s, struct conn, stream);
    if (res <= 0 || c->broken) {
        conn_free(c);
        return;
    }
    c->in_len = (size_t)res;
    discard(c);
}

/* Drops the rest of a body, which has to come within one idle timeout. It takes no buffer of the
 * pool's, so that it never waits for memory. */
static void discard(struct conn *c) {
    if (conn_body_drop(c) < 0 || (c->body_eof && c->cs->draining)) {
        leave(c);
    } else if (c->body_eof) {
        next_request(c);
    } else {
        size_t most = LB_HTTP_HEAD_SIZE_MAX; /* a chunked body may end in it: the rest is a head */
        c->in_at = c->in_len = 0;
        if (!c->request.chunked && most > c->body_left)
            most = (size_t)c->body_left;
        lb_stream_recv(&c->stream, c->in, most, discarded);
    }
}

/* ---- an exchange ---- */

static void response_done(struct conn *c) {
    conn_account(c);
    c->cs->in_flight--;
    lb_arena_reset(&c->arena);
    if (c->broken || c->in_dead || !c->keep || c->cs->draining) {
        leave(c);
    } else if (!c->body_eof) {
        c->state = CONN_DISCARD;
        conn_touch(c);
        discard(c);
    } else {
        next_request(c);
    }
}

static void finish(struct lb_exchange *x) {
    struct conn *c = conn_of(x);
    assert(c->state == CONN_HANDLER && !c->body_fn && !c->sent_fn);
    c->finished = true;
    c->state = CONN_FLUSH;
    conn_send_flush(c, response_done);
}

static const struct lb_exchange_ops exchange_ops = {
    .read = conn_body_read,
    .head = conn_send_head,
    .send = conn_send,
    .send_file = conn_send_file,
    .finish = finish,
};

static void begin_exchange(struct conn *c) {
    struct lb_buf headers = c->x.headers;
    lb_buf_clear(&headers);
    c->x = (struct lb_exchange){
        .ops = &exchange_ops,
        .request = &c->request,
        .arena = &c->arena,
        .pool = c->cs->pool,
        .can_send_file = !c->stream.tls,
        .secure = c->stream.tls != NULL,
        .peer = lb_slice_cstr(c->peer),
        .start_ns = c->head_ns,
        .headers = headers,
        .phase_at_ns = c->head_ns,
    };
    conn_phase(c, LB_PHASE_PARSE);
    c->cs->in_flight++;
    c->state = CONN_HANDLER;
    c->finished = c->head_set = c->head_sent = c->dropped = c->timed_out = false;
    c->sent = c->length = c->received = c->first_ns = 0;
}

static void error_sent(struct lb_exchange *x, int err) {
    x->ops->finish(x);
}

/* Answers what never becomes a request of the handler's: a malformed head, or one too many. */
static void refuse(struct conn *c, int err) {
    const struct lb_err_info *info = lb_err_info(err);
    struct lb_slice document;
    uint8_t random[8];
    char id[2 * sizeof(random) + 1];
    begin_exchange(c);
    lb_io_random(c->cs->io, random, sizeof(random));
    lb_hex_encode(random, sizeof(random), id);
    c->x.status = c->head_late ? 408 : info->status; /* S3 says 400 of a body */
    c->x.err = err;
    c->x.close = true;
    lb_http_header_add(&c->x.headers, LB_S("Content-Type"), LB_S("application/xml"));
    lb_http_header_add(&c->x.headers, LB_S("x-amz-request-id"), lb_slice_cstr(id));
    if (lb_arena_printf(&c->arena, &document,
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                        "<Error><Code>%s</Code><Message>%s</Message><RequestId>%s</RequestId>"
                        "</Error>",
                        info->s3_code, info->text, id) < 0)
        document = lb_slice("", 0);
    conn_send_head(&c->x, document.len);
    if (c->no_body)
        finish(&c->x);
    else
        conn_send(&c->x, document, error_sent);
}

/* The head is malformed, or not whole in time: nothing behind it can be read. */
static void refuse_head(struct conn *c, int err) {
    c->request = (struct lb_http_request){.method = LB_HTTP_OTHER, .minor_version = 1};
    c->body_eof = false;
    c->in_dead = true;
    conn_touch(c);
    refuse(c, err);
}

static void read_head(struct conn *c);

static void head_received(struct lb_stream *s, int64_t res) {
    struct conn *c = LB_CONTAINER_OF(s, struct conn, stream);
    if (res == -ECANCELED && c->head_late && !c->broken) {
        refuse_head(c, LB_ERR_REQUEST_TIMEOUT);
        return;
    }
    if (res <= 0 || c->broken) {
        conn_free(c);
        return;
    }
    if (c->in_len == 0) {
        c->head_ns = lb_io_clock_ns(c->cs->io);
        conn_touch(c); /* from here on a slow head does not prolong its time */
    }
    c->in_len += (size_t)res;
    read_head(c);
}

static void read_head(struct conn *c) {
    struct lb_slice data = lb_slice(c->in + c->in_at, c->in_len - c->in_at);
    int n = data.len ? lb_http_request_parse(data, &c->request) : 0;
    if (n == 0) {
        if (c->in_at > 0)
            memmove(c->in, c->in + c->in_at, data.len);
        c->in_at = 0;
        c->in_len = data.len;
        if (c->in_len < LB_HTTP_HEAD_SIZE_MAX && !c->head_late) {
            lb_stream_recv(&c->stream, c->in + c->in_len, LB_HTTP_HEAD_SIZE_MAX - c->in_len,
                           head_received);
            return;
        }
        n = c->head_late ? LB_ERR_REQUEST_TIMEOUT : LB_ERR_HEADERS_TOO_LARGE;
    }
    if (n < 0) {
        refuse_head(c, n);
        return;
    }
    c->head_late = false;
    conn_touch(c);
    c->in_at += (size_t)n;
    conn_body_begin(c);
    if (c->surplus) {
        refuse(c, LB_ERR_SLOW_DOWN);
        return;
    }
    begin_exchange(c);
    c->cs->handler(c->cs->handler_ctx, &c->x);
}

static void next_request(struct conn *c) {
    c->state = CONN_HEAD;
    c->in_dead = false;
    if (c->in_at < c->in_len)
        c->head_ns = lb_io_clock_ns(c->cs->io);
    conn_touch(c);
    read_head(c);
}

/* ---- time ---- */

/* The deadline has passed: breaks off whatever waits for the client or for memory. */
static void expire(struct conn *c) {
    conn_body_fail(c, LB_ERR_SLOW_DOWN);
    c->timed_out = c->body_fn != NULL;
    c->head_late = c->state == CONN_HEAD && c->in_len > 0;
    if (c->state != CONN_HANDLER && !c->head_late)
        c->broken = true;
    lb_stream_cancel(&c->stream);
}

/* A large file is one send; its client is slow only when nothing of it moves. */
static bool is_moving(struct conn *c) {
    bool sending = c->state == CONN_HANDLER || c->state == CONN_FLUSH;
    uint64_t sent = sending ? lb_stream_sent(&c->stream) : c->moved;
    bool moving = sent != c->moved;
    c->moved = sent;
    return moving;
}

static void on_timer(struct lb_io_timer *t) {
    struct conn *c = LB_CONTAINER_OF(t, struct conn, timer);
    struct lb_io *io = c->cs->io;
    uint64_t now_ns = lb_io_now_ns(io);
    bool late = now_ns >= c->deadline_ns;
    if (late)
        c->deadline_ns = now_ns + c->cs->idle_timeout_ms * NS_PER_MS;
    lb_io_timer_start(io, t, c->deadline_ns - now_ns);
    if (late && !is_moving(c))
        expire(c);
}

/* ---- for the loop ---- */

void lb_conn_open(struct lb_conns *cs, int fd, struct lb_slice peer) {
    struct conn *c = cs->n < cs->n_max + SURPLUS_MAX ? calloc(1, sizeof(*c)) : NULL;
    if (cs->metrics) {
        lb_counter_add(&cs->metrics->accepted, 1);
        lb_counter_add(&cs->metrics->refused, cs->n >= cs->n_max);
    }
    if (!c || !(c->in = malloc(IN_SIZE)) || lb_stream_init(&c->stream, cs->io, fd, cs->tls) < 0) {
        lb_io_close(cs->io, fd);
        if (c)
            free(c->in);
        free(c);
        return;
    }
    c->cs = cs;
    c->timer.fn = on_timer;
    lb_list_init(&c->body_waiter.link);
    lb_arena_init(&c->arena, ARENA_MAX);
    c->arena.budget = cs->budget;
    lb_buf_init(&c->x.headers, HEADERS_MAX);
    lb_buf_init(&c->head, HEADERS_MAX + CONN_JOIN_MAX);
    memcpy(c->peer, peer.ptr, peer.len < sizeof(c->peer) ? peer.len : sizeof(c->peer) - 1);
    lb_list_append(&cs->list, &c->link);
    cs->n++;
    c->surplus = cs->n > cs->n_max;
    lb_io_timer_start(cs->io, &c->timer, cs->idle_timeout_ms * NS_PER_MS);
    next_request(c);
}

void lb_conns_drain(struct lb_conns *cs) {
    cs->draining = true;
    LB_LIST_FOR_EACH(it, &cs->list) {
        struct conn *c = LB_CONTAINER_OF(it, struct conn, link);
        if (c->state == CONN_HEAD && c->in_at == c->in_len)
            lb_stream_cancel(&c->stream); /* a request that has just come is still answered */
        else if (c->state == CONN_LINGER)
            conn_expect_within(c, CONN_LINGER_SHORT_MS);
    }
}

void lb_conns_abort(struct lb_conns *cs) {
    LB_LIST_FOR_EACH(it, &cs->list) {
        struct conn *c = LB_CONTAINER_OF(it, struct conn, link);
        c->broken = c->in_dead = true;
        conn_body_fail(c, LB_ERR_SHUTTING_DOWN);
        lb_stream_cancel(&c->stream);
    }
}
