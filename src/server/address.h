/* Where to listen: an IP address and a port, as text and as the system wants them. */
#ifndef LB_SERVER_ADDRESS_H
#define LB_SERVER_ADDRESS_H

#include <sys/socket.h>

#include "base/slice.h"

#define LB_ADDRESS_TEXT 64 /* bytes of the longest text, with its NUL */

struct lb_address {
    struct sockaddr_storage addr;
    socklen_t len;
};

/* Parses "127.0.0.1:9091" or "[::1]:9091"; port 0 takes a free one. Returns 0, or -EINVAL with *ret
 * untouched. */
int lb_address_parse(const char *text, struct lb_address *ret);

/* The address that a socket is bound to, as text; empty where it is neither IPv4 nor IPv6. */
void lb_address_of_socket(int fd, char ret[LB_ADDRESS_TEXT]);

#endif
