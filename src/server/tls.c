#include "server/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"

#define PLAIN_MAX 65536  /* bytes encrypted before the output is sent */
#define OUTPUT_KEPT 4096 /* bytes of memory for output that a client who waits may keep */

struct lb_tls {
    pthread_mutex_t lock; /* of ctx, which a reload replaces */
    SSL_CTX *ctx;
};

struct lb_tls_end {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
};

static void log_failure(const char *what, const char *file) {
    char reason[256];
    ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
    ERR_clear_error();
    lb_error(what, LB_LOG_C("file", file), LB_LOG_C("reason", reason));
}

static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                           const unsigned char *offered, unsigned offered_len, void *ctx) {
    static const unsigned char http11[] = "\x08http/1.1";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, ret_len, http11, sizeof(http11) - 1, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* OpenSSL's default would ask at the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *ctx) {
    return -1;
}

/* NULL with one line in the log. */
static SSL_CTX *context_new(const char *certificate, const char *key) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) {
        log_failure("cannot begin with TLS", certificate);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* Sessions live in the clients' tickets: a cache would grow, and be a lock between the loops.
     */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1) {
        log_failure("cannot use the TLS certificate", certificate);
        goto fail;
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
        log_failure("cannot use the TLS key, or it does not belong to the certificate", key);
        goto fail;
    }
    return ctx;
fail:
    SSL_CTX_free(ctx);
    return NULL;
}

struct lb_tls *lb_tls_new(const char *certificate, const char *key) {
    struct lb_tls *t = calloc(1, sizeof(*t));
    SSL_CTX *ctx = t ? context_new(certificate, key) : NULL;
    if (!ctx) {
        free(t);
        return NULL;
    }
    t->ctx = ctx;
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

int lb_tls_reload(struct lb_tls *t, const char *certificate, const char *key) {
    SSL_CTX *fresh = context_new(certificate, key);
    if (!fresh)
        return -EINVAL;
    pthread_mutex_lock(&t->lock);
    SSL_CTX *old = t->ctx;
    t->ctx = fresh;
    pthread_mutex_unlock(&t->lock);
    SSL_CTX_free(old); /* the connections that have it hold on to it */
    return 0;
}

void lb_tls_free(struct lb_tls *t) {
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

struct lb_tls_end *lb_tls_end_new(struct lb_tls *t) {
    struct lb_tls_end *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    pthread_mutex_lock(&t->lock);
    e->ssl = SSL_new(t->ctx);
    pthread_mutex_unlock(&t->lock);
    e->in = BIO_new(BIO_s_mem());
    e->out = BIO_new(BIO_s_mem());
    if (!e->ssl || !e->in || !e->out) {
        BIO_free(e->in);
        BIO_free(e->out);
        SSL_free(e->ssl);
        free(e);
        return NULL;
    }
    BIO_set_mem_eof_return(e->in, -1);
    SSL_set_bio(e->ssl, e->in, e->out);
    SSL_set_accept_state(e->ssl);
    return e;
}

void lb_tls_end_free(struct lb_tls_end *e) {
    if (e)
        SSL_free(e->ssl);
    free(e);
}

/* What a result of SSL_read or SSL_write means. */
static int outcome(struct lb_tls_end *e, int n) {
    if (n > 0)
        return n;
    int why = SSL_get_error(e->ssl, n);
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ)
        return LB_TLS_WANT_INPUT;
    return why == SSL_ERROR_ZERO_RETURN ? LB_TLS_CLOSED : LB_TLS_FAILED;
}

int lb_tls_read(struct lb_tls_end *e, void *buf, size_t len) {
    return outcome(e, SSL_read(e->ssl, buf, len > PLAIN_MAX ? PLAIN_MAX : (int)len));
}

/* SSL_write makes one record a call, in partial-write mode. */
int lb_tls_write(struct lb_tls_end *e, const void *buf, size_t len) {
    const char *at = buf;
    int taken = 0, left = len > PLAIN_MAX ? PLAIN_MAX : (int)len;
    while (left > 0) {
        int n = outcome(e, SSL_write(e->ssl, at + taken, left));
        if (n < 0)
            return taken > 0 ? taken : n;
        taken += n;
        left -= n;
    }
    return taken;
}

int lb_tls_input(struct lb_tls_end *e, const void *buf, size_t len) {
    return BIO_write(e->in, buf, (int)len) == (int)len ? 0 : LB_TLS_FAILED;
}

struct lb_slice lb_tls_output(struct lb_tls_end *e) {
    char *bytes;
    long n = BIO_get_mem_data(e->out, &bytes);
    return lb_slice(bytes, n > 0 ? (size_t)n : 0);
}

void lb_tls_output_sent(struct lb_tls_end *e, size_t n) {
    char skip[4096];
    if (n == lb_tls_output(e).len) {
        (void)BIO_reset(e->out);
        return;
    }
    while (n > 0) {
        int got = BIO_read(e->out, skip, n < sizeof(skip) ? (int)n : (int)sizeof(skip));
        if (got <= 0)
            return;
        n -= (size_t)got;
    }
}

void lb_tls_trim(struct lb_tls_end *e) {
    BUF_MEM *held, *fresh;
    BIO_get_mem_ptr(e->out, &held);
    if (held->length == 0 && held->max > OUTPUT_KEPT && (fresh = BUF_MEM_new()))
        BIO_set_mem_buf(e->out, fresh, BIO_CLOSE); /* frees the other one */
}

void lb_tls_shutdown(struct lb_tls_end *e) {
    SSL_shutdown(e->ssl);
    ERR_clear_error();
}
