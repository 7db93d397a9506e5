/* What depends on several keys at once. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "auth/creds.h"
#include "server/address.h"
#include "server/config_priv.h"

static int fail(struct lb_buf *why, const char *text) {
    lb_buf_append(why, lb_slice_cstr(text));
    return -EINVAL;
}

bool lb_config_is_loopback(const char *ip) {
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, ip, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, ip, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

void lb_config_address(const struct lb_config *c, unsigned port, char *ret, size_t cap) {
    bool v6 = strchr(c->listen_ip, ':') != NULL;
    snprintf(ret, cap, v6 ? "[%s]:%u" : "%s:%u", c->listen_ip, port);
}

static int add_core(struct lb_config *c, uint64_t core) {
    if (core >= 1024 || c->cores_n == sizeof(c->cores) / sizeof(c->cores[0]))
        return -EINVAL;
    c->cores[c->cores_n++] = (unsigned)core;
    return 0;
}

int config_parse_cores(struct lb_config *c, struct lb_slice list) {
    c->cores_n = 0;
    while (list.len) {
        struct lb_slice last = lb_slice_trim(lb_slice_cut(&list, ','));
        struct lb_slice first = lb_slice_cut(&last, '-');
        uint64_t from, to;
        if (lb_slice_to_u64(first, &from) < 0)
            return -EINVAL;
        to = from;
        if (last.ptr && (lb_slice_to_u64(last, &to) < 0 || to < from))
            return -EINVAL;
        for (; from <= to; from++) {
            if (add_core(c, from) < 0)
                return -EINVAL;
        }
    }
    return 0;
}

unsigned lb_config_threads_auto(void) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return cpus < 1 ? 1 : cpus > 8 ? 8 : (unsigned)cpus;
}

static int check_threads(struct lb_config *c, struct lb_buf *why) {
    if (c->http_threads == 0 && c->cores_n > 0)
        c->http_threads = c->cores_n;
    if (c->http_threads == 0)
        c->http_threads = lb_config_threads_auto();
    if (c->cores_n > 0 && c->cores_n != c->http_threads) {
        lb_buf_printf(why, "http_threads_cores names %u cores, but http_threads is %u", c->cores_n,
                      (unsigned)c->http_threads);
        return -EINVAL;
    }
    return 0;
}

static int check_auth(struct lb_config *c, struct lb_buf *why) {
    bool has_key = c->access_key[0], has_secret = c->secret_key[0];
    if (has_key != has_secret)
        return fail(why, "access_key and secret_key go together: one of them is empty");
    if (strlen(c->access_key) > LB_ACCESS_KEY_MAX || strlen(c->secret_key) > LB_SECRET_KEY_MAX)
        return fail(why, "access_key and secret_key: at most 128 characters each");
    bool asked = strcmp(c->auth_enabled, "true") == 0;
    if (c->users_n && !has_key && !asked)
        return fail(why, "[users] needs an administrator: set access_key and secret_key, or "
                         "auth_enabled = true when the control plane has made one");
    for (size_t i = 0; i < c->users_n; i++) {
        if (has_key && strcmp(c->users[i].access_key, c->access_key) == 0) {
            lb_buf_printf(why, "[users] %s: has the administrator's access_key", c->users[i].name);
            return -EINVAL;
        }
    }
    c->auth = asked || (has_key && strcmp(c->auth_enabled, "false") != 0);
    if (!c->auth && !lb_config_is_loopback(c->listen_ip)) {
        lb_buf_printf(why,
                      "listen_ip = %s: without authentication only a loopback address may be "
                      "bound. Set access_key and secret_key (or LOBOS_ACCESS_KEY and "
                      "LOBOS_SECRET_KEY), or listen_ip = 127.0.0.1",
                      c->listen_ip);
        return -EINVAL;
    }
    return 0;
}

static int check_metrics(const struct lb_config *c, struct lb_buf *why) {
    struct lb_address address;
    if (strcmp(c->metrics_listen, "off") == 0 || lb_address_parse(c->metrics_listen, &address) == 0)
        return 0;
    lb_buf_printf(why,
                  "metrics_listen = %s: must be an address and a port such as 127.0.0.1:9091 or "
                  "[::1]:9091, or off",
                  c->metrics_listen);
    return -EINVAL;
}

bool lb_config_is_volume(const struct lb_config *c) {
    return strcmp(c->backend, "volume") == 0;
}

const char *lb_config_storage(const struct lb_config *c) {
    return lb_config_is_volume(c) ? c->volume_path : c->fs_directory;
}

static int check_storage(const struct lb_config *c, struct lb_buf *why) {
    if (strcmp(c->backend, "spdk_blobstore") == 0)
        return fail(why, "backend = spdk_blobstore: this lobos was built without SPDK; use "
                         "backend = filesystem or backend = volume");
    if (lb_config_is_volume(c) && !c->volume_path[0])
        return fail(why, "path in [volume] is not set: which file or block device holds the "
                         "objects? (Or use --volume FILE.)");
    if (!lb_config_is_volume(c) && !c->fs_directory[0])
        return fail(why, "directory in [filesystem] is not set: which directory shall be served? "
                         "(Or use --root DIR or --dir DIR.)");
    return 0;
}

int lb_config_check(struct lb_config *c, struct lb_buf *why) {
    if (check_storage(c, why) < 0)
        return -EINVAL;
    if (!c->tls_certificate[0] != !c->tls_key[0])
        return fail(why, "tls_certificate and tls_key go together: one of them is empty");
    int err = check_metrics(c, why);
    if (err == 0)
        err = check_threads(c, why);
    if (err == 0)
        err = check_auth(c, why);
    return err ? err : config_check_control(c, why);
}
