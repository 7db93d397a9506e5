/* Where the control plane listens, and who may come in. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "control/rpc_priv.h"

#define TOKEN_MIN 16
#define TOKEN_MAX 1024

static int parse_host(struct lb_slice host, struct rpc_address *ret) {
    struct in_addr v4;
    struct in6_addr v6;
    bool brackets = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (brackets)
        host = lb_slice(host.ptr + 1, host.len - 2);
    if (lb_slice_eq(host, LB_S("localhost")))
        host = LB_S("127.0.0.1");
    if (host.len >= sizeof(ret->ip))
        return -EINVAL;
    memcpy(ret->ip, host.ptr, host.len);
    ret->ip[host.len] = '\0';
    if (!brackets && inet_pton(AF_INET, ret->ip, &v4) == 1)
        ret->loopback = ntohl(v4.s_addr) >> 24 == 127;
    else if (brackets && inet_pton(AF_INET6, ret->ip, &v6) == 1)
        ret->loopback = IN6_IS_ADDR_LOOPBACK(&v6);
    else
        return -EINVAL;
    return 0;
}

void rpc_address_set_port(struct rpc_address *a, unsigned port) {
    a->port = port;
    snprintf(a->text, sizeof(a->text), strchr(a->ip, ':') ? "[%s]:%u" : "%s:%u", a->ip, port);
}

int rpc_address_parse(const char *text, struct rpc_address *ret) {
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || lb_slice_to_u64(lb_slice_cstr(colon + 1), &port) < 0 || port > 65535)
        return -EINVAL;
    if (parse_host(lb_slice(text, (size_t)(colon - text)), ret) < 0)
        return -EINVAL;
    rpc_address_set_port(ret, (unsigned)port);
    return 0;
}

int rpc_address_check(const struct rpc_address *a) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)a->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)a->port)};
    bool is_v4 = inet_pton(AF_INET, a->ip, &v4.sin_addr) == 1;
    const int on = 1;
    int err = 0;
    if (!is_v4)
        inet_pton(AF_INET6, a->ip, &v6.sin6_addr);
    int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
             is_v4 ? sizeof(v4) : sizeof(v6)) < 0 ||
        listen(fd, 1) < 0)
        err = -errno;
    close(fd);
    return err;
}

static int fail(struct lb_buf *why, const char *text) {
    lb_buf_append(why, lb_slice_cstr(text));
    return -EINVAL;
}

static int check_token(const char *token, struct lb_buf *why) {
    size_t len = strlen(token);
    for (size_t i = 0; i < len; i++) {
        if (token[i] <= ' ' || token[i] > '~')
            return fail(why, "grpc_token: printable characters without spaces only");
    }
    if (len && (len < TOKEN_MIN || len > TOKEN_MAX))
        return fail(why, "grpc_token: 16 to 1024 characters");
    return 0;
}

int lb_control_listen_check(const struct lb_control_listen *l, struct lb_buf *why) {
    struct rpc_address a;
    if (!l->address[0])
        return 0;
    if (rpc_address_parse(l->address, &a) < 0) {
        lb_buf_printf(why,
                      "grpc_server = %s: must be an IP address and a port, as 127.0.0.1:50051 or "
                      "[::1]:50051, or off",
                      l->address);
        return -EINVAL;
    }
    if (!l->certificate[0] != !l->key[0])
        return fail(why, "grpc_tls_certificate and grpc_tls_key go together: one of them is empty");
    if (l->client_ca[0] && !l->certificate[0])
        return fail(why, "grpc_client_ca needs grpc_tls_certificate and grpc_tls_key");
    if (check_token(l->token, why) < 0)
        return -EINVAL;
    if (a.loopback || (l->certificate[0] && (l->token[0] || l->client_ca[0])))
        return 0;
    lb_buf_printf(why,
                  "grpc_server = %s: on an address other than loopback the control plane needs "
                  "TLS (grpc_tls_certificate, grpc_tls_key) and a token (grpc_token_file) or "
                  "certificates of clients (grpc_client_ca). Set them, or grpc_server = "
                  "127.0.0.1:50051",
                  l->address);
    return -EINVAL;
}
