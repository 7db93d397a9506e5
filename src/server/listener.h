/* A listening socket of a loop: what it accepts becomes connections. All on the loop's thread. */
#ifndef LB_SERVER_LISTENER_H
#define LB_SERVER_LISTENER_H

#include "server/conn.h"

struct lb_listener {
    int fd; /* -1: closed */
    struct lb_conns *conns;
    void (*closed)(struct lb_listener *li);
    struct lb_io_op accept_op;
    struct lb_io_timer retry;
    bool failed; /* the last time; said once */
    bool closing;
};

/* Begins to accept. li: zeroed. Takes fd; conns is borrowed. closed is called once the descriptor
 * is closed, perhaps from inside lb_listener_close. */
void lb_listener_start(struct lb_listener *li, struct lb_conns *conns, int fd,
                       void (*closed)(struct lb_listener *li));

/* Stops accepting, at once or when an accept in flight has ended. Once. */
void lb_listener_close(struct lb_listener *li);

#endif
