/* TLS by OpenSSL, over memory BIOs, so that the loop does all socket I/O. */
#ifndef LB_SERVER_TLS_H
#define LB_SERVER_TLS_H

#include "base/slice.h"

struct lb_tls;
struct lb_tls_end;

/* A server context from a PEM certificate chain and a PEM key (paths). TLS 1.2 and up, ALPN
 * http/1.1. Returns owned, or NULL with one line in the log that says which file and why. */
struct lb_tls *lb_tls_new(const char *certificate, const char *key);
void lb_tls_free(struct lb_tls *t);

/* Any thread. Takes another certificate and key for connections to come; those that are there keep
 * theirs. Returns 0; or -EINVAL with one line in the log, and all stays as it was. */
int lb_tls_reload(struct lb_tls *t, const char *certificate, const char *key);

/* One connection's state; owned. NULL without memory. */
struct lb_tls_end *lb_tls_end_new(struct lb_tls *t);
void lb_tls_end_free(struct lb_tls_end *e);

enum { LB_TLS_WANT_INPUT = -1, LB_TLS_CLOSED = -2, LB_TLS_FAILED = -3 };

/* Decrypts to buf. Returns bytes (> 0), or WANT_INPUT, CLOSED (close_notify), FAILED. Output may be
 * pending in any case. */
int lb_tls_read(struct lb_tls_end *e, void *buf, size_t len);
/* Encrypts at most len bytes (as many as fit the pending-output bound). Returns bytes taken (> 0),
 * or WANT_INPUT (handshake), FAILED. */
int lb_tls_write(struct lb_tls_end *e, const void *buf, size_t len);
/* Ciphertext from the peer. Returns 0 or FAILED. */
int lb_tls_input(struct lb_tls_end *e, const void *buf, size_t len);
/* Ciphertext for the peer: borrowed until lb_tls_output_sent. Empty when there is none. */
struct lb_slice lb_tls_output(struct lb_tls_end *e);
void lb_tls_output_sent(struct lb_tls_end *e, size_t n);
/* Gives back memory that a large output needed. Call it before a wait that may be long. */
void lb_tls_trim(struct lb_tls_end *e);
/* Queues close_notify. */
void lb_tls_shutdown(struct lb_tls_end *e);

#endif
