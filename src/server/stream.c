/* On TLS, one operation of the stream is carried by several of the socket: whatever OpenSSL has to
 * say is sent first, then it is given what it waits for, until the operation is done. */
#include "server/stream.h"

#include <errno.h>
#include <stdlib.h>

#include "server/tls.h"

#define CIPHER_BUF 17408 /* one TLS record of the largest size */

struct stream_tls {
    struct lb_tls_end *end;
    char *want;       /* recv: where plaintext goes */
    const char *give; /* send: what is to be encrypted */
    size_t len;       /* bytes of want, or of give still to come */
    size_t given;
    uint64_t sent; /* ciphertext, ever */
    char cipher[CIPHER_BUF];
};

static struct lb_stream *of(struct lb_io_op *op) {
    return LB_CONTAINER_OF(op, struct lb_stream, op);
}

static void complete(struct lb_stream *s, int64_t res) {
    lb_stream_done done = s->done;
    s->done = NULL;
    done(s, res);
}

static void plain_done(struct lb_io_op *op, int64_t res) {
    complete(of(op), res);
}

static void begin(struct lb_stream *s, lb_stream_done done, lb_io_done op_done) {
    s->done = done;
    s->canceled = false;
    s->op.done = op_done;
}

static void tls_step(struct lb_io_op *op, int64_t res);

static void tls_output_sent(struct lb_io_op *op, int64_t res) {
    struct lb_stream *s = of(op);
    if (res < 0) {
        complete(s, res);
        return;
    }
    lb_tls_output_sent(s->tls->end, (size_t)res);
    s->tls->sent += (uint64_t)res;
    tls_step(op, 0);
}

static void tls_input(struct lb_io_op *op, int64_t res) {
    struct lb_stream *s = of(op);
    if (res > 0 && lb_tls_input(s->tls->end, s->tls->cipher, (size_t)res) < 0)
        res = -ENOMEM;
    if (res == 0 && !s->tls->want)
        res = -ECONNRESET;
    if (res <= 0)
        complete(s, res);
    else
        tls_step(op, 0);
}

/* One attempt. Returns the result of the whole operation, or WANT_INPUT when it goes on, or 1 with
 * *again when only a part is done. */
static int64_t tls_try(struct stream_tls *t, bool *again) {
    if (t->want)
        return lb_tls_read(t->end, t->want, t->len);
    int n = lb_tls_write(t->end, t->give, t->len);
    if (n > 0) {
        t->give += n;
        t->len -= (size_t)n;
        t->given += (size_t)n;
        *again = true;
    }
    return n;
}

static void tls_step(struct lb_io_op *op, int64_t res) {
    struct lb_stream *s = of(op);
    struct stream_tls *t = s->tls;
    bool again = false;
    struct lb_slice output = lb_tls_output(t->end);
    if (res < 0) {
        complete(s, res);
        return;
    }
    if (output.len == 0 && !t->want && t->len == 0) {
        complete(s, (int64_t)t->given);
        return;
    }
    int64_t n = output.len ? 0 : tls_try(t, &again);
    output = lb_tls_output(t->end);
    if (n > 0 && !again) {
        complete(s, n); /* plaintext; what is to be sent waits for the next step */
    } else if (s->canceled) {
        complete(s, -ECANCELED);
    } else if (output.len) {
        op->done = tls_output_sent;
        lb_io_send(s->io, op, s->fd, output.ptr, output.len, false);
    } else if (n == LB_TLS_WANT_INPUT) {
        lb_tls_trim(t->end);
        op->done = tls_input;
        lb_io_recv(s->io, op, s->fd, t->cipher, sizeof(t->cipher));
    } else {
        complete(s, n == LB_TLS_CLOSED && t->want ? 0 : -EPROTO);
    }
}

int lb_stream_init(struct lb_stream *s, struct lb_io *io, int fd, struct lb_tls *tls) {
    *s = (struct lb_stream){.io = io, .fd = fd};
    if (!tls)
        return 0;
    s->tls = calloc(1, sizeof(*s->tls));
    if (!s->tls || !(s->tls->end = lb_tls_end_new(tls))) {
        free(s->tls);
        return -ENOMEM;
    }
    return 0;
}

void lb_stream_fini(struct lb_stream *s) {
    if (s->tls)
        lb_tls_end_free(s->tls->end);
    free(s->tls);
    lb_io_close(s->io, s->fd);
}

void lb_stream_recv(struct lb_stream *s, void *buf, size_t len, lb_stream_done done) {
    begin(s, done, s->tls ? tls_step : plain_done);
    if (!s->tls) {
        lb_io_recv(s->io, &s->op, s->fd, buf, len);
        return;
    }
    s->tls->want = buf;
    s->tls->len = len;
    lb_io_defer(s->io, &s->op, 0);
}

void lb_stream_send(struct lb_stream *s, const void *buf, size_t len, bool more,
                    lb_stream_done done) {
    begin(s, done, s->tls ? tls_step : plain_done);
    if (!s->tls) {
        lb_io_send(s->io, &s->op, s->fd, buf, len, more);
        return;
    }
    s->tls->want = NULL;
    s->tls->give = buf;
    s->tls->len = len;
    s->tls->given = 0;
    lb_io_defer(s->io, &s->op, 0);
}

void lb_stream_sendfile(struct lb_stream *s, int file_fd, uint64_t off, size_t len,
                        lb_stream_done done) {
    begin(s, done, plain_done);
    lb_io_sendfile(s->io, &s->op, s->fd, file_fd, off, len);
}

uint64_t lb_stream_sent(const struct lb_stream *s) {
    return (s->tls ? s->tls->sent : 0) + lb_io_sent(&s->op);
}

void lb_stream_cancel(struct lb_stream *s) {
    if (!s->done)
        return;
    s->canceled = true; /* what is deferred can't be cancelled */
    lb_io_cancel(s->io, &s->op);
}

void lb_stream_shutdown(struct lb_stream *s) {
    if (s->tls) {
        /* close_notify goes out if the socket takes it at once; the peer must cope without, as RFC
         * 8446 has it. */
        lb_tls_shutdown(s->tls->end);
        struct lb_slice output = lb_tls_output(s->tls->end);
        if (output.len)
            (void)!send(s->fd, output.ptr, output.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        lb_tls_output_sent(s->tls->end, output.len);
    }
    lb_io_shutdown(s->io, s->fd, SHUT_WR);
}
