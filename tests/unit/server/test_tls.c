/* Connections over TLS, with OpenSSL's client on a thread of its own. */
#include "unit/server/conn_env.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>

#include "server/tls.h"

static char dir[] = "/tmp/lobos-tls-XXXXXX";
static char cert_path[64], key_path[64], locked_path[64];
static struct lb_tls *tls;

/* ---- a certificate ---- */

static void write_pem(const char *path, X509 *cert, EVP_PKEY *key, const char *pass) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    if (cert)
        assert_int_equal(PEM_write_X509(f, cert), 1);
    else
        assert_int_equal(PEM_write_PrivateKey(f, key, pass ? EVP_aes_128_cbc() : NULL,
                                              (const unsigned char *)pass,
                                              pass ? (int)strlen(pass) : 0, NULL, NULL),
                         1);
    fclose(f);
}

/* Writes a certificate of that number and its key to their files. */
static void write_certificate(long serial) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    write_pem(cert_path, cert, NULL, NULL);
    write_pem(key_path, NULL, key, NULL);
    write_pem(locked_path, NULL, key, "secret");
    X509_free(cert);
    EVP_PKEY_free(key);
}

static int make_certificate(void **state) {
    assert_non_null(mkdtemp(dir));
    snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", dir);
    snprintf(key_path, sizeof(key_path), "%s/key.pem", dir);
    snprintf(locked_path, sizeof(locked_path), "%s/locked.pem", dir);
    write_certificate(1);
    tls = lb_tls_new(cert_path, key_path);
    return tls ? 0 : -1;
}

static int remove_certificate(void **state) {
    lb_tls_free(tls);
    unlink(cert_path);
    unlink(key_path);
    unlink(locked_path);
    return rmdir(dir);
}

/* ---- clients ---- */

/* Runs on a thread: may block. */
typedef void (*script)(SSL *ssl, int fd);

struct visit {
    script fn;
    int fd;
    int version_max;
    size_t done;
    pthread_t thread;
};

static int tls_client(void) {
    served->cs.tls = tls;
    int fd = client();
    fcntl(fd, F_SETFL, 0);
    return fd;
}

