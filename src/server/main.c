/* lobos: start-up, signals, the end. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "server/bootstrap.h"
#include "server/import.h"
#include "server/options.h"
#include "server/server.h"
#include "server/volume.h"

static void print_started(const struct lb_config *c, const struct lb_options *o, unsigned port) {
    char address[64];
    lb_config_address(c, port, address, sizeof(address));
    printf("Starting S3 %s server", c->tls_key[0] ? "HTTPS" : "HTTP");
    if (o->single_dir)
        printf(" for bucket %s", c->fs_single_bucket);
    printf(" at %s\n", address);
}

/* The command line, as it is parsed anew: by the main thread for a SIGHUP, and by the control plane
 * to tell whether one would be of use. */
struct reloading {
    pthread_mutex_t lock; /* getopt(3) keeps where it is */
    int argc;
    char **argv;
};

static int parse(struct reloading *r, struct lb_config *fresh, struct lb_buf *why) {
    struct lb_options options;
    pthread_mutex_lock(&r->lock);
    int err = lb_options_parse(r->argc, r->argv, fresh, &options, why);
    pthread_mutex_unlock(&r->lock);
    return err;
}

static int check(void *ctx, struct lb_buf *why) {
    struct lb_config fresh;
    int err = parse(ctx, &fresh, why);
    lb_config_fini(&fresh);
    return err;
}

static void reload(struct lb_server *s, struct reloading *r) {
    struct lb_config fresh;
    struct lb_buf why;
    lb_buf_init(&why, 4096);
    if (parse(r, &fresh, &why) < 0) {
        lb_error("the configuration was not reloaded", LB_LOG_S("reason", lb_buf_slice(&why)));
    } else {
        lb_server_reload(s, &fresh);
        lb_info("reloaded log_level, log_format, access_log, slow_request_ms, idle_timeout, "
                "max_connections and the TLS certificate; other keys need a restart");
    }
    lb_config_fini(&fresh);
    lb_buf_fini(&why);
}

static void wait_for_end(struct lb_server *s, const sigset_t *signals, struct reloading *r) {
    int sig;
    while (sigwait(signals, &sig) == 0 && sig == SIGHUP)
        reload(s, r);
    lb_info("stopping: no new connections; a second signal stops at once");
    lb_bootstrap_notify("STOPPING=1");
}

/* While draining, a second signal ends the process as it would have without a handler. */
static void restore_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

static int serve(const struct lb_config *c, const struct lb_options *o, int argc, char **argv) {
    struct lb_server *s = NULL;
    struct reloading reloading = {PTHREAD_MUTEX_INITIALIZER, argc, argv};
    const struct lb_server_hooks hooks = {check, &reloading};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* beyond a limit of file sizes writes fail, as on a full disk */
    lb_server_setup_log(c);
    lb_bootstrap_raise_limits();
    printf("starting in %s mode\n", lb_config_is_volume(c) ? "volume" : "fs");
    fflush(stdout);
    if (lb_server_start(c, &s) < 0)
        return EXIT_FAILURE;
    print_started(c, o, lb_server_port(s));
    if (lb_server_start_control(s, &hooks) < 0) {
        if (lb_server_stop(s, 0))
            lb_server_free(s);
        return EXIT_FAILURE;
    }
    if (lb_server_control_address(s)[0])
        printf("Control plane listening on %s\n", lb_server_control_address(s));
    if (lb_server_metrics_address(s)[0])
        printf("Metrics at http://%s/metrics\n", lb_server_metrics_address(s));
    fflush(stdout);
    lb_bootstrap_notify("READY=1");
    wait_for_end(s, &signals, &reloading);
    restore_signals();
    if (!lb_server_stop(s, (unsigned)c->drain_timeout)) {
        lb_warn("some requests did not end in time");
        _exit(EXIT_FAILURE);
    }
    lb_server_free(s);
    lb_info("stopped");
    return EXIT_SUCCESS;
}

static int import(const struct lb_config *c, const struct lb_options *o, struct lb_buf *why) {
    if (lb_server_import(c, o->import_dir, why) == 0)
        return EXIT_SUCCESS;
    fprintf(stderr, "lobos: %.*s\n", (int)why->len, why->ptr);
    return EXIT_FAILURE;
}

static int format(const struct lb_config *c, struct lb_buf *why) {
    if (lb_server_format(c, why) == 0)
        return EXIT_SUCCESS;
    fprintf(stderr, "lobos: %.*s\n", (int)why->len, why->ptr);
    return EXIT_FAILURE;
}

int main(int argc, char **argv) {
    struct lb_config config;
    struct lb_options options;
    struct lb_buf why;
    int status = EXIT_SUCCESS;
    lb_buf_init(&why, 4096);
    if (argc == 1) {
        fputs(lb_options_help, stderr);
        return EXIT_FAILURE;
    }
    if (lb_options_parse(argc, argv, &config, &options, &why) < 0) {
        fprintf(stderr, "lobos: %.*s\n", (int)why.len, why.ptr);
        status = EXIT_FAILURE;
    } else if (options.action == LB_OPTIONS_HELP) {
        fputs(lb_options_help, stdout);
    } else if (options.action == LB_OPTIONS_VERSION) {
        puts("lobos " LB_VERSION);
    } else if (options.action == LB_OPTIONS_CHECK) {
        puts("the configuration is right");
    } else if (options.action == LB_OPTIONS_IMPORT) {
        status = import(&config, &options, &why);
    } else if (options.action == LB_OPTIONS_FORMAT) {
        status = format(&config, &why);
    } else {
        status = serve(&config, &options, argc, argv);
    }
    lb_config_fini(&config);
    lb_buf_fini(&why);
    return status;
}
