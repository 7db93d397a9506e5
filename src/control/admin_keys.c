/* Keys. A secret is in the reply of the call that made it, and nowhere else. */
#include <errno.h>

#include "control/admin_priv.h"

Lobosadmin__NewKey *control_new_key(struct control_call *call, struct lb_new_key *made) {
    Lobosadmin__NewKey *reply = control_new(call, &lobosadmin__new_key__descriptor);
    if (reply) {
        reply->key = control_key(call, made->user, &made->key);
        reply->secret_key = control_text(call, lb_slice_cstr(made->secret_key));
    }
    explicit_bzero(made->secret_key, sizeof(made->secret_key));
    return reply;
}

static int reply_new(struct control_call *call, int err, struct lb_new_key *made) {
    if (err < 0)
        return control_users_fail(call, err);
    Lobosadmin__NewKey *reply = control_new_key(call, made);
    call->reply = reply ? &reply->base : NULL;
    return GRPC_STATUS_OK;
}

int control_admin_create_key(struct control_call *call, const void *request) {
    const Lobosadmin__CreateKeyRequest *in = request;
    const struct lb_key_spec spec = {.access_key = lb_slice_cstr(in->access_key),
                                     .secret_key = lb_slice_cstr(in->secret_key),
                                     .expires_s = in->expires};
    struct lb_new_key made;
    int err = lb_users_key_create(call->control->conf.users, lb_slice_cstr(in->user), &spec, &made,
                                  &call->why);
    return reply_new(call, err, &made);
}

int control_admin_rotate_key(struct control_call *call, const void *request) {
    const Lobosadmin__RotateKeyRequest *in = request;
    struct lb_new_key made;
    int err = lb_users_key_rotate(call->control->conf.users, lb_slice_cstr(in->access_key),
                                  in->keep_s, &made, &call->why);
    return reply_new(call, err, &made);
}

int control_admin_set_key(struct control_call *call, const void *request) {
    const Lobosadmin__SetKeyRequest *in = request;
    char user[LB_USER_NAME_MAX + 1];
    struct lb_user_key key;
    bool disabled = in->disabled && in->disabled->value;
    int64_t expires = in->expires ? in->expires->value : 0;
    if (!in->disabled && !in->expires)
        return control_fail(call, GRPC_STATUS_INVALID_ARGUMENT,
                            "nothing to change: give disabled or expires");
    int err = lb_users_key_set(call->control->conf.users, lb_slice_cstr(in->access_key),
                               in->disabled ? &disabled : NULL, in->expires ? &expires : NULL, user,
                               &key, &call->why);
    if (err < 0)
        return control_users_fail(call, err);
    Lobosadmin__Key *reply = control_key(call, user, &key);
    call->reply = reply ? &reply->base : NULL;
    return GRPC_STATUS_OK;
}

int control_admin_delete_key(struct control_call *call, const void *request) {
    const Lobosadmin__KeyName *in = request;
    int err = lb_users_key_delete(call->control->conf.users, LB_S(""),
                                  lb_slice_cstr(in->access_key), &call->why);
    return err < 0 ? control_users_fail(call, err) : control_done(call, "the key was deleted");
}
