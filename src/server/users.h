/* The users, as the configuration has them kept. */
#ifndef LB_SERVER_USERS_H
#define LB_SERVER_USERS_H

#include "control/users.h"
#include "server/config.h"

/* Opens users_file, or R/.lobos/users, with the configuration's own users. config and vfs outlive
 * them. Returns 0 and owned; or negative, with one line in why. */
int lb_server_users_open(const struct lb_config *c, struct lb_vfs *vfs, struct lb_buf *why,
                         struct lb_users **ret);

#endif
