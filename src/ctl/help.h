/* Help, from the table of commands. */
#ifndef LB_CTL_HELP_H
#define LB_CTL_HELP_H

#include "ctl/ctl.h"

/* Appends what `lobosctl --help` shows. */
void lb_help_overview(struct lb_buf *out);

/* Shows the help of a command, or of all commands of a group (name NULL). Returns 0, or
 * LB_EXIT_USAGE when there is none. */
int lb_help_topic(struct lb_ctl *c, const char *group_or_name, const char *name);

#endif
