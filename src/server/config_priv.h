/* Shared by config.c (the table of keys) and config_file.c (its text form). */
#ifndef LB_SERVER_CONFIG_PRIV_H
#define LB_SERVER_CONFIG_PRIV_H

#include "server/config.h"

#define CONFIG_KEYS_MAX 64

/* The place of a key in the table; section as for lb_config_set. -EINVAL, with the reason in why,
 * when there is no such section or key. */
int config_find_key(struct lb_slice section, struct lb_slice name, struct lb_buf *why);

/* Returns 0 when keys may stand in that section, else -EINVAL and the reason in why. */
int config_check_section(struct lb_slice section, struct lb_buf *why);

/* The control plane's keys; reads grpc_token_file into grpc_token. Errors as of lb_config_check. */
int config_check_control(struct lb_config *c, struct lb_buf *why);

/* http_threads_cores: "1-8", "1,3,10" or a mixture, to c->cores. Returns 0 or -EINVAL. */
int config_parse_cores(struct lb_config *c, struct lb_slice list);

#endif
