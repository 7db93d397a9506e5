/* The byte stream of a connection: a plain socket, or TLS over it. Bytes in, bytes out; completions
 * come through the loop, never from inside the call. One operation at a time: HTTP/1.1 is half
 * duplex in a server that answers requests in turn. */
#ifndef LB_SERVER_STREAM_H
#define LB_SERVER_STREAM_H

#include "io/io.h"

struct lb_stream;
struct lb_tls; /* tls.h: a server's certificate */
struct stream_tls;

/* res as the completion of lb_io_recv or lb_io_send. */
typedef void (*lb_stream_done)(struct lb_stream *s, int64_t res);

struct lb_stream {
    struct lb_io *io;
    int fd;
    struct stream_tls *tls; /* owned; NULL on a plain socket */
    struct lb_io_op op;
    lb_stream_done done; /* of the operation in flight; NULL when there is none */
    bool canceled;       /* it must not wait any more */
};

/* Takes fd. tls NULL: plain. Returns 0 or -ENOMEM (fd stays the caller's). */
int lb_stream_init(struct lb_stream *s, struct lb_io *io, int fd, struct lb_tls *tls);

/* Closes the socket; nothing may be in flight. */
void lb_stream_fini(struct lb_stream *s);

/* At most len bytes to buf: res is how many, 0 at the end, negative on error. */
void lb_stream_recv(struct lb_stream *s, void *buf, size_t len, lb_stream_done done);

/* All of len bytes (borrowed until done). more: others follow at once. */
void lb_stream_send(struct lb_stream *s, const void *buf, size_t len, bool more,
                    lb_stream_done done);

/* Only when tls is NULL. */
void lb_stream_sendfile(struct lb_stream *s, int file_fd, uint64_t off, size_t len,
                        lb_stream_done done);

/* Bytes that the socket has taken of a send in flight: changes as it makes progress. */
uint64_t lb_stream_sent(const struct lb_stream *s);

/* Makes what is in flight, if anything is, complete early: with -ECANCELED where it would have to
 * wait. A result that exists already is not lost. */
void lb_stream_cancel(struct lb_stream *s);

/* Tells the peer that no more is sent. */
void lb_stream_shutdown(struct lb_stream *s);

#endif
