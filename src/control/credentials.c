/* What the control plane's listener speaks. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "control/rpc_priv.h"

#define PEM_MAX (1u << 20)

/* Reads a file with a NUL behind it. Returns 0 or -errno. */
static int read_pem(const char *path, struct lb_buf *ret) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0) {
        char *at = lb_buf_reserve(ret, 4096);
        n = at ? read(fd, at, 4096) : -1;
        ret->len += n > 0 ? (size_t)n : 0;
    }
    int err = ret->err ? ret->err : n < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    lb_buf_append_char(ret, '\0');
    return err ? err : ret->err;
}

static int load(const char *path, const char *what, struct lb_buf *ret) {
    int err = read_pem(path, ret);
    if (err == 0 && lb_slice_find_slice(lb_buf_slice(ret), LB_S("-----BEGIN ")) < 0)
        err = -EINVAL;
    if (err < 0)
        lb_error("cannot use a file of the control plane's TLS", LB_LOG_C("key", what),
                 LB_LOG_C("file", path),
                 LB_LOG_C("reason", err == -EINVAL ? "it is not PEM" : strerror(-err)));
    return err;
}

static int load_all(const struct lb_control_listen *l, struct lb_buf *certificate,
                    struct lb_buf *key, struct lb_buf *ca) {
    int err = load(l->certificate, "grpc_tls_certificate", certificate);
    if (err == 0)
        err = load(l->key, "grpc_tls_key", key);
    if (err == 0 && l->client_ca[0])
        err = load(l->client_ca, "grpc_client_ca", ca);
    return err;
}

/* Called by gRPC at the start and for each connection. */
static grpc_ssl_certificate_config_reload_status fetch(void *user,
                                                       grpc_ssl_server_certificate_config **ret) {
    struct rpc_tls *t = user;
    struct lb_buf certificate, key, ca;
    if (!atomic_exchange(&t->wanted, false))
        return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    lb_buf_init(&certificate, PEM_MAX);
    lb_buf_init(&key, PEM_MAX);
    lb_buf_init(&ca, PEM_MAX);
    int err = load_all(t->listen, &certificate, &key, &ca);
    if (err == 0) {
        const grpc_ssl_pem_key_cert_pair pair = {key.ptr, certificate.ptr};
        /* gRPC wants some, also when it asks clients for no certificate and uses none. */
        const char *roots = ca.ptr ? ca.ptr : certificate.ptr;
        *ret = grpc_ssl_server_certificate_config_create(roots, &pair, 1);
    }
    if (key.ptr)
        explicit_bzero(key.ptr, key.cap);
    lb_buf_fini(&certificate);
    lb_buf_fini(&key);
    lb_buf_fini(&ca);
    return err == 0 ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW
                    : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
}

grpc_server_credentials *rpc_credentials(struct rpc_tls *t, const struct lb_control_listen *l) {
    if (!l->certificate[0])
        return grpc_insecure_server_credentials_create();
    t->listen = l;
    atomic_store(&t->wanted, true);
    return grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            l->client_ca[0] ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                            : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
            fetch, t));
}
