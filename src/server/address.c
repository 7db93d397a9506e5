#include "server/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

int lb_address_parse(const char *text, struct lb_address *ret) {
    const char *colon = strrchr(text, ':');
    char ip[INET6_ADDRSTRLEN + 2];
    struct lb_address a = {0};
    struct sockaddr_in *v4 = (void *)&a.addr;
    struct sockaddr_in6 *v6 = (void *)&a.addr;
    uint64_t port;
    if (!colon || (size_t)(colon - text) >= sizeof(ip) ||
        lb_slice_to_u64(lb_slice_cstr(colon + 1), &port) < 0 || port > 65535)
        return -EINVAL;
    size_t n = (size_t)(colon - text);
    memcpy(ip, text, n);
    ip[n] = '\0';
    if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        a.len = sizeof(*v4);
    } else if (n > 2 && ip[0] == '[' && ip[n - 1] == ']') {
        ip[n - 1] = '\0';
        if (inet_pton(AF_INET6, ip + 1, &v6->sin6_addr) != 1)
            return -EINVAL;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        a.len = sizeof(*v6);
    } else {
        return -EINVAL;
    }
    *ret = a;
    return 0;
}

void lb_address_of_socket(int fd, char ret[LB_ADDRESS_TEXT]) {
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof(a);
    const struct sockaddr_in *v4 = (const void *)&a;
    const struct sockaddr_in6 *v6 = (const void *)&a;
    char ip[INET6_ADDRSTRLEN] = "";
    ret[0] = '\0';
    if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        return;
    if (a.ss_family == AF_INET && inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof(ip)))
        snprintf(ret, LB_ADDRESS_TEXT, "%s:%u", ip, ntohs(v4->sin_port));
    else if (a.ss_family == AF_INET6 && inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof(ip)))
        snprintf(ret, LB_ADDRESS_TEXT, "[%s]:%u", ip, ntohs(v6->sin6_port));
}
