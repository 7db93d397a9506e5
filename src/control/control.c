#include "control/control.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "control/rpc_priv.h"
#include "control/storage_priv.h"

#define GRACE_MS 2000

struct lb_control {
    struct control control;
    struct rpc_server rpc; /* with gRPC */
    bool listens;
};

int lb_control_start(const struct lb_control_conf *conf, struct lb_control **ret) {
    struct lb_control *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->control.conf = *conf;
    int err = control_storage_start(&c->control.conf, &c->control.storage);
    if (err < 0)
        lb_error("cannot start the control plane", LB_LOG_C("err", lb_err_name(err)));
    if (err == 0 && conf->listen.address[0]) {
        err = rpc_server_start(&c->rpc, &c->control);
        c->listens = err == 0;
    }
    if (err < 0) {
        lb_control_stop(c);
        return err;
    }
    *ret = c;
    return 0;
}

const char *lb_control_address(const struct lb_control *c) {
    return c->listens ? c->rpc.address.text : "";
}

void lb_control_changed(struct lb_control *c) {
    if (c->listens)
        rpc_wake_watches(&c->rpc);
}

void lb_control_reload(struct lb_control *c) {
    if (c->listens)
        atomic_store(&c->rpc.tls.wanted, true);
}

void lb_control_stop(struct lb_control *c) {
    if (!c)
        return;
    if (c->listens)
        rpc_server_stop(&c->rpc, GRACE_MS);
    control_storage_stop(c->control.storage);
    free(c);
}
