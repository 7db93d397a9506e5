/* The configuration: a table of keys (config.def), filled from defaults, a file, the environment
 * and the command line, in this order. A mistake is an error that names file, line and key. */
#ifndef LB_SERVER_CONFIG_H
#define LB_SERVER_CONFIG_H

#include "base/buf.h"
#include "control/control.h"

#define LB_CONFIG_ADMIN "lobos" /* name of the user that access_key and secret_key belong to */
#define LB_CONFIG_ANONYMOUS "anonymous" /* shown of those who have none */
#define LB_CONFIG_USERS_MAX 10000

/* A line of [users]. */
struct lb_config_user {
    char *name, *access_key, *secret_key; /* owned */
};

struct lb_config {
    char *backend, *listen_ip, *http_threads_cores, *grpc_server, *grpc_token, *grpc_token_file,
        *grpc_tls_certificate, *grpc_tls_key, *grpc_client_ca, *auth_enabled, *access_key,
        *secret_key, *users_file, *master_key_file, *region, *domain, *default_bucket, *buckets,
        *durability, *io_backend, *tls_certificate, *tls_key, *log_level, *log_format,
        *fs_directory, *fs_single_bucket, *volume_path, *spdk_device, *spdk_log_level,
        *metrics_listen;
    uint64_t port, http_threads, max_memory, max_connections, idle_timeout, drain_timeout,
        slow_request_ms, usage_interval, fs_list_cache, fs_open_files, fs_upload_expiry_days,
        fs_index_refresh_sec, volume_size, spdk_cluster_sz, spdk_reactor_core, spdk_max_use_pct;
    bool access_log, fs_enable_index, spdk_interrupt_mode;
    struct lb_config_user *users; /* beside the administrator */
    size_t users_n;

    unsigned cores[256]; /* of http_threads_cores */
    unsigned cores_n;    /* 0: no pinning */
    bool auth;           /* decided by lb_config_check */
};

/* Sets every key to its default. Returns 0 or -ENOMEM. */
int lb_config_init(struct lb_config *c);
/* Wipes and frees. */
void lb_config_fini(struct lb_config *c);

/* Reads an INI file on top of c. On an error appends one line to why and returns -EINVAL (or -errno
 * of reading). */
int lb_config_read_file(struct lb_config *c, const char *path, struct lb_buf *why);

/* The same for its text. name: of the file, for messages. */
int lb_config_read_text(struct lb_config *c, const char *name, struct lb_slice text,
                        struct lb_buf *why);

/* Sets one key: "port", "lobos.port" or "filesystem.directory". Section NULL: name may carry it,
 * else it is looked for in all sections ([lobos] first). A key of [users] adds a user. Errors as
 * above. */
int lb_config_set(struct lb_config *c, const char *section, const char *name, const char *value,
                  struct lb_buf *why);

/* Adds a user: value is ACCESSKEY:SECRETKEY. Errors as above; none of them tells a secret. */
int lb_config_add_user(struct lb_config *c, const char *name, const char *value,
                       struct lb_buf *why);
/* Wipes and frees them. */
void lb_config_free_users(struct lb_config *c);

/* LOBOS_ACCESS_KEY, LOBOS_SECRET_KEY, LOBOS_BUCKETS. Errors as above. */
int lb_config_read_environment(struct lb_config *c, struct lb_buf *why);

/* What http_threads = 0 stands for: one per CPU, at most 8. */
unsigned lb_config_threads_auto(void);

/* Checks what depends on several keys, and resolves auth and http_threads. Errors as above. */
int lb_config_check(struct lb_config *c, struct lb_buf *why);

/* Where it listens, with the port that was bound: "127.0.0.1:8080", "[::1]:8080". */
void lb_config_address(const struct lb_config *c, unsigned port, char *ret, size_t cap);

/* Where the control plane listens, by the configuration. Borrows from c. */
void lb_config_control(const struct lb_config *c, struct lb_control_listen *ret);

/* Are the objects in a volume, not in a directory? */
bool lb_config_is_volume(const struct lb_config *c);

/* Where the objects are: the directory or the volume. Borrows from c. */
const char *lb_config_storage(const struct lb_config *c);

/* Is this address one of this machine only (127.0.0.0/8, ::1)? */
bool lb_config_is_loopback(const char *ip);

#endif
