/* Things done once, before the loops serve. */
#ifndef LB_SERVER_BOOTSTRAP_H
#define LB_SERVER_BOOTSTRAP_H

#include "engine/engine.h"

/* Creates the buckets named in list ("a,b"), those that exist already are fine. Blocks. Returns 0
 * or the error, logged with the bucket's name. */
int lb_bootstrap_buckets(struct lb_engine *e, const struct lb_io_conf *conf, struct lb_slice list);

/* Lets the process open as many files as it is allowed to: the usual limit is for programs that use
 * select(2), and every connection is a file. */
void lb_bootstrap_raise_limits(void);

/* The listening socket that a service manager handed over (sd_listen_fds(3)): a descriptor, or -1
 * when there is none. */
int lb_bootstrap_inherited_socket(void);

/* Tells the service manager about the state ("READY=1"), if there is one (sd_notify(3)). */
void lb_bootstrap_notify(const char *state);

#endif
