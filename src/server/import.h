/* lobos --import-users: takes over what the original lobos keeps in its data directory. */
#ifndef LB_SERVER_IMPORT_H
#define LB_SERVER_IMPORT_H

#include "server/config.h"

/* Imports the users of the original's data directory dir into those of the configuration, and makes
 * the buckets that its bucket file has and the data root has not. Prints what it does. No server
 * may be running. Returns 0, or -errno and the reason in why. */
int lb_server_import(const struct lb_config *c, const char *dir, struct lb_buf *why);

#endif
