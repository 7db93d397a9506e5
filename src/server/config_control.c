/* The keys of the control plane. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/config_priv.h"

#define TOKEN_FILE_MAX 2048

void lb_config_control(const struct lb_config *c, struct lb_control_listen *ret) {
    *ret = (struct lb_control_listen){
        .address = strcmp(c->grpc_server, "off") == 0 ? "" : c->grpc_server,
        .token = c->grpc_token,
        .certificate = c->grpc_tls_certificate,
        .key = c->grpc_tls_key,
        .client_ca = c->grpc_client_ca,
    };
}

static int read_token(struct lb_config *c, struct lb_buf *why) {
    char text[TOKEN_FILE_MAX];
    int fd = open(c->grpc_token_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    int err = n < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    if (err < 0) {
        lb_buf_printf(why, "grpc_token_file = %s: %s", c->grpc_token_file, strerror(-err));
        return -EINVAL;
    }
    while (n > 0 && strchr(" \t\r\n", text[n - 1]))
        n--;
    char *token = strndup(text, (size_t)n);
    explicit_bzero(text, sizeof(text));
    if (!token)
        return -ENOMEM;
    bool other = c->grpc_token[0] && strcmp(c->grpc_token, token) != 0, empty = !token[0];
    explicit_bzero(c->grpc_token, strlen(c->grpc_token));
    free(c->grpc_token);
    c->grpc_token = token;
    if (other)
        lb_buf_append(why, LB_S("grpc_token and grpc_token_file: one of them will do"));
    else if (empty)
        lb_buf_printf(why, "grpc_token_file = %s: is empty", c->grpc_token_file);
    return other || empty ? -EINVAL : 0;
}

int config_check_control(struct lb_config *c, struct lb_buf *why) {
    struct lb_control_listen listen;
    int err = c->grpc_token_file[0] ? read_token(c, why) : 0;
    lb_config_control(c, &listen);
    return err < 0 ? err : lb_control_listen_check(&listen, why);
}
