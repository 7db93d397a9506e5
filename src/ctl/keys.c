/* lobosctl key ... */
#include <stdlib.h>

#include "ctl/commands.h"
#include "ctl/format.h"
#include "ctl/secret.h"
#include "ctl/show.h"

int lb_key_add(struct lb_ctl *c) {
    Lobosadmin__CreateKeyRequest request = LOBOSADMIN__CREATE_KEY_REQUEST__INIT;
    Lobosadmin__NewKey *key;
    const char *access = lb_ctl_option(c, "access-key");
    const char *expires = lb_ctl_option(c, "expires");
    char *secret = NULL;
    request.user = c->args.words[0];
    if (!access != !lb_ctl_option(c, "secret-key"))
        return lb_ctl_fail(c, LB_EXIT_USAGE, "--access-key and --secret-key go together");
    int err = expires ? lb_ctl_moment(c, expires, &request.expires) : 0;
    if (err == 0)
        err = lb_secret_option(c, &secret);
    if (err)
        return err;
    if (secret) {
        request.access_key = (char *)access;
        request.secret_key = secret;
    }
    err = lb_ctl_call(c, "CreateKey", &request.base, &key);
    if (err == 0) {
        err = lb_new_key_show(c, key, secret);
        lb_message_free(&key->base);
    }
    lb_secret_free(secret);
    return err;
}

int lb_key_rotate(struct lb_ctl *c) {
    Lobosadmin__RotateKeyRequest request = LOBOSADMIN__ROTATE_KEY_REQUEST__INIT;
    Lobosadmin__NewKey *key;
    const char *keep = lb_ctl_option(c, "keep");
    request.access_key = c->args.words[0];
    if (keep && lb_parse_duration(keep, &request.keep_s) < 0)
        return lb_ctl_fail(c, LB_EXIT_USAGE, "--keep %s: must be a duration, such as 12h or 7d",
                           keep);
    int err = lb_ctl_call(c, "RotateKey", &request.base, &key);
    if (err)
        return err;
    err = lb_new_key_show(c, key, false);
    if (err == 0 && !c->json) {
        char duration[LB_FORMAT_MAX];
        if (request.keep_s > 0)
            lb_buf_printf(&c->out, "%s stays valid for %s.\n", request.access_key,
                          lb_format_duration(request.keep_s, duration));
        else
            lb_buf_printf(&c->out, "%s is no longer valid.\n", request.access_key);
    }
    lb_message_free(&key->base);
    return err;
}

/* ---- list ---- */

static int list_keys(struct lb_ctl *c, const Lobosadmin__User *user, void *data) {
    struct lb_table *t = data;
    char time[LB_FORMAT_MAX];
    for (size_t i = 0; i < user->n_keys; i++) {
        const Lobosadmin__Key *key = user->keys[i];
        if (c->json) {
            lb_key_json(&c->doc, NULL, key, NULL);
            continue;
        }
        lb_table_cell(t, key->access_key);
        lb_table_cell(t, user->name);
        lb_table_cell(t, lb_key_state(key));
        lb_table_cell(t, lb_format_time(key->created, time));
        lb_table_cell(t, key->expires ? lb_format_time(key->expires, time) : "never");
    }
    return 0;
}

int lb_key_list(struct lb_ctl *c) {
    static const char *const heads[] = {"ACCESS KEY", "USER", "STATE", "CREATED", "EXPIRES"};
    Lobosadmin__User *user = NULL;
    struct lb_table t;
    lb_table_init(&t, heads, "lllll");
    lb_ctl_begin_list(c, "keys");
    int err;
    if (c->args.words_n > 0) {
        err = lb_user_get(c, c->args.words[0], &user);
        if (err == 0)
            list_keys(c, user, &t);
    } else {
        err = lb_users_each(c, NULL, list_keys, &t);
    }
    if (user)
        lb_message_free(&user->base);
    return lb_ctl_end_list(c, &t, "There are no keys.", err);
}

/* ---- rm, disable, enable, expire ---- */

int lb_key_rm(struct lb_ctl *c) {
    Lobosadmin__KeyName request = LOBOSADMIN__KEY_NAME__INIT;
    request.access_key = c->args.words[0];
    return lb_ctl_call_done(c, "DeleteKey", &request.base);
}

static int set_key(struct lb_ctl *c, Lobosadmin__SetKeyRequest *request) {
    Lobosadmin__Key *key;
    char time[LB_FORMAT_MAX];
    request->access_key = c->args.words[0];
    int err = lb_ctl_call(c, "SetKey", &request->base, &key);
    if (err)
        return err;
    if (c->json)
        lb_key_json(&c->doc, NULL, key, NULL);
    else
        lb_buf_printf(&c->out, "%s of %s: %s, expires %s\n", key->access_key, key->user,
                      lb_key_state(key),
                      key->expires ? lb_format_time(key->expires, time) : "never");
    lb_message_free(&key->base);
    return 0;
}

static int set_disabled(struct lb_ctl *c, bool disabled) {
    Lobosadmin__SetKeyRequest request = LOBOSADMIN__SET_KEY_REQUEST__INIT;
    Google__Protobuf__BoolValue value = GOOGLE__PROTOBUF__BOOL_VALUE__INIT;
    value.value = disabled;
    request.disabled = &value;
    return set_key(c, &request);
}

int lb_key_disable(struct lb_ctl *c) {
    return set_disabled(c, true);
}

int lb_key_enable(struct lb_ctl *c) {
    return set_disabled(c, false);
}

int lb_key_expire(struct lb_ctl *c) {
    Lobosadmin__SetKeyRequest request = LOBOSADMIN__SET_KEY_REQUEST__INIT;
    Google__Protobuf__Int64Value value = GOOGLE__PROTOBUF__INT64_VALUE__INIT;
    int err = lb_ctl_moment(c, c->args.words[1], &value.value);
    if (err)
        return err;
    request.expires = &value;
    return set_key(c, &request);
}