static void *visit_run(void *arg) {
    static const unsigned char offer[] = "\x02h2\x08http/1.1";
    struct visit *v = arg;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (v->version_max)
        SSL_CTX_set_max_proto_version(ctx, v->version_max);
    SSL *ssl = SSL_new(ctx);
    SSL_set_alpn_protos(ssl, offer, sizeof(offer) - 1);
    SSL_set_fd(ssl, v->fd);
    v->fn(ssl, v->fd);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    __atomic_store_n(&v->done, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* Lets a client play its script while the loop turns. The connection then ends. */
static void play(script fn, int version_max) {
    struct visit v = {.fn = fn, .fd = tls_client(), .version_max = version_max};
    assert_int_equal(pthread_create(&v.thread, NULL, visit_run, &v), 0);
    while (!__atomic_load_n(&v.done, __ATOMIC_ACQUIRE))
        assert_int_equal(lb_io_turn(served->e.io, 1000000), 0);
    pthread_join(v.thread, NULL);
    close(v.fd);
    wait_n(&served->cs.n, 0);
}

/* cmocka's checks are not for other threads. */
static void must(bool ok, int line) {
    if (ok)
        return;
    fprintf(stderr, "%s:%d: the client failed\n", __FILE__, line);
    ERR_print_errors_fp(stderr);
    abort();
}
#define MUST(ok) must(ok, __LINE__)

static void put_all(SSL *ssl, const char *bytes, size_t n) {
    while (n) {
        int sent = SSL_write(ssl, bytes, n < 100000 ? (int)n : 100000);
        MUST(sent > 0);
        bytes += sent;
        n -= (size_t)sent;
    }
}

static void get_all(SSL *ssl, char *to, size_t n) {
    while (n) {
        int got = SSL_read(ssl, to, n < 1000000 ? (int)n : 1000000);
        MUST(got > 0);
        to += got;
        n -= (size_t)got;
    }
}

/* The head of a response; its status. */
static int get_tls_head(SSL *ssl, size_t *ret_length) {
    char head[4096];
    size_t n = 0;
    while (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0) {
        MUST(n < sizeof(head) - 1);
        get_all(ssl, head + n++, 1);
    }
    head[n] = '\0';
    const char *length = strstr(head, "Content-Length: ");
    *ret_length = length ? (size_t)atol(length + 16) : 0;
    return atoi(head + 9);
}

static void expect_tls(SSL *ssl, int status, const char *body) {
    char text[256] = "";
    size_t n;
    MUST(get_tls_head(ssl, &n) == status && n < sizeof(text));
    get_all(ssl, text, n);
    MUST(strcmp(text, body) == 0);
}

static void say(SSL *ssl, const char *text) {
    put_all(ssl, text, strlen(text));
}

#define HELLO "GET / HTTP/1.1\r\n" LOCAL "\r\n"

/* ---- tests ---- */

static void requests(SSL *ssl, int fd) {
    char want[64];
    char *got = malloc(BIG);
    const unsigned char *protocol;
    unsigned protocol_len;
    size_t n;
    MUST(SSL_connect(ssl) == 1);
    SSL_get0_alpn_selected(ssl, &protocol, &protocol_len);
    MUST(protocol_len == 8 && memcmp(protocol, "http/1.1", 8) == 0);
    say(ssl, HELLO HELLO);
    expect_tls(ssl, 200, "hello");
    expect_tls(ssl, 200, "hello");
    for (int i = 0; i < 2; i++) {
        say(ssl, "GET /file HTTP/1.1\r\n" LOCAL "\r\n");
        MUST(get_tls_head(ssl, &n) == 200 && n == BIG);
        get_all(ssl, got, BIG);
        MUST(memcmp(got, served->bytes, BIG) == 0);
        say(ssl, "PUT /echo HTTP/1.1\r\n" LOCAL "Content-Length: 8388608\r\n\r\n");
        put_all(ssl, served->bytes, BIG);
        snprintf(want, sizeof(want), "len=%u sum=%u", BIG, sum_of(0, served->bytes, BIG));
        expect_tls(ssl, 200, want);
    }
    free(got);
    SSL_shutdown(ssl);
}

static void test_requests(void **state) {
    play(requests, 0);
    play(requests, TLS1_2_VERSION);
}

static long serial_of(SSL *ssl) {
    X509 *cert = SSL_get1_peer_certificate(ssl);
    MUST(cert);
    long serial = ASN1_INTEGER_get(X509_get0_serialNumber(cert));
    X509_free(cert);
    return serial;
}

static long expected_serial;

static void meet(SSL *ssl, int fd) {
    MUST(SSL_connect(ssl) == 1);
    MUST(serial_of(ssl) == expected_serial);
    say(ssl, HELLO);
    expect_tls(ssl, 200, "hello");
    SSL_shutdown(ssl);
}

/* The certificate changes while it is connected. */
static void meet_before_reload(SSL *ssl, int fd) {
    MUST(SSL_connect(ssl) == 1);
    say(ssl, HELLO);
    expect_tls(ssl, 200, "hello");
    write_certificate(expected_serial + 1);
    MUST(lb_tls_reload(tls, cert_path, key_path) == 0);
    say(ssl, HELLO);
    expect_tls(ssl, 200, "hello");
    MUST(serial_of(ssl) == expected_serial);
    SSL_shutdown(ssl);
}

static void test_reload(void **state) {
    expected_serial = 1;
    play(meet, 0);
    play(meet_before_reload, 0);
    expected_serial = 2;
    play(meet, 0);
    /* What can't be used changes nothing. */
    assert_int_equal(lb_tls_reload(tls, cert_path, locked_path), -EINVAL);
    assert_int_equal(lb_tls_reload(tls, "/nowhere", key_path), -EINVAL);
    play(meet, 0);
    write_certificate(1);
    assert_int_equal(lb_tls_reload(tls, cert_path, key_path), 0);
    expected_serial = 1;
    play(meet, 0);
}

/* It says that it will send no more, and gets its answer and our goodbye. */
static void half_closed(SSL *ssl, int fd) {
    char byte;
    MUST(SSL_connect(ssl) == 1);
    say(ssl, HELLO);
    SSL_shutdown(ssl);
    shutdown(fd, SHUT_WR);
    expect_tls(ssl, 200, "hello");
    MUST(SSL_read(ssl, &byte, 1) <= 0);
    MUST(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN || SSL_get_error(ssl, 0) != SSL_ERROR_NONE);
}

static void test_half_closed(void **state) {
    play(half_closed, 0);
}

static void early_answer(SSL *ssl, int fd) {
    char byte;
    MUST(SSL_connect(ssl) == 1);
    say(ssl, "PUT /refuse HTTP/1.1\r\n" LOCAL "Content-Length: 1000000000000\r\n\r\n");
    for (int i = 0; i < 4; i++)
        put_all(ssl, served->bytes, BIG);
    expect_tls(ssl, 403, "no");
    MUST(SSL_read(ssl, &byte, 1) == 0 && SSL_get_error(ssl, 0) == SSL_ERROR_ZERO_RETURN);
}

static void test_early_answer(void **state) {
    play(early_answer, 0);
}

static void not_tls(SSL *ssl, int fd) {
    unsigned char alert[64];
    MUST(send(fd, HELLO, sizeof(HELLO) - 1, MSG_NOSIGNAL) > 0);
    ssize_t n = recv(fd, alert, sizeof(alert), 0);
    MUST(n <= 0 || alert[0] == 21);
}

static void too_old(SSL *ssl, int fd) {
    MUST(SSL_connect(ssl) != 1);
    ERR_clear_error();
}

static void leaves_in_the_middle(SSL *ssl, int fd) {
    MUST(SSL_connect(ssl) == 1);
    say(ssl, "PUT /echo HTTP/1.1\r\n" LOCAL "Content-Length: 100\r\n\r\nabc");
    MUST(send(fd, "\x17\x03\x03\x01", 4, MSG_NOSIGNAL) == 4); /* a record's beginning */
}

static void damages_a_record(SSL *ssl, int fd) {
    char bytes[64] = "\x17\x03\x03\x00\x20 this was encrypted by nobody.";
    MUST(SSL_connect(ssl) == 1);
    MUST(send(fd, bytes, 37, MSG_NOSIGNAL) == 37);
    MUST(SSL_read(ssl, bytes, 1) <= 0); /* an alert */
    ERR_clear_error();
}

static void test_bad_clients(void **state) {
    play(not_tls, 0);
    play(too_old, TLS1_1_VERSION);
    play(leaves_in_the_middle, 0);
    assert_true(served->seen.read_err < 0);
    play(damages_a_record, 0);
}

static atomic_bool ended; /* the server has given up */

static void on_ended(struct lb_conns *cs) {
    atomic_store(&ended, true);
}

/* It stops reading a large answer. */
static void stalls(SSL *ssl, int fd) {
    char byte;
    size_t n;
    MUST(SSL_connect(ssl) == 1);
    say(ssl, "GET /big HTTP/1.1\r\n" LOCAL "\r\n");
    MUST(get_tls_head(ssl, &n) == 200);
    MUST(SSL_read(ssl, &byte, 1) == 1);
    while (!atomic_load(&ended))
        usleep(10000);
}

static void slow(SSL *ssl, int fd) {
    char *got = malloc(BIG);
    size_t n;
    MUST(SSL_connect(ssl) == 1);
    say(ssl, "GET /big HTTP/1.1\r\n" LOCAL "\r\n");
    MUST(get_tls_head(ssl, &n) == 200);
    for (size_t at = 0; at < BIG; at += BIG / 16) {
        usleep(150000);
        get_all(ssl, got + at, BIG / 16);
    }
    MUST(memcmp(got, served->bytes, BIG) == 0);
    free(got);
}

static void test_timeouts(void **state) {
    served->cs.idle_timeout_ms = 1000;
    int silent = tls_client();
    fcntl(silent, F_SETFL, O_NONBLOCK);
    expect_end(silent);
    play(slow, 0);
    served->cs.closed = on_ended;
    atomic_store(&ended, false);
    play(stalls, 0);
    assert_true(served->seen.sent_err < 0);
}

/* ---- breaking off ---- */

struct outcome {
    struct lb_stream stream;
    size_t calls;
    int64_t res;
};

static void noted(struct lb_stream *s, int64_t res) {
    struct outcome *o = LB_CONTAINER_OF(s, struct outcome, stream);
    o->res = res;
    o->calls++;
}

/* Also when the operation is only about to begin, which the loop itself can't cancel. */
static void test_cancel(void **state) {
    char buf[64];
    for (int i = 0; i < 3; i++) {
        struct outcome o = {.calls = 0};
        int peer;
        int fd = pair_new(&served->e, &peer);
        assert_int_equal(lb_stream_init(&o.stream, served->e.io, fd, tls), 0);
        lb_stream_recv(&o.stream, buf, sizeof(buf), noted);
        turn_ms(i ? 5 : 0);
        if (i == 2) /* bytes have come, but no plaintext */
            assert_int_equal(send(peer, "\x16\x03\x01\x02", 4, 0), 4);
        lb_stream_cancel(&o.stream);
        assert_int_equal(o.calls, 0);
        wait_n(&o.calls, 1);
        assert_int_equal(o.res, -ECANCELED);
        lb_stream_send(&o.stream, "x", 1, false, noted); /* works afterwards, if the peer would */
        close(peer);
        wait_n(&o.calls, 2);
        assert_true(o.res < 0);
        lb_stream_fini(&o.stream);
    }
}

static void test_abort_and_drain(void **state) {
    for (int i = 0; i < 4; i++) {
        int fd = tls_client();
        if (i % 2)
            assert_int_equal(send(fd, "\x16\x03\x01\x02", 4, 0), 4);
        turn_ms(i < 2 ? 5 : 0);
        if (i == 3)
            lb_conns_drain(&served->cs);
        else
            lb_conns_abort(&served->cs);
        wait_n(&served->cs.n, 0);
        served->cs.draining = false;
        close(fd);
    }
}

static void test_bad_files(void **state) {
    assert_null(lb_tls_new("/nowhere.pem", key_path));
    assert_null(lb_tls_new(cert_path, "/nowhere.pem"));
    assert_null(lb_tls_new(key_path, key_path));
    assert_null(lb_tls_new(cert_path, cert_path));
    assert_null(lb_tls_new(cert_path, locked_path)); /* and nobody is asked for the password */
}

int main(void) {
    static const struct named_test tests[] = {
        TEST(test_requests),     TEST(test_reload),          TEST(test_half_closed),
        TEST(test_early_answer), TEST(test_bad_clients),     TEST(test_timeouts),
        TEST(test_cancel),       TEST(test_abort_and_drain), TEST(test_bad_files),
    };
    return run_served("tls", tests, sizeof(tests) / sizeof(tests[0]), make_certificate,
                      remove_certificate);
}
