/* The section [users]: name = ACCESSKEY:SECRETKEY. */
#include <errno.h>
#include <stdlib.h>

#include "auth/creds.h"
#include "server/config.h"

#define NAME_MAX_LEN 64

static int fail(struct lb_buf *why, const char *name, const char *text) {
    lb_buf_printf(why, "[users] %s: %s", name, text);
    return -EINVAL;
}

static bool name_valid(struct lb_slice name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && !memchr("-_.@+", c, 5))
            return false;
    }
    return name.len > 0 && name.len <= NAME_MAX_LEN;
}

/* Printable, and without space; comma and '/' would end it in a header. */
static bool key_valid(struct lb_slice key) {
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] <= ' ' || key.ptr[i] > '~' || key.ptr[i] == ',' || key.ptr[i] == '/')
            return false;
    }
    return key.len > 0 && key.len <= LB_ACCESS_KEY_MAX;
}

static bool secret_valid(struct lb_slice secret) {
    for (size_t i = 0; i < secret.len; i++) {
        if (secret.ptr[i] <= ' ' || secret.ptr[i] > '~')
            return false;
    }
    return secret.len > 0 && secret.len <= LB_SECRET_KEY_MAX;
}

static int check(const struct lb_config *c, const char *name, struct lb_slice key,
                 struct lb_slice secret, struct lb_buf *why) {
    if (!name_valid(lb_slice_cstr(name)))
        return fail(why, name, "a name is 1 to 64 letters, digits or any of - _ . @ +");
    if (strcmp(name, LB_CONFIG_ADMIN) == 0 || strcmp(name, LB_CONFIG_ANONYMOUS) == 0)
        return fail(why, name, "this name is taken");
    if (!key_valid(key) || !secret_valid(secret))
        return fail(why, name,
                    "must be ACCESSKEY:SECRETKEY, each at most 128 printable "
                    "characters without spaces");
    for (size_t i = 0; i < c->users_n; i++) {
        if (strcmp(name, c->users[i].name) == 0)
            return fail(why, name, "is there twice");
        if (lb_slice_eq(key, lb_slice_cstr(c->users[i].access_key))) {
            lb_buf_printf(why, "[users] %s: %s has the same access key", name, c->users[i].name);
            return -EINVAL;
        }
    }
    return c->users_n < LB_CONFIG_USERS_MAX ? 0 : fail(why, name, "is one user too many");
}

static void user_free(struct lb_config_user *u) {
    if (u->secret_key)
        explicit_bzero(u->secret_key, strlen(u->secret_key));
    free(u->name);
    free(u->access_key);
    free(u->secret_key);
}

int lb_config_add_user(struct lb_config *c, const char *name, const char *value,
                       struct lb_buf *why) {
    struct lb_slice secret = lb_slice_cstr(value);
    struct lb_slice key = lb_slice_cut(&secret, ':');
    int err = check(c, name, key, secret, why);
    if (err < 0)
        return err;
    struct lb_config_user u = {.name = strdup(name),
                               .access_key = strndup(key.ptr, key.len),
                               .secret_key = strndup(secret.ptr, secret.len)};
    struct lb_config_user *users = realloc(c->users, (c->users_n + 1) * sizeof(*users));
    if (users)
        c->users = users;
    if (!users || !u.name || !u.access_key || !u.secret_key) {
        user_free(&u);
        return -ENOMEM;
    }
    users[c->users_n++] = u;
    return 0;
}

void lb_config_free_users(struct lb_config *c) {
    for (size_t i = 0; i < c->users_n; i++)
        user_free(&c->users[i]);
    free(c->users);
    c->users = NULL;
    c->users_n = 0;
}
