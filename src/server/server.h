/* The whole server: engine, credentials, loops; from a checked configuration to the last
 * connection. */
#ifndef LB_SERVER_SERVER_H
#define LB_SERVER_SERVER_H

#include "server/config.h"

struct lb_server;

/* Opens the engine, makes the buckets asked for, starts the loops; the server answers when this
 * returns. config is borrowed for the server's life. Returns 0 and owned; or negative, with the
 * reason logged. */
int lb_server_start(const struct lb_config *config, struct lb_server **ret);

/* The port bound (that of the configuration, or the one chosen for 0). */
unsigned lb_server_port(const struct lb_server *s);

/* Where metrics are served ("127.0.0.1:9091"), or empty when they are not. */
const char *lb_server_metrics_address(const struct lb_server *s);

/* What the control plane asks of the process. */
struct lb_server_hooks {
    /* Would a reload take the configuration as it is now? Returns 0, or -errno with one line in
     * why. On a thread of the control plane. */
    int (*check)(void *ctx, struct lb_buf *why);
    void *ctx;
};

/* Starts the control plane, and the counting of what buckets hold. Once, after lb_server_start;
 * hooks is borrowed for the server's life. A reload is a SIGHUP to the process, a drain a SIGTERM.
 * Returns 0; or negative, with the reason logged. */
int lb_server_start_control(struct lb_server *s, const struct lb_server_hooks *hooks);

/* Where the control plane listens ("127.0.0.1:50051"), or empty when it does not. */
const char *lb_server_control_address(const struct lb_server *s);

/* Takes over what may change while serving: log_level, log_format, access_log, slow_request_ms,
 * idle_timeout, max_connections, and the TLS certificate and key, whose files are read again. */
void lb_server_reload(struct lb_server *s, const struct lb_config *config);

/* Drains for at most timeout_s, then breaks off. Returns true when every loop has ended; false
 * leaves threads behind, and the process should exit at once. */
bool lb_server_stop(struct lb_server *s, unsigned timeout_s);

/* After lb_server_stop returned true. NULL is allowed. */
void lb_server_free(struct lb_server *s);

/* Sets level and format of the log by the configuration. */
void lb_server_setup_log(const struct lb_config *config);

#endif
