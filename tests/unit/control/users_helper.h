/* Users on a simulated file system. */
#ifndef LB_TESTS_CONTROL_USERS_HELPER_H
#define LB_TESTS_CONTROL_USERS_HELPER_H

#include <errno.h>
#include <stdio.h>

#include "control/users_priv.h"
#include "lib/check.h"
#include "lib/sim_fs.h"

#define USERS_PATH "/users"

static const uint8_t master_key[LB_USERS_MASTER_KEY_LEN] = "a key of thirty-two bytes, yes.";

static inline int users_open_with(struct sim_fs *fs, const struct lb_users_conf *more,
                                  struct lb_buf *why, struct lb_users **ret) {
    struct lb_users_conf conf = *more;
    conf.vfs = sim_fs_vfs(fs);
    conf.path = USERS_PATH;
    return lb_users_open(&conf, why, ret);
}

static inline struct lb_users *users_open(struct sim_fs *fs, const uint8_t *key) {
    const struct lb_users_conf conf = {.master_key = key};
    struct lb_users *u = NULL;
    struct lb_buf why;
    lb_buf_init(&why, 4096);
    if (users_open_with(fs, &conf, &why, &u) < 0)
        fail_msg("%.*s", LB_SLICE_ARG(lb_buf_slice(&why)));
    lb_buf_fini(&why);
    return u;
}

/* Creates a user with a key and a secret; returns what the call does. */
static inline int users_add(struct lb_users *u, const char *name, const char *key) {
    struct lb_new_key made;
    const struct lb_key_spec spec = {.access_key = lb_slice_cstr(key),
                                     .secret_key = LB_S("secret-of-someone")};
    return lb_users_create(u, lb_slice_cstr(name), false, &spec, NULL, &made, NULL);
}

/* What the loops find; NULL: nothing. Borrowed until the next change. */
static inline const struct lb_cred *users_cred(struct lb_users *u, const char *key) {
    return lb_creds_find(lb_users_box(u)->set, lb_slice_cstr(key));
}

#endif
