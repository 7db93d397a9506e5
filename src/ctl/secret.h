/* Secrets from the command line or standard input. */
#ifndef LB_CTL_SECRET_H
#define LB_CTL_SECRET_H

#include "ctl/ctl.h"

/* The value of --secret-key, or, when that is "-", the first line of standard input, which a
 * terminal is asked for and does not show. *ret is owned
 * (lb_secret_free), NULL without the option. What stood on the command line is overwritten there,
 * so that a list of processes no longer shows it. Returns 0 or an exit code. */
int lb_secret_option(struct lb_ctl *c, char **ret);

/* Overwrites and frees it. NULL is allowed. */
void lb_secret_free(char *secret);

#endif
